"""Settings of the parser: which one stands behind `auto`, and the noun lists that it uses.

Both are settled when a training begins, so that a checkpoint answers elsewhere as it was trained.
"""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from saymask.labels.tables import LABEL_TABLE
from saymask.models.bqnet.config import BQNetConfig
from saymask.text.scene_graph.parse import chosen_backend
from saymask.text.scene_graph.vocabulary import Vocabulary, load_vocabulary

_LISTS = ("objects", "object_nouns", "scene_nouns")


def settled(config: BQNetConfig) -> BQNetConfig:
    """Return the configuration with the parser that `auto` stands for here, and noun lists as text in place of a path.

    Raises InputError for a file of noun lists that cannot be read.
    """
    lists = noun_lists(config.vocabulary)
    text = "" if lists is None else json.dumps({name: sorted(getattr(lists, name)) for name in _LISTS})
    return replace(config, parser=chosen_backend(config.parser), vocabulary=text)


@lru_cache(maxsize=4)
def noun_lists(vocabulary: str) -> Vocabulary | None:
    """Return the noun lists of `BQNetConfig.vocabulary`, None for our own.

    The official lists are completed by ScanNet's label table, which must then lie beside their file.
    """
    if not vocabulary:
        return None
    if vocabulary.startswith("{"):
        return Vocabulary(**{name: frozenset(words) for name, words in json.loads(vocabulary).items()})
    labels = Path(vocabulary).parent / LABEL_TABLE
    return load_vocabulary(vocabulary, labels if labels.is_file() else None)
