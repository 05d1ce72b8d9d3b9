"""The engine of a collection: which workers do its items, and what is done when one of them ends."""

import importlib.util
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from saymask.errors import InputError
from saymask.util.cores import worker_died
from saymask.util.engines.worker import Worker, WorkerEnded, Workers

T = TypeVar("T")
R = TypeVar("R")
Name = Literal["process", "ray"]
TRIES = 3
"""Workers that may end at one item, or in a row while they start."""


@dataclass(frozen=True)
class Engine:
    """Settings of the workers that share the items of a collection."""

    name: Name = "process"
    workers: int | None = None
    """At most so many at once; without it one process, or as many as a Ray cluster has CPUs (with `gpu`: GPUs)."""
    address: str | None = None
    """HOST:PORT of a Ray cluster's head; without it the cluster that this machine belongs to."""

    def check(self) -> None:
        """Join the cluster where one is used; InputError for settings that cannot be used."""
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers: expected 1 or more, got {self.workers}")
        if self.name == "process":
            if self.address is not None:
                raise InputError(f"address: expected only with the engine ray, got {self.address!r}")
            return
        if importlib.util.find_spec("ray") is None:
            raise InputError("the engine ray: expected Ray, which is not installed; pip install 'saymask[ray]'")
        from saymask.util.engines.cluster import join

        join(self.address)


@dataclass(frozen=True)
class Lost:
    """Result of an item at which `TRIES` workers ended, one after the other."""

    def __str__(self) -> str:
        return f"{TRIES} workers were ended from outside at it, one after the other (out of memory?)"


def each(
    engine: Engine, items: Sequence[T], make: Callable[..., Callable[[T], R]], *arguments: Any, gpu: bool = False
) -> Iterator[tuple[T, R | Lost]]:
    """Yield (item, job(item)) for every item as they come, with job = make(*arguments), made once per worker.

    A single process is this one, and keeps the order. Otherwise `make`, `arguments`, items and results are pickled, and
    an item whose worker ends goes to another one, `TRIES` in all, before it is `Lost`. No more items are in flight than
    there are workers. gpu: whether each worker takes a GPU of a cluster that has some.

    Raises what `make` or a job raises; InputError where no worker gets through its start.
    """
    if not items:
        return
    if engine.name == "process" and min(engine.workers or 1, len(items)) == 1:
        job = make(*arguments)
        yield from ((item, job(item)) for item in items)
        return
    workers = _workers(engine, len(items), make, arguments, gpu)
    try:
        yield from _shared(workers, items)
    finally:
        workers.close()


def _workers(engine: Engine, items: int, make: Callable[..., Any], arguments: tuple[Any, ...], gpu: bool) -> Workers:
    from saymask.util.engines.job import Job

    job = Job.of(make, arguments)
    if engine.name == "ray":
        from saymask.util.engines.cluster import Actors

        return Actors(job, min(engine.workers or items, items), gpu=gpu)
    from saymask.util.engines.processes import Processes

    return Processes(job, min(engine.workers or 1, items))


def _shared(workers: Workers, items: Sequence[T]) -> Iterator[tuple[T, Any]]:
    """Give an item to whoever is free."""
    queue = deque((item, 1) for item in items)
    starting: list[Worker] = []
    idle: list[Worker] = []
    busy: dict[Worker, tuple[T, int]] = {}
    ended = 0  # workers that ended in a row while they started
    while queue or busy:
        while queue and idle:
            worker = idle.pop()
            busy[worker] = queue.popleft()
            worker.give(busy[worker][0])
        while len(starting) < len(queue) and len(starting) + len(busy) < workers.most:
            starting.append(workers.start())
        for worker in workers.wait([*starting, *busy]):
            given = busy.pop(worker, None)
            if given is None:
                starting.remove(worker)
            try:
                result = worker.take()
            except WorkerEnded:
                if given is None:
                    ended += 1
                    if ended == TRIES:
                        raise worker_died(workers.most, "what is finished is kept") from None
                elif given[1] == TRIES:
                    yield given[0], Lost()
                else:
                    queue.appendleft((given[0], given[1] + 1))
                continue
            ended = 0
            idle.append(worker)
            if given is not None:
                yield given[0], result
