"""NPZ (NumPy archive) with points under a usual name, and NPY with one array; per-point arrays of any kind are kept."""

import ast
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import Cloud, pick, recognise, stack, truncated
from saymask.io.color_range import to_uint8

POINT_NAMES = (
    "points",
    "xyz",
    "coord",
    "coords",
    "coordinates",
    "positions",
    "position",
    "pos",
    "vertices",
    "pc",
    "cloud",
)
COLOR_NAMES = ("colors", "rgb", "color", "colours", "colour", "rgba")
NORMAL_NAMES = ("normals", "normal")
FACE_NAMES = ("faces", "triangles", "face")
PER_POINT = (
    *COLOR_NAMES, *NORMAL_NAMES, "labels", "label", "semantic", "semantic20", "semantic200", "nyu40",
    "instance", "instances", "superpoints", "superpoint", "segments", "intensity",
)  # fmt: skip
"""Arrays that can only belong to the points: another length is an error, not just another array."""
ROOM = 400_000_000
"""Bytes that the arrays of a small file may take unpacked: zeros pack to a thousandth of what they are."""
PACKED, PACKED_OTHER = 10, 3
"""A larger file may unpack to so many times its size, arrays that are no part of a scan to less."""
_LONGEST_HEADER = 100_000


def read_npz(path: Path) -> Cloud:
    """Read NPZ or NPY. Raises InputError for damaged files, pickled objects, and labels of another length."""
    messages: list[str] = []
    cloud = cloud_from_arrays(path, _unpacked(read_arrays(path, messages)))
    cloud.messages += messages
    return recognise(cloud)


def read_arrays(path: Path, messages: list[str] | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of an NPZ by name, that of an NPY as `points`.

    Arrays that a scan has no use for and that are too large for a room are left out, and said in `messages`. Raises
    InputError for damaged files, pickled objects, and small files that unpack to more than a room can need.
    """
    try:
        return _arrays(path, [] if messages is None else messages)
    except InputError:
        raise
    except Exception as error:  # headers are Python literals, members zip: damage raises a dozen types
        raise truncated(
            path, "a readable NumPy file", str(error).splitlines()[0] if str(error) else type(error).__name__
        ) from None


def _arrays(path: Path, messages: list[str]) -> dict[str, np.ndarray]:
    """Return the arrays of a file, each checked before memory is reserved for it."""
    size = path.stat().st_size
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            need = _declared(path, path.stem, file)
            if need > size:
                raise truncated(path, f"an array of {need:,} bytes", f"{size:,} bytes")
        return {"points": np.load(path, allow_pickle=False)}
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        needs: dict[str, tuple[zipfile.ZipInfo, int]] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            with archive.open(info) as file:
                if name == info.filename and file.read(6) != b"\x93NUMPY":
                    continue  # something else that was put into the archive
            with archive.open(info) as file:
                need = _declared(path, name, file)
            if need > info.file_size:
                raise truncated(path, f"{need:,} bytes of {name!r}", f"{info.file_size:,}")
            needs[name] = info, need
        taken = 0
        useful = {*POINT_NAMES, *FACE_NAMES, *PER_POINT, "x", "y", "z"}
        for name in sorted(needs, key=lambda name: name.lower() not in useful):
            info, need = needs[name]
            most = max(ROOM, (PACKED if name.lower() in useful else PACKED_OTHER) * size)
            if taken + need > most:
                if name.lower() in useful or len(needs) == 1:
                    raise InputError(
                        f"{path.name}: expected a scan, got {need:,} bytes of {name!r} packed into {size:,}; save fewer"
                    )
                messages.append(f"{name}: left out, it is too large for a scan ({need / 1e6:,.0f} MB)")
                continue
            taken += need
            with archive.open(info) as file:
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return {name: arrays[name] for name in needs if name in arrays}  # in the order of the file


def _declared(path: Path, name: str, file: IO[bytes]) -> int:
    """Return how many bytes an array has by its own header; raise InputError for pickled objects."""
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY":
        raise truncated(path, f"{name!r} as a NumPy array", f"{magic[:6]!r}")
    (length,) = struct.unpack("<H", file.read(2)) if magic[6] == 1 else struct.unpack("<I", file.read(4))
    if length > _LONGEST_HEADER:
        raise truncated(path, f"a header of {name!r} of a few bytes", f"{length:,}")
    header: Any = ast.literal_eval(file.read(length).decode("utf-8" if magic[6] == 3 else "latin-1").strip())
    kind, shape = np.lib.format.descr_to_dtype(header["descr"]), header["shape"]
    if kind.hasobject:
        raise InputError(
            f"{path.name}: expected plain arrays, got pickled objects, which are never loaded; save numbers only"
        )
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise truncated(path, f"{name!r} with a shape", f"{shape!r:.60}")
    return math.prod(shape) * kind.itemsize


def _unpacked(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return structured arrays (one record per point) as an array per field."""
    out: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        if values.dtype.names is None:
            out[name] = values
            continue
        for field in values.dtype.names:
            out[field if field not in arrays and field not in out else f"{name}_{field}"] = values[field]
    return out


def cloud_from_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> Cloud:
    """Return the cloud that named arrays hold; raise InputError where their shapes do not fit each other."""
    lower = {name.lower(): name for name in arrays}
    axes = pick(arrays, (("x", "y", "z"),))
    name = next((lower[n] for n in POINT_NAMES if n in lower), None)
    if name is None and axes is None:
        other = {*PER_POINT, *FACE_NAMES}  # colours alone are no points
        wide = [
            n
            for n, a in arrays.items()
            if a.ndim == 2 and a.shape[1] >= 3 and a.dtype.kind in "fiu" and n.lower() not in other
        ]
        if len(wide) != 1:
            raise InputError(
                f"{path.name}: expected an array 'points' or 'xyz' [n, 3], got {', '.join(arrays) or 'no arrays'}; "
                "rename the array that holds the coordinates"
            )
        name = wide[0]
    if name is None:
        assert axes is not None
        parts = [arrays[a] for a in axes]
        if len({a.shape for a in parts}) != 1 or parts[0].ndim != 1 or any(a.dtype.kind not in "fiu" for a in parts):
            got = ", ".join(f"{a.dtype} {list(a.shape)}" for a in parts)
            raise InputError(f"{path.name}: expected x, y, z as numbers of one length, got {got}")
        points = stack(arrays, axes)
    else:
        table = arrays[name]
        if table.ndim != 2 or table.shape[1] < 3 or table.dtype.kind not in "fiu":
            raise InputError(
                f"{path.name}: expected {name!r} as numbers [n, 3], got {table.dtype} {list(table.shape)}; "
                "put one point per row"
            )
        points = table[:, :3]
    if points.dtype not in (np.float32, np.float64):
        points = points.astype(np.float64)
    n = len(points)
    columns = {k: v for k, v in arrays.items() if v.ndim >= 1 and len(v) == n and k.lower() not in FACE_NAMES}
    for key in PER_POINT:
        if key in lower and ((values := arrays[lower[key]]).ndim < 1 or len(values) != n):
            rows = len(values) if values.ndim else 0
            raise InputError(
                f"{path.name}: {lower[key]!r} has {rows:,} rows for {n:,} points; they must be of equal length"
            )
    cloud = Cloud("npz", points, columns)
    color = next((lower[k] for k in COLOR_NAMES if k in lower), None)
    if color is not None and columns[color].ndim == 2 and columns[color].shape[1] >= 3:
        cloud.colors = to_uint8(columns[color], cloud.messages)
    elif name is not None and arrays[name].shape[1] >= 6:  # x y z r g b in one array, as many datasets keep it
        cloud.colors = to_uint8(arrays[name][:, 3:6], cloud.messages)
    normal = next((lower[k] for k in NORMAL_NAMES if k in lower), None)
    if normal is not None and columns[normal].shape == (n, 3):
        cloud.normals = columns[normal].astype(np.float32)
    face = next((lower[k] for k in FACE_NAMES if k in lower), None)
    if face is not None and arrays[face].ndim == 2 and arrays[face].shape[1] == 3 and len(arrays[face]):
        faces = arrays[face]
        if faces.dtype.kind not in "iu" or faces.min() < 0 or faces.max() >= n:
            raise InputError(
                f"{path.name}: expected {face!r} as indices 0..{n - 1}, got {faces.dtype} up to {faces.max()}"
            )
        cloud.faces = faces.astype(np.int32)
    roles = {name: "points", color: "colors", normal: "normals"}
    cloud.extra = {
        "arrays": {k: v for k, v in arrays.items() if k not in columns},
        "roles": {
            k: role for k, role in roles.items() if k in columns and columns[k].ndim == 2 and columns[k].shape[1] >= 3
        },
    }
    return cloud


def write_npz(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write arrays as an uncompressed NPZ (fast; coordinates hardly compress)."""
    arrays = dict(columns)
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
