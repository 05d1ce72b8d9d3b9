from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.cloud_superpoints import _range, _site_normals, cloud_superpoints
from saymask.geometry.graph_segmentation import compact_roots, segment_graph, sort_weights
from saymask.geometry.neighbours import knn
from saymask.geometry.superpoints import (
    mesh_superpoint_roots,
    mesh_superpoints,
    superpoints_of,
)
from saymask.geometry.voxelize import voxelize

REAL = Path(__file__).parents[2] / "../shared/data/real"
HOUSE, KINECT = REAL / "small_house.npz", REAL / "kinect_office.pcd"


def plane(n: int, step: float = 0.02) -> np.ndarray:
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2) * step
    return np.c_[grid, np.zeros(len(grid))].astype(np.float32)


def grid_faces(n: int) -> np.ndarray:
    corner = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).reshape(-1)
    return np.r_[np.c_[corner, corner + n, corner + 1], np.c_[corner + 1, corner + n, corner + n + 1]].astype(np.int32)


def corner_of_room(n: int = 40) -> np.ndarray:
    """A floor and two walls that meet at the origin; the side of point i is i // n^2."""
    floor = plane(n) + np.array([0.02, 0.02, 0], np.float32)
    return np.concatenate([floor[:, [0, 1, 2]], floor[:, [0, 2, 1]], floor[:, [2, 0, 1]]])


@dataclass
class FakeScan:
    points: np.ndarray
    colors: np.ndarray
    normals: Any = None
    faces: Any = None
    superpoints: Any = None
    has_color: bool = True


def purity(superpoints: np.ndarray, truth: np.ndarray) -> float:
    table = np.zeros((superpoints.max() + 1, truth.max() + 1), np.int64)
    np.add.at(table, (superpoints, truth), 1)
    return table.max(axis=1).sum() / len(truth)


@given(st.lists(st.floats(width=32), max_size=60))
@settings(max_examples=60, deadline=None)
def test_sort_weights_is_a_stable_sort(values):
    weights = np.array(values, np.float32) + np.float32(0)  # -0.0 becomes 0.0, which the bits would tell apart
    assert sort_weights(weights).tolist() == np.argsort(weights, kind="stable").tolist()


def reference_segments(ends, weights, sizes, k, least):
    """Felzenszwalb's algorithm over sets, written for clarity."""
    member = {v: frozenset([v]) for v in range(len(sizes))}
    limit = {member[v]: np.float32(k) for v in member}
    weigh = lambda s: sum(sizes[v] for v in s)  # noqa: E731
    order = np.argsort(weights, kind="stable")

    def join(a, b):
        both = a | b
        for v in both:
            member[v] = both
        return both

    for e in order:
        a, b = (member[v] for v in ends[e])
        if a != b and weights[e] <= limit[a] and weights[e] <= limit[b]:
            both = join(a, b)
            limit[both] = weights[e] + np.float32(k) / np.float32(weigh(both))
    for e in order:
        a, b = (member[v] for v in ends[e])
        if a != b and (weigh(a) < least or weigh(b) < least):
            join(a, b)
    return np.array([min(member[v]) for v in range(len(sizes))])


@given(st.integers(1, 14), st.integers(0, 40), st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=80, deadline=None)
def test_graph_segmentation_equals_the_textbook(n, edges, seed, least):
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, n, (edges, 2)).astype(np.int32)
    weights = rng.integers(0, 14, edges).astype(np.float32) / 8  # the first limit, 1.5, and beyond it
    sizes = rng.integers(1, 4, n)
    roots = segment_graph(ends, weights, sizes, 1.5, least)
    expected = reference_segments(ends, weights, sizes, 1.5, least)
    assert ((roots[:, None] == roots) == (expected[:, None] == expected)).all()
    assert (roots[roots] == roots).all()
    ids = compact_roots(roots)
    assert sorted(set(ids.tolist())) == list(range(ids.max() + 1))


@pytest.mark.parametrize("ends", [[0, 1], [1, 0]])
def test_a_weight_at_the_limit_of_either_side_joins(ends):
    sizes, edge = np.array([1, 1]), np.array([ends], np.int32)
    for weight, joined in ((1.5, True), (np.nextafter(np.float32(1.5), np.float32(2)), False)):
        roots = segment_graph(edge, np.array([weight], np.float32), sizes, 1.5, 1)
        assert (roots[0] == roots[1]) == joined
    # 0 and 1 join at 0.25, which leaves them the limit 0.25 + 1.5 / 2; 2 alone has 1.5.
    chain = np.array([[0, 1], ends], np.int32) + np.array([[0], [1]], np.int32)
    for weight, joined in ((1.0, True), (1.0625, False)):
        roots = segment_graph(chain, np.array([0.25, weight], np.float32), np.ones(3, np.int64), 1.5, 1)
        assert (roots[1] == roots[2]) == joined


def test_a_small_segment_is_absorbed_below_the_least_size_only():
    ends, weights = np.array([[0, 1], [1, 2], [2, 3]], np.int32), np.array([0, 9, 0], np.float32)
    for least, segments in ((2, 2), (3, 1)):
        assert len(set(segment_graph(ends, weights, np.ones(4, np.int64), 1.0, least).tolist())) == segments


def test_a_missing_normal_looks_the_way_of_the_given_ones_around_it():
    points = plane(12) + np.float32(0.005)  # well inside cells of a centimetre
    for up in (1.0, -1.0):
        normals = np.tile(np.float32([0, 0, up]), (len(points), 1))
        normals[[30, 66, 101]] = np.nan
        voxels = voxelize(points, 0.01)
        sites = voxels.mean(points)
        assert len(sites) == len(points)  # a cell each, so that three cells have no normal
        found = _site_normals(voxels, sites, normals, knn(sites, 13)[0])
        np.testing.assert_allclose(found, np.tile([0, 0, up], (len(sites), 1)), atol=1e-5)


def test_a_fold_parts_a_mesh_but_not_a_bulge():
    n = 30
    points, faces = plane(n), grid_faces(n)
    bent = points.copy()
    bent[:, 2] = np.maximum(bent[:, 0] - 0.3, 0)  # a valley seen from above: concave
    ids = mesh_superpoints(bent, faces)
    assert purity(ids, (bent[:, 0] > 0.3).astype(int)) > 0.95
    assert ids.max() >= 1
    assert mesh_superpoints(points, faces).max() == 0


def test_min_vertices_holds_within_connected_parts():
    rng = np.random.default_rng(0)
    points = plane(25)
    points[:, 2] = rng.normal(0, 0.01, len(points))
    ids = mesh_superpoints(points, grid_faces(25), min_vertices=30)
    assert np.bincount(ids).min() >= 30


def test_vertices_without_faces_stand_alone_and_flat_faces_do_no_harm():
    points = np.concatenate([plane(10), [[5, 5, 5], [5, 5, 5]]]).astype(np.float32)
    faces = np.concatenate([grid_faces(10), [[0, 0, 1], [3, 3, 3]]]).astype(np.int32)
    ids = mesh_superpoints(points, faces)
    assert ids.max() == 2
    assert len({ids[0], ids[-1], ids[-2]}) == 3
    assert mesh_superpoint_roots(points, faces)[-1] == len(points) - 1
    assert mesh_superpoints(points, np.zeros((0, 3), np.int32)).tolist() == list(range(len(points)))


@pytest.mark.parametrize(
    ("faces", "says"), [([[0, 1, 9]], "0..3"), ([[0, -1, 2]], "-1"), ([[0, 1]], r"\[F, 3\]")], ids=str
)
def test_bad_faces(faces, says):
    with pytest.raises(InputError, match=says):
        mesh_superpoints(np.zeros((4, 3), np.float32), np.array(faces))


def test_cloud_parts_floor_and_walls():
    points = corner_of_room()
    side = np.arange(len(points)) // 1600
    ids = cloud_superpoints(points, count=None)
    assert ids.dtype == np.int32
    # What is lost are the two rows of cells next to each edge, whose normals look half way round.
    assert purity(ids, side) > 0.93
    assert ids.max() < 12


def test_cloud_is_invariant_to_order_duplicates_and_bad_normals():
    rng = np.random.default_rng(1)
    points = corner_of_room()
    ids = cloud_superpoints(points)
    order = rng.permutation(len(points))
    shuffled = cloud_superpoints(points[order])
    assert len(np.unique(np.c_[ids[order], shuffled], axis=0)) == ids.max() + 1
    twice = cloud_superpoints(np.repeat(points, 2, axis=0))
    assert (twice[::2] == twice[1::2]).all()
    normals = np.full(points.shape, np.nan, np.float32)
    assert (cloud_superpoints(points, normals) == ids).all()
    true = np.repeat(np.eye(3, dtype=np.float32)[[2, 1, 0]], 1600, axis=0)
    true[::7] = np.nan
    assert purity(cloud_superpoints(points, true, size=0.01, count=None), np.arange(len(points)) // 1600) > 0.99


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.tuples(*[st.floats(-20, 20)] * 3))
def test_cloud_hardly_depends_on_where_it_lies_and_how_it_is_turned(seed, shift):
    rng = np.random.default_rng(seed)
    points = corner_of_room(60) + rng.normal(0, 0.002, (3 * 3600, 3)).astype(np.float32)
    ids = cloud_superpoints(points)
    moved = cloud_superpoints(points + np.array(shift, np.float32))
    assert min(purity(ids, moved), purity(moved, ids)) > 0.99
    for turns in (1, 2, 3):
        turned = np.linalg.matrix_power([[0, -1, 0], [1, 0, 0], [0, 0, 1]], turns).astype(np.float32)
        other = cloud_superpoints(points @ turned.T)
        assert min(purity(ids, other), purity(other, ids)) > 0.95
        assert abs(int(other.max()) - int(ids.max())) < 0.1 * ids.max()


def test_colour_parts_what_geometry_does_not():
    points = plane(60)
    colors = np.where(points[:, :1] < 0.6, [200, 30, 30], [40, 40, 180]).astype(np.uint8)
    truth = (points[:, 0] < 0.6).astype(int)
    assert cloud_superpoints(points, count=None).max() == 0
    assert purity(cloud_superpoints(points, None, colors, count=None), truth) == 1


def test_count_is_reached_from_below_and_above():
    points = corner_of_room(150)
    coarse = cloud_superpoints(points, size=0.02, count=None)
    fine = cloud_superpoints(points, size=0.02, count=(200, 4000))
    assert coarse.max() < 50
    assert 200 <= fine.max() + 1 <= 4000
    # Cutting respects every border that was there.
    assert purity(fine, coarse) == 1
    noisy = points + np.random.default_rng(0).normal(0, 0.02, points.shape)
    free, bound = (cloud_superpoints(noisy, size=0.02, count=c) for c in (None, (20, 300)))
    assert free.max() > 300
    assert bound.max() + 1 <= 300


def test_clouds_of_few_and_lonely_points():
    assert cloud_superpoints(np.zeros((0, 3))).tolist() == []
    assert cloud_superpoints(np.zeros((1, 3))).tolist() == [0]
    assert cloud_superpoints(np.zeros((50, 3))).tolist() == [0] * 50
    line = np.c_[np.arange(40) * 0.01, np.zeros((40, 2))]
    assert cloud_superpoints(line).min() == 0
    lonely = np.concatenate([corner_of_room(), np.random.default_rng(0).uniform(3, 9, (20, 3))])
    ids = cloud_superpoints(lonely)
    assert ids.shape == (len(lonely),)
    assert sorted(set(ids.tolist())) == list(range(ids.max() + 1))


def test_bad_cloud():
    with pytest.raises(InputError, match="colors"):
        cloud_superpoints(plane(10), None, np.zeros((3, 3), np.uint8))
    with pytest.raises(InputError, match="normals"):
        cloud_superpoints(plane(10), np.zeros((3, 3)))
    with pytest.raises(InputError, match="NaN"):
        cloud_superpoints(np.full((10, 3), np.nan))


def test_superpoints_of_picks_the_best_there_is():
    points = plane(20)
    grey = np.full(points.shape, 128, np.uint8)
    own = np.arange(len(points), dtype=np.int32)
    assert superpoints_of(FakeScan(points, grey, superpoints=own)) is own  # type: ignore
    meshed = superpoints_of(FakeScan(points, grey, faces=grid_faces(20)))  # type: ignore
    assert (meshed == mesh_superpoints(points, grid_faces(20))).all()
    bare = cloud_superpoints(points, None, grey)
    assert (superpoints_of(FakeScan(points, grey)) == bare).all()  # type: ignore
    # A few triangles on a large cloud, and triangles that share nothing, are no mesh to speak of.
    assert (superpoints_of(FakeScan(points, grey, faces=grid_faces(20)[:5])) == bare).all()  # type: ignore
    crumbs = np.arange(399).reshape(-1, 3)
    assert (superpoints_of(FakeScan(points, grey, faces=crumbs)) == bare).all()  # type: ignore


@pytest.mark.skipif(not HOUSE.exists(), reason="the shared scan small_house.npz is not here")
def test_a_room_of_the_house():
    with np.load(HOUSE) as house:
        points, colors, instance, names = (house[k] for k in ("xyz", "rgb", "instance", "names"))
    room = (points[:, 0] > -1) & (points[:, 0] < 5) & (points[:, 1] > -1) & (points[:, 1] < 5)
    # The carpets lie a millimetre or two above the floor: its points below them are in the same cells.
    floor = np.char.startswith(names, "Floor")[instance]
    under = np.zeros(len(points), dtype=bool)
    for index in np.flatnonzero(np.char.startswith(names, "Carpet")):
        carpet = points[instance == index]
        under |= floor & ((points > carpet.min(0) - 0.01) & (points < carpet.max(0) + 0.01)).all(axis=1)
    points, colors, instance = (a[room & ~under] for a in (points, colors, instance))
    ids = cloud_superpoints(points, None, colors)
    assert 1000 <= ids.max() + 1 <= 4000
    assert purity(ids, instance.astype(np.int64) - instance.min()) > 0.97


@pytest.mark.skipif(not KINECT.exists(), reason="the shared scan kinect_office.pcd is not here")
def test_one_view_of_an_office():
    from saymask.io.load import load_scan

    scan = load_scan(KINECT, quiet=True)
    ids = superpoints_of(scan)
    assert ids.shape == (len(scan.points),)
    assert 200 <= ids.max() + 1 <= 4000
    # Most of the view is floor, so the median height is its own; it must not run into what stands on it.
    floor = np.abs(scan.points[:, 2] - np.median(scan.points[:, 2])) < 0.05
    assert purity(ids, floor.astype(int)) > 0.97


def test_the_wanted_number_follows_the_surface():
    from saymask.geometry.cloud_superpoints import LEAST_SURFACE, ROOM_SURFACE

    assert LEAST_SURFACE < ROOM_SURFACE
    many = 10**9
    assert _range(None, 5.0, 700) == (0, 700)
    assert _range((100, 400), ROOM_SURFACE, many) == (100, 400)
    assert _range((100, 400), 2 * ROOM_SURFACE, many) == (200, 800)
    assert _range((100, 400), LEAST_SURFACE, many) == (100, 400)  # a part of a room is cut as finely as all of it
    assert _range((100, 400), LEAST_SURFACE / 4, many) == (25, 400)
    assert _range((100, 400), ROOM_SURFACE, 240) == (10, 30)  # 24 and 8 cells each
    assert _range((100, 400), ROOM_SURFACE, 5) == (0, 1)
