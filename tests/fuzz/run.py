"""The run: mutated inputs to child processes, outcomes counted per reader."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import SEEDS, Files

SECONDS = 5.0
"""Processor time that an input may take."""
PATIENCE = 12
"""On the clock it may take this many times as long: the machine may be busy, but a reader that waits is found, too."""
MEMORY = 500_000_000
TIMES = 4
"""Memory may rise by this many times the size of the file, or by `MEMORY`, whichever is more."""
MACHINE = 3_000_000_000
"""An input cannot take more than this from the machine, whatever it claims."""
COMMAND = [sys.executable, "-m", "tests.fuzz.child"]
OUTCOMES = ("loaded", "refused", "other", "abort", "time-out", "memory")
BAD = OUTCOMES[2:]


@dataclass
class Find:
    """An input that did what it must not."""

    reader: str
    number: int
    outcome: str
    error: str


@dataclass
class Result:
    """Counts per reader and the finds."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    finds: list[Find] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    most: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, reader: str, number: int, answer: dict[str, Any]) -> None:
        """Count one answer."""
        self.counts[reader][answer["outcome"]] += 1
        self.slowest[reader] = max(self.slowest[reader], answer.get("seconds", 0.0))
        self.most[reader] = max(self.most[reader], answer.get("memory", 0))
        if answer["outcome"] in BAD:
            self.finds.append(Find(reader, number, answer["outcome"], answer["error"]))

    def table(self) -> str:
        """Return the counts per reader as text."""
        head = f"{'reader':<12}{'inputs':>8}" + "".join(f"{name:>10}" for name in OUTCOMES)
        lines = [head + f"{'slowest':>10}{'most MB':>10}"]
        total: Counter[str] = Counter()
        for reader, counts in sorted(self.counts.items()):
            total.update(counts)
            row = f"{reader:<12}{counts.total():>8,}" + "".join(f"{counts[name]:>10,}" for name in OUTCOMES)
            lines.append(row + f"{self.slowest[reader]:>9.2f}s{self.most[reader] / 1e6:>10.0f}")
        lines.append(f"{'all':<12}{total.total():>8,}" + "".join(f"{total[name]:>10,}" for name in OUTCOMES))
        return "\n".join(lines)


@cache
def seeds(reader: str) -> list[Files]:
    """Return the seeds of a reader, made once."""
    return SEEDS[reader]()


def make_input(seed: int, reader: str, number: int) -> Files:
    """Return input `number` of a reader, the same for the same seed."""
    return mutated(Random(f"{seed} {reader} {number}"), seeds(reader))


def write_files(folder: Path, files: Files) -> Path:
    """Write the files of an input into an emptied folder; return the path that is opened."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / next(iter(files))


class Child:
    """A process that reads files, started again after it died."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        self.process: subprocess.Popen[str] | None = None
        self.warm: set[str] = set()

    def read(self, reader: str, files: Files) -> dict[str, Any]:
        """Return what became of an input: outcome, error, seconds, memory."""
        if self.process is None or self.process.poll() is not None:
            self._start()
        if reader not in self.warm:
            for seed in seeds(reader):  # imports and compilation do not count
                answer = self._ask(reader, write_files(self.folder, seed), 0, 300.0)
                if answer["outcome"] != "loaded":
                    raise RuntimeError(f"a seed of {reader} is not read: {answer}")
            self.warm.add(reader)
        answer = self._ask(reader, write_files(self.folder, files), MACHINE, SECONDS)
        size = sum(len(content) for content in files.values())
        if answer["outcome"] in ("loaded", "refused", "other") and answer["memory"] > max(MEMORY, TIMES * size):
            answer.update(outcome="memory", error=f"{answer['memory'] / 1e6:,.0f} MB, {answer['error']}")
        return answer

    def _start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
        self.warm = set()
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True, env=environment,
        )  # fmt: skip

    def _ask(self, reader: str, path: Path, limit: int, seconds: float) -> dict[str, Any]:
        process = self.process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        start, cpu = time.monotonic(), self._cpu()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"reader": reader, "path": str(path), "limit": limit}) + "\n")
            process.stdin.flush()
        while not select.select([process.stdout], [], [], 0.25)[0]:
            if self._cpu() - cpu > seconds or time.monotonic() - start > PATIENCE * seconds:
                self.close()
                took = time.monotonic() - start
                return {"outcome": "time-out", "error": f"stopped after {took:.1f} s", "seconds": took}
        line = process.stdout.readline()
        if line:
            return json.loads(line)
        code = process.wait()
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        said = [text for text in self.log.read_text(errors="replace").splitlines() if text.strip()]
        return {"outcome": "abort", "error": f"{name}: {' | '.join(said[:3])[:200]}"}

    def _cpu(self) -> float:
        """Return the processor time that the process has used, in seconds."""
        assert self.process is not None
        try:
            words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return 0.0

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            self.process = None


def fuzz(
    readers: Iterable[str],
    count: int,
    *,
    seed: int = 0,
    processes: int = 2,
    say: bool = False,
    keep: Path | None = None,
) -> Result:
    """Read `count` mutated inputs, shared out evenly among `readers`; finds are written to `keep`."""
    names = list(readers)
    share = {name: count // len(names) + (i < count % len(names)) for i, name in enumerate(names)}
    jobs: Iterator[tuple[str, int]] = iter([(name, number) for name in names for number in range(share[name])])
    result, lock = Result(), threading.Lock()
    failed: list[BaseException] = []

    def work(folder: Path) -> None:
        child = Child(folder)
        try:
            while not failed:
                with lock:
                    job = next(jobs, None)
                    files = None if job is None else make_input(seed, *job)
                if job is None or files is None:
                    return
                answer = child.read(job[0], files)
                with lock:
                    result.add(*job, answer)
                    if answer["outcome"] in BAD:
                        if say:
                            print(f"{job[0]} {job[1]}  {answer['outcome']}  {answer['error']}", flush=True)
                        if keep is not None:
                            write_files(keep / f"{job[0]}-{job[1]}", files)
        except BaseException as error:  # threads end silently otherwise
            failed.append(error)
        finally:
            child.close()

    with tempfile.TemporaryDirectory(prefix="saymask-fuzz-") as root:
        threads = [threading.Thread(target=work, args=(Path(root) / str(i),)) for i in range(processes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
    return result
