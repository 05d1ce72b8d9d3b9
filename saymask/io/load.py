"""Load a scan: the reader of a file is chosen by its suffix."""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.io.arrays import scan_from_object
from saymask.io.build import build, check_options
from saymask.io.cloud import Cloud
from saymask.io.units import UNITS
from saymask.scan import Scan

TEXT = ("xyz", "pts", "csv", "txt", "asc", "xyzrgb", "tsv")
MESH = ("obj", "glb", "gltf", "stl", "off")
READERS: dict[str, str] = {
    "ply": "saymask.io.ply:read_ply",
    "pcd": "saymask.io.pcd:read_pcd",
    "las": "saymask.io.las:read_las",
    "laz": "saymask.io.las:read_las",
    "e57": "saymask.io.e57:read_e57",
    **dict.fromkeys(MESH, "saymask.io.mesh:read_mesh"),
    **dict.fromkeys(TEXT, "saymask.io.xyz:read_text"),
    "npz": "saymask.io.npz:read_npz",
    "npy": "saymask.io.npz:read_npz",
}
"""Suffix -> `module:function` that takes the path and returns the file's `Cloud`; imported when it is needed."""
ELSEWHERE = {
    **dict.fromkeys(("splat", "ksplat", "spz", "sog"), "a compressed Gaussian splat; convert it to PLY (SuperSplat)"),
    **dict.fromkeys(("fbx", "dae", "3ds", "blend", "x3d", "wrl"), "export it as .glb, for instance with Blender"),
    **dict.fromkeys(("usd", "usdz", "usda", "usdc"), "export it as .glb, for instance with Blender"),
    **dict.fromkeys(("skp", "rvt", "ifc", "dwg", "dxf", "step", "stp"), "export the model as .obj or .glb"),
    **dict.fromkeys(("rcp", "rcs", "fls", "lsproj", "zfs", "ptx"), "export the scan as .e57"),
    **dict.fromkeys(("zip", "7z", "rar", "gz"), "unpack it first"),
    **dict.fromkeys(("bag", "db3", "mcap", "mkv", "mp4", "mov", "sens"), "export a cloud or mesh as .ply"),
    **dict.fromkeys(("pth", "pt", "pkl", "mat", "h5", "hdf5", "parquet"), "save the arrays as .npz: points, colors"),
}
"""What to do with files that hold scans and that are not read."""


def load_scan(path: Any, *, unit: str | None = None, up: str | None = None, quiet: bool = False) -> Scan:
    """Read a scan from PLY, PCD, LAS/LAZ, E57, OBJ, GLB/GLTF, STL, XYZ/PTS/CSV/TXT, NPZ or a raw ScanNet scan folder.

    Coordinates come out in metres with z up: `unit` ("m", "cm", "mm", "in", "ft") and `up` ("x", "y", "z", "-x",
    "-y", "-z") say what the file holds, otherwise both are detected. Points that are not finite are dropped, exact
    duplicates merged, clouds over two million points thinned; `Scan.source.index` leads from every original point to
    its row. All of this is said on standard error unless `quiet`, and kept in `Scan.messages`.

    Arrays [n, 3], dictionaries of arrays, tensors, trimesh and Open3D objects are taken as well (`Scan.from_arrays`).

    Raises InputError for a file that is missing, empty, truncated, of an unknown kind, or holds no indoor scan.
    """
    if isinstance(path, str | os.PathLike):
        scan = load(Path(path), unit=unit, up=up)
    else:
        scan = scan_from_object(path, unit=unit, up=up)
    if not quiet:
        for message in scan.messages:
            print(f"{scan.name}: {message}", file=sys.stderr)
    return scan


def load(path: Path, *, unit: str | None = None, up: str | None = None) -> Scan:
    """Read a scan; see `load_scan`, which says what was found."""
    check_options(unit, up)
    suffix = check_path(path)
    if not suffix:
        from saymask.io.scannet import read_scannet_scan

        return read_scannet_scan(path)
    return build(path, _reader(suffix, unit)(path), unit, up)


def check_path(path: Path) -> str:
    """Return the suffix of a scan without the dot, empty for a ScanNet folder; nothing is read for it.

    Raises InputError for a path where there is nothing, an empty file, a folder without a mesh, an unknown suffix.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; check the path")
    if path.is_dir():
        if any(path.glob("*_vh_clean_2.ply")):
            return ""
        raise InputError(
            f"{path}: expected a scan file or a ScanNet scan folder with *_vh_clean_2.ply, got a folder without it"
        )
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in READERS:
        raise InputError(
            f"{path.name}: expected a scan with one of the suffixes {', '.join('.' + s for s in READERS)}, "
            f"got {path.suffix or 'none'}; {ELSEWHERE.get(suffix, 'convert or rename the file')}"
        )
    if not path.is_file():
        raise InputError(f"{path}: expected a file, got something else")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: the file is empty; copy or export it again")
    return suffix


def _reader(suffix: str, unit: str | None) -> Callable[[Path], Cloud]:
    """Return the reader of a suffix; meshes also need to know the file's unit, where the user said it."""
    module, _, name = READERS[suffix].partition(":")
    reader = getattr(import_module(module), name)
    if suffix in MESH:
        return partial(reader, scale=None if unit is None else UNITS[unit])  # samples lie 2 cm apart in metres
    return reader
