"""Every task in one pass: right answers, the same numbers as one task at a time, what does not fit, and the table."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saymask import __version__
from saymask.data.scenes import load_scene, save_scene, scene_path
from saymask.errors import InputError
from saymask.evaluation.items import load_items
from saymask.evaluation.measure import measure_tasks, summary, wanted_of
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.evaluation.tables import print_table
from saymask.evaluation.tasks.table import TASKS
from tests.models.knowing_model import Knowing, KnowingConfig, make_told, register

VAL = ("scene0002_00", "scene0003_00")
FIGURES = {
    "refer": "miou", "semantic": "miou_present", "instances": "ap50", "panoptic": "pq", "click": "miou",
    "find": "miou",
}  # fmt: skip
PLAIN = {
    "refer": "3dres", "semantic": "scannet", "instances": "scannet", "panoptic": "scannet", "click": "scannet",
    "find": "scannet200",
}  # fmt: skip


@pytest.fixture(autouse=True)
def known(monkeypatch):
    register(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_told(tmp_path_factory.mktemp("told"))


@pytest.fixture
def model() -> Knowing:
    return Knowing().eval()


@pytest.fixture
def copied(data, tmp_path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "copy"))


def relabel(data: Path, scene: str, **labels) -> None:
    scan = load_scene(scene_path(data, scene))
    kept = {name: values for name, values in {**scan.labels, **labels}.items() if values is not None}
    save_scene(scene_path(data, scene), replace(scan, labels=kept), objects={})


def test_the_right_answers_score_one(data, model):
    found = evaluate(model, Request(data, task="all", quiet=True))
    assert (found["task"], found["scans"], found["left_out"], found["model"]) == ("all", 2, 0, "knowing")
    assert found["refused"] == {}
    assert {task: tuple(protocols) for task, protocols in found["results"].items()} == {
        task: (plain, "uniseg3d") for task, plain in PLAIN.items()
    }
    for task, protocols in found["results"].items():
        for protocol, one in protocols.items():
            assert (one["scans"], one["left_out"], one["not_finite"]) == (2, 0, 0)
            assert one["metrics"]["protocol"] == protocol
            assert one["metrics"]["overall"]["n"] > 1
            figure = TASKS[task].figure(one["metrics"])
            assert figure == ("ap" if (task, protocol) == ("find", "uniseg3d") else FIGURES[task])
            if (task, protocol) != ("panoptic", "uniseg3d"):
                assert one["metrics"]["overall"][figure] == pytest.approx(1)
    # Absent classes count 0 there.
    panoptic = found["results"]["panoptic"]["uniseg3d"]["metrics"]["overall"]
    assert panoptic["pq"] == pytest.approx(panoptic["n"] / 20)
    assert panoptic["pq_present"] == pytest.approx(1)
    # Sentences about floor and walls are no sentences about things.
    labels = [load_scene(scene_path(data, scene)).labels for scene in VAL]
    stuff = sum(len(np.unique(each["instance"][np.isin(each["semantic20"], (0, 1))])) for each in labels)
    refer = found["results"]["refer"]
    assert refer["3dres"]["metrics"]["overall"]["n"] == refer["uniseg3d"]["metrics"]["overall"]["n"] + stuff
    assert stuff > 2


def test_a_scan_is_encoded_once(data, model):
    evaluate(model, Request(data, task="all", quiet=True))
    assert model.asked.count("encode") == len(VAL)
    assert set(model.asked) == {"encode", "refer", "semantic", "instances", "panoptic", "click", "find"}


def test_equal_to_one_task_at_a_time(data, model):
    together = evaluate(model, Request(data, task="all", quiet=True))["results"]
    for task, protocols in together.items():
        for protocol, one in protocols.items():
            alone = evaluate(model, Request(data, task=task, protocol=protocol, quiet=True))
            assert one["metrics"] == alone["metrics"], (task, protocol)
        if task != "find":
            assert evaluate(model, Request(data, task=task, quiet=True))["protocol"] == PLAIN[task]


@pytest.mark.slow
def test_two_processes_give_the_same(data, model, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = evaluate(model, Request(data, task="all", quiet=True))
    two = evaluate(model, Request(data, task="all", processes=2, quiet=True))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    clicks = [
        evaluate(model, Request(data, task="click", processes=n, click_distances=True, quiet=True)) for n in (1, 2)
    ]
    assert clicks[0]["metrics"] == clicks[1]["metrics"]


def test_a_protocol_chooses_the_tasks(data, model):
    def asked(protocol: str) -> dict[str, tuple[str, ...]]:
        found = evaluate(model, Request(data, task="all", protocol=protocol, quiet=True))["results"]
        return {task: tuple(protocols) for task, protocols in found.items()}

    assert asked("plain") == {task: (plain,) for task, plain in PLAIN.items()}
    assert asked("uniseg3d") == dict.fromkeys(PLAIN, ("uniseg3d",))
    assert asked("3dres") == {"refer": ("3dres",)}
    with pytest.raises(InputError, match=r"protocol: expected plain, 3dres, .* for task all, got 'best'"):
        evaluate(model, Request(data, task="all", protocol="best", quiet=True))


def test_what_does_not_fit_the_model_is_left_out(data, capsys):
    large = Knowing(KnowingConfig(labels="semantic200", hides=("panoptic", "refer")))
    whole = evaluate(large.eval(), Request(data, task="all", quiet=True))
    found = whole["results"]
    assert set(whole["refused"]) == {"semantic uniseg3d", "instances uniseg3d"}
    print_table(whole)
    assert "not measured: semantic uniseg3d (protocol uniseg3d: expected a model with" in capsys.readouterr().out
    assert {task: tuple(found[task]) for task in ("semantic", "instances")} == {
        "semantic": ("scannet200",),
        "instances": ("scannet200",),
    }
    assert set(found) == {"semantic", "instances", "click", "find"}
    for task in ("semantic", "instances"):
        assert evaluate(large, Request(data, task=task, quiet=True))["metrics"] == found[task]["scannet200"]["metrics"]
    with pytest.raises(InputError, match=r"protocol uniseg3d: expected a model with the 20 classes"):
        evaluate(large, Request(data, task="semantic", protocol="uniseg3d", quiet=True))


def test_clicks_without_classes_have_no_published_numbers(data, model, monkeypatch):
    monkeypatch.delattr(Knowing, "click_classes")
    found = evaluate(model, Request(data, task="all", quiet=True))["results"]
    assert tuple(found["click"]) == ("scannet",)
    with pytest.raises(InputError, match="click_classes"):
        evaluate(model, Request(data, task="click", protocol="uniseg3d", quiet=True))


def test_data_without_some_labels_and_sentences(copied, model, capsys):
    (copied / "annotations/scanrefer_val.json").unlink()
    relabel(copied, VAL[0], semantic20=None)
    found = evaluate(model, Request(copied, task="all", quiet=True))["results"]
    assert "refer" not in found
    assert (found["semantic"]["scannet"]["scans"], found["semantic"]["scannet"]["left_out"]) == (1, 1)
    assert found["find"]["scannet200"]["scans"] == 2
    err = capsys.readouterr().err
    assert "refer is left out: there are no sentences scanrefer_val.json" in err
    assert err.count("1 of 2 scans have no labels 'semantic20' with instances") == 1
    for scene in VAL:
        relabel(copied, scene, semantic20=None, semantic200=None)
    with pytest.raises(InputError, match="expected scans with labels"):
        evaluate(model, Request(copied, task="all", quiet=True))


def test_limit_counts_scans_with_all_their_sentences(data, model):
    found = evaluate(model, Request(data, task="all", limit=1, quiet=True))
    assert found["scans"] == 1
    sentences = json.loads((data / "annotations/scanrefer_val.json").read_text())
    counts = {scene: sum(entry["scene_id"] == scene for entry in sentences) for scene in VAL}
    assert found["results"]["refer"]["3dres"]["metrics"]["overall"]["n"] == counts[VAL[0]]


def test_clicks_at_distances(data, model):
    found = evaluate(model, Request(data, task="click", click_distances=True, quiet=True))["metrics"]
    groups = [*(f"distance_{d / 10}" for d in range(1, 11)), "distance_random"]
    assert [name for name in found if name.startswith("distance")] == groups
    assert {found[name]["n"] for name in groups} == {found["overall"]["n"] // 11}
    assert found["overall"]["miou"] == 1
    with pytest.raises(InputError, match=r"click_distances: expected task 'click', .*got 'find'"):
        evaluate(model, Request(data, task="find", click_distances=True, quiet=True))


def test_tables(data, model, capsys, tmp_path):
    found = evaluate(model, Request(data, task="all", json=tmp_path / "all.json", quiet=True))
    written = json.loads((tmp_path / "all.json").read_text())
    assert written.pop("provenance")["saymask"] == __version__
    written.pop("rows")
    assert written == json.loads(json.dumps(found))
    print_table(found)
    out = capsys.readouterr().out
    for word in (*PLAIN, *PLAIN.values(), "uniseg3d", "PQ", "AP50", "mIoU", "ratio", "2 scans", "100.00"):
        assert word in out
    for task in TASKS:
        print_table(evaluate(model, Request(data, task=task, protocol="uniseg3d", quiet=True)))
        out = " ".join(capsys.readouterr().out.split())
        assert f"{task} on " in out
        assert "protocol uniseg3d" in out
    print_table(evaluate(model, Request(data, task="click", quiet=True)))
    out = capsys.readouterr().out
    assert "things" in out
    assert "others" in out


def test_empty_groups_are_shown_as_nothing(data, model, capsys):
    metrics = TASKS["panoptic"].empty("scannet").compute()
    print_table(
        {"task": "panoptic", "model": "none", "data": "d", "split": "val", "protocol": "scannet", "scans": 0,
         "left_out": 0, "missing": 3, "not_finite": 1, "metrics": metrics, "baselines": {}}
    )  # fmt: skip
    out = " ".join(capsys.readouterr().out.split())
    assert "none 0 - - - -" in out
    assert "3 scans without a prediction are left out" in out
    assert "1 answers without a finite number" in out


def test_shares_of_processes_come_together(data, model):
    """What validation does on several processes: every share has every metric, and their union is the whole."""
    items = load_items(Request(data, task="all"))
    wanted = wanted_of(TASKS, model.verbs, None)
    whole = measure_tasks(model, items, VAL, wanted)
    parts = [measure_tasks(model, items, share, wanted) for share in ([VAL[1]], [VAL[0]], [])]
    assert [list(part) for part in parts] == [[w.key for w in wanted]] * 3
    for key, metric in whole.items():
        union = parts[0][key].merge(*(part[key].state() for part in parts[1:]))
        np.testing.assert_equal(union.compute(), metric.compute())
    result = summary(whole, wanted, "plain")
    assert result["overall"] == {"n": 6, "mean": pytest.approx(1)}
    assert result["refer"] == whole["refer", "3dres"].compute()["overall"]
    assert summary(measure_tasks(model, items, [], wanted), wanted, "plain")["overall"] == {"n": 0, "mean": 0.0}


def test_clear_errors(data, model, tmp_path):
    for options, message in (
        ({"task": "all", "export": tmp_path / "out"}, "export: expected none for task 'all'"),
        ({"task": "panoptic", "export": tmp_path / "out"}, "task panoptic has no files"),
        (
            {"task": "panoptic", "protocol": "scannet200"},
            "one of scannet, uniseg3d, got 'scannet200' for task",
        ),
        ({"task": "find", "source": "scanrefer"}, "source: expected none"),
        ({"task": "all", "split": "test"}, "expected scans of split 'test'"),
        ({"task": "all", "source": "scannet"}, "source: expected scanrefer"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate(model, Request(data, quiet=True, **options))
    with pytest.raises(InputError, match="task find has no files"):
        evaluate(tmp_path, Request(data, task="find", quiet=True))
    with pytest.raises(InputError, match="protocol 3dres: expected a model that answers one of its tasks"):
        evaluate(Knowing(KnowingConfig(hides=("refer",))), Request(data, task="all", protocol="3dres", quiet=True))
