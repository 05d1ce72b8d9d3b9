"""Clicks on true objects: the benchmark's, deep inside, and those at a distance from the centre.

Source: docs/systems/uniseg3d.md §2.7b.
"""

import hashlib
import math

import numpy as np
from numba import njit

from saymask.errors import InputError
from saymask.geometry.sampling import members_of
from saymask.geometry.votes import numbered
from saymask.geometry.voxelize import unique_cells

AGILE_CELL = 0.05
"""Metres: one point per cell of this edge stands for the others in the benchmark."""
BLOCK = 0.25
"""Metres: edge of the blocks in which the nearest point outside an object is looked for."""
RANDOM = math.inf
"""Distance that stands for any point of the object, drawn at random."""
DISTANCES = tuple(r / 10 for r in range(1, 11))
"""Relative distances from the centre for which the paper reports results, beside `RANDOM`."""


def agile_clicks(points: np.ndarray, instance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (point, instance) int64 [P] of the benchmark's clicks: of each instance the point deepest inside.

    points: float32 [N, 3], metres, as scanned; instance: int64 [N] dense ids, -1 = none. Of the points of each 5 cm
    cell the first one stands for them; an instance of which none does has no click. The click is the one farthest from
    its nearest neighbour outside the instance; of equals, and where there is no outside, the first.
    """
    points = points.astype(np.float32)
    chosen = np.sort(unique_cells(np.floor(points / np.float32(AGILE_CELL)).astype(np.int64))[2])
    ids, owner = numbered(instance[chosen])
    none = int(ids[:1].tolist() == [-1])
    clicks = _deepest(points[chosen].astype(np.float64), owner - none, len(ids) - none)
    return chosen[clicks], ids[none:].astype(np.int64)


def _deepest(places: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Return int64 [count]: of each owner's places float64 [N, 3] the first that is farthest from all others' places.

    owner: int64 [N] in -1..count-1, -1 = nobody; every owner has a place.
    """
    if not count:
        return np.zeros(0, np.int64)
    low, edge = places.min(axis=0), BLOCK
    while np.prod(shape := np.floor((places.max(axis=0) - low) / edge) + 1) > 64 * len(places):
        edge *= 2
    blocks = np.floor((places - low) / edge).astype(np.int64)
    block = np.asarray(np.ravel_multi_index(tuple(blocks.T), tuple(shape.astype(np.int64))))
    order = np.argsort(block, kind="stable")
    starts = np.searchsorted(block[order], np.arange(int(np.prod(shape)) + 1))
    return _search(places, owner, blocks, order, starts, shape.astype(np.int64), edge, count)


@njit(cache=True, nogil=True)
def _search(places, owner, blocks, order, starts, shape, edge, count):
    """Look at shells of blocks around each place until nothing nearer, or nothing deeper than before, can follow."""
    depth, deepest = np.full(count, -1.0), np.zeros(count, np.int64)
    sole = np.full(len(starts) - 1, -2)  # the owner of all places of a block; -2 there is none, -3 several
    sizes = np.zeros(count + 1, np.int64)
    for b in range(len(sole)):
        for place in order[starts[b] : starts[b + 1]]:
            sole[b] = owner[place] if sole[b] in (-2, owner[place]) else -3
            sizes[owner[place]] += 1
    for place in range(len(places)):
        own, centre = owner[place], blocks[place]
        if own < 0:
            continue
        away, shell = 0.0 if sizes[own] == len(places) else np.inf, 0
        while away > max((shell - 1) * edge, depth[own]):  # within that distance all have been seen
            for x in range(max(centre[0] - shell, 0), min(centre[0] + shell + 1, shape[0])):
                for y in range(max(centre[1] - shell, 0), min(centre[1] + shell + 1, shape[1])):
                    face = max(abs(x - centre[0]), abs(y - centre[1])) == shell
                    for z in range(centre[2] - shell, centre[2] + shell + 1, 1 if face else 2 * shell):
                        if not 0 <= z < shape[2]:
                            continue
                        b = (x * shape[1] + y) * shape[2] + z
                        if sole[b] == -2 or sole[b] == own:
                            continue
                        for other in order[starts[b] : starts[b + 1]]:
                            if owner[other] != own:
                                square = 0.0
                                for axis in range(3):
                                    square += (places[other, axis] - places[place, axis]) ** 2
                                away = min(away, math.sqrt(square))
            shell += 1
        if away > depth[own]:
            depth[own], deepest[own] = away, place
    return deepest


def relative_clicks(points: np.ndarray, instance: np.ndarray, r: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (point, instance) int64 [I] of clicks at the relative distance `r` in 0..1 from each instance's centre.

    The centre is the mean of the instance's points; 1 is the distance of the point farthest from it. Of points equally
    close to `r`, the first. The paper does not say how it draws them (docs/systems/uniseg3d.md §2.7b); this is the
    suggested rule. points: float [N, 3]; instance: int64 [N] dense ids, -1 = none. Raises InputError for another `r`.
    """
    if not 0 <= r <= 1:
        raise InputError(f"click distance: expected a share of the object's radius, 0 to 1, got {r}")
    members = members_of(instance)
    clicks = np.zeros(len(members), np.int64)
    for i, own in enumerate(members):
        places = points[own].astype(np.float64)
        away = np.sqrt(((places - places.mean(axis=0)) ** 2).sum(axis=1))
        clicks[i] = own[np.abs(away - r * away.max()).argmin()]
    return clicks, np.arange(len(members))


def random_clicks(instance: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (point, instance) int64 [I] of a click on any point of each instance, the same ones for a scan's `name`.

    instance: int64 [N] dense ids, -1 = none.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    rng, members = np.random.default_rng(list(digest)), members_of(instance)
    return np.array([rng.choice(own) for own in members], np.int64), np.arange(len(members))
