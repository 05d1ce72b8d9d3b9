"""Scans from what is in memory: arrays, lists, tensors, trimesh and Open3D objects, with the care that files get."""

from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.io.build import build, check_options
from saymask.io.cloud import Cloud, recognise
from saymask.scan import Scan

EXPECTED = "a path, an array [n, 3], a Scan, a trimesh or an Open3D object"


def scan_from_arrays(
    points: Any,
    colors: Any = None,
    *,
    normals: Any = None,
    faces: Any = None,
    unit: str | None = None,
    up: str | None = None,
    name: str = "",
    **columns: Any,
) -> Scan:
    """Return a scan of arrays; see `saymask.scan.Scan.from_arrays`."""
    from saymask.io.npz import cloud_from_arrays

    given = {"points": points, "colors": colors, "normals": normals, "faces": faces, **columns}
    path = Path(name or "points")
    arrays = {key: as_array(path, key, values) for key, values in given.items() if values is not None}
    cloud = cloud_from_arrays(path, arrays)
    cloud.format = "arrays"
    return _built(path, recognise(cloud), unit, up)


def scan_from_object(thing: Any, *, unit: str | None = None, up: str | None = None) -> Scan:
    """Return the scan that an object in memory is; raise InputError, in one line, for one that is none."""
    if isinstance(thing, Scan):
        return thing
    home = type(thing).__module__.split(".")[0]
    if home == "trimesh":
        return scan_from_trimesh(thing, unit=unit, up=up)
    if home == "open3d":
        return scan_from_open3d(thing, unit=unit, up=up)
    if isinstance(thing, dict) and thing:
        names = {str(k): v for k, v in thing.items()}
        points = next((names.pop(k) for k in ("points", "xyz", "coord", "coords") if k in names), None)
        colors = next((names.pop(k) for k in ("colors", "rgb", "color") if k in names), None)
        if points is not None:
            return scan_from_arrays(points, colors, unit=unit, up=up, **names)
    if isinstance(thing, np.ndarray | list | tuple) or home in ("torch", "pandas", "jax", "cupy", "tensorflow"):
        return scan_from_arrays(thing, unit=unit, up=up)
    raise InputError(f"scan: expected {EXPECTED}, got {type(thing).__name__}")


def as_array(path: Path, key: str, values: Any) -> np.ndarray:
    """Return numbers as an array, from a list, a tensor on any device, or anything that NumPy understands."""
    if hasattr(values, "detach"):  # torch, also with a gradient or on a GPU
        values = values.detach().cpu()
        values = (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy()
    elif hasattr(values, "get") and type(values).__module__.startswith("cupy"):
        values = values.get()
    try:
        out = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path}: {key}: expected an array of numbers, got {type(values).__name__} ({error})"
        ) from None
    if out.dtype.kind not in "fiub" and not (out.dtype.kind == "U" and key not in ("points", "colors")):
        raise InputError(f"{path}: {key}: expected an array of numbers, got {out.dtype} {list(out.shape)}")
    return out


def scan_from_trimesh(mesh: Any, *, unit: str | None = None, up: str | None = None, name: str = "") -> Scan:
    """Return a scan of a trimesh Trimesh, PointCloud or Scene; see `saymask.scan.Scan.from_trimesh`."""
    import trimesh

    from saymask.io.mesh import surface_cloud
    from saymask.io.surface import Material, Piece, join
    from saymask.io.textures import Texture

    parts = mesh.dump(concatenate=False) if isinstance(mesh, trimesh.Scene) else [mesh]
    pieces, materials = [], []
    for part in parts:
        points = np.asarray(getattr(part, "vertices", None), np.float64)
        if points.ndim != 2 or not isinstance(part, trimesh.Trimesh | trimesh.PointCloud):
            continue
        colors, uv, row = None, None, -1
        faces = np.asarray(getattr(part, "faces", np.zeros((0, 3))), np.int64)
        visual: Any = getattr(part, "visual", None)
        kind = getattr(visual, "kind", None)
        if isinstance(part, trimesh.PointCloud):
            found = np.asarray(part.colors)
            colors = found[:, :3].astype(np.float32) if len(found) == len(points) else None
        elif kind in ("vertex", "face"):
            colors = np.asarray(visual.vertex_colors)[:, :3].astype(np.float32)
        elif kind == "texture":
            material = visual.material
            image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
            texture = None
            if image is not None and visual.uv is not None:
                texture = Texture(f"image {len(materials)}", np.asarray(image.convert("RGB")))
                uv = np.asarray(visual.uv, np.float32)
            row = len(materials)
            materials.append(Material("", np.asarray(material.main_color)[:3] / 255.0, texture, multiplied=False))
        pieces.append(Piece(points, faces, colors, uv, row))
    if not pieces:
        raise InputError(f"scan: expected a trimesh mesh or cloud with vertices, got {type(mesh).__name__} without")
    return _built(Path(name or "mesh"), surface_cloud("trimesh", join(pieces, materials, [])), unit, up)


def scan_from_open3d(geometry: Any, *, unit: str | None = None, up: str | None = None, name: str = "") -> Scan:
    """Return a scan of an Open3D PointCloud or TriangleMesh; see `saymask.scan.Scan.from_open3d`."""
    if hasattr(geometry, "to_legacy"):
        geometry = geometry.to_legacy()
    mesh = hasattr(geometry, "triangles")
    points = getattr(geometry, "vertices" if mesh else "points", None)
    if points is None:
        raise InputError(f"scan: expected an Open3D PointCloud or TriangleMesh, got {type(geometry).__name__}")
    colors, normals = (getattr(geometry, ("vertex_" if mesh else "") + what) for what in ("colors", "normals"))
    return scan_from_arrays(
        points,
        colors if len(colors) else None,
        normals=normals if len(normals) else None,
        faces=geometry.triangles if mesh and len(geometry.triangles) else None,
        unit=unit,
        up=up,
        name=name,
    )


def scan_to_trimesh(scan: Scan) -> Any:
    """Return a trimesh Trimesh, or a PointCloud where there are no faces; metres, z up."""
    import trimesh

    if scan.faces is None:
        return trimesh.PointCloud(scan.points, colors=scan.colors)
    return trimesh.Trimesh(scan.points, scan.faces, vertex_colors=scan.colors, process=False)


def scan_to_open3d(scan: Scan) -> Any:
    """Return an Open3D TriangleMesh, or a PointCloud where there are no faces; metres, z up."""
    try:
        import open3d
    except ImportError:
        raise InputError("to_open3d needs Open3D: pip install open3d") from None
    vector = open3d.utility.Vector3dVector
    if scan.faces is None:
        out = open3d.geometry.PointCloud(vector(scan.points.astype(np.float64)))
        out.colors = vector(scan.colors / 255.0)
        return out
    out = open3d.geometry.TriangleMesh(
        vector(scan.points.astype(np.float64)), open3d.utility.Vector3iVector(scan.faces.astype(np.int32))
    )
    out.vertex_colors = vector(scan.colors / 255.0)
    return out


def _built(path: Path, cloud: Cloud, unit: str | None, up: str | None) -> Scan:
    check_options(unit, up)
    return build(path, cloud, unit, up)
