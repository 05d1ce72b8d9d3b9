"""Temporary files and folders; those that a killed process left are removed by the next one that makes some there.

A process holds a lock on each of its own, and a lock ends with its process, however that ends: what can be locked by
another belongs to nobody any more. Unlike numbers of processes this also holds for containers that share a folder.
Windows has no such locks: there nothing is removed that is left.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None

PREFIX = ".saymask-"
"""Names of all temporary files and folders begin so, whatever they are to become."""


@contextmanager
def temporary_folder(folder: Path | None = None) -> Iterator[Path]:
    """Yield a new folder in `folder`, by default the system's; this user alone can read it. It is removed at the end.

    The block may rename it instead.
    """
    folder = Path(tempfile.gettempdir()) if folder is None else folder
    sweep(folder.absolute())
    handle, path = -1, folder
    while handle < 0:
        path = Path(tempfile.mkdtemp(dir=folder, prefix=PREFIX))
        if fcntl is None:
            break
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            if not _lock(handle, path):
                os.close(handle)
                handle = -1
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


@contextmanager
def temporary_file(folder: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a new, empty file in a temporary folder of its own in `folder`; what is there at the end is removed.

    Whoever writes it may put another file in its place, as safetensors does: the lock is on the folder.
    """
    with temporary_folder(folder) as own:
        path = own / f"new{suffix}"
        path.touch(mode=0o600)
        yield path


def folder_of_this_process(folder: Path | None = None) -> Path:
    """Return a new temporary folder in `folder`, by default the system's, that is removed when this process ends."""
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(temporary_folder(folder))


@lru_cache(1024)
def sweep(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` whose processes are gone, once in the life of this process.

    And again in each run that holds a folder for itself (`locks.hold_folder`).
    """
    if fcntl is None or not folder.is_dir():
        return
    for left in folder.glob(f"{PREFIX}*"):
        is_file = left.is_file()
        if left.is_symlink() or not (is_file or left.is_dir()):
            continue
        try:
            handle = os.open(left, os.O_NOFOLLOW | (os.O_RDWR if is_file else os.O_RDONLY))
        except OSError:  # somebody else's, or gone meanwhile
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink() if is_file else shutil.rmtree(left)
        os.close(handle)


def _lock(handle: int, path: str | Path) -> bool:
    """Lock a new file or folder; return False where another process took it for a left one before, and removed it.

    A file system without locks is not swept either.
    """
    if fcntl is None:
        return True
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)
    return os.path.exists(path)
