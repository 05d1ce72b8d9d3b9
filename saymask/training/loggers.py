"""The numbers of a training: metrics.csv, TensorBoard and, where asked for, Weights & Biases and MLflow."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

from saymask.errors import InputError
from saymask.util.files import atomic_path, write_text

Tracker = Literal["wandb", "mlflow"]
_PROJECT = "saymask"
_RUNS = "trackers.json"


class CsvLog:
    """Rows of named numbers by step; rows logged after the step that a run resumes from are removed."""

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        self.names: list[str] = ["step"]
        if path.is_file():
            with open(path, newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                # A line cut off by a kill has no step that reads as a number, or lies after the saved state.
                rows = [r for r in reader if (r.get("step") or "").isdigit() and int(r["step"]) <= start]
                self.names = list(reader.fieldnames or self.names)
            self._rewrite(rows)

    def write(self, values: dict[str, float], step: int) -> None:
        """Append a row; new names become new columns."""
        row = {"step": step, **values}
        new = [name for name in row if name not in self.names]
        if new or not self.path.is_file():
            rows: list[dict[str, Any]] = []
            if self.path.is_file():
                with open(self.path, newline="", encoding="utf-8") as file:
                    rows = list(csv.DictReader(file))
            self.names += new
            self._rewrite([*rows, row])
            return
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.names).writerow(row)

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        with atomic_path(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.names, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


def check_trackers(log_to: Sequence[Tracker]) -> None:
    """Raise InputError where the package of a tracker, or the address of its server, is missing."""
    for name in log_to:
        if name not in get_args(Tracker):
            raise InputError(f"log_to: expected {' or '.join(get_args(Tracker))}, got {name!r}")
        try:
            __import__(name)
        except ImportError:
            raise InputError(f"logging to {name} needs its package: pip install 'saymask[log]'") from None
        if name == "mlflow" and not os.environ.get("MLFLOW_TRACKING_URI"):
            raise InputError("logging to mlflow: set MLFLOW_TRACKING_URI to the address of its server")


def loggers(out: Path, start: int, log_to: Sequence[Tracker] = ()) -> list[Any]:
    """Return Lightning's loggers of a run: metrics.csv, TensorBoard and those of `log_to`.

    `start` is the step that is resumed. The trackers take project or server and account from the environment
    (WANDB_PROJECT, WANDB_MODE, MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, …); a run that is resumed goes on in the
    same run of the tracker, whose id `out`/trackers.json keeps. config.json's settings are sent as its parameters.
    """
    from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

    class Csv(Logger):
        """metrics.csv beside the checkpoints."""

        @property
        def name(self) -> str:
            return "csv"

        @property
        def version(self) -> str:
            return ""

        def __init__(self) -> None:
            super().__init__()
            self.file = CsvLog(out / "metrics.csv", start)

        def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
            self.file.write(dict(metrics), step or 0)

        def log_hyperparams(self, *_: Any, **__: Any) -> None:
            """config.json holds them."""

    class Wandb(WandbLogger):
        """A run that ends with the training, so that the next training of this process has a run of its own."""

        def finalize(self, status: str) -> None:
            super().finalize(status)
            self.experiment.finish()

    # purge_step hides what an interrupted run had written after the state that is resumed.
    found: list[Any] = [
        Csv(), TensorBoardLogger(out, name="", version="tensorboard", purge_step=start + 1 if start else None),
    ]  # fmt: skip
    ids = json.loads((out / _RUNS).read_text(encoding="utf-8")) if start and (out / _RUNS).is_file() else {}
    settings = json.loads((out / "config.json").read_text(encoding="utf-8")) if log_to else {}
    for name in log_to:
        going_on = name in ids
        if name == "wandb":
            made = Wandb(
                name=out.name, save_dir=out, project=os.environ.get("WANDB_PROJECT", _PROJECT),
                id=ids.get(name) or uuid4().hex, resume="allow",
            )  # fmt: skip
            ids[name] = made.version
        else:
            made = MLFlowLogger(
                experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT), run_name=out.name,
                tracking_uri=os.environ["MLFLOW_TRACKING_URI"], run_id=ids.get(name),
            )  # fmt: skip
            ids[name] = made.run_id
        if not going_on:
            made.log_hyperparams(settings)
        found.append(made)
    if log_to:
        write_text(out / _RUNS, json.dumps(ids, indent=2) + "\n")
    return found
