import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.models.less.transform import augment_points, less_item, rotation, view_dependent, voxel_cells


def cloud(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-3, 3, (n, 3)).astype(np.float32), rng.integers(0, 256, (n, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the chair left of the desk", True),
        ("it stands in front", True),  # a space is added at the end
        ("left of the desk is a chair", False),  # at the start there is none
        ("the chair on the left, by the wall", False),
        ("the LEFT chair", False),
        ("the chair behind me", True),
        ("a round table", False),
    ],
)
def test_view_dependent(text, expected):
    assert view_dependent(text) is expected


def test_validation_item_keeps_every_point_in_order():
    points, colors = cloud()
    item = less_item(points, colors, None, description="a chair", rng=None, sample_points=50)
    assert item.target is None
    np.testing.assert_array_equal(item.chosen, np.arange(300))
    np.testing.assert_array_equal(item.coord_float, points)
    assert item.coord_float is not points


def test_sampling_without_and_with_replacement():
    points, colors = cloud()
    target = np.arange(300) < 100
    few = less_item(points, colors, target, rng=np.random.RandomState(1), sample_points=200, augment=None)
    assert len(set(few.chosen)) == 200
    many = less_item(points, colors, target, rng=np.random.RandomState(1), sample_points=500, augment=None)
    assert len(many.chosen) == 500
    assert len(set(many.chosen)) < 300
    for item in (few, many):
        np.testing.assert_array_equal(item.target, target[item.chosen])
        np.testing.assert_array_equal(item.coord_float, points[item.chosen])
    everything = less_item(points, colors, target, rng=np.random.RandomState(1), sample_points=None, augment=None)
    assert len(everything.chosen) == 300


def test_same_stream_as_the_global_generator():
    points, _ = cloud()
    np.random.seed(7)
    np.random.choice(300, 300, replace=False)
    expected = augment_points(points, "a chair", np.random.mtrand._rand)
    rng = np.random.RandomState(7)
    rng.choice(300, 300, replace=False)
    np.testing.assert_array_equal(augment_points(points, "a chair", rng), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["2024-12", "2024-10"]), st.booleans())
def test_augmentation_is_nearly_rigid(seed, release, fixed):
    points, _ = cloud(60)
    text = "the chair left of the desk" if fixed else "a chair"
    moved = augment_points(points, text, np.random.RandomState(seed), release=release)
    assert moved.dtype == np.float32
    before = np.linalg.norm(points[:, None] - points[None], axis=2)
    after = np.linalg.norm(moved[:, None].astype(float) - moved[None], axis=2)
    if release == "2024-10":  # no scale, no noise
        np.testing.assert_allclose(after, before, atol=2e-5)
    else:
        far = before > 1
        assert ((after[far] / before[far] > 0.97) & (after[far] / before[far] < 1.03)).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_view_dependent_text_is_neither_flipped_nor_turned_far(seed):
    points = np.eye(3, dtype=np.float32) * 10
    moved = augment_points(points, "the chair left of the desk", np.random.RandomState(seed))
    directions = (moved - moved.mean(axis=0)) @ (points - points.mean(axis=0)).T
    assert (np.diag(directions) > 0).all()
    assert np.linalg.det(moved - (moved.mean(axis=0) - points.mean(axis=0))) > 0


def test_flips_and_quarter_turns_all_occur_otherwise():
    point = np.array([[3.0, 1.0, 0.0]], dtype=np.float32) * 100
    seen = set()
    for seed in range(200):
        moved = augment_points(point, "a chair", np.random.RandomState(seed))[0]
        seen.add((bool(abs(moved[0]) > abs(moved[1])), bool(moved[0] > 0), bool(moved[1] > 0)))
    assert len(seen) == 8


def test_first_release_flips_whatever_the_text_says():
    point = np.array([[3.0, 1.0, 0.0]], dtype=np.float32) * 100
    text = "the chair left of the desk"
    signs = {
        tuple(augment_points(point, text, np.random.RandomState(s), release="2024-10")[0, :2] > 0) for s in range(60)
    }
    assert len(signs) == 4


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 80))
def test_cells_begin_at_zero_and_keep_distances(seed, n):
    points = np.random.default_rng(seed).uniform(-20, 20, (n, 3)).astype(np.float32)
    cells = voxel_cells(points)
    assert cells.dtype == np.int64
    assert (cells.min(axis=0) == 0).all()
    exact = (points.astype(float) - points.min(axis=0)) * 50
    assert (np.abs(cells + 0.5 - exact) <= 0.5 + 1e-3).all()


def test_rotation_turns_x_to_y():
    np.testing.assert_allclose(rotation(2, 90) @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(rotation(0, 90) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(rotation(1, 90) @ [0, 0, 1], [1, 0, 0], atol=1e-15)


def test_unknown_release_is_refused():
    with pytest.raises(ValueError, match="2024-12"):
        augment_points(cloud()[0], "a", np.random.RandomState(0), release="2023")  # type: ignore[arg-type]
