"""The `handheld` sensor: a room as a person with a camera in the hand scans it.

Of what the ideal sensor sees only that stays which camera views on a walk have seen (`saymask.geometry.visibility`):
walls up to where the camera was pitched, the near side of furniture, no ceiling. The surface is then bent and shaded
smoothly, as fusing noisy depth and colour images does. Eyes stand where the ideal sensor's stand: inside the room, away
from furniture.
"""

from dataclasses import replace

import numpy as np

from saymask.geometry.smooth_noise import smooth_noise
from saymask.geometry.visibility import Views, seen
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.ideal import Capture, cameras

VIEWS_PER_M2 = 2.0
VIEWS = (20, 150)
"""Fewest and most views of a walk; 2 for each square metre of floor."""
PLACES = 40
"""Most places on the walk; several views share one."""
PITCH, WOBBLE = (-40.0, -12.0), 12.0
"""Degrees above the horizon that a walk's views have on average, and by which single ones differ."""
REACH = (3.0, 4.5)
"""Metres up to which something is seen; per walk."""
BUMP, BUMP_SPACING = 0.004, 0.12
"""Deviation of the displacement and the distance over which it is correlated, metres."""
LIGHT, LIGHT_SPACING = 12.0, 0.25
"""Deviation of the brightness, 0..255, and metres over which it varies."""


def handheld(mesh: RoomMesh, capture: Capture) -> Capture:
    """Return the part of an ideal capture that a walk through the room has seen, a pure function of the room."""
    version, seed, split, index = mesh.seed
    rng = np.random.RandomState(np.array([version, seed, split, index, 2], dtype=np.uint32))
    c, s = np.cos(mesh.alignment), np.sin(mesh.alignment)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    points = capture.vertices.astype(np.float64) @ turn.T  # aligned, as the room is described
    floor = np.array(mesh.room.floor)
    x, y = floor.T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    count = int(np.clip(VIEWS_PER_M2 * area, *VIEWS))
    places = cameras(mesh, rng, PLACES)
    eyes = places[rng.randint(len(places), size=count)].astype(np.float32)
    pitch = rng.uniform(*PITCH) + WOBBLE * rng.standard_normal(count)
    yaw = rng.uniform(-180, 180, count)
    walk = Views(eyes, yaw.astype(np.float32), np.clip(pitch, -85, 85).astype(np.float32), reach=rng.uniform(*REACH))
    keep = seen(points.astype(np.float32), walk)
    faces = capture.faces[keep[capture.faces].all(axis=1)]
    used = np.zeros(len(points), bool)
    used[faces] = True
    vertices, rgba = capture.vertices[used].astype(np.float64), capture.colors[used].copy()
    vertices += BUMP * smooth_noise(points[used], BUMP_SPACING, 3, rng) @ turn
    light = rgba[:, :3] + LIGHT * smooth_noise(points[used], LIGHT_SPACING, 1, rng)
    rgba[:, :3] = np.clip(np.round(light), 0, 255)
    return replace(
        capture,
        vertices=np.round(vertices, 5).astype(np.float32),
        colors=rgba,
        faces=(np.cumsum(used) - 1)[faces].astype(np.int32),
        objects=capture.objects[used],
    )
