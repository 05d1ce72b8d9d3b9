"""Sparse U-Net on the CPU against spconv: `python -m benchmarks.sparse_unet [--json]`.

One furnished room of 224,000 sites, the same weights on both sides, kernel maps included in every forward pass. The
sides take turns and medians are compared, because other work may run on the machine. Memory is measured in a process
per side: peak resident memory of one forward pass less what was resident before it.
"""

import os

# Idle OpenMP threads must sleep, not spin: on a busy machine spinning costs both sides a multiple of the work itself.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.rooms_sites import room_sites
from saymask.nn.unet.network import SparseUNet
from saymask.sparse import build_sites, cpu_has_bf16

WIDTHS = (32, 64, 96, 128, 160)


def make_net() -> SparseUNet:
    """Return the U-Net with drawn weights and BatchNorm statistics that fit them."""
    torch.manual_seed(0)
    net = SparseUNet(6, WIDTHS)
    pyramid = build_sites(torch.from_numpy(room_sites(20_000, voxel=0.06)), len(WIDTHS))
    with torch.no_grad():
        for _ in range(20):
            net(torch.rand(len(pyramid), 6) * 2 - 1, pyramid)
    return net.eval()


def forward_ours(net: SparseUNet, feats: torch.Tensor, coords: torch.Tensor, bf16: bool) -> torch.Tensor:
    """Build sites and maps, run the net, return features in the order of coords."""
    pyramid = build_sites(coords, len(WIDTHS))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return net(feats[pyramid.order], pyramid)[pyramid.inverse]


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_memory(side: str, sites: int) -> float:
    """Return the extra peak memory (MB) of one forward pass, measured in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.sparse_unet", "--memory", side, "--sites", str(sites)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def measure_memory(side: str, sites: int) -> float:
    """Run one small and one full forward pass of `side` here and return the peak of the full one in MB."""
    net = make_net()
    small = torch.from_numpy(room_sites(5_000, voxel=0.1))
    coords = torch.from_numpy(room_sites(sites))
    feats = torch.rand(len(coords), 6) * 2 - 1
    if side == "spconv":
        from benchmarks.spconv_unet import SpconvUNet, even_shape

        rival = SpconvUNet(net).eval()

        def run(c: torch.Tensor) -> None:
            with torch.inference_mode():
                rival(feats[: len(c)], c, even_shape(c.numpy(), len(WIDTHS)))
    else:

        def run(c: torch.Tensor) -> None:
            forward_ours(net, feats[: len(c)], c, side == "bf16")

    run(small)
    Path("/proc/self/clear_refs").write_text("5")  # peak := what is resident now
    before = _status("VmRSS")
    run(coords)
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def compare(sites: int, rounds: int) -> dict[str, float]:
    """Time both sides in turns and return seconds, ratios and errors by name."""
    from benchmarks import spconv_unet

    net = make_net()
    rival = spconv_unet.SpconvUNet(net).eval()
    coords = torch.from_numpy(room_sites(sites))
    shape = spconv_unet.even_shape(coords.numpy(), len(WIDTHS))
    feats = torch.rand(len(coords), 6) * 2 - 1
    trained = SparseUNet(6, WIDTHS)

    def train_forward() -> torch.Tensor:
        pyramid = build_sites(coords, len(WIDTHS))
        return trained(feats[pyramid.order], pyramid)

    def train_step() -> None:
        train_forward().square().mean().backward()
        trained.zero_grad()

    def theirs() -> torch.Tensor:
        with torch.inference_mode():
            return rival(feats, coords, shape)

    jobs: dict[str, Callable[[], object]] = {
        "spconv": theirs,
        "fp32": lambda: forward_ours(net, feats, coords, False),
        "maps_spconv": lambda: spconv_unet.build_maps(coords, shape, len(WIDTHS)),
        "maps": lambda: build_sites(coords, len(WIDTHS)).build_maps(),
        "train_forward": train_forward,
        "train_step": train_step,
    }
    if cpu_has_bf16():
        jobs["bf16"] = lambda: forward_ours(net, feats, coords, True)
    result: dict[str, float] = {
        "sites": len(coords),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
    }
    # spconv 2.3.8 on several CPU threads differs from itself from run to run by some percent; on one it is exact.
    torch.set_num_threads(1)
    expected = theirs()
    torch.set_num_threads(int(result["threads"]))
    got = forward_ours(net, feats, coords, False)
    result["fp32_error"] = float((got - expected).norm() / expected.norm())
    if "bf16" in jobs:
        low = forward_ours(net, feats, coords, True)
        result["bf16_error"] = float((low - expected).norm() / expected.norm())
    for job in jobs.values():
        job()  # compile and warm up
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(rounds):
        for name, job in jobs.items():
            if name.startswith("train") and turn >= 3:
                continue  # slow, and compared with itself only
            times[name].append(timed(job))
    for name, seconds in times.items():
        result[f"{name}_s"] = median(seconds)
    result["fp32_speedup"] = result["spconv_s"] / result["fp32_s"]
    if "bf16" in jobs:
        result["bf16_speedup"] = result["spconv_s"] / result["bf16_s"]
    result["maps_speedup"] = result["maps_spconv_s"] / result["maps_s"]
    result["train_ratio"] = result["train_step_s"] / result["train_forward_s"]
    return result


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--sites", type=int, default=224_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0 = torch's default")
    parser.add_argument("--memory", choices=("fp32", "bf16", "spconv"), help="print one side's peak memory and stop")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory:
        print(measure_memory(options.memory, options.sites))
        return
    result = compare(options.sites, options.rounds)
    for side in ("spconv", "fp32", *(("bf16",) if cpu_has_bf16() else ())):
        result[f"{side}_mb"] = peak_memory(side, options.sites)
    result["memory_ratio"] = result["fp32_mb"] / result["spconv_mb"]
    for name, value in result.items():
        print(f"{name:16s} {value:.4g}")
    if options.json:
        print(json.dumps({name: round(float(np.float64(value)), 5) for name, value in result.items()}))


if __name__ == "__main__":
    main()
