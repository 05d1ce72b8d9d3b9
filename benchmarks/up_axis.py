"""How often the up axis is found, by part of a room and by its orientation in the file.

    python -m benchmarks.up_axis [--rooms 18] [--split val] [--json]

The rooms are those of the synthetic benchmark beyond its own, every second one captured by the simulated hand-held
camera. Parts: whole rooms, their half beyond a vertical cut through the middle, without what is near the ceiling, up to
1.2 m, and strips of 1.6 m. Orientations: an axis up with any turn about it; `small`, a floor that is off by 2.5 to
12 degrees; `slam`, the frame of a first camera that looked down by −15 to 50 degrees, x right, y down; `graphics`, the
same with y up; `any` rotation. Right is within 5 degrees.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from saymask.io.planes import AXES
from saymask.io.up_axis import find_up, rotation_to_z
from saymask.rooms import make_room, scan_room

FIRST = 300
POINTS = 60_000
PARTS = ("room", "half", "no ceiling", "low", "strip")
FRAMES = ("z", "y", "-y", "-z", "x", "small", "slam", "graphics", "any")
RIGHT = 5.0


def rotation(rng: np.random.Generator, frame: str) -> np.ndarray:
    """Return a rotation float64 [3, 3] from z up to the frame of a file."""
    turn = Rotation.from_euler("z", rng.uniform(0, 360), degrees=True).as_matrix()
    if frame in AXES:
        return rotation_to_z(np.array(AXES[frame])).T @ turn
    if frame == "any":
        return Rotation.random(random_state=int(rng.integers(1 << 31))).as_matrix()
    if frame == "small":
        about = rng.uniform(0, 2 * np.pi)
        angle = np.deg2rad(rng.uniform(2.5, 12))
        return Rotation.from_rotvec(angle * np.array([np.cos(about), np.sin(about), 0])).as_matrix() @ turn
    axis, sign = ("-y", -1) if frame == "slam" else ("y", 1)
    held = Rotation.from_euler("zx", [rng.normal(0, 6), sign * rng.uniform(-15, 50)], degrees=True).as_matrix()
    return held @ rotation_to_z(np.array(AXES[axis])).T @ turn


def parts(points: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Yield parts of a room [n, 3], z up from 0."""
    yield "room", points
    cut = points[:, :2] @ rng.normal(size=2)
    yield "half", points[cut > np.median(cut)]
    yield "no ceiling", points[points[:, 2] < np.quantile(points[:, 2], 0.999) - 0.15]
    yield "low", points[points[:, 2] < 1.2]
    yield "strip", points[np.abs(points[:, 0] - points[rng.integers(len(points)), 0]) < 0.8]


def cases(split: str, rooms: int) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Yield part, frame, points float32 [n, 3] in the frame, and the true up [3]."""
    rng = np.random.default_rng(0)
    for number in range(FIRST, FIRST + rooms):
        capture = scan_room(make_room(split, number), "handheld" if number % 2 else "ideal")
        whole = np.asarray(capture.vertices, np.float64)
        whole = whole[rng.permutation(len(whole))[:POINTS]]
        for part, points in parts(whole, rng):
            if len(points) < 3000:
                continue
            centred = points - np.median(points, 0) * [1, 1, 0] - [0, 0, 1.4]
            for frame in FRAMES:
                turned = rotation(rng, frame)
                yield part, frame, (centred @ turned.T).astype(np.float32), turned @ [0, 0, 1]


def measure(split: str, rooms: int) -> dict[str, dict[str, list[float]]]:
    """Return the errors in degrees by part and frame."""
    errors: dict[str, dict[str, list[float]]] = {p: {f: [] for f in FRAMES} for p in PARTS}
    for part, frame, points, up in cases(split, rooms):
        cos = float(find_up(points).direction @ up)
        errors[part][frame].append(float(np.rad2deg(np.arccos(np.clip(cos, -1, 1)))))
    return errors


def _main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rooms", type=int, default=18)
    parser.add_argument("--split", choices=("val", "train"), default="val")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    errors = measure(options.split, options.rooms)
    if options.json:
        print(json.dumps(errors))
        return
    print("right of all".ljust(12) + "".join(frame.rjust(10) for frame in FRAMES))
    for part, row in errors.items():
        right = [f"{sum(e <= RIGHT for e in row[f])}/{len(row[f])}" for f in FRAMES]
        print(part.ljust(12) + "".join(text.rjust(10) for text in right))
    every = [e for row in errors.values() for frame in row.values() for e in frame]
    level = [e for row in errors.values() for frame in ("z", "y", "-y") for e in row[frame]]
    print(f"right: {np.mean(np.array(every) <= RIGHT):.1%} of {len(every)}", end="; ")
    print(f"with z, y or -y up {np.mean(np.array(level) <= RIGHT):.1%} of {len(level)}")


if __name__ == "__main__":
    _main()
