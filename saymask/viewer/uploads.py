"""Files that a browser sends to the page: taken within limits, and read by a process of their own first."""

import atexit
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.io.read_apart import read_apart
from saymask.io.uploads import MOST_BYTES, check_kind, check_size, display_name
from saymask.util.temporaries import temporary_folder

MOST_FILES = 16
"""Files that are kept at a time; the oldest goes when another comes."""


class Uploads:
    """The uploads of one server."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.folder = self._open.enter_context(temporary_folder())
        atexit.register(self.close)
        self._lock = threading.Lock()
        self._kept: list[Path] = []
        self._count = 0

    def close(self) -> None:
        """Remove the uploads."""
        atexit.unregister(self.close)
        self._open.close()

    def keep(self, name: str, content: bytes) -> Path:
        """Write a file under a name of ours and return its path once a process with limits could read it.

        Raises InputError for what is too large, of an unknown kind, or cannot be read.
        """
        check_size(name, len(content))
        suffix = check_kind(name)
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
