"""A thread pool for kernels that release the GIL; safe in forked and spawned worker processes."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}  # (process, threads): a forked child must not use its parent's


def split_work(count: int, work: Callable[[int, int], None], *, smallest: int = 1) -> None:
    """Call work(first, last) over 0..count in parts, on as many threads as torch uses (`torch.set_num_threads`).

    Parts hold at least `smallest` items; with one thread or too little work it is a plain call.
    """
    import torch  # late: only commands that compute load it

    threads = min(torch.get_num_threads(), max(1, count // smallest))
    if threads <= 1:
        if count:
            work(0, count)
        return
    parts = min(count // smallest, 4 * threads)
    edges = [count * i // parts for i in range(parts + 1)]
    pool = _pool(threads - 1)
    waiting = iter(list(pairwise(edges)))

    def drain() -> None:
        for first, last in waiting:  # a list iterator hands out each item once, under the GIL
            work(first, last)

    others = [pool.submit(drain) for _ in range(threads - 1)]
    drain()
    for other in others:
        other.result()


def _pool(workers: int) -> ThreadPoolExecutor:
    key = (os.getpid(), workers)
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(workers, thread_name_prefix="saymask")
    return _pools[key]
