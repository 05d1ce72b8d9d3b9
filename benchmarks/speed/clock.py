"""Clocks: wall and CPU seconds, sides that take turns, peak memory, and functions in processes of their own."""

import cProfile
import json
import os
import pstats
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Taken:
    """Seconds on the clock, and of the CPU in all threads."""

    wall: float
    cpu: float


def timed(job: Callable[[], object]) -> Taken:
    """Return what a call takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    job()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


def least(runs: list[Taken]) -> Taken:
    """Return the least of both, which other programs disturb least."""
    return Taken(min(one.wall for one in runs), min(one.cpu for one in runs))


def turns(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Taken]:
    """Return the least of some rounds for each job; they take turns, so that what disturbs meets all alike.

    A first round, which compiles and warms up, does not count.
    """
    for job in jobs.values():
        job()
    runs: dict[str, list[Taken]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            runs[name].append(timed(job))
    return {name: least(taken) for name, taken in runs.items()}


def profiled(job: Callable[[], object], most: int = 6) -> dict[str, float]:
    """Return the functions of saymask in which a call spends most seconds, without what they call of it themselves.

    Compiled kernels and other libraries count for the function that calls them.
    """
    with cProfile.Profile() as profile:
        job()
    own: dict[str, float] = {}
    for (file, _, name), (_, _, seconds, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if "saymask" in file:
            own[name] = own.get(name, 0.0) + seconds
        for (caller_file, _, caller), (_, _, part, _) in callers.items():
            if "saymask" not in file and "saymask" in caller_file:
                own[caller] = own.get(caller, 0.0) + part
    return dict(sorted(own.items(), key=lambda entry: -entry[1])[:most])


def resident(name: str = "VmRSS") -> float:
    """Return megabytes of this process: VmRSS now, VmHWM at most since `reset_peak` (Linux)."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(name))
    return int(line.split()[1]) / 1024


def peak(job: Callable[[], object]) -> float:
    """Return the megabytes that a call needs at its peak beyond what was there before."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is in use now
    before = resident()
    job()
    return resident("VmHWM") - before


def apart(function: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None) -> Any:
    """Return what a function of a module returns in a fresh process; arguments and result are JSON.

    Raises RuntimeError with the end of what the process said when it fails.
    """
    code = f"from benchmarks.speed.clock import answer; answer({function.__module__!r}, {function.__qualname__!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(arguments), capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{function.__qualname__}{arguments}: {done.stderr[-2000:] or done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def answer(module: str, function: str) -> None:
    """Call a function with the arguments on standard input and print its result, both as JSON."""
    result = getattr(import_module(module), function)(*json.load(sys.stdin))
    print("\n" + json.dumps(result))
