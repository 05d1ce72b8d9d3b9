"""Validation during training: which tasks there are, the number that decides, and all tasks in one pass."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.evaluation.tasks.table import NAMES, TASKS
from saymask.hub import registry
from saymask.models.base import TrainConfig
from saymask.training.run import train
from saymask.training.validation import TITLES, check_task, headline, validation
from tests.models.knowing_model import KnowingConfig, all_verbs, make_told, register


@pytest.fixture(autouse=True)
def known(monkeypatch):
    register(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_told(tmp_path_factory.mktemp("told"))


def with_task(task: str, protocol: str, **model):
    return replace(all_verbs(), model=KnowingConfig(**model), train=TrainConfig(task=task, protocol=protocol))


def test_every_task_has_a_headline():
    assert headline(TrainConfig(task="none")) == ("", "")
    assert headline(TrainConfig(task="all", protocol="plain")) == ("mean", "mean of the tasks")
    for task in TASKS.values():
        for protocol in task.protocols:
            key, title = headline(TrainConfig(task=task.name, protocol=protocol))
            assert key in task.empty(protocol).compute()["overall"]
            assert title == TITLES[key]
    for task in NAMES:
        check_task(with_task(task, "uniseg3d"))


def test_settings_that_do_not_fit():
    for preset, message in (
        (with_task("paint", "less"), r"train\.task: expected refer, .*find, all or none, got 'paint'"),
        (with_task("all", "3dres"), r"train\.protocol: task all expects plain or uniseg3d, got '3dres'"),
        (with_task("panoptic", "less"), "protocol: expected one of scannet, uniseg3d, got 'less'"),
        (with_task("find", "uniseg3d", hides=("find",)), "knowing.all answers .* cannot be measured on task 'find'"),
        (
            with_task("all", "plain", hides=tuple(TASKS)),
            "answers no verb and cannot be measured",
        ),
    ):
        with pytest.raises(InputError, match=message):
            check_task(preset)


@pytest.mark.parametrize("protocol", ["plain", "uniseg3d"])
def test_all_tasks_equal_evaluation(data, protocol):
    model = registry.build("knowing.all").eval()
    measure = validation(data, with_task("all", protocol).train, pytest.fail)
    assert measure is not None
    found = measure(model)
    alone = evaluate(model, Request(data, task="all", protocol=protocol, quiet=True))["results"]
    assert set(found) == {"protocol", "overall", *TASKS}
    for task, protocols in alone.items():
        assert found[task] == protocols.popitem()[1]["metrics"]["overall"]
    assert found["overall"]["n"] == 6
    expected = 1.0 if protocol == "plain" else (5 + found["panoptic"]["n"] / 20) / 6
    assert found["overall"]["mean"] == pytest.approx(expected)


def test_shares_are_measured_apart_and_said(data, tmp_path):
    """A process measures its scans only; what is missing in the data is said once."""
    model = registry.build("knowing.all").eval()
    config = with_task("all", "plain").train
    shares = [validation(data, config, pytest.fail, rank=rank, world=2) for rank in (0, 1)]
    found = [measure(model) for measure in shares if measure is not None]
    whole = validation(data, config, pytest.fail)
    assert whole is not None
    count = whole(model)["click"]["n"]
    assert sum(part["click"]["n"] for part in found) == count
    assert all(0 < part["click"]["n"] < count for part in found)
    said: list[str] = []
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1, "splits": {}}))
    assert validation(tmp_path, config, said.append) is None
    assert "there is no validation split" in said[0]


@pytest.mark.slow
def test_training_keeps_the_best_mean(data, tmp_path):
    overrides = {
        "task": "all", "protocol": "plain", "source": "scans", "epochs": 2, "batch_size": 1, "workers": 0,
        "evaluate_every": 1,
    }  # fmt: skip
    card = train("knowing.all", data, tmp_path, accelerator="cpu", quiet=True, overrides=overrides)
    assert card["headline"] == {"mean of the tasks": 100.0, "protocol": "plain"}
    assert card["metrics"]["panoptic"]["pq"] == 1
    assert (tmp_path / "best.safetensors").is_file()
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    for column in ("val/overall/mean", "val/semantic/miou_present", "val/refer/miou", "val/find/chance"):
        assert column in lines[0]
