"""Coordinates on the command line, `1.2,0.45,0.7`: one with a leading minus is kept from reading as a flag."""

import re
from collections.abc import Sequence

from saymask.errors import InputError

Place = tuple[float, float, float]
_LIKE_A_PLACE = re.compile(r"\(?\s*[-+]?\.?\d[-+\d.,eE\s]*\)?")


def arranged(arguments: Sequence[str], flag: str = "--not") -> list[str]:
    """Return the command line with its places in parentheses, those of all uses of `flag` after one at the end.

    `-1,2,3` would be taken for an option, a second `--not` would replace the first, and a `--not` before the scan would
    take the scan along. Raises InputError for a flag without a value.
    """
    rest: list[str] = []
    taken: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.partition("=")
        if name != flag:
            rest.append(_wrapped(word))
            continue
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise InputError(f"{flag}: expected a place X,Y,Z after it, got nothing")
            value = waiting.pop(0)
        taken.append(_wrapped(value))
        while not equals and waiting and _is_place(waiting[0]):
            taken.append(_wrapped(waiting.pop(0)))
    return [*rest, flag, *taken] if taken else rest


def read_place(text: str) -> Place:
    """Return the numbers of `x,y,z`, in parentheses or not; raise InputError for anything else."""
    bare = text.strip()
    inner = bare[1:-1] if bare.startswith("(") and bare.endswith(")") else bare
    try:
        x, y, z = (float(part) for part in inner.split(","))
    except ValueError:
        raise InputError(
            f"place {inner!r}: expected three numbers X,Y,Z in metres with commas and no spaces, such as 1.2,-0.45,0.7"
        ) from None
    return x, y, z


def _is_place(word: str) -> bool:
    return "," in word and _LIKE_A_PLACE.fullmatch(word.strip()) is not None


def _wrapped(word: str) -> str:
    """Return a place that starts with a minus in parentheses, anything else as it is."""
    return f"({word.strip()})" if word.strip().startswith("-") and _is_place(word) else word
