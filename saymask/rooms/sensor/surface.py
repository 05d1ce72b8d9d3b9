"""Surfaces that a camera looks at: triangles with colours and what they belong to."""

from dataclasses import dataclass

import numpy as np

from saymask.geometry.smooth_noise import smooth_noise
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.rooms.sensor.ideal import cameras


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles, none longer than some centimetres: those with a corner behind the camera are not drawn."""

    points: np.ndarray  # float32 [n, 3] metres, frame of the scan, z up
    colors: np.ndarray  # float32 [n, 3] 0..255, lit
    faces: np.ndarray  # int32 [m, 3]
    objects: np.ndarray  # int32 [n] objectId
    shiny: np.ndarray  # bool [most objectId + 2]: glass, mirrors, screens; the last entry, False, is that of nothing
    bumps: np.ndarray  # float32 [n]: by how much depth is wrong there in every frame, metres at one metre

    def things(self, ids: np.ndarray) -> np.ndarray:
        """Return the middles of those objects of `ids`, int [I], that are there, float64 [T, 3]."""
        count = np.bincount(self.objects, minlength=len(self.shiny))
        sums = [np.bincount(self.objects, self.points[:, k], len(self.shiny)) for k in range(3)]
        ids = ids[count[ids] > 0]
        return np.round(np.stack(sums, axis=1)[ids] / count[ids, None], 3)


SHINY = frozenset({"window", "mirror", "monitor", "tv", "television", "shower door", "shower wall", "glass door"})
BUMPS = ((0.07, 0.0005), (0.15, 0.0006), (0.3, 0.0004))
"""Metres over which errors are alike in all frames, and their deviation in metres at one metre."""
RELIEF = {"floor": 0.15, "wall": 1.0, "ceiling": 1.0}
"""Share of that on each kind of surface; things have relief that their models lack, cloth, handles, cables: 3.5."""


def room_surface(mesh: RoomMesh, capture: Capture, rng: np.random.RandomState) -> Surface:
    """Return what an ideal sensor saw of a room as the surface that cameras look at."""
    shiny = np.array([body.label in SHINY for body in mesh.bodies] + [False])
    for thing in mesh.room.things:
        shiny[thing.id] |= thing.material == "glass"
    labels = [body.label for body in mesh.bodies]
    return surface(capture.vertices, capture.colors[:, :3], capture.faces, capture.objects, labels, shiny, rng)


def surface(
    points: np.ndarray, colors: np.ndarray, faces: np.ndarray, objects: np.ndarray, labels: list[str],
    shiny: np.ndarray,
    rng: np.random.RandomState,
) -> Surface:  # fmt: skip
    """Return triangles with the errors that all frames share; labels: what each objectId is."""
    points = points.astype(np.float32)
    bumps = sum(size * smooth_noise(points, spacing, 1, rng)[:, 0] for spacing, size in BUMPS)
    patches = np.exp(0.9 * smooth_noise(points, 0.7, 1, rng)[:, 0] - 0.3)
    relief = patches * np.array([RELIEF.get(label, 3.5) for label in labels])[objects]
    return Surface(points, colors.astype(np.float32), faces, objects, shiny, np.asarray(bumps * relief, np.float32))


def places(mesh: RoomMesh, rng: np.random.RandomState, most: int) -> np.ndarray:
    """Return where a person with a camera may stand, float64 [K, 3], in the frame of the scan."""
    c, s = np.cos(mesh.alignment), np.sin(mesh.alignment)
    return np.round(cameras(mesh, rng, most) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), 6)


def plan_area(mesh: RoomMesh) -> float:
    """Return the area of the floor, square metres."""
    x, y = np.array(mesh.room.floor).T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
