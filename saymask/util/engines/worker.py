"""The contract between an engine and its workers, each a process that makes its job once and then does items."""

from collections.abc import Sequence
from typing import Any, Protocol


class WorkerEnded(Exception):
    """Raised for a worker that is gone; what it was given is not done."""


class Worker(Protocol):
    """A process to which items are given one at a time."""

    def give(self, item: Any) -> None:
        """Begin with an item; that the worker is gone comes out when its result is taken."""
        ...

    def take(self) -> Any:
        """Return the result of what was given, or None for the start; raise WorkerEnded, or the error of the job."""
        ...


class Workers(Protocol):
    """The workers of one engine."""

    most: int
    """At most so many at once."""

    def start(self) -> Worker:
        """Return a worker that begins to make its job."""
        ...

    def wait(self, workers: Sequence[Any]) -> Sequence[Worker]:
        """Return those that have something to take, at least one."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...
