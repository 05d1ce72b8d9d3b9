"""Answer a robot: a depth frame, a colour frame and a pose come in, places in the robot's map go out.

    python examples/07_robot.py [WORD]

No ROS is needed, and no scan of the room: one frame is enough to see what it shows. Without a robot at hand the frame
is that of a simulated depth camera in a generated kitchen.
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

import saymask

WORD = "chair"
NUMBER = 22
"""Of the frame of the simulated walk."""


@dataclass(frozen=True)
class Frame:
    """A registered RGB-D frame as a robot has it."""

    depth: np.ndarray  # float [H, W] metres along the optical axis, 0 = not measured
    color: np.ndarray  # uint8 [H, W, 3], over the same pixels
    pose: np.ndarray  # float [4, 4]: camera (x right, y down, z forward) to map (z up), metres
    intrinsics: tuple[float, float, float, float]  # fx, fy, cx, cy in pixels


@dataclass(frozen=True)
class Sighting:
    """A thing that a frame shows."""

    name: str
    score: float
    center: np.ndarray  # float [3]: middle of its points in the map, metres
    low: np.ndarray  # float [3]: low corner of its box in the map, metres
    high: np.ndarray  # float [3]
    distance: float  # from the camera to its nearest point, metres
    pixels: np.ndarray  # bool [H, W]: where the frame shows it


def in_map(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return places in the map, float [n, 3], of all pixels with depth, and the pixels (rows and columns [2, n])."""
    rows, columns = np.nonzero(frame.depth > 0)
    fx, fy, cx, cy = frame.intrinsics
    z = frame.depth[rows, columns]
    camera = np.stack([(columns - cx) * z / fx, (rows - cy) * z / fy, z], axis=1)
    return camera @ frame.pose[:3, :3].T + frame.pose[:3, 3], np.stack([rows, columns])


def look(model, frame: Frame, words: str | list[str]) -> list[Sighting]:
    """Return what fits the words in a frame, the surest first."""
    points, pixels = in_map(frame)
    scan = saymask.Scan.from_arrays(points, frame.color[tuple(pixels)], unit="m", up="z")  # the map says both
    found = model.encode(scan).find(words)
    sightings = []
    for i, name in enumerate(found.names):
        mine = found.original(i)  # bool over `points`, which are in the map
        shown = np.zeros(frame.depth.shape, bool)
        shown[tuple(pixels[:, mine])] = True
        reach = np.linalg.norm(points[mine] - frame.pose[:3, 3], axis=1).min()
        low, high = points[mine].min(axis=0), points[mine].max(axis=0)
        middle = points[mine].mean(axis=0)
        sightings.append(Sighting(name, float(found.scores[i]), middle, low, high, float(reach), shown))
    return sorted(sightings, key=lambda sighting: -sighting.score)


@cache
def example_frame() -> Frame:
    """Return a frame of a simulated camera that walks through a generated kitchen."""
    from saymask.rooms import make_room, scan_room

    frames = scan_room(make_room("val", 302), "rgbd").frames
    assert frames is not None
    fx, fy, cx, cy = frames.intrinsics
    return Frame(frames.depth[NUMBER] / 1000, frames.color[NUMBER], frames.poses[NUMBER], (fx, fy, cx, cy))


def overlay(frame: Frame, sighting: Sighting) -> Image.Image:
    """Return the colour frame with the pixels of a sighting marked."""
    marked = frame.color.copy()
    marked[sighting.pixels] = (marked[sighting.pixels] + 2 * np.array([255, 96, 0])) // 3
    return Image.fromarray(marked)


def main(word: str = WORD) -> None:
    model = saymask.load_model()  # once, when the robot starts
    frame = example_frame()
    sightings = look(model, frame, word)
    print(f"{len(sightings)} × {word}")
    for s in sightings:
        x, y, z = s.center
        place = f"map ({x:.2f}, {y:.2f}, {z:.2f}) m, {s.distance:.2f} m away"
        print(f"{s.name} ({s.score:.2f}): {place}, {s.pixels.sum():,} pixels")
    if sightings:
        out = Path("out/robot.png")
        out.parent.mkdir(exist_ok=True)
        overlay(frame, sightings[0]).save(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
