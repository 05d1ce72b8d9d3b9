"""Collections: what a scan costs when a command works through many, and what a second worker gains.

`saymask prepare`, `refer`, `segment` and `find` on rooms of Rooms version 2 as sensors of all kinds capture them, each
in a process of its own. *a scan* is CPU seconds and bytes of the results divided by the number of scans; the run that
finds everything done is taken away before, so that starting and loading the model do not count. *memory* is the peak of
the largest process. *2 workers* is the time on the clock, beside that of one: the threads of one worker share the cores
already, so on two cores a second worker gains what they leave idle. With Ray where it is installed: a cluster of two
CPUs on this machine. `prepare` and `refer` stand for the others there.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.clock import ROOT
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure

ROOMS, SEED = 20, 9
SENTENCE = "the chair that is closest to the door"
WORDS = ("chair", "plant", "window")
PATIENT = {
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_agent_register_timeout_ms": "240000",
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Settings of Ray for a busy machine; its workers otherwise give way to other programs."""


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds on the clock and of the CPU of all its processes, megabytes of the largest one."""

    wall: float
    cpu: float
    megabytes: float


def spend(arguments: Sequence[str | Path]) -> Spent:
    """Run `saymask`; RuntimeError when it fails."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "saymask", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return Spent(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


@contextmanager
def ray_cluster() -> Iterator[str]:
    """Yield the address of a Ray cluster of two CPUs on this machine, which ends with the block."""
    import ray

    os.environ.update(PATIENT | {"PYTHONPATH": str(ROOT)})
    options = {"object_store_memory": 80 * 2**20, "include_dashboard": False, "log_to_driver": False}
    ray.init("local", num_cpus=2, logging_level="ERROR", **options)
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def commands(raw: Path, out: Path) -> dict[str, tuple[tuple[str | Path, ...], Path]]:
    """Return title → command and the folder of its results."""
    scans = raw / "scans"
    return {
        "prepare": (("prepare", raw, "--out", out / "data", "--quiet"), out / "data" / "scenes"),
        "refer": (("refer", scans, SENTENCE, "--out", out / "refer", "--format", "ply"), out / "refer"),
        "segment": (("segment", scans, "--out", out / "segment", "--format", "ply"), out / "segment"),
        "find": (("find", scans, *WORDS, "--out", out / "find", "--format", "ply"), out / "find"),
    }


def measure(effort: Effort) -> list[Figure]:
    """Return cost per scan, memory, bytes, and seconds with one worker and with two."""
    from saymask.rooms.generate import generate

    rooms = 2 if effort.quick else ROOMS
    raw, out = effort.folder / f"collection{rooms}", effort.folder / "collected"
    generate(raw, {"val": rooms}, version=2, seed=SEED, sensor="mixed", quiet=True)
    spent: dict[tuple[str, str], Spent] = {}
    again: dict[str, Spent] = {}
    size: dict[str, float] = {}

    def run(engine: str, options: Sequence[str], *titles: str) -> None:
        shutil.rmtree(out, ignore_errors=True)
        for title, (command, results) in commands(raw, out).items():
            if title not in titles:
                continue
            spent[title, engine] = spend([*command, *options])
            if engine == "1 worker":
                again[title] = spend([*command, *options])
                size[title] = sum(path.stat().st_size for path in results.rglob("*") if path.is_file()) / 1e6

    spend(("refer", next((raw / "scans").iterdir()), SENTENCE))  # compiles the kernels
    run("1 worker", ("--workers", "1"), "prepare", "refer", "segment", "find")
    run("2 workers", ("--workers", "2"), "prepare", "refer")
    if importlib.util.find_spec("ray") is not None:
        with ray_cluster() as address:
            run("Ray, 2 workers", ("--engine", "ray", "--address", address), "prepare", "refer")
    shutil.rmtree(out)
    figures = []
    for title, idle in again.items():
        one = spent[title, "1 worker"]
        figures += [
            Figure(f"{title}: a scan", (one.wall - idle.wall) / rooms, cpu=(one.cpu - idle.cpu) / rooms),
            Figure(f"{title}: start", idle.wall, cpu=idle.cpu),
            Figure(f"{title}: memory", one.megabytes, "MB"),
            Figure(f"{title}: results of a scan", size[title] / rooms, "MB"),
        ]
        for (what, engine), taken in spent.items():
            if what == title:
                cpu = None if "Ray" in engine else taken.cpu  # that of Ray's processes is not ours to see
                figures.append(Figure(f"{title}: {rooms} scans, {engine}", taken.wall, cpu=cpu))
    return figures
