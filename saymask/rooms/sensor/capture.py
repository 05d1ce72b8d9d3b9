"""The result of looking at a room: points, and the frames that they were fused from where a camera took some."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Frames:
    """A recording: the frames of one scan."""

    depth: np.ndarray  # uint16 [K, H, W] millimetres, 0 = not measured
    color: np.ndarray  # uint8 [K, H, W, 3]
    objects: np.ndarray  # int32 [K, H, W] objectId, -1 = nothing
    poses: np.ndarray  # float64 [K, 4, 4] camera to scan, as tracked
    intrinsics: np.ndarray  # float64 [4] fx, fy, cx, cy


@dataclass(frozen=True, eq=False)
class Capture:
    """Points that a sensor saw, in the raw frame of the scan (axis alignment not applied)."""

    vertices: np.ndarray  # float32 [n, 3] metres
    colors: np.ndarray  # uint8 [n, 4] red green blue alpha
    faces: np.ndarray  # int32 [m, 3]
    objects: np.ndarray  # int32 [n] objectId
    frames: Frames | None = None
    """The frames to keep beside the scan."""
