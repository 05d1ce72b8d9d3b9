"""Sharing the cores of a machine among processes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def share(processes: int) -> int:
    """Return how many threads each of `processes` gets; OMP_NUM_THREADS has the last word."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(os.environ.get("OMP_NUM_THREADS") or cores // processes))


def limit_threads(processes: int) -> None:
    """Give torch and the compiled kernels of this process their share of the cores when `processes` of them work."""
    import torch

    set_threads(share(processes))
    torch.set_num_threads(share(processes))


def set_threads(count: int) -> None:
    """Give the compiled kernels of this process `count` threads.

    Where numba has not started its threads yet, its pool is made that small: threads that a pool has and that do not
    work would still spin. This starts none, so the process can be forked afterwards.
    """
    import numba
    from numba.core import config

    most = int(vars(config)["NUMBA_NUM_THREADS"])
    if kernels_have_run():
        numba.set_num_threads(min(count, most))
    elif count < most:
        os.environ["NUMBA_NUM_THREADS"] = str(count)
        config.reload_config()


def kernels_have_run() -> bool:
    """Return whether numba has started its threads in this process, which then cannot be forked any more."""
    if "numba" not in sys.modules:
        return False
    from numba.np.ufunc import parallel

    return bool(parallel._is_initialized)


@contextmanager
def environment_for(processes: int) -> Iterator[None]:
    """Processes started inside the block have thread pools of their share's size, whose threads sleep while they wait.

    By default every pool is as large as the machine and its threads spin for work: several processes then take the
    cores from each other and become many times slower. Both settings are read when a library is loaded, so they must
    be there before the process is. Only start processes inside the block: this process keeps its own pools.
    """
    count = str(share(processes))
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
