"""Measurement whether this CPU gains by bfloat16: once per CPU and compiler, then remembered in the cache folder."""

import hashlib
import json
import time
from functools import cache

import llvmlite
import llvmlite.binding
import torch

from saymask.errors import InputError
from saymask.sparse.backends.cpu import amx
from saymask.sparse.backends.cpu.ops import pack_weight, run
from saymask.sparse.backends.cpu.tiles import HAS_BF16, cpu_features
from saymask.sparse.backends.epilogue import Epilogue
from saymask.sparse.kernel_map import KernelMap, Pairs
from saymask.util.files import cache_folder, read_json, write_text

FASTER = 1.2
"""Gain of a hot tile from which bfloat16 vector products are used: what surrounds them (rounding, pairs) costs some."""
ROWS, CHANNELS, TAPS = 1024, 64, 27
"""Of the tile that is measured: it stays in the second-level cache."""
REPEATS = 7


@cache
def bf16_pays() -> bool:
    """Say whether products in bfloat16 are faster than in float32: on AMX tiles always, else if a tile was measured so.

    AVX512_BF16 alone says little: some CPUs run its instruction at half the rate of the float32 one.
    """
    return amx.has_amx() or (HAS_BF16 and tile_gain() >= FASTER)


def tile_gain() -> float:
    """Return how many times faster a hot tile is in bfloat16 than in float32, measured at the first call on a CPU."""
    features = json.dumps(cpu_features(), sort_keys=True)
    flags = hashlib.sha256(features.encode()).hexdigest()[:12]
    key = f"{llvmlite.binding.get_host_cpu_name()} {flags}, llvmlite {llvmlite.__version__}"
    path = cache_folder() / "bf16_gain.json"
    try:
        known = read_json(path)
        gains = known if isinstance(known, dict) else {}
    except (OSError, InputError):
        gains = {}
    gain = gains.get(key)
    if isinstance(gain, (int, float)) and gain > 0:
        return float(gain)
    gain = _seconds(bf16=False) / _seconds(bf16=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({**gains, key: gain}, indent=1) + "\n")
    except OSError:  # without a cache it is measured by every process: some milliseconds
        pass
    return gain


def _seconds(*, bf16: bool) -> float:
    """Return the CPU time of the tile on one thread, the shortest of several."""
    generator = torch.Generator().manual_seed(0)
    dtype = torch.bfloat16 if bf16 else torch.float32
    x = torch.randn(ROWS, CHANNELS, generator=generator).to(dtype)
    packed = pack_weight(torch.randn(TAPS, CHANNELS, CHANNELS, generator=generator), dtype)
    rows = torch.arange(ROWS, dtype=torch.int32).repeat(TAPS)
    kernel_map = KernelMap(Pairs(rows, rows, tuple(ROWS * k for k in range(TAPS + 1))), ROWS, ROWS)
    y = torch.empty(ROWS, CHANNELS, dtype=dtype)
    best = float("inf")
    for _ in range(REPEATS):  # the first one also compiles
        start = time.process_time()
        run(x, packed, CHANNELS, kernel_map, Epilogue(raw=y))
        best = min(best, time.process_time() - start)
    return best
