"""Scaling: a scan's first answers from 50,000 to 5 million points, and whether their time is linear.

The default model. Six rooms of Rooms version 2 stand in a square, over and over again, until there are enough points;
superpoints are those of the rooms' meshes. Each size is measured in a process of its own: seconds on the clock and of
the CPU of each stage, and the memory that it needs at its peak beyond what there was before. The exponent is that of
the points from 150,000 on, by least squares of the logarithms of CPU seconds or megabytes: 1 is linear, 2 quadratic.
Below that fixed costs rule; a single room has no margins between windows, which is what makes it more than 1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import row_of
from benchmarks.speed.clock import apart, peak, timed
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.inputs import raw_rooms
from saymask.hub import checkpoints
from saymask.io.scannet import read_scan_folder
from saymask.scan import Scan
from saymask.scene.scene import Scene

SIZES = (50_000, 150_000, 500_000, 1_500_000, 5_000_000)
FITTED = 150_000
"""Points from which the exponent is fitted."""
ROOMS = 6
GAP = 0.2
"""Metres between rooms."""
STAGES = ("prepare and encode", "first sentence", "second sentence", "instances", "semantic", "find", "click")
SENTENCES = ("the chair that is closest to the door", "a white cabinet against the wall, next to the window")
WHOLE, AIM, BEFORE = 1_500_000, 3.0, 24.9
"""Points of the whole scan whose first prompt has an aim, the aim, and what it was; s."""
LINEAR = 1.2
"""Exponent up to which a time counts as linear."""


def square(rooms: Sequence[Scan], points: int) -> Scan:
    """Return a scan of `points` points: rows of rooms, one behind the other."""
    chosen: list[Scan] = []
    while (left := points - sum(map(len, chosen))) > 0:
        room = rooms[len(chosen) % len(rooms)]
        chosen.append(room if len(room) <= left else _part(room, left))
    wide = math.isqrt(len(chosen) - 1) + 1
    rows = [row_of(chosen[i : i + wide], GAP) for i in range(0, len(chosen), wide)]
    turned = [replace(row, points=row.points[:, [1, 0, 2]], faces=None) for row in rows]
    scan = row_of(turned, GAP)
    return replace(scan, points=scan.points[:, [1, 0, 2]], labels={})


def _part(room: Scan, points: int) -> Scan:
    rows = np.sort(np.argsort(room.points[:, 0], kind="stable")[:points])
    assert room.superpoints is not None
    return Scan(
        points=room.points[rows],
        colors=room.colors[rows],
        superpoints=room.superpoints[rows],
        labels={"instance": room.labels["instance"][rows]},
    )


def stages(folder: str, points: int) -> dict[str, Any]:
    """Return superpoints, windows, and of each stage wall and CPU seconds and megabytes, in this process."""
    found = (read_scan_folder(path).scan for path in sorted((Path(folder) / "scans").iterdir()))
    scans = [replace(scan, labels={"instance": scan.labels["instance"]}) for scan in found]
    model = checkpoints.load_model()
    warm = Scene(model, _part(scans[0], 20_000))
    warm.refer("the chair")
    scan = square(scans, points)
    del scans, warm
    result: dict[str, Any] = {"points": points, "stages": {}}
    made: list[Any] = []

    def stage(title: str, act: Callable[[], Any]) -> None:
        runs = []
        megabytes = peak(lambda: runs.append(timed(lambda: made.append(act()))))
        result["stages"][title] = [runs[0].wall, runs[0].cpu, megabytes]

    stage(STAGES[0], lambda: Scene(model, scan))
    scene = made[0]
    for title, sentence in zip(STAGES[1:3], SENTENCES, strict=True):
        stage(title, lambda sentence=sentence: scene.refer(sentence))
    stage("instances", scene.instances)
    stage("semantic", scene.semantic)
    stage("find", lambda: scene.find(["chair", "plant", "window"]))
    stage("click", lambda: scene.click(scan.points[len(scan) // 2].astype(float)))
    encoded = scene._encoded.only()
    return result | {"superpoints": len(encoded.counts), "windows": int(encoded.rooms.max()) + 1}


def exponent(points: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent k of values ~ points^k, by least squares of the logarithms."""
    return float(np.polyfit(np.log(points), np.log(np.maximum(values, 1e-3)), 1)[0])


def measure(effort: Effort) -> list[Figure]:
    """Return the figures of each size and stage, and the exponents."""
    rooms = raw_rooms(effort.folder / "scaling", {"val": 2 if effort.quick else ROOMS})
    found = [apart(stages, str(rooms), points) for points in (SIZES[:3] if effort.quick else SIZES)]
    return figures_of(found)


def figures_of(found: Sequence[dict[str, Any]]) -> list[Figure]:
    """Return the figures of what `stages` returns for some sizes."""
    figures = []
    for one in found:
        size = f"{one['points']:,} points"
        for title, (wall, cpu, megabytes) in one["stages"].items():
            aim, before = (AIM, BEFORE) if (one["points"], title) == (WHOLE, STAGES[1]) else (None, None)
            note = f"{one['superpoints']:,} superpoints, {one['windows']} windows" if title == STAGES[0] else ""
            figures += [
                Figure(f"{size}: {title}", wall, cpu=cpu, note=note, aim=aim, before=before),
                Figure(f"{size}: {title}, memory", megabytes, "MB"),
            ]
    fitted = [one for one in found if one["points"] >= FITTED]
    sizes = [one["points"] for one in fitted]
    for title in STAGES:
        cpu, megabytes = ([one["stages"][title][i] for one in fitted] for i in (1, 2))
        figures.append(
            Figure(f"exponent: {title}", exponent(sizes, cpu), "exponent", aim=LINEAR if title in STAGES[:2] else None)
        )
        if min(megabytes) >= 1:  # what fits into memory that was there has no exponent
            figures.append(Figure(f"exponent: {title}, memory", exponent(sizes, megabytes), "exponent"))
    return figures


def shown(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table: a row per size, a column per stage."""
    known = {figure.what: figure for figure in figures}
    sizes = dict.fromkeys(figure.what.partition(":")[0] for figure in figures)
    lines = ["| | " + " | ".join(STAGES) + " |", "|---" * (len(STAGES) + 1) + "|"]
    for size in sizes:
        row = [f"{size} ({note})" if (note := known[f"{size}: {STAGES[0]}"].note) else size]
        for title in STAGES:
            time, memory = known[f"{size}: {title}"], known.get(f"{size}: {title}, memory")
            if time.cpu is None:
                row.append(f"{time.value:.2f}" + (f"; memory {memory.value:.2f}" if memory else ""))
            else:
                row.append(f"{time.value:.2f} s, CPU {time.cpu:.2f} s, {memory.value if memory else 0:,.0f} MB")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)
