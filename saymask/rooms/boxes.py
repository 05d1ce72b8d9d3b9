"""Upright oriented boxes: the collision test behind every placement."""

from dataclasses import dataclass
from math import cos, sin

import numpy as np


@dataclass(frozen=True)
class Upright:
    """A box turned about z only: centre, half extents along its own axes, z interval."""

    x: float
    y: float
    hx: float
    hy: float
    z0: float
    z1: float
    yaw: float

    def half_extents(self) -> tuple[float, float]:
        """Return the half extents of the axis-aligned rectangle around it."""
        c, s = abs(cos(self.yaw)), abs(sin(self.yaw))
        return c * self.hx + s * self.hy, s * self.hx + c * self.hy

    def corners(self) -> list[tuple[float, float]]:
        """Return the four corners of the footprint, counter-clockwise."""
        c, s = cos(self.yaw), sin(self.yaw)
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return [
            (self.x + c * a * self.hx - s * b * self.hy, self.y + s * a * self.hx + c * b * self.hy) for a, b in signs
        ]


def overlap(a: Upright, b: Upright, slack: float = 0.004) -> bool:
    """Return whether two boxes share more than `slack` metres in every direction (separating axes)."""
    if a.z0 >= b.z1 - slack or b.z0 >= a.z1 - slack:
        return False
    dx, dy = b.x - a.x, b.y - a.y
    ax, ay = a.half_extents()
    bx, by = b.half_extents()
    if abs(dx) >= ax + bx - slack or abs(dy) >= ay + by - slack:
        return False
    for first, second in ((a, b), (b, a)):
        turn = second.yaw - first.yaw
        c, s = abs(cos(turn)), abs(sin(turn))
        u = cos(first.yaw) * dx + sin(first.yaw) * dy
        v = -sin(first.yaw) * dx + cos(first.yaw) * dy
        if abs(u) >= first.hx + c * second.hx + s * second.hy - slack:
            return False
        if abs(v) >= first.hy + s * second.hx + c * second.hy - slack:
            return False
    return True


def part_boxes(boxes: np.ndarray, x: float, y: float, z: float, yaw: float) -> list[Upright]:
    """Return the boxes of a model's parts (float64 [n, 6] lower and upper corner) at a pose in the room."""
    c, s = cos(yaw), sin(yaw)
    out = []
    for x0, y0, z0, x1, y1, z1 in boxes.tolist():
        px, py = (x0 + x1) / 2, (y0 + y1) / 2
        out.append(Upright(x + c * px - s * py, y + s * px + c * py, (x1 - x0) / 2, (y1 - y0) / 2, z + z0, z + z1, yaw))
    return out
