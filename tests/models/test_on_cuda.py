"""Every preset on an emulated CUDA device: no tensor is left behind, and all answers are those of the CPU."""

from typing import Any

import numpy as np
import pytest
import torch

import saymask
from benchmarks.gpu_session import labelled_room
from saymask.hub import registry
from saymask.models.base import Model
from saymask.sparse import use_backend
from tests.emulated_cuda import CUDA, emulated_cuda
from tests.models.test_every_preset import TWO, answers, rows_of, training_batch
from tests.models.tiny_presets import tiny
from tests.waits import NAMES

every_preset = pytest.mark.parametrize(
    "name", [name if name in NAMES else pytest.param(name, marks=pytest.mark.slow) for name in registry.PRESETS]
)
NEAR = {"rtol": 1e-4, "atol": 1e-5}
"""Attention on the device is not the CPU's own kernel."""


@pytest.fixture(autouse=True)
def plain_operations():
    with use_backend("torch"):
        yield


@every_preset
def test_answers_are_those_of_the_cpu(name: str) -> None:
    here = tiny(name)
    with emulated_cuda():
        there = tiny(name).to("cuda")
        assert there.device == CUDA
        rows = [[x.cpu() for x in scan] for scan in rows_of(there, TWO)]
        found = answers(there, TWO[0])
    torch.testing.assert_close(rows, rows_of(here, TWO), **NEAR)
    for verb, expected in answers(here, TWO[0]).items():
        np.testing.assert_array_equal(found[verb].dense, expected.dense, err_msg=verb)
        np.testing.assert_allclose(found[verb].scores, expected.scores, **NEAR, err_msg=verb)
        np.testing.assert_array_equal(found[verb].labels, expected.labels, err_msg=verb)


@every_preset
def test_a_training_step_is_that_of_the_cpu(name: str) -> None:
    chosen = registry.preset(name)

    def learned(model: Model) -> tuple[dict[str, float], dict[str, Any]]:
        model.train()
        optimizer = torch.optim.SGD(model.parameter_groups(chosen.train), lr=0.01)
        batch = training_batch(model, chosen.train.source)
        torch.manual_seed(0)
        terms = model.losses(batch)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        return {key: float(term.detach()) for key, term in terms.items()}, model.state_dict()

    expected_terms, expected = learned(tiny(name))
    with emulated_cuda():
        terms, state = learned(tiny(name).to("cuda"))
        state = {key: value.cpu() for key, value in state.items()}
    assert terms == pytest.approx(expected_terms, rel=1e-4, abs=1e-5)
    torch.testing.assert_close(state, dict(expected), **NEAR)


@pytest.mark.slow
def test_the_default_model_from_a_scan_to_its_masks() -> None:
    def asked(device: str) -> dict[str, Any]:
        model = saymask.load_model(device=device)
        scene = model.encode(scan)
        found = {
            "refer": scene.refer(["the red chair", "the largest table"])[1],
            "find": scene.find(["chair", "plant"]),
        }
        found |= {"all that is found": scene.find(["chair"], threshold=0.0), "click": scene.click(scan.points[:2])}
        return found | {verb: getattr(scene, verb)() for verb in ("semantic", "instances", "panoptic")}

    scan = labelled_room(6000, 0)
    expected = asked("cpu")
    assert sum(map(len, expected.values())) > 5
    with emulated_cuda():
        found = asked("cuda")
    for verb, masks in expected.items():
        np.testing.assert_array_equal(found[verb].dense, masks.dense, err_msg=verb)
        np.testing.assert_allclose(found[verb].scores, masks.scores, **NEAR, err_msg=verb)
