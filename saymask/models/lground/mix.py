"""Scene mixing in the manner of Mix3D: two scenes on top of each other, so that context alone tells less.

The long-tail follow-up describes it without code or parameters; what is done here is ours: both scenes are augmented on
their own, centred by their mean voxel and united.

Source: docs/systems/lground.md §7.23.
"""

from collections.abc import Sequence

import numpy as np

from saymask.errors import InputError
from saymask.models.lground.transform import Cloud, Voxels, voxelise


def mix(first: Voxels, second: Voxels) -> Voxels:
    """Return the union of two centred scenes; where their voxels meet, the first scene's stays.

    Instances of the second are numbered on. `index` lists the points of the first scene, then those of the second.
    """
    shift = int(first.instances.max(initial=-1)) + 1
    instances = np.where(second.instances >= 0, second.instances + shift, second.instances)
    both = Cloud(
        np.concatenate([_centred(first.cells), _centred(second.cells)]),
        np.concatenate([first.colors, second.colors]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.instances, instances]),
    )
    voxels = voxelise(both, np.eye(4))
    rows = np.concatenate([first.index, np.where(second.index >= 0, second.index + len(first), second.index)])
    index = np.where(rows >= 0, voxels.index[rows], rows)
    return Voxels(voxels.cells, voxels.colors, voxels.labels, voxels.instances, index)


def _centred(cells: np.ndarray) -> np.ndarray:
    return cells - np.round(cells.mean(axis=0)).astype(np.int64) if len(cells) else cells


def pairs(chances: Sequence[float], probability: float) -> list[tuple[int, ...]]:
    """Return the scenes of a batch in groups of one or two: neighbours are mixed when the first's chance is below.

    chances: a number U(0, 1) that was drawn for each scene. The order of the batch is random, so are its neighbours.
    """
    if not 0 <= probability <= 1:
        raise InputError(f"scene mixing: expected a probability in 0..1, got {probability}")
    groups: list[tuple[int, ...]] = []
    for start in range(0, len(chances), 2):
        pair = tuple(range(start, min(start + 2, len(chances))))
        groups += [pair] if len(pair) == 2 and chances[start] < probability else [(i,) for i in pair]
    return groups
