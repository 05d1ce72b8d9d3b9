"""Tasks on whole scans: by hand, on one and two processes, from files, and with clear errors."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saymask.answers import Classes, Objects
from saymask.data.scenes import load_scene, read_manifest, save_scene, scene_path
from saymask.errors import InputError
from saymask.evaluation.items import load_items
from saymask.evaluation.measure import Wanted, measure_tasks
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.evaluation.tables import print_table
from saymask.evaluation.tasks.semantic import majority_class, point_classes
from saymask.evaluation.tasks.table import TASKS
from saymask.hub import checkpoints, registry
from saymask.io.ply import read_ply
from saymask.io.scannet import read_scan_folder
from saymask.labels.tables import scannet20, scannet200
from saymask.metrics.semantic import SemanticMetric
from saymask.metrics.submission import read_ids, read_list, score_submission
from saymask.models.base import Model, Preset, TrainConfig
from saymask.scan import Scan
from tests.data.fake_scannet import make_fake_scannet

VAL = ("scene0002_00", "scene0003_00")
WALL, CHAIR, FLOOR = 0, 1, 2  # indices of ScanNet200's classes; their ids are 1, 2, 3


@dataclass(frozen=True)
class ReaderConfig:
    labels: str = "semantic200"
    spoil: str = ""
    """What is done to the right answer."""


class Reader(Model):
    """Reads the right answer from the colours, in which `coloured` has written it; its labels it never sees."""

    system = "reader"

    def __init__(self, config: ReaderConfig) -> None:
        super().__init__()
        self.config, self.card = config, {"name": "reader", "preset": "reader.all"}
        self.scale = nn.Parameter(torch.ones(()))

    def prepare(self, scan: Scan, annotations=(), *, rng=None) -> Scan:
        assert scan.labels == {}
        return scan

    def collate(self, samples: list[Scan]) -> "Reading":
        return Reading(samples[0])

    def encode_batch(self, batch: "Reading") -> Scan:
        assert not self.training
        return batch.scan

    def losses(self, batch: "Reading") -> dict[str, Tensor]:
        return {"scale": self.scale.square()}

    def _names(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        classes = scannet200() if self.config.labels == "semantic200" else scannet20()
        return tuple(c.name for c in classes), tuple(c.id for c in classes)

    def semantic(self, scan: Scan) -> Classes:
        names, ids = self._names()
        # The support is each pair of colours once, so that the way from rows to points matters.
        rows, index = np.unique(scan.colors[:, :2], axis=0, return_inverse=True)
        classes = np.where(rows[:, 0] == 255, -1, rows[:, 0].astype(np.int64))
        probabilities = np.full(len(rows), 0.5, np.float32)
        if self.config.spoil == "refuses":
            raise InputError("expected finite logits, got NaN")
        if self.config.spoil == "chairs":
            classes[classes == CHAIR] = FLOOR
        elif self.config.spoil == "nan":
            probabilities[classes == CHAIR] = np.nan
        elif self.config.spoil == "holes":
            index = np.where(scan.colors[:, 0] == CHAIR, -1, index.ravel())
        return Classes(classes, probabilities, index.ravel(), names, ids)

    def instances(self, scan: Scan) -> Objects:
        names, ids = self._names()
        rows, index = np.unique(scan.colors[:, :2], axis=0, return_inverse=True)
        there = np.flatnonzero((rows[:, 0] != 255) & (rows[:, 1] != 255))
        masks = np.zeros((len(there), len(rows)), bool)
        masks[np.arange(len(there)), there] = True
        scores = np.linspace(0.9, 0.1, len(there), dtype=np.float32)
        classes = rows[there, 0].astype(np.int64)
        if self.config.spoil == "nan":
            scores[classes == CHAIR] = np.nan
        elif self.config.spoil == "chairs":
            classes[classes == CHAIR] = FLOOR
        elif self.config.spoil == "doubled":  # a second mask for each object, surer than all right ones
            masks, classes = np.concatenate([masks, masks]), np.concatenate([classes, classes])
            scores = np.concatenate([scores, scores + 1])
        elif self.config.spoil == "silent":
            masks, scores, classes = masks[:0], scores[:0], classes[:0]
        return Objects(masks, scores, classes, index.ravel(), names, ids)


@dataclass(frozen=True)
class Reading:
    scan: Scan

    def to(self, device) -> "Reading":
        return self


class OnlyClasses(Reader):
    @classmethod
    def answers(cls, config):
        return ("semantic",)


def preset() -> Preset:
    return Preset("reader.all", "reader", ReaderConfig(), TrainConfig())


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(registry.SYSTEMS, "reader", "tests.evaluation.test_scans:Reader")
    monkeypatch.setitem(registry.PRESETS, "reader.all", "tests.evaluation.test_scans:preset")


def coloured(scan: Scan, label: str = "semantic200") -> Scan:
    """Return the scan with its class and object in red and green (255 = none)."""
    colors = scan.colors.copy()
    colors[:, 0] = scan.labels[label]  # -1 becomes 255
    colors[:, 1] = np.where(scan.labels["instance"] < 0, 255, scan.labels["instance"])
    return replace(scan, colors=colors)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two training and two validation scans in the layout of ScanNet, prepared; one wall is not annotated."""
    folder = tmp_path_factory.mktemp("scannet")
    make_fake_scannet(folder / "raw", train=2, val=2)
    names = sorted(path.name for path in (folder / "raw/scans").iterdir())
    for name in names:
        raw = read_scan_folder(folder / "raw/scans" / name)
        save_scene(scene_path(folder / "data", name), coloured(raw.scan), objects=raw.objects)
    splits = {"train": names[:2], "val": names[2:]}
    (folder / "data/manifest.json").write_text(json.dumps({"version": 1, "name": "boxes", "splits": splits}))
    return folder / "data"


@pytest.fixture
def model() -> Model:
    return registry.build("reader.all").eval()


def spoilt(how: str) -> Model:
    return Reader(ReaderConfig(spoil=how)).eval()


def copy(data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "copy"))


def unlabel(data: Path, scene: str) -> None:
    save_scene(scene_path(data, scene), replace(load_scene(scene_path(data, scene)), labels={}), objects={})


def test_the_right_answer_scores_one(data, model):
    semantic = evaluate(model, Request(data, task="semantic", quiet=True))
    assert semantic["protocol"] == semantic["metrics"]["protocol"] == "scannet200"
    assert (semantic["scans"], semantic["left_out"], semantic["not_finite"]) == (2, 0, 0)
    overall = semantic["metrics"]["overall"]
    assert overall["miou_present"] == overall["acc"] == 1
    assert overall["miou_all"] == pytest.approx(overall["n"] / 200)
    assert set(semantic["metrics"]["iou"].values()) == {1.0}
    instance = evaluate(model, Request(data, task="instances", quiet=True))
    for key in ("ap", "ap50", "ap25"):
        assert instance["metrics"]["overall"][key] == 1
    assert instance["baselines"] == {}
    assert {"floor", "wall"} & set(instance["metrics"]["ap"]) == set()


def test_twenty_classes(data, tmp_path):
    folder = copy(data, tmp_path)
    for scene in VAL:
        save_scene(scene_path(folder, scene), coloured(load_scene(scene_path(folder, scene)), "semantic20"), objects={})
    model = Reader(ReaderConfig("semantic20"))
    semantic = evaluate(model, Request(folder, task="semantic", protocol="scannet", quiet=True))
    assert semantic["metrics"]["overall"]["miou_present"] == 1
    assert "head" not in semantic["metrics"]
    assert (
        evaluate(model, Request(folder, task="instances", protocol="scannet", quiet=True))["metrics"]["overall"]["ap50"]
        == 1
    )
    print_table(semantic)


def chairs_and_floor(data: Path, scenes=VAL) -> tuple[int, int]:
    labels = np.concatenate([load_scene(scene_path(data, s)).labels["semantic200"] for s in scenes])
    return int((labels == CHAIR).sum()), int((labels == FLOOR).sum())


@pytest.fixture
def chairs(data, tmp_path) -> Path:
    """Data whose first validation scan has at least one chair, whatever was drawn."""
    folder = copy(data, tmp_path)
    path = scene_path(folder, VAL[0])
    scan = load_scene(path)
    scan.labels["semantic200"][scan.labels["instance"] == 3] = CHAIR
    save_scene(path, coloured(scan), objects={})
    return folder


def test_chairs_called_floor_by_hand(chairs):
    chair, floor = chairs_and_floor(chairs)
    assert chair > 100
    found = evaluate(spoilt("chairs"), Request(chairs, task="semantic", quiet=True))["metrics"]
    assert found["iou"]["chair"] == 0
    assert found["iou"]["floor"] == pytest.approx(floor / (floor + chair))
    n = found["overall"]["n"]
    assert found["overall"]["miou_present"] == pytest.approx((n - 2 + floor / (floor + chair)) / n)
    instance = evaluate(spoilt("chairs"), Request(chairs, task="instances", quiet=True))["metrics"]
    assert instance["ap"]["chair"] == 0
    assert instance["overall"]["ap"] == pytest.approx((instance["overall"]["n"] - 1) / instance["overall"]["n"])


def test_doubled_masks_by_hand(data):
    """One instance of a class, two equal masks: the surer one is right, the other wrong but below it."""
    found = evaluate(spoilt("doubled"), Request(data, task="instances", quiet=True))["metrics"]
    labels = [load_scene(scene_path(data, s)).labels for s in VAL]
    objects: dict[int, set] = {}
    for scene, one in enumerate(labels):
        for c, i in np.unique(np.stack([one["semantic200"], one["instance"]]), axis=1).T:
            if c > FLOOR and i >= 0:
                objects.setdefault(int(c), set()).add((scene, int(i)))
    single = [c for c, there in objects.items() if len(there) == 1]
    assert single
    for c in single:
        # Precision and recall are (1, 1) at the higher score, (1/2, 1) at the lower one, then (1, 0): the integral of
        # the official code weighs them with half the distance of their neighbours in recall.
        assert found["ap50"][scannet200()[c].name] == pytest.approx(1.0)


def test_a_class_that_nobody_predicts_counts_zero(data):
    found = evaluate(spoilt("silent"), Request(data, task="instances", quiet=True))["metrics"]
    assert found["overall"]["n"] > 3
    assert found["overall"]["ap25"] == 0
    # A class without an example is not defined, and not in the mean.
    assert "toilet" not in found["ap"]


def test_points_without_support_have_no_class(chairs):
    found = evaluate(spoilt("holes"), Request(chairs, task="semantic", quiet=True))
    assert found["metrics"]["iou"]["chair"] == 0
    assert found["metrics"]["iou"]["floor"] == 1
    assert found["not_finite"] == 0


@pytest.mark.parametrize("task", ["semantic", "instances"])
def test_numbers_that_are_none_are_said_and_counted(chairs, tmp_path, capsys, task):
    found = evaluate(spoilt("nan"), Request(chairs, task=task, quiet=True, export=tmp_path / "out"))
    numbers = found["metrics"]["iou" if task == "semantic" else "ap"]
    assert numbers["chair"] == 0
    assert [v for name, v in numbers.items() if name != "chair"] == pytest.approx([1.0] * (len(numbers) - 1))
    err = capsys.readouterr().err
    assert "not a finite number" in err
    assert VAL[0] in err
    if task == "semantic":
        assert found["not_finite"] == chairs_and_floor(chairs)[0]
        assert not (read_ids(tmp_path / f"out/{VAL[0]}.txt") == 2).any()
    else:
        assert found["not_finite"] >= 1
        assert all(mask.label != 2 for mask in read_list(tmp_path / f"out/{VAL[0]}.txt"))
    assert evaluate(tmp_path / "out", Request(chairs, task=task, quiet=True))["metrics"] == found["metrics"]
    print_table(found)
    assert "without a finite" in capsys.readouterr().out.replace("\n", " ")


def test_a_model_that_refuses_a_scan_names_it(data, tmp_path):
    with pytest.raises(InputError, match="scene0002_00: expected finite logits, got NaN"):
        evaluate(spoilt("refuses"), Request(data, task="semantic", export=tmp_path / "out", quiet=True))
    assert list((tmp_path / "out").iterdir()) == []


def test_rows_and_points():
    answer = Classes(
        np.array([1, 0, -1, 2]), np.array([0.5, np.nan, 0.1, 1], np.float32), np.array([3, 0, -1, 1, 2, 1]),
        ("a", "b", "c"), (4, 7, 1191),
    )  # fmt: skip
    ids, broken = point_classes(answer)
    assert ids.tolist() == [1191, 7, 0, 0, 0, 0]
    assert broken == 2


@pytest.mark.parametrize("task", ["semantic", "instances"])
def test_an_exported_folder_scores_the_same(data, tmp_path, task):
    for how in ("", "chairs"):
        out = tmp_path / f"out{how}"
        first = evaluate(spoilt(how), Request(data, task=task, export=out, quiet=True))
        assert sorted(p.stem for p in out.glob("*.txt")) == list(VAL)
        assert not [p for p in out.iterdir() if p.name.startswith(".")]
        again = evaluate(out, Request(data, task=task, quiet=True))
        assert again["metrics"] == first["metrics"]
        assert again["baselines"] == first["baselines"]
        assert again["model"] == out.name
        assert score_submission(out, data, task=task) == first["metrics"]
    with pytest.raises(InputError, match=r"already has .*scene0002_00\.txt"):
        evaluate(spoilt(""), Request(data, task=task, export=tmp_path / "out", quiet=True))
    with pytest.raises(InputError, match="holds predictions already"):
        evaluate(tmp_path / "out", Request(data, task=task, export=tmp_path / "other", quiet=True))


@pytest.mark.parametrize("task", ["semantic", "instances"])
@pytest.mark.slow
def test_two_processes_give_the_same(data, tmp_path, monkeypatch, task):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = spoilt("chairs")
    one = evaluate(model, Request(data, task=task, export=tmp_path / "one", quiet=True))
    two = evaluate(model, Request(data, task=task, processes=2, export=tmp_path / "two", quiet=True))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.txt"))
    assert files == sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*.txt"))
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("task", ["semantic", "instances"])
def test_coloured_clouds_beside_the_exported_files(data, model, tmp_path, task):
    evaluate(model, Request(data, task=task, export=tmp_path / "out", colored=True, quiet=True))
    known = {c.id: c.color for c in scannet200()}
    for scene in VAL:
        cloud = read_ply(tmp_path / "out" / f"{scene}.ply")
        own = load_scene(scene_path(data, scene))
        np.testing.assert_allclose(cloud.points, own.points, atol=1e-5)
        assert cloud.colors is not None
        if task == "semantic":
            ids = read_ids(tmp_path / "out" / f"{scene}.txt")
            for i in set(ids.tolist()) - {0}:
                assert (cloud.colors[ids == i] == known[i]).all()
    again = evaluate(tmp_path / "out", Request(data, task=task, quiet=True))  # the clouds do not disturb
    assert again["scans"] == len(VAL)
    with pytest.raises(InputError, match="colored: expected export of task semantic or instances"):
        evaluate(model, Request(data, task=task, colored=True, quiet=True))


def test_a_row_per_class(data, model, capsys):
    print_table(evaluate(spoilt("chairs"), Request(data, task="semantic", quiet=True)), per_class=True)
    lines = [line.split() for line in capsys.readouterr().out.partition("class")[2].splitlines()]
    rows = {line[0]: line for line in lines if len(line) > 3 and line[0] in ("chair", "floor", "wall")}
    assert set(rows) == {"chair", "floor", "wall"}
    assert rows["wall"].count("100.00") == 3  # IoU, precision, recall
    assert "0.00" in rows["chair"]
    print_table(evaluate(model, Request(data, task="all", quiet=True)), per_class=True)
    assert "instances · protocol scannet200" in capsys.readouterr().out


def test_settings_of_a_checkpoint_are_changed(data, tmp_path, monkeypatch):
    path = checkpoints.save_checkpoint(registry.build("reader.all"), tmp_path / "reader.safetensors")
    asked = Request(data, task="semantic", settings=("spoil=chairs",), quiet=True)
    found = evaluate(path, asked)
    assert found["settings"] == {"spoil": "chairs"}
    assert found["metrics"]["iou"]["chair"] == 0
    assert evaluate(path, replace(asked, settings=()))["metrics"]["iou"]["chair"] == 1
    for settings, said in ((("spoil",), "expected NAME=VALUE"), (("spoils=a",), "there is no setting 'model.spoils'")):
        with pytest.raises(InputError, match=said):
            evaluate(path, replace(asked, settings=settings))
    with pytest.raises(InputError, match="expected a checkpoint whose settings are changed"):
        evaluate(registry.build("reader.all"), asked)


def test_a_failed_export_leaves_no_files(data, model, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise InputError("no space left")

    monkeypatch.setattr("saymask.evaluation.tasks.semantic.write_semantic", fail)
    with pytest.raises(InputError, match="no space left"):
        evaluate(model, Request(data, task="semantic", export=tmp_path / "out", quiet=True))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("task", ["semantic", "instances"])
def test_scans_without_labels_are_left_out_and_said(data, model, tmp_path, capsys, task):
    folder, out = copy(data, tmp_path), tmp_path / "out"
    unlabel(folder, VAL[0])
    found = evaluate(model, Request(folder, task=task, export=out, quiet=True))
    assert (found["scans"], found["left_out"]) == (1, 1)
    assert f"1 of 2 scans have no labels 'semantic200'{' with instances' if task == 'instances' else ''}" in (
        capsys.readouterr().err
    )
    # They are what a benchmark's test split is: exported, without a number.
    assert (out / f"{VAL[0]}.txt").is_file()
    scored = evaluate(out, Request(folder, task=task, quiet=True))
    assert (scored["metrics"], scored["left_out"]) == (found["metrics"], 1)
    print_table(found)
    assert "1 scans without labels" in capsys.readouterr().out
    unlabel(folder, VAL[1])
    with pytest.raises(InputError, match="2 of 2 scans have no labels"):
        evaluate(model, Request(folder, task=task, quiet=True))
    with pytest.raises(InputError, match="2 of 2 scans have no labels"):
        evaluate(out, Request(folder, task=task, quiet=True))
    nothing = evaluate(model, Request(folder, task=task, export=tmp_path / "test", quiet=True))
    assert (nothing["scans"], nothing["metrics"]["overall"]["n"], nothing["baselines"]) == (0, 0, {})
    assert len(list((tmp_path / "test").glob("*.txt"))) == 2
    print_table(nothing)
    assert "no numbers; the answers are written" in capsys.readouterr().out


def test_labels_that_say_nothing_are_none(data, model, tmp_path):
    folder = copy(data, tmp_path)
    scan = load_scene(scene_path(folder, VAL[0]))
    scan.labels["semantic200"][:] = -1
    save_scene(scene_path(folder, VAL[0]), scan, objects={})
    assert evaluate(model, Request(folder, task="semantic", quiet=True))["left_out"] == 1


def test_scans_that_are_not_prepared_are_said(data, model, tmp_path, capsys):
    folder = copy(data, tmp_path)
    scene_path(folder, VAL[1]).unlink()
    assert evaluate(model, Request(folder, task="semantic", quiet=True))["left_out"] == 1
    assert VAL[1] in capsys.readouterr().err
    scene_path(folder, VAL[0]).unlink()
    with pytest.raises(InputError, match="saymask prepare"):
        evaluate(model, Request(folder, task="semantic", quiet=True))


def test_majority_class_by_hand(data, model):
    found = evaluate(model, Request(data, task="semantic", quiet=True))
    names = read_manifest(data)["splits"]["train"]
    train = np.concatenate([load_scene(scene_path(data, s)).labels["semantic200"] for s in names])
    most = int(np.bincount(train[train >= 0]).argmax())
    val = np.concatenate([load_scene(scene_path(data, s)).labels["semantic200"] for s in VAL])
    share = (val == most).sum() / (val >= 0).sum()
    baseline = found["baselines"]["majority class"]
    assert baseline["iou"][scannet200()[most].name] == pytest.approx(share)
    assert sum(baseline["iou"].values()) == pytest.approx(share)
    assert baseline["overall"]["acc"] == pytest.approx(share)
    assert evaluate(model, Request(data, task="semantic", quiet=True, baselines=False))["baselines"] == {}
    metric = SemanticMetric("scannet200")
    metric.update(np.array([2, 3, 3, 0]), np.array([2, 2, 0, 3]), "s")
    assert majority_class(metric, CHAIR)["iou"] == {"chair": 2 / 3, "floor": 0.0}


def test_no_baseline_without_training_labels(data, model, tmp_path, capsys):
    folder = copy(data, tmp_path)
    shutil.rmtree(folder / "class_frequencies", ignore_errors=True)
    for scene in read_manifest(folder)["splits"]["train"]:
        unlabel(folder, scene)
    assert evaluate(model, Request(folder, task="semantic", quiet=True))["baselines"] == {}
    assert "there is no baseline" in capsys.readouterr().err
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["splits"]["train"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert evaluate(model, Request(folder, task="semantic", quiet=True))["baselines"] == {}


def test_a_submission_without_some_scans(data, model, tmp_path, capsys):
    out = tmp_path / "out"
    evaluate(model, Request(data, task="semantic", export=out, quiet=True))
    (out / f"{VAL[0]}.txt").unlink()
    with pytest.raises(InputError, match="each of 2 scans, 1 have none: scene0002_00"):
        evaluate(out, Request(data, task="semantic", quiet=True))
    found = evaluate(out, Request(data, task="semantic", quiet=True, allow_missing=True))
    assert (found["missing"], found["scans"]) == (1, 1)
    assert "1 scans have no file in out" in capsys.readouterr().err
    print_table(found)
    assert "1 scans without a prediction" in capsys.readouterr().out
    with pytest.raises(InputError, match="2 have none"):
        evaluate(tmp_path, Request(data, task="semantic", quiet=True, allow_missing=True))


def test_limit_counts_scans(data, model):
    assert evaluate(model, Request(data, task="semantic", split="train", limit=1, quiet=True))["scans"] == 1


def test_json_and_table(data, model, tmp_path, capsys):
    found = evaluate(spoilt("chairs"), Request(data, task="semantic", json=tmp_path / "a/r.json", quiet=True))
    written = json.loads((tmp_path / "a/r.json").read_text())
    assert {"provenance", "rows"} <= written.keys()
    assert {k: v for k, v in written.items() if k not in ("provenance", "rows")} == json.loads(json.dumps(found))
    print_table(found)
    out = capsys.readouterr().out
    for word in ("protocol scannet200", "  head", "  tail", "mIoU, absent = 0", "majority class", "2 scans"):
        assert word in out
    assert "best classes (IoU): " in out
    assert "worst classes (IoU): " in out
    print_table(evaluate(model, Request(data, task="instances", quiet=True)))
    out = capsys.readouterr().out
    assert "AP25" in out
    assert "(AP): " in out


def test_the_mode_of_the_model_is_put_back(data, model):
    model.train()
    evaluate(model, Request(data, task="semantic", quiet=True))
    assert model.training


def test_measuring_shares_of_the_scenes(data, model, capsys):
    items = load_items(Request(data, task="semantic"))
    semantic = Wanted(TASKS["semantic"], "scannet200")
    whole = measure_tasks(model, items, items.names, [semantic])[semantic.key]
    union = SemanticMetric("scannet200")
    for scene in reversed(VAL):
        part = measure_tasks(model, items, [scene], [semantic])[semantic.key]
        assert isinstance(part, SemanticMetric)
        union.merge(part.state())
    assert union.compute() == whole.compute()
    # A process without a scene of its own.
    assert measure_tasks(model, items, [], [semantic])[semantic.key].state() == {}
    assert capsys.readouterr().err == ""


def test_clear_errors(data, model, tmp_path):
    for options, message in (
        ({"protocol": "less"}, "protocol: expected one of scannet200, scannet, uniseg3d, got 'less'"),
        ({"task": "refer", "protocol": "scannet"}, "protocol: expected one of 3dres, less"),
        ({"source": "scanrefer"}, "source: expected none"),
        ({"split": "test"}, "expected scans of split 'test'"),
        ({"limit": 0}, "limit >= 1"),
        ({"export": tmp_path / "out.json"}, "expected a folder"),
        ({"protocol": "scannet"}, "protocol scannet: expected a model with the 20 classes.*got 200 classes"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate(model, Request(data, quiet=True, **{"task": "semantic", **options}))
    # 19 of the 20 ids are also ids of ScanNet200, but of other classes.
    with pytest.raises(InputError, match=r"expected a model with the 200 classes .*got 20 classes, .* unknown to it: "):
        evaluate(Reader(ReaderConfig("semantic20")), Request(data, task="semantic", protocol="scannet200", quiet=True))
    with pytest.raises(InputError, match=r"reader answers semantic; task 'instances' needs a model that answers it"):
        evaluate(OnlyClasses(ReaderConfig()), Request(data, task="instances", quiet=True))
    model.card = {}
    with pytest.raises(InputError, match="processes: expected 1 for a model without a preset"):
        evaluate(model, Request(data, task="semantic", processes=2, quiet=True))
