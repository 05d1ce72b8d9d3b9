"""Ranked results compared up to ties: rows whose scores differ by less than a tolerance may stand in another order."""

from collections.abc import Iterator, Mapping

import numpy as np

from tests.parity import Check, as_array

TIE = 1e-5
"""Scores this near to each other are in one order on one CPU and in the other order on another."""


def tie_order(
    got: list[np.ndarray], expected: list[np.ndarray], scores: np.ndarray, tolerance: float = TIE
) -> np.ndarray:
    """Return int64 [K]: the row of `got` that stands for each expected row.

    `got` and `expected` are columns [K, ...] of one table, `scores` float [K] the expected ones; an expected column may
    be shorter and hold the first rows only. A row stands for itself where all columns agree, else for an equal row that
    no other takes and whose score differs by at most `tolerance`, else for itself again, as a difference to be told.
    """
    count = len(scores)
    order, free = np.full(count, -1), np.ones(count, dtype=bool)

    def equal(i: int, j: int) -> bool:
        return all(len(e) <= i or np.array_equal(g[j], e[i]) for g, e in zip(got, expected))

    for i in range(count):
        if equal(i, i):
            order[i], free[i] = i, False
    for i in np.flatnonzero(order < 0):
        near = np.flatnonzero(free & (np.abs(scores - scores[i]) <= tolerance))
        match = next((j for j in near if equal(int(i), int(j))), None)
        if match is not None:
            order[i], free[match] = match, False
    order[order < 0] = np.flatnonzero(free)
    return order


def ranked(columns: Mapping[str, tuple[object, object]], scores: Check, tolerance: float = TIE) -> Iterator[Check]:
    """Yield the check of the scores, which are in order, and of every column (got, expected), up to ties."""
    yield scores
    got, expected = zip(*((as_array(g), as_array(e)) for g, e in columns.values()))
    known = as_array(scores.expected)
    order = np.arange(len(known))
    if all(len(g) == len(known) for g in got):  # else the shapes tell
        order = tie_order(list(got), list(expected), known, tolerance)
    for name, g, e in zip(columns, got, expected):
        yield Check(name, g[order][: len(e)] if len(g) == len(known) else g, e)
