"""The processes that train together: an error or the death of one ends all of them with one clear message."""

import os
import signal
import time

import pytest

from saymask.errors import InputError
from saymask.training.processes import spawn

pytestmark = pytest.mark.timeout(120)


def end_second(how: str) -> None:
    """The second process ends as `how` says; the first would wait for it for ever, as a collective does."""
    if os.environ["RANK"] == "1":
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise InputError("this scene cannot be read")
    time.sleep(1000)


def test_a_killed_process_ends_the_others() -> None:
    with pytest.raises(InputError, match=r"training process 1 of 2 was ended from outside \(SIGKILL"):
        spawn(end_second, "kill", 2)


def test_an_input_error_becomes_ours() -> None:
    with pytest.raises(InputError, match=r"^this scene cannot be read$"):
        spawn(end_second, "refuse", 2)
