"""Sharing work between threads and processes."""

import multiprocessing

import pytest
import torch

from saymask.sparse import build_sites, subm_conv
from saymask.util.threads import split_work
from tests.sparse.helpers import some_sites


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_every_item_once(threads, count):
    before = torch.get_num_threads()
    done: list[int] = []
    try:
        torch.set_num_threads(threads)
        split_work(count, lambda first, last: done.extend(range(first, last)))
    finally:
        torch.set_num_threads(before)
    assert sorted(done) == list(range(count))


def test_errors_come_through():
    def fail(first, last):
        raise RuntimeError("no")

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(RuntimeError, match="no"):
            split_work(10, fail)
    finally:
        torch.set_num_threads(before)


def _convolve(queue):
    torch.set_num_threads(2)
    level = build_sites(some_sites(3000, 12), 1).levels[0]
    queue.put(float(subm_conv(torch.ones(len(level), 6), torch.ones(27, 6, 4), level).sum()))


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_worker_processes(method):
    before = torch.get_num_threads()
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    try:
        _convolve(queue)  # the parent's pool exists before the child is forked
    finally:
        torch.set_num_threads(before)
    expected = queue.get()
    child = context.Process(target=_convolve, args=(queue,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert queue.get() == expected
