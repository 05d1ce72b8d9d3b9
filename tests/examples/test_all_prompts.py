"""The example that asks one scan in all six ways, with a model that sees only colour."""

import json
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image

from saymask.answers import VERBS, Prediction
from saymask.hub import checkpoints, registry
from saymask.io.ply import read_ply, write_ply
from saymask.masks import Masks
from saymask.models.base import Preset
from saymask.scan import Scan
from tests.models import toy_clicks
from tests.models.toy_model import make_scan

all_prompts = import_module("examples.05_all_prompts")


class Knower(toy_clicks.Pointer):
    """Answers sentences, too: a row belongs to what is said if its colour does."""

    system = "knower"

    def refer(self, encoded, sentences, *, count="any") -> list[Prediction]:  # type: ignore[override]
        fits = self._relevance(encoded, sentences)
        return [Prediction(row[None] - 0.5, row.max()[None], encoded.index) for row in fits.T]


def knower() -> Preset:
    return replace(toy_clicks.pointer(), name="toy.knower", system="knower")


@pytest.fixture
def model(monkeypatch, tmp_path) -> str:
    """A checkpoint of a model that answers all six verbs."""
    monkeypatch.setitem(registry.SYSTEMS, "knower", f"{__name__}:Knower")
    monkeypatch.setitem(registry.PRESETS, "toy.knower", f"{__name__}:knower")
    torch.manual_seed(0)
    return str(checkpoints.save_checkpoint(registry.build("toy.knower"), tmp_path / "knower.safetensors"))


def run(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["05_all_prompts.py", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(all_prompts, "SIZE", (320, 240))  # drawn in a fraction of the time
    all_prompts.main()


def test_a_scan_of_the_users_own(model, monkeypatch, tmp_path, capsys):
    scan = make_scan(0)[0]
    colors = {name: scan.colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
    points = {name: scan.points[:, i] for i, name in enumerate("xyz")}
    write_ply(tmp_path / "kitchen.ply", {**points, **colors})
    out = tmp_path / "new" / "out"
    run(
        monkeypatch, "--model", model, "--scan", tmp_path / "kitchen.ply", "--out", out,
        "--sentence", "the red chair", "--names", "red", "lamp",
    )  # fmt: skip
    told = capsys.readouterr().out
    for verb in VERBS:
        assert f"│ {verb} " in told
    assert "nothing fits: lamp" in told
    assert "the red chair" in told
    assert "after the negative click" in told
    with Image.open(out / "all_prompts.png") as picture:
        wide, high = all_prompts.SIZE
        assert picture.size == (2 * wide, 3 * high)
        pixels = np.asarray(picture)
    cells = [pixels[y : y + high, x : x + wide] for y in range(0, 3 * high, high) for x in (0, wide)]
    assert all((cell < 200).any() for cell in cells)  # each holds a picture
    saved = read_ply(out / "all_prompts.ply").columns
    assert len(saved["x"]) == len(scan)
    assert len(np.unique(saved["mask_id"])) > 2


def test_where_it_clicks():
    scan = Scan(np.array([[i, 0, 0] for i in range(6)], np.float32), np.zeros((6, 3), np.uint8))
    index = np.array([0, 0, 1, 1, 2, 2])
    masks = Masks(scan, np.array([[True, True, False]]), index, np.ones(1, np.float32), ("a",))
    assert all_prompts.on(masks, 0)[0] in (1, 2)
    assert all_prompts.elsewhere(masks, scan.points[0])[0] == 3  # the farthest inside the mask
    single = replace(masks, support=np.array([[True, False, False]]))
    assert all_prompts.elsewhere(single, scan.points[0])[0] == 5  # a mask of one patch: somewhere outside


@pytest.mark.slow
def test_the_made_room(model, monkeypatch, tmp_path, capsys):
    run(monkeypatch, "--model", model, "--out", tmp_path / "out")
    assert "room9302_00: 176,262 points" in capsys.readouterr().out
    assert (tmp_path / "out" / "all_prompts.png").is_file()
    assert json.loads((tmp_path / "knower.json").read_text())["verbs"] == list(VERBS)
