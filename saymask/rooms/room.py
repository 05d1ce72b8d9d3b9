"""The description of a furnished room: what stands where, in words and numbers, without any mesh.

Sentences are written from this description alone (attributes and placement), and the mesh generator keeps it true:
every `Thing` carries the size, colour and pose that its vertices have.
"""

from dataclasses import dataclass

import numpy as np

# Corner k of a box: bit 0 chooses x, bit 1 chooses y, bit 2 chooses z.
_SIGNS = np.array([[(k & 1) * 2 - 1, (k >> 1 & 1) * 2 - 1, (k >> 2 & 1) * 2 - 1] for k in range(8)], dtype=np.float64)


@dataclass(frozen=True)
class Thing:
    """One object of a room (everything that gets an instance id, walls and floor excepted)."""

    id: int  # objectId of the aggregation file
    category: str  # ScanNet200 raw category name ("office chair", "coffee table", ...)
    design: str  # which parametric design
    color: str | None  # dominant colour: one of the words of `colors.PALETTE` (None: no clear one)
    material: str | None  # wood metal plastic fabric glass leather ceramic paper stone ... or None
    shape: str | None  # round square rectangular l-shaped ... or None
    center: tuple[float, float, float]  # metres, room frame (z up, floor z = 0): centre of the oriented box
    size: tuple[float, float, float]  # extents along the thing's own axes (width x, depth y, height z), metres
    yaw: float  # radians about z; the thing's FRONT looks along its local -y axis
    on: int | None  # id of the Thing that carries it (None: floor, wall or ceiling)
    mount: str  # "floor" | "wall" | "ceiling" | "on"
    wall: int | None  # index of the wall it stands against or hangs on (edge i of Room.floor), else None
    fronted: bool  # has a meaningful front (sofa, tv, chair ...)

    def corners(self) -> np.ndarray:
        """Return the corners of the oriented box, float64 [8, 3], room frame, metres."""
        local = _SIGNS * (np.asarray(self.size) / 2)
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        turned = np.stack([c * local[:, 0] - s * local[:, 1], s * local[:, 0] + c * local[:, 1], local[:, 2]], axis=1)
        return turned + np.asarray(self.center)

    def front(self) -> tuple[float, float]:
        """Return the horizontal unit vector that the front looks along."""
        return float(np.sin(self.yaw)), float(-np.cos(self.yaw))


@dataclass(frozen=True)
class Room:
    """A room: its floor polygon, height, and the things in it. Walls are the edges of the polygon."""

    id: str
    kind: str  # "bedroom", "kitchen", "office", … (`mesh.KINDS`)
    floor: tuple[tuple[float, float], ...]  # polygon, counter-clockwise, metres; wall i runs from corner i to i + 1
    height: float
    things: tuple[Thing, ...]

    def thing(self, id: int) -> Thing:
        """Return the thing with objectId `id`; KeyError when there is none."""
        for thing in self.things:
            if thing.id == id:
                return thing
        raise KeyError(id)
