"""Scans in windows: what fits is not divided, rooms apart answer as each alone, objects across cuts are joined."""

import copy
import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.geometry.windows import SMALLEST
from saymask.models.uniseg3d import batch as uniseg3d_batch
from saymask.models.uniseg3d.batch import collate
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.encoded import WholeScan
from saymask.models.uniseg3d.postprocess import Found
from saymask.models.uniseg3d.windowed import OUTSIDE, WindowedScan, merged
from saymask.scan import Scan
from saymask.scene.scene import Scene
from tests.models.uniseg3d.test_model import NEAR, OURS, SENTENCES, encoded, scan_of, tiny

READS = {**OURS, "any_number": True, "reads": True, "vocabulary_weight": 0.1, "surfaces": True}
APART = 12.0
SIZE = 9.0
"""Metres: less than two scans and what is between them, more than one."""


@pytest.fixture(scope="module", params=[{}, OURS, READS], ids=["published", "ours", "reads"])
def model(tmp_path_factory, request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAYMASK_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = tiny(**request.param, window=SIZE)
        if made.decoder.places is not None:  # it starts at zero
            for layer in made.decoder.places.children():
                torch.nn.init.normal_(layer.weight, std=0.1)
        yield made


def side_by_side(*scans: Scan) -> Scan:
    """Scans as one, from which each is moved by `APART` along x; superpoints are numbered on."""
    points = [s.points + np.float32([i * APART, 0, 0]) for i, s in enumerate(scans)]
    starts = np.cumsum([0, *(int(s.superpoints.max()) + 1 for s in scans)])
    return Scan(
        points=np.concatenate(points),
        colors=np.concatenate([s.colors for s in scans]),
        superpoints=np.concatenate([s.superpoints + start for s, start in zip(scans, starts, strict=False)]),
        name="several",
    )


@pytest.fixture(scope="module")
def scans():
    return scan_of(0), scan_of(1, 1800)


@pytest.fixture(scope="module")
def both(model, scans):
    """The two scans in one, and each alone."""
    return encoded(model, side_by_side(*scans)), [encoded(model, scan) for scan in scans]


def on_points(answer):
    """Return masks over points; of logits where they are positive."""
    rows = answer.masks if hasattr(answer, "masks") else (answer.logits > 0).cpu().numpy()
    return rows[:, answer.index]


def as_set(masks, scores, classes):
    return {(m.tobytes(), round(float(s), 3), int(c)) for m, s, c in zip(masks, scores, classes, strict=True)}


def test_a_scan_that_fits_has_no_windows(model, scans):
    scene = encoded(model, scans[0])
    assert isinstance(scene.only(), WholeScan)
    whole = copy.copy(model)
    whole.config = replace(model.config, window=0.0)
    other = encoded(whole, scans[0])
    torch.testing.assert_close(scene.only().memory.features, other.only().memory.features, rtol=0, atol=0)
    for sentence in SENTENCES:
        (a,), (b,) = model.refer(scene, [sentence]), whole.refer(other, [sentence])
        assert torch.equal(a.logits, b.logits)
        assert a.note == ""


def test_rooms_apart_answer_as_each_alone(model, scans, both):
    together, alone = both
    assert isinstance(together.only(), WindowedScan)
    ends = np.cumsum([0, *(len(scan) for scan in scans)])
    inside = [slice(a, b) for a, b in itertools.pairwise(ends)]
    classes = model.semantic(together)
    point_classes = classes.classes[classes.index]
    for part, scene in zip(inside, alone, strict=True):
        own = model.semantic(scene)
        np.testing.assert_array_equal(point_classes[part], own.classes[own.index])
    for verb in (model.instances, model.proposals):
        answer = verb(together)
        found = as_set(on_points(answer), answer.scores, answer.classes)
        expected = set()
        for part, scene in zip(inside, alone, strict=True):
            own = verb(scene)
            masks = np.zeros((len(own.masks), ends[-1]), bool)
            masks[:, part] = on_points(own)
            expected |= as_set(masks, own.scores, own.classes)
        assert found
        assert found == expected
        assert (np.diff(answer.scores) <= 0).all() or verb == model.proposals


def test_clicks_are_asked_where_they_are(model, scans, both):
    together, alone = both
    clicks = [np.array([3, 700, 1500]), np.array([5, 900])]
    order = np.array([1, 3, 0, 4, 2])  # of both rooms in turn
    rows = np.concatenate([clicks[0], clicks[1] + len(scans[0])])[order]
    answer = model.click(together, rows)
    masks = on_points(answer)
    expected = [model.click(scene, c) for scene, c in zip(alone, clicks, strict=True)]
    starts = [0, len(scans[0])]
    wanted = np.zeros_like(masks)
    for row, number in enumerate(order):
        room, place = (0, number) if number < 3 else (1, number - 3)
        own = on_points(expected[room])[place]
        wanted[row, starts[room] : starts[room] + len(own)] = own
        assert float(answer.scores[row]) == pytest.approx(float(expected[room].scores[place]), abs=1e-4)
    np.testing.assert_array_equal(masks, wanted)
    probability = model.click_classes(together, rows)
    own = np.concatenate([model.click_classes(scene, c) for scene, c in zip(alone, clicks, strict=True)])
    np.testing.assert_allclose(probability, own[order], **NEAR)


@pytest.mark.parametrize("count", ["one", "any"])
def test_sentences_are_read_over_all_windows(model, both, count):
    together, alone = both
    for sentence in SENTENCES:
        (answer,) = model.refer(together, [sentence], count=count)
        assert answer.logits.shape[1] == int(answer.index.max()) + 1
        assert "2 windows" in answer.note
        if not model.config.any_number:  # as published: the mask of the likelier window
            scores = [float(model.refer(scene, [sentence])[0].scores) for scene in alone]
            assert float(answer.scores) == pytest.approx(max(scores), abs=1e-4)
            best = int(np.argmax(scores))
            own = on_points(model.refer(alone[best], [sentence])[0])[0]
            masks = on_points(answer)[0]
            assert masks.sum() == own.sum()
            assert masks[: len(own)].sum() == (own.sum() if best == 0 else 0)


def test_words_and_panoptic_of_all_windows(model, both):
    together, _ = both
    found = model.find(together, ["chair", "wall"], threshold=0.0)
    assert found.masks.shape[1] == len(together.only().counts)
    assert len(found.best) == 2
    panoptic = model.panoptic(together)
    assert (panoptic.masks.sum(axis=0) <= 1).all()


def test_a_scene_of_windows(model, scans):
    scene = Scene(model, side_by_side(*scans))
    masks = scene.refer("the red box")
    assert "2 windows" in masks.message
    assert Scene(model, scans[0]).refer("the red box").message != masks.message
    again = pickle.loads(pickle.dumps(scene._encoded.only()))
    torch.testing.assert_close(again.semantics().semantic, scene._encoded.only().semantics().semantic)
    np.testing.assert_array_equal(scene.instances().support, Scene(model, side_by_side(*scans)).instances().support)


def test_windows_and_scans_in_a_batch(model, scans):
    samples = [model.prepare(scans[1]), model.prepare(side_by_side(*scans)), model.prepare(scans[0])]
    batch = collate(samples)
    assert len(batch) == 3
    assert len(batch.scans) == 4
    found = model.encode_batch(batch)
    assert [type(scan) for scan in found.scans] == [WholeScan, WindowedScan, WholeScan]
    for scan, alone in zip(found.scans[::2], (scans[1], scans[0]), strict=True):
        torch.testing.assert_close(scan.memory.features, encoded(model, alone).only().memory.features, **NEAR)


def test_parts_of_a_batch_are_what_was_collated(model, scans):
    samples = [model.prepare(scans[i]) for i in (0, 1, 1)]
    whole = collate(samples).scans
    sites = [len(s.scan.cells) for s in samples]
    parts = list(whole.parts(sites[1] + sites[2]))
    assert [len(p) for p in parts] == ([1, 2] if sites[0] <= sites[1] + sites[2] else [1, 1, 1])
    expected = collate(samples[1:]).scans
    for name in ("coords", "features", "pool_site", "pool_row", "pool_weight"):
        torch.testing.assert_close(getattr(parts[1], name), getattr(expected, name))
    assert parts[1].sizes == expected.sizes
    assert len(list(whole.parts(1))) == 3
    assert list(whole.parts(10**9)) == [whole]


def test_training_knows_no_windows(model):
    labels = {**scan_of(0).labels, "semantic200": np.zeros(len(scan_of(0)), np.int16)}
    large = replace(scan_of(0), points=scan_of(0).points * np.float32([5, 1, 1]), labels=labels)
    assert model.prepare(replace(large, labels={})).windows is not None
    sample = model.prepare(large, rng=np.random.RandomState(0))
    assert sample.windows is None
    encoded(model, scan_of(0))
    try:  # the model is shared with the other tests
        assert len(model.train().losses(model.collate([sample]))) > 0
    finally:
        model.eval()


def test_superpoints_alone_divide_a_scan(model, scans, monkeypatch):
    monkeypatch.setattr(uniseg3d_batch, "WINDOW_SUPERPOINTS", 5)
    whole = scans[0]
    wide = replace(whole, points=whole.points * np.float32([3, 1, 1]), labels={})
    scene = encoded(model, wide)
    assert np.ptp(wide.points[:, 0]) > SMALLEST
    assert isinstance(scene.only(), WindowedScan)
    assert len(model.semantic(scene).index) == len(wide)


@pytest.mark.parametrize("window", [-1.0, float("nan"), float("inf"), 1.0, "8", True])
def test_bad_settings(window):
    with pytest.raises(InputError, match="window: expected"):
        UniSeg3DConfig(window=window)


# ---- merging


def found_of(masks, scores, labels=None, directions=None):
    k = len(masks)
    return Found(
        torch.tensor(masks).bool().reshape(k, -1),
        torch.tensor(scores),
        torch.arange(k),
        None if labels is None else torch.tensor(labels),
        directions,
    )


SEEN = (torch.tensor([0, 1, 2, 3]), torch.tensor([2, 3, 4, 5]))
HOME = torch.tensor([0, 0, 0, 1, 1, 1])
COUNTS = torch.tensor([10, 10, 10, 10, 10, 10])


def test_each_object_is_kept_by_the_window_that_holds_most_of_it():
    first = found_of([[1, 1, 0, 0], [0, 0, 0, 1]], [0.5, 0.9])  # the second is at home in the other window
    second = found_of([[0, 1, 0, 0], [1, 0, 0, 0]], [0.7, 0.8])  # and its second in this one
    got = merged([first, second], SEEN, HOME, COUNTS)
    assert got.masks.int().tolist() == [[0, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 0]]
    assert got.scores.tolist() == pytest.approx([0.7, 0.5])


def test_a_long_object_is_joined_where_both_windows_see_it():
    first = found_of([[0, 1, 1, 1]], [0.6], [4], torch.eye(2)[:1])
    second = found_of([[1, 1, 1, 1]], [0.9], [4], torch.eye(2)[1:])
    got = merged([first, second], SEEN, HOME, COUNTS)
    assert got.masks.int().tolist() == [[0, 1, 1, 1, 1, 1]]
    assert got.scores.tolist() == pytest.approx([0.9])  # of the window that sees more of it
    assert got.directions.tolist() == [[0.0, 1.0]]
    other = merged([replace(first, labels=torch.tensor([5])), second], SEEN, HOME, COUNTS)
    assert len(other) == 2  # another class is another object


def test_where_windows_disagree_the_own_one_decides():
    first = found_of([[1, 1, 1, 0]], [0.6])
    second = found_of([[1, 1, 1, 1]], [0.9])
    shared = (torch.tensor([0, 1, 2, 3]), torch.tensor([1, 2, 3, 4]))
    home, counts = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([10, 10, 30, 10, 40])
    got = merged([first, second], shared, home, counts)
    assert got.masks.int().tolist() == [[1, 1, 1, 1, 1]]
    less = merged([found_of([[1, 0, 1, 0]], [0.6]), second], shared, home, counts)
    assert less.masks.int().tolist() == [[1, 0, 1, 1, 1]]


def test_nothing_found_is_nothing():
    empty = Found(torch.zeros(0, 4).bool(), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    got = merged([empty, empty], SEEN, HOME, COUNTS)
    assert got.masks.shape == (0, 6)
    one = merged([empty, found_of([[0, 0, 1, 0]], [0.5])], SEEN, HOME, COUNTS)
    assert one.masks.int().tolist() == [[0, 0, 0, 0, 1, 0]]


def test_a_mask_ends_where_its_window_does(model, both):
    together, _ = both
    answer = model.click(together, np.array([3]))
    other = together.only().rooms != together.only().rooms[int(answer.index[3])]
    assert (answer.logits[0, other] <= OUTSIDE + 5).all() or model.config.surfaces
    assert not (answer.logits[0, other] > 0).any()
