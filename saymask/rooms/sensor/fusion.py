"""Fusion of a recording into a scan: one bumpy sheet, its colours blended, its objects by vote."""

import numba
import numpy as np

from saymask.geometry.superpoints import mesh_superpoints
from saymask.geometry.tsdf import Volume
from saymask.geometry.votes import most_frequent
from saymask.rooms.sensor.capture import Capture, Frames

VOXEL, TRUNCATION = 0.02, 0.05
"""Metres."""
MARGIN = 0.3
"""Metres around the measured places that a volume has."""
CRUMB = 800
"""Connected pieces of fewer vertices are left out."""
SLOTS = 4
"""Objects per vertex that votes are counted for."""


def fuse(frames: Frames, least: float) -> Capture:
    """Return the surface of the frames where the weight, 1 / metres² per frame, is above `least`, without crumbs.

    Colours are means over the frames, objects those most often seen in the places of a
    superpoint's vertices.
    """
    depth = frames.depth.astype(np.float32) / np.float32(1000)
    low, high = _extent(depth, frames)
    volume = Volume(low - MARGIN, high + MARGIN, VOXEL, TRUNCATION)
    for image, pose in zip(depth, frames.poses):
        volume.integrate(image, pose, frames.intrinsics)
    points, faces = volume.surface(least)
    colors, weight = np.zeros((len(points), 3)), np.zeros(len(points))
    ids, votes = np.full((len(points), SLOTS), -1, np.int32), np.zeros((len(points), SLOTS))
    for i, pose in enumerate(frames.poses):
        _look_up(points, depth[i], frames.color[i], frames.objects[i], pose, frames.intrinsics, TRUNCATION,
                 colors, weight, ids, votes)  # fmt: skip
    keep = _pieces(faces[(weight > 0)[faces].all(axis=1)], len(points))
    used = np.zeros(len(points), bool)
    used[keep] = True
    rgba = np.full((int(used.sum()), 4), 255, np.uint8)
    rgba[:, :3] = np.clip(np.round(colors[used] / weight[used, None]), 0, 255)
    vertices = np.round(points[used].astype(np.float64), 5).astype(np.float32)
    faces = (np.cumsum(used) - 1)[keep].astype(np.int32)
    # Annotators of scans label superpoints, not vertices.
    superpoints = mesh_superpoints(vertices, faces)
    owners = most_frequent(ids[used, votes[used].argmax(axis=1)], superpoints)
    return Capture(vertices, rgba, faces, owners[superpoints].astype(np.int32))


def _extent(depth: np.ndarray, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of the box around all measured places, float64 [3] each."""
    fx, fy, cx, cy = frames.intrinsics
    y, x = np.mgrid[: depth.shape[1] : 4, : depth.shape[2] : 4]
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for image, pose in zip(depth, frames.poses):
        z = image[::4, ::4]
        places = np.stack([(x - cx) * z / fx, (y - cy) * z / fy, z], axis=-1)[z > 0] @ pose[:3, :3].T + pose[:3, 3]
        if len(places):
            low, high = np.minimum(low, places.min(axis=0)), np.maximum(high, places.max(axis=0))
    # To the block, so that the grid does not depend on the last bits.
    return np.floor(low / 0.16) * 0.16, np.ceil(high / 0.16) * 0.16


def _pieces(faces: np.ndarray, n: int) -> np.ndarray:
    """Return the faces of connected pieces that are no crumbs."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, b = np.concatenate([faces[:, 0], faces[:, 1]]), np.concatenate([faces[:, 1], faces[:, 2]])
    piece = connected_components(coo_matrix((np.ones(len(a), np.int8), (a, b)), (n, n)), directed=False)[1]
    return faces[np.bincount(piece)[piece[faces[:, 0]]] >= CRUMB]


@numba.njit(cache=True, nogil=True)
def _look_up(points, depth, color, objects, pose, intrinsics, tolerance, colors, weight, ids, votes):
    """Add what one frame shows of each point to its colour and votes."""
    height, width = depth.shape
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - pose[0, 3], points[i, 1] - pose[1, 3], points[i, 2] - pose[2, 3]
        qz = pose[0, 2] * x + pose[1, 2] * y + pose[2, 2] * z
        if qz < 0.1:
            continue
        qx = pose[0, 0] * x + pose[1, 0] * y + pose[2, 0] * z
        qy = pose[0, 1] * x + pose[1, 1] * y + pose[2, 1] * z
        u = int(intrinsics[0] * qx / qz + intrinsics[2] + 0.5)
        v = int(intrinsics[1] * qy / qz + intrinsics[3] + 0.5)
        if u < 0 or v < 0 or u >= width or v >= height:
            continue
        d = depth[v, u]
        if d <= 0 or abs(d - qz) > tolerance:
            continue
        more = 1 / (d * d * d * d)
        for k in range(3):
            colors[i, k] += more * color[v, u, k]
        weight[i] += more
        for k in range(ids.shape[1]):
            if ids[i, k] == objects[v, u] or ids[i, k] < 0:
                ids[i, k] = objects[v, u]
                votes[i, k] += more
                break
