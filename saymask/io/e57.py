"""E57 (ASTM E2807), all scans of a file in one cloud, each moved by its pose; needs the extra `e57` (pye57)."""

from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import Cloud, missing_extra, recognise, truncated
from saymask.io.color_range import to_uint8

COLORS = ("red", "green", "blue")


def read_e57(path: Path) -> Cloud:
    """Read E57; points that the scanner marked as invalid become NaN. Raises InputError for damaged files."""
    try:
        import pye57
    except ImportError:
        raise missing_extra(path, "pye57", "e57") from None
    try:
        file = pye57.E57(str(path))
        try:
            parts = [_read_one(path, file, i) for i in range(file.scan_count)]
        finally:
            file.close()
    except InputError:
        raise
    except Exception as error:  # the C++ library raises its own type for whatever is wrong with the file
        raise truncated(
            path,
            "a readable E57 file",
            f"{type(error).__name__}: {(str(error).splitlines() or ['no reason given'])[0]}",
        ) from None
    if not parts:
        raise InputError(f"{path.name}: expected at least one scan in the E57 file, got none; export it again")
    return joined(parts)


def joined(parts: list[dict[str, np.ndarray]]) -> Cloud:
    """Put set-ups together; where one lacks a column, its points get 0, NaN for fractions, and no colour (grey)."""
    sizes = [len(p["x"]) for p in parts]
    kinds: dict[str, np.dtype] = {}
    for part in parts:
        for name, values in part.items():
            kinds[name] = np.result_type(kinds.get(name, values.dtype), values.dtype)
    columns: dict[str, np.ndarray] = {}
    for name, kind in kinds.items():
        blank = np.nan if kind.kind == "f" and name not in COLORS else 0
        columns[name] = np.concatenate(
            [p[name].astype(kind, copy=False) if name in p else np.full(n, blank, kind) for p, n in zip(parts, sizes)]
        )
    if len(parts) > 1:
        columns["scan"] = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
    points = np.stack([columns.pop(axis) for axis in "xyz"], 1)
    columns = {**{axis: points[:, i] for i, axis in enumerate("xyz")}, **columns}
    cloud = Cloud("e57", points, columns, unit="m")
    known = [all(c in p for c in COLORS) for p in parts]
    if any(known):
        rgb = [to_uint8(np.stack([p[c] for c in COLORS], 1), cloud.messages) for p, k in zip(parts, known) if k]
        colors = np.full((len(points), 3), 128, np.uint8)
        colors[np.repeat(known, sizes)] = np.concatenate(rgb)
        cloud.colors = colors
        columns.update(red=colors[:, 0], green=colors[:, 1], blue=colors[:, 2])
        if not all(known):
            grey = sum(n for n, k in zip(sizes, known) if not k)
            cloud.messages.append(
                f"{len(known) - sum(known)} of {len(known)} set-ups have no colour: their {grey:,} points are grey"
            )
    return recognise(cloud)


def _read_one(path: Path, file: "pye57.E57", i: int) -> dict[str, np.ndarray]:  # type: ignore[name-defined]  # noqa: F821
    header = file.get_header(i)
    raw = {name: np.asarray(values) for name, values in _read_fields(path, file, header).items()}
    if all(f"cartesian{c}" in raw for c in "XYZ"):
        points = np.stack([raw.pop(f"cartesian{c}") for c in "XYZ"], 1).astype(np.float64)
        invalid = raw.pop("cartesianInvalidState", None)
    elif all(name in raw for name in ("sphericalRange", "sphericalAzimuth", "sphericalElevation")):
        r, a, e = (
            raw.pop(name).astype(np.float64) for name in ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
        )
        points = np.stack([r * np.cos(e) * np.cos(a), r * np.cos(e) * np.sin(a), r * np.sin(e)], 1)
        invalid = raw.pop("sphericalInvalidState", None)
    else:
        raise InputError(f"{path.name}: scan {i}: expected cartesian or spherical coordinates, got {', '.join(raw)}")
    if header.has_pose():
        points = points @ np.asarray(header.rotation_matrix).T + np.asarray(header.translation)
    if invalid is not None:
        points[np.asarray(invalid) != 0] = np.nan
    columns = {axis: points[:, k] for k, axis in enumerate("xyz")}
    rename: dict[str, str] = {"colorRed": "red", "colorGreen": "green", "colorBlue": "blue"}
    for name, values in raw.items():
        columns[rename.get(str(name), str(name))] = values
    return columns


def _read_fields(path: Path, file: "pye57.E57", header: "pye57.ScanHeader") -> dict[str, np.ndarray]:  # type: ignore[name-defined]  # noqa: F821
    """Read the fields that pye57 knows; normals and other extensions would make it refuse the whole scan."""
    import pye57.libe57 as libe57
    from pye57.e57 import SUPPORTED_POINT_FIELDS

    n = header.point_count
    if n > 8 * path.stat().st_size:  # a point takes some bits
        raise truncated(path, f"{n:,} points", f"{path.stat().st_size:,} bytes")
    names = [name for name in header.point_fields if name in SUPPORTED_POINT_FIELDS]
    data: dict[str, np.ndarray] = {}
    buffers = libe57.VectorSourceDestBuffer()
    for name in names:
        data[name], buffer = file.make_buffer(name, n)
        buffers.append(buffer)
    reader = header.points.reader(buffers)
    try:
        got = reader.read()
    finally:
        reader.close()
    return {name: values[:got] for name, values in data.items()}
