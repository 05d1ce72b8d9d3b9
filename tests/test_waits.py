"""Encoding, prompts and training wait for the device at few places, none of them once per layer."""

import pytest

from saymask.sparse import use_backend
from tests.waits import NAMES, Waits, measure

MOST = {  # encoding and training step, with the reference's sites and maps: the table in docs/systems/engine.md
    "less.rooms": (4, 25),
    "bqnet.rooms": (15, 19),
    "lground.rooms-ce": (28, 30),
    "uniseg3d.rooms": (27, 33),
}


def test_what_counts_as_a_wait():
    import torch

    from saymask.sparse import pool_mean

    with Waits() as waits:
        torch.arange(4).tolist()  # not in saymask
        pool_mean(torch.ones(2, 1), torch.tensor([0, 1]), 2)
    assert {place.partition(":")[0] for place, _ in waits.places} == {"sparse/ops.py"}
    counts = {what: count for (_, what), count in waits.places.items()}
    assert counts == {"tolist": 1, "bincount": 1}  # the check of the index, and its size
    assert torch.arange(2).tolist() == [0, 1]
    assert len(waits.places) == 2  # nothing is recorded outside


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_waits_of_a_model(name):
    with use_backend("torch"):
        stages = measure(name)
    for stage, most in zip(("encode", "training step"), MOST[name]):
        places = stages[stage]
        assert 0 < sum(places.values()) <= most, places.most_common()
    for places in stages.values():
        assert not [place for place, _ in places if place.startswith(("nn/unet/", "nn/res16unet/", "sparse/modules"))]
