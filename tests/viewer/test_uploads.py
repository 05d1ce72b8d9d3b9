"""Uploads of the page: their number, what a browser may send, and nothing left behind."""

from types import SimpleNamespace

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.uploads import MOST_BYTES
from saymask.viewer import uploads
from saymask.viewer.uploads import Uploads


@pytest.fixture
def folder():
    made = Uploads()
    yield made
    made.close()


def test_a_scan_is_kept_under_a_name_of_ours(folder):
    points = np.random.default_rng(0).random((300, 3)) * [4, 3, 2]
    text = "\n".join(" ".join(f"{v:.3f}" for v in p) for p in points).encode()
    path = folder.keep("../../my room.xyz", text)
    assert path.parent.parent == folder.folder
    assert path.name == "upload.xyz"
    assert path.read_bytes() == text
    assert folder.folder.stat().st_mode & 0o77 == 0


def test_what_is_no_scan_is_said_and_not_kept(folder):
    with pytest.raises(InputError, match=r"^letter\.ply is no scan: ") as error:
        folder.keep("letter.ply", b"Dear all,\nthis is no scan.\n")
    assert str(folder.folder) not in str(error.value)
    assert not list(folder.folder.rglob("upload*"))
    with pytest.raises(InputError, match=r"weights\.pth: expected a scan .* got \.pth"):
        folder.keep("weights.pth", b"\x80\x02}")


def test_the_oldest_go_when_there_are_too_many(folder, monkeypatch):
    monkeypatch.setattr(uploads, "read_apart", lambda path: None)
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    paths = [folder.keep("a.ply", b"ply") for _ in range(4)]
    assert [p.exists() for p in paths] == [False, False, True, True]


def test_nothing_is_left_behind(folder):
    kept = folder.folder
    Uploads().close()
    assert kept.exists()  # of a server that runs
    folder.close()
    assert not kept.exists()


class Connection:
    """What viser's connection does with handlers."""

    def __init__(self):
        self.handlers = {}

    def register_handler(self, kind, handler):
        self.handlers.setdefault(kind.__name__, []).append(handler)

    def unregister_handler(self, kind, handler):
        self.handlers[kind.__name__].remove(handler)


def test_a_browser_cannot_send_more_than_is_allowed(monkeypatch):
    from viser import _messages

    seen, said = [], []
    gui = SimpleNamespace(
        _handle_file_transfer_start=lambda client, message: seen.append(message.size_bytes),
        _handle_file_transfer_part=lambda client, message: seen.append(len(message.content)),
        _current_file_upload_states={"a": 1},
    )
    connection = Connection()
    connection.register_handler(_messages.FileTransferStartUpload, gui._handle_file_transfer_start)
    connection.register_handler(_messages.FileTransferPart, gui._handle_file_transfer_part)
    uploads.limit(SimpleNamespace(_websock_connection=connection, gui=gui), said.append)
    (start,), (part,) = connection.handlers["FileTransferStartUpload"], connection.handlers["FileTransferPart"]

    def begin(name, size, key="a", parts=1):
        start(0, SimpleNamespace(filename=name, size_bytes=size, part_count=parts, transfer_uuid=key))

    def send(count, key="a"):
        part(0, SimpleNamespace(transfer_uuid=key, content=bytes(count)))

    begin("huge.ply", MOST_BYTES + 1)
    send(10)  # a part of what was refused
    assert seen == []
    assert "at most 512 MB" in said[-1]
    begin("a.ply", 30)
    begin("b.ply", 5, "b")
    assert "one after the other" in said[-1]
    send(20)
    send(20)
    assert "larger than it said" in said[-1]
    assert seen == [30, 20]
    assert not gui._current_file_upload_states
    begin("c.ply", 8, "c")
    send(8, "c")
    assert seen == [30, 20, 8, 8]
    begin("d.ply", 8, "d")
    assert seen[-1] == 8
