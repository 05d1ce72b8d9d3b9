"""Training on scans alone: samples, validation on classes and objects, SGD, and the schedules that came with it."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from saymask.answers import Classes, Objects
from saymask.data.samples.order import BatchOrder
from saymask.data.samples.scans import ScanDataset, annotated_scenes
from saymask.data.scenes import save_scene
from saymask.errors import InputError
from saymask.evaluation.items import load_items
from saymask.evaluation.measure import Wanted, measure_tasks
from saymask.evaluation.request import Request
from saymask.evaluation.tasks.table import TASKS
from saymask.hub import checkpoints, registry
from saymask.labels.tables import scannet20
from saymask.models.base import Model, Preset, TrainConfig
from saymask.training.run import train
from saymask.training.schedules import OPTIMIZERS, SCHEDULES, check_settings, make_optimizer, rate_factor
from saymask.training.validation import headline
from tests.models.toy_model import COLORS, Batch, Sample, ToyConfig, make_prepared, make_scan, register
from tests.training.test_run import same

TRAIN = [f"scene{i:04d}_00" for i in range(6)]
FLOOR = 1  # class index of the floor; the colours are classes 2, 3, …


class ToyClasses(Model):
    """A class per point from its colour; `prepare` needs what `begin_training` has seen."""

    system = "toy-classes"
    began: tuple[list[str], dict[str, torch.Tensor]] | None = None
    """What the last training began with: the scans, and the weights."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config, self.card = config, {}
        self.ready = False
        self.register_buffer("scans", torch.zeros((), dtype=torch.int64))
        self.points = nn.Sequential(
            nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(16, 20)
        )

    def begin_training(self, data, scenes, say) -> None:
        assert (Path(data) / "manifest.json").is_file()
        type(self).began = list(scenes), {k: v.clone() for k, v in self.state_dict().items()}
        self.scans.fill_(len(scenes))
        self.ready = True
        say(f"{len(scenes)} scans counted")

    def prepare(self, scan, annotations=(), *, rng=None) -> Sample:
        target = scan.labels.get("semantic20")  # not there when the model is measured
        features = (scan.colors / 128.0 - 1).astype(np.float32)
        if rng is not None:
            assert self.ready
            assert target is not None
            chosen = rng.choice(len(features), self.config.sample_points)
            features = features[chosen] + rng.normal(0, 0.05, (len(chosen), 3)).astype(np.float32)
            target = target[chosen].astype(np.float32)
        return Sample(features, target if rng is not None else None, " ".join(a.sentence for a in annotations))

    def collate(self, samples: list[Sample]) -> Batch:
        targets = [torch.from_numpy(s.target) for s in samples if s.target is not None]
        return Batch([torch.from_numpy(s.features) for s in samples], targets, [s.sentence for s in samples])

    def encode_batch(self, batch: Batch) -> torch.Tensor:
        return self.points(torch.cat(batch.features))

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"classes": F.cross_entropy(self.encode_batch(batch), torch.cat(batch.target).long())}

    def semantic(self, encoded, *, classes=None) -> Classes:
        probability, chosen = encoded.softmax(1).max(1)
        names, ids = zip(*((c.name, c.id) for c in scannet20()))
        return Classes(chosen.numpy(), probability.numpy(), np.arange(len(encoded)), names, ids)

    def instances(self, encoded) -> Objects:
        answer = self.semantic(encoded)
        there = np.unique(answer.classes)
        masks = answer.classes == there[:, None]
        scores = np.array([answer.probabilities[m].mean() for m in masks])
        return Objects(masks, scores, there, answer.index, answer.names, answer.ids)


def tiny() -> Preset:
    config = TrainConfig(
        epochs=3, source="scans", batch_size=2, optimizer="sgd", dampening=0.1, lr=0.3, weight_decay=1e-4, workers=0,
        schedule="multi-step", milestones=(1, 2), decay=0.5, evaluate_every=1, task="semantic", protocol="scannet",
    )  # fmt: skip
    return Preset("toy.classes", "toy-classes", ToyConfig(dropout=0.1), config)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = make_prepared(tmp_path_factory.mktemp("prepared"), train=6, val=3)
    for number in range(9):
        scan, names = make_scan(number)
        classes = np.array([FLOOR, *(FLOOR + 1 + list(COLORS).index(color) for color, _ in names)], np.int16)
        labels = {**scan.labels, "semantic20": classes[scan.labels["instance"] + 1]}
        # Twice the points: objects of fewer than 100 are not evaluated.
        twice = {name: np.tile(values, 2) for name, values in labels.items()}
        scan = replace(scan, points=np.tile(scan.points, (2, 1)), colors=np.tile(scan.colors, (2, 1)), labels=twice)
        objects = {i: category for i, (_, category) in enumerate(names)}
        save_scene(folder / "scenes" / f"{scan.name}.safetensors", scan, objects=objects)
    splits = {"train": TRAIN, "val": [f"scene{i:04d}_00" for i in (6, 7, 8)]}
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "name": "boxes", "splits": splits}))
    return folder


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)
    register_classes(monkeypatch.setitem)
    ToyClasses.began = None


def register_classes(setitem=dict.__setitem__) -> None:
    setitem(registry.SYSTEMS, "toy-classes", "tests.training.test_scans:ToyClasses")
    setitem(registry.PRESETS, "toy.classes", "tests.training.test_scans:tiny")


def run(data: Path, out: Path, preset: str = "toy.classes", **options):
    return train(preset, data, out, accelerator="cpu", **{"quiet": True, **options})


def rows(out: Path) -> list[dict[str, str]]:
    with open(out / "metrics.csv") as file:
        return list(csv.DictReader(file))


def test_learns_classes_and_keeps_the_best(data, tmp_path, capsys):
    card = run(data, tmp_path, overrides={"epochs": 10, "milestones": (6, 8)}, log_every=1, quiet=False)
    last = json.loads((tmp_path / "last.json").read_text())
    assert last["training"]["steps"] == 10 * 3
    assert last["training"]["scans"] == 6
    assert "annotations" not in last["training"]
    assert last["source"] == "scans"
    losses = [float(r["train/loss"]) for r in rows(tmp_path) if r["train/loss"]]
    assert np.mean(losses[-3:]) < 0.3 * losses[0]
    assert card["headline"] == {
        "mIoU": round(100 * card["metrics"]["overall"]["miou_present"], 2),
        "protocol": "scannet",
    }
    assert card["headline"]["mIoU"] > 80  # the colour says it all
    validated = [float(r["val/overall/miou_present"]) for r in rows(tmp_path) if r["val/overall/miou_present"]]
    assert len(validated) == 10
    assert card["metrics"]["overall"]["miou_present"] == pytest.approx(max(validated))
    # Numbers of single classes are in the card, not in a column each.
    assert "floor" in card["metrics"]["iou"]
    assert not [name for name in rows(tmp_path)[0] if name.startswith("val/iou")]
    assert torch.load(tmp_path / "state.pt", weights_only=True)["progress"]["best"] == max(validated)
    said = capsys.readouterr().err
    assert "6 scans counted" in said
    assert f"val mIoU {100 * max(validated):.2f} (protocol scannet)" in said
    model = checkpoints.load_model(tmp_path / "best.safetensors")
    assert int(model.scans) == 6
    assert semantic(model, data) == card["metrics"]


def semantic(model, data: Path) -> dict:
    wanted = Wanted(TASKS["semantic"], "scannet")
    items = load_items(Request(data, task="semantic"))
    return measure_tasks(model, items, splits(data)["val"], [wanted])[wanted.key].compute()


def splits(data: Path) -> dict[str, list[str]]:
    return json.loads((data / "manifest.json").read_text())["splits"]


def test_objects_are_validated_by_their_average_precision(data, tmp_path):
    card = run(data, tmp_path, overrides={"task": "instances", "max_val": 2})
    assert card["headline"] == {"AP": round(100 * card["metrics"]["overall"]["ap"], 2), "protocol": "scannet"}
    assert card["metrics"]["overall"]["ap50"] > 0.3
    assert [r["val/overall/ap50"] for r in rows(tmp_path) if r["val/overall/ap50"]]


def test_no_validation(data, tmp_path):
    card = run(data, tmp_path, overrides={"task": "none"})
    assert not (tmp_path / "best.safetensors").exists()
    assert card["metrics"] == card["headline"] == {}
    assert card["training"]["steps"] == 9


def test_no_validation_split_is_said(data, tmp_path, capsys):
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data/manifest.json").write_text(json.dumps({"version": 1, "splits": {"train": TRAIN}}))
    run(tmp_path / "data", tmp_path / "run", quiet=False, max_steps=1)
    assert "there is no validation split" in capsys.readouterr().err


def test_needs_no_sentences(data, tmp_path):
    shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("annotations"))
    assert run(tmp_path / "data", tmp_path / "run")["training"]["scans"] == 6
    with pytest.raises(InputError, match=r"expected scanrefer_train\.json with sentences"):
        run(tmp_path / "data", tmp_path / "other", "toy.tiny")


def test_stopped_and_resumed_in_the_middle_of_an_epoch_equals_uninterrupted(data, tmp_path):
    run(data, tmp_path / "whole")
    run(data, tmp_path / "parts", max_steps=4, save_steps=1)
    assert not same(tmp_path / "whole/last.safetensors", tmp_path / "parts/last.safetensors")
    run(data, tmp_path / "parts")  # multi-step: the length of the run may change
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "parts/last.safetensors")
    state = torch.load(tmp_path / "parts/state.pt", weights_only=True)
    assert state["progress"]["step"] == 9
    assert all("momentum_buffer" in one for one in state["optimizer"]["state"].values())


def test_a_share_of_the_scans(data, tmp_path):
    card = run(data, tmp_path / "run", overrides={"scenes": "0.5"})
    assert card["training"]["scans"] == 3
    assert ToyClasses.began is not None
    assert ToyClasses.began[0] == list(annotated_scenes(TRAIN, 0.5))
    assert card["training"]["steps"] == 3  # one step of two scans in each of three epochs
    assert card["data_sha256"] != run(data, tmp_path / "all", max_steps=1)["data_sha256"]


def test_scans_that_a_file_lists(data, tmp_path):
    listed = tmp_path / "few.txt"
    listed.write_text("\n".join(TRAIN[1:5]))
    card = run(data, tmp_path / "run", overrides={"scenes": str(listed)}, max_steps=2)
    assert card["training"]["scans"] == 4
    assert ToyClasses.began is not None
    assert ToyClasses.began[0] == TRAIN[1:5]
    assert card["training"]["config"]["scenes"] == "few.txt"
    listed.write_text("\n".join(TRAIN[:4]))
    with pytest.raises(InputError, match="data_sha256 was"):  # the name is the same, the scans are not
        run(data, tmp_path / "run", overrides={"scenes": str(listed)})


def test_sentences_about_a_share_of_the_scans(data, tmp_path):
    card = run(data, tmp_path / "run", "toy.tiny", overrides={"scenes": "0.5"})
    assert card["training"]["annotations"] == 3 * 4
    assert card["data_sha256"] != run(data, tmp_path / "all", "toy.tiny", max_steps=1)["data_sha256"]


def test_weights_are_loaded_before_the_training_begins_and_the_state_after_it(data, tmp_path):
    run(data, tmp_path / "first", overrides={"scenes": "0.5"}, max_steps=2)
    first = load_file(tmp_path / "first/last.safetensors")
    init = {"init": str(tmp_path / "first/last.safetensors")}
    run(data, tmp_path / "second", overrides=init, max_steps=1)
    assert ToyClasses.began is not None
    assert all(torch.equal(first[name], value) for name, value in ToyClasses.began[1].items())
    assert int(first["scans"]) == 3
    assert int(load_file(tmp_path / "second/last.safetensors")["scans"]) == 6
    # On resume the weights of `init` are not read again: what the run had come to counts.
    run(data, tmp_path / "whole", overrides=init, max_steps=3)
    run(data, tmp_path / "second", overrides=init, max_steps=3)
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "second/last.safetensors")


def test_clear_errors_before_any_work(data, tmp_path):
    def fails(message: str, preset: str = "toy.classes", **overrides) -> None:
        with pytest.raises(InputError, match=message):
            run(data, tmp_path / "run", preset, overrides=overrides)
        assert not (tmp_path / "run").exists() or not any((tmp_path / "run").glob("*.json"))

    fails(r"train\.source: expected scanrefer, multi3drefer, nr3d, sr3d, both or scans, got 'scan'", source="scan")
    fails("scenes: expected nothing .*got 'most'", scenes="most")
    fails("scenes: expected nothing .*got 'most'", "toy.tiny", scenes="most")
    fails("share above 0 and up to 1", scenes="3")
    fails(r"train\.task: expected refer, semantic, instances, .*, all or none, got 'classes'", task="classes")
    fails("protocol: expected one of scannet200, scannet, uniseg3d, got 'less'", protocol="less")
    fails("protocol: expected one of 3dres, .*got 'scannet'", "toy.tiny", protocol="scannet")
    fails("toy.classes answers semantic, instances and cannot be measured on task 'refer'", task="refer")
    fails("toy.tiny answers refer and .*'semantic'", "toy.tiny", task="semantic", protocol="scannet")
    fails(r"train\.optimizer: expected 'adamw' or 'sgd', got 'adam'", optimizer="adam")
    fails(r"train\.schedule: expected 'epoch-decay', .* or 'trapezoid', got 'step'", schedule="step")
    fails(r"train\.milestones: schedule multi-step expects the epochs", milestones=())
    fails(r"train\.milestones: .*got \[0, 3\]", milestones="0,3")
    fails(r"train\.momentum from 0 to below 1", momentum=1.5)
    fails(r"train\.sentences: expected 0 or more, got -1", sentences=-1)
    fails(r"train\.accumulate: expected 1 or more, got 0", accumulate=0)
    fails(r"train\.split: expected train or trainval, got 'val'", split="val")


def test_too_few_scans_for_a_step(data, tmp_path):
    with pytest.raises(InputError, match="1 training samples do not fill one step of 2"):
        run(data, tmp_path, overrides={"scenes": "0.1"})


def test_a_run_that_began_before_a_setting_existed_goes_on(data, tmp_path):
    run(data, tmp_path, "toy.tiny", max_steps=3)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    for name in ("optimizer", "momentum", "dampening", "power", "milestones", "task", "scenes"):
        del config["train"][name]
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"train\.optimizer was 'adamw', now 'sgd'"):
        run(data, tmp_path, "toy.tiny", overrides={"optimizer": "sgd"})
    run(data, tmp_path, "toy.tiny")
    assert json.loads((tmp_path / "last.json").read_text())["training"]["steps"] == 12


def test_training_and_validation_scans_together(data, tmp_path):
    """As before the benchmark's hidden scans: both splits are trained on, and nothing is measured."""
    card = run(data, tmp_path / "scans", overrides={"split": "trainval", "batch_size": 1, "epochs": 1})
    splits = json.loads((data / "manifest.json").read_text())["splits"]
    assert ToyClasses.began is not None
    assert sorted(ToyClasses.began[0]) == sorted(splits["train"] + splits["val"])
    assert (card["training"]["scans"], card["metrics"]) == (len(splits["train"] + splits["val"]), {})
    assert not (tmp_path / "scans/best.safetensors").exists()
    sentences = run(data, tmp_path / "said", "toy.tiny", overrides={"split": "trainval", "epochs": 1})
    counts = [len(json.loads((data / f"annotations/scanrefer_{s}.json").read_text())) for s in ("train", "val")]
    assert sentences["training"]["annotations"] == sum(counts)


def test_scans_that_do_not_fit_are_counted_and_said(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ToyClasses, "left_out", lambda self, batch: ("scene0000_00",))
    card = train("toy.classes", data, tmp_path, accelerator="cpu", overrides={"epochs": 2})
    assert card["training"]["scans_left_out"] in (card["training"]["steps"], 3, 6)
    said = " ".join(capsys.readouterr().err.split())
    assert "epoch 2: 3 scans did not fit into their batches and were left out; raise --model.view.most-voxels" in said
    assert json.loads((tmp_path / "last.json").read_text())["training"]["scans_left_out"] == 6


@pytest.mark.slow
def test_two_processes_share_the_validation_scans(data, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    card = run(data, tmp_path / "two", overrides={"batch_size": 1}, devices=2)
    assert card["training"]["processes"] == 2
    model = checkpoints.load_model(tmp_path / "two/best.safetensors")
    assert semantic(model, data) == card["metrics"]


@pytest.mark.slow
def test_loading_processes_know_what_the_training_began_with(data, tmp_path):
    import os
    import subprocess
    import sys

    run(data, tmp_path / "none")
    script = (
        "import sys; from tests.training.test_scans import register_classes, run; from pathlib import Path;"
        "register_classes(); run(Path(sys.argv[1]), Path(sys.argv[2]), overrides={'workers': 2})"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(data), str(tmp_path / "two")]
    subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=True, timeout=120)
    assert same(tmp_path / "none/last.safetensors", tmp_path / "two/last.safetensors")


class TestSgd:
    def test_update_rule(self):
        """v = m v + (1 - dampening) (g + decay p), the first time without dampening; p -= lr v."""
        torch.manual_seed(0)
        config = TrainConfig(optimizer="sgd", momentum=0.9, dampening=0.1, lr=0.5)
        weight = nn.Parameter(torch.randn(5))
        other = nn.Parameter(torch.randn(3))
        groups = [
            {"params": [weight], "lr": 0.5, "weight_decay": 0.1},
            {"params": [other], "lr": 0.01, "weight_decay": 0.0},
        ]
        optimizer = make_optimizer(config, groups)
        expected = [
            (p.detach().clone().double(), torch.zeros(len(p)).double(), g) for (p, g) in zip((weight, other), groups)
        ]
        for step in range(4):
            gradients = torch.randn(5), torch.randn(3)
            weight.grad, other.grad = gradients
            optimizer.step()
            for i, (p, v, group) in enumerate(expected):
                g = gradients[i].double() + group["weight_decay"] * p
                v = g if step == 0 else 0.9 * v + (1 - 0.1) * g
                expected[i] = (p - group["lr"] * v, v, group)
        torch.testing.assert_close(weight.detach().double(), expected[0][0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(other.detach().double(), expected[1][0], rtol=1e-5, atol=1e-6)

    def test_training_equals_a_plain_loop(self, data, tmp_path):
        """The same samples in the same order through torch's SGD and MultiStepLR give the same weights."""
        out = tmp_path / "run"
        off = {"model.dropout": 0.0}
        run(data, out, overrides=off, log_every=1)
        preset = tiny()
        torch.manual_seed(42)
        model = ToyClasses(replace(preset.model, dropout=0.0))
        items = ScanDataset(data, "train", prepare=model.prepare, training=True)
        model.begin_training(data, items.names, str)
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, dampening=0.1, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 2], gamma=0.5)
        rates = []
        for epoch in range(1, 4):
            items.set_epoch(epoch)
            order = np.random.default_rng([42, epoch]).permutation(6)
            for first in range(0, 6, 2):
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.zero_grad()
                model.losses(model.collate([items[i] for i in order[first : first + 2]]))["classes"].backward()
                optimizer.step()
            schedule.step()
        np.testing.assert_allclose([float(r["lr"]) for r in rows(out) if r["lr"]], rates)
        trained = load_file(out / "last.safetensors")
        for name, value in model.state_dict().items():
            torch.testing.assert_close(trained[name], value, rtol=1e-5, atol=1e-6)

    def test_unknown_optimizer(self):
        for optimizer in OPTIMIZERS:
            check_settings(TrainConfig(optimizer=optimizer))
        with pytest.raises(InputError, match="'adamw' or 'sgd', got 'lamb'"):
            make_optimizer(TrainConfig(optimizer="lamb"), [])


class TestSchedules:
    """Against torch's schedulers, stepped once per epoch."""

    def factors(self, config: TrainConfig) -> list[float]:
        order = BatchOrder(6, batch_size=2, epochs=config.epochs, seed=0)
        values = [rate_factor(config, step, order) for step in range(order.total)]
        assert all(len(set(values[i : i + 3])) == 1 for i in range(0, len(values), 3))  # the same within an epoch
        return values[::3]

    def torch_factors(self, epochs: int, make) -> list[float]:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler, values = make(optimizer), []
        for _ in range(epochs):
            values.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return values

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(1, 14), min_size=1, max_size=4), st.floats(0.1, 0.9), st.integers(1, 12))
    def test_multi_step(self, milestones, decay, epochs):
        config = TrainConfig(schedule="multi-step", milestones=tuple(milestones), decay=decay, epochs=epochs)
        expected = self.torch_factors(
            epochs, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, milestones=milestones, gamma=decay)
        )
        np.testing.assert_allclose(self.factors(config), expected, rtol=1e-9)

    @settings(max_examples=30, deadline=None)
    @given(st.floats(0.5, 5), st.integers(1, 12))
    def test_poly(self, power, epochs):
        config = TrainConfig(schedule="epoch-poly", power=power, epochs=epochs)
        expected = self.torch_factors(
            epochs, lambda o: torch.optim.lr_scheduler.PolynomialLR(o, total_iters=epochs, power=power)
        )
        np.testing.assert_allclose(self.factors(config), expected, rtol=1e-7)

    def test_published_multi_step(self):
        config = TrainConfig(schedule="multi-step", milestones=(120, 150), decay=0.3, epochs=400)
        factors = self.factors(config)
        np.testing.assert_allclose(np.array(factors)[[0, 119, 120, 149, 150, 399]], [1, 1, 0.3, 0.3, 0.09, 0.09])

    def test_every_schedule_is_checked_and_positive(self):
        order = BatchOrder(6, batch_size=2, epochs=5, seed=0)
        for name in SCHEDULES:
            config = TrainConfig(schedule=name, epochs=5, milestones=(2,))
            check_settings(config)
            assert all(0 < rate_factor(config, step, order) <= 1 for step in range(order.total))


def test_every_task_has_a_headline():
    """Also where a protocol has no mIoU."""
    cases = {
        ("refer", "less"): ("miou", "mIoU"),
        ("refer", "multi3drefer-f1"): ("f1_50", "F1@0.5"),
        ("semantic", "scannet200"): ("miou_present", "mIoU"),
        ("instances", "scannet"): ("ap", "AP"),
    }
    for (task, protocol), expected in cases.items():
        assert headline(TrainConfig(task=task, protocol=protocol)) == expected
