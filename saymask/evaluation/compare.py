"""Two evaluations of the same sentences or clicks beside each other: differences with intervals, wins and losses.

Scans are drawn again with replacement (paired bootstrap), since the sentences of one scan are not independent.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.evaluation.rows import Row, read_rows
from saymask.util.files import write_text

METRICS = {"iou": "mIoU", "acc25": "Acc@0.25", "acc50": "Acc@0.5", "f1_25": "F1@0.25", "f1_50": "F1@0.5"}
"""Column of the rows → title of its mean."""

FEWEST = 5
"""Scans below which drawing them again says nothing."""


@dataclass(frozen=True)
class Difference:
    """Difference of one mean over a group of rows, as shares 0..1."""

    group: str
    metric: str
    n: int
    a: float
    b: float
    interval: tuple[float, float] | None
    """Ends of the 95 % interval of b - a; None for fewer than `FEWEST` scans."""

    @property
    def sure(self) -> bool:
        """Whether there is an interval and it leaves 0 out."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


@dataclass(frozen=True)
class Comparison:
    """Two results side by side."""

    differences: list[Difference]
    wins: list[tuple[Row, Row]]
    """Rows (of a, of b) where b gained most, the largest gain first."""
    losses: list[tuple[Row, Row]]
    shared: int
    """Rows that both have."""
    unshared: int
    """Rows that one of them has alone, which do not count."""

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return asdict(self)


def compare(a: str | Path, b: str | Path, *, top: int = 5, samples: int = 10_000, seed: int = 0) -> Comparison:
    """Compare two files of `saymask evaluate` (`--json` or `--rows`), row by row.

    top: how many wins and losses; samples: of the bootstrap, whose random numbers `seed` fixes. Raises InputError for
    files without rows, or with nothing in common.
    """
    first, second = (_by_key(path) for path in (a, b))
    keys = sorted(first.keys() & second.keys(), key=str)
    if not keys:
        raise InputError(f"{a}, {b}: expected results of the same sentences or clicks, no row is in both")
    pairs = [(first[key], second[key]) for key in keys]
    names = [name for name in METRICS if all(isinstance(r.get(name), int | float) for pair in pairs for r in pair)]
    groups = dict.fromkeys(["overall", *sorted({str(x["group"]) for x, _ in pairs if x.get("group")})])
    differences = []
    for group in groups:
        chosen = [pair for pair in pairs if group in ("overall", str(pair[0].get("group")))]
        differences += _differences(group, chosen, names, samples, seed)
    main = next((name for name in ("iou", *names) if name in names), "")
    ordered = sorted(pairs, key=lambda pair: pair[1][main] - pair[0][main])
    gains = [pair for pair in reversed(ordered) if pair[1][main] > pair[0][main]][:top]
    falls = [pair for pair in ordered if pair[1][main] < pair[0][main]][:top]
    return Comparison(differences, gains, falls, len(keys), len(first.keys() ^ second.keys()))


def _by_key(path: str | Path) -> dict[tuple[Any, ...], Row]:
    return {
        (row["scene"], row.get("annotation", row.get("click")), row.get("distance")): row for row in read_rows(path)
    }


def _differences(
    group: str, pairs: Sequence[tuple[Row, Row]], names: Sequence[str], samples: int, seed: int
) -> Iterator[Difference]:
    scenes, at = np.unique([x["scene"] for x, _ in pairs], return_inverse=True)
    counts = np.bincount(at, minlength=len(scenes)).astype(float)
    # How often each scan is drawn; the same draws for every metric.
    drawn = np.random.default_rng(seed).multinomial(len(scenes), np.full(len(scenes), 1 / len(scenes)), samples)
    for name in names:
        values = np.array([[x[name], y[name]] for x, y in pairs], float)
        gain = np.bincount(at, values[:, 1] - values[:, 0], minlength=len(scenes))
        low, high = np.quantile((drawn @ gain) / (drawn @ counts), (0.025, 0.975))
        interval = (float(low), float(high)) if len(scenes) >= FEWEST else None
        first, second = values.mean(0)
        yield Difference(group, name, len(pairs), float(first), float(second), interval)


def write_comparison(path: str | Path, found: Comparison) -> None:
    """Write a comparison as JSON."""
    write_text(path, json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")


def lines_of(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[str]:
    """Yield a line for each pair of rows: both IoUs, where, and the sentence."""
    for x, y in pairs:
        number = x.get("annotation", x.get("click"))
        said = f"  {x['sentence']}" if x.get("sentence") else ""
        yield f"  {100 * x['iou']:5.1f} -> {100 * y['iou']:5.1f}  {x['scene']} {number}{said}"
