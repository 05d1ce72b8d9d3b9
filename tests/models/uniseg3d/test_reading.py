"""Sentences read over a scan's named objects: where superpoints lie, how nouns meet known names, what comes out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from saymask.models.uniseg3d.places import places_of
from saymask.models.uniseg3d.reading import KIND, apart, name_fits, things_of
from tests.models.uniseg3d.test_model import encoded, scan_of, tiny


def test_places_are_those_of_the_points():
    model = tiny(voxel_size=0.01)
    scans = [scan_of(1), scan_of(2)]
    batch = model.collate([model.prepare(scan) for scan in scans])
    size = model.config.voxel_size
    for scan, places, index in zip(scans, places_of(batch.scans, size), batch.scans.index, strict=True):
        points = scan.points - scan.points.min(axis=0)
        for row in range(int(index.max()) + 1):
            own = index == row
            assert (places.low[row] <= points[own].min(axis=0) + 1e-5).all()
            assert (places.low[row] > points[own].min(axis=0) - size - 1e-5).all()
            assert (places.high[row] >= points[own].max(axis=0) - 1e-5).all()
            assert (places.high[row] < points[own].max(axis=0) + size + 1e-5).all()
            np.testing.assert_allclose(
                places.colors[row], scan.colors[own].mean(axis=0), atol=10
            )  # few voxels are shared


def test_a_part_lies_where_its_superpoints_lie():
    model = tiny(voxel_size=0.01)
    scan = scan_of(1)
    batch = model.collate([model.prepare(scan)])
    places = places_of(batch.scans, model.config.voxel_size)[0]
    counts = np.bincount(batch.scans.index[0])
    masks = np.zeros((2, len(counts)), bool)
    masks[0, :2] = masks[1, 1:] = True
    rooms = np.zeros_like(counts)
    things = things_of(places, masks, counts, rooms, np.zeros(2, np.int64))
    np.testing.assert_array_equal(things.boxes.low[0], places.low[:2].min(axis=0))
    np.testing.assert_array_equal(things.boxes.high[1], places.high[1:].max(axis=0))
    inside = np.isin(batch.scans.index[0], [0, 1])
    np.testing.assert_allclose(things.colors[0], scan.colors[inside].mean(axis=0), atol=10)  # few voxels are shared
    np.testing.assert_array_equal(things.room.high[0], places.high.max(axis=0))
    assert len(things_of(places, masks[:0], counts, rooms, np.zeros(0, np.int64)).boxes) == 0


def test_an_object_is_answered_once():
    counts = torch.tensor([100, 50, 200, 10])
    masks = torch.tensor(
        [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]], dtype=torch.bool
    )  # a thing, a piece of it, another thing, both together, a piece of the other
    assert apart(masks, counts).tolist() == [0, 2]
    assert apart(masks[[1, 0, 4]], counts).tolist() == [0, 2]
    assert apart(masks[:0], counts).tolist() == []


def test_nouns_meet_known_names():
    known = ("chair", "office chair", "table", "armchair")
    vocabulary = F.normalize(torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [0, 0, 1], [0.6, 0.8, 0]]), dim=1)
    share = torch.eye(4)
    fits = name_fits(share, "chair", vocabulary[:1], vocabulary, known)
    assert fits[0] == 1
    assert fits[1] == pytest.approx(KIND)  # an office chair is a chair
    assert fits[2] < 1e-3
    assert fits[3] < 0.01  # "armchair" is no chair of some kind by its words
    # An unknown word is what the closest known name is.
    seat = F.normalize(torch.tensor([[0.9, 0.3, 0.1]]), dim=1)
    fits = name_fits(share, "seat", seat, vocabulary, known)
    assert fits[0] == pytest.approx(float(fits.max()), rel=1e-4)
    assert fits[2:].max() < 0.5


@pytest.mark.parametrize("count", ["one", "any"])
def test_sentences_are_read_where_the_settings_say_so(count):
    model = tiny(any_number=True, vocabulary_weight=0.2, reads=True)
    scene = encoded(model)
    said = model.refer(scene, ["the chair next to the table", "chairs", "of the"], count=count)
    assert len(said) == 3
    for answer in said:
        assert answer.logits.shape == (len(answer.scores), len(scene.only().memory))
        assert ((answer.scores >= 0) & (answer.scores <= 1)).all()
        assert 0 <= answer.best <= 1
        if count == "one":
            assert len(answer.logits) == 1
    again = model.refer(scene, ["chairs"], count=count)[0]
    torch.testing.assert_close(again.scores, said[1].scores)


def test_scores_are_calibrated_where_the_settings_say_how():
    plain = tiny(any_number=True, vocabulary_weight=0.2, reads=True)
    fitted = tiny(any_number=True, vocabulary_weight=0.2, reads=True, calibration=(0.5, 1.0))
    fitted.load_state_dict(plain.state_dict())
    asked = ["the chair next to the table", "chairs"]
    for one, other in zip(*(model.refer(encoded(model), asked, count="one") for model in (plain, fitted)), strict=True):
        assert not one.calibrated
        assert other.calibrated
        torch.testing.assert_close(other.scores, (0.5 * one.scores.logit(eps=1e-6) + 1).sigmoid())
        torch.testing.assert_close(other.logits, one.logits)
        assert other.best == pytest.approx(one.best)
