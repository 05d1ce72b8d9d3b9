"""Limits of this machine: matrix products, copies, and the start of a process that imports torch and numba."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from statistics import median

import torch

from benchmarks.speed.clock import timed
from benchmarks.speed.figure import Figure

SIZE = 1536
COPIED = 2**28
"""Bytes: far more than any cache."""
ROUNDS = 7


def product(dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """Return a job of plain matrix products and its GFLOP."""
    a, b = (torch.randn(SIZE, SIZE).to(dtype) for _ in range(2))
    return lambda: a @ b, 2 * SIZE**3 / 1e9


def _best(job: Callable[[], object]) -> float:
    job()
    return min(timed(job).wall for _ in range(ROUNDS))


@cache
def gflops(dtype: torch.dtype = torch.float32) -> float:
    """Return GFLOP/s of plain matrix products on all threads."""
    job, work = product(dtype)
    return work / _best(job)


@cache
def copied() -> float:
    """Return GB/s of a copy: what is read and what is written, together."""
    source, target = (torch.zeros(COPIED, dtype=torch.uint8) for _ in range(2))
    return 2 * COPIED / 1e9 / _best(lambda: target.copy_(source))


@cache
def started() -> float:
    """Return the seconds of a fresh Python that imports torch and numba and ends."""
    command = [sys.executable, "-c", "import torch, numba"]
    return median(timed(lambda: subprocess.run(command, check=True)).wall for _ in range(3))


def figures() -> list[Figure]:
    """Return all of them."""
    return [
        Figure("products, float32", gflops(), "GFLOP/s"),
        Figure("products, bfloat16", gflops(torch.bfloat16), "GFLOP/s"),
        Figure("copy, read and written", copied(), "GB/s"),
        Figure("a process that imports torch and numba", started()),
    ]
