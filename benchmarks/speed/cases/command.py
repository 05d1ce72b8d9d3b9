"""The command in a fresh process: first output and end.

`saymask` on the demo's kitchen, a mesh of 176,262 points, with PATH alone in the environment and a HOME that is empty
at first. *first ever* compiles all kernels (numba's cache is an empty folder), *warm* finds what an earlier run has
left. The limit is a process that imports torch and numba and does nothing.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed import limits
from benchmarks.speed.clock import ROOT, apart, profiled
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure

SENTENCE = "the chairs at the round table"
ROUNDS = 3


@dataclass(frozen=True)
class Run:
    """A run of the command: seconds to the first output and to the end, CPU seconds, and the stages it tells of."""

    first: float
    end: float
    cpu: float
    stages: dict[str, float]


def run(home: Path, *arguments: str, fails: bool = False) -> Run:
    """Run `saymask` in an empty environment; RuntimeError when it does not end as expected."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "NUMBA_CACHE_DIR": str(home / "numba"),
        "PYTHONPATH": str(ROOT),
    }
    before, start = _children(), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "saymask", *arguments],
        cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = os.read(process.stdout.fileno(), 1)
        first = time.perf_counter() - start
        text = (said + process.stdout.read()).decode()
    end = time.perf_counter() - start
    if (process.returncode != 0) != fails:
        raise RuntimeError(f"saymask {' '.join(arguments)}: exit code {process.returncode}\n{text}")
    line = re.search(r"^seconds +(.*)$", text, re.M)
    stages = {name: float(s) for name, s in re.findall(r"(\S+) (\d+\.\d+)", line[1])} if line else {}
    return Run(first, end, _children() - before, stages)


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def picture_parts(scan: str) -> dict[str, float]:
    """Return the functions that a picture takes most seconds in; its kernels have been compiled before."""
    from saymask.hub.checkpoints import load_model
    from saymask.io.load import load_scan
    from saymask.render.picture import render
    from saymask.scene.scene import Scene

    loaded = load_scan(scan, quiet=True)
    masks = Scene(load_model(), loaded).refer(SENTENCE)
    with TemporaryDirectory() as folder:
        render(loaded, masks, Path(folder) / "warm.png")
        return profiled(lambda: render(loaded, masks, Path(folder) / "picture.png"))


def measure(effort: Effort) -> list[Figure]:
    """Return first output and end of each command."""
    from saymask.cli.demo import make_example

    scan = make_example(effort.folder / "demo")
    asked = ("refer", str(scan), SENTENCE, "--out", "hit.ply")
    drawn = (*asked, "--picture", "hit.png")
    rounds, start = effort.rounds(ROUNDS), limits.started()
    home = effort.folder / "home"

    def fresh(*arguments: str) -> Run:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        return run(home, *arguments)

    ever, picture = fresh(*asked), fresh(*drawn)  # the second in an empty folder again: its picture compiles, too
    warm = [run(home, *drawn) for _ in range(rounds)]
    plain = [run(home, *asked) for _ in range(rounds)]
    version = [run(home, "--version") for _ in range(rounds)]
    error = [run(home, "refer", "nowhere.ply", SENTENCE, fails=True) for _ in range(rounds)]
    shutil.rmtree(home)
    drawing, first = min(one.stages["picture"] for one in warm), picture.stages["picture"]
    return [
        *_figures("saymask refer, mask only, warm", plain, aim=3.0, before=13.2, limit=start),
        *_figures("saymask refer, mask only, first ever", [ever], aim=8.0, limit=start),
        *_figures("saymask --version", version, aim=0.4),
        *_figures("saymask refer without its file", error, aim=0.4),
        Figure(
            "its picture, warm",
            drawing,
            aim=1.0,
            before=2.7,
            parts=apart(picture_parts, str(scan)) if drawing > 1.0 else {},
        ),
        Figure(
            "its picture, first ever",
            first,
            aim=3.0,
            before=10.0,
            parts={"compiling": first - drawing, "drawing": drawing},
        ),
    ]


def _figures(
    what: str, runs: list[Run], *, aim: float, before: float | None = None, limit: float | None = None
) -> list[Figure]:
    best = min(runs, key=lambda one: one.end)
    parts = {"start and imports": best.end - sum(best.stages.values()), **best.stages}
    return [
        Figure(what, best.end, cpu=min(one.cpu for one in runs), aim=aim, before=before, limit=limit,
               limit_of="imports" if limit else "", parts=parts),
        Figure(f"{what}: first output", min(one.first for one in runs)),
    ]  # fmt: skip
