"""LRU cache bounded in entries and bytes, which several threads may share."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

MOST_ENTRIES = 256
MOST_BYTES = 256 * 2**20

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """LRU cache of at most so many entries and bytes; the entry unused for longest goes first.

    Values are shared with everybody who asks: whoever keeps one here must hand out copies of what may be changed.
    """

    def __init__(self, entries: int = MOST_ENTRIES, size: int = MOST_BYTES) -> None:
        self._entries, self._size = entries, size
        self._kept: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept."""
        return self._bytes

    def get(self, key: Hashable) -> Value | None:
        """Return what is kept under `key`, None if nothing is."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, value: Value, size: int) -> Value:
        """Keep a value of `size` bytes and return it; the one that another thread kept meanwhile, if any.

        A value larger than all the memory is returned and not kept.
        """
        with self._lock:
            if key in self._kept:
                return self._kept[key][0]
            if size > self._size:
                return value
            self._kept[key] = value, size
            self._bytes += size
            while len(self._kept) > self._entries or self._bytes > self._size:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed
            return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
