"""Clicks: what is refused, which point is meant, and how a session goes on; with a model that sees colour."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.hub import registry
from saymask.scan import Source
from saymask.scene.clicks import MOST_CLICKS, NearestPoint, check_clicks
from saymask.scene.scene import Scene
from tests.models import toy_clicks
from tests.models.toy_model import COLORS, make_scan


@pytest.fixture
def scene(monkeypatch) -> Scene:
    toy_clicks.register(monkeypatch)
    torch.manual_seed(0)
    return Scene(registry.build("toy.pointer").eval(), make_scan(0)[0])


def inside(scene: Scene, number: int, rank: int = 0) -> np.ndarray:
    """A point of object `number`, not the lowest ones, which the model does not see."""
    labels = scene.scan.labels["instance"]
    own = np.flatnonzero(labels == number)
    return scene.scan.points[own[np.argsort(-scene.scan.points[own, 2])][rank]]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


# ---- what is asked


def test_each_click_is_an_object_of_its_own(scene):
    places = [inside(scene, i) for i in (2, 0, 1)]
    masks = scene.click(places)
    assert masks.names == ("object 0", "object 1", "object 2")
    assert masks.labels is None
    truth = scene.scan.labels["instance"]
    for mask, number in zip(masks.dense, (2, 0, 1), strict=True):
        assert iou(mask, truth == number) > 0.6
    assert "click" in scene.seconds
    assert scene.model.asked == [[int(NearestPoint(scene.scan)(p[None])[0]) for p in places]]  # type: ignore[union-attr]


def test_one_place_without_a_list(scene):
    x, y, z = (float(v) for v in inside(scene, 0))
    masks = scene.click((x, y, z))
    assert len(masks) == 1
    for same in ([(x, y, z)], np.array([[x, y, z]], np.float32), torch.tensor([[x, y, z]])):
        np.testing.assert_array_equal(scene.click(same).dense, masks.dense)  # type: ignore[arg-type]
    assert len(scene.model.asked) == 1  # type: ignore[arg-type]


def test_clicks_of_one_object_are_together_and_negative_ones_take_away(scene):
    a, b = inside(scene, 0), inside(scene, 1)
    single = scene.click([a, b])
    both = scene.click([a, b], objects=0)
    assert both.names == ("object 0",)
    np.testing.assert_array_equal(both.points(0), single.points(0) | single.points(1))
    assert both.scores[0] == single.scores.max()
    less = scene.click([a, b, b], positive=[True, True, False], objects=[5, 3, 5])
    assert less.names == ("object 3", "object 5")
    np.testing.assert_array_equal(less.points(0), single.points(1))
    np.testing.assert_array_equal(less.points(1), single.points(0) & ~single.points(1))
    assert len(scene.model.asked) == 1  # type: ignore[arg-type]
    ones = scene.click([a, b, b], positive=[1, 1, 0], objects=np.int8([5, 3, 5]))  # type: ignore[list-item]
    np.testing.assert_array_equal(ones.dense, less.dense)


def test_only_new_clicks_reach_the_model(scene):
    points = NearestPoint(scene.scan)(np.stack([inside(scene, i) for i in range(4)]).astype(float)).tolist()
    scene.click(inside(scene, 0))
    scene.click([inside(scene, 1), inside(scene, 0), inside(scene, 1)])
    scene.click([inside(scene, i) for i in range(4)])
    assert scene.model.asked == [[points[0]], [points[1]], points[2:]]
    scene.forget()
    scene.click(inside(scene, 0))
    assert scene.model.asked[3:] == [[points[0]]]  # type: ignore[index]


def test_more_clicks_than_are_kept(scene):
    places = scene.scan.points[scene.scan.points[:, 2] > 0.02]
    places = np.tile(places, (2, 1))[:MOST_CLICKS]
    masks = scene.click(places)
    assert len(masks) == len(places)
    np.testing.assert_array_equal(masks.points(7), scene.click(places[7]).points(0))


def test_masks_of_clicks_belong_to_the_caller(scene):
    first = scene.click(inside(scene, 0))
    kept = first.support.copy()
    first.support[:] = False
    np.testing.assert_array_equal(scene.click(inside(scene, 0)).support, kept)


def test_threads_click_as_one_would_alone(scene):
    places = [inside(scene, i % 4, i // 4) for i in range(16)]
    jobs = [lambda i=i: scene.click(places[i : i + 3], positive=[True, True, i % 2 == 0], objects=0) for i in range(12)]
    alone = [job() for job in jobs]
    other = Scene(scene.model, scene.scan)  # its tree is built by whichever thread comes first
    jobs = [
        lambda i=i: other.click(places[i : i + 3], positive=[True, True, i % 2 == 0], objects=0) for i in range(12)
    ] * 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: job(), jobs))
    for a, b in zip(alone * 4, together, strict=True):
        np.testing.assert_array_equal(a.dense, b.dense)
        np.testing.assert_array_equal(a.scores, b.scores)


# ---- what is refused

HERE = (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([], "at least one place .* got none"),
        (np.zeros((0, 3)), "at least one place .* got none"),
        (None, "three finite numbers per click, got None"),
        ("1,2,3", "got '1,2,3'"),
        (["1", "2", "3"], "three finite numbers per click"),
        ([(1, 2, 3), (1, 2)], r"got \[\(1, 2, 3\), \(1, 2\)\]"),
        (5, r"array of shape \[\]"),
        ([12, 7], r"array of shape \[2\]"),
        (np.zeros((2, 4)), r"array of shape \[2, 4\]"),
        (np.zeros((1, 2, 3)), r"array of shape \[1, 2, 3\]"),
        (np.zeros((3, 3), bool), "three finite numbers per click"),
        ([(0, 0, 0), (0, float("nan"), 1)], r"got \(0, nan, 1\)"),
        ((0, float("inf"), 1), r"got \(0, inf, 1\)"),
        (np.zeros((MOST_CLICKS + 1, 3)), "at most 1,000 at once, got 1,001"),
    ],
)
def test_places_that_are_none(places, words):
    with pytest.raises(InputError, match=words):
        check_clicks(places, None, None)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"positive": [True]}, "positive: expected True or False for each of 2 clicks, or one for all, got 1"),
        ({"positive": [[True, True]]}, "positive: .* got 1"),
        ({"positive": [True, 2]}, "positive: expected True or False per click"),
        ({"positive": ["yes", "no"]}, "positive: expected True or False for each click"),
        ({"positive": [[True], [True]]}, "positive: expected True or False for each of 2 clicks"),
        ({"objects": [1, 2, 3]}, "objects: expected an object's number for each of 2 clicks, or one for all, got 3"),
        ({"objects": [0.5, 1]}, "objects: expected an object's number for each click"),
        ({"objects": [0, -1]}, "objects: expected whole numbers from 0"),
        ({"objects": [True, False]}, "objects: expected whole numbers from 0"),
        ({"positive": [False, False], "objects": 0}, "only negative ones for object 0; click on the object first$"),
        ({"positive": [True, False]}, "only negative ones for object 1; .* pass objects=0"),
        ({"positive": [True, False], "objects": [4, 7]}, "only negative ones for object 7; click on the object first$"),
    ],
)
def test_lists_that_do_not_fit(more, words):
    with pytest.raises(InputError, match=words):
        check_clicks([HERE, HERE], **{"positive": None, "objects": None, **more})


def test_a_click_beside_the_scan_says_how_far(scene):
    top = scene.scan.points[scene.scan.points[:, 2].argmax()].astype(float)
    near, far = top + np.array([0, 0, 0.49]), top + np.array([0, 0, 0.501])
    np.testing.assert_array_equal(scene.click(near).dense, scene.click(top).dense)
    with pytest.raises(InputError) as error:
        scene.click([top, far])
    place, point = ("({:.2f}, {:.2f}, {:.2f})".format(*p) for p in (far, top))
    assert str(error.value) == (
        f"click {place}: expected a place on the scan, got one 0.51 m away from its nearest point {point}, "
        "0.5 m at most; give metres in the scan's own frame, z up"
    )
    for x, said in ((2000.0, r"got one 1,9\d\d\.\d\d m away"), (1e300, r"\(1e\+300, .* got one 1e\+300 m away")):
        with pytest.raises(InputError, match=said):
            scene.click((x, 0, 0))


def test_a_click_in_the_frame_of_the_file_is_recognised(scene):
    points = scene.scan.points
    transform = np.diag([0.001, 0.001, 0.001, 1.0])  # a file in millimetres, moved
    transform[:3, 3] = (-5, 2, 0)
    source = Source("room.ply", "ply", len(points), np.arange(len(points)), transform=transform)
    place = (points[200] - transform[:3, 3]) * 1000
    nearest = NearestPoint(replace(scene.scan, source=source))
    with pytest.raises(InputError) as error:
        nearest(place[None].astype(float))
    here = "({:.2f}, {:.2f}, {:.2f})".format(*points[200])
    assert str(error.value).endswith(f"(in the file's frame it would be {here} there)")
    with pytest.raises(InputError, match=r"z up$"):
        nearest(np.array([[9e5, 0, 0.0]]))


def test_contradicting_clicks(scene):
    a, b = inside(scene, 0), inside(scene, 1)
    said = r"object 4 on different places, got a positive and a negative one \(click 3 and click 2 of 3\)"
    with pytest.raises(InputError, match=said):
        scene.click([b, a, a], positive=[True, False, True], objects=[4, 4, 4])
    scene.click([b, a, a], positive=[True, False, True], objects=[4, 4, 5])  # of two objects: no contradiction


def test_a_point_that_the_model_does_not_see(scene):
    lowest = scene.scan.points[scene.scan.points[:, 2].argmin()]
    with pytest.raises(InputError, match="does not see the point of click 2 of 2"):
        scene.click([inside(scene, 0), lowest])


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(-0.2, 3.2)] * 3), min_size=1, max_size=4))
def test_the_nearest_point_is_that_of_all_distances(places):
    scan = make_scan(1)[0]
    wanted = np.array(places, float)
    distance = np.linalg.norm(scan.points[None].astype(float) - wanted[:, None], axis=2)
    nearest = NearestPoint(scan)
    if (distance.min(1) > 0.5).any():
        with pytest.raises(InputError, match="m away from its nearest point"):
            nearest(wanted)
    else:
        got = nearest(wanted)
        np.testing.assert_allclose(distance[np.arange(len(wanted)), got], distance.min(1), rtol=1e-12)


# ---- a session


def test_a_session_goes_on_and_back(scene):
    clicks = scene.clicks()
    assert len(clicks) == 0
    a, b, c = (inside(scene, i) for i in range(3))
    first = clicks.add(a)
    np.testing.assert_array_equal(first.dense, scene.click(a).dense)
    wide = clicks.add(b)
    assert (len(clicks), len(wide)) == (2, 1)
    own = np.flatnonzero(scene.scan.labels["instance"] == 1)
    row = wide.index[NearestPoint(scene.scan)(b[None].astype(float))[0]]
    beside = own[(wide.index[own] >= 0) & (wide.index[own] != row)][0]  # on the same object, not the same patch
    less = clicks.add(scene.scan.points[beside], positive=False)
    assert wide.points(0)[beside]
    assert not less.points(0)[beside]
    clicks.add(c, object=7)
    assert clicks.add(c, True, 7).names == ("object 0", "object 7")
    expected = scene.click(c)
    np.testing.assert_array_equal(clicks.undo().points(1), expected.points(0))
    np.testing.assert_array_equal(clicks.undo().dense, less.dense)
    while len(clicks) > 1:
        clicks.undo()
    empty = clicks.undo()
    assert (len(empty), empty.message, empty.dense.shape) == (0, "no click yet", (0, len(scene.scan)))
    with pytest.raises(InputError, match="undo: expected a click to take back, got none"):
        clicks.undo()
    clicks.add(a)
    clicks.reset()
    assert len(clicks) == 0
    np.testing.assert_array_equal(clicks.add(b).dense, scene.click(b).dense)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((9, 9, 9),), "m away"),
        (((0, 0),), "three finite numbers"),
        (([(0, 0, 0)],), "three finite numbers"),
        ((HERE, 1), "positive: expected True or False"),
        ((HERE, True, -1), "objects: expected whole numbers from 0"),
        ((HERE, True, 1.5), "objects: expected an object's number"),
        ((HERE, True, None), "objects: expected an object's number"),
        ((HERE, False, 3), "only negative ones for object 3"),
        (("again", False, 0), "on the same patch"),
    ],
    ids=lambda v: re.sub(r"\W+", "-", str(v)),
)
def test_a_refused_click_is_not_kept(scene, arguments, words):
    clicks = scene.clicks()
    a = inside(scene, 0)
    before = clicks.add(a)
    with pytest.raises(InputError, match=words):
        clicks.add(*(a if v == "again" else v for v in arguments))
    assert len(clicks) == 1
    np.testing.assert_array_equal(clicks.add(a).dense, before.dense)


def test_threads_share_a_session(scene):
    clicks = scene.clicks()
    places = [inside(scene, i % 4, i // 4) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: clicks.add(places[i], object=i % 4), range(24)))
    assert len(clicks) == 24
    last = clicks.add(places[0])
    expected = scene.click(places, objects=[i % 4 for i in range(24)])
    np.testing.assert_array_equal(last.dense, expected.dense)


# ---- panoptic


def test_panoptic_is_disjoint_with_classes(scene):
    masks = scene.panoptic()
    assert masks.disjoint
    assert set(masks.names) == {*COLORS, "floor"}
    assert masks.labels is not None
    assert dict(zip(masks.names, masks.labels))["floor"] == 1
    np.testing.assert_array_equal(masks.union(), masks.index >= 0)
    assert (np.diff(masks.scores) <= 0).all()
    assert "panoptic" in scene.seconds
    np.testing.assert_array_equal(scene.panoptic().dense, masks.dense)
