"""Reading scans: seconds and memory of each format, beside trimesh, laspy, pye57 and Open3D where they are installed.

The scan is a furnished room; meshes are the same number of vertices on a wavy surface. *reader* is what the other
programs do as well, the file to arrays; `load_scan` also finds units and the up axis, drops what is not finite, merges
duplicates and thins to two million points. Each format has a process of its own, in which a small file of it was
read before; memory is its growth at the peak, over that small file. The limit of `load_scan` is a copy of the
arrays that it returns.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed import limits
from benchmarks.speed.clock import apart, least, peak, timed
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from saymask.io.load import READERS, load_scan
from saymask.io.npz import write_npz
from saymask.io.ply import write_ply

FEW, MANY = 150_000, 5_000_000
AIM = 2.0
"""Seconds of `load_scan` for MANY points of PLY."""
BYTES = 15
"""Of a point: three float32 and three uint8."""
THINNED = 2_000_000
CLOUDS = ("ply", "pcd", "las", "laz", "e57", "xyz", "npz")
MESHES = ("mesh.ply", "obj", "glb", "stl")
LARGE = ("ply", "las", "laz", "e57", "mesh.ply")
"""Formats that are read with many points, too."""
OTHERS = {
    "trimesh": ("ply", "mesh.ply", "obj", "glb", "stl", "xyz"),
    "laspy": ("las", "laz"),
    "pye57": ("e57",),
    "open3d": ("ply", "mesh.ply", "pcd", "obj", "glb", "stl"),
}
"""Other programs and the formats that they read; Open3D's reader of XYZ leaves the colours out."""


def room(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return about n points float32 [n, 3] of a furnished room and colours uint8 [n, 3]."""
    rng = np.random.default_rng(0)
    size = np.array([7.0, 5.0, 2.6])
    points = rng.random((n, 3)) * size
    side = rng.integers(0, 6, n)  # floor, ceiling, two walls, and things on the floor
    points[side < 2, 2] = (0.002 * rng.normal(size=n) + size[2] * (side == 1))[side < 2]
    points[side == 2, 0] = 0.002 * rng.normal(size=(side == 2).sum())
    points[side == 3, 1] = 0.002 * rng.normal(size=(side == 3).sum())
    points[side > 3] = points[side > 3] * [0.3, 0.3, 0.3] + [2, 2, 0]
    return points.astype(np.float32), rng.integers(0, 256, (n, 3)).astype(np.uint8)


def surface(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return about n vertices of a wavy floor, their colours, and two triangles for each."""
    width = int(np.sqrt(n))
    x, y = np.meshgrid(np.linspace(0, 8, width), np.linspace(0, 6, width), indexing="ij")
    points = np.stack([x, y, 0.4 * np.sin(x) * np.cos(y)], 2).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(width - 1)[:, None] * width + np.arange(width - 1)).ravel()
    first = np.stack([corner, corner + width, corner + 1], 1)
    second = np.stack([corner + 1, corner + width, corner + width + 1], 1)
    colors = np.random.default_rng(0).integers(0, 256, points.shape).astype(np.uint8)
    return points, colors, np.concatenate([first, second]).astype(np.int32)


def write(folder: Path, kind: str, n: int) -> Path:
    """Write a scan of n points (vertices) and return its path."""
    path = folder / f"{n}.{kind}"
    if kind in MESHES:
        points, colors, faces = surface(n)
    else:
        points, colors = room(n)
        faces = None
    columns = dict(zip("xyz", points.T)) | dict(zip(("red", "green", "blue"), colors.T))
    if kind.endswith("ply"):
        write_ply(path, columns, faces, [])
    elif kind in ("las", "laz"):
        from saymask.io.las import write_las

        write_las(path, columns, points.astype(np.float64))
    elif kind == "e57":
        import pye57

        data = {f"cartesian{axis}": points[:, i].astype(np.float64) for i, axis in enumerate("XYZ")}
        data |= {f"color{c}": colors[:, i] for i, c in enumerate(("Red", "Green", "Blue"))}
        with pye57.E57(str(path), mode="w") as file:
            file.write_scan_raw(data)
    elif kind == "pcd":
        packed = (colors.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)).astype(np.uint32)
        rows = np.concatenate([points, packed.view(np.float32)[:, None]], 1)
        head = f"VERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nWIDTH {n}\nHEIGHT 1\n"
        path.write_bytes(f"{head}VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {n}\nDATA binary\n".encode() + rows.tobytes())
    elif kind == "xyz":
        with open(path, "w") as file:
            for start in range(0, n, 100_000):
                rows = np.concatenate([points[start : start + 100_000], colors[start : start + 100_000]], 1)
                np.savetxt(file, rows, "%.4f %.4f %.4f %d %d %d")
    elif kind == "npz":
        write_npz(path, {"points": points, "colors": colors})
    else:
        import trimesh

        trimesh.Trimesh(points, faces, vertex_colors=colors, process=False).export(path)
    return path


def ways(kind: str) -> dict[str, Callable[[Path], Any]]:
    """Return the programs that read a format, by name."""
    module, _, function = READERS[kind.removeprefix("mesh.")].partition(":")
    read = getattr(import_module(module), function)
    out: dict[str, Callable[[Path], Any]] = {
        "reader": read, "load_scan": lambda path: load_scan(path, quiet=True),
    }  # fmt: skip
    for name, kinds in OTHERS.items():
        if kind in kinds and importlib.util.find_spec(name) is not None:
            out[name] = {"trimesh": _trimesh, "laspy": _laspy, "pye57": _pye57, "open3d": _open3d}[name]
    return out


def _trimesh(path: Path) -> Any:
    import trimesh

    return trimesh.load(path, process=False)


def _laspy(path: Path) -> Any:
    import laspy

    data = laspy.read(path)
    return data.xyz, {name: np.array(data[name]) for name in data.point_format.dimension_names}


def _pye57(path: Path) -> Any:
    import pye57

    file = pye57.E57(str(path))
    try:
        return file.read_scan(0, colors=True, ignore_missing_fields=True)
    finally:
        file.close()


def _open3d(path: Path) -> Any:
    import open3d

    mesh = path.suffix in (".obj", ".glb", ".stl") or path.name.endswith("mesh.ply")
    return (open3d.io.read_triangle_mesh if mesh else open3d.io.read_point_cloud)(str(path))


def read(kind: str, path: str, small: str, rounds: int) -> dict[str, dict[str, float]]:
    """Return for each way to read a file the least wall and CPU seconds, and megabytes at the peak, in this process."""
    result = {}
    known = ways(kind)
    # load_scan goes first: what others have freed would hide some of its memory.
    for way in sorted(known, key=lambda way: way != "load_scan"):
        job = known[way]
        job(Path(small))
        runs = []
        megabytes = peak(lambda job=job, runs=runs: runs.append(timed(lambda: job(Path(path)))))
        runs += [timed(lambda job=job: job(Path(path))) for _ in range(rounds - 1)]
        best = least(runs)
        result[way] = {"wall": best.wall, "cpu": best.cpu, "MB": megabytes}
    return result


def measure(effort: Effort) -> list[Figure]:
    """Return the figures of every format: small files of all, large ones of the formats that large scans come in."""
    figures = []
    rounds = effort.rounds(2)
    for n, kinds in ((FEW, (*CLOUDS, *MESHES)), (MANY, () if effort.quick else LARGE)):
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder:
                path, small = write(Path(folder), kind, n), write(Path(folder), kind, 2000)
                taken = apart(read, kind, str(path), str(small), rounds)
            others = {way: found["wall"] for way, found in taken.items() if way not in ("reader", "load_scan")}
            best = min(others, key=others.__getitem__) if others else None
            what, reader, whole = f"{kind}, {n:,} points", taken["reader"], taken["load_scan"]
            figures.append(
                Figure(f"{what}: reader", reader["wall"], cpu=reader["cpu"], peer=others[best] if best else None,
                       peer_of=best or "no other program read it")
            )  # fmt: skip
            if n == MANY:
                aim, before = (AIM, 14.0) if kind == "ply" else (None, None)
                figures += [
                    Figure(f"{what}: load_scan", whole["wall"], cpu=whole["cpu"], aim=aim, before=before,
                           limit=2 * THINNED * BYTES / 1e9 / limits.copied(), limit_of="copy",
                           parts={"reader": reader["wall"], "the rest": whole["wall"] - reader["wall"]}),
                    Figure(f"{what}: memory of load_scan", whole["MB"], "MB"),
                ]  # fmt: skip
    return figures
