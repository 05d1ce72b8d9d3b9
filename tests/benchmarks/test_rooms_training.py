"""The training for rooms of other people in one command: what is run, and the table of what is there."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import rooms_training
from benchmarks.foreign import COLUMNS
from benchmarks.scheduler import Task


def experiment(folder: Path, *more: str) -> int:
    """Run the experiment with two seeds in one view."""
    names = ["--worlds", "worlds", "--furniture", "furniture.npz", "--views", "rgbd"]
    return rooms_training.main([*names, "--out", str(folder), "--seeds", "1", "2", *more])


def write_figures(folder: Path, **shift: dict[str, float]) -> None:
    """Write figures of 10 + adapt, shifted per run and column."""
    for adapt in rooms_training.ADAPT:
        entries = [
            {
                "model": f"{run.replace('_', '-')}/{rooms_training.CHECKPOINT}",
                "view": "rgbd",
                "adapt": adapt,
                "worlds": {"mean": {c: 10 + adapt + columns.get(c, 0.0) for c in COLUMNS}},
            }
            for run, columns in shift.items()
        ]
        rooms_training.figures(folder, adapt).write_text(json.dumps(entries))


def test_everything_from_scratch(tmp_path: Path, started: list[Task]) -> None:
    assert experiment(tmp_path, "--train.ema", "0.998") == 0
    assert [task.name for task in started] == [
        "mixed-furniture rooms",
        "mixed-furniture data",
        "all-1 training",
        "all-2 training",
        "measuring 0",
        "measuring 0.5",
    ]
    training = next(task.command for task in started if task.name == "all-2 training")
    assert "--train.init" not in training
    assert training[-2:] == ("--train.ema", "0.998")


def test_each_variant_leaves_one_part_out(tmp_path: Path, started: list[Task]) -> None:
    ablation = ("--ablate", "--init", "start.safetensors", "--train.matmul-precision", "bf16")
    assert experiment(tmp_path, *ablation) == 0
    by_name = {task.name: task.command for task in started}
    assert len(by_name) == len(started)
    training = {name: command for name, command in by_name.items() if name.endswith("training")}
    assert set(training) == {
        f"{run} training"
        for run in ("all-1", "all-2", "no-sensors-1", "no-shapes-of-others-1", "no-looks-1", "no-sheets-1", "no-view-1")
    }
    assert all(command[-2:] == ("--train.matmul-precision", "bf16") for command in training.values())
    assert all(("--train.init", "start.safetensors") in pairwise(command) for command in training.values())
    assert "--furniture" not in by_name["mixed rooms"]
    assert "--furniture" in by_name["ideal-furniture rooms"]
    assert "--model.degrade.library" not in training["no-shapes-of-others-1 training"]
    assert "--model.degrade.share" in training["no-view-1 training"]
    assert "no-view-1/last" not in " ".join(by_name["measuring 0"])  # without `adapt`, `all` alone
    assert "no-view-1/last" in " ".join(by_name["measuring 0.5"])
    seen: set[str] = set()
    for task in started:  # each waits only for what comes before it
        assert seen.issuperset(task.after)
        seen.add(task.name)


def test_what_is_measured_is_not_measured_again(tmp_path: Path, started: list[Task]) -> None:
    names = [run.name.replace("-", "_") for run in rooms_training.runs([1, 2], ablate=True)]
    write_figures(tmp_path, **{name: {} for name in names[1:]})
    experiment(tmp_path, "--ablate")
    assert "measuring 0.5" in [task.name for task in started]
    started.clear()
    write_figures(tmp_path, **{name: {} for name in names})
    experiment(tmp_path, "--ablate")
    assert not [task.name for task in started if task.name.startswith("measuring")]


def test_table_has_means_over_seeds_and_their_spread(
    tmp_path: Path, started: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    write_figures(tmp_path, all_1={}, all_2={"click": 3.0}, no_view_1={"click": -5.0})
    experiment(tmp_path, "--json", str(tmp_path / "table.json"))
    table: list[dict[str, Any]] = json.loads((tmp_path / "table.json").read_text())
    rows = {row["variant"]: row for row in table}
    assert set(rows) == {"all", "no adapt", "no view"}
    assert rows["all"]["seeds"] == 2
    assert rows["all"]["click"] == 12.0
    assert rows["all"]["spread"]["click"] == 3.0
    assert rows["no adapt"]["click"] == 11.5
    assert rows["no view"]["click"] == 5.5
    assert "12.0 ± 1.5" in capsys.readouterr().out
