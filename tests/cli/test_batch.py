"""Several scans and sentences in one command: results in a folder, a bad file stops nothing, nothing is done twice."""

import json

import pytest

from saymask.cli import asker
from saymask.hub import checkpoints, registry
from saymask.io.ply import read_ply
from tests.cli.test_cli import refused, run
from tests.cli.test_prompts import COUNTS, registered, scan, weights  # noqa: F401  (fixtures)
from tests.models import toy_model

FIND = ("--threshold", "0.9", "--unit", "m", "--up", "z")


@pytest.fixture
def scans(scan, tmp_path):  # noqa: F811
    """A folder with two scans and between them one that is cut off."""
    folder = tmp_path / "scans"
    (folder / "deep").mkdir(parents=True)
    whole = scan.read_bytes()
    (folder / "a.ply").write_bytes(whole)
    (folder / "b.ply").write_bytes(whole[:600])
    (folder / "deep" / "c.ply").write_bytes(whole)
    return folder


def test_each_scan_has_its_result_and_a_bad_one_stops_nothing(capsys, scans, weights, tmp_path):  # noqa: F811
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    code, printed, err = run(
        capsys, "find", scans, "red", "green", *FIND, "--out", out, "--format", "ply", "--picture", sheet
    )
    assert code == 1
    assert "b: error: b.ply: " in err
    assert "2 of 3 scans answered by painter.tiny" in err
    assert [line for line in printed.splitlines() if not line.startswith(" ")] == ["a", "deep/c"]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        ".lock", "a.json", "a.ply", "a.png", "deep/c.json", "deep/c.ply", "deep/c.png",
    ]  # fmt: skip
    report = json.loads((out / "deep" / "c.json").read_text())
    (answer,) = report["answers"]
    assert answer["words"] == ["red", "green"]
    assert answer["files"] == ["c.ply", "c.png"]
    assert {mask["name"]: mask["points"] for mask in answer["masks"]} == {
        "red": COUNTS["red"],
        "green": COUNTS["green"],
    }
    assert int((read_ply(out / "a.ply").columns["mask_id"] >= 0).sum()) == COUNTS["red"] + COUNTS["green"]
    assert sheet.read_bytes()[1:4] == b"PNG"


def test_what_is_there_is_not_done_again(capsys, scans, weights, tmp_path, monkeypatch):  # noqa: F811
    (scans / "b.ply").unlink()
    out, read = tmp_path / "out", []
    answer = asker.Asker.answer
    monkeypatch.setattr(
        asker.Asker, "answer", lambda self, path, *rest: read.append(path.name) or answer(self, path, *rest)
    )
    question = ["find", scans, "red", *FIND, "--out", out]
    first = run(capsys, *question)
    assert (first[0], read) == (0, ["a.ply", "c.ply"])
    again = run(capsys, *question)
    assert (again[0], len(read)) == (0, 2)
    assert again[1].replace("  (answered before)", "") == first[1]
    # A killed run leaves some results; a file that has changed, another question or kind of file is done anew.
    (out / "a.json").unlink()
    run(capsys, *question)
    assert read[2:] == ["a.ply"]
    (scans / "a.ply").write_bytes((scans / "a.ply").read_bytes() + b"\n")
    run(capsys, *question)
    assert read[3:] == ["a.ply"]
    run(capsys, *question, "--format", "npz")
    assert read[4:] == ["a.ply", "c.ply"]
    run(capsys, "find", scans, "green", *FIND, "--out", out)
    assert read[6:] == ["a.ply", "c.ply"]
    checkpoints.save_checkpoint(registry.build("painter.tiny"), weights / "painter.tiny.safetensors", {"note": "new"})
    run(capsys, "find", scans, "green", *FIND, "--out", out)
    assert read[8:] == ["a.ply", "c.ply"]
    (out / "a.json").write_text("{")
    run(capsys, "find", scans, "green", *FIND, "--out", out)
    assert read[10:] == ["a.ply"]


def test_json_is_one_object(capsys, scans, weights):  # noqa: F811
    code, out, _ = run(capsys, "segment", f"{scans}/*.ply", "--json", "--unit", "m", "--up", "z")
    report = json.loads(out)
    assert code == 1
    assert set(report) == {"model", "scans", "failed"}
    assert [each["scan"] for each in report["scans"]] == [str(scans / "a.ply")]
    assert [each["scan"] for each in report["failed"]] == [str(scans / "b.ply")]


def test_many_sentences(capsys, scan, tmp_path, monkeypatch):  # noqa: F811
    toy_model.register(monkeypatch)
    model = checkpoints.save_checkpoint(registry.build("toy.tiny"), tmp_path / "toy.safetensors")
    file = tmp_path / "said.txt"
    file.write_text("﻿the red box\n\n  the tall green one  \n", encoding="utf-8")
    out = tmp_path / "out"
    code, printed, _ = run(
        capsys, "refer", scan, "--sentences", file, "--model", model, "--out", out, "--format", "npz", "--unit", "m"
    )
    assert code == 0
    assert [line for line in printed.splitlines() if "mask" not in line and "no object" not in line] == [
        "room", "  the red box", "  the tall green one",
    ]  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == [".lock", "room.1.npz", "room.2.npz", "room.json"]
    answers = json.loads((out / "room.json").read_text())["answers"]
    assert [answer["sentence"] for answer in answers] == ["the red box", "the tall green one"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "hit.ply"], "expected a folder"),
        (["--format", "ply"], "expect --out FOLDER"),
        (["--picture", "x.png"], "expect --out FOLDER"),
        (["--picture", "x.jpg", "--out", "o"], ".jpg"),
    ],
    ids=" ".join,
)
def test_outputs_of_a_batch_are_checked_first(capsys, scans, weights, tmp_path, monkeypatch, arguments, says):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    assert says in refused(capsys, "find", scans, "red", *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["room.ply", "scans", "weights"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "got neither"),
        (["the chair", "--sentences", "s.txt"], "got both"),
        (["--sentences", "none.txt"], "none.txt"),
        (["--sentences", "empty.txt"], "got none in empty.txt"),
        (["--sentences", "latin.txt"], "UTF-8"),
        (["the chair", "--format", "ply"], "expected only with several"),
    ],
    ids=" ".join,
)
def test_sentences_are_checked_first(capsys, scan, tmp_path, monkeypatch, arguments, says):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("the chair\n")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    assert says in refused(capsys, "refer", scan, *arguments)
