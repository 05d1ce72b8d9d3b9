"""Loss curves of exact and reduced products: what is run, and the table of what is there."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import loss_curves
from benchmarks.scheduler import Task


def log(folder: Path, losses: np.ndarray) -> None:
    """Write a run's log with a loss every tenth step."""
    folder.mkdir(parents=True)
    lines = [f"{10 * (i + 1)},{loss}" for i, loss in enumerate(losses)]
    (folder / "metrics.csv").write_text("\n".join(["step,train/loss", *lines]) + "\n")


def test_both_precisions_differ_in_nothing_else(tmp_path: Path, started: list[Task]) -> None:
    assert loss_curves.main(["--out", str(tmp_path), "--train.seed", "3"]) == 0
    training = {task.name: task.command for task in started if "train" in task.command}
    assert len(training) == 2 * len(loss_curves.SMALL)
    for name in loss_curves.SMALL:
        exact, reduced = (training[f"{name}-{precision}"] for precision in loss_curves.PRECISIONS)
        differing = [(a, b) for a, b in zip(exact, reduced, strict=True) if a != b]
        assert differing[1:] == [("ieee", "bf16")] * 2  # the first is the folder
        assert exact[-2:] == ("--train.seed", "3")


def test_table_compares_fifths_of_the_steps(
    tmp_path: Path, started: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    course = np.linspace(5, 1, 60) + rng.normal(0, 0.1, 60)
    log(tmp_path / "lground.rooms-ieee", course)
    log(tmp_path / "lground.rooms-bf16", course + 0.05)
    log(tmp_path / "bqnet.rooms-ieee", course)  # its other run has not begun
    assert loss_curves.main(["--out", str(tmp_path), "--json", str(tmp_path / "table.json")]) == 0
    table = json.loads((tmp_path / "table.json").read_text())
    assert [row["steps"] for row in table] == ["1–100", "101–200", "201–300", "301–400", "401–500"]
    assert {row["preset"] for row in table} == {"lground.rooms"}
    assert [row["difference"] for row in table] == pytest.approx([0.05] * 5)
    assert table[4]["ieee"] == pytest.approx(course[40:50].mean())
    assert table[0]["noise"] == pytest.approx(2 * np.sqrt(2 * course[:10].var(ddof=1) / 10))
    assert "| `lground.rooms` | 401–500 |" in capsys.readouterr().out
