"""Which objects a sentence means."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.extensions import object_logits, referred_objects

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
