"""GLB and glTF 2.0: the meshes and points of the default scene, placed by their nodes, with what colours them.

Source: Khronos, "glTF 2.0 Specification", sections 3.5 to 3.7.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.io.gltf_data import GltfData, normalized
from saymask.io.gltf_materials import read_material
from saymask.io.surface import Material, Piece, Surface, join

POINTS, TRIANGLES, STRIP, FAN = 0, 4, 5, 6
MAX_REPEATED = 5_000_000
"""Vertices and corners that instances of meshes may make of a small file; a file as large as these may hold more."""


def read_gltf(path: Path) -> Surface:
    """Read a GLB or glTF file; one without triangles gives points. Raises InputError for damaged files."""
    data = GltfData(path)
    messages: list[str] = []
    materials: list[Material] = []
    known: dict[int, tuple[int, int, np.ndarray]] = {}
    pieces: list[Piece] = []
    shapes: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}
    total = 0
    lines = 0
    for mesh, matrix in _placed(data, messages):
        primitives = data.item("meshes", mesh).get("primitives")
        if not isinstance(primitives, list):
            raise data.wrong("a list of primitives", primitives)
        for k, primitive in enumerate(primitives):
            if not isinstance(primitive, dict):
                raise data.wrong("a primitive", primitive)
            if primitive.get("mode", TRIANGLES) not in (POINTS, TRIANGLES, STRIP, FAN):
                lines += 1
                continue
            if (mesh, k) not in shapes:
                shapes[mesh, k] = _shape(data, primitive)
            piece = _piece(data, primitive, shapes[mesh, k], matrix, materials, known)
            total += len(piece.points) + piece.faces.size
            if total > max(MAX_REPEATED, data.size):
                raise data.wrong(f"a scene of {data.size:,} bytes", f"one that repeats itself to {total:,} vertices")
            pieces.append(piece)
    if lines:
        messages.append(f"{lines:,} primitives hold lines: left out")
    pieces = [p for p in pieces if len(p.points)]
    if not pieces:
        raise InputError(
            f"{path.name}: expected a mesh with triangles or points, got none; export the scan with its faces or as PLY"
        )
    return join(pieces, materials, messages)


def _placed(data: GltfData, messages: list[str]) -> list[tuple[int, np.ndarray]]:
    """Return the meshes of the default scene with their matrices float64 [4, 4], in order of the nodes."""
    scenes = data.json.get("scenes")
    nodes = data.json.get("nodes")
    if isinstance(scenes, list) and scenes:
        index = data.number(data.json, "scene", 0)
        roots = data.item("scenes", index).get("nodes", [])
        if len(scenes) > 1:
            messages.append(f"the file holds {len(scenes)} scenes: number {index}, the default one, is read")
    elif isinstance(nodes, list) and nodes:
        below = {c for n in nodes if isinstance(n, dict) for c in _children(data, n)}
        roots = [i for i in range(len(nodes)) if i not in below]
    else:
        meshes = data.json.get("meshes")
        return [(i, np.eye(4)) for i in range(len(meshes))] if isinstance(meshes, list) else []
    if not isinstance(roots, list):
        raise data.wrong("a list of nodes", roots)
    out: list[tuple[int, np.ndarray]] = []
    stack = [(root, np.eye(4)) for root in reversed(roots)]
    seen: set[object] = set()
    while stack:
        at, parent = stack.pop()
        node = data.item("nodes", at)
        if at in seen:
            raise data.wrong("a tree of nodes", f"node {at} twice")
        seen.add(at)
        matrix = parent @ _matrix(data, node)
        if "mesh" in node:
            mesh = data.number(node, "mesh")
            out += [(mesh, matrix @ own) for own in _instances(data, node)]
            if len(out) > MAX_REPEATED:
                raise data.wrong("fewer instances of meshes", f"{len(out):,}")
            if "skin" in node and "skins are not applied: meshes are in their rest pose" not in messages:
                messages.append("skins are not applied: meshes are in their rest pose")
        stack += [(child, matrix) for child in reversed(_children(data, node))]
    return out


def _children(data: GltfData, node: dict[str, Any]) -> list[int]:
    children = node.get("children", [])
    if not isinstance(children, list) or not all(isinstance(c, int) for c in children):
        raise data.wrong("a list of nodes", children)
    return children


def _instances(data: GltfData, node: dict[str, Any]) -> Iterator[np.ndarray]:
    """Yield the matrix of every copy of a node's mesh (EXT_mesh_gpu_instancing), the identity without copies."""
    extensions = node.get("extensions")
    extension = extensions.get("EXT_mesh_gpu_instancing") if isinstance(extensions, dict) else None
    attributes = extension.get("attributes") if isinstance(extension, dict) else None
    if not isinstance(attributes, dict):
        yield np.eye(4)
        return
    names = [name for name in ("TRANSLATION", "ROTATION", "SCALE") if name in attributes]
    values = {name.lower(): data.accessor(attributes[name]).astype(np.float64) for name in names}
    for i in range(min((len(v) for v in values.values()), default=0)):
        yield _matrix(data, {name: v[i].tolist() for name, v in values.items()})


def _matrix(data: GltfData, node: dict[str, Any]) -> np.ndarray:
    """Return a node's own matrix, float64 [4, 4], from `matrix` or translation · rotation · scale."""
    try:
        if "matrix" in node:
            return np.array(node["matrix"], np.float64).reshape(4, 4).T
        t, s = (np.array(node.get(k, d), np.float64) for k, d in (("translation", [0] * 3), ("scale", [1] * 3)))
        x, y, z, w = (float(v) for v in node.get("rotation", (0, 0, 0, 1)))
    except (TypeError, ValueError, OverflowError) as error:
        raise data.wrong("a node's placement in numbers", error) from None
    if t.shape != (3,) or s.shape != (3,):
        raise data.wrong("translation and scale of three numbers", (t.shape, s.shape))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rotation * s, t
    return out


def _shape(data: GltfData, primitive: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """Return the position [V, 3] and triangles [F, 3] of a primitive, its colours and texture coordinates by set."""
    attributes = primitive.get("attributes")
    if not isinstance(attributes, dict) or "POSITION" not in attributes:
        raise data.wrong("a primitive with POSITION", attributes)
    extensions = primitive.get("extensions")
    draco = extensions.get("KHR_draco_mesh_compression") if isinstance(extensions, dict) else None
    values: dict[str, np.ndarray] = {}
    indices = None
    if isinstance(draco, dict):
        values, indices = data.draco(draco)
        for name, index in attributes.items():
            if name in values and data.item("accessors", index).get("normalized") is True:
                values[name] = normalized(values[name])
    wanted = [n for n in attributes if n == "POSITION" or n == "COLOR_0" or n.startswith("TEXCOORD_")]
    for name in wanted:
        if name not in values:
            values[name] = data.accessor(attributes[name])
    points = values["POSITION"]
    n = len(points)
    if points.shape[1] != 3 or any(len(values[name]) != n for name in wanted):
        raise data.wrong(f"attributes of {n:,} vertices", {k: list(values[k].shape) for k in wanted})
    if indices is None and "indices" in primitive:
        indices = data.accessor(primitive["indices"])[:, 0].astype(np.int64)
    mode = primitive.get("mode", TRIANGLES)
    if mode == POINTS:
        if indices is not None:  # the vertices in the order in which they are named
            if len(indices) and (indices.max() >= n or indices.min() < 0):
                raise data.wrong(f"indices below {n:,}", f"{indices.max():,}")
            values = {k: v[indices] for k, v in values.items()}
            points = values["POSITION"]
        faces = np.zeros((0, 3), np.int64)
    else:
        faces = _triangles(np.arange(n) if indices is None else indices, mode)
        if len(faces) and (faces.max() >= n or faces.min() < 0):
            raise data.wrong(f"indices below {n:,}", f"{faces.max():,}")
    colors = values.get("COLOR_0")
    if colors is not None:
        if colors.shape[1] not in (3, 4):
            raise data.wrong("colours of three or four numbers", colors.shape[1])
        colors = normalized(colors[:, :3]).astype(np.float32)
        finite = colors[np.isfinite(colors)]
        if not len(finite) or float(finite.max()) <= 1.5:  # some exporters write 0..255 as floats
            colors = np.clip(colors, 0, 1) * np.float32(255)
    coords = [values.get(f"TEXCOORD_{i}", np.zeros((0, 2))).astype(np.float64) for i in range(8)]
    return (points.astype(np.float64), faces, np.zeros((0, 3)) if colors is None else colors, *coords)


def _triangles(indices: np.ndarray, mode: int) -> np.ndarray:
    if mode == TRIANGLES:
        return indices[: len(indices) // 3 * 3].reshape(-1, 3)
    if len(indices) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        return np.stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]], 1)
    faces = np.stack([indices[:-2], indices[1:-1], indices[2:]], 1)
    faces[1::2] = faces[1::2, [1, 0, 2]]
    return faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])]


def _piece(
    data: GltfData,
    primitive: dict[str, Any],
    shape: tuple[np.ndarray, ...],
    matrix: np.ndarray,
    materials: list[Material],
    known: dict[int, tuple[int, int, np.ndarray]],
) -> Piece:
    points, faces, colors, *coords = shape
    row, uv = -1, None
    if "material" in primitive:
        index = data.number(primitive, "material")
        if index not in known:
            material, uv_set, moved = read_material(data, index)
            known[index] = len(materials), uv_set, moved
            materials.append(material)
        row, uv_set, moved = known[index]
        if uv_set < len(coords) and len(coords[uv_set]) == len(points) and coords[uv_set].shape[1] == 2:
            down = coords[uv_set] @ moved[:2, :2].T + moved[:2, 2]
            uv = np.stack([down[:, 0], 1 - down[:, 1]], 1).astype(np.float32)
    if not np.array_equal(matrix, np.eye(4)):
        points = points @ matrix[:3, :3].T + matrix[:3, 3]
        if np.linalg.det(matrix[:3, :3]) < 0:  # mirrored: the other side would face outwards
            faces = faces[:, ::-1]
    return Piece(points, faces, colors if len(colors) else None, uv, row)
