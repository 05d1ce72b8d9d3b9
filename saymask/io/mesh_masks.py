"""Masks on the triangles of the mesh that a scan came from; triangles that a mask's edge crosses are divided."""

from dataclasses import replace

import numpy as np

from saymask.errors import InputError
from saymask.io.mesh_sampling import face_areas
from saymask.io.surface import Surface
from saymask.masks import Masks
from saymask.scan import Scan


def check_mesh(scan: Scan, name: str) -> None:
    """Raise InputError for a scan without faces, which cannot be saved as the mesh `name`."""
    faces = scan.faces if scan.source is None else scan.source.faces
    surface = None if scan.source is None else scan.source.extra.get("surface")
    if surface is None and (faces is None or not len(faces)):
        raise InputError(
            f"cannot save {name}: expected a scan with faces, got a cloud of {len(scan):,} points; save it as .ply"
        )


def masked_surface(masks: Masks) -> tuple[Surface, np.ndarray]:
    """Return the mesh in the file's coordinates and the best-scored mask of every face, int32 [F], -1 = none.

    A face belongs to the mask that two of its corners have. Where the scan's points are samples of large triangles,
    those with different samples are divided in four until their samples agree or they are as small as samples lie
    apart. Raises InputError for a scan without faces.
    """
    scan, source = masks.scan, masks.scan.source
    check_mesh(scan, "masks")
    best = masks.best if source is None else np.append(masks.best, np.int32(-1))[source.index]
    surface = None if source is None else source.extra.get("surface")
    if surface is None:
        surface = _vertices_as_surface(scan)
    face = None if source is None else source.extra.get("sampled_face")
    if face is None:
        corner = best[surface.faces]
        same = (corner[:, 0] == corner[:, 1]) | (corner[:, 0] == corner[:, 2])
        return surface, np.where(same, corner[:, 0], np.where(corner[:, 1] == corner[:, 2], corner[:, 1], -1))
    assert source is not None
    points = np.stack([source.columns[axis] for axis in "xyz"], 1).astype(np.float64)
    return _divide(surface, points, face, best)


def _vertices_as_surface(scan: Scan) -> Surface:
    """Return the faces of a scan whose points are its vertices, in the file's coordinates."""
    source = scan.source
    if source is None:
        assert scan.faces is not None
        colors = scan.colors.astype(np.float32) if scan.has_color else None
        return Surface(scan.points, scan.faces.astype(np.int64), vertex_colors=colors)
    assert source.faces is not None
    row = np.maximum(source.index, 0)
    back = np.linalg.inv(source.transform)
    points = scan.points[row].astype(np.float64) @ back[:3, :3].T + back[:3, 3]
    if all(axis in source.columns for axis in "xyz"):  # exact where the file's own numbers are there
        points = np.stack([source.columns[axis] for axis in "xyz"], 1)
    colors = scan.colors[row].astype(np.float32) if scan.has_color else None
    faces = source.faces.astype(np.int64)
    return Surface(points, faces[np.isfinite(points[faces]).all((1, 2))], vertex_colors=colors)


def _divide(surface: Surface, points: np.ndarray, face: np.ndarray, best: np.ndarray) -> tuple[Surface, np.ndarray]:
    """Divide the faces whose samples (points [n, 3], face [n], best [n]) are of several masks."""
    corners = surface.points[surface.faces].astype(np.float64)  # [F, 3, 3]
    spacing = (float(face_areas(surface.points, surface.faces)[0].sum()) / max(len(points), 1)) ** 0.5
    parent = np.arange(len(corners))
    place = np.tile(np.eye(3), (len(corners), 1, 1))  # barycentric coordinates of a triangle's corners in its parent
    triangle, inside, label = face.astype(np.int64), _barycentric(points, corners[face]), best
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # parent, place, mask; -2 = without samples
    while len(parent):
        winner, mixed = _majority(triangle, label, len(parent))
        shape = np.einsum("tij,tjk->tik", place, corners[parent])
        longest = np.linalg.norm(shape - np.roll(shape, 1, 1), axis=2).max(1)
        split = mixed & (longest > 2 * spacing)
        done.append((parent[~split], place[~split], winner[~split]))
        parent = np.repeat(parent[split], 4)
        place = (QUARTERS @ place[split][:, None]).reshape(-1, 3, 3)
        row = np.cumsum(split) - 1
        keep = split[triangle]
        triangle, inside, label = triangle[keep], inside[keep], label[keep]
        child = np.where(inside.max(1) > 0.5, inside.argmax(1), 3)
        doubled = 2 * inside
        doubled[np.arange(len(child)), np.minimum(child, 2)] -= child < 3
        inside = np.where((child == 3)[:, None], 1 - 2 * inside, doubled)
        triangle = 4 * row[triangle] + child
    parent, place, owner = (np.concatenate(parts) for parts in zip(*done))
    bare = np.flatnonzero(owner == -2)
    if len(bare):
        from scipy.spatial import KDTree

        middle = np.einsum("tij,tjk->tik", place[bare], corners[parent[bare]]).mean(1)
        owner[bare] = best[KDTree(points).query(middle)[1]]
    order = np.argsort(parent, kind="stable")
    return _divided(surface, parent[order], place[order]), owner[order].astype(np.int32)


QUARTERS = np.array(
    [
        [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]],
        [[0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]],
        [[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]],
        [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    ]
)
"""Corners of the quarters of a triangle, barycentric: one at each corner, and the middle one opposite to it."""


def _barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the barycentric coordinates [n, 3] of points [n, 3] in triangles [n, 3, 3]."""
    u, v, w = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    determinant = np.maximum(uu * vv - uv * uv, 1e-300)
    b, c = (vv * wu - uv * wv) / determinant, (uu * wv - uv * wu) / determinant
    return np.stack([1 - b - c, b, c], 1)


def _majority(triangle: np.ndarray, label: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the label that most samples of each of n triangles have (-2 without samples), and which have several."""
    width = int(label.max(initial=-1)) + 2
    pairs, count = np.unique(triangle * width + label + 1, return_counts=True)
    owner, value = pairs // width, pairs % width - 1
    winner = np.full(n, -2, np.int32)
    order = np.argsort(count, kind="stable")
    winner[owner[order]] = value[order]
    return winner, np.bincount(owner, minlength=n) > 1


def _divided(surface: Surface, parent: np.ndarray, place: np.ndarray) -> Surface:
    """Return the surface of triangles at `place` [T, 3, 3] in the faces `parent` [T]."""
    new = (place != np.eye(3)).any((1, 2))
    n, k = len(surface.points), int(new.sum())
    faces = surface.faces[parent]
    old = faces[new]
    faces[new] = n + np.arange(3 * k).reshape(-1, 3)

    def mixed(values: np.ndarray) -> np.ndarray:
        return np.einsum("tij,tjk->tik", place[new], values).astype(values.dtype)

    out = replace(
        surface,
        points=np.concatenate([surface.points, mixed(surface.points[old]).reshape(-1, 3)]),
        faces=faces,
        material=None if surface.material is None else surface.material[parent],
        face_colors=None if surface.face_colors is None else surface.face_colors[parent],
        part=None if surface.part is None else surface.part[parent],
    )
    if surface.uv is not None:
        out.uv = surface.uv[parent]
        out.uv[new] = mixed(surface.uv[parent[new]])
    if surface.vertex_colors is not None:
        colors = mixed(surface.vertex_colors[old]).reshape(-1, 3)
        out.vertex_colors = np.concatenate([surface.vertex_colors, colors])
    return out
