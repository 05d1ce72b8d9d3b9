"""All numbers of docs/results.md: every evaluation of the models that come along, each kept as a small file.

    python -m benchmarks.results [--only MODEL ...] [--data rooms1 ...] [--again] [--card]

`make results` runs it and docs/make_results.py, which writes the tables of the page. An evaluation becomes
docs/results/MODEL/DATA-NAME.json: its metrics of groups (none of single classes), for sentences with a score how often
the model is right at each tenth of it, what the data is, and where the number comes from. One that is there with the
same command, data and weights is not run again, so that an interrupted run goes on, and new weights in saymask/weights
make all of theirs old. Whole results with their rows are in out/results/MODEL.

Rooms are generated in out/results. The worlds of `benchmarks.foreign` come from others and have to lie in
out/results/worlds (a link will do). `--card` writes the numbers of the default model into its card as well, which
leaves its weights as they are.
"""

import argparse
import itertools
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.foreign_worlds import VIEWS
from benchmarks.reliability import reliability
from benchmarks.speed.clock import ROOT
from saymask.hub.headers import DEFAULT, embedded
from saymask.util.files import read_json, write_text
from saymask.util.provenance import data_sha256, weights_sha256

OUT = Path("out/results")
"""Data and whole results, in the root of the clone, as commands name it."""
KEPT = ROOT / "docs" / "results"
ROOMS = {
    "rooms1": ("--split", "val=60", "--seed", "0"),
    "rooms2": ("--split", "val=60", "--seed", "0", "--version", "2", "--sensor", "mixed"),
    "row": ("--split", "val=6", "--seed", "0", "--version", "2"),
}
"""Data → what `saymask rooms` is asked for; `row` is read as it is generated."""
WORLDS = "worlds"
HEADLINE = {
    "PQ": ("panoptic", "scannet", "pq"),
    "mIoU refer": ("refer", "3dres", "miou"),
    "mIoU click": ("click", "scannet", "miou"),
    "mIoU find": ("find", "scannet200", "miou"),
}
"""Title in a card → task, protocol, key."""
OF_CLASSES = {"iou", "precision", "recall", "ap", "ap50", "ap25", "pq", "sq", "rq"}
"""Keys of metrics that hold a number per class."""


@dataclass(frozen=True)
class Evaluation:
    """One command that measures a model on data."""

    model: str
    data: str
    name: str
    arguments: tuple[str, ...]  # the command without --json

    @property
    def file(self) -> Path:
        """Whole result, relative to the root of the clone."""
        return OUT / self.model / f"{self.data}-{self.name}.json"

    @property
    def kept(self) -> Path:
        """What docs/ has of it."""
        return KEPT / self.model / self.file.name

    @property
    def command(self) -> tuple[str, ...]:
        """Words that are run and that the result names."""
        return (*self.arguments, "--json", self.file.as_posix())

    @property
    def folder(self) -> Path:
        """Folder that is measured on, as the command names it."""
        return OUT / self.data / {WORLDS: "", "row": "raw/scans"}.get(self.data, "data")


def plan() -> Iterator[Evaluation]:
    """Yield all evaluations."""
    asked = {
        ("uniseg3d.rooms", "rooms1"): {
            "all": ("--task", "all"), "3dres": ("--protocol", "3dres"), "3dgres": ("--protocol", "3dgres"),
            "multi3drefer-f1": ("--protocol", "multi3drefer-f1"),
        },
        ("uniseg3d.rooms", "rooms2"): {
            "all": ("--task", "all"), "3dres": ("--protocol", "3dres"), "3dgres": ("--protocol", "3dgres"),
        },
        ("bqnet.rooms", "rooms1"): {
            "3dres": ("--protocol", "3dres"), "3dgres": ("--protocol", "3dgres"),
            "multi3drefer-f1": ("--protocol", "multi3drefer-f1"),
        },
        ("bqnet.rooms", "rooms2"): {"3dres": ("--protocol", "3dres"), "3dgres": ("--protocol", "3dgres")},
        ("less.rooms", "rooms1"): {"3dres": ("--protocol", "3dres"), "less": ("--protocol", "less")},
        ("less.rooms", "rooms2"): {"3dres": ("--protocol", "3dres")},
        **{
            ("lground.rooms", data): {task: ("--task", task) for task in ("semantic", "instances", "find")}
            for data in ("rooms1", "rooms2")
        },
    }  # fmt: skip
    for (model, data), evaluations in asked.items():
        for name, arguments in evaluations.items():
            start = ("saymask", "evaluate", model, "--data", (OUT / data / "data").as_posix())
            end = () if model == DEFAULT else ("--no-baselines",)  # they are the same for all
            yield Evaluation(model, data, name, (*start, *arguments, *end))
    module = ("python", "-m")
    for model, view in itertools.product(dict.fromkeys(model for model, _ in asked), VIEWS):
        arguments = ("--worlds", (OUT / WORLDS).as_posix(), "--model", model, "--views", view)
        yield Evaluation(model, WORLDS, view, (*module, "benchmarks.foreign", *arguments))
    arguments = ("--rooms", (OUT / "row" / "raw").as_posix(), "--model", DEFAULT)
    yield Evaluation(DEFAULT, "row", "windows", (*module, "benchmarks.row", *arguments))


def current(evaluation: Evaluation, weights: str | None, data: str | None) -> bool:
    """Return whether the kept result is of this command, these weights and this data."""
    if not evaluation.kept.is_file():
        return False
    facts = read_json(evaluation.kept)["provenance"]
    found = facts["command"], facts.get("weights_sha256"), facts.get("data_sha256")
    return found == (shlex.join(evaluation.command), weights, data)


def kept(whole: Any) -> dict[str, Any]:
    """Return what docs/ keeps of a result of `saymask evaluate`, `benchmarks.foreign` or `benchmarks.row`."""
    whole = whole[0] if isinstance(whole, list) else whole
    rows = [r for r in whole.get("rows", ()) if r.get("score") is not None and "iou" in r]
    left_out = ("rows", "classes", "seconds", "data", "repeats", "refused")
    found = {key: _small(value) for key, value in whole.items() if key not in left_out}
    if rows:
        scores, iou = (np.array([r[key] for r in rows], np.float64) for key in ("score", "iou"))
        found["reliability"] = _small(reliability(scores, iou))
    return found


def _small(value: Any) -> Any:
    """Return numbers of groups without those of single classes, with six digits."""
    if isinstance(value, dict):
        return {key: _small(one) for key, one in value.items() if not (key in OF_CLASSES and isinstance(one, dict))}
    if isinstance(value, list):
        return [_small(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value


def make_data(name: str) -> None:
    """Generate and prepare rooms unless they are there."""
    raw, data = OUT / name / "raw", OUT / name / "data"
    if name in ROOMS and not (ROOT / raw / "card.json").is_file():
        _run("saymask", "rooms", raw.as_posix(), *ROOMS[name], "--workers", "1")
    if name in ("rooms1", "rooms2") and not (ROOT / data / "manifest.json").is_file():
        _run("saymask", "prepare", raw.as_posix(), "--out", data.as_posix())


def described(name: str) -> dict[str, Any]:
    """Return what data is: of rooms the command that makes them, their settings and the sha256 of the split."""
    if name == WORLDS:
        return {"name": name}
    card = read_json(ROOT / OUT / name / "raw" / "card.json")
    command = shlex.join(["saymask", "rooms", (OUT / name / "raw").as_posix(), *ROOMS[name]])
    facts = {key: card[key] for key in ("version", "seed", "sensor")}
    return {"name": name, **facts, "rooms": card["rooms"]["val"], "sha256": card["val_sha256"], "command": command}


def _run(*command: str) -> None:
    """Run a command of saymask or a module in the root of the clone; SystemExit where it fails."""
    start = ("-m", "saymask", *command[1:]) if command[0] == "saymask" else command[1:]
    print("$", shlex.join(command), file=sys.stderr, flush=True)
    if code := subprocess.run([sys.executable, *start], cwd=ROOT, check=False).returncode:
        raise SystemExit(code)


def write_card() -> None:
    """Write the kept numbers of the default model into its card."""
    from saymask.hub.checkpoints import load_model, save_checkpoint

    folder, model = KEPT / DEFAULT, load_model(DEFAULT, "cpu")
    found = read_json(folder / "rooms1-all.json")["results"]
    metrics = {task: {p: one["metrics"] for p, one in protocols.items()} for task, protocols in found.items()}
    worlds = {view: read_json(folder / f"{WORLDS}-{view}.json")["worlds"]["mean"] for view in VIEWS}
    metrics["foreign"] = {"protocol": "benchmarks.foreign: mean over seven worlds, %", **worlds}
    headline = {title: round(100 * metrics[t][p]["overall"][key], 2) for title, (t, p, key) in HEADLINE.items()}
    card = {"metrics": metrics, "headline": {**headline, "protocol": "plain (Rooms val)"}}
    save_checkpoint(model, embedded()[DEFAULT], card, model.card["dtype"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing or old, and say what could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=(__doc__ or "").split("\n")[0])
    evaluations = list(plan())
    models, data = (list(dict.fromkeys(getattr(e, of) for e in evaluations)) for of in ("model", "data"))
    parser.add_argument("--only", nargs="+", metavar="MODEL", choices=models, default=models, help=", ".join(models))
    parser.add_argument("--data", nargs="+", choices=data, default=data)
    parser.add_argument("--again", action="store_true", help="measure what is current as well")
    parser.add_argument("--card", action="store_true", help="write the default model's numbers into its card, too")
    options = parser.parse_args(arguments)
    weights = {name: weights_sha256(path) for name, path in embedded().items()}
    for name in options.data:
        if name == WORLDS and not (ROOT / OUT / WORLDS).is_dir():
            print(f"{OUT / WORLDS}: there are no worlds; put a link to them there", file=sys.stderr)
            continue
        chosen = [e for e in evaluations if e.data == name and e.model in options.only]
        if chosen:
            make_data(name)
        for evaluation in chosen:
            found = data_sha256(ROOT / evaluation.folder)
            if not options.again and current(evaluation, weights[evaluation.model], found):
                continue
            (ROOT / evaluation.file).parent.mkdir(parents=True, exist_ok=True)
            _run(*evaluation.command)
            content = {**kept(read_json(ROOT / evaluation.file)), "data": described(name)}
            write_text(evaluation.kept, json.dumps(content, indent=1) + "\n")
    if options.card:
        write_card()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
