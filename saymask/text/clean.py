"""Cleaning of captions: from what annotators wrote to the text that parser and text encoder read.

Source: docs/systems/bqnet.md §2.4.
"""

import re
from typing import Literal

from saymask.errors import InputError

Source = Literal["scanrefer", "multi3drefer"]
SOURCES: tuple[Source, ...] = ("scanrefer", "multi3drefer")
PREFIX = "This is an object . "
"""Prefix of a sentence that names no main target, so that there is one."""
SUFFIX = " . not mentioned"
"""Suffix of every model text: the tokens that queries without a target are aligned with."""

_SPLIT = ("2-tiered", "4-drawers", "5-drawer", "8-hole", "7-shaped", "2-door", "3-compartment")
_SPLIT_LATER = ("3-tier", "3-seater", "4-seat")

_ALWAYS: tuple[tuple[str, str], ...] = (
    (",", " , "),
    ("'m", "am"),
    ("'s", "is"),
    *((word, word.replace("-", " - ")) for word in _SPLIT),
    ("computer/", "computer /"),
    *((word, word.replace("-", " - ")) for word in _SPLIT_LATER),
    ("theses", "these"),
)
"""Done for every source; the order matters, because each is a plain replacement inside words too."""

_UNTOKENISED: tuple[tuple[str, str], ...] = (
    (".", " ."),
    (";", " ; "),
    ("-", " "),
    ('"', " "),
    ("?", " "),
    ("*", " "),
    (":", " "),
    ("$", " "),
    ("#", " "),
    ("/", " / "),
    ("you're", "you are"),
    ("isn't", "is not"),
    ("thats", "that is"),
    ("theres", "there is"),
    ("doesn't", "does not"),
    ("doesnt", "does not"),
    ("itis", "it is"),
    ("left-hand", "left - hand"),
    ("[", " [ "),
    ("]", " ] "),
    ("(", " ( "),
    (")", " ) "),
    ("wheel-chair", "wheel - chair"),
    (";s", "is"),
    ("tha=e", "the"),
    ("it’s", "it is"),
    ("’s", " is"),
    ("isnt", "is not"),
    ("Don't", "Do not"),
    ("arent", "are not"),
    ("cant", "can not"),
    ("you’re", "you are"),
    ("!", " !"),
    ("id the", " , the"),
    ("youre", "you are"),
    ("'", " "),
    ("``", " "),
)
"""Done for text that nobody has split into tokens; some can never fire after the ones before, and stay as published."""


def collapse(text: str) -> str:
    """Return `text` with every run of white space made one blank, and none at the ends."""
    return " ".join(text.split())


def clean_caption(text: str, *, source: str = "scanrefer") -> str:
    """Return the utterance: `text` with punctuation set apart and known typing errors mended.

    source: `scanrefer` for tokens joined by blanks, `multi3drefer` for running text (any sentence a user types). The
    result may be empty, when nothing but quotes and marks came; it never has doubled blanks.

    Raises InputError for another source, or for something that is not text.

    Source: docs/systems/bqnet.md §2.4a.
    """
    if not isinstance(text, str):
        raise InputError(f"sentence: expected text, got {type(text).__name__}")
    if source not in SOURCES:
        raise InputError(f"source: expected {' or '.join(SOURCES)}, got {source!r}")
    pairs = _ALWAYS if source == "scanrefer" else _ALWAYS + _UNTOKENISED
    utterance = collapse(text)
    for old, new in pairs:
        utterance = collapse(utterance.replace(old, new))
    utterance = utterance.removeprefix("'").removesuffix("'")
    return collapse(utterance)


def as_tokens(text: str) -> str:
    """Return running text as ScanRefer gives its tokens, joined by blanks: lower case, punctuation and clitics apart.

    >>> as_tokens("The chair isn't red, it's 2.5 m from the L-shaped desk.")
    "the chair is n't red , it 's 2.5 m from the l-shaped desk ."
    """
    lower = text.lower().replace("’", "'").replace("“", '"').replace("”", '"')
    lower = re.sub(r"(?<=\w)n't\b", " n't", lower)
    lower = re.sub(r"(?<=\w)'(s|m|d|re|ve|ll)\b", r" '\1", lower)
    # A point or comma inside a number is part of it.
    return collapse(re.sub(r'([;:!?()\[\]"]|(?<!\d)[.,]|[.,](?!\d))', r" \1 ", lower))


def model_text(utterance: str) -> str:
    """Return what the text encoder reads: the utterance and " . not mentioned" (docs/systems/bqnet.md §2.4).

    For a result of `clean_caption`, with or without `PREFIX`, it begins with that text unchanged: spans stay valid.
    """
    return collapse(utterance.replace(",", " ,")) + SUFFIX
