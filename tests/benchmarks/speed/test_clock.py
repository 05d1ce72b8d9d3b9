"""Clocks: sides take turns, the least counts, memory at the peak, functions in fresh processes."""

import os
import time

import numpy as np
import pytest

from benchmarks.speed import clock
from benchmarks.speed.busy import observed
from saymask.geometry.voxelize import voxelize


def whose(value: int) -> list[int]:
    if value < 0:
        raise ValueError("a negative value")
    print("other output")
    return [value, os.getpid(), int(os.environ.get("OF_A_TEST", "0"))]


def peaks() -> list[float]:
    # 64 MB, gone at the end
    return [clock.peak(lambda: np.ones(8 * 2**20).sum()), clock.peak(lambda: None)]


def test_sides_take_turns_after_a_warm_up():
    asked = []
    taken = clock.turns({"a": lambda: asked.append("a"), "b": lambda: asked.append("b")}, 2)
    assert asked == ["a", "b"] * 3
    assert all(one.wall >= 0 and one.cpu >= 0 for one in taken.values())


def test_wall_and_cpu():
    waited = clock.timed(lambda: time.sleep(0.05))
    assert waited.wall >= 0.05 > waited.cpu
    assert clock.least([clock.Taken(1, 4), clock.Taken(2, 3)]) == clock.Taken(1, 3)


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux")
def test_memory_at_the_peak():
    # In a process of its own: this one may have memory at hand that other tests have given back.
    some, none = clock.apart(peaks)
    assert 60 < some < 120
    assert none < 20


def test_a_function_in_a_process_of_its_own():
    value, process, told = clock.apart(whose, 7, environment={"OF_A_TEST": "5"})
    assert (value, told) == (7, 5)
    assert process != os.getpid()
    with pytest.raises(RuntimeError, match="a negative value"):
        clock.apart(whose, -1)


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="needs Linux")
def test_what_others_use():
    with observed() as facts:
        clock.apart(whose, 1)
    assert facts["seconds"] > 0
    assert 0 <= facts["others"] <= (os.cpu_count() or 1) + 0.5


def test_a_profile_names_what_takes_long():
    points = np.random.default_rng(0).random((200_000, 3)) * 5
    voxelize(points, 0.02)  # compiled
    found = clock.profiled(lambda: voxelize(points, 0.02))
    assert "voxelize" in found
    assert 0 < len(found) <= 6
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert len(clock.profiled(lambda: voxelize(points, 0.02), most=1)) == 1
    assert clock.profiled(lambda: time.sleep(0.01)) == {}
