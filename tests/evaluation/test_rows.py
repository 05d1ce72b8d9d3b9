"""Single results as files, two results side by side, and where a number comes from."""

import json

import numpy as np
import pytest

from saymask.cli import run
from saymask.errors import InputError
from saymask.evaluation.compare import compare
from saymask.evaluation.request import Request
from saymask.evaluation.rows import check_rows_file, read_rows, write_rows
from saymask.evaluation.run import evaluate
from saymask.hub import registry
from tests.models.toy_model import make_prepared, register


@pytest.fixture
def data(tmp_path, monkeypatch):
    register(monkeypatch)
    make_prepared(tmp_path / "data")
    return tmp_path / "data"


def rows_of(scenes=6, each=4, gain=0.0):
    """Made-up rows: on every second sentence a gain of `gain`, half and one and a half times that."""
    random = np.random.default_rng(3)
    rows = []
    for scene in range(scenes):
        for number in range(each):
            iou = random.uniform(0.2, 0.6) + gain * (number % 2) * (1 + (scene % 3 - 1) / 2)
            rows.append({
                "scene": f"scene{scene:04d}_00", "annotation": number, "sentence": f"thing {number}",
                "group": ("unique", "multiple")[number % 2], "iou": iou, "acc25": float(iou > 0.25),
            })  # fmt: skip
    return rows


def test_an_evaluation_writes_rows_and_where_they_come_from(data, tmp_path):
    model = registry.build("toy.tiny")
    request = Request(data, json=tmp_path / "a.json", rows=tmp_path / "a.csv", baselines=False, quiet=True)
    result = evaluate(model, request)
    assert "rows" not in result
    whole = json.loads((tmp_path / "a.json").read_text())
    assert len(whole["rows"]) == result["annotations"]
    assert np.mean([row["iou"] for row in whole["rows"]]) == pytest.approx(result["metrics"]["overall"]["miou"])
    assert {"scene", "annotation", "sentence", "class", "objects", "score", "group", "iou"} <= set(whole["rows"][0])
    counted = sum(group["n"] for group in result["classes"].values())
    assert counted == sum(bool(row["class"]) for row in whole["rows"])
    facts = whole["provenance"]
    assert {"saymask", "torch", "python", "command", "date", "data_sha256"} <= set(facts)
    assert "checkpoint_sha256" not in facts  # it was built here
    for one, other in zip(read_rows(tmp_path / "a.csv"), read_rows(tmp_path / "a.json"), strict=True):
        assert one["iou"] == pytest.approx(other["iou"])
        assert (one["scene"], one["annotation"], one["sentence"]) == (
            other["scene"], other["annotation"], other["sentence"],
        )  # fmt: skip
    with pytest.raises(InputError, match="rows: expected task refer or click, got 'semantic'"):
        Request(data, task="semantic", rows=tmp_path / "a.csv").check()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_come_back(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    rows = rows_of()
    write_rows(tmp_path / f"r{suffix}", rows)
    assert read_rows(tmp_path / f"r{suffix}") == rows


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a file that ends in \.csv"):
        check_rows_file(tmp_path / "r.xlsx")
    (tmp_path / "all.json").write_text('{"results": {}}')
    with pytest.raises(InputError, match="expected rows of single sentences or clicks"):
        read_rows(tmp_path / "all.json")
    with pytest.raises(InputError, match="there is no such file"):
        read_rows(tmp_path / "no.json")


def test_a_true_difference_is_sure_and_none_is_not(tmp_path, capsys):
    write_rows(tmp_path / "a.csv", rows_of(scenes=30))
    write_rows(tmp_path / "b.csv", rows_of(scenes=30, gain=0.2)[:-1])
    found = compare(tmp_path / "a.csv", tmp_path / "b.csv", top=3, samples=2000)
    assert (found.shared, found.unshared) == (119, 1)
    by = {(d.group, d.metric): d for d in found.differences}
    overall, unique, multiple = (by[group, "iou"] for group in ("overall", "unique", "multiple"))
    assert overall.b - overall.a == pytest.approx((multiple.b - multiple.a) * multiple.n / overall.n)
    assert multiple.sure
    assert multiple.interval[0] < multiple.b - multiple.a < multiple.interval[1]
    assert (unique.b - unique.a, unique.interval, unique.sure) == (0, (0, 0), False)
    assert [y["iou"] - x["iou"] for x, y in found.wins] == sorted((y["iou"] - x["iou"] for x, y in found.wins))[::-1]
    assert len(found.wins) == 3
    assert not found.losses
    assert run(["compare", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--json", str(tmp_path / "c.json")]) == 0
    said = capsys.readouterr().out
    for part in ("multiple", "most gained", "thing 1", "1 rows that only one of them has"):
        assert part in said
    assert json.loads((tmp_path / "c.json").read_text())["shared"] == 119


def test_few_scans_have_no_interval(tmp_path):
    for name, gain in (("a", 0.0), ("b", 0.2)):
        write_rows(tmp_path / f"{name}.csv", rows_of(scenes=4, gain=gain))
    found = compare(tmp_path / "a.csv", tmp_path / "b.csv")
    assert all(d.interval is None and not d.sure for d in found.differences)


def test_the_interval_covers_the_truth_about_as_often_as_it_says(tmp_path):
    covered = 0
    for seed in range(15):
        random = np.random.default_rng(seed)
        rows = rows_of(scenes=20)
        write_rows(tmp_path / "a.jsonl", rows)
        shift = random.normal(0.0, 0.1, 20)  # of a whole scan
        write_rows(tmp_path / "b.jsonl", [{**row, "iou": row["iou"] + shift[i // 4]} for i, row in enumerate(rows)])
        d = compare(tmp_path / "a.jsonl", tmp_path / "b.jsonl", samples=500).differences[0]
        covered += d.interval[0] <= 0 <= d.interval[1]
    assert covered >= 11
