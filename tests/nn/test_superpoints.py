"""Superpoint pooling and batches against plain loops; a batch of two scans against one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.nn.superpoints import SuperpointUNet, collate_scans, site_pooling, superpoint_scan, to_device
from saymask.sparse import pool_mean


def cloud(seed, n=400, superpoints=9, extent=12):
    rng = np.random.RandomState(seed)
    ids = np.append(rng.randint(0, superpoints, n - superpoints), np.arange(superpoints)) * 3 + 5
    return rng.randint(0, extent, (n, 3)), rng.randn(n, 6), rng.randn(n, 3), ids


def scan(seed, **sizes):
    return superpoint_scan(*cloud(seed, **sizes))


def small_unet():
    torch.manual_seed(0)
    return SuperpointUNet(widths=(8, 12, 16), block_reps=1).eval()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 6))
def test_scan_against_loops(seed, more, superpoints):
    cells, features, positions, ids = cloud(seed, more + superpoints, superpoints, extent=3)
    made = superpoint_scan(cells, features, positions, ids)
    names = sorted(set(ids.tolist()))
    assert made.index.tolist() == [names.index(i) for i in ids.tolist()]
    assert made.cells.tolist() == [list(c) for c in sorted({tuple(c) for c in cells.tolist()})]
    for row, name in enumerate(names):
        np.testing.assert_allclose(made.positions[row], positions[ids == name].mean(0), rtol=1e-5, atol=1e-6)
    for row, cell in enumerate(made.cells):
        inside = (cells == cell).all(1)
        np.testing.assert_allclose(made.features[row], features[inside].mean(0), rtol=1e-5, atol=1e-6)
    pairs = {(int(r), int(s)): int(w) for r, s, w in zip(made.pooling.row, made.pooling.site, made.pooling.weight)}
    voxel = [made.cells.tolist().index(c) for c in cells.tolist()]
    expected: dict[tuple[int, int], int] = {}
    for pair in zip(made.index.tolist(), voxel):
        expected[pair] = expected.get(pair, 0) + 1
    assert pairs == expected
    assert (np.diff(made.pooling.row) >= 0).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_pooling_is_the_mean_over_the_points(seed):
    """The twin: spread the sites to their points, then average the points of each superpoint."""
    rng = np.random.RandomState(seed)
    n, sites, rows = rng.randint(1, 80), rng.randint(1, 12), rng.randint(1, 7)
    site, row = rng.randint(0, sites, n), rng.randint(0, rows, n)
    pooling = site_pooling(row, site, sites)
    values = torch.from_numpy(rng.randn(sites, 4)).requires_grad_()
    weight = torch.from_numpy(pooling.weight)
    index, target = torch.from_numpy(pooling.site), torch.from_numpy(pooling.row)
    pooled = pool_mean(values[index], target, rows, weight)
    points = values[torch.from_numpy(site)]
    expected = torch.stack(
        [points[row == r].mean(0) if (row == r).any() else torch.zeros(4, dtype=points.dtype) for r in range(rows)]
    )
    torch.testing.assert_close(pooled, expected)
    toward = torch.from_numpy(rng.randn(rows, 4))
    got, wanted = (torch.autograd.grad((out * toward).sum(), values)[0] for out in (pooled, expected))
    torch.testing.assert_close(got, wanted)


def test_batch_lists_scans_one_after_the_other():
    scans = [scan(0), scan(1, superpoints=4), scan(2, superpoints=6)]
    batch = collate_scans(scans)
    assert len(batch) == 3
    assert batch.sizes == (9, 4, 6)
    assert batch.positions.shape == (3, 9, 3)
    np.testing.assert_array_equal(batch.padding.sum(1), [0, 5, 3])
    assert (batch.positions[batch.padding] == 0).all()
    for b, s in enumerate(scans):
        of_scan = batch.coords[:, 0] == b
        np.testing.assert_array_equal(batch.coords[of_scan, 1:], s.cells)
        np.testing.assert_array_equal(batch.features[of_scan], s.features)
        np.testing.assert_array_equal(batch.positions[b, : batch.sizes[b]], s.positions)
        assert batch.index[b] is s.index
    values = torch.arange(19.0)[:, None].expand(19, 2)
    padded = batch.pad(values)
    assert padded.shape == (3, 9, 2)
    torch.testing.assert_close(padded[~batch.padding], values)
    assert (padded[batch.padding] == 0).all()


def test_moving_a_batch_takes_every_tensor_along():
    batch = collate_scans([scan(0)])
    there = batch.to("meta")
    tensors = {name for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    assert tensors == {name for name, value in vars(there).items() if isinstance(value, torch.Tensor)}
    assert all(getattr(there, name).device.type == "meta" for name in tensors)
    assert there.index is batch.index
    assert set(to_device(batch, "cpu")) == tensors


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_two_scans_equal_one_by_one(seed):
    unet = small_unet()
    # The second scan is smaller, and has a superpoint of one point.
    scans = [scan(seed), scan(seed + 1, n=120, superpoints=5, extent=7)]
    together = unet(collate_scans(scans))
    alone = [unet(collate_scans([s])) for s in scans]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
    toward = torch.from_numpy(np.random.RandomState(seed).randn(*together.shape)).float()
    parameters = list(unet.parameters())
    got = torch.autograd.grad((together * toward).sum(), parameters)
    wanted = torch.autograd.grad((torch.cat(alone) * toward).sum(), parameters)
    for a, b in zip(got, wanted):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=2e-4)


def test_unet_pools_its_voxels():
    unet, s = small_unet(), scan(3)
    batch = collate_scans([s])
    with torch.no_grad():
        out = unet(batch)
        pyramid = unet.sites(batch)
        voxels = unet.unet(batch.features[pyramid.order], pyramid)[pyramid.inverse].numpy()
    cells = {tuple(c): row for row, c in enumerate(s.cells.tolist())}
    site = np.array([cells[tuple(c)] for c in cloud(3)[0].tolist()])
    for row in range(len(s.positions)):
        np.testing.assert_allclose(out[row], voxels[site[s.index == row]].mean(0), rtol=1e-4, atol=1e-5)


def test_low_precision_is_pooled_in_float32():
    unet = small_unet()
    batch = collate_scans([scan(0)])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert unet(batch).dtype == torch.float32


@pytest.mark.parametrize("n", [1, 2])
def test_one_superpoint(n):
    cells, features, positions, _ = cloud(0, n=n, superpoints=1)
    batch = collate_scans([superpoint_scan(cells, features, positions, np.full(n, 7))])
    assert batch.sizes == (1,)
    assert torch.isfinite(small_unet()(batch)).all()
