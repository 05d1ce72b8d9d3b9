"""Records gathered from all processes, each counted once: the base of every metric."""

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class Records(Generic[K, R]):
    """One record per key (an annotation, a scene).

    A second copy of a key (a padded distributed sampler, the same scene on two processes) changes nothing, and results
    run over the records in the order of the keys, so that they depend neither on how many processes did the work nor on
    the order in which it was done.
    """

    headline: ClassVar[str]
    """The most telling number of a group."""

    def __init__(self) -> None:
        self.records: dict[K, R] = {}

    def rows(self) -> list[R]:
        """Return the records in the order of their keys."""
        return [self.records[key] for key in sorted(self.records)]  # type: ignore[type-var]

    def column(self, name: str) -> np.ndarray:
        """Return an array [k] that every record has, one after the other."""
        return np.concatenate([np.zeros(0), *(getattr(row, name) for row in self.rows())])

    def state(self) -> dict[K, R]:
        """Return what `merge` takes: the records by key (plain data, can be sent to another process)."""
        return dict(self.records)

    def merge(self, *states: Mapping[K, R]) -> Self:
        """Add the records of other processes; a key that is already there is not counted again."""
        for state in states:
            for key, record in state.items():
                self.records.setdefault(key, record)
        return self

    def sync(self) -> Self:
        """Gather the records of all processes when torch.distributed runs; every process then computes the same."""
        import torch.distributed as dist

        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            states: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(states, self.state())
            # In the order of the ranks on every process, so that all keep the same copy of what was padded.
            self.records = {}
            self.merge(*states)
        return self

    def reset(self) -> None:
        """Forget everything."""
        self.records = {}
