"""The trackers of a run: what they are sent, that a resumed run goes on in the same one, and errors before the work."""

import csv
import json
import sys
from pathlib import Path

import pytest

from saymask.errors import InputError
from saymask.training.loggers import check_trackers
from saymask.training.run import train
from tests.models.toy_model import make_prepared, register


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    register(monkeypatch)
    return make_prepared(tmp_path / "prepared", train=2, val=1)


@pytest.fixture
def trackers(tmp_path, monkeypatch) -> Path:
    """Both trackers write to a folder of this machine."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    return tmp_path / "mlruns"


def sent_to_mlflow(folder: Path) -> dict[str, list[list[float]]]:
    """Return [step, value] of each metric of the one run that is there."""
    (run,) = (p.parent for p in folder.glob("*/*/meta.yaml"))
    names = [p for p in (run / "metrics").rglob("*") if p.is_file()]
    lines = {str(p.relative_to(run / "metrics")): p.read_text().splitlines() for p in names}
    return {name: [[float(v) for v in row.split()[2:0:-1]] for row in rows] for name, rows in lines.items()}


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_the_same_run_of_the_tracker(data, trackers, tmp_path):
    out = tmp_path / "run"
    options = {"accelerator": "cpu", "quiet": True, "log_every": 1, "log_to": ("wandb", "mlflow")}
    train("toy.tiny", data, out, max_steps=2, overrides={"epochs": 2}, **options)
    first = json.loads((out / "trackers.json").read_text())
    train("toy.tiny", data, out, max_steps=4, overrides={"epochs": 2}, **options)
    assert json.loads((out / "trackers.json").read_text()) == first
    assert first.keys() == {"wandb", "mlflow"}
    assert len(list((out / "wandb").glob(f"offline-run-*-{first['wandb']}/run-*.wandb"))) == 2
    with open(out / "metrics.csv") as file:
        rows = [(int(r["step"]), float(r["train/loss"])) for r in csv.DictReader(file) if r["train/loss"]]
    assert [step for step, _ in rows] == [1, 2, 3, 4]
    found = sent_to_mlflow(trackers)
    assert found["train/loss"] == [[step, pytest.approx(value)] for step, value in rows]
    assert found["val/overall/miou"]
    (parameters,) = trackers.glob("*/*/params")
    assert (parameters / "train/batch_size").read_text() == "4"


@pytest.mark.parametrize(
    ("name", "said"),
    [("mlflow", "MLFLOW_TRACKING_URI"), ("wandb", r"saymask\[log\]"), ("comet", "expected wandb or mlflow")],
)
def test_what_is_missing_is_said_before_any_work(data, tmp_path, monkeypatch, name, said):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=said):
        check_trackers([name])
    with pytest.raises(InputError, match=said):
        train("toy.tiny", data, tmp_path / "run", accelerator="cpu", quiet=True, log_to=(name,))
    assert not (tmp_path / "run/state.pt").exists()
