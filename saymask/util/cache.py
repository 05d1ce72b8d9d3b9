"""LRU cache bounded in entries and bytes, which several threads may share."""

import threading
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from cachetools import LRUCache

MOST_ENTRIES = 256
MOST_BYTES = 256 * 2**20

Value = TypeVar("Value")


class AnswerCache(Generic[Value]):
    """An LRU cache with a limit on its entries and on their bytes, for several threads.

    Values are shared with everybody who asks: whoever keeps one here must hand out copies of what may be changed.
    """

    def __init__(self, entries: int = MOST_ENTRIES, size: int = MOST_BYTES) -> None:
        self._entries = entries
        self._kept: LRUCache[Hashable, tuple[Value, int]] = LRUCache(size, getsizeof=lambda entry: entry[1])
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy or a pickle is made: with the same limits, and empty."""
        return type(self), (self._entries, int(self._kept.maxsize))

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept."""
        return int(self._kept.currsize)

    def get(self, key: Hashable) -> Value | None:
        """Return what is kept under `key`, None if nothing is."""
        with self._lock:
            entry = self._kept.get(key)
            return None if entry is None else entry[0]

    def put(self, key: Hashable, value: Value, size: int) -> Value:
        """Keep a value of `size` bytes and return it; the one that another thread kept meanwhile, if any.

        A value larger than all the memory is returned and not kept.
        """
        with self._lock:
            if key in self._kept:
                return self._kept[key][0]
            if size <= self._kept.maxsize:
                self._kept[key] = value, size
            while len(self._kept) > self._entries:
                self._kept.popitem()
            return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
