"""Which superpoints touch, and the connected parts of masks over them."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csgraph, csr_array

from saymask.nn.components import best_component, connected_components, near, own_components, touching
from saymask.sparse import build_sites


def chain(n: int) -> csr_array:
    """Row i touches i + 1 and itself."""
    return csr_array(np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1))


def test_parts_of_a_chain():
    bits = np.array([1, 1, 0, 1, 1, 1, 0, 1], bool)
    rows, part = connected_components(bits, chain(8))
    assert rows.tolist() == [0, 1, 3, 4, 5, 7]
    assert part.tolist() == [0, 0, 1, 1, 1, 2]
    assert best_component(bits, np.ones(8), chain(8)).tolist() == [False, False, False, True, True, True, False, False]
    heavy = np.array([9, 9, 1, 1, 1, 1, 1, 1.0])
    assert np.flatnonzero(best_component(bits, heavy, chain(8))).tolist() == [0, 1]


def test_an_empty_mask_has_no_part():
    rows, part = connected_components(np.zeros(4, bool), chain(4))
    assert len(rows) == len(part) == 0
    assert not best_component(np.zeros(4, bool), np.ones(4), chain(4)).any()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(0, 60))
def test_components_are_those_of_scipy(seed, rows, edges):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, rows, (2, edges))
    graph = csr_array((np.ones(2 * edges), (np.r_[a, b], np.r_[b, a])), shape=(rows, rows))
    masks, weight = rng.random((5, rows)) < 0.6, rng.integers(1, 9, rows)
    own = rng.integers(0, rows, 5)
    kept = own_components(masks, own, weight, graph)
    for bits, row, found in zip(masks, own, kept):
        inside, part = connected_components(bits, graph)
        expected = csgraph.connected_components(graph[inside][:, inside], directed=False)[1] if len(inside) else []
        assert inside.tolist() == np.flatnonzero(bits).tolist()
        assert part.tolist() == list(expected)
        if not bits.any():
            assert not found.any()
            continue
        sums = np.bincount(part, weight[inside])
        wanted = part[inside == row][0] if bits[row] else sums.argmax()
        assert np.flatnonzero(found).tolist() == inside[part == wanted].tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 8))
def test_touching_is_a_shared_or_neighbouring_voxel(seed, voxels, rows):
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, 6, (voxels, 3)), axis=0)
    rng.shuffle(cells)
    coords = torch.from_numpy(np.insert(cells, 0, 0, axis=1).astype(np.int32))
    site = rng.integers(0, len(cells), 2 * rows)
    row = np.r_[np.arange(rows), rng.integers(0, rows, rows)]
    graph = touching(build_sites(coords, 1), site, row, rows).toarray() > 0
    near = np.abs(cells[:, None] - cells).max(2) <= 1
    for a in range(rows):
        for b in range(rows):
            assert graph[a, b] == near[np.ix_(site[row == a], site[row == b])].any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 8), st.integers(1, 3))
def test_near_is_a_shared_or_neighbouring_block_of_the_same_scan(seed, voxels, rows, size):
    rng = np.random.default_rng(seed)
    cells = np.unique(np.c_[rng.integers(0, 2, voxels), rng.integers(-6, 6, (voxels, 3))], axis=0)
    rng.shuffle(cells)
    row = np.r_[np.arange(rows), rng.integers(0, rows, rows)]
    site = rng.integers(0, len(cells), 2 * rows)
    graph = near(cells.astype(np.int32), site, row, rows, size).toarray() > 0
    blocks = np.c_[cells[:, 0] * 100, np.floor(cells[:, 1:] / size)]
    close = np.abs(blocks[:, None] - blocks).max(2) <= 1
    for a in range(rows):
        for b in range(rows):
            assert graph[a, b] == close[np.ix_(site[row == a], site[row == b])].any()
