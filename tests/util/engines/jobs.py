"""Jobs for the tests of engines: functions of a module, since other processes import them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from saymask.errors import InputError


def squaring(note: Path, slow: float = 0.0) -> Callable[[int], int]:
    """Square numbers; negative ones end their worker, those above 100 only the first time. Tries are noted as files."""
    name = f"{os.getpid()}-{time.monotonic_ns()}"

    def square(number: int) -> int:
        first = not list(note.glob(f"{number} *"))
        (note / f"{number} {name} {time.monotonic_ns()}").touch()
        if number < 0 or (number > 100 and first):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(slow)
        return number**2

    return square


def refusing(note: Path) -> Callable[[int], int]:
    def refuse(number: int) -> int:
        raise InputError(f"{number} cannot be squared")

    return refuse


def unable() -> Callable[[int], int]:
    raise InputError("there is no such model")


def killed() -> Callable[[int], int]:
    """End the process while it starts, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def here() -> Callable[[str], str]:
    return lambda name: str(Path(name).resolve())
