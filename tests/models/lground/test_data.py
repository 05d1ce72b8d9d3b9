"""LGround's data: augmentation, voxels, limited annotation, samples and batches."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.sampling import farthest_point_sampling
from saymask.labels.tables import scannet200
from saymask.models.lground.batch import FAR, STRIDE, Batch, ViewConfig, collate, instance_view, make_sample
from saymask.models.lground.limited import (
    annotated_points,
    kept_rows,
    listed_points,
    read_point_lists,
)
from saymask.models.lground.mix import mix, pairs
from saymask.models.lground.transform import (
    NONE,
    Augmentation,
    Cloud,
    auto_contrast,
    distort,
    distort_twice,
    draws,
    drop_out,
    flip,
    hsv_to_rgb,
    jitter_colors,
    official_draws,
    recolour,
    rgb_to_hsv,
    shift_hue,
    similarity,
    translate_colors,
    voxelise,
)
from saymask.scan import Scan
from saymask.sparse import build_sites
from saymask.sparse.quantize import sparse_quantize
from saymask.util.settings import from_json, to_json

SEEDS = st.integers(0, 10_000)
STILL = Augmentation(0, (1, 1), 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""An augmentation that changes nothing."""
WALL, CHAIR, FLOOR = 0, 1, 2


def cloud_of(seed, n=400, classes=4):
    rng = np.random.RandomState(seed)
    return Cloud(
        rng.rand(n, 3).astype(np.float32) * [3, 2, 1] - 0.5,
        rng.randint(0, 256, (n, 3)).astype(np.uint8),
        rng.randint(-1, classes, n).astype(np.int64),
        rng.randint(-1, 5, n).astype(np.int64),
    )


def room(seed=0, n=3000, **changes):
    """A floor, and three boxes: two chairs and a wall; instances 0..3."""
    rng = np.random.RandomState(seed)
    part = np.arange(n) % 4
    corner = np.array([[0, 0, -0.02], [0.5, 0.5, 0], [2, 0.5, 0], [0, 2.9, 0]])[part]
    size = np.array([[3, 3, 0.02], [0.5, 0.5, 0.8], [0.5, 0.5, 0.8], [3, 0.1, 2]])[part]
    values = {
        "points": (corner + rng.rand(n, 3) * size).astype(np.float32),
        "colors": rng.randint(0, 256, (n, 3)).astype(np.uint8),
        "labels": {
            "semantic200": np.array([FLOOR, CHAIR, CHAIR, WALL])[part].astype(np.int16),
            "semantic20": np.array([1, 4, 4, 0])[part].astype(np.int16),
            "instance": part.astype(np.int32),
        },
        "name": f"room{seed}",
    }
    return Scan(**(values | changes))


# ---- augmentation


def test_both_generators_follow_from_one():
    first, again = draws(np.random.RandomState(3)), draws(np.random.RandomState(3))
    state = random.getstate(), repr(np.random.get_state())
    assert first.python.random() == again.python.random()
    np.testing.assert_array_equal(first.numpy.rand(5), again.numpy.rand(5))
    other = draws(np.random.RandomState(4))
    assert other.python.random() != again.python.random()
    assert state[0] == random.getstate()
    assert state[1] == repr(np.random.get_state())


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.floats(0.01, 0.1))
def test_similarity(seed, size):
    augment, rng = Augmentation(), np.random.RandomState(seed)
    space = similarity(size, augment, rng)
    np.testing.assert_allclose(space.turn @ space.turn.T, np.eye(4), atol=1e-12)
    assert np.linalg.det(space.turn) == pytest.approx(1)
    factor = space.scale[0, 0] * size
    assert 0.9 <= factor <= 1.1
    # Only z may turn far: the vertical axis stays within two tilts.
    assert space.turn[2, 2] >= np.cos(2 * augment.tilt)
    draw = np.random.RandomState(seed)
    for limit in (augment.tilt, augment.tilt, augment.turn):
        draw.uniform(-limit, limit)
    draw.shuffle([0, 1, 2])
    assert factor == pytest.approx(draw.uniform(0.9, 1.1))
    assert rng.rand() == draw.rand()
    still = similarity(size)
    np.testing.assert_array_equal(still.turn, np.eye(4))
    assert still.scale[1, 1] == 1 / size


def test_a_quarter_turn_is_counterclockwise():
    augment = replace(STILL, turn=np.pi / 2)
    for seed in range(100):
        rng = np.random.RandomState(seed)
        angle = np.random.RandomState(seed).uniform(-1, 1, 3)[2] * np.pi / 2
        got = similarity(1.0, augment, rng).turn @ [1, 0, 0, 1]
        np.testing.assert_allclose(got[:2], [np.cos(angle), np.sin(angle)], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from([0.05, 0.3, 1.0]))
def test_voxels_have_the_values_of_their_first_point(seed, size):
    cloud = cloud_of(seed, 120)
    seen = voxelise(cloud, similarity(size).scale)
    cells = np.floor(cloud.points.astype(np.float64) * (1 / size))
    np.testing.assert_array_equal(seen.cells[seen.index], cells)
    assert len(np.unique(seen.cells, axis=0)) == len(seen)
    first = [int(np.flatnonzero(seen.index == v)[0]) for v in range(len(seen))]
    assert first == sorted(first)
    for name in ("colors", "labels", "instances"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(cloud, name)[first])
    strict = voxelise(cloud, similarity(size).scale, conflicts="ignore")
    mixed = [len(set(cloud.labels[seen.index == v])) > 1 for v in range(len(seen))]
    np.testing.assert_array_equal(strict.labels, np.where(mixed, NONE, seen.labels))
    assert (strict.instances[strict.labels == NONE] == NONE).all()
    wrong = voxelise(cloud, similarity(size).scale, conflicts="ignore", compat=True)
    official = sparse_quantize(cloud.points.astype(np.float64) * (1 / size), labels=cloud.labels, compat=True)
    np.testing.assert_array_equal(wrong.labels, official.labels)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_flips_mirror_x_and_y(seed):
    cells = np.random.RandomState(seed).randint(-20, 20, (50, 3))
    got = flip(cells, 1.0, random.Random(seed))
    source = random.Random(seed)
    source.random()
    for axis in (0, 1):
        mirrored = source.random() < 0.5
        expected = cells[:, axis].max() - cells[:, axis] if mirrored else cells[:, axis]
        np.testing.assert_array_equal(got[:, axis], expected)
    np.testing.assert_array_equal(got[:, 2], cells[:, 2])


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_colors_stay_colors(seed):
    colors = cloud_of(seed).colors.astype(np.float32)
    always = Augmentation(contrast=1, translation=1, jitter=1, hue=0.5, saturation=0.2)
    got = recolour(colors, always, official_draws(seed))
    assert got.dtype == np.float32
    assert got.shape == colors.shape
    assert got.min() >= 0
    assert got.max() <= 255
    assert np.abs(got - colors).max() > 1
    moved = translate_colors(np.full((9, 3), 100, np.float32), 1.0, 0.1, official_draws(seed))
    assert (moved == moved[0]).all()  # one shift for the scene
    assert np.abs(moved - 100).max() <= 25.5
    noisy = jitter_colors(np.full((900, 3), 128, np.float32), 1.0, 0.05, official_draws(seed))
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.1)


def test_contrast_of_a_single_color_changes_nothing():
    gray = np.full((5, 3), 77, np.float32)
    np.testing.assert_array_equal(auto_contrast(gray, 1.0, random.Random(0)), gray)


def test_contrast_is_a_blend_with_the_full_range():
    colors = np.array([[50, 0, 10], [100, 255, 10]], np.float32)
    source = random.Random(5)
    source.random()
    weight = source.random()
    got = auto_contrast(colors, 1.0, random.Random(5))
    np.testing.assert_allclose(got[:, 0], [50 * (1 - weight), 100 + 155 * weight], rtol=1e-6)
    np.testing.assert_array_equal(got[:, 1:], colors[:, 1:])


def test_steps_of_probability_zero_draw_nothing():
    cloud, draw, same = cloud_of(0), official_draws(1), official_draws(1)
    voxels = voxelise(cloud, similarity(0.1).scale)
    np.testing.assert_array_equal(distort_twice(cloud.points, STILL, draw), cloud.points)
    np.testing.assert_array_equal(flip(voxels.cells, 0, draw.python), voxels.cells)
    np.testing.assert_array_equal(recolour(voxels.colors, STILL, draw), voxels.colors)
    assert drop_out(voxels, 0, draw) is voxels
    assert draw.python.random() == same.python.random()
    assert draw.numpy.rand() == same.numpy.rand()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=20))
def test_hsv_and_back(colors):
    rgb = np.array(colors, np.float64)
    hsv = rgb_to_hsv(rgb)
    assert ((hsv[:, :2] >= 0) & (hsv[:, :2] <= 1)).all()
    np.testing.assert_array_equal(hsv[:, 2], rgb.max(1))
    assert np.abs(hsv_to_rgb(hsv).astype(int) - rgb).max() <= 1  # decimals are cut off
    turned = shift_hue(rgb.astype(np.float32), 0.5, 0, np.random.RandomState(0))
    np.testing.assert_allclose(turned.max(1), rgb.max(1), atol=1e-3)
    np.testing.assert_allclose(turned.min(1), rgb.min(1), atol=1e-3)


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_distortion_is_smooth_and_repeatable(seed):
    points = cloud_of(seed).points
    bent = distort(points, 0.8, 1.6, np.random.RandomState(seed))
    np.testing.assert_array_equal(bent, distort(points, 0.8, 1.6, np.random.RandomState(seed)))
    assert bent.dtype == np.float64
    assert 0.01 < np.abs(bent - points).max() < 3
    twin = distort(np.concatenate([points, points[:1] + 1e-4]), 0.8, 1.6, np.random.RandomState(seed))
    assert np.abs(twin[-1] - twin[0]).max() < 2e-3


def test_distortion_of_nothing_and_of_one_point():
    assert distort(np.zeros((0, 3)), 0.2, 0.4, np.random.RandomState(0)).shape == (0, 3)
    assert np.isfinite(distort(np.ones((1, 3)), 0.2, 0.4, np.random.RandomState(0))).all()


def test_distortion_of_a_lost_point():
    with pytest.raises(InputError, match="5,000 m apart"):
        distort(np.array([[0, 0, 0], [5000, 0, 0]]), 0.2, 0.4, np.random.RandomState(0))


def test_dropout_leaves_points_without_a_voxel():
    voxels = voxelise(cloud_of(1), similarity(0.1).scale)
    left = drop_out(voxels, 1 - 1e-9, official_draws(0))
    assert len(left) == 0
    for seed in range(20):
        left = drop_out(voxels, 0.2, official_draws(seed))
        if len(left) < len(voxels):
            break
    assert len(left) == int(len(voxels) * 0.8)
    there = left.index >= 0
    np.testing.assert_array_equal(left.cells[left.index[there]], voxels.cells[voxels.index[there]])
    assert 0 < there.sum() < len(there)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_must_be_finite(bad):
    cloud = cloud_of(0)
    cloud.points[7, 1] = bad
    with pytest.raises(InputError, match="finite"):
        voxelise(cloud, similarity(0.1).scale)


def test_options_are_checked():
    with pytest.raises(InputError, match="voxel size"):
        similarity(0)
    with pytest.raises(InputError, match="'first' or 'ignore'"):
        voxelise(cloud_of(0), np.eye(4), conflicts="last")


# ---- limited annotation


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([0.01, 0.05, 0.2, 0.7]), st.booleans())
def test_every_object_keeps_its_share(seed, share, compat):
    cloud = cloud_of(seed)
    points = cloud.points + 10  # far from the origin, which the published kernel avoids
    kept = annotated_points(points, cloud.instances, cloud.labels, share, compat=compat)
    np.testing.assert_array_equal(kept, annotated_points(points, cloud.instances, cloud.labels, share, compat=compat))
    for number in range(5):
        inside = np.flatnonzero(cloud.instances == number)
        assert kept[inside].sum() == min(len(inside), max(5, round(share * len(inside))))
        expected = farthest_point_sampling(points[inside], int(kept[inside].sum()), compat=compat)
        assert set(np.flatnonzero(kept[inside])) == set(expected.tolist())
    assert not kept[(cloud.instances < 0) & (cloud.labels < 0)].any()
    for label in range(4):  # labelled points of no object count as one
        inside = (cloud.instances < 0) & (cloud.labels == label)
        assert kept[inside].sum() == min(inside.sum(), max(5, round(share * inside.sum())))


def test_published_sampling_avoids_the_origin():
    points = np.zeros((50, 3), np.float32)
    points[:, 0] = np.linspace(0, 1, 50)
    assert len(kept_rows(points, 0.2)) == 10
    assert 1 not in kept_rows(np.r_[points, points], 0.99, compat=True)
    assert len(kept_rows(np.zeros((50, 3)), 0.2)) == 10
    assert len(kept_rows(np.zeros((50, 3)), 0.2, compat=True)) == 1


def test_all_points_and_small_objects():
    cloud = cloud_of(2)
    kept = annotated_points(cloud.points, cloud.instances, cloud.labels, 1)
    np.testing.assert_array_equal(kept, (cloud.instances >= 0) | (cloud.labels >= 0))
    np.testing.assert_array_equal(kept_rows(cloud.points[:3], 0.05), [0, 1, 2])
    assert len(kept_rows(cloud.points[:0], 0.05)) == 0


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_shares_are_checked(share):
    cloud = cloud_of(0)
    with pytest.raises(InputError, match="share above 0"):
        annotated_points(cloud.points, cloud.instances, cloud.labels, share)


def test_point_lists(tmp_path):
    file = tmp_path / "points.pth"
    torch.save({"scene0000_00": torch.tensor([3, 1]), "scene0001_00": [], "scene0002_00": [2]}, file)
    lists = read_point_lists(file)
    np.testing.assert_array_equal(listed_points(lists, "scene0000_00", 5), [False, True, False, True, False])
    assert listed_points(lists, "scene0002_00", 3).sum() == 1
    assert not listed_points(lists, "scene0001_00", 3).any()
    assert not listed_points(lists, "scene9999_00", 3).any()
    with pytest.raises(InputError, match="labelled point 3 of 3"):
        listed_points(lists, "scene0000_00", 3)


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": [-1]}, {"a": [[1]]}, {"a": [0.5]}, {"a": "text"}])
def test_wrong_point_lists(tmp_path, content):
    file = tmp_path / "points.pth"
    torch.save(content, file)
    with pytest.raises(InputError, match="point indices"):
        read_point_lists(file)


# ---- samples


@pytest.mark.parametrize("size", [0.02, 0.1])
def test_test_view(size):
    scan, config = room(), ViewConfig(voxel_size=size)
    sample = make_sample(scan, config)
    assert sample.labelled
    assert not sample.training
    voxels = sample.voxels
    np.testing.assert_array_equal(voxels.cells[voxels.index], np.floor(scan.points.astype(np.float64) * (1 / size)))
    batch = collate([sample], config)
    assert batch.coords.dtype == torch.int32
    np.testing.assert_array_equal(batch.coords[:, 1:], voxels.cells)
    np.testing.assert_allclose(batch.features, voxels.colors / 255 - 0.5, atol=1e-6)
    assert batch.labels is not None
    np.testing.assert_array_equal(batch.labels, voxels.labels)
    assert batch.names == ("room0",)


def test_alignment_is_used_when_asked():
    matrix = np.eye(4)
    matrix[:3, 3] = [1, 2, 3]
    scan = room(alignment=matrix)
    aligned, raw = (make_sample(scan, ViewConfig(voxel_size=0.1, align=a)).voxels for a in (True, False))
    moved = Scan(points=scan.points + np.array([1, 2, 3], np.float32), colors=scan.colors)
    np.testing.assert_array_equal(aligned.cells, make_sample(moved, ViewConfig(voxel_size=0.1)).voxels.cells)
    np.testing.assert_array_equal(raw.cells, make_sample(room(), ViewConfig(voxel_size=0.1)).voxels.cells)


@pytest.mark.parametrize(("rule", "place"), [("nearest_corner", 0.0), ("nearest_centre", 0.5)])
def test_published_ways_from_voxels_to_points(rule, place):
    scan, size = room(n=500), 0.2
    plain = make_sample(scan, ViewConfig(voxel_size=size)).voxels
    voxels = make_sample(scan, ViewConfig(voxel_size=size, voxel_to_point=rule)).voxels
    np.testing.assert_array_equal(voxels.cells, plain.cells)
    where = (voxels.cells + place) * size
    distance = np.linalg.norm(scan.points[:, None] - where[None], axis=2)
    own = np.take_along_axis(distance, voxels.index[:, None], 1)[:, 0]
    np.testing.assert_allclose(own, distance.min(1), atol=1e-9)
    assert (voxels.index != plain.index).any() == (rule == "nearest_corner")


def test_instance_view_begins_at_zero():
    config = instance_view(voxel_size=0.1)
    scan = room()
    sample = make_sample(scan, config)
    assert (sample.voxels.cells.min(0) == 0).all()
    plain = make_sample(scan, ViewConfig(voxel_size=0.1, conflicts="ignore"))
    np.testing.assert_array_equal(sample.voxels.labels, plain.voxels.labels)
    np.testing.assert_array_equal(sample.voxels.index, plain.voxels.index)
    assert config.augment.dropout == 0.2


def test_far_scans_come_near_by_a_multiple_of_the_stride():
    scan = room()
    there = Scan(points=scan.points + np.array([8192, 0, 0], np.float32), colors=scan.colors)
    config = ViewConfig(voxel_size=0.125)
    far = make_sample(there, config).voxels.cells
    assert FAR < 8192 / 0.125
    assert far.max() < 1000
    moved = np.floor(there.points.astype(np.float64) * 8)
    shift = np.unique(moved - far[make_sample(there, config).voxels.index], axis=0)
    assert len(shift) == 1
    assert (shift % STRIDE == 0).all()
    build_sites(collate([make_sample(there, config)], config).coords)


def test_training_view_depends_on_the_generator_alone():
    scan, config = room(), ViewConfig(voxel_size=0.05)
    one, again, other = (make_sample(scan, config, np.random.RandomState(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.voxels.cells, again.voxels.cells)
    np.testing.assert_array_equal(one.voxels.colors, again.voxels.colors)
    assert (one.shift, one.chance) == (again.shift, again.chance)
    assert one.shift != other.shift
    assert all(0 <= s < 100 for s in one.shift)
    assert one.training
    assert (one.voxels.index >= 0).all()


def test_training_view_without_augmentation_is_the_test_view():
    scan, config = room(), ViewConfig(voxel_size=0.05, augment=STILL)
    trained, tested = make_sample(scan, config, np.random.RandomState(0)).voxels, make_sample(scan, config).voxels
    for name in ("cells", "colors", "labels", "instances", "index"):
        np.testing.assert_array_equal(getattr(trained, name), getattr(tested, name))


def test_the_chain_in_its_published_order():
    scan, config = room(), ViewConfig(voxel_size=0.05)
    got = make_sample(scan, config, draw=official_draws(11)).voxels
    draw, augment = official_draws(11), config.augment
    bent = distort_twice(scan.points, augment, draw)
    space = similarity(0.05, augment, draw.numpy)
    cloud = Cloud(bent, scan.colors, scan.labels["semantic200"].astype(np.int64), np.zeros(len(scan), np.int64))
    seen = voxelise(cloud, space.turn @ space.scale)
    np.testing.assert_array_equal(got.cells, flip(seen.cells, augment.flip, draw.python))
    np.testing.assert_array_equal(got.colors, recolour(seen.colors, augment, draw))
    np.testing.assert_array_equal(got.labels, seen.labels)


def test_limited_annotation_leaves_the_rest_ignored():
    scan = room(n=4000)
    config = ViewConfig(voxel_size=0.02, augment=STILL, annotated=0.05)
    sample = make_sample(scan, config, np.random.RandomState(0))
    known = sample.voxels.labels >= 0
    assert 0 < known.sum() <= 200
    assert (sample.voxels.instances[~known] == NONE).all()
    assert set(sample.voxels.labels[known]) == {WALL, CHAIR, FLOOR}
    np.testing.assert_array_equal(make_sample(scan, config).voxels.labels, make_sample(scan).voxels.labels)
    mask = np.zeros(len(scan), bool)
    mask[:10] = True
    sample = make_sample(scan, ViewConfig(augment=STILL), np.random.RandomState(0), annotated=mask)
    assert (sample.voxels.labels >= 0).sum() == 10
    with pytest.raises(InputError, match=r"expected bool \[4000\]"):
        make_sample(scan, config, np.random.RandomState(0), annotated=mask[:7])


@pytest.mark.parametrize("labels", ["semantic200", "semantic20"])
def test_labels_that_are_no_class(labels):
    scan = room()
    scan.labels[labels][:3] = [200, 1163, 1357]
    with pytest.raises(InputError, match=r"got \[200, 1163, 1357\] \(3 points\)"):
        make_sample(scan, ViewConfig(labels=labels))
    scan.labels[labels][:3] = -2
    with pytest.raises(InputError, match=r"\[-2\] \(3 points\)"):
        make_sample(scan, ViewConfig(labels=labels))


def test_scans_without_labels():
    scan = room(labels={})
    sample = make_sample(scan, ViewConfig(voxel_size=0.1))
    assert not sample.labelled
    batch = collate([sample, make_sample(room(), ViewConfig(voxel_size=0.1))])
    assert batch.labels is None
    assert batch.instances is None
    assert batch.centers is None
    with pytest.raises(InputError, match="expected labels 'semantic200' to train on, got none"):
        make_sample(scan, rng=np.random.RandomState(0))


def test_everything_ignored():
    scan = room()
    scan.labels["semantic200"][:] = -1
    config = ViewConfig(voxel_size=0.1)
    batch = collate([make_sample(scan, config, np.random.RandomState(0))], config)
    assert batch.labels is not None
    assert (batch.labels == -1).all()
    assert batch.instances is not None
    assert (batch.instances == -1).all()
    assert batch.centers is not None
    np.testing.assert_array_equal(batch.centers, batch.coords[:, 1:])


def test_bad_scans():
    scan = room()
    scan.points[3] = np.nan
    with pytest.raises(InputError, match="finite"):
        make_sample(scan)
    with pytest.raises(InputError, match="finite"):
        make_sample(scan, rng=np.random.RandomState(0))
    empty = Scan(points=np.zeros((0, 3), np.float32), colors=np.zeros((0, 3), np.uint8))
    with pytest.raises(InputError, match="expected points, got none"):
        make_sample(empty)


def test_settings_survive_json():
    config = instance_view(annotated=0.05, mix=0.5)
    assert from_json(ViewConfig, to_json(config)) == config


# ---- batches


def training(count=3, **changes):
    config = ViewConfig(voxel_size=0.1, **changes)
    return [make_sample(room(i), config, np.random.RandomState(i)) for i in range(count)], config


def scene(batch: Batch, b: int) -> np.ndarray:
    rows = batch.rows(b)
    assert (batch.coords[rows, 0] == b).all()
    return batch.coords[rows, 1:].numpy()


@pytest.mark.parametrize("shift", ["batch", "scene", "none"])
def test_offsets_of_a_batch(shift):
    samples, config = training(shift=shift)
    batch = collate(samples, config)
    assert len(batch) == 3
    for b, sample in enumerate(samples):
        offset = {"batch": samples[0].shift, "scene": sample.shift, "none": (0, 0, 0)}[shift]
        np.testing.assert_array_equal(scene(batch, b), sample.voxels.cells + np.array(offset))
    tested = [make_sample(room(i), config) for i in range(2)]
    np.testing.assert_array_equal(scene(collate(tested, config), 1), tested[1].voxels.cells)


def test_scenes_past_the_limit_are_left_out():
    samples, config = training()
    sizes = [len(s.voxels) for s in samples]
    for most, kept in ((0, 3), (sum(sizes), 3), (sum(sizes) - 1, 2), (sizes[0], 1), (1, 1)):
        batch = collate(samples, replace(config, most_voxels=most))
        assert batch.sizes == tuple(sizes[:kept])
        assert batch.dropped == ("room0", "room1", "room2")[kept:]
    tested = [make_sample(room(i), config) for i in range(2)]
    assert len(collate(tested, replace(config, most_voxels=1))) == 2


def test_centers_are_those_of_the_instances():
    config = instance_view(voxel_size=0.1)
    batch = collate([make_sample(room(i), config, np.random.RandomState(i)) for i in range(2)], config)
    assert batch.instances is not None
    assert batch.centers is not None
    assert batch.labels is not None
    for b in range(2):
        cells, rows = scene(batch, b), batch.rows(b)
        instances, centers, labels = (x[rows].numpy() for x in (batch.instances, batch.centers, batch.labels))
        assert set(instances) == {-1, 1, 2}  # walls and floors are no instances
        assert (instances[(labels < 0) | (labels == WALL) | (labels == FLOOR)] == -1).all()
        for number in (1, 2):
            inside = instances == number
            expected = np.broadcast_to(cells[inside].mean(0), centers[inside].shape)
            np.testing.assert_allclose(centers[inside], expected, rtol=1e-5)
        np.testing.assert_array_equal(centers[instances < 0], cells[instances < 0])


def test_index_leads_from_points_to_voxels():
    samples, config = training(augment=STILL, shift="none")
    batch = collate(samples, config)
    for b in range(3):
        cells = np.floor(room(b).points.astype(np.float64) * 10)
        np.testing.assert_array_equal(scene(batch, b)[batch.index[b]], cells)


def test_batches_move():
    samples, config = training()
    batch = collate(samples, config).to("meta")
    assert batch.coords.device.type == "meta"
    assert batch.sizes == tuple(len(s.voxels) for s in samples)


def test_batches_are_of_one_kind():
    samples, config = training(1)
    with pytest.raises(InputError, match="at least one"):
        collate([], config)
    with pytest.raises(InputError, match="all prepared for training"):
        collate([*samples, make_sample(room(), config)], config)


# ---- mixing


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_mixed_scenes_lie_on_each_other(seed):
    one, two = (voxelise(cloud_of(s), similarity(0.1).scale) for s in (seed, seed + 1))
    both = mix(one, two)
    centred = [v.cells - np.round(v.cells.mean(0)).astype(int) for v in (one, two)]
    assert {tuple(c) for c in both.cells} == {tuple(c) for part in centred for c in part}
    np.testing.assert_array_equal(both.cells[: len(one)], centred[0])
    np.testing.assert_array_equal(both.labels[: len(one)], one.labels)
    assert both.instances[len(one) :].max(initial=-1) <= one.instances.max() + 1 + two.instances.max()
    added = both.instances[len(one) :]
    assert not (set(added[added >= 0]) & set(one.instances.tolist()))
    np.testing.assert_array_equal(both.cells[both.index[: len(one.index)]], centred[0][one.index])
    np.testing.assert_array_equal(both.cells[both.index[len(one.index) :]], centred[1][two.index])


def test_pairs():
    assert pairs([0.1, 0.9, 0.6, 0.1, 0.0], 0.5) == [(0, 1), (2,), (3,), (4,)]
    assert pairs([0.0, 0.0], 0) == [(0,), (1,)]
    assert pairs([0.99, 0.5, 0.3], 1) == [(0, 1), (2,)]
    with pytest.raises(InputError, match=r"0\.\.1"):
        pairs([0.1], 1.5)


def test_mixing_in_a_batch():
    samples, config = training(3, mix=1.0)
    batch = collate(samples, config)
    assert batch.names == ("room0 + room1", "room2")
    assert batch.labels is not None
    assert len(batch.index[0]) == 2 * len(room())
    build_sites(batch.coords)
    tested = [make_sample(room(i), config) for i in range(2)]
    assert len(collate(tested, config)) == 2  # only training scenes are mixed


def test_the_view_knows_stuff():
    assert [c.name for c, stuff in zip(scannet200(), ViewConfig().stuff) if stuff] == ["wall", "floor"]
    assert ViewConfig(labels="semantic20").stuff.sum() == 2


def test_a_turned_sight_is_that_of_the_turned_scan_and_leaves_training_alone():
    scan, angle = room(), 0.3
    c, s = np.cos(angle), np.sin(angle)
    turned = replace(scan, points=(scan.points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])).astype(np.float32))
    seen = make_sample(scan, ViewConfig(voxel_size=0.05, turn=angle)).voxels
    expected = make_sample(turned, ViewConfig(voxel_size=0.05)).voxels
    assert (seen.cells[seen.index] == expected.cells[expected.index]).all(1).mean() > 0.999  # but for rounding
    assert not np.array_equal(seen.cells, make_sample(scan, ViewConfig(voxel_size=0.05)).voxels.cells)
    one, other = (
        make_sample(scan, ViewConfig(voxel_size=0.05, turn=t), np.random.RandomState(0)).voxels for t in (0.0, angle)
    )
    np.testing.assert_array_equal(one.cells, other.cells)
