"""The words of a question: sentences, names and thresholds, checked before anything is loaded for them."""

from collections.abc import Iterable, Sequence
from numbers import Real

from saymask.errors import InputError

MOST_WORDS = 512
"""Sentences and names with more words than this are refused."""


def check_sentence(sentence: str) -> str:
    """Return `sentence` without surrounding space; raise InputError when it is empty or no sentence any more."""
    if not isinstance(sentence, str):
        raise InputError(f"sentence: expected text, got {type(sentence).__name__}")
    _check_unicode(sentence, "sentence")
    stripped = sentence.strip()
    if not stripped:
        raise InputError("sentence: expected a description such as 'the chair beside the window', got an empty text")
    words = len(stripped.split())
    if words > MOST_WORDS:
        raise InputError(f"sentence: expected at most {MOST_WORDS} words, got {words:,}; describe one object")
    return stripped


def _check_unicode(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        got = f"got {text!r:.80}; is the terminal's encoding another?"
        raise InputError(f"{what}: expected text in UTF-8, {got}") from None


def check_names(names: str | Sequence[str], what: str = "names") -> list[str]:
    """Return names without surplus space; one string is one name.

    Raises InputError, which starts with `what`, when there is none, or one is empty, endless, no text, or there twice.
    """
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, Iterable):
        raise InputError(f"{what}: expected a name such as 'lamp' or a list of them, got {type(names).__name__}")
    checked: list[str] = []
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{what}: expected text, got {type(name).__name__} {name!r}")
        _check_unicode(name, what)
        words = name.split()
        if not words:
            raise InputError(f"{what}: expected a name such as 'lamp', got an empty text; leave it out")
        if len(words) > MOST_WORDS:
            raise InputError(f"{what}: expected at most {MOST_WORDS} words in a name, got {len(words):,}")
        checked.append(" ".join(words))
    if not checked:
        raise InputError(f"{what}: expected at least one name such as 'lamp', got an empty list")
    seen: set[str] = set()
    for name in checked:
        if name.casefold() in seen:
            raise InputError(f"{what}: expected every name once, got {name!r} twice; leave one of them out")
        seen.add(name.casefold())
    return checked


def check_threshold(threshold: float | None) -> float | None:
    """Return a relevance in 0..1, or None for the model's own; raise InputError for anything else."""
    if threshold is None:
        return None
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 <= threshold <= 1:
        raise InputError(f"threshold: expected a relevance from 0 to 1, got {threshold!r}; 0.5 is a usual one")
    return float(threshold)


def some(names: Iterable[str]) -> str:
    """Return the first of the names, each once, and how many more there are."""
    unique = sorted(set(names))
    return ", ".join(unique[:3]) + (f" and {len(unique) - 3:,} more" if len(unique) > 3 else "")
