"""The processes that measure a model scene by scene: results of all of them, and what happens when one dies."""

import os
import signal
from collections.abc import Callable

import pytest

from saymask.errors import InputError
from saymask.evaluation.workers import Loaded
from saymask.models.base import Model
from tests.models.toy_model import Toy, tiny

SCENES = ("a", "b", "c", "d")


def toy(device: str = "cpu") -> Model:
    """Return the model that every process loads."""
    return Toy(tiny().model)


def killed(device: str = "cpu") -> Model:
    """End the process while it loads its model, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def count_letters(model: Model, factor: int) -> Callable[[str], int]:
    return lambda scene: factor * ord(scene)


def die_at(model: Model, last: str) -> Callable[[str], int]:
    return lambda scene: os.kill(os.getpid(), signal.SIGKILL) or 0 if scene == last else ord(scene)


def refuse(model: Model, last: str) -> Callable[[str], int]:
    def job(scene: str) -> int:
        raise InputError(f"{scene} cannot be read")

    return job


def test_every_scene_once() -> None:
    found = dict(Loaded(toy(), "cpu", 2, toy).each_scene(SCENES, count_letters, (3,)))
    assert found == {scene: 3 * ord(scene) for scene in SCENES}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("load", "make"), [(toy, die_at), (killed, count_letters)], ids=["at work", "while loading"])
def test_a_killed_worker_is_an_error_not_a_hang(load: Callable[..., Model], make: Callable[..., object]) -> None:
    with pytest.raises(InputError, match=r"ended from outside.*fewer workers than 2"):
        list(Loaded(toy(), "cpu", 2, load).each_scene(SCENES, make, ("b",)))


def test_a_workers_own_error_comes_through() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(Loaded(toy(), "cpu", 2, toy).each_scene(SCENES, refuse, ("b",)))
