"""Timing every verb: what is asked is new, rows and verdict, with a model that sees only colour."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import prompts
from saymask.answers import VERBS
from saymask.hub import checkpoints, headers, registry
from saymask.scan import Scan
from saymask.scene.scene import Scene
from tests.models import toy_clicks
from tests.models.toy_model import make_scan


def toy_scan() -> Scan:
    """All of it above the height from which the model sees it."""
    scan = make_scan(0)[0]
    return replace(scan, points=scan.points + np.float32([0, 0, 1]))


@pytest.fixture
def checkpoint(monkeypatch, tmp_path) -> str:
    toy_clicks.register(monkeypatch)
    monkeypatch.setattr(toy_clicks.Pointer, "answers", classmethod(lambda cls, config: VERBS[1:]))  # it cannot refer
    torch.manual_seed(0)
    return str(checkpoints.save_checkpoint(registry.build("toy.pointer"), tmp_path / "pointer.safetensors"))


def test_it_asks_what_was_never_asked(checkpoint, monkeypatch):
    scene = Scene(checkpoints.load_model(checkpoint), toy_scan())
    asker, asked = prompts.Asker(scene), []
    for verb in ("find", "semantic", "click", "instances"):
        real = getattr(type(scene.model), verb)
        spy = lambda self, encoded, *a, _real=real, **k: asked.append(repr((a, k))) or _real(self, encoded, *a, **k)  # noqa: E731
        monkeypatch.setattr(type(scene.model), verb, spy)
    for count in (1, 3):
        for _ in range(2):
            assert asker.seconds("find", count) > 0
            asker.seconds("semantic", count)
            asker.seconds("click", count)
    assert len(set(asked)) == len(asked) == 12
    for _ in range(3):
        asker.seconds("instances", 0)
    assert len(asked) == 15  # the same question, and yet no answer was kept
    assert asker.seconds_at_once("find", 1) > 0
    assert len(set(asked)) == len(asked) - 2 == 21


def test_measure(checkpoint):
    result = prompts.measure(checkpoint, toy_scan(), rounds=2, batches=(1, 3))
    rows = {(row["verb"], row["asked"]): row for row in result["prompts"]}
    assert set(rows) == {
        ("find", 1), ("find", 3), ("click", 1), ("click", 3), ("semantic", 0), ("instances", 0), ("panoptic", 0),
    }  # fmt: skip
    for (_, count), row in rows.items():
        assert 0 < row["next"] <= row["slowest"]
        assert ({"cold", "first", "at_once"} <= set(row)) == (count <= 1)
    slowest = max(max(row["first"], row["next"]) for row in rows.values() if row["asked"] <= 1)
    assert result["slowest_single_prompt"] == slowest
    assert result["aim_met"] == (slowest <= prompts.AIM)
    assert result["memory_mb"]["peak with encoding"] >= result["memory_mb"]["model loaded"] > 0
    text = prompts.shown(result)
    assert text.startswith("toy.pointer on cpu")
    assert len(text.splitlines()) == 3 + len(rows) + 1
    json.dumps(result)


def test_a_slow_prompt_misses_the_aim(checkpoint, monkeypatch):
    monkeypatch.setattr(prompts, "AIM", 1e-9)
    result = prompts.measure(checkpoint, toy_scan(), rounds=1, batches=(1,))
    assert not result["aim_met"]
    assert "missed" in prompts.shown(result)


@pytest.mark.slow
def test_the_command(capfd, monkeypatch):
    smallest = min(headers.list_models(), key=lambda card: card["bytes"])["name"]
    arguments = ["--model", smallest, "--rounds", "1", "--batches", "1", "--room", "309", "--json"]
    monkeypatch.setattr(sys, "argv", ["prompts.py", *arguments])
    prompts.main()
    out, told = capfd.readouterr()
    (result,) = json.loads(out.splitlines()[-1])
    assert result["model"] == smallest
    assert result["points"] > 50_000
    assert result["superpoints"] > 100
    assert f"{smallest} on " in told
