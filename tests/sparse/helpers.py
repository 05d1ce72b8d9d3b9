"""Random site sets for the property tests."""

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor


@st.composite
def site_sets(draw: st.DrawFn, largest: int = 60) -> Tensor:
    """Unique int32 [V, 4] coords in random row order: empty, one site, several batches, negative, dense or sparse."""
    count = draw(st.integers(0, largest))
    reach = draw(st.sampled_from([1, 3, 40]))
    shift = draw(st.sampled_from([0, -7, 1000, -60000]))
    scenes = draw(st.integers(1, 3))
    rng = np.random.RandomState(draw(st.integers(0, 2**31 - 1)))
    coords = np.concatenate(
        [rng.randint(0, scenes, (count, 1)), rng.randint(-reach, reach + 1, (count, 3)) + shift], axis=1
    )
    coords = np.unique(coords.astype(np.int32), axis=0)
    return torch.from_numpy(coords[rng.permutation(len(coords))])


def some_sites(count: int = 300, reach: int = 6, seed: int = 0) -> Tensor:
    """A fixed set of unique sites in two scenes."""
    rng = np.random.RandomState(seed)
    coords = np.concatenate([rng.randint(0, 2, (count, 1)), rng.randint(-reach, reach, (count, 3))], axis=1)
    return torch.from_numpy(np.unique(coords.astype(np.int32), axis=0))
