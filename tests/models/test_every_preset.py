"""Every preset of the registry, tiny: it is built, encodes, answers its verbs, trains, and comes back from a file."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from saymask.errors import InputError
from saymask.hub import checkpoints, registry
from saymask.masks import Masks
from saymask.models.base import Model
from saymask.scan import Scan
from tests.models.fakes import annotation
from tests.models.tiny_presets import encoder, scan_of, tiny

SENTENCES = ("the red box beside the other box", "a box")
NEAR = {"rtol": 1e-3, "atol": 1e-4}
every_preset = pytest.mark.parametrize("name", registry.PRESETS)
TWO = scan_of(0, 1500), scan_of(1, 2300)


def encoded(model: Model, *scans: Scan) -> Any:
    with torch.no_grad():
        return model.encode_batch(model.collate([model.prepare(scan) for scan in scans]).to(model.device))


def training_batch(model: Model, source: str) -> Any:
    """Two scans of different size, each with sentences about one object and, where the preset has such, about two."""
    samples = []
    for seed, scan in enumerate(TWO):
        asked = [annotation(SENTENCES[0], 0, scan=scan.name)]
        if source in ("both", "multi3drefer"):
            asked.append(annotation(SENTENCES[1], 1, 2, scan=scan.name))
        given = [] if source == "scans" else asked
        samples.append(model.prepare(scan, given, rng=np.random.RandomState(seed)))
    return model.collate(samples).to(model.device)


def rows_of(model: Model, scans: tuple[Scan, ...]) -> list[list[Tensor]]:
    """Return, for every scan of one batch, what the model makes of it."""
    found = encoded(model, *scans)
    if "refer" in model.verbs:
        asked = SENTENCES[: len(scans)] if len(scans) > 1 else (SENTENCES[scans[0] is TWO[1]],)
        return [[p.logits, p.scores] for p in model.refer(found, asked, count="one")]
    if isinstance(found, Tensor):  # one row per superpoint, scan after scan
        return [[part] for part in found.split([len(np.unique(scan.superpoints)) for scan in scans])]
    return [[x for x in (s.features, s.logits) if x is not None] for s in found.scans]


def answers(model: Model, scan: Scan) -> dict[str, Masks]:
    """Return the answer of every verb."""
    scene = model.encode(scan)
    ask: dict[str, Callable[[], Masks]] = {
        "refer": lambda: scene.refer(list(SENTENCES))[0], "find": lambda: scene.find(["box", "lamp"], threshold=0.0),
        "click": lambda: scene.click(scan.points[:2]), "semantic": scene.semantic, "instances": scene.instances,
        "panoptic": scene.panoptic,
    }  # fmt: skip
    return {verb: ask[verb]() for verb in model.verbs}


@every_preset
def test_every_verb_is_answered(name: str) -> None:
    model = tiny(name)
    assert registry.preset(name).name == name
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    scan = TWO[0]
    found = answers(model, scan) if model.verbs else {}
    assert set(found) == set(model.verbs)
    for verb, masks in found.items():
        assert masks.dense.shape == (len(masks), len(scan)), verb
        assert np.isfinite(masks.scores).all(), verb
    for verb in ("semantic", "panoptic"):
        if verb in found:
            assert (found[verb].dense.sum(0) <= 1).all(), verb


@every_preset
def test_copies_and_pickles_of_a_scene_answer_as_it_does(name: str) -> None:
    model = tiny(name)
    if not model.verbs:
        return
    scene = model.encode(TWO[0])
    verb = next(v for v in ("refer", "semantic", "instances") if v in model.verbs)
    arguments = (SENTENCES[0],) if verb == "refer" else ()
    expected = getattr(scene, verb)(*arguments)
    for again in (copy.deepcopy(scene), pickle.loads(pickle.dumps(scene))):
        found = getattr(again, verb)(*arguments)
        np.testing.assert_array_equal(found.dense, expected.dense)
        assert repr(again).startswith(f"Scene({scene.scan!r} encoded by ")
        assert len(repr(again)) < 250


def test_a_verb_that_a_preset_does_not_answer_is_refused() -> None:
    scan = TWO[0]
    with pytest.raises(InputError, match="answers refer, not find; for find use"):
        tiny("less.rooms").encode(scan).find("box")
    with pytest.raises(InputError, match="for refer use"):
        tiny("lground.rooms-ce").encode(scan).refer("a box")


@every_preset
def test_two_scans_in_a_batch_equal_one_by_one(name: str) -> None:
    model = tiny(name)
    together = rows_of(model, TWO)
    assert len(together) == 2
    for scan, rows in zip(TWO, together):
        (alone,) = rows_of(model, (scan,))
        assert len(rows) == len(alone) > 0
        for a, b in zip(rows, alone):
            torch.testing.assert_close(a, b, **NEAR)


@every_preset
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_step(name: str, precision: str) -> None:
    chosen, model = registry.preset(name), tiny(name).train()
    optimizer = torch.optim.SGD(model.parameter_groups(chosen.train), lr=0.01)
    before = {key: value.clone() for key, value in model.named_parameters()}
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        terms = model.losses(training_batch(model, chosen.train.source))
    total = torch.stack(list(terms.values())).sum()
    assert bool(total.isfinite())
    total.backward()
    learned = {key: p for key, p in model.named_parameters() if p.grad is not None}
    assert all(bool(p.grad.isfinite().all()) for p in learned.values() if p.grad is not None)
    optimizer.step()
    changed = {key for key, value in model.named_parameters() if not torch.equal(value, before[key])}
    assert changed
    assert changed <= set(learned)


@every_preset
def test_bfloat16_answers_nearly_the_same(name: str) -> None:
    model = tiny(name)
    exact = rows_of(model, TWO[:1])[0]
    with torch.autocast("cpu", torch.bfloat16):
        rough = rows_of(model, TWO[:1])[0]
    for a, b in zip(exact, rough):
        assert bool(b.isfinite().all())
        assert float((a - b.float()).abs().mean()) < 0.1 * float(a.abs().mean()) + 0.05


@every_preset
def test_a_checkpoint_answers_the_same(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("models.less.model", "text.lazy"):
        monkeypatch.setattr(f"saymask.{module}.load_text_encoder", encoder)
    model = tiny(name)
    path = checkpoints.save_checkpoint(model, tmp_path / "tiny.safetensors")
    again = checkpoints.load_model(path, device="cpu")
    assert again.config == model.config
    assert again.verbs == model.verbs
    for a, b in zip(rows_of(model, TWO[:1])[0], rows_of(again, TWO[:1])[0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
