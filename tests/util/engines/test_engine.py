"""What both engines promise: every item once, what workers that end leave behind, errors, the folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saymask.errors import InputError
from saymask.util.engines.engine import TRIES, Engine, Lost, each
from tests.util.engines import jobs

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["process", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request):
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return Engine(request.param, workers=2)


def tried(note: Path, item: int) -> int:
    return len(list(note.glob(f"{item} *")))


def test_every_item_once_by_as_many_workers_as_there_are(engine, tmp_path):
    items = list(range(9))
    assert sorted(each(engine, items, jobs.squaring, tmp_path, 0.05)) == [(i, i * i) for i in items]
    assert [tried(tmp_path, item) for item in items] == [1] * 9
    assert len({path.name.split()[1] for path in tmp_path.iterdir()}) == 2


def test_an_item_of_an_ended_worker_is_tried_again_and_then_lost(engine, tmp_path):
    items = [1, 101, -7, 2, 3]
    found = dict(each(engine, items, jobs.squaring, tmp_path))
    assert found == {1: 1, 101: 101**2, -7: Lost(), 2: 4, 3: 9}
    assert [tried(tmp_path, item) for item in items] == [1, 2, TRIES, 1, 1]
    assert "3 workers were ended from outside" in str(found[-7])


def test_errors_of_jobs_come_through(engine, tmp_path):
    with pytest.raises(InputError, match=r"^1 cannot be squared$"):
        list(each(engine, [1, 2], jobs.refusing, tmp_path))
    with pytest.raises(InputError, match=r"^there is no such model$"):
        list(each(engine, [1, 2], jobs.unable))


@pytest.mark.timeout(200)
def test_workers_that_end_at_their_start_are_an_error_not_a_hang(engine):
    with pytest.raises(InputError, match=r"ended from outside.*fewer workers than 2"):
        list(each(engine, [1, 2, 3], jobs.killed))


def test_paths_mean_those_of_the_folder_of_the_call(engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert dict(each(engine, ["a", "b"], jobs.here)) == {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}


def test_what_stops_early_leaves_no_worker(engine, tmp_path):
    for _ in each(engine, [1, 2, 3, 4], jobs.squaring, tmp_path, 0.2):
        break
    pids = {int(path.name.split()[1].split("-")[0]) for path in tmp_path.iterdir()}
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_one_process_is_this_one_and_keeps_the_order(tmp_path):
    assert list(each(Engine(), [3, 1, 2], jobs.squaring, tmp_path)) == [(3, 9), (1, 1), (2, 4)]
    assert {int(path.name.split()[1].split("-")[0]) for path in tmp_path.iterdir()} == {os.getpid()}
    assert list(each(Engine(workers=4), [], jobs.killed)) == []


def test_an_interrupt_ends_the_workers_too(tmp_path):
    code = (
        "import sys, pathlib\nfrom saymask.util.engines.engine import Engine, each\n"
        "from tests.util.engines import jobs\n"
        "if __name__ == '__main__':\n"
        "    list(each(Engine(workers=2), list(range(5000)), jobs.squaring, pathlib.Path(sys.argv[1]), 0.1))\n"
    )
    script, note = tmp_path / "run.py", tmp_path / "note"
    script.write_text(code)
    note.mkdir()
    command = [sys.executable, str(script), str(note)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while len(list(note.iterdir())) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    _, said = process.communicate(timeout=60)
    assert said.count("Traceback") == 1, said
    with pytest.raises(ProcessLookupError):  # noqa: PT012 - Python's own helper ends a moment later
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (Engine(workers=0), "workers: expected 1 or more, got 0"),
        (Engine(address="head:6379"), "expected only with the engine ray"),
    ],
)
def test_settings_are_checked(engine, says):
    with pytest.raises(InputError, match=says):
        engine.check()


def test_ray_that_is_not_installed_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not installed; pip install 'saymask\[ray\]'"):
        Engine("ray").check()
