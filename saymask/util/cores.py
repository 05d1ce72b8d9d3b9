"""Sharing the cores of a machine among processes."""

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saymask.errors import InputError
from saymask.util.temporaries import folder_of_this_process


def threads_each(processes: int) -> int:
    """Return how many threads each of `processes` gets; OMP_NUM_THREADS has the last word."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(os.environ.get("OMP_NUM_THREADS") or cores // processes))


def limit_threads(processes: int) -> None:
    """Give torch and the compiled kernels of this process their share of the cores when `processes` of them work."""
    import torch

    set_threads(threads_each(processes))
    torch.set_num_threads(threads_each(processes))


def set_threads(count: int) -> None:
    """Give the compiled kernels of this process at most `count` threads.

    Where numba has not started its threads yet, its pool is made that small: no thread is started, so the process can
    be forked afterwards. Where it has, all but `count` of them are left idle.
    """
    if not kernels_have_run():
        known = os.environ.get("NUMBA_NUM_THREADS", "")
        os.environ["NUMBA_NUM_THREADS"] = str(min(count, int(known)) if known.isdigit() and int(known) else count)
        if "numba" in sys.modules:
            from numba.core import config

            config.reload_config()
            # The pool's size is read from the settings when numba is imported, long before the pool is there.
            vars(sys.modules["numba.np.ufunc.parallel"])["NUM_THREADS"] = int(os.environ["NUMBA_NUM_THREADS"])
        return
    import numba
    from numba.core import config

    if count < int(vars(config)["NUMBA_NUM_THREADS"]):
        numba.set_num_threads(count)


def kernels_have_run() -> bool:
    """Return whether numba has started its threads in this process, which then cannot be forked any more."""
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    return parallel is not None and bool(vars(parallel)["_is_initialized"])


def end_with_parent(seconds: float = 0.5) -> None:
    """End this process when the one that started it is gone, so that a killed run leaves no process that goes on."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


@contextmanager
def environment_for(processes: int) -> Iterator[None]:
    """Processes started inside the block have thread pools of their share's size, whose threads sleep while they wait.

    By default every pool is as large as the machine and its threads spin for work: several processes then take the
    cores from each other and become many times slower. Both settings are read when a library is loaded, so they must
    be there before the process is. Only start processes inside the block: this process keeps its own pools.
    """
    count = str(threads_each(processes))
    wanted = {
        "OMP_NUM_THREADS": count,
        "NUMBA_NUM_THREADS": count,
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        # Each process would say that all weights were used in the first step, which is nothing to warn about.
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def shorten_socket_paths() -> None:
    """Let processes meet in a short folder where the temporary one is too long for a socket's path (108 bytes).

    Loading processes hand tensors over through sockets in the temporary folder; with a longer path the thread that
    serves them dies, and both sides wait for each other for ever.
    """
    if os.name != "posix" or len(tempfile.gettempdir()) <= 60:
        return
    settings = vars(multiprocessing.current_process())["_config"]  # read by multiprocessing.util.get_temp_dir
    if settings.get("tempdir") is None:
        short = folder_of_this_process(Path("/tmp"))  # noqa: S108 - a new name, and for this user alone
        settings["tempdir"] = str(short)


def worker_died(workers: int, kept: str) -> InputError:
    """Return the error for a process that ended before its work was done; `kept` says what a second run finds."""
    return InputError(
        "a worker process was ended from outside (out of memory?); "
        f"run the same command again with fewer workers than {workers}, {kept}"
    )
