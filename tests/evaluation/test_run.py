"""Evaluation: by hand, on one and two processes, and with clear errors before the work."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from saymask.answers import Prediction
from saymask.data.samples.sentences import ReferDataset, by_scene
from saymask.data.scenes import load_scene
from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.evaluation.tables import print_table
from saymask.evaluation.tasks.refer import point_logits
from saymask.hub import checkpoints, registry
from saymask.training.run import train
from tests.models.toy_model import make_prepared, register


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_prepared(tmp_path_factory.mktemp("prepared"), train=4, val=4)


@pytest.fixture
def model():
    torch.manual_seed(1)
    return registry.build("toy.tiny").eval()


def test_equal_to_a_plain_loop(data, model):
    result = evaluate(model, Request(data, protocol="scanrefer", quiet=True))
    ious = []
    for annotation in ReferDataset(data, "val", prepare=None).annotations:  # type: ignore[arg-type]
        scan = load_scene(data / f"scenes/{annotation.scene_id}.safetensors")
        with torch.no_grad():
            encoded = model.encode_batch(model.collate([model.prepare(scan)]))
            mask = model.refer(encoded, [annotation.sentence])[0].logits[0].numpy() > 0
        true = scan.labels["instance"] == annotation.object_ids[0]
        ious.append((mask & true).sum() / (mask | true).sum())
    overall = result["metrics"]["overall"]
    assert overall["n"] == result["annotations"] == 16
    assert overall["miou"] == pytest.approx(np.mean(ious))
    assert overall["acc25"] == pytest.approx(np.mean(np.array(ious) >= 0.25))
    assert result["protocol"] == result["metrics"]["protocol"] == "scanrefer"
    subsets = result["metrics"]["unique"]["n"] + result["metrics"]["multiple"]["n"]
    assert subsets == 16
    assert result["baselines"]["random object"]["overall"]["miou"] == pytest.approx(0.25)  # four objects a scene


def test_training_mode_is_put_back(data, model):
    model.train()
    first = evaluate(model, Request(data, quiet=True, baselines=False))
    assert model.training
    assert model.points[1].training
    assert first["metrics"] == evaluate(model.eval(), Request(data, quiet=True))["metrics"]
    assert first["baselines"] == {}


@pytest.mark.slow
def test_two_processes_give_the_same(data, model, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = checkpoints.save_checkpoint(model, tmp_path / "model.safetensors")
    one = evaluate(path, Request(data, protocol="scanrefer", quiet=True))
    two = evaluate(path, Request(data, protocol="scanrefer", processes=2, quiet=True))
    for key in ("metrics", "baselines", "annotations", "model"):
        assert one[key] == two[key]
    both = evaluate(model, Request(data, protocol="scanrefer", processes=2, export=tmp_path / "two.json", quiet=True))
    assert both["metrics"] == one["metrics"]
    evaluate(model, Request(data, protocol="scanrefer", export=tmp_path / "one.json", quiet=True))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_validation_during_training_equals_evaluation(data, tmp_path):
    card = train("toy.tiny", data, tmp_path / "run", accelerator="cpu", quiet=True)
    result = evaluate(tmp_path / "run/best.safetensors", Request(data, protocol=card["protocol"], quiet=True))
    assert result["metrics"] == card["metrics"]


def test_limit_is_spread_evenly(data, model):
    result = evaluate(model, Request(data, limit=4, quiet=True, baselines=False))
    assert (result["task"], result["protocol"]) == ("refer", "3dres")
    assert result["metrics"]["overall"]["n"] == 4
    assert result["scenes"] == 4


def test_json_is_written(data, model, tmp_path):
    result = evaluate(model, Request(data, json=tmp_path / "out/result.json", quiet=True))
    written = json.loads((tmp_path / "out/result.json").read_text())
    assert written.keys() - result.keys() == {"provenance", "rows"}
    assert {name: written[name] for name in result} == json.loads(json.dumps(result))


def test_table_names_the_protocol(data, model, capsys):
    print_table(evaluate(model, Request(data, protocol="3dres", quiet=True)))
    out = capsys.readouterr().out
    assert "protocol 3dres" in out
    for word in ("  unique", "  multiple", "random object", "class oracle", "Acc@0.25", "toy.tiny"):
        assert word in out


def test_unknown_scene_is_reported_and_counted(data, model, tmp_path, capsys):
    import shutil

    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data/scenes/scene0004_00.safetensors").unlink()
    result = evaluate(model, Request(tmp_path / "data", quiet=True))
    assert (result["left_out"], result["annotations"]) == (4, 12)
    assert "4 val annotations left out" in capsys.readouterr().err


def test_command_line(data, model, tmp_path, capsys):
    from saymask.cli import run
    from saymask.metrics import PROTOCOLS

    checkpoint = checkpoints.save_checkpoint(model, tmp_path / "model.safetensors")
    numbers = []
    for what, more in ((checkpoint, ["--export", tmp_path / "p.json.gz"]), (tmp_path / "p.json.gz", [])):
        report = tmp_path / "report.json"
        command = ["evaluate", what, "--data", data, "--protocol", "3dres", "--json", report, *more]
        assert run([str(part) for part in command]) == 0
        numbers.append(json.loads(report.read_text())["metrics"])
    assert numbers[0] == numbers[1]
    capsys.readouterr()
    with pytest.raises(InputError, match="protocol: expected one of 3dres, less"):
        run(["evaluate", str(checkpoint), "--data", str(data), "--protocol", "3dgras"])
    with pytest.raises(SystemExit):
        run(["evaluate", "--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in PROTOCOLS)


def test_clear_errors_before_the_work(data, model, tmp_path):
    for options, message in (
        ({"protocol": "best"}, "protocol: expected one of"),
        ({"task": "paint"}, "task: expected one of refer"),
        ({"split": "test"}, "scanrefer_train"),
        ({"processes": 0}, "processes >= 1"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate(model, Request(data, quiet=True, **options))
    with pytest.raises(InputError, match="expected a file name, got a folder"):
        evaluate(model, Request(data, json=tmp_path, quiet=True))
    with pytest.raises(InputError, match="or a folder"):
        evaluate(model, Request(data, export=tmp_path / "masks.npz", quiet=True))
    with pytest.raises(InputError, match="this folder has scanrefer_train"):
        evaluate(model, Request(data, protocol="3dgres", quiet=True))
    with pytest.raises(InputError, match="saymask prepare"):
        evaluate(model, Request(tmp_path / "nowhere", quiet=True))
    with pytest.raises(InputError, match="there is no checkpoint file"):
        evaluate(tmp_path / "nothing.safetensors", Request(data, quiet=True, processes=2))


def test_scenes_come_in_the_order_of_their_names(data):
    scenes = by_scene(ReferDataset(data, "val", prepare=None))  # type: ignore[arg-type]
    assert list(scenes) == sorted(scenes)
    assert sorted(row for rows in scenes.values() for row in rows) == list(range(16))


def test_several_masks_are_united_and_missing_rows_are_outside():
    logits = torch.tensor([[1.0, -2.0, -3.0], [-1.0, 2.0, -4.0]])
    points = point_logits(Prediction(logits, torch.ones(2), np.array([0, 1, 2, -1])))
    np.testing.assert_array_equal(points, [1.0, 2.0, -3.0, -np.inf])
