from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.camera import Calibration, center_crop
from saymask.geometry.neighbours import ball_query_first
from saymask.geometry.projection import ImagePooling, VertexBalls, View, make_view
from tests.data.fake_frames import camera_pose, intrinsics, see
from tests.parity import GOLDEN, load
from tests.parity.bqnet_clip import clip_projection

GRID = (6, 6)
CASES = sorted((GOLDEN / "bqnet").glob("clip_projection_*.npz"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_golden(path: Path):
    for check in clip_projection(load(path), path):
        error, ok = check.error()
        assert ok, f"{check.name}: {error}"


def test_there_is_a_golden_case():
    assert CASES


def official(points, superpoints, frames, camera):
    """The published procedure, pixel by pixel, written the slow way: (features [S, C], hits [N])."""
    total = np.zeros((len(points), frames[0][2].shape[1]))
    hits = np.zeros(len(points), int)
    for depth, pose, tokens in frames:
        maps = torch.nn.functional.interpolate(
            torch.from_numpy(tokens.T.reshape(1, -1, *GRID)), depth.shape, mode="bilinear", align_corners=False
        )[0].numpy()
        for v, u in np.argwhere((depth > 0) & (depth < 20)):
            d = np.float64(depth[v, u])
            local = np.array([(u - camera[0, 2]) * d / camera[0, 0], (v - camera[1, 2]) * d / camera[1, 1], d, 1])
            place = (pose @ local)[:3].astype(np.float32)
            difference = points - place
            near = np.flatnonzero((difference**2).sum(axis=1) < np.float32(0.04) ** 2)[:25]
            total[near] += maps[:, v, u]
            hits[near] += 1
    mean = total / np.maximum(hits, 1)[:, None]
    return np.stack([mean[superpoints == s].mean(axis=0) for s in range(superpoints.max() + 1)]), hits


def room(seed, n=400):
    """A dense patch of wall and floor, so that balls overflow, and superpoints of some vertices each."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([0, 0, 0], [1, 0.3, 0.3], (n, 3))
    points[: n // 2, 1] = 0.3
    points[n // 2 :, 2] = 0
    return points.astype(np.float32), rng.permutation(np.arange(n) % 17), rng


def views_of(points, rng, count, crop=None, calibration=None):
    frames, views = [], []
    calibration = calibration or Calibration(intrinsics((16, 12)))
    for i in range(count):
        pose = camera_pose(np.array([0.2 + 0.3 * i, -0.5, 0.6]), np.array([0.4 + 0.1 * i, 0.3, 0.1]))
        depth = see(points, pose, calibration.depth, (16, 12)).astype(np.float32) / 1000
        depth += rng.normal(0, 0.01, depth.shape).astype(np.float32) * (depth > 0)
        tokens = rng.normal(size=(GRID[0] * GRID[1], 5)).astype(np.float32)
        frames.append((depth, pose, tokens))
        views.append(make_view(depth, pose, calibration, crop, GRID))
    return frames, views


def pooled(points, superpoints, frames, views, *, stretched):
    pooling = ImagePooling(points, superpoints, grid=GRID, stretched=stretched)
    for view in views:
        pooling.add_counts(pooling.count(view))
    pooling.finish_counts()
    for view, (_, _, tokens) in zip(views, frames):
        pooling.add(pooling.weights(view), torch.from_numpy(tokens))
    return pooling.result(5), pooling


@pytest.mark.parametrize("seed", range(3))
def test_stretched_is_the_published_procedure(seed):
    points, superpoints, rng = room(seed)
    frames, views = views_of(points, rng, 3)
    expected, hits = official(points, superpoints, frames, intrinsics((16, 12)))
    found, pooling = pooled(points, superpoints, frames, views, stretched=True)
    np.testing.assert_array_equal(pooling.hits, hits)
    assert 0 < (hits == 0).sum() < len(hits)  # seen and unseen vertices both
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_superpoints_are_means_over_seen_vertices_by_default():
    points, superpoints, rng = room(5)
    frames, views = views_of(points, rng, 3)
    single, pooling = pooled(points, np.arange(len(points)), frames, views, stretched=False)
    found, _ = pooled(points, superpoints, frames, views, stretched=False)
    official_rule, _ = pooled(points, superpoints, frames, views, stretched=True)
    seen = pooling.hits > 0
    for s in range(17):
        inside = superpoints == s
        assert seen[inside].any()
        np.testing.assert_allclose(found[s], single[inside & seen].mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(official_rule[s], single[inside & seen].sum(axis=0) / inside.sum(), atol=1e-5)
    assert np.abs(found - official_rule).max() > 0.01


def test_corrected_projection_finds_the_colour_pixel():
    """A map that holds its own coordinates tells where on it each vertex landed: where the colour camera saw it."""
    rng = np.random.default_rng(0)
    camera, size = intrinsics((320, 240)), (320, 240)
    color_size = (400, 300)
    color = intrinsics(color_size, focal=1.1)
    color[0, 2] += 12
    shift = np.eye(4)
    shift[0, 3] = -0.08
    grid = np.stack(np.meshgrid(np.linspace(-1.3, 1.3, 14), np.linspace(-1, 1, 11)), -1).reshape(-1, 2)
    points = np.column_stack([grid[:, 0], 2 + rng.uniform(-0.3, 0.3, len(grid)), grid[:, 1]]).astype(np.float32)
    pose = camera_pose(np.array([0.1, 0, 0.05]), np.array([0.0, 2, 0]))
    depth = see(points, pose, camera, size).astype(np.float32) / 1000
    cells = (24, 24)
    crop = center_crop(*color_size, 336)
    view = make_view(depth, pose, Calibration(camera, color, shift), crop, cells)
    pooling = ImagePooling(points, np.arange(len(points)), grid=cells)
    pooling.add_counts(pooling.count(view))
    pooling.finish_counts()
    ramp = np.stack(np.meshgrid(np.arange(24.0), np.arange(24.0), indexing="ij"), -1).reshape(-1, 2)
    pooling.add(pooling.weights(view), torch.from_numpy(ramp).float())
    found = pooling.result(2)
    # By hand: to the colour camera, its pixel, the resized image (448 x 336), the crop, cells of 14 pixels.
    local = np.column_stack([points, np.ones(len(points))]) @ np.linalg.inv(pose).T @ shift.T
    x = (color[0, 0] * local[:, 0] / local[:, 2] + color[0, 2] + 0.5) * (448 / 400) - 56
    y = (color[1, 1] * local[:, 1] / local[:, 2] + color[1, 2] + 0.5) * (336 / 300)
    at = np.column_stack([y, x]) / 14 - 0.5
    seen = pooling.hits > 0
    inside = ((at > 0) & (at < 23)).all(axis=1)
    outside = ((at < -0.6) | (at > 23.6)).any(axis=1)
    assert seen[inside].sum() > 40
    assert outside.sum() > 20
    # Nearer vertices hide some; one depth pixel is 1.25 colour pixels, or a tenth of a cell.
    np.testing.assert_allclose(found[seen & inside], at[seen & inside], atol=0.12)
    assert not seen[outside].any()
    assert not found[~seen].any()


def test_without_colour_intrinsics_the_fields_of_view_agree():
    points, _, rng = room(1)
    crop = center_crop(64, 48, 28)
    _, given_views = views_of(points, rng, 1, crop, Calibration(intrinsics((16, 12)), intrinsics((64, 48))))
    _, assumed = views_of(points, np.random.default_rng(0), 1, crop, Calibration(intrinsics((16, 12))))
    rows = np.abs(given_views[0].cells[:, None] - assumed[0].cells[None]).max(axis=2)
    # intrinsics() puts the middle of both cameras at the same place and scales the focal length with the width.
    assert (rows.min(axis=1) < 1e-9).all()


def test_behind_the_colour_camera_is_not_seen():
    depth = np.full((12, 16), 0.5, np.float32)
    shift = np.eye(4)
    shift[2, 3] = -1.0
    calibration = Calibration(intrinsics((16, 12)), intrinsics((64, 48)), shift)
    assert len(make_view(depth, np.eye(4), calibration, center_crop(64, 48, 28), GRID)) == 0


def test_depth_limits():
    depth = np.array([[0, 19.99, 20, 25, 1e-3, 0]], np.float32)
    view = make_view(depth, np.eye(4), Calibration(intrinsics((6, 1))), None, GRID)
    np.testing.assert_allclose(view.places[:, 2], [19.99, 1e-3], rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 300), st.integers(1, 60), st.integers(1, 30), st.floats(0.01, 0.5))
def test_links_equal_the_plain_ball_query(seed, n, m, most, radius):
    rng = np.random.default_rng(seed)
    scale = rng.choice([0.1, 1.0, 30.0])
    points = (rng.normal(size=(n, 3)) * scale).astype(np.float32)
    places = (points[rng.integers(0, n, m)] + rng.normal(0, radius, (m, 3))).astype(np.float32)
    places[::7] += 1000
    difference = places[:, None] - points[None]
    near = (difference[..., 0] ** 2 + difference[..., 1] ** 2 + difference[..., 2] ** 2) < np.float32(radius) ** 2
    near &= np.cumsum(near, axis=1) <= most
    found = VertexBalls(points, radius, most).count(places)
    np.testing.assert_array_equal(found, near.sum(axis=0))
    other = ball_query_first(places, points, most, radius)
    np.testing.assert_array_equal(found, np.bincount(other[other >= 0], minlength=n))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 80), st.integers(1, 6))
def test_weights_of_a_seen_superpoint_sum_to_one(seed, n, groups):
    """Corrected rule: what a superpoint gets is a mean; official rule: the mean times the share of seen vertices."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 0.3, (n, 3)).astype(np.float32)
    group = np.append(rng.integers(0, groups, n - 1), groups - 1)
    places = rng.uniform(0, 0.3, (20, 3)).astype(np.float32)
    views = [View(places[:12], rng.uniform(-2, 8, (12, 2))), View(places[12:], rng.uniform(-2, 8, (8, 2)))]
    for stretched in (False, True):
        pooling = ImagePooling(points, group, grid=GRID, stretched=stretched)
        for view in views:
            pooling.add_counts(pooling.count(view))
        pooling.finish_counts()
        total = sum(pooling.weights(view).sum(axis=1) for view in views)
        share = np.bincount(group, pooling.hits > 0, groups) / np.maximum(np.bincount(group, minlength=groups), 1)
        np.testing.assert_allclose(total, share if stretched else (share > 0), atol=1e-5)
        np.testing.assert_array_equal(pooling.seen, share > 0)


def test_a_scan_that_no_frame_sees():
    points, superpoints, rng = room(0)
    frames, views = views_of(points, rng, 2)
    found, pooling = pooled(points + 100, superpoints, frames, views, stretched=False)
    assert found.shape == (17, 5)
    assert not found.any()
    assert not pooling.seen.any()
    empty = ImagePooling(points, superpoints, grid=GRID)
    empty.finish_counts()
    assert empty.result(7).shape == (17, 7)


def test_places_that_are_not_finite_link_nothing():
    points = np.zeros((3, 3), np.float32)
    places = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [0, 0, 0], [-1e30, 0, 0]], np.float32)
    np.testing.assert_array_equal(VertexBalls(points).count(places), [1, 1, 1])


def test_bad_arguments():
    points = np.zeros((3, 3), np.float32)
    with pytest.raises(InputError, match="radius"):
        VertexBalls(points, 0)
    with pytest.raises(InputError, match="finite"):
        VertexBalls(points * np.nan)
    with pytest.raises(InputError, match=r"\[N, 3\]"):
        VertexBalls(points[:0])
    with pytest.raises(InputError, match="far spread"):
        VertexBalls(np.array([[0, 0, 0], [1e30, 1e30, 1e30]], np.float32))
    with pytest.raises(InputError, match="superpoints"):
        ImagePooling(points, np.array([0, -1, 0]), grid=GRID)
    with pytest.raises(InputError, match="superpoints"):
        ImagePooling(points, np.array([0, 0]), grid=GRID)
    pooling = ImagePooling(points, np.zeros(3, int), grid=GRID)
    with pytest.raises(InputError, match="36 map cells"):
        pooling.add(np.zeros((1, 36), np.float32), torch.zeros(35, 4))
    with pytest.raises(InputError, match="one pixel"):
        center_crop(0, 5, 28)


@pytest.mark.parametrize(
    ("size", "resized", "corner"),
    [
        ((1296, 968), (449, 336), (56, 0)),
        ((640, 480), (448, 336), (56, 0)),
        ((480, 640), (336, 448), (0, 56)),
        ((336, 336), (336, 336), (0, 0)),
        ((100, 100), (336, 336), (0, 0)),
        ((347, 336), (347, 336), (6, 0)),
    ],
)
def test_center_crop(size, resized, corner):
    """torchvision's Resize and CenterCrop: long edge rounded down, corner rounded half to even."""
    crop = center_crop(*size, 336)
    assert (crop.resized_width, crop.resized_height) == resized
    assert (crop.left, crop.top) == corner
    assert crop.side == 336
