"""Locks that keep processes apart: a file that one holds until it lets go or ends, however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saymask.errors import InputError
from saymask.util.temporaries import sweep


@contextmanager
def only_process(path: Path, *, busy: str = "") -> Iterator[None]:
    """Hold the lock file `path` inside the block; while another process has it, wait, or raise InputError(`busy`).

    With `busy` the block is a whole run, whose first writes to each folder remove again what killed runs left there.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0 if busy else -1)
    except Timeout:
        raise InputError(busy) from None
    if busy:
        sweep.cache_clear()
    try:
        yield
    finally:
        lock.release()
