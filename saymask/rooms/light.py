"""Light in rooms of version 2: windows and lamps as light sources with soft shadows, and dark corners."""

import numba
import numpy as np

from saymask.rooms.mesh import RoomMesh

CELL = 0.08
"""Edge of the cells that cast shadows, metres."""
AREA_PER_LAMP = 12.0
"""Square metres of plan."""
SKY, LAMP = (0.92, 1.0, 1.1), (1.1, 1.0, 0.84)
"""Colours of daylight and of lamps."""
DARKEST, BRIGHTEST = 0.5, 1.2


def light(
    mesh: RoomMesh, points: np.ndarray, normals: np.ndarray, two_sided: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """Return the light on every vertex, float64 [n, 3], about 0.9 in the middle; frame of the room, metres."""
    sources, toward, power, colors = _sources(mesh, rng)
    low = points.min(axis=0) - 0.4
    shape = tuple(((points.max(axis=0) + 0.4 - low) / CELL).astype(int) + 1)
    filled = np.zeros(shape, np.bool_)
    filled[tuple(((points - low) / CELL).astype(int).T)] = True
    open_share = _openness(filled, points, normals, low)
    out = rng.uniform(0.35, 0.7) * (0.35 + 0.65 * open_share)[:, None] * np.ones(3)
    for source, ahead, strength, color in zip(sources, toward, power, colors):
        out += strength * _arrives(filled, points, normals, two_sided, low, source, ahead)[:, None] * color
    return np.clip(out * (0.9 / np.median(out)), DARKEST, BRIGHTEST)


def _sources(mesh: RoomMesh, rng: np.random.RandomState):
    """Return places [S, 3], the directions they shine in [S, 3], powers [S] and colours [S, 3] of the sources."""
    found: list[tuple[np.ndarray, np.ndarray, float, np.ndarray]] = []
    day, night = rng.uniform(0.2, 1.2), rng.uniform(0.3, 1.0)
    for thing in mesh.room.things:
        if thing.category == "window":
            front = np.array([*thing.front(), -0.3])
            place = np.array(thing.center) + 0.25 * front
            found.append((place, front / np.linalg.norm(front), day * thing.size[0] * thing.size[2], np.array(SKY)))
        elif "lamp" in thing.category and rng.random_sample() < 0.5:
            found.append((np.add(thing.center, (0, 0, 0.2)), np.zeros(3), 0.15 * night, np.array(LAMP)))
    floor = np.array(mesh.room.floor)
    low, high = floor.min(axis=0), floor.max(axis=0)
    for _ in range(max(1, round(float(np.prod(high - low)) / AREA_PER_LAMP))):
        place = low + (high - low) * rng.uniform(0.2, 0.8, 2)
        found.append((np.array([*place, mesh.room.height - 0.15]), np.zeros(3), 1.2 * night, np.array(LAMP)))
    return tuple(np.array(column) for column in zip(*found))


def _openness(filled: np.ndarray, points: np.ndarray, normals: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return how empty it is in front of each point, float64 [n] 0..1, near and far."""
    from scipy.ndimage import map_coordinates, uniform_filter

    out = np.ones(len(points))
    for size, ahead, strength in ((3, 0.16, 0.6), (9, 0.4, 1.5)):
        blurred = uniform_filter(filled.astype(np.float32), size)
        there = (points + normals * ahead - low) / CELL - 0.5
        out *= 1 - strength * np.clip(map_coordinates(blurred, there.T, order=1, mode="nearest"), 0, 0.5)
    return np.clip(out, 0, 1)


@numba.njit(cache=True, nogil=True)
def _arrives(filled, points, normals, two_sided, low, source, ahead):
    """Return the share of a source's light at each point: its angle, distance and what stands between, float64 [n]."""
    out = np.zeros(points.shape[0])
    for i in range(points.shape[0]):
        x, y, z = source[0] - points[i, 0], source[1] - points[i, 1], source[2] - points[i, 2]
        distance = np.sqrt(x * x + y * y + z * z) + 1e-6
        x, y, z = x / distance, y / distance, z / distance
        facing = normals[i, 0] * x + normals[i, 1] * y + normals[i, 2] * z
        if two_sided[i]:
            facing = abs(facing)
        if facing <= 0:
            continue
        leaving = -(ahead[0] * x + ahead[1] * y + ahead[2] * z)
        if ahead[0] == 0 and ahead[1] == 0 and ahead[2] == 0:
            leaving = 1.0
        if leaving <= 0:
            continue
        through = 1.0
        step = 0.2
        while step < distance - 0.3 and through > 0.05:
            a = int((points[i, 0] + x * step - low[0]) / CELL)
            b = int((points[i, 1] + y * step - low[1]) / CELL)
            c = int((points[i, 2] + z * step - low[2]) / CELL)
            if 0 <= a < filled.shape[0] and 0 <= b < filled.shape[1] and 0 <= c < filled.shape[2] and filled[a, b, c]:
                through *= 0.4
            step += CELL
        out[i] = facing * leaving * through / (0.6 + 0.25 * distance * distance)
    return out
