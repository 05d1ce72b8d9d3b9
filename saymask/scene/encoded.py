"""Encoded scans that are kept while there is room: the least recently used go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from saymask.util.sizes import held_bytes

Key = Hashable


class EncodedScans:
    """Scenes under keys, bounded in number and bytes, for several threads; one is made at a time.

    The one that was used last is always kept, however large it is.
    """

    def __init__(self, *, most: int | None = None, most_bytes: int | None = None) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[Key, Any] = OrderedDict()
        self._sizes: dict[Key, int] = {}
        self._lock = threading.Lock()
        self.work = threading.Lock()
        """Held while something is read or encoded: it then has all cores."""

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    @property
    def nbytes(self) -> int:
        """Bytes of the scenes as they were measured last."""
        with self._lock:
            return sum(self._sizes.values())

    def get(self, key: Key) -> Any:
        """Return the scene under `key`, None if there is none."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def get_or_make(self, key: Key, make: Callable[[], Any]) -> Any:
        """Return the scene under `key`, made where there is none."""
        known = self.get(key)
        if known is not None:
            return known
        with self.work:
            known = self.get(key)  # another thread's, made while this one waited
            if known is None:
                known = make()
                self.put(key, known)
        return known

    def put(self, key: Key, scene: Any) -> None:
        """Keep a scene."""
        with self._lock:
            self._kept[key] = scene
            self._kept.move_to_end(key)
        self.measure(key)

    def measure(self, key: Key) -> None:
        """Measure a scene again, which grows by the answers that it keeps, and let others go where room is short."""
        scene = self._kept.get(key)
        size = 0 if scene is None or self._most_bytes is None else held_bytes(scene)
        with self._lock:
            if key in self._kept:
                self._sizes[key] = size
            while len(self._kept) > 1 and self._is_full():
                old, _ = self._kept.popitem(last=False)
                self._sizes.pop(old, None)

    def _is_full(self) -> bool:
        if self._most is not None and len(self._kept) > self._most:
            return True
        return self._most_bytes is not None and sum(self._sizes.values()) > self._most_bytes

    def forget(self, key: Key) -> None:
        """Let a scene go."""
        with self._lock:
            self._kept.pop(key, None)
            self._sizes.pop(key, None)
