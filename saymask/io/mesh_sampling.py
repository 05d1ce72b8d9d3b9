"""Points on the surface of a mesh, for models of a few large triangles, whose vertices alone show nothing."""

from dataclasses import dataclass

import numpy as np

from saymask.io.kernels import face_normals

SPACING = 0.02
"""Metres between sampled points: the voxel size of the models."""
LIMIT = 1_500_000
"""Points sampled at most; larger surfaces are sampled more sparsely."""


@dataclass(frozen=True)
class Samples:
    """Where each sampled point lies on the mesh."""

    points: np.ndarray  # float64 [n, 3]
    face: np.ndarray  # int64 [n]
    weights: np.ndarray  # float64 [n, 3]: barycentric
    normals: np.ndarray  # float32 [n, 3]: of the face
    spacing: float  # in the units of the vertices


def face_areas(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return areas [F] and (not normalised) normals [F, 3] of triangles."""
    cross = face_normals(np.asarray(points, np.float64), faces)
    return 0.5 * np.sqrt(np.einsum("ij,ij->i", cross, cross)), cross


def is_sparse(points: np.ndarray, faces: np.ndarray, spacing: float) -> bool:
    """Whether so much of the surface lies in large triangles that the vertices alone show holes.

    Large is five times the spacing (10 cm for 2 cm voxels) along the short sides; simplified scans stay below it.
    """
    area = face_areas(points, faces)[0]
    return float(area[area > 0.5 * (5 * spacing) ** 2].sum()) > 0.3 * float(area.sum())


def sample_surface(points: np.ndarray, faces: np.ndarray, spacing: float) -> Samples:
    """Spread points evenly over the triangles, one per `spacing`² of area, the same for every call.

    Every triangle gets the whole number of points that keeps the running total right; inside, a triangle is filled by
    the R2 low-discrepancy sequence folded at the diagonal (M. Roberts, "The unreasonable effectiveness of
    quasirandom sequences", 2018).
    """
    area, cross = face_areas(points, faces)
    total = float(area.sum())
    spacing = max(spacing, (total / LIMIT) ** 0.5)
    until = np.floor(np.cumsum(area) / spacing**2 + 0.5).astype(np.int64)
    number = np.diff(until, prepend=0)
    face = np.repeat(np.arange(len(faces)), number)
    inside = np.arange(len(face)) - np.repeat(until - number, number)
    golden = 1.32471795724474602596
    offset = (face * 0.5545497) % 1.0  # another start in every triangle, so that small ones do not repeat a corner
    u = (0.5 + inside / golden + offset) % 1.0
    v = (0.5 + inside / golden**2 + offset) % 1.0
    fold = u + v > 1
    u[fold], v[fold] = 1 - u[fold], 1 - v[fold]
    weights = np.stack([1 - u - v, u, v], 1)
    corners = points[faces[face]].astype(np.float64)
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    normals = np.divide(cross, length, out=np.zeros_like(cross), where=length > 0)
    return Samples((weights[:, :, None] * corners).sum(1), face, weights, normals[face].astype(np.float32), spacing)
