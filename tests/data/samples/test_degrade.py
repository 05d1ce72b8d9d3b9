from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.annotations import Annotation
from saymask.data.samples.degrade import Degradation, degraded, says_color, still_true
from saymask.errors import InputError
from saymask.scan import Scan


def room(seed: int = 0) -> Scan:
    """Return a floor, two walls and three boxes as a mesh-like grid of points, each surface an object of its own."""
    rng = np.random.default_rng(seed)
    side, points, instance, faces = np.arange(0, 60), [], [], []
    grid = np.stack([g.ravel() for g in np.meshgrid(side, side, indexing="ij")], axis=1) * 0.06
    square = np.arange(60 * 60).reshape(60, 60)
    corners = (square[:-1, :-1], square[1:, :-1], square[:-1, 1:], square[1:, 1:])
    a, b, c, d = (corner.ravel() for corner in corners)
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    for number, (axes, offset, scale) in enumerate([
        ((0, 1), (0, 0, 0), 1), ((0, 2), (0, 0, 0), 0.75), ((1, 2), (0, 0, 0), 0.75),
        ((0, 1), (1, 1, 0.5), 0.2), ((0, 2), (2, 2, 0), 0.2), ((1, 2), (2.5, 1, 0.2), 0.15),
    ]):  # fmt: skip
        place = np.zeros((len(grid), 3))
        place[:, axes] = grid * scale
        points.append(place + offset)
        faces.append(triangles + number * len(grid))
        instance.append(np.full(len(grid), number))
    where = np.concatenate(points).astype(np.float32)
    labels = np.concatenate(instance).astype(np.int32)
    return Scan(
        points=where, colors=rng.integers(0, 256, (len(where), 3), dtype=np.uint8),
        faces=np.concatenate(faces).astype(np.int32), superpoints=labels * 4 + (where[:, 0] > 1) * 2,
        labels={"instance": labels, "semantic20": (labels % 20).astype(np.int16)}, name="room",
    )  # fmt: skip


def about(*objects: int, text: str = "the thing") -> Annotation:
    return Annotation("room", objects, hash((objects, text)) % 1000, text, text)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), resegment=st.sampled_from([0.0, 1.0]))
def test_labels_superpoints_and_faces_stay_with_their_points(seed, resegment):
    scan = room()
    marked = replace(scan, labels={**scan.labels, "row": np.arange(len(scan))})
    switches = Degradation(share=1, resegment=resegment, tone=0, bumps=1 if resegment else 0)
    view, _ = degraded(marked, [], np.random.RandomState(seed), switches)
    rows = view.labels["row"]
    assert (np.diff(rows) > 0).all()
    for name, values in scan.labels.items():
        np.testing.assert_array_equal(view.labels[name], values[rows])
    np.testing.assert_array_equal(view.colors, scan.colors[rows])
    assert view.points.dtype == np.float32
    assert np.isfinite(view.points).all()
    # Scaled by at most 8 % about the middle, bent by millimetres: nothing jumps.
    assert np.abs(view.points - scan.points[rows]).max() < 0.08 * 4 + 0.1
    if view.faces is not None and len(view.faces):
        assert view.faces.max() < len(view)
        known = {tuple(face) for face in scan.faces.tolist()}  # type: ignore[union-attr]
        assert all(tuple(face) in known for face in rows[view.faces[:50]].tolist())
    assert view.superpoints is not None
    if resegment == 0:
        np.testing.assert_array_equal(view.superpoints, scan.superpoints[rows])  # type: ignore[index]
    else:
        assert len(view.superpoints) == len(view)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_the_same_generator_gives_the_same_view_and_the_scan_stays(seed):
    scan = room()
    before = scan.points.copy(), scan.colors.copy()
    views = [degraded(scan, [about(3), about(4)], np.random.RandomState(seed), Degradation(share=1)) for _ in range(2)]
    np.testing.assert_array_equal(views[0][0].points, views[1][0].points)
    np.testing.assert_array_equal(views[0][0].colors, views[1][0].colors)
    assert views[0][1] == views[1][1]
    np.testing.assert_array_equal(before[0], scan.points)
    np.testing.assert_array_equal(before[1], scan.colors)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_what_a_sentence_means_is_still_there(seed):
    scan, switches = room(), Degradation(share=1)
    sentences = [about(i) for i in range(6)] + [about(3, 4), about()]
    view, kept = degraded(scan, sentences, np.random.RandomState(seed), switches)
    left = np.bincount(view.labels["instance"], minlength=6)
    for annotation in sentences:
        enough = all(left[i] >= max(30, 0.15 * 3600) for i in annotation.object_ids)
        assert enough or annotation not in kept
    if (view.colors.max(1) != view.colors.min(1)).any():
        assert about() in kept


def test_both_go_when_one_is_gone_and_small_things_may_be_small():
    whole = room()
    view = replace(
        whole, points=whole.points[whole.labels["instance"] != 4], colors=whole.colors[whole.labels["instance"] != 4],
        faces=None, superpoints=None, labels={"instance": whole.labels["instance"][whole.labels["instance"] != 4]},
    )  # fmt: skip
    kept = still_true([about(3), about(4), about(3, 4), about()], whole, view, switches=Degradation())
    assert [a.object_ids for a in kept] == [(3,), ()]
    tiny = replace(whole, labels={"instance": np.where(np.arange(len(whole)) < 5, 9, 0).astype(np.int32)})
    assert still_true([about(9)], tiny, tiny, switches=Degradation())


def test_grey_views_have_no_colour_and_no_sentence_that_says_one():
    scan, switches = room(), Degradation(share=1, crop=0, cut=0, holes=0, grey=1, tone=1)
    sentences = [about(3, text="the Red box"), about(3, text="the box beside the wall")]
    view, kept = degraded(scan, sentences, np.random.RandomState(0), switches)
    assert (view.colors.max(1) == view.colors.min(1)).all()
    assert kept == sentences[1:]
    assert says_color("a dark-brown table")
    assert not says_color("the bored lightbulb")


def test_off_changes_nothing_and_draws_one_number():
    scan, rng = room(), np.random.RandomState(0)
    view, kept = degraded(scan, [about(3)], rng, Degradation())
    assert view is scan
    assert kept == [about(3)]


def test_the_cut_is_a_height_above_the_floor():
    scan = replace(room(), points=room().points + np.float32(7))
    switches = Degradation(share=1, crop=0, cut=1, cut_height=(1.0, 1.0), holes=0, bumps=0, scale=(1, 1), tone=0)
    view, _ = degraded(scan, [], np.random.RandomState(0), switches)
    assert 7.95 < view.points[:, 2].max() < 8.0


@pytest.mark.parametrize("name", [f.name for f in fields(Degradation) if f.name in ("share", "crop", "tone", "grey")])
def test_shares_are_probabilities(name):
    with pytest.raises(InputError, match=f"degrade.{name}"):
        Degradation(**{name: 1.5})
