"""Evaluation: `saymask evaluate --task all` on two processes.

The default model on rooms of Rooms version 2, with sentences, by the plain protocols. *each scan* is what ten scans
take longer than two, divided by eight; *start* is what remains: imports, the model in each process, the tables.
"""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.speed import limits
from benchmarks.speed.clock import ROOT, apart, timed
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.inputs import prepared_rooms

FEW, MANY, PROCESSES = 2, 10, 2
AIM, BEFORE, BEFORE_START = 1.0, 2.4, 9.0
"""Seconds of a scan, what they were, and what the start was."""
PROTOCOL = "plain"


def seconds(data: Path, scans: int) -> tuple[float, float]:
    """Return wall and CPU seconds of the command."""
    command = [sys.executable, "-m", "saymask", "evaluate", "default", "--data", str(data), "--task", "all", "--quiet"]
    command += ["--protocol", PROTOCOL, "--processes", str(PROCESSES), "--limit", str(scans)]
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return wall, after[2] + after[3] - before[2] - before[3]


def parts(data: str) -> dict[str, float]:
    """Return the seconds that a scan takes in this process alone, by task; the first scan is not counted."""
    from saymask.evaluation.items import load_items
    from saymask.evaluation.measure import measure_scan, wanted_of
    from saymask.evaluation.request import ALL, Request
    from saymask.evaluation.tasks.table import tasks_of
    from saymask.hub.checkpoints import load_model

    request, model, taken = Request(Path(data), ALL, PROTOCOL), load_model(), dict[str, float]()
    items = load_items(request, lambda line: None)

    def clocked(task: Any) -> Any:
        def measure(*arguments: Any) -> int:
            found: list[int] = []
            took = timed(lambda: found.append(task.measure(*arguments))).wall
            taken[task.name] = taken.get(task.name, 0.0) + took
            return found[0]

        return replace(task, measure=measure)

    wanted = [replace(w, task=clocked(w.task)) for w in wanted_of(tasks_of(request), model.verbs, request.protocol)]
    first, *names = items.names[: FEW + 1]
    measure_scan(model, items, first, wanted)
    taken.clear()
    whole = timed(lambda: [measure_scan(model, items, name, wanted) for name in names]).wall
    taken["reading and encoding"] = whole - sum(taken.values())
    return {name: took / len(names) for name, took in taken.items()}


def measure(effort: Effort) -> list[Figure]:
    """Return seconds of each scan and of the start."""
    many = FEW + 2 if effort.quick else MANY
    data = prepared_rooms(effort.folder / "evaluation", {"val": many})
    seconds(data, FEW)  # kernels are compiled
    runs = [(seconds(data, FEW), seconds(data, many)) for _ in range(effort.rounds(2))]
    (few, few_cpu), (all_, all_cpu) = ([min(column) for column in zip(*side)] for side in zip(*runs))
    each, each_cpu = (all_ - few) / (many - FEW), (all_cpu - few_cpu) / (many - FEW)
    return [
        Figure("each scan", each, cpu=each_cpu, aim=AIM, before=BEFORE,
               parts=apart(parts, str(data)) if each > AIM else {}),
        Figure("start", few - FEW * each, cpu=few_cpu - FEW * each_cpu, before=BEFORE_START, limit=limits.started(),
               limit_of="imports"),
    ]  # fmt: skip
