"""Sizes of the tiles of the GPU kernels: measured once per device, triton and size of problem, then remembered."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import triton

from saymask.errors import InputError
from saymask.util.files import cache_folder, read_json, write_text

_TRITON: Any = triton  # whose types leave parts out
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's interpreter runs the kernels, on the CPU: nothing is measured then."""


@dataclass(frozen=True)
class Problem:
    """A kind and size of work, which decides which tiles are fastest."""

    kind: str  # forward or weight
    c_in: int
    c_out: int
    volume: int
    rows: int
    dtype: str
    precision: str

    @property
    def bucket(self) -> str:
        """The name under which the tiles are remembered: rows count by their power of two."""
        return " ".join(map(str, (*astuple(self)[:4], self.rows.bit_length(), self.dtype, self.precision)))


@dataclass(frozen=True)
class Tiles:
    """Rows, output channels and input channels of a tile, and how Triton runs it."""

    rows: int
    outs: int
    ins: int
    warps: int
    stages: int


def candidates(problem: Problem) -> list[Tiles]:
    """Return the tiles to choose from, the likeliest first."""
    outs, ins = _width(problem.c_out, 128), _width(problem.c_in, 64)
    if problem.dtype == "torch.float32" and problem.precision == "ieee":
        # Exact products do not run on tensor cores: the compiler writes each of them out.
        outs = min(outs, 64)
        small, wide = (16, min(ins, 32)) if problem.kind == "forward" else (min(ins, 32), min(ins, 64))
        sizes = [(64, outs, small, 4, 2), (32, outs, wide, 4, 2), (64, min(outs, 32), small, 4, 2)]
    elif problem.kind == "weight":  # sums are [ins, outs]: both are kept small
        outs = min(outs, 64)
        sizes = [(64, outs, ins, 4, 2), (32, outs, ins, 4, 3), (64, min(outs, 32), min(ins, 32), 4, 3)]
    else:
        sizes = [
            (64, outs, min(ins, 32), 4, 3),
            (128, outs, min(ins, 32), 4, 3),
            (64, outs, ins, 4, 2),
            (128, min(outs, 64), ins, 8, 3),
        ]
    return list(dict.fromkeys(Tiles(*size) for size in sizes))


def tiles_for(problem: Problem, prepare: Callable[[], Callable[[Tiles], object]]) -> Tiles:
    """Return the tiles for `problem`; at its bucket's first time on this device all candidates are run and timed.

    `prepare` returns what runs the problem and leaves no trace.
    """
    if INTERPRETED:
        return candidates(problem)[0]
    known = _known(torch.cuda.get_device_name())
    if problem.bucket not in known:
        known[problem.bucket] = fastest(candidates(problem), prepare(), _milliseconds)
        _remember(torch.cuda.get_device_name(), known)
    return known[problem.bucket]


def fastest(
    choices: list[Tiles], run: Callable[[Tiles], object], measure: Callable[[Callable[[], object]], float]
) -> Tiles:
    """Return the choice that `measure` finds fastest; one that the device lacks memory on the chip for is left out."""
    times: dict[Tiles, float] = {}
    for tiles in choices:
        try:
            times[tiles] = measure(lambda tiles=tiles: run(tiles))
        except _TRITON.runtime.errors.OutOfResources:
            continue
    if not times:
        raise InputError("no tile of the sparse convolution fits this GPU: use_backend('torch') works on every device")
    return min(times, key=lambda tiles: times[tiles])


def _milliseconds(run: Callable[[], object]) -> float:
    return float(_TRITON.testing.do_bench(run, warmup=2, rep=8, return_mode="median"))


def _path(device: str) -> Path:
    name = "".join(c if c.isalnum() else "_" for c in f"{device} triton {triton.__version__}")
    return cache_folder() / "tiles" / f"{name}.json"


@cache
def _known(device: str) -> dict[str, Tiles]:
    """Return bucket → tiles as the cache folder has them; what cannot be read is measured anew."""
    try:
        return {bucket: Tiles(**tiles) for bucket, tiles in read_json(_path(device)).items()}
    except (OSError, InputError, TypeError, AttributeError):
        return {}


def _remember(device: str, known: dict[str, Tiles]) -> None:
    path = _path(device)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({bucket: asdict(tiles) for bucket, tiles in known.items()}, indent=1) + "\n")
    except OSError:  # without a cache every process measures
        pass


def _width(channels: int, most: int) -> int:
    """Return the power of two that holds `channels`, within 16 and `most`."""
    return max(16, min(most, 1 << (channels - 1).bit_length()))
