"""Training: the same result after a kill, on two processes, and clear errors before any work."""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saymask import cli
from saymask.data.samples.order import BatchOrder
from saymask.errors import InputError
from saymask.hub import checkpoints, registry
from saymask.models.base import TrainConfig
from saymask.sparse.backends.select import training_precision
from saymask.training.run import train
from saymask.util.locks import only_process
from tests.models import toy_model
from tests.models.toy_model import make_prepared, register

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_prepared(tmp_path_factory.mktemp("prepared"), train=6, val=3)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)


def run(data: Path, out: Path, **options):
    return train("toy.tiny", data, out, accelerator="cpu", quiet=True, **options)


def same(a: Path, b: Path) -> bool:
    one, two = load_file(a), load_file(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_trains_logs_validates_and_exports(data, tmp_path):
    card = run(data, tmp_path / "run", overrides={"epochs": 8}, log_every=2)
    assert card["preset"] == "toy.tiny"
    last = json.loads((tmp_path / "run/last.json").read_text())
    assert last["training"]["steps"] == 8 * 6
    assert last["training"]["samples"] == 8 * 6 * 4
    assert card["headline"]["mIoU"] > 30  # the colour says it all: a model that learns gets there in seconds
    assert card["protocol"] == card["metrics"]["protocol"] == "scanrefer"
    assert card["data"] == "boxes"
    with open(tmp_path / "run/metrics.csv") as file:
        rows = list(csv.DictReader(file))
    losses = [float(r["train/loss"]) for r in rows if r["train/loss"]]
    assert np.mean(losses[-4:]) < 0.7 * losses[0]
    assert [int(r["step"]) for r in rows if r["val/overall/miou"]] == [6 * e for e in range(1, 9)]
    assert list((tmp_path / "run/tensorboard").glob("events.*"))
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["train"]["epochs"] == 8
    model = checkpoints.load_model(tmp_path / "run/best.safetensors")
    assert not model.training
    assert model.card["metrics"]["overall"]["n"] == 12


@pytest.mark.parametrize("more", [{}, {"ema": 0.9}, {"accumulate": 2, "batch_size": 2}])
def test_stopped_and_resumed_in_the_middle_of_an_epoch_equals_uninterrupted(data, tmp_path, more):
    run(data, tmp_path / "whole", overrides=more)
    # The state of step 8 of 12 is that of a run that was killed after it: epoch 2 has 6 steps and began at 6.
    run(data, tmp_path / "parts", max_steps=8, save_steps=1, overrides=more)
    assert not same(tmp_path / "whole/last.safetensors", tmp_path / "parts/last.safetensors")
    run(data, tmp_path / "parts", overrides=more)
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "parts/last.safetensors")
    state = torch.load(tmp_path / "parts/state.pt", weights_only=True)
    assert state["progress"]["step"] == 12


def test_passes_of_a_step_add_up_to_the_large_batch(data, tmp_path, capsys):
    plain = {"model.layers": []}  # without batch statistics and dropout, which passes do not share
    run(data, tmp_path / "whole", overrides=plain)
    toy = replace(registry.preset("toy.tiny"), published_batch=4)
    settings = plain | {"train.accumulate": 2, "train.batch_size": 2}
    card = train(toy, data, tmp_path / "parts", accelerator="cpu", overrides=settings)
    assert "4 samples per step (2 x 2 passes x 1 processes), as published" in said(capsys)
    one, two = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    assert card["training"]["samples"] == 2 * 24
    train(toy, data, tmp_path / "small", accelerator="cpu", overrides={"batch_size": 2}, max_steps=1)
    assert "WARNING: 2 samples per step (2 x 1 passes x 1 processes), published 4" in said(capsys)


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_the_settings_of_another_run(data, tmp_path):
    run(data, tmp_path / "one", overrides={"lr": 3e-3, "model.width": 8, "conv_precision": "auto"}, max_steps=2)
    flags = ["--data", str(data), "--max-steps", "2", "--accelerator", "cpu"]
    config = str(tmp_path / "one/config.json")
    assert json.loads(Path(config).read_text())["train"]["conv_precision"] == training_precision(
        "auto"
    )  # no longer auto
    assert cli.run(["train", "--config", config, *flags, "--out", str(tmp_path / "two")]) == 0
    assert same(tmp_path / "one/last.safetensors", tmp_path / "two/last.safetensors")
    assert cli.run(["train", "--config", config, *flags, "--out", str(tmp_path / "three"), "--train.seed", "7"]) == 0
    made = json.loads((tmp_path / "three/config.json").read_text())
    assert (made["train"]["seed"], made["train"]["lr"], made["model"]["width"]) == (7, 3e-3, 8)
    (tmp_path / "bad.json").write_text('{"preset": "toy.tiny", "model": {"widht": 3}, "train": {}}')
    for bad, said in (("bad.json", "widht"), ("none.json", "none.json")):
        with pytest.raises(InputError, match=said):
            cli.run(["train", "--config", str(tmp_path / bad), *flags, "--out", str(tmp_path / "four")])


def test_several_seeds_give_a_mean_and_a_deviation(data, tmp_path, capsys):
    flags = ["--data", str(data), "--out", str(tmp_path), "--accelerator", "cpu", "--train.epochs", "1"]
    assert cli.run(["train", "toy.tiny", *flags, "--seeds", "1", "2", "3"]) == 0
    cards = [json.loads((tmp_path / f"seed-{seed}/best.json").read_text()) for seed in (1, 2, 3)]
    values = [card["metrics"]["overall"]["miou"] for card in cards]
    assert len(set(values)) == 3
    found = json.loads((tmp_path / "seeds.json").read_text())
    assert found["seeds"] == [1, 2, 3]
    assert found["metrics"]["overall/miou"]["mean"] == pytest.approx(np.mean(values))
    assert found["metrics"]["overall/miou"]["std"] == pytest.approx(np.std(values, ddof=1))
    out = capsys.readouterr().out
    assert f"overall/miou  {100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}" in out
    whole = (tmp_path / "seed-2/last.safetensors").read_bytes()
    assert cli.run(["train", "toy.tiny", *flags, "--seeds", "1", "2", "3"]) == 0  # nothing is done twice
    assert (tmp_path / "seed-2/last.safetensors").read_bytes() == whole
    with pytest.raises(InputError, match="seeds: expected different numbers"):
        cli.run(["train", "toy.tiny", *flags, "--seeds", "1", "1"])


def test_the_last_epochs_are_validated_each(data, tmp_path):
    run(data, tmp_path / "run", overrides={"epochs": 7, "evaluate_every": 3, "evaluate_last": 2})
    with open(tmp_path / "run/metrics.csv") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["val/overall/miou"]]
    assert steps == [6 * epoch for epoch in (3, 6, 7)]


def test_the_rest_of_an_epoch_is_a_smaller_step(data, tmp_path):
    card = run(data, tmp_path / "run", overrides={"batch_size": 7, "drop_last": False, "epochs": 2})
    last = json.loads((tmp_path / "run/last.json").read_text())["training"]
    assert (last["steps"], last["samples"]) == (2 * 4, 2 * 24)
    assert card["training"]["samples"] in (24, 48)


def test_what_is_exported_is_the_running_mean(data, tmp_path):
    run(data, tmp_path / "run", overrides={"ema": 0.9})
    state = torch.load(tmp_path / "run/state.pt", weights_only=True)
    exported = load_file(tmp_path / "run/last.safetensors")
    assert exported.keys() >= state["average"].keys()
    assert all(torch.equal(exported[name], value) for name, value in state["average"].items())
    assert any(not torch.equal(exported[name], value) for name, value in state["model"].items())


def test_killed_with_sigkill_and_resumed_equals_uninterrupted(data, tmp_path):
    """The process dies at an arbitrary moment after some steps; a new one ends with the same weights, bit by bit."""
    settings = {"epochs": 40, "evaluate_every": 20}
    run(data, tmp_path / "whole", overrides=settings)
    script = (
        "import sys; from tests.training.test_run import register_here, run; from pathlib import Path; register_here();"
        f"run(Path(sys.argv[1]), Path(sys.argv[2]), overrides={settings!r}, save_steps=7, log_every=1)"
    )
    command = [sys.executable, "-c", script, str(data), str(tmp_path / "killed")]
    child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    state = tmp_path / "killed/state.pt"
    deadline = time.monotonic() + 120
    while not (state.is_file() and _steps(tmp_path / "killed/metrics.csv") > 30):
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    step = torch.load(state, weights_only=True)["progress"]["step"]
    assert 0 < step < 240
    run(data, tmp_path / "killed", overrides=settings, log_every=1)
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "killed/last.safetensors")
    assert same(tmp_path / "whole/best.safetensors", tmp_path / "killed/best.safetensors")
    with open(tmp_path / "killed/metrics.csv") as file:
        logged = [int(r["step"]) for r in csv.DictReader(file) if r["train/loss"]]
    assert logged == list(range(1, 241))  # every step once, also those that were done twice


def register_here() -> None:
    """Register the toy in a process of its own."""
    registry.SYSTEMS["toy"] = "tests.models.toy_model:Toy"
    registry.PRESETS["toy.tiny"] = "tests.models.toy_model:tiny"


def _steps(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.is_file() else 0


@pytest.mark.slow
def test_two_processes_train_validate_and_resume_after_a_kill(data, tmp_path, monkeypatch):
    """Only the process that was started is killed: the two that it started end too, and the run can go on."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = {"epochs": 50, "evaluate_every": 50}
    script = (
        "import sys; from tests.training.test_run import register_here, run; from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    register_here()\n"
        f"    run(Path(sys.argv[1]), Path(sys.argv[2]), overrides={settings!r}, devices=2, save_steps=1)\n"
    )
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(tmp_path / "script.py"), str(data), str(tmp_path / "parts")]
    parent = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    state = tmp_path / "parts/state.pt"
    deadline = time.monotonic() + 200
    while not state.is_file():
        assert parent.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    whole = run(data, tmp_path / "whole", overrides=settings, devices=2)
    before = torch.load(state, weights_only=True)["progress"]["step"]
    assert 0 < before < 150  # nobody went on while the other run was made
    assert whole["training"]["processes"] == 2
    assert whole["training"]["samples"] == 150 * 8
    assert whole["metrics"]["overall"]["n"] == 12  # every annotation once, although two processes shared them
    run(data, tmp_path / "parts", overrides=settings, devices=2)
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "parts/last.safetensors")
    with pytest.raises(InputError, match="processes was 2, now 1"):
        run(data, tmp_path / "parts", overrides=settings)


@pytest.mark.slow
def test_loading_processes_change_nothing(data, tmp_path):
    run(data, tmp_path / "none")
    script = (
        "import sys; from tests.training.test_run import register_here, run; from pathlib import Path; register_here();"
        "run(Path(sys.argv[1]), Path(sys.argv[2]), overrides={'workers': 2})"
    )
    command = [sys.executable, "-c", script, str(data), str(tmp_path / "two")]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=120)
    assert same(tmp_path / "none/last.safetensors", tmp_path / "two/last.safetensors")


def test_finished_run_is_not_trained_again(data, tmp_path):
    first = run(data, tmp_path / "run")
    before = (tmp_path / "run/last.safetensors").stat().st_mtime_ns
    assert run(data, tmp_path / "run") == first
    assert (tmp_path / "run/last.safetensors").stat().st_mtime_ns == before
    run(data, tmp_path / "run", resume=False)
    assert (tmp_path / "run/last.safetensors").stat().st_mtime_ns != before


def test_steps_without_finite_loss_are_skipped(data, tmp_path, monkeypatch):
    real, calls = toy_model.Toy.losses, []

    def losses(self, batch):
        calls.append(1)
        terms = real(self, batch)
        return {**terms, "mask": terms["mask"] * float("nan")} if len(calls) in (3, 4) else terms

    monkeypatch.setattr(toy_model.Toy, "losses", losses)
    card = run(data, tmp_path / "run")
    assert card["training"]["skipped_steps"] == 2
    weights = load_file(tmp_path / "run/last.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_poisoned_input_does_not_reach_running_statistics(data, tmp_path, monkeypatch):
    real, calls = toy_model.Toy.collate, []

    def collate(self, samples):
        calls.append(1)
        batch = real(self, samples)
        if len(calls) == 3:
            batch.features[0][0] = float("nan")
        return batch

    monkeypatch.setattr(toy_model.Toy, "collate", collate)
    assert run(data, tmp_path / "run")["training"]["skipped_steps"] == 1
    weights = load_file(tmp_path / "run/last.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_twenty_bad_steps_in_a_row_end_the_training(data, tmp_path, monkeypatch):
    real = toy_model.Toy.losses
    monkeypatch.setattr(toy_model.Toy, "losses", lambda s, b: {k: v * float("inf") for k, v in real(s, b).items()})
    with pytest.raises(InputError, match=r"20 steps in a row .*lower train\.lr"):
        run(data, tmp_path / "run", overrides={"epochs": 10})


def test_clear_errors_before_any_work(data, tmp_path):
    with pytest.raises(InputError, match="saymask prepare"):
        run(tmp_path / "nowhere", tmp_path / "run")
    with pytest.raises(InputError, match=r"no preset 'toy\.tini' \(did you mean 'toy\.tiny'\?\)"):
        train("toy.tini", data, tmp_path / "run")
    with pytest.raises(InputError, match=r"no setting 'train\.learning_rate'"):
        run(data, tmp_path / "run", overrides={"learning_rate": 1})
    with pytest.raises(InputError, match=r"train\.lr: expected float, got 'fast'"):
        run(data, tmp_path / "run", overrides={"lr": "fast"})
    with pytest.raises(InputError, match="accelerator"):
        train("toy.tiny", data, tmp_path / "run", accelerator="tpu")
    with pytest.raises(InputError, match="do not fill one step of 400"):
        run(data, tmp_path / "run", overrides={"batch_size": 400})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, not a folder"):
        run(data, tmp_path / "file" / "run")


def test_other_settings_do_not_continue_a_run(data, tmp_path):
    run(data, tmp_path / "run", max_steps=2)
    with pytest.raises(InputError, match=r"train\.lr was 0\.01, now 0\.5"):
        run(data, tmp_path / "run", overrides={"lr": 0.5})


def test_damaged_state_is_named(data, tmp_path):
    run(data, tmp_path / "run", max_steps=2)
    state = tmp_path / "run/state.pt"
    state.write_bytes(state.read_bytes()[:500])
    with pytest.raises(InputError, match=r"state\.pt cannot be read .*delete it"):
        run(data, tmp_path / "run")


def test_annotations_of_unknown_scenes_are_left_out_and_counted(data, tmp_path, capsys):
    import shutil

    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data/annotations/scanrefer_train.json"
    entries = json.loads(path.read_text())
    entries.append({**entries[0], "scene_id": "scene9999_00", "ann_id": "7"})
    entries.append({**entries[0], "object_id": "77", "ann_id": "8"})
    path.write_text(json.dumps(entries))
    card = train("toy.tiny", tmp_path / "data", tmp_path / "run", accelerator="cpu", max_steps=1)
    assert card["training"]["annotations"] == len(entries) - 2
    said = " ".join(capsys.readouterr().err.split())
    assert "1 train annotations left out, their scene is not prepared: scene9999_00" in said
    assert "1 train annotations left out, their object is not in the scene: scene0000_00" in said


class TestOrder:
    def test_every_item_once_per_epoch_over_all_processes(self):
        parts = [BatchOrder(17, batch_size=2, epochs=3, seed=1, rank=r, world=2) for r in range(2)]
        drawn = [key for part in parts for batch in part for key in batch]
        assert len(drawn) == len(set(drawn)) == 3 * 16
        assert {epoch for epoch, _ in drawn} == {1, 2, 3}

    @pytest.mark.parametrize(("count", "accumulate", "world"), [(17, 1, 2), (17, 3, 1), (13, 2, 3), (1, 2, 2)])
    def test_without_dropping_the_last_step_has_the_rest(self, count, accumulate, world):
        parts = [
            list(BatchOrder(
                count, batch_size=2, epochs=2, seed=1, rank=rank, world=world, accumulate=accumulate, drop_last=False
            ))
            for rank in range(world)
        ]  # fmt: skip
        assert len({len(part) for part in parts}) == 1  # no process waits for another
        assert all(0 < len(batch) <= 2 for part in parts for batch in part)
        drawn = [key for part in parts for batch in part for key in batch]
        assert set(drawn) == {(epoch, i) for epoch in (1, 2) for i in range(count)}
        order = BatchOrder(count, batch_size=2, epochs=2, seed=1, world=world, accumulate=accumulate, drop_last=False)
        assert len(drawn) - 2 * count <= 2 * max(0, accumulate * world - order.samples(order.total - 1))
        assert order.seen(order.total) == sum(order.samples(step) for step in range(order.total)) == 2 * count

    def test_start_skips_what_was_done(self):
        whole = list(BatchOrder(10, batch_size=2, epochs=4, seed=3))
        rest = BatchOrder(10, batch_size=2, epochs=4, seed=3)
        rest.start = 7
        assert list(rest) == whole[7:]
        assert len(rest) == len(whole) - 7

    def test_epochs_differ(self):
        batches = list(BatchOrder(64, batch_size=64, epochs=2, seed=0))
        assert [i for _, i in batches[0]] != [i for _, i in batches[1]]


class TestRate:
    def order(self, epochs: int = 4) -> BatchOrder:
        return BatchOrder(10, batch_size=1, epochs=epochs, seed=0)

    def test_epoch_decay_counts_epochs_from_one(self):
        from saymask.training.schedules import rate_factor

        factors = [rate_factor(TrainConfig(), step, self.order()) for step in (0, 9, 10, 39)]
        np.testing.assert_allclose(factors, [0.95, 0.95, 0.95**2, 0.95**4])

    def test_cosine_rises_and_falls_to_zero(self):
        from saymask.training.schedules import rate_factor

        config = TrainConfig(schedule="cosine", warmup=0.1)
        factors = [rate_factor(config, step, self.order()) for step in range(40)]
        np.testing.assert_allclose(factors[:4], [0.25, 0.5, 0.75, 1.0])
        assert factors[4] == 1.0
        assert all(a > b for a, b in itertools.pairwise(factors[4:]))
        assert factors[-1] < 0.01

    def test_poly_counts_epochs_from_zero(self):
        from saymask.training.schedules import rate_factor

        config = TrainConfig(schedule="epoch-poly", epochs=4)
        factors = [rate_factor(config, step, self.order()) for step in (0, 9, 10, 39)]
        np.testing.assert_allclose(factors, [1, 1, 0.75**4, 0.25**4])

    def test_unknown_schedule(self):
        from saymask.training.schedules import rate_factor

        with pytest.raises(InputError, match="'cosine' or 'trapezoid'"):
            rate_factor(TrainConfig(schedule="linear"), 0, self.order())


def test_length_belongs_to_a_cosine_run(data, tmp_path):
    cosine = {"schedule": "cosine"}
    run(data, tmp_path / "run", overrides=cosine, max_steps=4)
    with pytest.raises(InputError, match="max_steps was 4, now 0"):
        run(data, tmp_path / "run", overrides=cosine)
    with pytest.raises(InputError, match=r"train\.epochs was 2, now 3"):
        run(data, tmp_path / "run", overrides={**cosine, "epochs": 3}, max_steps=4)
    run(data, tmp_path / "run", overrides={**cosine, "evaluate_every": 2}, max_steps=4)


def test_time_limit_stops_validates_and_can_go_on(data, tmp_path):
    settings = {"schedule": "cosine", "epochs": 30, "evaluate_every": 30}
    whole = run(data, tmp_path / "whole", overrides=settings)
    card = run(data, tmp_path / "parts", overrides=settings, max_minutes=0.001)
    assert 0 < card["training"]["steps"] < 180
    assert card["metrics"]["overall"]["n"] == 12
    run(data, tmp_path / "parts", overrides=settings)
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "parts/last.safetensors")
    assert whole["training"]["processes"] == 1


def test_one_run_at_a_time_in_a_folder(data, tmp_path):
    with only_process(tmp_path / "run/.lock"), pytest.raises(InputError, match="another process trains in"):
        run(data, tmp_path / "run")
    assert run(data, tmp_path / "run", max_steps=1)["training"]["steps"] == 1
