import numpy as np
import pytest
import torch

from saymask.geometry import cell_neighbours
from saymask.geometry.cell_neighbours import cell_knn
from saymask.geometry.neighbours import knn
from saymask.geometry.voxelize import voxelize


def surface(rng, n):
    """Points of a floor, a wall and a ball over it, with noise."""
    flat = rng.uniform(0, 1.2, (n, 3))
    flat[: n // 2, 2] = rng.normal(0, 0.004, n // 2)
    flat[n // 2 :, 0] = rng.normal(0, 0.004, n - n // 2)
    ball = rng.normal(size=(n // 2, 3))
    return np.concatenate([flat, 0.2 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + 0.5])


@pytest.mark.parametrize(
    ("n", "away"),
    [(20_000, 0.0), (20_000, 300.0), (700, 0.0), (30, -5.0), (1, 0.0)],
    ids=["dense", "far from the origin", "sparse", "fewer than wanted around", "one"],
)
def test_the_same_neighbours_as_a_tree(n, away):
    points = (surface(np.random.default_rng(0), n) + away).astype(np.float32)
    voxels = voxelize(points, 0.02)
    sites = voxels.mean(points)
    index, distance = cell_knn(voxels, sites, 17)
    wanted_index, wanted = knn(sites, 17)
    assert np.array_equal(distance, wanted)
    assert (index == wanted_index).mean() > 0.99  # equally near ones may change places
    there = index >= 0
    rows = np.repeat(np.arange(len(sites)), there.sum(1))
    lengths = np.linalg.norm(sites.astype(float)[index[there]] - sites.astype(float)[rows], axis=1)
    assert np.allclose(lengths, distance[there], rtol=1e-12)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in index)


@pytest.mark.parametrize("sparse", [False, True])
def test_threads_find_the_same(monkeypatch, sparse):
    points = surface(np.random.default_rng(1), 700 if sparse else 6000)
    voxels = voxelize(points, 0.02)
    sites = voxels.mean(points)
    alone = cell_knn(voxels, sites, 17)
    monkeypatch.setattr(cell_neighbours, "_AT_ONCE", 50)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        shared = cell_knn(voxels, sites, 17)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(one, other)


def test_equally_near_cells_come_by_their_row():
    grid = np.stack(np.meshgrid(*[np.arange(9) * 0.25] * 3, indexing="ij"), -1).reshape(-1, 3) + 0.125
    voxels = voxelize(grid, 0.25, origin=np.zeros(3))
    index, distance = cell_knn(voxels, grid, 7)
    middle = int(np.flatnonzero((voxels.cells == 4).all(1))[0])
    assert index[middle].tolist() == [middle, middle - 81, middle - 9, middle - 1, middle + 1, middle + 9, middle + 81]
    assert distance[middle].tolist() == [0.0] + [0.25] * 6
