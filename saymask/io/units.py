"""Detection of the unit of a file's coordinates."""

from pathlib import Path

import numpy as np

from saymask.errors import InputError

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
MAX_EXTENT = 300.0
"""Metres; nothing indoors is longer."""
_SAMPLE = 20_000


def check_unit(unit: str | None) -> None:
    """Raise InputError for a unit that is not known."""
    if unit is not None and unit not in UNITS:
        raise InputError(f"unit: expected one of {', '.join(UNITS)}, got {unit!r}")


def extents(points: np.ndarray) -> np.ndarray:
    """Return the spans of finite points along the three axes without the outermost 0.2 % on each side, float64 [3]."""
    some = points[:: max(1, len(points) // _SAMPLE)].astype(np.float64)
    some = some[np.isfinite(some).all(1)]
    if not len(some):
        return np.zeros(3)
    low, high = np.quantile(some, [0.002, 0.998], axis=0)
    return high - low


def metres_per_unit(path: Path, points: np.ndarray, unit: str | None = None) -> tuple[float, str]:
    """Return metres per unit of the file and what to say about it ("" for metres).

    Rooms are 1 to 100 m long and 1 to 15 m high: a length beyond that is read as centimetres or millimetres when the
    height then fits a room and neighbouring points lie close together. Raises InputError for anything else.
    """
    check_unit(unit)
    span = extents(points)
    size, height = float(span.max()), float(span.min())
    if unit is not None:
        scale = UNITS[unit]
        if size * scale > MAX_EXTENT:
            raise InputError(
                f"{path.name}: expected an indoor scan of at most {MAX_EXTENT:g} m, got {size * scale:,.0f} m across "
                f"(unit {unit}); pass another unit or cut the scan"
            )
        return scale, "" if unit == "m" else f"coordinates taken as {unit}, converted to metres"
    if size <= 100 or (size <= MAX_EXTENT and height <= 40):
        return 1.0, ""
    guess = None
    # the height of a room is the evidence: towns and hills in metres are wide as well, but hardly 150 to 700 units high
    if size <= 6000 and 150 <= height < 700:
        guess = "cm"
    elif 1500 < size <= 60_000 and 600 <= height <= 15_000:
        guess = "mm"
    if guess is None or _spacing(points) * UNITS[guess] > 0.15:
        raise InputError(
            f"{path.name}: coordinates span {size:,.0f} units, expected a room of at most {MAX_EXTENT:g} m; are they "
            "millimetres? pass unit='mm' (cm, in, ft); if they are metres, cut the scan"
        )
    name = {"cm": "centimetres", "mm": "millimetres"}[guess]
    return UNITS[guess], (
        f"coordinates span {size:,.0f} units: taken as {name}, converted to metres "
        f"({size * UNITS[guess]:.1f} m across; pass unit= to override)"
    )


def _spacing(points: np.ndarray) -> float:
    """Return the median distance to the nearest neighbour, of every n-th point where there are very many."""
    from scipy.spatial import KDTree

    finite = points[np.isfinite(points).all(1)]
    finite = finite[:: max(1, len(finite) // 300_000)]
    tree = KDTree(finite)
    queries = finite[:: max(1, len(finite) // 500)]
    return float(np.median(tree.query(queries, k=2)[0][:, 1]))
