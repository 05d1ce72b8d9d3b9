"""The walk of a person who scans a room: from place to place, turning, the camera tilted down."""

import numpy as np

SIGHT = (0.6, 2.2)
"""Metres at which something is looked at."""
HIGHEST = -13.0
"""Degrees above the horizon of what is aimed at, at most: nobody holds a camera up for long."""
BELOW = -0.2
"""Metres above the eyes: what is higher is not aimed at."""
AIMED, AIM = 0.92, 8.0
"""Share of the frames that are aimed at something, where anything is near, and how far they miss it, degrees."""


def walk(places: np.ndarray, things: np.ndarray, count: int, pitch: float, rng: np.random.RandomState) -> np.ndarray:
    """Return the poses of `count` frames, float64 [count, 4, 4], camera (x right, y down, z forward) to room.

    places: float64 [K, 3], where the camera may be, metres, z up; they are visited in turn, the nearest next. things:
    float64 [T, 3], what the camera is aimed at when it comes near, the least looked at first; between them it turns
    around, `pitch` degrees above the horizon.
    """
    tour = _tour(places, rng)
    share = np.linspace(0, len(tour) - 1, count)
    first = np.minimum(share.astype(int), max(len(tour) - 2, 0))
    part = (share - first)[:, None]
    eyes = tour[first] * (1 - part) + tour[np.minimum(first + 1, len(tour) - 1)] * part
    eyes[:, 2] += 0.06 * _wander(count, 6, rng)
    turns = count / rng.uniform(14, 22) * (1 if rng.rand() < 0.5 else -1)  # a full turn in so many frames
    yaw = rng.uniform(0, 360) + 360 * turns * np.linspace(0, 1, count) + 35 * _wander(count, 5, rng)
    tilt = pitch + 14 * _wander(count, 3, rng)
    looks, aimed = np.zeros(len(things)), rng.random_sample(count) < AIMED
    miss = AIM * rng.standard_normal((count, 2))
    for i in np.flatnonzero(aimed):
        away = things - eyes[i]
        flat = np.hypot(away[:, 0], away[:, 1])
        near = np.flatnonzero((flat > SIGHT[0]) & (flat < SIGHT[1]) & (away[:, 2] < BELOW))
        if len(near):
            k = near[np.lexsort((flat[near], looks[near]))[0]]
            looks[k] += 1
            yaw[i] = np.degrees(np.arctan2(away[k, 1], away[k, 0])) + miss[i, 0]
            tilt[i] = min(np.degrees(np.arctan2(away[k, 2], flat[k])), HIGHEST) + miss[i, 1]
    return np.stack([look(eye, y, p) for eye, y, p in zip(eyes, yaw, tilt.clip(-75, 40))])


def look(eye: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Return the pose float64 [4, 4] of a level camera at `eye`; degrees counterclockwise from x, above the horizon.

    Rounded to a millionth: the last bits of sine and cosine differ from machine to machine, scans must not.
    """
    a, e = np.radians(yaw), np.radians(pitch)
    forward = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([np.sin(a), -np.cos(a), 0.0])
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=1)
    return np.round(pose, 6)


def drifted(poses: np.ndarray, shift: float, turn: float, rng: np.random.RandomState) -> np.ndarray:
    """Return poses as tracking that drifts estimates them: wrong by about `shift` metres and `turn` degrees."""
    out = poses.copy()
    count = len(poses)
    away = np.stack([_wander(count, 12, rng) for _ in range(3)], axis=1) * (shift, shift, shift / 4)
    yaw = np.radians(turn * _wander(count, 12, rng))
    tilt = np.radians(turn / 6 * _wander(count, 12, rng))  # gravity is felt, the heading is not
    for i in range(count):
        c, s = np.cos(yaw[i]), np.sin(yaw[i])
        about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        c, s = np.cos(tilt[i]), np.sin(tilt[i])
        about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        out[i, :3, :3] = about_z @ poses[i, :3, :3] @ about_x
        out[i, :3, 3] += away[i]
    return np.round(out, 6)


def _wander(count: int, every: float, rng: np.random.RandomState) -> np.ndarray:
    """Return float64 [count] that varies smoothly around 0 with deviation 1, correlated over `every` frames."""
    knots = rng.standard_normal(int(count / every) + 2)
    return np.interp(np.arange(count) / every, np.arange(len(knots)), knots) * 1.22  # interpolation averages


def _tour(places: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    left = list(range(len(places)))
    order = [left.pop(rng.randint(len(left)))]
    while left:
        away = ((places[left] - places[order[-1]]) ** 2).sum(axis=1)
        order.append(left.pop(int(np.argmin(away))))
    return places[order].astype(np.float64)
