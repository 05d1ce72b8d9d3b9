"""Workers that are actors of a Ray cluster: paths go in, small records come out, nothing else is stored."""

import logging
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from saymask.errors import InputError
from saymask.util.cores import set_threads
from saymask.util.engines.job import Job
from saymask.util.engines.worker import WorkerEnded

ANSWER, JOINED = 10, 90
"""Seconds in which a head has to answer, and this machine to have joined its cluster, before they are given up."""
_JOIN = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"


def join(address: str | None) -> None:
    """Join the cluster at `address`, without it that of this machine; InputError for one that cannot be joined."""
    if address is not None:
        _check_address(address)
    if ray.is_initialized():
        return
    # Tried in another process first: Ray itself waits for minutes for a head that is gone, and then ends the process.
    tried = "no answer"
    with suppress(subprocess.TimeoutExpired):
        command = [sys.executable, "-c", _JOIN, address or "auto"]
        done = subprocess.run(command, timeout=JOINED, capture_output=True, text=True)  # noqa: S603 - no shell
        if done.returncode == 0:
            ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR)
            return
        tried = (done.stderr.strip() or tried).splitlines()[-1]
        if "InvalidAuthToken" in done.stderr:
            tried = "it wants its token; set RAY_AUTH_MODE=token, and have the head's ~/.ray/auth_token here"
    raise InputError(
        f"the engine ray: expected a cluster at {address or 'this machine'}, got: {tried}; `ray start --head` starts "
        "one, `ray start --address HOST:PORT` lets a machine join"
    )


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"address: expected HOST:PORT of a Ray cluster's head, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"address: expected a Ray cluster at {address}, got no answer ({error}); is its head running (`ray status` "
            "there), and the port open?"
        ) from None


class Actors:
    """The workers of the engine `ray`, each with a CPU, and a GPU where `gpu` and the cluster has some."""

    def __init__(self, job: Job, most: int, *, gpu: bool) -> None:
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0)) if gpu else 0
        self.most = max(1, min(most, gpus or int(there.get("CPU", 1))))
        # A worker that is gone is replaced here, where the tries of its item are counted.
        self._make = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0, max_restarts=0, max_task_retries=0)(_Actor)
        self._job = job
        self._started: set[Actor] = set()

    def start(self) -> "Actor":
        """Return a new actor, which may wait for a free CPU."""
        actor = Actor(self._make.remote(self._job))
        self._started.add(actor)
        return actor

    def wait(self, workers: Sequence["Actor"]) -> list["Actor"]:
        """Return the actors that are done or gone."""
        of = {worker.result: worker for worker in workers}
        ready, _ = ray.wait(list(of), num_returns=1)
        return [of[each] for each in ready]

    def close(self) -> None:
        """End all, also those that still wait for their place."""
        for actor in self._started:
            ray.kill(actor.handle)


class Actor:
    """An actor and the result that it owes."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.result = handle.begin.remote()

    def give(self, item: Any) -> None:
        """Send an item."""
        self.result = self.handle.do.remote(item)

    def take(self) -> Any:
        """Return its result."""
        try:
            return ray.get(self.result)
        except RayTaskError as error:
            raise error.cause from None
        except RayError as error:
            if "ModuleNotFoundError" in str(error):
                missing = str(error).strip().splitlines()[-1]
                raise InputError(
                    f"a worker lacks what is installed here ({missing}); install the same everywhere"
                ) from None
            raise WorkerEnded from None


class _Actor:
    """The worker itself, which runs in the cluster."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def begin(self) -> None:
        set_threads(1)  # Ray sees to torch's threads: one per CPU of the actor
        self._do = self._job.begin()

    def do(self, item: Any) -> Any:
        return self._do(item)
