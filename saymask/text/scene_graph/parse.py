"""Parsing of a sentence to its scene graph: clean-up, parse, and the prefix for sentences that name nothing.

Source: docs/systems/bqnet.md §2.4.
"""

from functools import lru_cache
from typing import Literal

from saymask.errors import InputError
from saymask.text.clean import PREFIX, clean_caption, collapse
from saymask.text.scene_graph.graph import SceneGraph
from saymask.text.scene_graph.vocabulary import Vocabulary

Backend = Literal["auto", "rules", "spacy"]
BACKENDS: tuple[Backend, ...] = ("auto", "rules", "spacy")
_REMEMBERED = 1 << 16  # every sentence of the largest benchmark, so that an epoch parses none twice
_POSITIONS = """
angle area arrangement back background base border bottom center centre corner direction distance division east edge end
foot foreground front gap ground half head height inside left level line location middle midpoint north northeast
northwest opening order outside part path perimeter perspective place point portion position proximity quadrant quarter
reach rear region right row section sequence side south southeast southwest space spot surface top vicinity view
viewpoint way west zone
"""


def parse_sentence(
    text: str, *, source: str = "scanrefer", backend: str = "auto", vocabulary: Vocabulary | None = None
) -> SceneGraph:
    """Return the scene graph of a sentence as written; its `utterance` is the cleaned text that the spans refer to.

    When the sentence names no main target, "This is an object . " is put in front and it is parsed again, once.

    Args:
        text: one or more sentences that describe an object.
        source: `scanrefer` (tokens joined by blanks) or `multi3drefer` (running text); decides the clean-up.
        backend: `spacy` (the published way, needs an installed English model), `rules` (built in), or `auto`: spaCy
            when a model is installed, else the rules.
        vocabulary: noun lists in place of our own, e.g. from `load_vocabulary`.

    Raises:
        InputError: text is empty or no text; source or backend is unknown; spaCy is asked for and not installed.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend: expected {', '.join(BACKENDS)}, got {backend!r}")
    utterance = clean_caption(text, source=source)
    if not text.strip():
        raise InputError("sentence: expected a description such as 'the chair beside the window', got an empty text")
    return _parse(utterance, chosen_backend(backend), vocabulary)


def chosen_backend(backend: str = "auto") -> Literal["rules", "spacy"]:
    """Return the backend that `auto` stands for here; any other is returned as it is."""
    if backend == "rules":
        return "rules"
    from saymask.text.scene_graph.spacy_backend import installed_model

    return "spacy" if backend == "spacy" or installed_model() is not None else "rules"


@lru_cache(maxsize=_REMEMBERED)
def _parse(utterance: str, backend: Literal["rules", "spacy"], vocabulary: Vocabulary | None) -> SceneGraph:
    graph = _graph(utterance, backend, vocabulary)
    if graph.main is None:
        graph = _graph(collapse(PREFIX + utterance), backend, vocabulary)
    return graph


def _graph(utterance: str, backend: Literal["rules", "spacy"], vocabulary: Vocabulary | None) -> SceneGraph:
    if backend == "rules":
        from saymask.text.scene_graph.rules import parse_rules

        return parse_rules(utterance) if vocabulary is None else parse_rules(utterance, vocabulary)
    from saymask.text.scene_graph.dependency import scene_graph
    from saymask.text.scene_graph.spacy_backend import parse_text

    return scene_graph(parse_text(utterance), dependency_vocabulary() if vocabulary is None else vocabulary)


@lru_cache(maxsize=1)
def dependency_vocabulary() -> Vocabulary:
    """Return our noun lists for the dependency rules.

    There a noun of a list ends a relation, so words for positions ("on the left side of") are no places; and the noun
    of the prefix is an object, as in the official lists.
    """
    from saymask.text.scene_graph.nouns import default_vocabulary

    ours = default_vocabulary()
    return Vocabulary(
        ours.objects | {"object"}, ours.object_nouns | {"object"}, ours.scene_nouns - set(_POSITIONS.split())
    )
