"""Pinhole cameras of an RGB-D sensor, and the part of an image that an image model sees. Needs numpy alone."""

from dataclasses import dataclass, field

import numpy as np

from saymask.errors import InputError
from saymask.scan import Scan


@dataclass(frozen=True)
class Calibration:
    """Calibration of a depth and a colour camera: pinhole intrinsics at integer pixel coordinates, relative pose."""

    depth: np.ndarray  # float64 [3, 3] or [4, 4]: fx, fy, cx, cy of the depth camera
    color: np.ndarray | None = None  # the same of the colour camera; None = it sees exactly the depth camera's field
    depth_to_color: np.ndarray = field(default_factory=lambda: np.eye(4))  # float64 [4, 4] between camera frames


@dataclass(frozen=True)
class Crop:
    """Part of an image that a model sees: the image is resized, then a square in its middle is cut out.

    `width`, `height` of the image, of the resized one, and the square's `left`, `top`, `side` in it, pixels.
    """

    width: int
    height: int
    resized_width: int
    resized_height: int
    left: int
    top: int
    side: int


def center_crop(width: int, height: int, side: int) -> Crop:
    """Return the standard CLIP crop: the shorter edge resized to `side`, the longer one in proportion, cut down."""
    if min(width, height) < 1:
        raise InputError(f"image: expected at least one pixel, got {width} x {height}")
    if width <= height:
        resized = side, max(side, int(side * height / width))
    else:
        resized = max(side, int(side * width / height)), side
    # Round half to even, as the published transform does.
    left, top = (round((length - side) / 2) for length in resized)
    return Crop(width, height, *resized, left, top, side)


def pose_points(scan: Scan) -> np.ndarray:
    """Return float64 [N, 3], the points in metres along the axes of the scan's file, in which poses are given.

    `load_scan` turns and moves a scan so that z is up; the frames were not turned with it.
    """
    points = scan.points.astype(np.float64)
    if scan.source is None:
        return points
    turn = scan.source.transform
    scale = np.cbrt(abs(np.linalg.det(turn[:3, :3])))
    return (points - turn[:3, 3]) @ (turn[:3, :3] / scale)  # its inverse is its transpose
