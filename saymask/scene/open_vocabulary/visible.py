"""Points of a scan that a frame shows: projected into it, and compared with the depth that was measured."""

from dataclasses import dataclass

import numpy as np

from saymask.geometry.camera import Calibration
from saymask.io.frames import Frame, FrameSkipped

BORDER = 10 / 640
"""Share of the depth image's width that is cut off at each side: 10 of 640 pixels (docs/systems/uniseg3d.md §6.7)."""
NEAREST = 0.1
"""Points closer to the camera than this are not seen, metres."""
TOLERANCE, SLOPE = 0.05, 0.02
"""A point is seen where depth says the same within 5 cm, or 2 % of it if that is more. The source names no number."""


@dataclass(frozen=True, eq=False)
class Visible:
    """P points that a frame shows."""

    rows: np.ndarray  # int64 [P] of the scan's points
    pixels: np.ndarray  # int64 [P, 2] row and column in the colour image
    depth: np.ndarray  # float64 [P] metres from the camera
    focal: float
    """Pixels of the colour image that one metre takes at one metre's distance."""

    def __len__(self) -> int:
        return len(self.rows)


def visible_points(
    points: np.ndarray,  # float64 [N, 3] in the frame of the poses
    frame: Frame,
    calibration: Calibration,
) -> Visible:
    """Return the points that the depth and the colour camera see and nothing hides.

    Raises FrameSkipped for a pose that is no motion.
    """
    if abs(np.linalg.det(frame.pose)) < 1e-6:
        raise FrameSkipped("with a damaged pose")
    back = np.linalg.inv(frame.pose)
    camera = points @ back[:3, :3].T + back[:3, 3]
    rows = np.flatnonzero(camera[:, 2] > NEAREST)
    camera = camera[rows]
    z = camera[:, 2]
    height, width = frame.depth.shape
    k = calibration.depth.astype(np.float64)
    x, y = k[0, 0] * camera[:, 0] / z + k[0, 2], k[1, 1] * camera[:, 1] / z + k[1, 2]
    border = round(BORDER * width)
    inside = (x >= border) & (x <= width - 1 - border) & (y >= border) & (y <= height - 1 - border)
    rows, camera, x, y, z = rows[inside], camera[inside], x[inside], y[inside], z[inside]
    measured = frame.depth[np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)]
    seen = (measured > 0) & (np.abs(measured - z) <= np.maximum(TOLERANCE, SLOPE * z))
    rows, camera, x, y = rows[seen], camera[seen], x[seen], y[seen]
    high, wide = frame.color.shape[:2]
    if calibration.color is None:
        x, y, z, focal = (x + 0.5) * (wide / width), (y + 0.5) * (high / height), camera[:, 2], k[0, 0] * wide / width
    else:
        camera = camera @ calibration.depth_to_color[:3, :3].T + calibration.depth_to_color[:3, 3]
        k, z = calibration.color.astype(np.float64), camera[:, 2]
        front = z > NEAREST
        rows, camera, z = rows[front], camera[front], z[front]
        x, y = k[0, 0] * camera[:, 0] / z + k[0, 2] + 0.5, k[1, 1] * camera[:, 1] / z + k[1, 2] + 0.5
        focal = k[0, 0]
    inside = (x >= 0) & (x < wide) & (y >= 0) & (y < high)
    pixels = np.stack([y[inside], x[inside]], axis=1).astype(np.int64)
    return Visible(rows[inside], pixels, z[inside], float(focal))
