"""A lock file keeps others out until its block ends."""

import threading

import pytest

from saymask.errors import InputError
from saymask.util.locks import hold_folder, only_process
from saymask.util.temporaries import PREFIX, temporary_folder


def test_busy_is_said_and_ends_with_the_block(tmp_path):
    path = tmp_path / "new" / ".lock"
    with only_process(path), pytest.raises(InputError, match="in use"), only_process(path, busy="in use"):
        pass
    with only_process(path, busy="in use"):
        assert path.is_file()


def test_without_a_message_it_waits(tmp_path):
    order = []

    def second():
        with only_process(tmp_path / ".lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    with only_process(tmp_path / ".lock"):
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_a_run_clears_what_killed_ones_left_even_if_it_writes_nothing(tmp_path):
    left = [tmp_path / f"{PREFIX}a" / "half.ply", tmp_path / "scenes" / "deep" / f"{PREFIX}b" / "half.npz"]
    for _ in range(2):  # also when this process has cleared there before
        for path in left:
            path.parent.mkdir(parents=True)
            path.touch()
        with temporary_folder(tmp_path / "scenes") as used, hold_folder(tmp_path, "busy"):
            assert used.is_dir()
        assert not list(tmp_path.rglob(f"{PREFIX}*"))
        assert (tmp_path / "scenes" / "deep").is_dir()


def test_a_folder_is_held_by_one_run(tmp_path):
    with (
        hold_folder(tmp_path / "run", "in use"),
        pytest.raises(InputError, match="in use"),
        hold_folder(tmp_path / "run", "in use"),
    ):
        pass
