"""Commands that wait for each other, a few at a time, each in a process of its own with a log file."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from saymask.errors import InputError
from saymask.util.files import write_text

POLL_SECONDS = 0.2
STOP_SECONDS = 10.0
"""Seconds that a process may take to end when asked to, before it is killed."""


@dataclass(frozen=True)
class Task:
    """A command."""

    name: str
    command: tuple[str, ...]
    log: Path
    """Gets what the command prints, after what is there already."""
    after: tuple[str, ...] = ()
    """Tasks that must have succeeded before."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a task."""

    state: Literal["done", "failed", "skipped"]
    """A task is skipped when one that it waits for did not succeed."""
    seconds: float = 0.0


def run_tasks(
    tasks: Sequence[Task], jobs: int, *, say: Callable[[str], None] | None = None, every: float = 300.0
) -> dict[str, Outcome]:
    """Run `tasks`, at most `jobs` at a time and the first of the list first; return how each one ended.

    A task that fails does not stop those that do not wait for it. What happens is told through `say` (standard error),
    and every so many seconds the last line of each log. The processes end with this call however it ends, except by a
    kill: a command must see to that itself (`saymask.util.cores.end_with_parent`). Raises InputError for jobs < 1, two
    tasks of one name, and tasks that wait for an unknown one or in a circle.
    """
    say = _say if say is None else say
    _check(tasks, jobs)
    waiting = list(tasks)
    running: dict[str, tuple[Task, subprocess.Popen[bytes], float]] = {}
    ended: dict[str, Outcome] = {}
    told = time.monotonic()
    try:
        while waiting or running:
            for name, (task, process, began) in list(running.items()):
                if process.poll() is not None:
                    del running[name]
                    ended[name] = Outcome("failed" if process.returncode else "done", time.monotonic() - began)
                    say(_ended_line(task, process.returncode, ended[name].seconds, len(ended), len(tasks)))
            for task in list(waiting):
                states = [ended[n].state if n in ended else "" for n in task.after]
                if any(s in ("failed", "skipped") for s in states):
                    waiting.remove(task)
                    ended[task.name] = Outcome("skipped")
                    say(f"{task.name}: left out, because it needs {' and '.join(task.after)}")
                elif len(running) < jobs and all(s == "done" for s in states):
                    waiting.remove(task)
                    running[task.name] = (task, _start(task), time.monotonic())
                    say(f"{task.name}: started, see {task.log}")
            if running and time.monotonic() - told > every:
                told = time.monotonic()
                for task, _, _ in running.values():
                    say(f"{task.name}: … {last_lines(task.log, 1)}")
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        _stop([process for _, process, _ in running.values()])
    return ended


def last_lines(path: Path, count: int) -> str:
    """Return the last lines of a text file that are not empty."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 20_000))
        lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def _check(tasks: Sequence[Task], jobs: int) -> None:
    if jobs < 1:
        raise InputError(f"expected at least 1 job at a time, got {jobs}")
    known: dict[str, Task] = {}
    for task in tasks:
        if task.name in known:
            raise InputError(f"expected tasks of different names, got {task.name!r} twice")
        known[task.name] = task
    free: set[str] = set()
    rest = list(tasks)
    while ready := [t for t in rest if free.issuperset(t.after)]:
        free.update(t.name for t in ready)
        rest = [t for t in rest if t.name not in free]
    if rest:
        waits = "; ".join(f"{t.name} waits for {', '.join(t.after)}" for t in rest)
        raise InputError(f"expected tasks that wait for known ones and not in a circle, got: {waits}")


def _start(task: Task) -> subprocess.Popen[bytes]:
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with open(task.log, "ab") as log:
        return subprocess.Popen(task.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended_line(task: Task, code: int, seconds: float, ended: int, total: int) -> str:
    minutes = f"{seconds / 60:.1f} min, {ended} of {total}"
    if code == 0:
        return f"{task.name}: done ({minutes})"
    return f"{task.name}: failed with status {code} ({minutes}); the end of {task.log}:\n{last_lines(task.log, 12)}"


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def saymask_task(name: str, log: Path, *command: str, after: str = "") -> Task:
    """Return a task that is a command of saymask, to be run after the one called `after`."""
    return Task(name, (sys.executable, "-m", "saymask", *command), log, (after,) if after else ())


def run_experiment(
    tasks: Iterable[Task],
    jobs: int,
    table: Callable[[], list[dict[str, Any]]],
    markdown: Callable[[Sequence[dict[str, Any]]], str],
    path: Path | None,
) -> int:
    """Run tasks, print the table of what there is then, write it to the JSON file `path`; return 1 if a task failed."""
    outcomes = run_tasks(list(tasks), jobs)
    rows = table()
    print(markdown(rows))
    if path:
        write_text(path, json.dumps(rows, indent=1) + "\n")
    return int(any(outcome.state != "done" for outcome in outcomes.values()))
