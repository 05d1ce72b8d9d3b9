"""Res16UNet: forward pass of the networks with 34 layers.

Features and logits of 200 classes over one furnished room of 224,000 sites, kernel maps included; the limit is the
time of plain matrix products of as much work, and memory is that of the whole process. MinkowskiEngine is not installed
here: its CPU build (0.5.4) needed 6.05 s and 1.8 GB for 34C and 43.6 s and 4.7 GB for 34D, measured once on two cores
of another such machine.
"""

import torch

from benchmarks.speed import limits
from benchmarks.speed.clock import apart, resident, turns
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.room_sites import room_sites
from saymask.nn.res16unet.network import LEVELS, Res16Output, Res16UNet, res16unet
from saymask.sparse import SitePyramid, build_sites, cpu_has_bf16, inference_precision

SITES, FEW = 224_000, 10_000
ROUNDS = {"34C": 3, "34D": 1}
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


def forward(net: Res16UNet, feats: torch.Tensor, coords: torch.Tensor, precision: str) -> Res16Output:
    """Build sites and maps and run the net."""
    pyramid = build_sites(coords, LEVELS)
    with torch.inference_mode(), inference_precision(precision):
        return net(feats[pyramid.order], pyramid)


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


def forward_seconds(variant: str, precision: str, sites: int, rounds: int) -> dict[str, float]:
    """Return wall and CPU seconds of a forward pass, those of products of its work, and this process' peak in MB."""
    net, coords = make_net(variant), torch.from_numpy(room_sites(sites))
    feats = torch.rand(len(coords), 3) - 0.5
    product, flop = limits.product(torch.bfloat16 if precision == "bf16" else torch.float32)
    small = torch.from_numpy(room_sites(WARM_UP_SITES, voxel=0.15))
    forward(net, feats[: len(small)], small, precision)
    taken = turns({"net": lambda: forward(net, feats, coords, precision), "product": product}, rounds)
    megabytes, gflop = resident("VmHWM"), work(net, build_sites(coords, LEVELS))
    return {"wall": taken["net"].wall, "cpu": taken["net"].cpu, "limit": gflop / flop * taken["product"].wall,
            "MB": megabytes, "GFLOP": gflop}  # fmt: skip


def measure(effort: Effort) -> list[Figure]:
    """Return the figures of each network and precision."""
    figures = []
    for variant, rounds in list(ROUNDS.items())[: 1 if effort.quick else None]:
        for precision in ("fp32", *(("bf16",) if cpu_has_bf16() else ())):
            sites = FEW if effort.quick else SITES
            found = apart(forward_seconds, variant, precision, sites, effort.rounds(rounds))
            figures += [
                Figure(f"{variant}, {precision}", found["wall"], cpu=found["cpu"], limit=found["limit"],
                       limit_of="products", note=f"{found['GFLOP']:,.0f} GFLOP."),
                Figure(f"{variant}, {precision}: peak memory of the process", found["MB"], "MB"),
            ]  # fmt: skip
    return figures
