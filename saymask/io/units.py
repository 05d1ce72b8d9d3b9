"""Detection of the unit of a file's coordinates."""

import re
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import finite_rows

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
NAMES = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), "m"),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), "cm"),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "mm"),
    **dict.fromkeys(("in", "inch", "inches"), "in"),
    **dict.fromkeys(("ft", "foot", "feet"), "ft"),
}
"""Words for units in files."""
MAX_EXTENT = 300.0
"""Metres; nothing indoors is longer."""
HIGHEST = 15.0
"""Metres; hardly a room is higher."""
FIRST, SECOND, CONTENT = 0.06, 0.03, 0.02
"""Of a room: shares of the surface in the largest plane and in one across it, and of cells outside all planes."""
_SAMPLE = 20_000


def check_unit(unit: str | None) -> None:
    """Raise InputError for a unit that is not known."""
    if unit is not None and unit not in UNITS:
        raise InputError(f"unit: expected one of {', '.join(UNITS)}, got {unit!r}")


def stated_unit(text: str, points: np.ndarray) -> str | None:
    """Return the unit that a file's comments name (`File units = inches`), None where they do not or cannot be right.

    Exporters leave such lines behind when coordinates were scaled later: a scan must come out 0.1 to 300 m large.
    """
    match = re.search(r"(?i)\bunits?\s*[:=]\s*\"?([a-z]+)\b", text)
    unit = None if match is None else NAMES.get(match.group(1).lower())
    if unit is None or not 0.1 <= float(extents(points).max()) * UNITS[unit] <= MAX_EXTENT:
        return None
    return unit


def extents(points: np.ndarray) -> np.ndarray:
    """Return the spans of finite points along the three axes without the outermost 0.2 % on each side, float64 [3]."""
    some = points[:: max(1, len(points) // _SAMPLE)].astype(np.float64)
    some = some[finite_rows(some)]
    if not len(some):
        return np.zeros(3)
    low, high = np.quantile(some, [0.002, 0.998], axis=0)
    return high - low


def metres_per_unit(
    path: Path, points: np.ndarray, unit: str | None = None, *, camera: bool = False
) -> tuple[float, str]:
    """Return metres per unit of the file and what to say about it ("" for metres).

    Without a `unit` the file is in metres, unless it is evidently a room in centimetres or millimetres: too large for
    one in metres, as high as rooms are, and with their planes (`looks_like_room`). A depth camera's single view
    (`camera`, at the origin) is in millimetres where its points lie hundreds of units away. Raises InputError for
    whatever is larger than 300 m then.
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
    if camera and 300 <= np.median(np.linalg.norm(points[:: max(1, len(points) // _SAMPLE)], axis=1)) <= 30_000:
        return UNITS["mm"], "a camera's view hundreds of units away: taken as millimetres; pass unit= to override"
    if size <= 100:
        return 1.0, _doubt(span)
    for name, widest, (lowest, highest) in (("cm", 6000, (80, 700)), ("mm", 60_000, (600, 15_000))):
        if size <= widest and lowest <= height <= highest and looks_like_room(points, UNITS[name]):
            words = {"cm": "centimetres", "mm": "millimetres"}[name]
            return UNITS[name], (
                f"coordinates span {size:,.0f} units with the floor and walls of a room: taken as {words}, converted "
                f"to metres ({size * UNITS[name]:.1f} m across; pass unit= to override)"
            )
    if size <= MAX_EXTENT:
        return 1.0, _doubt(span)
    raise InputError(
        f"{path.name}: coordinates span {size:,.0f} units, expected a room of at most {MAX_EXTENT:g} m; are they "
        "millimetres? pass unit='mm' (cm, in, ft); if they are metres, cut the scan"
    )


def _doubt(span: np.ndarray) -> str:
    """Return what to say about a cloud that is kept in metres although no room is that high."""
    if span.min() <= HIGHEST:
        return ""
    return f"coordinates span {' × '.join(f'{v:.0f}' for v in span)} units, taken as metres; pass unit= if they are not"


def looks_like_room(points: np.ndarray, scale: float) -> bool:
    """Say whether points [n, 3] in units of `scale` metres have the planes of a room, in whatever orientation.

    One large plane has next to nothing on its far side (the floor, or a wall), a plane in another direction is large as
    well, neighbouring points are close together, and something else is there that is neither. Towns and hills in
    metres have no second plane that is large.
    """
    from saymask.io.planes import find_directions, find_loose, find_patches

    finite = points[finite_rows(points)]
    metres = finite[:: max(1, len(finite) // 25_000)].astype(np.float64) * scale
    patches = find_patches(metres - metres.mean(0), None, None)
    if patches is None or _spacing(points) * scale > 0.15:
        return False
    directions = find_directions(patches)
    planes: list[tuple[float, bool, np.ndarray]] = []  # share of the surface, outermost, direction
    for direction in directions:
        facing = np.abs(patches.normals @ direction) > np.cos(np.deg2rad(10))
        if not facing.any():
            continue
        place, every = patches.centers @ direction, np.sort(patches.cloud @ direction)
        bins = max(1, int(np.ceil((every[-1] - every[0]) / 0.06)))
        count, edges = np.histogram(place[facing], bins=bins + 2, range=(every[0] - 0.06, every[-1] + 0.06))
        two = (count[:-1] + count[1:]) / len(place)  # a plane may sit on the border of two bins
        below = np.searchsorted(every, (edges[:-2], edges[2:])) / len(every)
        for i in np.flatnonzero(two > SECOND):
            planes.append((float(two[i]), bool(below[0, i] < 0.08 or below[1, i] > 0.92), direction))
    outer = [(share, direction) for share, outermost, direction in planes if outermost and share > FIRST]
    walls = any(abs(float(direction @ other)) < 0.5 for _, direction in outer for _, _, other in planes)
    return walls and float(find_loose(patches, directions).mean()) > CONTENT


def _spacing(points: np.ndarray) -> float:
    """Return the median distance to the nearest neighbour, of every n-th point where there are very many."""
    from scipy.spatial import KDTree

    finite = points[finite_rows(points)]
    finite = finite[:: max(1, len(finite) // 300_000)]
    tree = KDTree(finite)
    queries = finite[:: max(1, len(finite) // 500)]
    return float(np.median(tree.query(queries, k=2)[0][:, 1]))
