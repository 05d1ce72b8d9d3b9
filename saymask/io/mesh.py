"""OBJ, GLB/GLTF, STL and OFF through trimesh, with vertex colours, materials and textures as colours of the points."""

import io
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import Cloud, read_bytes, to_uint8, truncated
from saymask.io.mesh_sampling import SPACING, is_sparse, sample_surface


def read_mesh(path: Path, scale: float | None = None) -> Cloud:
    """Read a mesh file as points: its vertices, or samples 2 cm apart where the triangles are large.

    `scale` is metres per file unit; None means that the extent decides (`saymask.io.units.metres_per_unit`). The
    vertices of an OBJ keep the order of its `v` lines. Raises InputError for files that hold no triangles.
    """
    data = read_bytes(path)
    suffix = path.suffix.lower().lstrip(".")
    _check(path, data, suffix)
    import trimesh

    try:
        # trimesh looks up textures and .bin buffers beside the file
        loaded = trimesh.load_scene(path, process=False, maintain_order=True)
        meshes = [m for m in loaded.dump(concatenate=False) if isinstance(m, trimesh.Trimesh) and len(m.faces)]  # type: ignore[union-attr]
    except Exception as error:  # every loader of trimesh raises its own types for damaged files
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise truncated(path, f"a readable {suffix.upper()} file", f"{type(error).__name__}: {reason[:100]}") from None
    if not meshes:
        raise InputError(
            f"{path.name}: expected a mesh with triangles, got none; export the scan with its faces or as PLY"
        )
    points = np.concatenate([np.asarray(m.vertices, np.float64) for m in meshes])
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    faces = np.concatenate([np.asarray(m.faces, np.int64) + start for m, start in zip(meshes, starts)])
    if not np.isfinite(points[faces]).all():
        faces = faces[np.isfinite(points[faces]).all((1, 2))]
    cloud = Cloud(
        suffix,
        points,
        {},
        unit="m" if suffix in ("glb", "gltf") else None,
        up="y" if suffix in ("glb", "gltf") else None,
    )
    part = np.repeat(np.arange(len(meshes), dtype=np.int32), [len(m.faces) for m in meshes])
    if scale is None:
        from saymask.io.units import metres_per_unit

        scale = metres_per_unit(path, points, unit=cloud.unit)[0]
    if is_sparse(points, faces, SPACING / scale):
        _sampled(cloud, meshes, points, faces, part, scale)
    else:
        colors = _vertex_colors(meshes)
        if suffix == "obj":
            points, faces, colors = _file_order(data, points, faces, colors)
        cloud.points, cloud.faces, cloud.colors = points, faces.astype(np.int32), colors
        if len(meshes) > 1 and suffix != "obj":
            cloud.columns["part"] = np.repeat(np.arange(len(meshes), dtype=np.int32), [len(m.vertices) for m in meshes])
    columns: dict[str, np.ndarray] = {axis: cloud.points[:, i] for i, axis in enumerate("xyz")}
    if cloud.normals is not None:
        columns.update({axis: cloud.normals[:, i] for i, axis in enumerate(("nx", "ny", "nz"))})
    if cloud.colors is not None:
        columns.update({c: cloud.colors[:, i] for i, c in enumerate(("red", "green", "blue"))})
    cloud.columns = {**columns, **cloud.columns}
    return cloud


def sample_cloud(cloud: Cloud, scale: float) -> Cloud:
    """Return the cloud of a PLY or NPZ mesh sampled 2 cm apart where its triangles are large, else the cloud itself."""
    if cloud.faces is None or cloud.sampled:
        return cloud
    ok = np.isfinite(cloud.points[cloud.faces]).all((1, 2))
    faces = cloud.faces[ok].astype(np.int64)
    if not len(faces) or not is_sparse(cloud.points, faces, SPACING / scale):
        return cloud
    samples = sample_surface(cloud.points, faces, SPACING / scale)
    nearest = faces[samples.face, samples.weights.argmax(1)]
    columns: dict[str, np.ndarray] = {axis: samples.points[:, i] for i, axis in enumerate("xyz")}
    for name, values in cloud.columns.items():
        if name not in columns and name not in ("nx", "ny", "nz"):
            columns[name] = values[nearest]
    colors = cloud.colors
    if colors is not None:
        mixed = (samples.weights[:, :, None] * colors[faces[samples.face]]).sum(1)
        colors = np.rint(mixed).astype(np.uint8)
        columns.update({c: colors[:, i] for i, c in enumerate(("red", "green", "blue"))})
    columns["face"] = np.flatnonzero(ok)[samples.face].astype(np.int32)
    out = Cloud(
        cloud.format,
        samples.points,
        columns,
        colors,
        samples.normals,
        None,
        {},
        [*cloud.messages],
        cloud.unit,
        cloud.up,
        True,
    )
    out.messages.append(_said(len(cloud.points), samples.points, samples.spacing * scale))
    return out


def _said(vertices: int, points: np.ndarray, spacing: float) -> str:
    return (
        f"the mesh has {vertices:,} vertices and large triangles: sampled {len(points):,} points "
        f"{spacing * 100:.1f} cm apart on its surface; results are saved for these points"
    )


def _sampled(
    cloud: Cloud, meshes: list[Any], points: np.ndarray, faces: np.ndarray, part: np.ndarray, scale: float
) -> None:
    samples = sample_surface(points, faces, SPACING / scale)
    cloud.points, cloud.normals, cloud.sampled = samples.points, samples.normals, True
    owner = part[samples.face] if len(part) == len(faces) else np.zeros(len(samples.face), np.int32)
    colors = np.full((len(samples.face), 3), 128, np.uint8)
    first_face = np.cumsum([0] + [len(m.faces) for m in meshes])
    found = False
    for i, mesh in enumerate(meshes):
        rows = np.flatnonzero(owner == i)
        if not len(rows):
            continue
        local = np.asarray(mesh.faces)[samples.face[rows] - first_face[i]]
        weights = samples.weights[rows][:, :, None]
        texture = _texture(mesh)
        if texture is not None:
            uv = (weights * np.asarray(mesh.visual.uv, np.float64)[local]).sum(1)
            colors[rows] = _lookup(texture, uv, _factor(mesh))
            found = True
        elif (vertex := _colors_of(mesh)) is not None:
            colors[rows] = np.rint((weights * vertex[local]).sum(1)).astype(np.uint8)
            found = True
    cloud.colors = colors if found else None
    if len(meshes) > 1:
        cloud.columns["part"] = owner
    cloud.columns["face"] = samples.face.astype(np.int32)
    cloud.messages.append(_said(len(points), samples.points, samples.spacing * scale))


def _vertex_colors(meshes: list[Any]) -> np.ndarray | None:
    parts = []
    for mesh in meshes:
        texture = _texture(mesh)
        if texture is not None:
            parts.append(_lookup(texture, np.asarray(mesh.visual.uv, np.float64), _factor(mesh)))
        else:
            parts.append(_colors_of(mesh))
    if all(p is None for p in parts):
        return None
    return np.concatenate(
        [np.full((len(m.vertices), 3), 128, np.uint8) if p is None else p for m, p in zip(meshes, parts)]
    )


def _colors_of(mesh: Any) -> np.ndarray | None:
    """Colours of the vertices uint8 [V, 3] from vertex colours, face colours or the material; None without any."""
    kind = mesh.visual.kind
    if kind == "vertex":
        return to_uint8(np.asarray(mesh.visual.vertex_colors))
    if kind == "face":
        return to_uint8(
            np.asarray(
                mesh.visual.to_color().vertex_colors if hasattr(mesh.visual, "to_color") else mesh.visual.vertex_colors
            )
        )
    material = getattr(mesh.visual, "material", None)
    if material is None or (
        type(material).__name__ == "SimpleMaterial" and material.name is None and not material.kwargs
    ):
        return None
    if type(material).__name__ == "PBRMaterial" and material.baseColorFactor is None:
        return None
    return np.tile(np.asarray(material.main_color, np.uint8)[:3], (len(mesh.vertices), 1))


def _texture(mesh: Any) -> np.ndarray | None:
    """The colour image of a textured mesh, uint8 [H, W, 3]."""
    if getattr(mesh.visual, "uv", None) is None or len(mesh.visual.uv) != len(mesh.vertices):
        return None
    material = getattr(mesh.visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    return None if image is None else np.asarray(image.convert("RGB"))


def _factor(mesh: Any) -> np.ndarray:
    factor = getattr(mesh.visual.material, "baseColorFactor", None)
    return np.ones(3) if factor is None else np.asarray(factor, np.float64)[:3] / 255.0


def _lookup(image: np.ndarray, uv: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Colours at texture coordinates (repeating, v upwards), uint8 [n, 3]."""
    h, w = image.shape[:2]
    uv = np.nan_to_num(uv)
    uv = np.where((uv < -1e-6) | (uv > 1 + 1e-6), uv % 1.0, np.clip(uv, 0, 1))  # 1 is the last pixel, not the first
    x = np.minimum((uv[:, 0] * w).astype(np.int64), w - 1)
    y = np.minimum(((1.0 - uv[:, 1]) * h).astype(np.int64), h - 1)
    return np.clip(np.rint(image[y, x] * factor), 0, 255).astype(np.uint8)


def _file_order(
    data: bytes, points: np.ndarray, faces: np.ndarray, colors: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Bring an OBJ's vertices back into the order of its `v` lines; loaders split and merge them at texture seams."""
    rows = [line.split()[1:] for line in data.splitlines() if line.startswith((b"v ", b"v\t"))]
    try:
        table = np.array([row[:3] for row in rows], np.float64)
    except ValueError:
        return points, faces, colors
    if table.shape == points.shape and np.allclose(table, points, equal_nan=True):
        return points, faces, colors
    from scipy.spatial import KDTree

    distance, nearest = KDTree(table).query(points)
    row = np.asarray(nearest)
    if distance.max(initial=0) > 1e-5 * max(1.0, float(np.abs(table).max())):
        return points, faces, colors  # not the same coordinates after all
    mapped = None
    if colors is not None:
        mapped = np.full((len(table), 3), 128, np.uint8)
        mapped[row] = colors
    faces = row[faces]
    return (
        table,
        faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])],
        mapped,
    )


def _check(path: Path, data: bytes, suffix: str) -> None:
    """Find files that end too early; loaders read on silently or fail with words about their own insides."""
    if suffix == "glb":
        if data[:4] != b"glTF":
            raise InputError(
                f"{path.name}: expected a GLB file starting with 'glTF', got {data[:4]!r}; check the suffix"
            )
        length = struct.unpack_from("<I", data, 8)[0] if len(data) >= 12 else 12
        if len(data) < length:
            raise truncated(path, f"{length:,} bytes as the header says", f"{len(data):,}")
    elif suffix == "gltf":
        try:
            json.loads(data)
        except ValueError as error:
            raise truncated(path, "a glTF text (JSON)", str(error)) from None
    elif suffix == "stl" and not re.match(rb"\s*solid\b[^\0]*?facet", data[:2000]):
        n = struct.unpack_from("<I", data, 80)[0] if len(data) >= 84 else 0
        if len(data) < 84 or len(data) < 84 + 50 * n:
            raise truncated(path, f"{n:,} triangles in {84 + 50 * n:,} bytes", f"{len(data):,} bytes")
    elif suffix == "stl":
        tail = io.BytesIO(data[-200:]).read()
        if b"endsolid" not in tail and b"end solid" not in tail:
            raise truncated(path, "an STL text closed by 'endsolid'", "none at the end")
    elif suffix == "obj" and not re.search(rb"(?m)^v\s", data):
        raise InputError(f"{path.name}: expected an OBJ file with 'v x y z' lines, got none; check the suffix")
