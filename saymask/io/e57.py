"""E57 (ASTM E2807), all scans of a file in one cloud, each moved by its pose; needs the extra `e57` (pye57)."""

from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import Cloud, missing_extra, to_uint8, truncated


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
    names = [name for name in parts[0] if all(name in p for p in parts)]
    columns = {name: np.concatenate([p[name] for p in parts]) for name in names}
    if len(parts) > 1:
        columns["scan"] = np.repeat(np.arange(len(parts), dtype=np.int32), [len(p["x"]) for p in parts])
    points = np.stack([columns.pop(axis) for axis in "xyz"], 1)
    columns = {**{axis: points[:, i] for i, axis in enumerate("xyz")}, **columns}
    colors = None
    if all(c in columns for c in ("red", "green", "blue")):
        rgb = np.stack([columns[c] for c in ("red", "green", "blue")], 1)
        colors = to_uint8(rgb)
        columns.update(red=colors[:, 0], green=colors[:, 1], blue=colors[:, 2])
    return Cloud("e57", points, columns, colors=colors, unit="m")


def _read_one(path: Path, file: "pye57.E57", i: int) -> dict[str, np.ndarray]:  # type: ignore[name-defined]  # noqa: F821
    header = file.get_header(i)
    raw = {name: np.asarray(values) for name, values in file.read_scan_raw(i).items()}
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
