"""Quantisation in order of first appearance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.sparse.quantize import sparse_quantize


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 80), st.integers(0, 2**31 - 1))
def test_by_definition(count, seed):
    rng = np.random.RandomState(seed)
    coords, labels = rng.uniform(-2, 2, (count, 3)), rng.randint(-1, 3, count)
    got = sparse_quantize(coords, 0.9, labels=labels)
    seen: dict[tuple, int] = {}
    inverse = [seen.setdefault(tuple(c), len(seen)) for c in np.floor(coords / 0.9).astype(int).tolist()]
    assert got.inverse_map.tolist() == inverse
    assert got.unique_map.tolist() == [inverse.index(v) for v in range(len(seen))]
    assert got.cells.tolist() == [list(c) for c in seen]
    for voxel in range(len(seen)):
        own = {int(label) for label, v in zip(labels, inverse) if v == voxel}
        assert got.labels[voxel] == (own.pop() if len(own) == 1 else -1)


def test_compat_blanks_another_voxel():
    coords = np.array([[0.0, 0, 0], [0.1, 0, 0], [5.0, 0, 0], [9.0, 0, 0], [9.1, 0, 0]])
    labels = np.array([1, 1, 2, 3, 4])
    assert sparse_quantize(coords, labels=labels).labels.tolist() == [1, 2, -1]
    # voxel 2 conflicts; input row 2 lies in voxel 1, which is blanked instead
    assert sparse_quantize(coords, labels=labels, compat=True).labels.tolist() == [1, -1, 3]


def test_bad_input():
    with pytest.raises(InputError, match="finite"):
        sparse_quantize(np.array([[np.nan, 0, 0]]))
    with pytest.raises(InputError, match="labels"):
        sparse_quantize(np.zeros((2, 3)), labels=np.zeros(3))
    with pytest.raises(InputError, match="size"):
        sparse_quantize(np.zeros((2, 3)), 0.0)
