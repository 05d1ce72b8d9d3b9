"""The long-tail experiment of language-grounded pre-training, repeated on Rooms (or any prepared data of 200 classes).

    python -m benchmarks.long_tail --data rooms/data --out runs/long_tail [--epochs N] [--pretrain-epochs N]
        [--only RUN ...] [--share 1.0 0.05] [--seed 42 43] [--jobs 2] [--devices 1] [--precision bf16-mixed]
        [--voxel-size 0.06] [--set train.batch_size=4 ...] [--max-steps N] [--limit N] [--json]

Every run is a preset with a few other settings (`RUNS`), trained by `saymask train` and measured once on all validation
scans with its last weights: nothing is chosen by what the validation says. An interrupted experiment goes on where it
stopped; what is trained and measured already is not done again. OUT gets long_tail.md, .json and .png, and a folder
RUN-SHARE-SEED for each run with its log.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.long_tail_jobs import PROTOCOL, RUNS, Job, known_result, plan, resolved, work
from benchmarks.scheduler import Outcome, Task, run_tasks
from saymask.errors import InputError
from saymask.util.files import check_writable, write_text

COMPARED = (
    ("pretrain+ce", "ce"),
    ("pretrain+focal", "focal"),
    *((run, "ce-long") for run in RUNS if RUNS[run].pretrained),
    ("pretrain+focal+sampling", "pretrain+focal"),
    ("pretrain+focal+mixing", "pretrain+focal"),
    ("focal", "ce"),
)
"""Pairs of a run and the one it is compared with: from scratch, from scratch on the same budget, one step less."""
DRAWN = ("ce", "pretrain+focal")
"""The runs of the picture."""


def run(jobs: Sequence[Job], at_once: int) -> dict[str, Outcome]:
    """Run the jobs that are not done, at most `at_once` together; return how each of them ended."""
    from saymask.util.cores import environment_for

    todo = [job for job in jobs if known_result(job) is None]
    names = {job.folder: job.name for job in todo}
    tasks = [
        Task(
            job.name,
            (sys.executable, "-m", "benchmarks.long_tail", "--worker", json.dumps(asdict(job))),
            Path(job.folder) / "log.txt",
            (names[job.start],) if job.start in names else (),
        )
        for job in todo
    ]
    devices = max((job.devices for job in todo), default=1)
    with environment_for(at_once * devices):
        return run_tasks(tasks, at_once)


def report(jobs: Sequence[Job], out: Path, data: str) -> tuple[str, dict[str, Any]]:
    """Write long_tail.md, .json and .png from the results there are; return the tables and what the JSON holds.

    Raises InputError when no job has a result.
    """
    from benchmarks.long_tail_plot import draw
    from benchmarks.long_tail_results import (
        Result,
        class_groups,
        class_table,
        classes_measured,
        gains,
        markdown,
        plain,
        summary,
        unpack_counts,
    )
    from saymask.data.class_frequencies import count_classes

    results = []
    for job in jobs:
        if (known := known_result(job)) is not None:
            scans, counts = unpack_counts(known["scans"])
            training = [known[key] for key in ("steps", "seconds", "samples")]
            results.append(Result(job.run, job.share, job.seed, scans, counts, known["metrics"], *training))
    if not results:
        raise InputError(f"{out}: no run has a result; see the log.txt of each run")
    frequencies = count_classes(data, "train")
    groups = class_groups(frequencies)
    measured = classes_measured(results, groups)
    rows, found = summary(results, groups), gains(results, groups, COMPARED)
    text = markdown(rows, found, measured, len(results[0].scans))
    classes = class_table(results, frequencies, groups)
    content = plain(
        {
            "data": data,
            "protocol": PROTOCOL,
            "scans": len(results[0].scans),
            "classes measured": measured,
            "runs": rows,
            "gains": found,
            "classes": classes,
            "jobs": [asdict(job) for job in jobs],
        }
    )
    write_text(out / "long_tail.md", text)
    write_text(out / "long_tail.json", json.dumps(content, indent=2) + "\n")
    if not draw(classes, out / "long_tail.png", runs=DRAWN):
        print(f"no picture: none of {' and '.join(DRAWN)} has a result", file=sys.stderr)
    return text, content


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description="Language-grounded pre-training and the long tail, on Rooms.")
    parser.add_argument("--data", default="rooms/data")
    parser.add_argument("--out", default="runs/long_tail")
    parser.add_argument("--epochs", type=int, default=0, help="of every run but pre-training; 0 = the preset's")
    parser.add_argument("--pretrain-epochs", type=int, default=0, help="0 = the preset's")
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="RUN", help=", ".join(RUNS))
    parser.add_argument("--share", nargs="+", type=float, default=[1.0, 0.05], help="annotated share of the points")
    parser.add_argument("--seed", nargs="+", type=int, action="extend", default=[], help="42 without it")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time")
    parser.add_argument("--devices", type=int, default=1, help="processes or GPUs of each run")
    parser.add_argument("--precision", default="", help="Lightning's name; the preset's without it")
    parser.add_argument("--voxel-size", type=float, default=0.0, help="metres; the presets' without it")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of every run")
    parser.add_argument("--max-steps", type=int, default=0, help="end each run earlier (twice as late for ce-long)")
    parser.add_argument("--limit", type=int, default=0, help="validation scans to measure; 0 = all")
    parser.add_argument("--json", action="store_true", help="print the JSON in place of the tables")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.seed = options.seed or [42]
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if options.worker:
        try:
            work(Job(**json.loads(options.worker)))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        return 0
    try:
        return _main(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _main(options: argparse.Namespace) -> int:
    from benchmarks.long_tail_plot import check_library
    from saymask.data.scenes import read_manifest
    from saymask.hub import registry

    check_library()
    read_manifest(Path(options.data))
    check_writable(Path(options.out) / "long_tail.md")
    epochs = {
        "pretrain": options.pretrain_epochs or registry.preset(RUNS["pretrain"].preset).train.epochs,
        "finetune": options.epochs or registry.preset(RUNS["pretrain+ce"].preset).train.epochs,
    }
    jobs = plan(options, epochs)
    for job in jobs:
        resolved(job)  # says what is wrong with the settings before any work is done
    outcomes = run(jobs, options.jobs)
    text, content = report(jobs, Path(options.out), options.data)
    print(json.dumps(content, indent=2) if options.json else text)
    wrong = [f"{name} {outcome.state}" for name, outcome in outcomes.items() if outcome.state != "done"]
    if wrong:
        print(f"error: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
