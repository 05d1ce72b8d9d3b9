"""Files that a browser sends: limited in size and number, named by us, and first read by a process with limits."""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saymask.errors import InputError

MOST_BYTES = 512 * 2**20
"""Size of an uploaded file."""
MOST_FILES = 16
"""Files that are kept at a time; the oldest goes when another comes."""
SECONDS = 120
"""Time that reading an upload may take."""
MEMORY = 12 * 2**30
"""Bytes of address space that reading an upload may take."""
PREFIX = "saymask-view-"
_USED_AS_NAME = re.compile(r"[^\w .()+-]")


def display_name(name: str) -> str:
    """Return a file's name as it is shown: its last part without anything but letters, digits and plain signs."""
    last = re.split(r"[/\\]", name)[-1]
    return _USED_AS_NAME.sub("", last).strip(" .")[-80:] or "upload"


def sweep(folder: Path | None = None) -> None:
    """Remove what servers left behind that were killed."""
    for old in Path(folder or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        number = old.name.removeprefix(PREFIX).split("-")[0]
        if number.isdigit() and old.is_dir() and not old.is_symlink() and not _runs(int(number)):
            shutil.rmtree(old, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


class Uploads:
    """The folder of one server's uploads, readable by its user alone, removed at exit."""

    def __init__(self) -> None:
        sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._lock = threading.Lock()
        self._kept: list[Path] = []
        self._count = 0
        atexit.register(self.close)

    def close(self) -> None:
        """Remove the folder."""
        atexit.unregister(self.close)
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, name: str, content: bytes) -> Path:
        """Write a file under a name of ours and return its path once a process with limits could read it.

        Raises InputError for what is too large, of an unknown kind, or cannot be read.
        """
        check_size(name, len(content))
        suffix = Path(display_name(name)).suffix.lower()
        from saymask.io.load import READERS

        if suffix.lstrip(".") not in READERS:
            known = ", ".join(f".{s}" for s in READERS)
            raise InputError(f"{display_name(name)}: expected a scan ({known}), got {suffix or 'no suffix'}")
        with self._lock:
            self._count += 1
            folder = self.folder / str(self._count)
            folder.mkdir()
            self._kept.append(folder)
            for old in self._kept[:-MOST_FILES]:
                shutil.rmtree(old, ignore_errors=True)
            self._kept = self._kept[-MOST_FILES:]
        path = folder / f"upload{suffix}"
        path.write_bytes(content)
        try:
            read_apart(path)
        except InputError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(f"{display_name(name)} is no scan: {error}") from None
        return path


def check_size(name: str, size: int) -> None:
    """Raise InputError for a file that is empty or too large."""
    if not 0 < size <= MOST_BYTES:
        got = "an empty one" if size <= 0 else f"{size / 2**20:,.0f} MB"
        raise InputError(f"{display_name(name)}: expected a file of at most {MOST_BYTES // 2**20:,} MB, got {got}")


def read_apart(path: Path, *, seconds: float = SECONDS, memory: int = MEMORY) -> None:
    """Read a scan in a process with limits of time and memory; raise InputError that says why it cannot be read.

    What is read there is thrown away: a file that has passed is read again by the caller.
    """
    command = [sys.executable, "-m", "saymask.viewer.read_apart", str(path), str(memory)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"reading it takes more than {seconds:g} s") from None
    if done.returncode == 0:
        return
    lines = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    said = lines[-1].removeprefix("error: ") if lines else "reading it ended the process that tried (out of memory?)"
    raise InputError(said.replace(f"{path.parent}{os.sep}", ""))


def limit(client: Any, refused: Callable[[str], None]) -> None:
    """Let a browser's connection take no file over the limits into memory; `refused` is told why.

    viser gathers the parts of a file before anybody is asked; its two handlers are put behind checks.
    """
    from viser import _messages

    connection, gui = client._websock_connection, client.gui
    left: dict[str, int] = {}

    def start(client_id: int, message: Any) -> None:
        try:
            check_size(str(message.filename), int(message.size_bytes))
            if left:
                raise InputError("a file is being sent already: send one after the other")
            if not 0 < message.part_count <= MOST_BYTES // 1024:
                raise InputError("a file in too many parts")
        except InputError as error:
            return refused(str(error))
        left[message.transfer_uuid] = int(message.size_bytes)
        gui._handle_file_transfer_start(client_id, message)

    def part(client_id: int, message: Any) -> None:
        if message.transfer_uuid not in left:
            return
        left[message.transfer_uuid] -= len(message.content)
        if left[message.transfer_uuid] < 0:  # more than was announced
            del left[message.transfer_uuid]
            gui._current_file_upload_states.pop(message.transfer_uuid, None)
            return refused("a file that is larger than it said")
        if left[message.transfer_uuid] == 0:
            del left[message.transfer_uuid]
        gui._handle_file_transfer_part(client_id, message)

    for kind, old, new in (
        (_messages.FileTransferStartUpload, gui._handle_file_transfer_start, start),
        (_messages.FileTransferPart, gui._handle_file_transfer_part, part),
    ):
        connection.unregister_handler(kind, old)
        connection.register_handler(kind, new)
