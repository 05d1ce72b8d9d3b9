"""Workers that are processes of this machine."""

import multiprocessing
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from saymask.util.cores import end_with_parent, environment_for
from saymask.util.engines.job import Job
from saymask.util.engines.worker import WorkerEnded


class Processes:
    """The workers of the engine `process`."""

    def __init__(self, job: Job, most: int) -> None:
        self.most = most
        self._job = job
        self._started: list[Process] = []

    def start(self) -> "Process":
        """Return a new process, which gets its share of the cores."""
        with environment_for(self.most):
            process = Process(self._job)
        self._started.append(process)
        return process

    def wait(self, workers: Sequence["Process"]) -> list["Process"]:
        """Return the processes that sent something or ended."""
        ready = wait([worker.pipe for worker in workers])  # also those whose other end is gone
        return [worker for worker in workers if worker.pipe in ready]

    def close(self) -> None:
        """End all: those at work remove their temporary files first."""
        for process in self._started:
            process.end()
        for process in self._started:
            process.join()


class Process:
    """A process with a pipe to it."""

    def __init__(self, job: Job) -> None:
        # Fresh, not forked: a fork of a process that runs threads (torch, numba) may hang.
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self._process = context.Process(target=_work, args=(job, other), daemon=True)
        self._process.start()
        other.close()  # so that the pipe ends with the process

    def give(self, item: Any) -> None:
        """Send an item; that the process is gone comes out when its result is taken."""
        try:
            self.pipe.send(item)
        except OSError:
            return

    def take(self) -> Any:
        """Return what the process sent."""
        try:
            result, error = self.pipe.recv()
        except (EOFError, OSError):
            raise WorkerEnded from None
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        """Ask the process to end."""
        self.pipe.close()
        self._process.terminate()

    def join(self) -> None:
        """Wait until it has ended."""
        self._process.join()


def _work(job: Job, pipe: Connection) -> None:
    """Work on items as they come, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    end_with_parent()
    try:
        function = job.begin()
        pipe.send((None, None))
        while True:
            pipe.send((function(pipe.recv()), None))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        pipe.send((None, error))
