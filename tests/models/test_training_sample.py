"""What training sees of a scan: the degraded view of every system, and whole scans where nothing is degraded."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from saymask.data.samples.degrade import Degradation, degraded
from saymask.errors import InputError
from saymask.hub import registry
from saymask.models.base import Model
from tests.models.fakes import annotation
from tests.models.tiny_presets import scan_of, tiny

OWN = ("less.rooms", "bqnet.rooms", "cfnet.rooms", "bqnet.rooms-backbone", "lground.rooms", "uniseg3d.rooms")
"""A preset of every system."""
every_system = pytest.mark.parametrize("name", OWN)
SCAN = scan_of(0, 4000)
ASKED = (annotation("a box", 0, scan=SCAN.name),)


def degrading(name: str, switches: Degradation) -> Model:
    """Return a tiny model whose training view is as `switches` say."""
    model = tiny(name)
    own: Any = model.config
    inner = replace(own, model=replace(own.model, degrade=switches)) if hasattr(own, "model") else None
    model.config = inner or replace(own, degrade=switches)
    return model


def loss(model: Model, sample: Any) -> float:
    """Return the sum of the losses of a batch of this sample twice, with the same dropout each time."""
    torch.manual_seed(0)
    return sum(float(value.detach()) for value in model.train().losses(model.collate([sample, sample])).values())


def given(name: str) -> tuple[Any, ...]:
    """Return the sentences that the system learns from."""
    return () if registry.preset(name).train.source == "scans" else ASKED


def test_every_system_is_here() -> None:
    assert {registry.preset(name).system for name in OWN} == set(registry.SYSTEMS)


@pytest.mark.parametrize("name", registry.PRESETS)
def test_published_presets_do_not_degrade(name: str) -> None:
    if registry.preset(name).published_batch:
        assert tiny(name).degrade.share == 0


@every_system
def test_without_a_share_the_sample_is_that_of_prepare(name: str) -> None:
    model = degrading(name, Degradation(share=0, crop=1))
    plain = model.prepare(SCAN, given(name), rng=np.random.RandomState(3))
    sample = model.training_sample(SCAN, given(name), rng=np.random.RandomState(3))
    assert loss(model, sample) == pytest.approx(loss(degrading(name, Degradation()), plain), rel=1e-5)


@every_system
def test_the_sample_is_that_of_the_degraded_scan(name: str) -> None:
    switches = Degradation(share=1, crop=0, cut=1, cut_height=(0.3, 0.4), least_part=0, least_points=1)
    model = degrading(name, switches)
    sample = model.training_sample(SCAN, given(name), rng=np.random.RandomState(5))
    rng = np.random.RandomState(5)
    view, left = degraded(SCAN, given(name), rng, switches)
    assert len(view) < len(SCAN)
    assert left == list(given(name))
    expected = loss(degrading(name, switches), model.prepare(view, left, rng=rng))
    assert loss(model, sample) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(loss(model, sample))


@pytest.mark.parametrize("name", [name for name in OWN if registry.preset(name).train.source != "scans"])
def test_a_sample_that_would_lose_all_its_sentences_is_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = degrading(name, Degradation(share=1))
    seen = []
    monkeypatch.setattr("saymask.models.base.degraded", lambda scan, asked, rng, switches: (scan_of(0, 2500), []))
    monkeypatch.setattr(type(model), "prepare", lambda self, scan, asked, *, rng: seen.append((scan, asked)))
    model.training_sample(SCAN, ASKED, rng=np.random.RandomState(0))
    model.training_sample(SCAN, (), rng=np.random.RandomState(0))
    assert seen[0] == (SCAN, ASKED)
    assert len(seen[1][0]) == 2500


@every_system
def test_a_library_that_cannot_be_read_is_said_before_training(name: str, tmp_path) -> None:
    model = degrading(name, Degradation(share=1, library=str(tmp_path / "none.npz")))
    with pytest.raises(InputError, match="furniture library"):
        model.begin_training(tmp_path, (), lambda line: None)
