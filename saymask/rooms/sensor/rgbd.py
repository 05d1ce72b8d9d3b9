"""The `rgbd` sensor: a walk with a depth camera whose frames are kept, fused to one surface."""

from dataclasses import replace

import numpy as np

from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.rooms.sensor.frames import Camera, take
from saymask.rooms.sensor.fusion import fuse
from saymask.rooms.sensor.surface import Surface, places, plan_area, room_surface
from saymask.rooms.sensor.walk import walk

FRAMES_PER_M2, FRAMES = 1.8, (40, 80)
PLACES = 7
PITCH = (-32.0, -14.0)
"""Mean angle above the horizon, degrees; per walk."""
CAMERA = Camera()
LEAST = 0.1


def rgbd(mesh: RoomMesh, capture: Capture) -> Capture:
    """Return what a walk shows of the surfaces of an ideal capture, with its frames, a pure function of the room."""
    rng = np.random.RandomState(np.array([*mesh.seed, 3], dtype=np.uint32))
    surface = room_surface(mesh, capture, rng)
    count = int(np.clip(FRAMES_PER_M2 * plan_area(mesh), *FRAMES))
    things = surface.things(np.arange(len(mesh.room.things)))
    return recorded(surface, places(mesh, rng, PLACES), things, count, rng)


def recorded(
    surface: Surface, places: np.ndarray, things: np.ndarray, count: int, rng: np.random.RandomState
) -> Capture:
    """Return what `count` frames of a walk over places, float64 [K, 3], show of surfaces, with the frames.

    things: float64 [T, 3], what the camera is aimed at.
    """
    frames = take(surface, walk(places, things, count, rng.uniform(*PITCH), rng), CAMERA, rng)
    return replace(fuse(frames, LEAST), frames=frames)
