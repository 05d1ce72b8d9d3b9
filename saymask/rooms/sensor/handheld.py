"""The `handheld` sensor: a quick walk through a room with a small depth camera, fused to one surface."""

import numpy as np

from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.rooms.sensor.frames import Camera, take
from saymask.rooms.sensor.fusion import fuse
from saymask.rooms.sensor.surface import places, plan_area, room_surface
from saymask.rooms.sensor.walk import walk

FRAMES_PER_M2, FRAMES = 1.9, (32, 60)
PLACES = 6
PITCH = (-32.0, -14.0)
"""Mean angle above the horizon, degrees; per walk."""
CAMERA = Camera(width=160, height=120, blur=2, noise=0.0012, fine=0.0016)
LEAST = 0.05


def handheld(mesh: RoomMesh, capture: Capture) -> Capture:
    """Return what a quick walk shows of the surfaces of an ideal capture, a pure function of the room."""
    rng = np.random.RandomState(np.array([*mesh.seed, 2], dtype=np.uint32))
    surface = room_surface(mesh, capture, rng)
    count = int(np.clip(FRAMES_PER_M2 * plan_area(mesh), *FRAMES))
    things = surface.things(np.arange(len(mesh.room.things)))
    poses = walk(places(mesh, rng, PLACES), things, count, rng.uniform(*PITCH), rng)
    return fuse(take(surface, poses, CAMERA, rng), LEAST)
