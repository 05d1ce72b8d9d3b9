"""Sharing cores: what a started process sees, and that this process keeps its own settings."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saymask.util.cores import environment_for, threads_each

ROOT = Path(__file__).parents[2]


def test_share(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads_each(10_000) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads_each(2) == 3


def test_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    before = dict(os.environ)
    with environment_for(2):
        assert os.environ["NUMBA_NUM_THREADS"] == "1"
        assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert dict(os.environ) == before


@pytest.mark.parametrize("first", ["", "import numba; "])
def test_limit_makes_the_pool_small_and_leaves_the_process_forkable(first):
    script = (
        f"{first}from saymask.util.cores import limit_threads, kernels_have_run; limit_threads(10_000);"
        "import numba, torch; numba.njit(lambda x: x + 1)(1);"
        "assert torch.get_num_threads() == 1 and not kernels_have_run();"
        "assert numba.get_num_threads() == 1 and kernels_have_run()"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    environment["NUMBA_NUM_THREADS"] = "2"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True, timeout=120)


def test_sockets_have_short_paths_whatever_the_temporary_folder(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    code = (
        "import multiprocessing.util as u; from saymask.util.cores import shorten_socket_paths as s; s();"
        "print(u.get_temp_dir())"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=ROOT, env=environment, check=True
    )
    used = Path(done.stdout.strip())
    assert len(str(used)) < 60
    assert not used.exists()  # removed when the process ends


POOL = """
import multiprocessing, os, signal, time
from concurrent.futures import ProcessPoolExecutor
from saymask.util.cores import end_with_parent

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 60)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    worker = int(done.stdout)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"worker {worker} goes on without its parent")
