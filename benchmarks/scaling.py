"""Time and memory of a scan's first answers from 50,000 to 5 million points: is it linear?

    python -m benchmarks.scaling --rooms DIR [--points 50000 150000 …] [--window METRES] [--json FILE]

DIR is what `saymask rooms DIR --split val=6 --version 2` wrote. Its rooms stand in a square, over and over again, until
there are enough points; of the last one only a part is taken. Superpoints are those of the rooms' meshes. Each size is
measured in a process of its own: CPU seconds (all threads) of each stage, and the memory that a stage needs at its peak
beyond what the process had when it began. `slope` is the exponent of the points over all sizes from 150,000 on
(least squares of the logarithms); 1 is linear, 2 quadratic.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.row import row_of
from saymask.hub import checkpoints, headers
from saymask.io.scannet import read_scan_folder
from saymask.scan import Scan
from saymask.scene.scene import Scene
from saymask.util.files import write_text

SIZES = (50_000, 150_000, 500_000, 1_500_000, 5_000_000)
FITTED = 150_000
"""Points from which the slope is fitted: below, fixed costs rule."""
GAP = 0.2
"""Metres between rooms."""
STAGES = ("prepare and encode", "first sentence", "second sentence", "instances", "semantic", "find", "click")
SENTENCES = ("the chair that is closest to the door", "a white cabinet against the wall, next to the window")


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


def measure(rooms: Path, points: int, window: float | None, name: str) -> dict[str, Any]:
    """Return superpoints, windows, and per stage CPU seconds and megabytes."""
    scans = [
        replace(scan, labels={"instance": scan.labels["instance"]})
        for scan in (read_scan_folder(path).scan for path in sorted((rooms / "scans").iterdir()))
    ]
    model = checkpoints.load_model(name)
    if window is not None:
        model.config = replace(model.config, window=window)
    warm = Scene(model, _part(scans[0], 20_000))
    warm.refer("the chair")
    scan = square(scans, points)
    del scans, warm
    result: dict[str, Any] = {"points": points, "seconds": {}, "megabytes": {}}

    def stage(title: str, act: Callable[[], Any]) -> Any:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        before, start = _resident("VmRSS"), time.process_time()
        made = act()
        result["seconds"][title] = time.process_time() - start
        result["megabytes"][title] = _resident("VmHWM") - before
        return made

    scene = stage(STAGES[0], lambda: Scene(model, scan))
    for title, sentence in zip(STAGES[1:3], SENTENCES, strict=True):
        stage(title, lambda sentence=sentence: scene.refer(sentence))
    stage("instances", scene.instances)
    stage("semantic", scene.semantic)
    stage("find", lambda: scene.find(["chair", "plant", "window"]))
    stage("click", lambda: scene.click(scan.points[len(scan) // 2].astype(float)))
    encoded = scene._encoded.only()
    return result | {"superpoints": len(encoded.counts), "windows": int(encoded.rooms.max()) + 1}


def _resident(name: str) -> float:
    """Return megabytes of memory: VmRSS now, VmHWM at the peak (Linux)."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))
    return int(line.split()[1]) / 1024


def slope(points: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent k of values ~ points^k, by least squares of the logarithms; NaN for fewer than two sizes."""
    if len(points) < 2:
        return float("nan")
    return float(np.polyfit(np.log(points), np.log(np.maximum(values, 1e-3)), 1)[0])


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return CPU seconds and megabytes of each stage and size as a Markdown table."""
    head = "| points | superpoints | windows | " + " | ".join(STAGES) + " |"
    lines = [head, "|---" * (len(STAGES) + 3) + "|"]
    for row in rows:
        cells = [f"{row['seconds'][s]:.2f} s, {row['megabytes'][s]:,.0f} MB" for s in STAGES]
        lines.append(f"| {row['points']:,} | {row['superpoints']:,} | {row['windows']} | " + " | ".join(cells) + " |")
    fitted = [row for row in rows if row["points"] >= FITTED]
    slopes = [slope([r["points"] for r in fitted], [r["seconds"][s] for r in fitted]) for s in STAGES]
    return "\n".join([*lines, "| slope | | | " + " | ".join(f"{s:.2f}" for s in slopes) + " |"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every size in a process of its own and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rooms", type=Path, required=True, help="folder that `saymask rooms` wrote")
    parser.add_argument("--points", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--window", type=float, help="metres; 0 = the whole scan at once; default: the model's")
    parser.add_argument("--model", default=headers.DEFAULT)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)  # measure here, print JSON
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.rooms, options.points[0], options.window, options.model)))
        return 0
    rows = []
    for points in options.points:
        command = [sys.executable, "-m", "benchmarks.scaling", "--rooms", str(options.rooms), "--points", str(points)]
        command += ["--model", options.model, "--one"]
        command += [] if options.window is None else ["--window", str(options.window)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{points:,} points: {done.stderr.strip() or done.returncode}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    print(table(rows))
    if options.json:
        write_text(options.json, json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
