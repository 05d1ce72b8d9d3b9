"""Inputs of the cases: rooms by rule, rooms of Rooms, and folders of them that are made once and kept."""

import itertools
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from saymask.io.load import load_scan
from saymask.rooms import make_room, scan_room, write_room
from saymask.scan import Scan

ROOM = 319
"""Number of a kitchen beyond the validation rooms: about 150,000 points and 1,100 superpoints."""
COLORS = ("white", "grey", "black", "brown", "red", "green", "blue", "yellow")
THINGS = ("chair", "table", "cabinet", "sofa", "lamp", "shelf", "desk", "bed")
RELATIONS = ("next to", "behind", "in front of", "to the left of", "closest to", "far from")


def new_sentences(count: int) -> list[str]:
    """Return different sentences that no earlier run has asked."""
    mark = random.SystemRandom().randrange(10**9)
    kinds: Iterator[tuple[str, ...]] = itertools.cycle(itertools.product(COLORS, THINGS, RELATIONS, THINGS))
    return [f"the {c} {a} {r} the {b} with the number {mark + i}" for i, (c, a, r, b) in zip(range(count), kinds)]


def furnished_room(number: int = ROOM, *, mesh: bool = True) -> Scan:
    """Return a room of the synthetic benchmark as a scan that a user loads, without its labels."""
    room = make_room("val", number)
    with tempfile.TemporaryDirectory() as folder:
        path = write_room(folder, room, scan_room(room))
        scan = load_scan(path if mesh else next(path.glob("*_vh_clean_2.ply")))
    return Scan(
        points=scan.points,
        colors=scan.colors,
        faces=scan.faces if mesh else None,
        superpoints=scan.superpoints if mesh else None,
        name=scan.name,
    )


def surfaces(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n points float32 [n, 3] on the surfaces of a furnished room, as dense as a scan, and colours [n, 3].

    Its floor grows with the points: 150,000 are a room, five million a storey.
    """
    rng = np.random.default_rng(0)
    width, depth, height = 7.0 * np.sqrt(n / 150_000), 5.0 * np.sqrt(n / 150_000), 2.6
    x, y, z = np.diag([width, depth, height])
    patches = [(np.zeros(3), x, y), (z, x, y), (np.zeros(3), x, z), (np.zeros(3), y, z)]
    for _ in range(int(40 * n / 150_000)):
        size = rng.uniform([0.3, 0.3, 0.3], [1.2, 0.9, 1.1])
        low = np.append(rng.uniform(0.1, [width - size[0] - 0.1, depth - size[1] - 0.1]), 0.0)
        dx, dy, dz = np.diag(size)
        patches += [(low + dz, dx, dy), (low, dx, dz), (low, dy, dz), (low + dy, dx, dz), (low + dx, dy, dz)]
    corners, us, vs = (np.array(part) for part in zip(*patches))
    areas = np.linalg.norm(us, axis=1) * np.linalg.norm(vs, axis=1)
    patch = np.sort(rng.choice(len(patches), n, p=areas / areas.sum()))
    a, b = rng.random((2, n, 1))
    points = corners[patch] + a * us[patch] + b * vs[patch] + rng.normal(0, 0.002, (n, 3))
    shade = rng.uniform(30, 230, len(patches))[patch, None] + rng.normal(0, 6, (n, 3))
    return points.astype(np.float32), np.clip(shade, 0, 255).astype(np.uint8)


def raw_rooms(folder: Path, splits: dict[str, int]) -> Path:
    """Return a folder of rooms in ScanNet's raw formats, made where it is not there yet."""
    from saymask.rooms.generate import generate

    generate(folder / "rooms", splits, version=2, quiet=True)
    return folder / "rooms"


def prepared_rooms(folder: Path, splits: dict[str, int]) -> Path:
    """Return a folder of the same rooms as `saymask prepare` writes it."""
    from saymask.data.prepare.folder import prepare

    prepare(raw_rooms(folder, splits), folder / "data", quiet=True)
    return folder / "data"
