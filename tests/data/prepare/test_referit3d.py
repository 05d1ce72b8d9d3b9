"""Sentences of ReferIt3D: their groups, and the way from the table to numbers."""

import csv
import json

import pytest

from saymask.cli import run
from saymask.data.annotations import Annotation, load_annotations
from saymask.data.prepare.folder import prepare
from saymask.data.prepare.referit3d import read_referit3d, view_dependence
from saymask.errors import InputError
from saymask.metrics import metric_for
from tests.data.fake_scannet import make_fake_scannet

COLUMNS = ("stimulus_id", "utterance", "instance_type", "target_id", "scan_id", "mentions_target_class")


def write_table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


def nr3d_rows(scan):
    return [
        (f"{scan}-chair-2-3-4", "the chair, left of the desk", "chair", 3, scan, True),
        (f"{scan}-office chair-4-4-3-5-6", "the office chair by the wall", "office chair", 4, scan, "True"),
        (f"{scan}-trash can-3-5-6-7", "the leftover trash can", "trash can", 5, scan, True),
        (f"{scan}-desk-3-6-7-8", "it is at the front", "desk", 6, scan, False),
    ]


def test_groups(tmp_path):
    entries = read_referit3d(write_table(tmp_path / "nr3d.csv", nr3d_rows("scene0000_00")))
    assert [e["eval_type"] for e in entries] == [
        "easy view_dependent",
        "hard view_independent",
        "hard view_independent",  # "leftover" is another word
    ]
    assert [(e["object_id"], e["object_name"]) for e in entries][1] == ("4", "office_chair")
    assert view_dependence("Facing the door, ...") == "view_dependent"


def test_result_has_both_pairs_of_groups():
    metric = metric_for("referit3d")
    for number, (groups, inter) in enumerate((("easy view_dependent", 4.0), ("hard view_dependent", 1.0))):
        metric.add(Annotation("s", (0,), number, "a", "a", eval_type=groups), inter, 4.0)  # type: ignore[attr-defined]
    result = metric.compute()
    assert [result[g]["n"] for g in ("easy", "hard", "view_dependent", "view_independent")] == [1, 1, 2, 0]
    assert result["view_dependent"]["acc50"] == 0.5
    with pytest.raises(InputError, match="--source nr3d or sr3d"):
        metric.add(Annotation("s", (0,), 9, "a", "a"), 1.0, 1.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "missing columns: instance_type, scan_id"),
        (
            "x-chair-2-3,the chair,chair,three,scene0000_00,True\n",
            "line 2: expected a whole number",
        ),
        (
            "x,the chair,chair,3,scene0000_00,True\n",
            "line 2: expected a stimulus_id with a count",
        ),
    ],
)
def test_other_tables_are_said(tmp_path, content, says):
    header = ",".join(COLUMNS if content else COLUMNS[:2])
    (tmp_path / "nr3d.csv").write_text(f"{header}\n{content}")
    with pytest.raises(InputError, match=says):
        read_referit3d(tmp_path / "nr3d.csv")


@pytest.fixture
def raw(tmp_path):
    make_fake_scannet(tmp_path / "raw", train=2, val=1)
    for source in ("nr3d", "sr3d"):
        (tmp_path / "raw/referit3d").mkdir(exist_ok=True)
        rows = [row for scan in ("scene0000_00", "scene0001_00", "scene0002_00") for row in nr3d_rows(scan)]
        write_table(tmp_path / f"raw/referit3d/{source}.csv", rows)
    return tmp_path / "raw"


def test_prepare_shares_them_out_by_scan(raw, tmp_path):
    report = prepare(raw, tmp_path / "data", quiet=True)
    assert {name: report.annotations[name] for name in ("nr3d_train", "nr3d_val", "sr3d_train", "sr3d_val")} == {
        "nr3d_train": 6, "nr3d_val": 3, "sr3d_train": 6, "sr3d_val": 3,
    }  # fmt: skip
    said = load_annotations(tmp_path / "data/annotations/nr3d_val.json", source="nr3d")
    assert [a.ann_id for a in said] == [0, 1, 2]
    assert said[0].asked.source == ""
    with pytest.raises(InputError, match="expected eval_type such as 'easy view_dependent'"):
        load_annotations(tmp_path / "data/annotations/scanrefer_val.json", source="nr3d")


@pytest.mark.slow
def test_train_and_evaluate(raw, tmp_path):
    data, out, numbers = tmp_path / "data", tmp_path / "run", tmp_path / "numbers.json"
    prepare(raw, data, quiet=True)
    train = ["--max-steps", "3", "--train.batch-size", "1", "--train.workers", "0", "--train.max-val", "1"]
    run(["train", "less.rooms", "--data", str(data), "--out", str(out), "--train.source", "nr3d", *train])
    model, request = str(out / "last.safetensors"), ["--data", str(data), "--protocol", "referit3d", "--quiet"]
    assert run(["evaluate", model, *request, "--source", "sr3d", "--json", str(numbers)]) == 0
    result = json.loads(numbers.read_text())
    assert result["source"] == "sr3d"
    assert {name: result["metrics"][name]["n"] for name in ("overall", "easy", "hard", "view_dependent")} == {
        "overall": 3, "easy": 1, "hard": 2, "view_dependent": 1,
    }  # fmt: skip
