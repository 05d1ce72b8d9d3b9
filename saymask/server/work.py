"""Work of a service: a few jobs at a time in threads, a bounded queue before them, and a limit of time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from saymask.server.limits import Limits
from saymask.server.refusal import Refusal

Result = TypeVar("Result")
RETRY_AFTER = 2
"""Seconds that a refused caller is told to wait."""


class Work:
    """Places for jobs: `threads` that run and `queue` that wait."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="saymask-serve")
        self._lock = threading.Lock()
        self._taken = 0

    @property
    def taken(self) -> int:
        """Places that are taken."""
        return self._taken

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place, for what is to be received before its job is `run(…, held=True)`; Refusal 429 without one."""
        self._take()
        try:
            yield
        finally:
            self._free()

    async def run(self, job: Callable[[], Result], *, held: bool = False) -> Result:
        """Return what a job returns; Refusal 429 where all places are taken, 504 when it takes too long.

        A job that waits is then taken out. One that runs cannot be stopped: it ends in its own time, and keeps its
        place until then.
        """
        if not held:
            self._take()
        future = self._pool.submit(job)
        if not held:
            future.add_done_callback(self._free)
        awaited = asyncio.wrap_future(future)
        awaited.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to see it
        try:
            return await asyncio.wait_for(asyncio.shield(awaited), self._limits.seconds)
        except TimeoutError:
            if future.done() and not future.cancelled():
                return future.result()  # it was the job's own
            future.cancel()
            raise Refusal(504, f"no answer within {self._limits.seconds:g} s; ask for less, or again later") from None

    def close(self) -> None:
        """Take out what waits, and wait for what runs."""
        self._pool.shutdown(cancel_futures=True)

    def _take(self) -> None:
        with self._lock:
            if self._taken >= self._limits.threads + self._limits.queue:
                raise Refusal(
                    429, f"the server is busy ({self._taken:,} requests); ask again later", retry_after=RETRY_AFTER
                )
            self._taken += 1

    def _free(self, _: Future[Any] | None = None) -> None:
        with self._lock:
            self._taken -= 1
