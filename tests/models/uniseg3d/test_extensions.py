"""What goes beyond the paper: objects that a sentence means, names that training hears, and what words find."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from saymask.labels.tables import scannet200
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.encoded import Semantics, SuperpointOutputs
from saymask.models.uniseg3d.extensions import (
    clicked_objects,
    clicked_surfaces,
    mentions,
    named_parts,
    object_logits,
    referred_objects,
    shown_objects,
    vocabulary_ids,
    vocabulary_names,
    vocabulary_rows,
    word_relevance,
)
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.models.uniseg3d.postprocess import Found
from saymask.models.uniseg3d.presets import HELD_OUT


def test_held_out_names_are_left_out():
    names, ids, rows = vocabulary_names(HELD_OUT), vocabulary_ids(HELD_OUT), vocabulary_rows(HELD_OUT)
    assert len(names) == len(ids) == 200 - len(HELD_OUT)
    assert not set(names) & set(HELD_OUT)
    for index, known in enumerate(scannet200()):
        if known.name in HELD_OUT:
            assert rows[index] == -1
        else:
            assert names[rows[index]] == known.name
            assert ids[rows[index]] == known.id
    assert vocabulary_names() == tuple(c.name for c in scannet200())


@pytest.mark.parametrize(
    ("sentence", "heard"),
    [
        ("The Bench beside the door.", True),
        ("two benches", False),
        ("it is next to the laptops", True),
        ("a workbench", False),
        ("a chair", False),
    ],
)
def test_mentions(sentence, heard):
    assert mentions(sentence, ("bench", "laptop")) == heard
    assert not mentions(sentence, ())


def said_of(queries, masks, directions, iou=0.9, classes=19):
    """What queries with masks float [Q, S] and superpoints with directions [S, W] and classes of the 20 say."""
    q, s = masks.shape
    stage = LayerOutputs(torch.zeros(q, 19), masks, torch.zeros(q, 4), torch.full((q,), iou), queries)
    semantic = F.one_hot(torch.as_tensor(classes).expand(s), 21).float()
    return SuperpointOutputs(stage=stage, semantic=semantic, directions=directions)


def parts_of(said, counts, vocabulary, config, rooms=None, floors=None):
    objects = shown_objects(said.stage, counts, config)
    rooms, floors = (torch.zeros_like(counts) if each is None else each for each in (rooms, floors))
    return named_parts(objects, said, counts, rooms, floors, vocabulary, config)


def test_parts_are_objects_and_what_is_left():
    vocabulary = torch.eye(200, 202)
    counts = torch.tensor([60, 60, 200, 300, 5])
    # One object (twice) on superpoints 0 and 1, which by themselves look like names 1 and 2; the query says 1.
    masks = torch.full((3, 5), -9.0)
    masks[:2, :2] = 9
    masks[2, 4] = 9  # too few points to be an object
    directions = vocabulary[[1, 2, 3, 3, 0]]
    said = said_of(vocabulary[[1, 1, 0]], masks, directions)
    found, share = parts_of(said, counts, vocabulary, UniSeg3DConfig(agnostic_threshold=0.5, fewest_points=100))
    assert found.tolist() == [
        [True, True, False, False, False],
        [False, False, True, True, False],  # the rest by name: 3; of 0 there are too few points
    ]
    np.testing.assert_allclose(share.sum(1), 1, rtol=1e-5)
    assert share.argmax(1).tolist() == [1, 3]
    sure, other = (vocabulary[name, :200].div(0.07).softmax(0) for name in (1, 2))  # of a direction that is a name
    torch.testing.assert_close(share[0], (sure + (sure + other) / 2) / 2)


def test_wall_and_floor_are_parts_by_their_classes():
    names = vocabulary_names()
    vocabulary = torch.eye(200, 202)
    door, floor, wall = (names.index(name) for name in ("door", "floor", "wall"))
    # Superpoint 0 is in an object but wall by its class; 1 is floor, whatever it looks like; 2 is neither.
    masks = torch.full((1, 3), -9.0)
    masks[0, 0] = 9
    said = said_of(vocabulary[[door]], masks, vocabulary[[door, door, door]], classes=[0, 1, 19])
    found, share = parts_of(said, torch.tensor([120, 120, 120]), vocabulary, UniSeg3DConfig(agnostic_threshold=0.5))
    named = dict(zip(share.argmax(1).tolist()[1:], found.tolist()[1:], strict=True))
    assert found[0].tolist() == [True, False, False]
    assert share[0, [door, wall]].tolist() == pytest.approx([0.5, 0.5], abs=1e-3)  # its query and its superpoint
    assert named == {wall: [True, False, False], floor: [False, True, False], door: [False, False, True]}
    assert share[1:].amax(1).sort().values[1:].tolist() == [1, 1]
    left_out = UniSeg3DConfig(agnostic_threshold=0.5, held_out=HELD_OUT)
    fewer = torch.eye(200 - len(HELD_OUT), 202)
    found, share = parts_of(said, torch.tensor([120, 120, 120]), fewer, left_out)
    assert {vocabulary_names(HELD_OUT)[row] for row in share.argmax(1)} >= {"wall", "floor"}


def test_a_floor_goes_on_through_windows_and_a_wall_does_not():
    vocabulary = torch.eye(200, 202)
    said = said_of(vocabulary[:1], torch.full((1, 5), -9.0), vocabulary[[7] * 5], classes=[0, 0, 1, 1, 1])
    counts, rooms, floors = torch.full((5,), 120), torch.tensor([0, 1, 0, 1, 2]), torch.tensor([0, 0, 0, 0, 1])
    found, share = parts_of(said, counts, vocabulary, UniSeg3DConfig(agnostic_threshold=0.5), rooms, floors)
    names = [vocabulary_names()[row] for row in share.argmax(1)]
    assert [found[row].nonzero()[:, 0].tolist() for row in range(len(found)) if names[row] == "wall"] == [[0], [1]]
    assert [found[row].nonzero()[:, 0].tolist() for row in range(len(found)) if names[row] == "floor"] == [[2, 3], [4]]


def test_a_scan_of_nothing_but_one_object_has_no_rest():
    vocabulary = torch.eye(200, 201)
    said = said_of(vocabulary[:1], torch.full((1, 2), 9.0), vocabulary[[0, 0]])
    found, share = parts_of(said, torch.tensor([80, 90]), vocabulary, UniSeg3DConfig())
    assert found.tolist() == [[True, True]]
    assert share.shape == (1, 200)
    nothing = said_of(vocabulary[:1], torch.full((1, 2), -9.0), vocabulary[[0, 1]])
    found, _ = parts_of(nothing, torch.tensor([180, 190]), vocabulary, UniSeg3DConfig())
    assert found.tolist() == [[True, False], [False, True]]


def test_unknown_words_are_found_by_known_ones():
    generator = torch.Generator().manual_seed(0)
    vocabulary = F.normalize(torch.randn(30, 64, generator=generator), dim=1)
    share = torch.zeros(3, 30)
    share[0, 4] = share[1, 9] = 1
    share[2, 4] = share[2, 20] = 0.5
    couch = F.normalize(vocabulary[4] + 0.3 * vocabulary[20], dim=0)
    strange = F.normalize(torch.randn(64, generator=generator), dim=0)
    ways = torch.stack([torch.stack([couch, couch]), torch.stack([strange, vocabulary[9]])])
    fits = word_relevance(share, ways, vocabulary)
    assert fits.shape == (3, 2)
    assert fits[0, 0] == pytest.approx(1, abs=1e-5)  # the closest known name
    assert 0 < fits[2, 0] < fits[0, 0]  # another one with a part of it
    assert fits[1, 0] == 0
    assert fits[:, 1].tolist() == pytest.approx([0, 1, 0], abs=1e-5)  # a name with two ways to say it takes the better


def test_the_best_fit_of_a_scan_leaves_nothing_to_what_fits_less():
    vocabulary = torch.eye(12)
    word = F.normalize(vocabulary[0] + 0.9 * vocabulary[1], dim=0)[None, None]
    share = torch.zeros(2, 12)
    share[0, 0], share[1, 1] = 1, 1
    alone = word_relevance(share[1:], word, vocabulary)
    both = word_relevance(share, word, vocabulary)
    assert alone[0, 0] > 0.85
    assert both[0, 0] == pytest.approx(1)
    assert both[1, 0] < 0.05
    assert word_relevance(share[:0], word, vocabulary).shape == (0, 1)


# ---- objects that a sentence means

OBJECTS = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]).bool()
COUNTS = torch.tensor([30, 10, 10, 10, 50])


def test_objects_are_meant_by_what_the_mask_takes_in_of_them():
    probability = torch.tensor([0.9, 0.1, 0.6, 0.5, 0.3])
    rows, sure = referred_objects(probability, OBJECTS, COUNTS, "any", UniSeg3DConfig())
    assert rows.tolist() == [0, 1]  # (30 · 0.9 + 10 · 0.1) / 40 and 0.55; the third has 0.3
    assert sure.tolist() == pytest.approx([0.7, 0.55])
    rows, sure = referred_objects(probability, OBJECTS, COUNTS, "one", UniSeg3DConfig())
    assert rows.tolist() == [0]
    strict, _ = referred_objects(probability, OBJECTS, COUNTS, "any", UniSeg3DConfig(object_threshold=0.8))
    assert strict.tolist() == []


def test_one_object_is_meant_though_the_mask_is_vague():
    vague = torch.tensor([0.3, 0.3, 0.35, 0.35, 0.0])
    assert referred_objects(vague, OBJECTS, COUNTS, "any", UniSeg3DConfig())[0].tolist() == []
    assert referred_objects(vague, OBJECTS, COUNTS, "one", UniSeg3DConfig())[0].tolist() == [1]
    nothing = torch.full((5,), 0.1)
    for count in ("one", "any"):
        assert referred_objects(nothing, OBJECTS, COUNTS, count, UniSeg3DConfig())[0].tolist() == []
        assert referred_objects(nothing, OBJECTS[:0], COUNTS, count, UniSeg3DConfig())[0].tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.05, 0.95))
def test_logits_are_positive_inside_the_objects(sure, threshold):
    objects = torch.rand(len(sure), 7) < 0.5
    logits = object_logits(objects, torch.tensor(sure), threshold)
    assert torch.isfinite(logits).all()
    assert torch.equal(logits > 0, objects)


def test_a_click_on_wall_or_floor_marks_the_surface():
    semantic = torch.full((5, 21), -9.0)
    for row, best in enumerate((0, 1, 0, 5, 20)):  # wall, floor, wall, a thing, none of the classes
        semantic[row, best] = 3.0

    class Scanned:
        index = np.array([0, 0, 1, 2, 3, 4])
        counts = torch.tensor([2, 1, 1, 1, 1])
        rooms = floors = torch.zeros(5, dtype=torch.int64)

        def semantics(self):
            return Semantics(semantic=semantic, directions=torch.eye(5, 6))

    scan = Scanned()
    logits, scores = torch.full((5, 5), -1.0), torch.full((5,), 0.3)
    something = torch.tensor([0.1, 0.1, 0.9, 0.1, 0.1])
    got, sure = clicked_surfaces(scan, np.array([1, 2, 3, 4, 5]), logits, scores, something)
    assert (got > 0).tolist() == [
        [True, False, True, False, False],  # the wall
        [False, True, False, False, False],  # the floor
        [False] * 5,  # on the wall, but it shows a thing
        [False] * 5,
        [False] * 5,
    ]
    assert sure[:2].min() > 0.9
    assert sure[2:].tolist() == pytest.approx([0.3] * 3)


def test_a_floor_may_go_on_where_walls_end():
    semantic = torch.full((4, 21), -9.0)
    for row, best in enumerate((0, 1, 0, 1)):
        semantic[row, best] = 3.0

    class Scanned:
        index = np.arange(4)
        counts = torch.ones(4, dtype=torch.int64)
        rooms, floors = torch.tensor([0, 0, 1, 1]), torch.zeros(4, dtype=torch.int64)

        def semantics(self):
            return Semantics(semantic=semantic, directions=torch.eye(4, 6))

    got, _ = clicked_surfaces(Scanned(), np.array([0, 1]), torch.zeros(2, 4), torch.zeros(2), torch.zeros(2))
    assert (got > 0).tolist() == [[True, False, False, False], [False, True, False, True]]


class Clicked:
    """A scan of superpoints, one point each unless `counts` says more, whose objects are known."""

    def __init__(self, masks, scores, counts):
        self.index, self.counts = np.repeat(np.arange(len(counts)), counts), torch.tensor(counts)
        masks = torch.tensor(masks, dtype=torch.bool).reshape(-1, len(counts))
        self.objects = Found(masks, torch.tensor(scores), torch.zeros(len(scores), dtype=torch.int64))

    def kept(self, key, make):
        return self.objects

    def clicked(self, *superpoints, masks, scores):
        """Return the masks and scores of a click on the first point of each superpoint."""
        points = np.array([np.flatnonzero(self.index == s)[0] for s in superpoints])
        logits = torch.where(torch.tensor(masks, dtype=torch.bool), 1.0, -1.0)
        found, sure = clicked_objects(self, points, logits, torch.tensor(scores), UniSeg3DConfig())
        return (found > 0).int().tolist(), sure.tolist()


def test_a_click_marks_the_object_that_fits_its_mask():
    scan = Clicked([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]], [0.9, 0.8, 0.9], [10, 10, 10, 10])
    masks, scores = scan.clicked(0, masks=[[1, 1, 0, 0]], scores=[0.5])
    assert masks == [[1, 1, 0, 0]]  # 0.8 beats 0.9 at an IoU of 2/3
    assert scores == pytest.approx([0.8])
    masks, _ = scan.clicked(0, masks=[[1, 1, 1, 1]], scores=[0.5])
    assert masks == [[1, 1, 1, 0]]
    masks, _ = scan.clicked(0, 3, masks=[[0, 0, 0, 0], [1, 1, 0, 1]], scores=[0.0, 0.3])  # each by itself
    assert masks == [[1, 1, 1, 0], [0, 0, 0, 1]]


def test_clicks_on_one_object_share_it_by_their_own_masks():
    scan = Clicked([[1, 1, 1, 0]], [0.9], [10, 10, 10, 10])
    logits = torch.tensor([[2.0, -1, -2, 3], [-1, -3, 2, -1]])
    found, _ = clicked_objects(scan, np.array([0, 20]), logits, torch.tensor([0.5, 0.5]), UniSeg3DConfig())
    assert (found > 0).int().tolist() == [[1, 1, 1, 0]] * 2
    assert (found[1] > found[0]).tolist() == [False, False, True, False]


def test_overlaps_are_those_of_points():
    scan = Clicked([[1, 1, 0], [1, 0, 1]], [0.8, 0.8], [1, 1, 100])
    masks, _ = scan.clicked(0, masks=[[1, 1, 1]], scores=[0.5])
    assert masks == [[1, 0, 1]]


@pytest.mark.parametrize(("score", "answered"), [(1.0, [0, 1, 1]), (0.2, [1, 1, 0])])
def test_a_sure_mask_stays_where_no_object_is_like_it(score, answered):
    scan = Clicked([[1, 1, 0]], [0.7], [5, 1, 50])
    masks, scores = scan.clicked(1, masks=[[0, 1, 1]], scores=[score])
    assert masks == [answered]
    assert scores == pytest.approx([score if answered[2] else 0.7])


@pytest.mark.parametrize("objects", [[], [[0, 1, 1]]])
def test_a_click_on_no_object_keeps_its_mask(objects):
    scan = Clicked(objects, [0.9] * len(objects), [5, 5, 5])
    masks, scores = scan.clicked(0, masks=[[1, 0, 1]], scores=[0.4])
    assert masks == [[1, 0, 1]]
    assert scores == pytest.approx([0.4])
    assert scan.clicked(0, masks=[[0, 0, 0]], scores=[0.0]) == ([[0, 0, 0]], [0.0])
