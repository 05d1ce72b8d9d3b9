"""Commands that wait for each other: order, failures, and no process left behind."""

import os
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scheduler import Task, _check, last_lines, run_tasks
from saymask.errors import InputError


def task(folder, name, code="", after=()):
    return Task(name, (sys.executable, "-S", "-c", code), folder / f"{name}.txt", after)


def stamp(folder, name):
    """Code that notes when it began and ended."""
    return (
        f"import time; f = open({str(folder / 'times')!r}, 'a', buffering=1); f.write('{name} begins\\n');"
        f"time.sleep(0.15); f.write('{name} ends\\n'); print('said', '{name}')"
    )


def test_waits_for_what_it_needs_and_keeps_a_log(tmp_path):
    said = []
    tasks = [
        task(tmp_path, "b", stamp(tmp_path, "b"), ("a",)),
        task(tmp_path, "a", stamp(tmp_path, "a")),
        task(tmp_path, "c", stamp(tmp_path, "c"), ("a", "b")),
    ]
    ended = run_tasks(tasks, 3, say=said.append)
    assert (tmp_path / "times").read_text().split("\n")[:-1] == [f"{n} {w}" for n in "abc" for w in ("begins", "ends")]
    assert {name: o.state for name, o in ended.items()} == {"a": "done", "b": "done", "c": "done"}
    assert ended["a"].seconds > 0.15
    assert last_lines(tmp_path / "b.txt", 1) == "said b"
    assert sum("started" in line for line in said) == 3
    run_tasks(tasks[1:2], 1, say=said.append)
    assert (tmp_path / "a.txt").read_text() == "said a\nsaid a\n"  # a second start goes on in the same log


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_more_at_once_than_allowed_and_the_first_ones_first(tmp_path, jobs):
    run_tasks([task(tmp_path, n, stamp(tmp_path, n)) for n in "abcd"], jobs, say=lambda _: None)
    running, most, order = 0, 0, ""
    for line in (tmp_path / "times").read_text().splitlines():
        running += 1 if "begins" in line else -1
        order += line[0] if "begins" in line else ""
        most = max(most, running)
    assert most == jobs
    assert sorted(order[:2]) == ["a", "b"]


def test_a_failure_leaves_out_what_needs_it_and_nothing_else(tmp_path):
    said = []
    tasks = [
        task(tmp_path, "bad", "print('the reason'); raise SystemExit(3)"),
        task(tmp_path, "child", "", ("bad",)),
        task(tmp_path, "grandchild", "", ("child",)),
        task(tmp_path, "other", ""),
    ]
    ended = run_tasks(tasks, 1, say=said.append)
    states = {name: o.state for name, o in ended.items()}
    assert states == {"bad": "failed", "child": "skipped", "grandchild": "skipped", "other": "done"}
    (line,) = [s for s in said if "status 3" in s]
    assert "the reason" in line
    assert not (tmp_path / "child.txt").exists()


def test_an_error_in_the_caller_ends_the_processes(tmp_path):
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def stop(_):
        # Told again and again while the process runs: interrupt once it is really there.
        if (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text():
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_tasks([task(tmp_path, "long", code)], 1, say=stop, every=0)
    assert time.monotonic() - began < 50
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcde"), max_size=2), max_size=5))
@settings(max_examples=100, deadline=None)
def test_refuses_exactly_what_could_never_end(waits):
    tasks = [Task(n, (), None, tuple(after)) for n, after in waits.items()]  # type: ignore[arg-type]

    def reaches(name, seen):
        return name in waits and name not in seen and all(reaches(a, {*seen, name}) for a in waits[name])

    if all(reaches(name, set()) for name in waits):
        _check(tasks, 1)
    else:
        with pytest.raises(InputError, match="circle"):
            _check(tasks, 1)


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        run_tasks([], 0)
    with pytest.raises(InputError, match="twice"):
        run_tasks([task(tmp_path, "a"), task(tmp_path, "a")], 1)
    assert run_tasks([], 1) == {}
