"""Sparse U-Net: forward pass and kernel maps beside spconv.

Five levels, widths 32-64-96-128-160, the same weights on both sides, one furnished room of 224,000 sites, kernel maps
included in every forward pass. The limit is the time of plain matrix products of as much work. Outputs are compared
before anything is timed, on one thread: on several, spconv 2.3.8 differs from itself from run to run by some percent.
bfloat16 is used where the rule says that it pays; the rule is also put to this CPU with features masked, where numba
compiles without them: it must never choose the slower one. spconv cannot train on a CPU, so a training step stands
beside its own forward pass.
"""

from collections.abc import Callable
from importlib.util import find_spec
from math import prod
from typing import Any

import torch

from benchmarks.speed import limits
from benchmarks.speed.clock import Taken, apart, peak, turns
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.room_sites import room_sites
from saymask.nn.unet.network import SparseUNet
from saymask.sparse import SitePyramid, build_sites, cpu_has_bf16, inference_precision

WIDTHS = (32, 64, 96, 128, 160)
SITES, FEW = 224_000, 20_000
ROUNDS = 5
EQUAL = {"fp32": 1e-5, "bf16": 1e-2}
"""Relative difference of outputs from which they are wrong."""
NEVER_SLOWER = 1.05
"""Ratio of the chosen precision's CPU seconds to the faster one's that the clock's scatter explains."""
MASKS = {"without AMX": ("amx",), "without bfloat16": ("amx", "avx512bf16"), "AVX2": ("amx", "avx512", "avx10", "evex")}
"""Name -> beginnings of the features that are taken away."""


def make_net() -> SparseUNet:
    """Return the U-Net with drawn weights and BatchNorm statistics that fit them."""
    torch.manual_seed(0)
    net = SparseUNet(6, WIDTHS)
    pyramid = build_sites(torch.from_numpy(room_sites(FEW, voxel=0.06)), len(WIDTHS))
    with torch.no_grad():
        for _ in range(20):
            net(torch.rand(len(pyramid), 6) * 2 - 1, pyramid)
    return net.eval()


def forward(net: SparseUNet, feats: torch.Tensor, coords: torch.Tensor, precision: str) -> torch.Tensor:
    """Build sites and maps, run the net, return features in the order of coords."""
    pyramid = build_sites(coords, len(WIDTHS))
    with torch.inference_mode(), inference_precision(precision):
        result = net(feats[pyramid.order], pyramid)
    assert isinstance(result, torch.Tensor)
    return result[pyramid.inverse]


def work(net: SparseUNet, pyramid: SitePyramid) -> float:
    """Return the GFLOP of a forward pass: two per multiplication that a pair of sites needs."""
    sites = pyramid.levels
    pairs = [len(level.kernel_map().in_rows) for level in sites]
    total = pairs[0] * prod(net.input_conv.weight.shape[-2:])
    for index, level in enumerate(net.level_modules):
        for block in (*level.head_blocks, *level.tail_blocks):
            total += pairs[index] * sum(prod(conv.weight.shape[-2:]) for conv in (block.conv1, block.conv2))
            total += 0 if block.shortcut is None else len(sites[index]) * prod(block.shortcut.weight.shape)
        if level.has_coarser:  # each fine site has one pair, down and up
            total += len(sites[index]) * (prod(level.down.weight.shape[-2:]) + prod(level.up.weight.shape[-2:]))
    return 2 * total / 1e9


def measure(effort: Effort) -> list[Figure]:
    """Return the figures of both sides."""
    net, count = make_net(), FEW if effort.quick else SITES
    coords = torch.from_numpy(room_sites(count))
    feats = torch.rand(len(coords), 6) * 2 - 1
    product, flop = limits.product(torch.float32)
    jobs: dict[str, Callable[[], object]] = {
        name: lambda name=name: forward(net, feats, coords, name)
        for name in ("fp32", "auto", *(("bf16",) if cpu_has_bf16() else ()))
    }
    jobs |= {"maps": lambda: build_sites(coords, len(WIDTHS)).build_maps(), "product fp32": product}
    if "bf16" in jobs:
        jobs["product bf16"] = limits.product(torch.bfloat16)[0]
    rival, why = _rival(net, coords, feats), "" if find_spec("spconv") else "spconv is not installed"
    jobs |= rival
    taken = turns(jobs, effort.rounds(ROUNDS))
    gflop = work(net, build_sites(coords, len(WIDTHS)))
    least = {p: gflop / flop * taken[f"product {p}"].wall for p in ("fp32", "bf16") if f"product {p}" in taken}
    theirs = taken["spconv"].wall if rival else None
    of = "spconv" if rival else why
    with inference_precision() as dtype:
        chosen = "bf16" if dtype == torch.bfloat16 else "fp32"
    figures = [
        _forward("forward, float32", taken["fp32"], least["fp32"], theirs, of),
        *([_forward("forward, bfloat16", taken["bf16"], least["bf16"], theirs, of)] if "bf16" in taken else []),
        Figure("kernel maps of all levels", taken["maps"].wall, cpu=taken["maps"].cpu,
               peer=taken["spconv maps"].wall if rival else None, peer_of=of),
    ]  # fmt: skip
    if rival:
        figures.insert(0, Figure("spconv / forward, float32", taken["spconv"].wall / taken["fp32"].wall, "×", aim=3.0,
                                 before=2.9, parts=_parts(taken["fp32"], taken["maps"])))  # fmt: skip
        if chosen == "bf16":
            figures.insert(1, Figure("spconv / forward, bfloat16", taken["spconv"].wall / taken["bf16"].wall, "×",
                                     aim=6.0, parts=_parts(taken["bf16"], taken["maps"])))  # fmt: skip
    figures += _training(coords, feats, effort)
    figures += [
        _rule("as it is", chosen, {name: job.cpu for name, job in taken.items() if name in ("fp32", "auto", "bf16")})
    ]
    for name, features in masked().items():
        found = apart(forward_seconds, count, effort.rounds(ROUNDS), environment={"NUMBA_CPU_FEATURES": features})
        figures += [
            Figure(f"forward, float32, {name}", found["wall"]["fp32"], cpu=found["cpu"]["fp32"]),
            _rule(name, found["chosen"], found["cpu"]),
        ]
    for side in ("fp32", *(("bf16",) if cpu_has_bf16() else ())):
        theirs = apart(memory, "spconv", count) if rival else None
        figures.append(Figure(f"memory of a forward pass, {side}", apart(memory, side, count), "MB",
                              peer=theirs, peer_of=of))  # fmt: skip
    return figures


def _forward(what: str, taken: Taken, limit: float, theirs: float | None, of: str) -> Figure:
    return Figure(what, taken.wall, cpu=taken.cpu, limit=limit, limit_of="products", peer=theirs, peer_of=of)


def _parts(whole: Taken, maps: Taken) -> dict[str, float]:
    return {"kernel maps": maps.wall, "convolutions": whole.wall - maps.wall}


def _rule(name: str, chosen: str, cpu: dict[str, float]) -> Figure:
    """Return the cost of the precision that the rule chooses, over that of the faster one."""
    ratio = cpu["auto"] / min(cpu.values())
    told = ", ".join(f"{p} {cpu[p]:.2f}" for p in ("fp32", "bf16") if p in cpu)
    return Figure(f"rule of bfloat16, {name}: {chosen} / the faster", ratio, "", aim=NEVER_SLOWER, parts=dict(cpu),
                  note=f"CPU seconds: {told}." if "bf16" in cpu else "")  # fmt: skip


def _rival(net: SparseUNet, coords: torch.Tensor, feats: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return spconv's jobs, once their output was found to be ours; none where spconv is not installed."""
    if not find_spec("spconv"):
        return {}
    from benchmarks.speed.spconv_unet import SpconvUNet, build_maps, even_shape

    rival, shape = SpconvUNet(net).eval(), even_shape(coords.numpy(), len(WIDTHS))

    def theirs() -> torch.Tensor:
        with torch.inference_mode():
            return rival(feats, coords, shape)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = theirs()
    torch.set_num_threads(threads)
    for precision, most in EQUAL.items():
        if precision == "bf16" and not cpu_has_bf16():
            continue
        error = float((forward(net, feats, coords, precision) - expected).norm() / expected.norm())
        if error > most:
            raise RuntimeError(f"{precision}: the output differs from spconv's by {error:.2g}")
    return {"spconv": theirs, "spconv maps": lambda: build_maps(coords, shape, len(WIDTHS))}


def _training(coords: torch.Tensor, feats: torch.Tensor, effort: Effort) -> list[Figure]:
    net = SparseUNet(6, WIDTHS)

    def ahead() -> torch.Tensor:
        pyramid = build_sites(coords, len(WIDTHS))
        result = net(feats[pyramid.order], pyramid)
        assert isinstance(result, torch.Tensor)
        return result

    def step() -> None:
        ahead().square().mean().backward()
        net.zero_grad()

    taken = turns({"forward": ahead, "step": step}, effort.rounds(2))
    return [
        Figure("training step", taken["step"].wall, cpu=taken["step"].cpu, limit=3 * taken["forward"].wall,
               limit_of="three of its forward passes"),
    ]  # fmt: skip


def masked() -> dict[str, str]:
    """Return numba's words for this CPU without some of its features; only masks that take something away."""
    from saymask.sparse.backends.cpu.tiles import cpu_features

    host = {name for name, there in cpu_features().items() if there}
    found: dict[str, str] = {}
    for title, starts in MASKS.items():
        lost = {name for name in host if name.startswith(starts)}
        words = ",".join(sorted(f"{'-' if name in lost else '+'}{name}" for name in host))
        if lost and words not in found.values():
            found[title] = words
    return found


def forward_seconds(count: int, rounds: int) -> dict[str, Any]:
    """Return which precision is chosen here, and wall and CPU seconds of each that this process has."""
    net, coords = make_net(), torch.from_numpy(room_sites(count))
    feats = torch.rand(len(coords), 6) * 2 - 1
    from saymask.sparse.backends.cpu.tiles import HAS_BF16

    names = ("fp32", "auto", *(("bf16",) if HAS_BF16 else ()))
    taken = turns({name: lambda name=name: forward(net, feats, coords, name) for name in names}, rounds)
    with inference_precision() as dtype:
        chosen = "bf16" if dtype == torch.bfloat16 else "fp32"
    wall, cpu = ({name: getattr(one, clock) for name, one in taken.items()} for clock in ("wall", "cpu"))
    return {"chosen": chosen, "wall": wall, "cpu": cpu}


def memory(side: str, count: int) -> float:
    """Return the megabytes that one forward pass of fp32, bf16 or spconv needs at its peak in this process."""
    net, small, coords = make_net(), *(torch.from_numpy(room_sites(*a)) for a in ((5_000,), (count,)))
    feats = torch.rand(len(coords), 6) * 2 - 1
    if side == "spconv":
        from benchmarks.speed.spconv_unet import SpconvUNet, even_shape

        rival = SpconvUNet(net).eval()

        def run(c: torch.Tensor) -> None:
            with torch.inference_mode():
                rival(feats[: len(c)], c, even_shape(c.numpy(), len(WIDTHS)))
    else:

        def run(c: torch.Tensor) -> None:
            forward(net, feats[: len(c)], c, side)

    run(small)
    return peak(lambda: run(coords))
