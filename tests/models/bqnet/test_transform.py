"""BQNet's view of points: centring, augmentation, voxels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.models.bqnet.transform import axis_matrix, centred, rotation_z, unit_colors, view
from tests.models.fakes import small_scan


def points_of(seed, n=300):
    rng = np.random.RandomState(seed)
    return rng.rand(n, 3) * [4, 3, 2.5] - [2, 1.5, 1], rng.rand(n, 3) * 2 - 1


def test_the_scan_is_centred_and_its_colors_scaled():
    scan = small_scan(0)
    xyz = centred(scan.points)
    assert xyz.dtype == np.float64
    np.testing.assert_allclose(xyz.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(xyz - xyz[0], scan.points.astype(float) - scan.points[0].astype(float), atol=1e-12)
    np.testing.assert_allclose(unit_colors(np.array([[0, 128, 255]], np.uint8)), [[-1, 1 / 255, 1]])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.05, 0.1]))
def test_test_view(seed, size):
    xyz, rgb = points_of(seed)
    seen = view(xyz, rgb, voxel_size=size)
    np.testing.assert_array_equal(seen.positions, xyz)
    np.testing.assert_array_equal(seen.colors, rgb)
    assert seen.chosen is None
    voxels = xyz * (1 / size)
    np.testing.assert_array_equal(seen.cells, np.floor(voxels - voxels.min(0)))
    assert (seen.cells.min(0) == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_rotation_alone_keeps_shape_height_and_color(seed):
    xyz, rgb = points_of(seed)
    rng = np.random.RandomState(seed)
    seen = view(xyz, rgb, rng, augment="rotate")
    np.testing.assert_allclose(seen.positions[:, 2], xyz[:, 2], atol=1e-12)
    np.testing.assert_allclose(seen.positions @ seen.positions.T, xyz @ xyz.T, atol=1e-10)
    np.testing.assert_array_equal(seen.colors, rgb)
    once = np.random.RandomState(seed)
    angle = once.rand() * 2 * np.pi
    assert rng.rand() == once.rand()  # exactly one number was drawn
    np.testing.assert_allclose(rotation_z(np.random.RandomState(seed))[0], [np.cos(angle), np.sin(angle), 0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_the_flip_changes_one_element_of_the_jitter(seed):
    draws = np.random.RandomState(seed)
    jitter = np.eye(3) + draws.randn(3, 3) * 0.1
    flipped = draws.randint(0, 2) == 0
    unturned = axis_matrix(np.random.RandomState(seed)) @ rotation_z(draws).T
    jitter[0, 0] *= -1 if flipped else 1
    np.testing.assert_allclose(unturned, jitter, atol=1e-12)


def test_official_augmentation_bends_only_the_voxels():
    xyz, rgb = points_of(1)
    seen = view(xyz, rgb, np.random.RandomState(4))
    matrix = axis_matrix(np.random.RandomState(4))
    np.testing.assert_allclose(seen.positions, xyz @ matrix)
    shift = seen.colors - rgb
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape))
    straight = 50 * seen.positions
    bend = seen.scaled - (straight - straight.min(0))
    assert 1 < np.abs(bend).max() < 200
    again = view(xyz, rgb, np.random.RandomState(4))
    np.testing.assert_array_equal(again.cells, seen.cells)
    assert (view(xyz, rgb, np.random.RandomState(5)).cells != seen.cells).any()


def test_the_bend_is_as_many_metres_in_other_voxels():
    xyz, rgb = points_of(2)
    fine, coarse = (view(xyz, rgb, np.random.RandomState(0), voxel_size=size) for size in (0.02, 0.04))
    bends = []
    for seen, size in ((fine, 0.02), (coarse, 0.04)):
        bend = seen.scaled * size - (seen.positions - seen.positions.min(0))
        bends.append(bend - bend[0])
    assert np.abs(bends[0]).max() > 0.05
    np.testing.assert_allclose(bends[0], bends[1], atol=1e-9)


def test_large_scans_are_sampled_in_training_only():
    xyz, rgb = points_of(3, 500)
    seen = view(xyz, rgb, np.random.RandomState(0), augment="none", most_points=120)
    assert len(set(seen.chosen.tolist())) == 120
    np.testing.assert_array_equal(seen.positions, xyz[seen.chosen])
    np.testing.assert_array_equal(seen.colors, rgb[seen.chosen])
    np.testing.assert_array_equal(seen.cells, view(xyz, rgb).cells[seen.chosen])
    assert view(xyz, rgb, most_points=120).chosen is None


def test_points_must_be_finite():
    xyz, rgb = points_of(0)
    xyz[5, 1] = np.nan
    with pytest.raises(InputError, match="finite"):
        view(xyz, rgb)


def test_augmentation_must_be_known():
    with pytest.raises(InputError, match="expected official, rotate, none, got 'flip'"):
        view(*points_of(0), augment="flip")  # type: ignore[arg-type]
