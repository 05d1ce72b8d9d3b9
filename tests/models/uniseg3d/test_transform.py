"""UniSeg3D's view of points, and pseudo masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.models.uniseg3d.transform import (
    FAR,
    Similarity,
    coord_cells,
    draw_similarity,
    elastic_coords,
    near_origin,
    novel_masks,
    point_cells,
    point_features,
    unit_colors,
)

SEEDS = st.integers(0, 10_000)


def cloud(seed, n=300):
    return (np.random.RandomState(seed).rand(n, 3) * [4, 3, 2]).astype(np.float32)


# ---- points


def test_a_quarter_turn_scale_and_shift_in_this_order():
    points = np.array([[1, 0, 0.5], [0, 2, 1]])
    moved = Similarity(np.pi / 2, 2.0, (1, 0, 10)).apply(points)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, [[1, 2, 11], [-3, 0, 12]], atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_draws_in_the_published_order(seed):
    rng, twin = np.random.RandomState(seed), np.random.RandomState(seed)
    drawn = draw_similarity(rng)
    assert drawn.angle == twin.uniform(-3.14, 3.14)
    assert drawn.scale == twin.uniform(0.8, 1.2)
    assert drawn.shift == tuple(twin.normal(scale=[0.1] * 3, size=3))
    assert rng.rand() == twin.rand()
    points = cloud(seed)
    moved = drawn.apply(points)
    np.testing.assert_allclose(np.linalg.norm(np.diff(moved, axis=0), axis=1),
                               drawn.scale * np.linalg.norm(np.diff(points, axis=0), axis=1), rtol=1e-4)  # fmt: skip
    # Left stays left: three edges keep their orientation, and up stays up.
    edges = [np.linalg.det((c[1:4] - c[0]).astype(np.float64)) for c in (points, moved)]
    assert np.sign(edges[0]) == np.sign(edges[1])
    assert np.sign(moved[1, 2] - moved[0, 2]) == np.sign(points[1, 2] - points[0, 2])


def test_cheaper_augmentations():
    rng, twin = np.random.RandomState(3), np.random.RandomState(3)
    assert draw_similarity(rng, "rotate") == Similarity(twin.uniform(-3.14, 3.14), twin.uniform(0.8, 1.2))
    assert draw_similarity(rng, "none") == Similarity()
    assert rng.rand() == twin.rand()
    np.testing.assert_array_equal(Similarity().apply(cloud(0)), cloud(0))
    with pytest.raises(InputError, match="augment: expected official, rotate, none, got 'flip'"):
        draw_similarity(rng, "flip")


def test_the_elastic_distortion_happens_half_of_the_time():
    points, bent = cloud(0, 20) / 10, []
    for seed in range(16):
        rng, twin = np.random.RandomState(seed), np.random.RandomState(seed)
        coords = elastic_coords(points, rng)
        bent.append(coords.dtype == np.float64)
        assert bent[-1] == (twin.rand() < 0.5)
        if not bent[-1]:
            np.testing.assert_array_equal(coords, points / np.float32(0.02))
            np.testing.assert_array_equal(coord_cells(coords), coord_cells(points / np.float32(0.02)))
            assert rng.rand() == twin.rand()  # nothing else was drawn
    assert 4 <= sum(bent) <= 12


def test_other_voxels_are_bent_by_as_many_metres():
    points = cloud(1)
    fine, coarse = (
        elastic_coords(points, np.random.RandomState(5), voxel_size=size, share=1) * size for size in (0.02, 0.08)
    )
    np.testing.assert_allclose(fine, coarse, rtol=1e-12)
    assert np.abs(fine - points).max() > 0.05


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.sampled_from([0.02, 0.05]))
def test_cells_begin_at_zero(seed, size):
    points = cloud(seed) - 7
    cells = point_cells(points, size)
    assert cells.dtype == np.int64
    assert (cells.min(axis=0) == 0).all()
    low = points.min(axis=0).astype(np.float64)
    np.testing.assert_array_less(np.abs(points - low - (cells + 0.5) * size), size / 2 + 1e-5)
    bent = coord_cells(points.astype(np.float64) / size)
    assert (bent.min(axis=0) == 0).all()
    assert (bent != cells).mean() < 0.02  # rounding


def test_features():
    points, colors = cloud(2), np.random.RandomState(0).randint(0, 256, (300, 3)).astype(np.uint8)
    values = unit_colors(colors)
    np.testing.assert_allclose(values, colors / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(unit_colors(np.array([[0, 255, 0]])), [[-1, 1, -1]])
    features = point_features(points, values)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features[:, :3], values)
    np.testing.assert_allclose(features[:, 3:], points - points.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(features, point_features(points + 3, values), atol=1e-5)


def test_far_scans_come_closer():
    points = cloud(3)
    np.testing.assert_array_equal(near_origin(points), points)
    far = near_origin(points + np.float32(4096))
    assert far.min() == 0
    assert far.max() < FAR
    np.testing.assert_allclose(far - far[0], points - points[0], atol=1e-3)
    with pytest.raises(InputError, match="got none"):
        near_origin(points[:0])
    with pytest.raises(InputError, match="finite"):
        near_origin(np.full((2, 3), np.nan))


# ---- pseudo masks


def test_novel_masks_leave_out_what_is_known():
    index = np.repeat(np.arange(4), 10)
    semantic = np.where(index < 2, 3, -1)
    masks = np.zeros((4, 40), bool)
    masks[0, :20] = True  # known
    masks[1, 15:40] = True  # mostly new
    masks[2, 20:24] = True  # no superpoint has most of its points in it
    masks[3, 10:30] = True  # half known: kept
    found = novel_masks(masks, semantic, index, 4)
    assert found.tolist() == [[False, False, True, True], [False, True, True, False]]
    assert novel_masks(masks[:0], semantic, index, 4).shape == (0, 4)
