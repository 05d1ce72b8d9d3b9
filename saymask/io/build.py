"""Scans built from what a reader returns: units, up axis, dropped points, duplicates, thinning."""

import os
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import finite_rows
from saymask.io.cloud import LABEL_TYPES, Cloud
from saymask.io.units import MAX_EXTENT, check_unit, metres_per_unit
from saymask.io.up_axis import AXES, find_up, rotation_to_z
from saymask.scan import MAX_POINTS, MIN_POINTS, Scan, Source

FAR = 1000.0
"""Metres from the origin beyond which coordinates are moved, because float32 would lose millimetres there."""


def check_options(unit: str | None, up: str | None) -> None:
    """Raise InputError for a unit or an up axis that is not known."""
    check_unit(unit)
    if up is not None and up not in AXES:
        raise InputError(f"up: expected one of {', '.join(AXES)}, got {up!r}")


def build(path: Path, cloud: Cloud, unit: str | None, up: str | None) -> Scan:
    """Turn a file's points into a scan in metres with z up, and say what was done."""
    messages = list(cloud.messages)
    n = len(cloud.points)
    least = MIN_POINTS if cloud.faces is None else 3  # a box of eight corners can be sampled
    if n < least:
        raise InputError(
            f"{path.name}: expected at least {MIN_POINTS} points, got {n}; a scan of a room has many thousands"
        )
    good = finite_rows(cloud.points)
    if good.all():
        kept = None
    else:
        kept = np.flatnonzero(good)
        if len(kept) < least:
            raise InputError(
                f"{path.name}: expected at least {MIN_POINTS} points with finite coordinates, got {len(kept)} of "
                f"{n:,}; the others are NaN or infinite"
            )
        messages.append(f"{n - len(kept):,} of {n:,} points are not finite: dropped (their masks are empty)")
    points = cloud.points if kept is None else cloud.points[kept]
    camera = cloud.extra.get("height", 1) > 1 and cloud.format == "pcd"
    scale, said = metres_per_unit(path, points, unit or cloud.unit, camera=camera)
    if said:
        messages.append(said + (" (the file says so)" if unit is None and cloud.unit else ""))
    if cloud.faces is not None and not cloud.settled:
        from saymask.io.mesh import sample_cloud

        return build(path, sample_cloud(cloud, scale), unit, up)
    points, kept = _without_strays(points, kept, scale, messages)
    points, transform = _to_metres(points, scale, messages)
    _check_extent(path, points)
    faces = None if cloud.loose else _moved_faces(cloud.faces, n, kept)
    normals = cloud.normals if cloud.normals is None or kept is None else cloud.normals[kept]
    found = find_up(points, up=up, faces=faces, normals=normals, fixed=cloud.up, camera=camera)
    if found.message:
        messages.append(found.message)
    rotation = rotation_to_z(found.direction)
    if not np.array_equal(rotation, np.eye(3)):
        points = (points @ rotation.T.astype(points.dtype)).astype(np.float32)
        normals = None if normals is None else (normals @ rotation.T).astype(np.float32)
        transform = np.block([[rotation, np.zeros((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]]) @ transform
    return _assemble(path, cloud, np.ascontiguousarray(points, np.float32), normals, faces, kept, transform, messages)


def _without_strays(
    points: np.ndarray, kept: np.ndarray | None, scale: float, messages: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Drop single points hundreds of metres away (reflections, sensor errors), which no room can hold."""
    widest = max(float(points[:, i].max() - points[:, i].min()) for i in range(3))  # far faster than ptp over rows
    if widest * scale <= MAX_EXTENT:
        return points, kept
    middle = np.median(points[:: max(1, len(points) // 20_000)], axis=0)
    near = (np.abs(points - middle) * scale <= MAX_EXTENT).all(1)
    messages.append(f"{int((~near).sum()):,} points lie more than {MAX_EXTENT:g} m away from the others: dropped")
    rows = np.flatnonzero(near)
    return points[rows], rows if kept is None else kept[rows]


def _to_metres(points: np.ndarray, scale: float, messages: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Scale to metres and bring survey coordinates near the origin; return points and the transform [4, 4]."""
    transform = np.diag([scale, scale, scale, 1.0])
    middle = np.floor(np.median(points[:: max(1, len(points) // 20_000)].astype(np.float64), axis=0) * scale)
    if np.abs(middle).max() > FAR:
        transform[:3, 3] = -middle
        messages.append(f"coordinates lie far from the origin: moved by ({', '.join(f'{-v:.0f}' for v in middle)}) m")
        return points.astype(np.float64) * scale - middle, transform
    return (points if scale == 1.0 else points * points.dtype.type(scale)), transform


def _check_extent(path: Path, points: np.ndarray) -> None:
    """Raise InputError for clouds without a third dimension or without any extent."""
    some = points[:: max(1, len(points) // 20_000)].astype(np.float64)
    deviation = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(some.T)), 0))
    if deviation[2] < 0.01:
        raise InputError(
            f"{path.name}: expected a room, got {len(points):,} points within {deviation[2] * 100:.2g} cm; "
            "check the unit (pass unit=)"
        )
    if deviation[0] < max(1e-3 * deviation[2], 5e-4):
        raise InputError(
            f"{path.name}: expected a 3-D scan, got a flat (2-D) cloud, {deviation[0] * 1000:.2g} mm thick; "
            "give a scan with depth"
        )


def _moved_faces(faces: np.ndarray | None, n: int, kept: np.ndarray | None) -> np.ndarray | None:
    if faces is None or kept is None:
        return faces
    row = np.full(n, -1, np.int32)
    row[kept] = np.arange(len(kept), dtype=np.int32)
    moved = row[faces]
    return moved[(moved >= 0).all(1)]


def _assemble(
    path: Path,
    cloud: Cloud,
    points: np.ndarray,
    normals: np.ndarray | None,
    faces: np.ndarray | None,
    kept: np.ndarray | None,
    transform: np.ndarray,
    messages: list[str],
) -> Scan:
    """Merge duplicates, thin, and put everything together; `kept` are the original rows of `points`."""
    n = len(cloud.points)
    first, index = distinct(points, MAX_POINTS)
    if len(first) > MAX_POINTS:
        first, index, size = thin(points)
        messages.append(
            f"{len(points):,} points are more than a model needs: thinned to {len(first):,}, one per "
            f"{size * 100:.1f} cm cell (masks are spread back to all points)"
        )
    elif len(first) < len(points):
        messages.append(
            f"{len(points) - len(first):,} points repeat another one exactly: merged (masks cover all of them)"
        )
    if len(first) < MIN_POINTS:
        raise InputError(f"{path.name}: expected at least {MIN_POINTS} different points, got {len(first)}")
    whole = len(first) == len(points)
    rows = first if kept is None else kept[first]
    if kept is None:
        to_scan = index
    else:
        to_scan = np.full(n, -1, np.int64)
        to_scan[kept] = index
    if faces is not None and not whole:
        faces = index[faces].astype(np.int32)
        faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])]
    take = (lambda a: a) if whole and kept is None else (lambda a: a[rows])  # no copies where nothing was dropped
    grey = None if cloud.colors is None else _one_grey(cloud.colors)
    if grey is not None:
        messages.append(
            f"all colours in the file are the same grey ({grey}): sentences about colours cannot be answered"
        )
    if cloud.colors is None or grey is not None:
        colors = np.full((len(first), 3), 128, np.uint8)
        if grey is None:
            messages.append("no colours in the file: grey is used, sentences about colours cannot be answered")
    else:
        colors = take(cloud.colors)
    labels = {
        name: take(cloud.columns[name]).astype(kind)
        for name, kind in LABEL_TYPES.items()
        if name in cloud.columns and cloud.columns[name].dtype.kind in "iu" and cloud.columns[name].ndim == 1
    }
    superpoints = cloud.columns.get("superpoints", cloud.columns.get("superpoint"))
    if superpoints is not None and superpoints.dtype.kind in "iu" and superpoints.ndim == 1:
        superpoints = np.unique(take(superpoints), return_inverse=True)[1].astype(np.int32)
    else:
        superpoints = None
    source = Source(str(path), cloud.format, n, to_scan, cloud.columns, transform, cloud.faces, cloud.extra)
    return Scan(
        points=points if whole else points[first],
        colors=colors,
        normals=None if normals is None else (normals if whole else normals[first]).astype(np.float32),
        faces=None if faces is None or not len(faces) else faces.astype(np.int32),
        superpoints=superpoints,
        labels=labels,
        has_color=cloud.colors is not None and grey is None,
        name=os.fsencode(path.stem).decode(errors="replace"),  # bytes that are no text become �
        source=source,
        messages=tuple(messages),
    )


def _one_grey(colors: np.ndarray) -> int | None:
    """Return the grey that all points have, None where there are colours; white or black files have none either."""
    first = colors[0]
    if int(first.max()) != int(first.min()) or not (colors[:: max(1, len(colors) // 1000)] == first).all():
        return None
    return int(first[0]) if (colors == first).all() else None


def distinct(points: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of every different point in file order, and for each point its place among them.

    More than `most` different points are not told apart: there are then `most` + 1 rows, and no places.
    """
    from saymask.io.kernels import first_rows

    return first_rows(np.ascontiguousarray(points, np.float32), most)


def thin(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Keep the first point of each cell, with cells just large enough for `MAX_POINTS`; return rows, places, metres."""
    from saymask.io.kernels import first_in_cells

    points = np.ascontiguousarray(points, np.float32)
    size = 0.005
    while len(first_in_cells(points, np.float32(size), MAX_POINTS, True)[0]) * 16 > 1.05 * MAX_POINTS:
        size *= 1.25
    while True:
        rows, place = first_in_cells(points, np.float32(size), MAX_POINTS, False)
        if len(rows) <= MAX_POINTS:
            return rows, place, size
        size *= 1.25
