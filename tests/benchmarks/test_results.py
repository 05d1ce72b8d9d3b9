"""The measuring of everything: what is current is not run again, what is kept is small and says where it comes from."""

import json
import shlex

import pytest

from benchmarks import results
from saymask.hub import checkpoints
from saymask.hub.headers import embedded
from saymask.util.provenance import weights_sha256


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with data, in which commands write a result with the weights and data that there are."""
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "KEPT", tmp_path / "docs" / "results")
    for name in results.ROOMS:
        folder = tmp_path / results.OUT / name
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "manifest.json").write_text("{}")
        (folder / "raw" / "scans").mkdir(parents=True)
        (folder / "raw" / "scans" / "a.ply").write_text("a")
        card = {"version": 1, "seed": 0, "sensor": "ideal", "rooms": {"val": 60}, "val_sha256": "ab"}
        (folder / "raw" / "card.json").write_text(json.dumps(card))
    return tmp_path


@pytest.fixture
def ran(clone, monkeypatch):
    asked = []

    def run(*command):
        asked.append(command)
        evaluation = next(e for e in results.plan() if e.command == command)
        facts = {
            "command": shlex.join(command),
            "weights_sha256": weights_sha256(embedded()[evaluation.model]),
            "data_sha256": results.data_sha256(clone / evaluation.folder),
        }
        rows = [{"score": 0.91, "iou": 0.7}, {"score": 0.95, "iou": 0.1}, {"score": None, "iou": 0.1}]
        metrics = {"overall": {"n": 3, "miou": 1 / 3}, "iou": {"chair": 0.5}}
        whole = {"metrics": metrics, "rows": rows, "classes": {"chair": {"n": 1}}, "seconds": 1.0, "provenance": facts}
        (clone / evaluation.file).write_text(json.dumps(whole))

    monkeypatch.setattr(results, "_run", run)
    return asked


def test_what_is_current_is_not_run_again(ran, clone):
    chosen = ["--only", "less.rooms", "--data", "rooms1"]
    results.main(chosen)
    assert [command[-1] for command in ran] == [
        f"out/results/less.rooms/rooms1-{name}.json" for name in ("3dres", "less")
    ]
    results.main(chosen)
    assert len(ran) == 2
    kept = clone / "docs" / "results" / "less.rooms" / "rooms1-less.json"
    content = json.loads(kept.read_text())
    content["provenance"]["weights_sha256"] = "of others"
    kept.write_text(json.dumps(content))
    results.main(chosen)
    assert len(ran) == 3
    (clone / results.OUT / "rooms1" / "data" / "manifest.json").write_text('{"another": 1}')
    results.main(chosen)
    assert len(ran) == 5
    results.main([*chosen, "--again"])
    assert len(ran) == 7


def test_what_is_kept_is_small(ran, clone):
    results.main(["--only", "less.rooms", "--data", "rooms1"])
    content = json.loads((clone / "docs" / "results" / "less.rooms" / "rooms1-3dres.json").read_text())
    assert content.keys() == {"metrics", "reliability", "provenance", "data"}
    assert content["metrics"] == {"overall": {"n": 3, "miou": 0.333333}}
    assert content["reliability"] == [{"from": 0.9, "n": 2, "score": 0.93, "iou50": 0.5, "iou25": 0.5}]
    assert content["data"]["command"] == "saymask rooms out/results/rooms1/raw --split val=60 --seed 0"
    assert content["data"]["sha256"] == "ab"


def test_missing_worlds_are_said(ran, capsys):
    results.main(["--data", "worlds"])
    assert not ran
    assert "put a link to them there" in capsys.readouterr().err


def test_commands_are_those_that_are_shown():
    evaluations = list(results.plan())
    assert len({e.kept for e in evaluations}) == len(evaluations)
    assert {e.model for e in evaluations} == set(embedded())
    for evaluation in evaluations:
        assert evaluation.command[0] in ("saymask", "python")
        assert evaluation.command[-2:] == ("--json", evaluation.file.as_posix())


def test_the_card_gets_the_numbers_and_the_weights_stay(clone, tmp_path, monkeypatch):
    source = checkpoints.load_model(None, "cpu")
    own = checkpoints.save_checkpoint(source, tmp_path / "uniseg3d.rooms.safetensors", dtype="float16")
    before = weights_sha256(own)
    monkeypatch.setattr(results, "embedded", lambda: {results.DEFAULT: own})
    folder = results.KEPT / results.DEFAULT
    folder.mkdir(parents=True)
    found = {
        task: {protocol: {"metrics": {"overall": {key: 0.5}}}} for task, protocol, key in results.HEADLINE.values()
    }
    (folder / "rooms1-all.json").write_text(json.dumps({"results": found}))
    for view in results.VIEWS:
        (folder / f"worlds-{view}.json").write_text(json.dumps({"worlds": {"mean": {"click": 1.0}}}))
    results.write_card()
    card = json.loads(own.with_suffix(".json").read_text())
    assert card["headline"]["PQ"] == card["headline"]["mIoU click"] == 50
    assert card["metrics"]["foreign"]["rgbd"] == {"click": 1.0}
    assert weights_sha256(own) == before
