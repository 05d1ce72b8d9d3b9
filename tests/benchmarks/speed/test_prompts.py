"""Timing every verb: what is asked is new, rows and figures, with a model that sees only colour."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.speed.cases import prompts
from saymask.answers import VERBS
from saymask.hub import checkpoints, registry
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


def test_answers(checkpoint):
    found = prompts.answered(checkpoint, toy_scan(), rounds=2, several=3)
    rows = {(row["verb"], row["asked"]): row for row in found["rows"]}
    assert set(rows) == {
        ("find", 1), ("find", 3), ("click", 1), ("click", 3), ("semantic", 0), ("instances", 0), ("panoptic", 0),
    }  # fmt: skip
    for (_, count), row in rows.items():
        assert row["next"] > 0
        assert ({"first", "at_once"} <= set(row)) == (count <= 1)
    figures = {figure.what: figure for figure in prompts.figures_of("toy", found)}
    assert figures["toy: find, each of several"].value == rows["find", 3]["next"] / 3
    assert figures["toy: find, first"].value == rows["find", 1]["first"]
    assert figures["toy: prepare and encode"].value == pytest.approx(sum(found["encode"].values()))
    slow = prompts.figures_of("toy", {**found, "rows": [{**rows["find", 1], "next": 2 * prompts.AIM}]})
    assert [figure.what for figure in slow if figure.met is False] == ["toy: find, next"]
