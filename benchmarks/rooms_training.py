"""Training for rooms of other people in one command, from their making to the figures; or with one part left out.

    python -m benchmarks.rooms_training --worlds WORLDS --furniture FILE --out runs/rooms [--rooms 640] [--room-seed 21]
        [--epochs 36] [--seeds 1] [--init CHECKPOINT] [--ablate] [--views rgbd handheld] [--jobs 1] [--json FILE]
        [--train.ema 0.998 … any setting of `saymask train`]

Every run is `uniseg3d.rooms`, from scratch or from CHECKPOINT, on newly made rooms of version 2, measured by
`python -m benchmarks.foreign` with a scan's own norm statistics (`adapt`), and without them where every part is there.
With `--ablate` each part is left out once as well, with the first seed; the spread of several seeds tells what a
difference is worth. An interrupted experiment goes on where it stopped.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.foreign import title
from benchmarks.foreign_worlds import VIEWS
from benchmarks.scheduler import Task, run_experiment, saymask_task

ADAPT = (0.0, 0.5)
CHECKPOINT = "last.safetensors"
SHOWN = ("semantic", "points", "AP25", "AP50", "AP25 any", "AP50 any", "click", "refer", "find", "AUROC")


@dataclass(frozen=True)
class Variant:
    """One run: what its rooms and its training have that others have not."""

    sensor: str = "mixed"
    furniture: bool = True
    """Furniture of others, in the rooms and exchanged in the training view."""
    settings: tuple[str, ...] = ()

    @property
    def rooms(self) -> str:
        """Name of the folder of its rooms."""
        return f"{self.sensor}{'-furniture' if self.furniture else ''}"


ALL = "all"
VARIANTS: dict[str, Variant] = {
    ALL: Variant(),
    "no sensors": Variant(sensor="ideal"),
    "no shapes of others": Variant(furniture=False),
    "no looks": Variant(settings=("--model.degrade.tone", "0")),
    "no sheets": Variant(settings=("--model.degrade.sheets", "0")),
    "no view": Variant(settings=("--model.degrade.share", "0")),
}


@dataclass(frozen=True)
class Run:
    """A variant with a seed."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.variant.replace(' ', '-')}-{self.seed}"


def runs(seeds: Sequence[int], *, ablate: bool) -> list[Run]:
    """Return `all` with each seed and, to `ablate`, every other variant with the first."""
    return [Run(ALL, seed) for seed in seeds] + [Run(name, seeds[0]) for name in VARIANTS if ablate and name != ALL]


def tasks(options: argparse.Namespace) -> Iterator[Task]:
    """Yield the commands that are to be run: rooms, their preparation, training, measuring."""
    made: set[str] = set()
    wanted_runs = runs(options.seeds, ablate=options.ablate)
    init = ("--train.init", str(options.init)) if options.init else ()
    for run in wanted_runs:
        variant, folder = VARIANTS[run.variant], options.out / run.name
        raw, data = options.out / "raw" / variant.rooms, options.out / "data" / variant.rooms
        furniture = ("--furniture", str(options.furniture)) if variant.furniture else ()
        if variant.rooms not in made:
            made.add(variant.rooms)
            yield saymask_task(
                f"{variant.rooms} rooms", raw.with_suffix(".log"), "rooms", str(raw), "--version", "2",
                "--split", f"train={options.rooms}", "--sensor", variant.sensor, "--seed", str(options.room_seed),
                *furniture,
            )  # fmt: skip
            yield saymask_task(
                f"{variant.rooms} data", raw.with_suffix(".log"), "prepare", str(raw), "--out", str(data),
                after=f"{variant.rooms} rooms",
            )  # fmt: skip
        library = ("--model.degrade.library", str(options.furniture)) if variant.furniture else ()
        yield saymask_task(
            f"{run.name} training", folder / "log.txt", "train", "uniseg3d.rooms", "--data", str(data),
            "--out", str(folder), "--train.epochs", str(options.epochs), "--train.seed", str(run.seed),
            "--train.task", "none", *init, *library, *variant.settings, *options.train,
            after=f"{variant.rooms} data",
        )  # fmt: skip
    for adapt in ADAPT:
        measuring = [run for run in wanted_runs if adapt == ADAPT[1] or run.variant == ALL]
        models = [str(options.out / run.name / CHECKPOINT) for run in measuring]
        wanted = {(title(model), view, adapt) for model in models for view in options.views}
        if not wanted <= measured(options.out).keys():
            command = (
                "--worlds", str(options.worlds), "--model", *models, "--views", *options.views, "--adapt", str(adapt),
                "--json", str(figures(options.out, adapt)),
            )  # fmt: skip
            yield Task(
                f"measuring {adapt:g}", (sys.executable, "-m", "benchmarks.foreign", *command),
                options.out / f"foreign-{adapt:g}.log", tuple(f"{run.name} training" for run in measuring),
            )  # fmt: skip


def figures(out: Path, adapt: float) -> Path:
    """Return the file of what is measured with that weight of a scan's own norm statistics."""
    return out / f"foreign-{adapt:g}.json"


def measured(out: Path) -> dict[tuple[str, str, float], dict[str, float]]:
    """Return the means over the worlds per (model, view, adapt), as far as they are known."""
    paths = [figures(out, adapt) for adapt in ADAPT]
    entries = [entry for path in paths if path.is_file() for entry in json.loads(path.read_text(encoding="utf-8"))]
    return {(entry["model"], entry["view"], entry["adapt"]): entry["worlds"]["mean"] for entry in entries}


def rows(out: Path, seeds: Sequence[int], views: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row per view and variant that is measured; `all` is the mean over its seeds, with `spread` max - min.

    The row `no adapt` is `all` without the scan's own norm statistics, the other rows have them.
    """
    known = measured(out)
    table: list[dict[str, Any]] = []
    for view in views:
        for name, variant, adapt in [(ALL, ALL, ADAPT[1]), ("no adapt", ALL, ADAPT[0])] + [
            (name, name, ADAPT[1]) for name in VARIANTS if name != ALL
        ]:
            measured_runs = [run for run in runs(seeds, ablate=True) if run.variant == variant]
            keys = [(title(f"{run.name}/{CHECKPOINT}"), view, adapt) for run in measured_runs]
            found = [known[key] for key in keys if key in known]
            if found:
                columns = {c: [f[c] for f in found] for c in SHOWN}
                table.append(
                    {"view": view, "variant": name, "seeds": len(found)}
                    | {c: sum(values) / len(values) for c, values in columns.items()}
                    | {"spread": {c: max(values) - min(values) for c, values in columns.items()}}
                )
    return table


def markdown(table: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table; where there are several seeds, ± is half of their spread."""
    lines = ["| | seeds | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 2) + "|"]
    for row in table:
        half = {c: f" ± {row['spread'][c] / 2:.1f}" if row["seeds"] > 1 else "" for c in SHOWN}
        cells = " | ".join(f"{row[c]:.1f}{half[c]}" for c in SHOWN)
        lines.append(f"| `{row['view']}`, {row['variant']} | {row['seeds']} | {cells} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not done yet, print the table and write it to a JSON file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rooms_training", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--worlds", type=Path, required=True, help="folder of NAME.npz and NAME.json")
    parser.add_argument("--furniture", type=Path, required=True, help="file of saymask.data.furniture_library")
    parser.add_argument("--init", type=Path, help="checkpoint that every run starts from; none: from scratch")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rooms", type=int, default=640)
    parser.add_argument("--room-seed", type=int, default=21)
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--ablate", action="store_true", help="also leave out one part at a time")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=["rgbd", "handheld"])
    parser.add_argument("--jobs", type=int, default=1, help="commands at the same time")
    parser.add_argument("--json", type=Path)
    options, options.train = parser.parse_known_args(arguments)  # what is not known here is for `saymask train`
    return run_experiment(
        tasks(options), options.jobs, lambda: rows(options.out, options.seeds, options.views), markdown, options.json
    )


if __name__ == "__main__":
    raise SystemExit(main())
