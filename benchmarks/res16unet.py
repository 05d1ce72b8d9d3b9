"""Res16UNet on the CPU beside MinkowskiEngine: `python -m benchmarks.res16unet [--json] [--variants 34C 34D]`.

One furnished room of 224,000 sites, kernel maps included in every forward pass, features and logits of 200 classes
returned. MinkowskiEngine is not installed here: its figures are constants, measured once with its CPU build (0.5.4) on
two cores of such a machine (`RIVAL`). Wall seconds mean something on an idle machine only; CPU seconds (all threads)
say what the work costs when other programs run. Memory is measured in a process of its own: peak resident memory of a
forward pass less what was resident before it (`extra_mb`), and of the whole process (`peak_mb`).
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle OpenMP threads must sleep, not spin

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from benchmarks.rooms_sites import room_sites
from saymask.nn.res16unet.network import LEVELS, Res16Output, Res16UNet, res16unet
from saymask.sparse import SitePyramid, build_sites, cpu_has_bf16

RIVAL = {"34C": (6.05, 1.8), "34D": (43.6, 4.7)}
"""Variant → (seconds, GB) of MinkowskiEngine on two cores."""
WARM_UP_SITES = 3_000


def make_net(variant: str) -> Res16UNet:
    """Return a network with drawn weights and BatchNorm statistics that fit them."""
    torch.manual_seed(0)
    net = res16unet(variant)
    pyramid = build_sites(torch.from_numpy(room_sites(WARM_UP_SITES, voxel=0.15)), LEVELS)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    for norm in norms:
        norm.momentum = 0.5
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(len(pyramid), 3) - 0.5, pyramid)
    return net.eval()


def forward(net: Res16UNet, feats: torch.Tensor, coords: torch.Tensor, mode: str) -> Res16Output:
    """Build sites and maps and run the net; mode fp32, bf16 or bf16_logits (which leaves the features out)."""
    pyramid = build_sites(coords, LEVELS)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=mode != "fp32"):
        return net(feats[pyramid.order], pyramid, features=mode != "bf16_logits")


def work(net: Res16UNet, pyramid: SitePyramid) -> float:
    """Return the GFLOP of the convolutions of one forward pass: two per multiplication that a pair of sites needs."""
    total = 0
    sites = pyramid.levels
    pairs = [len(level.kernel_map().in_rows) for level in sites]
    convs: list[tuple[torch.Tensor, int]] = [
        (net.input_conv.weight, len(sites[0].kernel_map(net.plan.stem_size).in_rows))
    ]
    stages = [(stage, i, i + 1) for i, stage in enumerate(net.encoder_stages)]
    stages += [(stage, 3 - i, 3 - i) for i, stage in enumerate(net.decoder_stages)]
    for stage, fine, own in stages:
        convs.append((stage.conv.weight, len(sites[fine])))
        for block in stage.block_modules:
            convs += [(block.conv1.weight, pairs[own]), (block.conv2.weight, pairs[own])]
            if block.shortcut is not None:
                convs.append((block.shortcut.weight[None], len(sites[own])))
    if net.classifier is not None:
        convs.append((net.classifier.weight[None], len(sites[0])))
    for weight, count in convs:
        total += 2 * count * weight.shape[-1] * weight.shape[-2]
    return total / 1e9


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Return (wall seconds, CPU seconds of all threads)."""
    wall, used = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - used


def measure(variant: str, mode: str, sites: int, rounds: int) -> dict[str, float]:
    """Time and measure one variant in one mode in this process."""
    net = make_net(variant)
    small = torch.from_numpy(room_sites(5_000, voxel=0.1))
    coords = torch.from_numpy(room_sites(sites))
    feats = torch.rand(len(coords), 3) - 0.5
    forward(net, feats[: len(small)], small, mode)  # compiles the kernels and packs the weights
    result: dict[str, float] = {"sites": len(coords), "threads": torch.get_num_threads()}
    if mode != "fp32":
        exact = forward(net, feats[: len(small)], small, "fp32").logits
        low = forward(net, feats[: len(small)], small, mode).logits
        assert exact is not None
        assert low is not None
        result["logits_error"] = float((low - exact).norm() / exact.norm())
        result["same_class"] = float((low.argmax(1) == exact.argmax(1)).float().mean())
        forward(net, feats[: len(small)], small, mode)
    Path("/proc/self/clear_refs").write_text("5")  # peak := what is resident now
    before = _status("VmRSS")
    times = [timed(lambda: forward(net, feats, coords, mode)) for _ in range(rounds)]
    result["extra_mb"] = (_status("VmHWM") - before) / 1024
    result["peak_mb"] = _status("VmHWM") / 1024
    result["wall_s"] = median(wall for wall, _ in times)
    result["cpu_s"] = median(used for _, used in times)
    result["gflop"] = work(net, build_sites(coords, LEVELS))
    result["gflop_per_cpu_s"] = result["gflop"] / result["cpu_s"]
    seconds, memory = RIVAL[variant]
    result["rival_s"], result["rival_gb"] = seconds, memory
    result["speedup_wall"] = seconds / result["wall_s"]
    # The rival kept two cores busy; this is the ratio on two cores that nobody else uses.
    result["speedup_two_cores"] = seconds / (result["cpu_s"] / 2)
    result["memory_ratio"] = result["peak_mb"] / 1024 / memory
    return result


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--variants", nargs="+", choices=tuple(RIVAL), default=list(RIVAL))
    parser.add_argument("--modes", nargs="+", choices=("fp32", "bf16", "bf16_logits"), default=None)
    parser.add_argument("--sites", type=int, default=224_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0 = torch's default")
    parser.add_argument("--alone", action="store_true", help="measure the one variant and mode in this process")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    modes = options.modes or (["fp32", "bf16", "bf16_logits"] if cpu_has_bf16() else ["fp32"])
    if options.alone:
        print(json.dumps(measure(options.variants[0], modes[0], options.sites, options.rounds)))
        return
    result: dict[str, dict[str, float]] = {}
    for variant in options.variants:
        for mode in modes:
            command = [
                sys.executable, "-m", "benchmarks.res16unet", "--alone", "--variants", variant, "--modes", mode,
                "--sites", str(options.sites), "--rounds", str(options.rounds), "--threads", str(options.threads),
            ]  # fmt: skip
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            found = json.loads(output.splitlines()[-1])
            result[f"{variant}.{mode}"] = found
            print(f"{variant} {mode}")
            for name, value in found.items():
                print(f"    {name:18s} {value:.4g}")
    if options.json:
        print(json.dumps({k: {n: round(x, 5) for n, x in v.items()} for k, v in result.items()}))


if __name__ == "__main__":
    main()
