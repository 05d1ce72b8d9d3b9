"""Kills: a job's process group is ended by SIGKILL, the command is given again, and nobody must see a difference."""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from multiprocessing import forkserver
from pathlib import Path
from random import Random
from typing import Any

from saymask.util.cores import environment_for
from saymask.util.temporaries import PREFIX
from tests.faults.jobs import JOBS, content, contents, equal, register

IN_A_ROW = 3
"""Kills of one run until it is left to end."""


def context(*modules: str) -> Any:
    """Return what starts processes: each a fork of a server that has loaded the modules and started no thread.

    So a kill meets work and not imports. The server is that of the first call; later ones add no modules.
    """
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["tests.faults.jobs", *modules])
    with environment_for(os.cpu_count() or 1):  # one thread each
        forkserver.ensure_running()
    return found


def enter(name: str, source: Path, out: Path, last: int, how: int = signal.SIGKILL) -> None:
    """Do a job as the leader of a process group; before its change number `last` of a file below `out`, be killed.

    how: the signal; before it OUT.reached appears. What is printed is written to OUT.log beside, the number of changes
    to OUT.changes when the job is done.
    """
    os.setsid()
    register()
    changes = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes
        if event == "open":
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            writes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "shutil.rmtree")
        if writes and str(arguments[0]).startswith(str(out)):
            changes += 1
            if changes == last:
                Path(f"{out}.reached").touch()
                os.killpg(0, how)

    with open(f"{out}.log", "w") as log, redirect_stdout(log), redirect_stderr(log):
        sys.addaudithook(watch)
        try:
            JOBS[name].work(source, out)
        except BaseException:
            traceback.print_exc()
            raise
    Path(f"{out}.changes").write_text(str(changes))


def end(process: Any) -> None:
    """Kill a process and all that it started, and wait until none of them is there."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    deadline = time.monotonic() + 5
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.002)


@dataclass
class Result:
    """What came of the kills of one job."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    """Kills at a moment (`time`) and before a change of a file (`change`)."""
    runs: int = 0
    """Runs that were compared with the undisturbed one."""
    problems: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the result as a line of a table."""
        counts = f"{self.kills.total():>6}{self.kills['time']:>8}{self.kills['change']:>8}{self.runs:>6}"
        return f"{self.name:<10}{counts}{len(self.problems):>10}"


HEAD = f"{'job':<10}{'kills':>6}{'at time':>8}{'change':>8}{'runs':>6}{'problems':>10}"


def disturb(name: str, kills: int, folder: Path, *, seed: int = 0) -> Result:
    """Kill a job `kills` times in all, let each of its runs end at last, and compare; `folder` is empty."""
    job, rng, result, start = JOBS[name], Random(f"{name} {seed}"), Result(name), context(*JOBS[name].modules)
    source, whole = folder / "source", folder / "whole"
    source.mkdir()
    job.make(source)
    old: dict[str, Any] = {}

    def run(out: Path, last: int = 0) -> Any:
        process = start.Process(target=enter, args=(name, source, out, last))
        process.start()
        return process

    def fresh(out: Path) -> Path:
        out.mkdir()
        if job.older is not None:
            process = start.Process(target=_older, args=(name, source, out))
            process.start()
            process.join()
            assert process.exitcode == 0, f"{name}: older results could not be made"
        return out

    for out in (folder / "warm", whole):  # the first run compiles
        fresh(out)
        old = contents(out)
        began = time.monotonic()
        process = run(out)
        process.join()
        assert process.exitcode == 0, f"{name}: {Path(f'{out}.log').read_text()[-2000:]}"
    seconds, changes = time.monotonic() - began, int(Path(f"{whole}.changes").read_text())
    new = contents(whole)
    while result.kills.total() < kills:
        out = fresh(folder / f"run{result.runs}")
        for _ in range(rng.randint(1, min(IN_A_ROW, kills - result.kills.total()))):
            how = rng.choice(("time", "change"))
            process = run(out, rng.randint(1, changes) if how == "change" else 0)
            process.join(rng.uniform(0, seconds) if how == "time" else None)
            end(process)
            result.kills[how] += process.exitcode == -signal.SIGKILL
            result.problems += _torn(job.growing, out, old, new)
        process = run(out)
        process.join()
        result.runs += 1
        if process.exitcode:
            said = Path(f"{out}.log").read_text().strip().splitlines()[-1:]
            result.problems.append(f"{out.name}: the command ended with {process.exitcode} after kills: {said}")
        found = contents(out)
        for path in sorted(found.keys() | new.keys()):
            if path not in found or path not in new or not equal(found[path], new[path]):
                result.problems.append(f"{out.name}: {path} differs from that of an undisturbed run")
        result.problems += [f"{out.name}: {path.name} is left" for path in strays(out)]
    return result


def strays(out: Path) -> list[Path]:
    """Return the files and folders below OUT that no run should leave."""
    return [path for path in sorted(out.rglob("*")) if _is_stray(path)]


def _is_stray(path: Path) -> bool:
    return path.name.startswith(PREFIX) or (path.name.startswith(".") and path.name != ".lock")


def _torn(growing: tuple[str, ...], out: Path, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what is wrong right after a kill: a result that is neither the old nor the new one."""
    problems = []
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if not path.is_file() or any(_is_stray(out / part) for part in path.parents if part != out) or _is_stray(path):
            continue
        if path.name == ".lock":
            continue
        try:
            found = content(path)
        except Exception as error:
            problems.append(f"{out.name}: {name} cannot be read after a kill: {error}")
            continue
        if any(fnmatch(name, pattern) for pattern in growing):
            continue
        if not any(equal(found, each[name]) for each in (old, new) if name in each):
            problems.append(f"{out.name}: {name} is neither the old nor the new one after a kill")
    return problems


def _older(name: str, source: Path, out: Path) -> None:
    register()
    older = JOBS[name].older
    assert older is not None
    with open(os.devnull, "w") as log, redirect_stdout(log), redirect_stderr(log):
        older(source, out)
