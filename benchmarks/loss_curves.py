"""Whether training with reduced products learns what exact ones teach: two loss curves per system, side by side.

    python -m benchmarks.loss_curves --out runs/curves [--rooms 45] [--steps 500] [--presets NAME ...] [--json FILE]
                                     [SETTINGS of `saymask train`]

Each preset is trained from scratch on the same newly made rooms, in the same order, once with float32 products
(`ieee`) and once with sums of bfloat16 products (`bf16`), with small samples so that 500 steps take minutes. A row is
the mean loss of a fifth of the steps. Beside the difference of the two stands how far a mean of so many steps may be
off by itself: two standard errors of that difference if the curves had nothing in common but their course. An
interrupted experiment goes on where it stopped.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scheduler import Task, run_experiment, saymask_task

PRECISIONS = ("ieee", "bf16")
SMALL = {
    "uniseg3d.rooms": ("--train.epochs", "12", "--train.batch-size", "1"),
    "lground.rooms": ("--train.epochs", "12", "--train.batch-size", "1"),
    "bqnet.rooms": ("--train.epochs", "1", "--train.sentences", "6"),
}
"""Settings that give at least 500 steps on 45 rooms."""
PARTS = 5


def tasks(options: argparse.Namespace) -> list[Task]:
    """Return the commands that are to be run: rooms, their preparation, and the trainings."""
    raw, data, log = options.out / "raw", options.out / "data", options.out / "rooms.log"
    made = [
        saymask_task("rooms", log, "rooms", str(raw), "--split", f"train={options.rooms}"),
        saymask_task("data", log, "prepare", str(raw), "--out", str(data), after="rooms"),
    ]
    return made + [
        saymask_task(
            folder.name, options.out / f"{folder.name}.log",
            "train", preset, "--data", str(data), "--out", str(folder), "--train.task", "none", *SMALL[preset],
            "--train.conv-precision", precision, "--train.matmul-precision", precision, *options.train,
            after="data",
        )
        for preset in options.presets
        for precision in PRECISIONS
        for folder in [run_folder(options.out, preset, precision)]
    ]  # fmt: skip


def run_folder(out: Path, preset: str, precision: str) -> Path:
    """Return the folder of a training."""
    return out / f"{preset}-{precision}"


def curve(folder: Path, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return step int64 [n] and loss float64 [n] of a run's log, up to `steps`."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"] and int(row["step"]) <= steps]
    return np.array([int(row["step"]) for row in rows]), np.array([float(row["train/loss"]) for row in rows])


def rows(out: Path, presets: Sequence[str], steps: int) -> list[dict[str, Any]]:
    """Return a row per preset and part of the steps, as far as both of its runs got."""
    table = []
    for preset in presets:
        folders = [run_folder(out, preset, precision) for precision in PRECISIONS]
        if not all((folder / "metrics.csv").is_file() for folder in folders):
            continue
        exact, reduced = (curve(folder, steps) for folder in folders)
        for part in range(PARTS):
            first, last = part * steps // PARTS, (part + 1) * steps // PARTS
            a, b = (loss[(step > first) & (step <= last)] for step, loss in (exact, reduced))
            if min(len(a), len(b)) < 2:
                continue
            noise = 2 * np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
            table.append(
                {
                    "preset": preset, "steps": f"{first + 1}–{last}", "ieee": a.mean(), "bf16": b.mean(),
                    "difference": b.mean() - a.mean(), "noise": noise,
                }
            )  # fmt: skip
    return table


def markdown(table: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| | steps | `ieee` | `bf16` | difference | two standard errors |", "|---" * 6 + "|"]
    for row in table:
        figures = " | ".join(f"{row[c]:.3f}" for c in ("ieee", "bf16", "difference", "noise"))
        lines.append(f"| `{row['preset']}` | {row['steps']} | {figures} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not done yet, print the table and write it to a JSON file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.loss_curves", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rooms", type=int, default=45)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--presets", nargs="+", choices=tuple(SMALL), default=list(SMALL))
    parser.add_argument("--jobs", type=int, default=1, help="commands at the same time")
    parser.add_argument("--json", type=Path)
    options, options.train = parser.parse_known_args(arguments)  # what is not known here is for `saymask train`
    return run_experiment(
        tasks(options), options.jobs, lambda: rows(options.out, options.presets, options.steps), markdown, options.json
    )


if __name__ == "__main__":
    raise SystemExit(main())
