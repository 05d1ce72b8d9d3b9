"""A lock file keeps others out until its block ends."""

import threading

import pytest

from saymask.errors import InputError
from saymask.util.locks import only_process


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
