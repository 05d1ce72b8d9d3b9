"""Temporary files and folders: gone at the end, cleared after a kill, and left alone while somebody uses them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from saymask.util.files import write_text
from saymask.util.temporaries import PREFIX, sweep, temporary_file, temporary_folder

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from saymask.util.temporaries import temporary_file, temporary_folder

folder = Path(sys.argv[1])
with ExitStack() as stack:
    stack.enter_context(temporary_file(folder, ".ply")).write_bytes(b"half")
    (stack.enter_context(temporary_folder(folder)) / "part").write_text("half")
    print("ready", flush=True)
    time.sleep(300)
"""
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no locks that end with a process")


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def sweep_again(folder):
    """Do what the first writer of another process does."""
    sweep.cache_clear()
    sweep(folder)


@pytest.fixture
def holder(tmp_path):
    """Start a process that uses a temporary file and folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path, holder):
    held = names(tmp_path)
    assert len(held) == 2
    sweep_again(tmp_path)
    assert names(tmp_path) == held  # it is alive
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert names(tmp_path) == held
    sweep.cache_clear()
    write_text(tmp_path / "other.txt", "new")
    assert names(tmp_path) == ["other.txt"]


def test_ours_and_everything_else_stay(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("x")
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".hidden").write_text("x")
    os.mkfifo(tmp_path / f"{PREFIX}pipe")
    before = names(tmp_path)
    with temporary_file(tmp_path) as file, temporary_folder(tmp_path) as folder:
        sweep_again(tmp_path)
        assert file.is_file()
        assert folder.is_dir()
    assert names(tmp_path) == before
    assert (tmp_path / "elsewhere" / "kept").is_file()


def test_the_block_may_rename_them(tmp_path):
    with temporary_file(tmp_path, ".txt") as file:
        assert file.suffix == ".txt"
        assert file.stat().st_mode & 0o77 == 0
        file.rename(tmp_path / "a.txt")
    with temporary_folder(tmp_path) as folder:
        folder.rename(tmp_path / "b")
    assert names(tmp_path) == ["a.txt", "b"]


def test_a_file_that_its_writer_replaces_is_still_ours(tmp_path):
    """As safetensors does: a lock on the file itself would be on the one that was replaced."""
    with temporary_file(tmp_path, ".txt") as file:
        file.with_name("written").write_text("whole")
        file.with_name("written").replace(file)
        sweep_again(tmp_path)
        assert file.read_text() == "whole"
    assert names(tmp_path) == []


def test_a_file_that_another_took_for_a_left_one_is_made_again(tmp_path, monkeypatch):
    """Between the making of a file and its lock another process may remove it."""
    import saymask.util.temporaries as module

    real, calls = module._lock, []

    def lock(handle, path):
        calls.append(path)
        if len(calls) == 1:
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
        return real(handle, path)

    monkeypatch.setattr(module, "_lock", lock)
    for make in (temporary_file, temporary_folder):
        calls.clear()
        with make(tmp_path) as path:
            assert path.exists()
            assert len(calls) == 2
    assert names(tmp_path) == []
