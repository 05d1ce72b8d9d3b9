"""Masks as a collection: indexing, filtering, boxes, JSON there and back, pictures in notebooks."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.masks import Masks
from saymask.scan import Scan
from tests.io.rooms import furnished_room

POINTS, COLORS, OWNER = furnished_room(density=40)


def some_masks(labels=True):
    points = POINTS.copy()
    points[5] = np.nan
    scan = Scan.from_arrays(points, COLORS, up="z", name="room")
    bits = np.stack([np.delete(OWNER, 5) == k for k in range(5)])
    names = ("shell", "Table", "box", "wardrobe", "box")
    return Masks.from_points(
        scan, bits, [0.9, 0.5, 0.7, 0.2, 0.4], names, labels=np.array([1, 2, 3, 4, 3]) if labels else None, message="hi"
    )


def test_indexing_slicing_and_iterating():
    masks = some_masks()
    assert len(masks[1]) == len(masks[-1]) == 1
    assert masks[1].names == ("Table",)
    assert masks[1:3].names == ("Table", "box")
    assert masks[[3, 0]].names == ("wardrobe", "shell")
    assert masks[masks.scores > 0.45].names == ("shell", "Table", "box")
    assert len(masks[[]]) == len(masks[5:]) == 0
    assert [m.names[0] for m in masks] == list(masks.names)
    np.testing.assert_array_equal(masks[[3]].points(0), masks.points(3))
    with pytest.raises(IndexError):
        masks[5]


def test_filtering():
    masks = some_masks()
    assert masks.filter(score=0.5).names == ("shell", "Table", "box")
    assert len(masks.filter(name="BOX")) == 2
    assert len(masks.filter(name="box", score=0.5)) == 1
    assert masks.filter(label=4).names == ("wardrobe",)
    with pytest.raises(InputError, match="labels"):
        some_masks(labels=False).filter(label=1)


@pytest.mark.parametrize("labels", [True, False])
def test_json_there_and_back(tmp_path, labels):
    masks = some_masks(labels)
    masks.save(tmp_path / "a.json")
    for source in (tmp_path / "a.json", str(tmp_path / "a.json"), json.loads(json.dumps(masks.to_dict()))):
        again = Masks.from_json(masks.scan, source)
        np.testing.assert_array_equal(again.dense, masks.dense)
        np.testing.assert_allclose(again.scores, masks.scores)
        assert (again.names, again.message) == (masks.names, masks.message)
        assert (again.labels is None) == (not labels)


@pytest.mark.parametrize("change", [{"points": 3}, {"format": "x"}, {"masks": [{}]}, {"masks": [{"counts": [10**30]}]}])
def test_other_json_is_refused(change):
    masks = some_masks()
    with pytest.raises(InputError):
        Masks.from_json(masks.scan, masks.to_dict() | change)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, np.pi), st.floats(0.5, 2), st.floats(0.2, 0.45))
def test_the_oriented_box_is_that_of_a_turned_block(angle, long, short):
    rng = np.random.default_rng(0)
    block = np.concatenate([rng.random((400, 3)), np.indices((2, 2, 2)).reshape(3, -1).T]) * [long, short, 0.5]
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    points = (block @ turn + [1, 2, 0.5]).astype(np.float32)
    scan = Scan(points, np.full((len(points), 3), 128, np.uint8))
    center, size, turned = Masks.from_points(scan, np.ones(len(points), bool)).oriented_box(0)
    np.testing.assert_allclose(center, np.array([long, short, 0.5]) / 2 @ turn + [1, 2, 0.5], atol=1e-3)
    np.testing.assert_allclose(sorted(size[:2]), sorted([long, short]), atol=2e-3)
    assert size[2] == pytest.approx(0.5, abs=1e-3)
    away = (turned - angle) % (np.pi / 2)
    assert min(away, np.pi / 2 - away) < 0.01


def test_centroids_and_empty_masks():
    masks = some_masks()
    np.testing.assert_allclose(masks.centroid(1), masks.scan.points[masks.points(1)].mean(0), atol=1e-4)
    empty = Masks.from_points(masks.scan, np.zeros(len(masks.scan), bool))
    assert not empty.centroid(0).any()
    assert not empty.oriented_box(0)[1].any()


def test_short_words_and_a_picture():
    masks = some_masks()
    text = repr(masks)
    assert len(text.splitlines()) <= 3
    assert max(map(len, text.splitlines())) <= 130
    assert "Table 0.50" in text
    assert masks._repr_png_().startswith(b"\x89PNG")
    page = masks._repr_html_()
    assert "data:image/png;base64," in page
    assert "wardrobe" in page
