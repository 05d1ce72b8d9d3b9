"""Locks that keep processes apart: a file that one holds until it lets go or ends, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saymask.errors import InputError
from saymask.util.temporaries import sweep


@contextmanager
def only_process(path: Path, *, busy: str = "") -> Iterator[None]:
    """Hold the lock file `path` inside the block; while another process has it, wait, or raise InputError(`busy`)."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0 if busy else -1)
    except Timeout:
        raise InputError(busy) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def hold_folder(folder: Path, busy: str) -> Iterator[None]:
    """Hold the folder of a run inside the block, or raise InputError(`busy`); what killed runs left below it goes.

    Also where the run then finds that all is done and writes nothing.
    """
    with only_process(folder / ".lock", busy=busy):
        sweep.cache_clear()
        for below, _, _ in os.walk(folder.absolute()):
            sweep(Path(below))
        yield
