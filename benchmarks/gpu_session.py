"""One session on a borrowed GPU: what has to be checked and measured there, in parts that can be resumed.

    python -m benchmarks.gpu_session --out DIR [--data ROOMS] [--minutes 12] [--device cuda] [--parts NAME …] [--tiny]

Every part is a process of its own and leaves DIR/PART.json; what is there is not done again, so that a session which
was cut short goes on with the same command. A part that fails or runs out of time leaves its reason there instead and
is tried again. No part begins when less than half a minute is left.

    kernels    the tests of the Triton backend, compiled
    golden     every golden case of the official code on the device, in float32 without TF32
    agreement  every preset at a tiny size: answers of the device against the CPU's, with and without autocast
    unet       forward pass and training step of the U-Net at 60,000, 120,000 and 500,000 sites, with kernel maps, by
               precision and backend, as shares of the device's own matrix product and copy
    steps      a training step of the published presets at their batch sizes: milliseconds, memory, does it fit
    verbs      the embedded model from a scan to its masks
    smoke      a few training steps in mixed precision, and in one process of distributed training (needs --data)
    train      the preset of the embedded model for the rest of the time (needs --data, a folder of `saymask prepare`)

`--tiny` takes sizes that a CPU finishes in moments. The figures then say nothing about speed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.speed.room_sites import room_sites
from saymask.nn.unet.network import SparseUNet
from saymask.scan import Scan
from saymask.sparse import SitePyramid, build_sites, inference_precision, use_backend
from saymask.util.files import read_json, write_text
from saymask.util.provenance import provenance

WIDTHS = {"published": (32, 64, 96, 128, 160), "rooms": (32, 64, 96, 128)}
SITES = (60_000, 120_000, 500_000)
PUBLISHED = ("less.scanrefer", "bqnet.res", "bqnet.gres", "lground.scannet200-ce", "uniseg3d.scannet")
CARDS = (24, 80)
"""Memory of the GPUs, in GB, that people train on."""
SHARES = {
    "kernels": 0.25,
    "golden": 0.25,
    "agreement": 0.15,
    "unet": 0.25,
    "steps": 0.2,
    "verbs": 0.1,
    "smoke": 0.15,
    "train": 1.0,
}
"""Largest share of the session's time that each part may take, in the order in which they are done."""


def waited(device: str) -> None:
    """Return when the device has done everything."""
    if device == "cuda":
        torch.cuda.synchronize()


def milliseconds(run: Callable[[], object], device: str, repeats: int) -> float:
    """Return the median time of `run` after two runs that compile and warm up."""
    times = []
    for turn in range(repeats + 2):
        waited(device)
        start = time.perf_counter()
        run()
        waited(device)
        if turn > 1:
            times.append(1000 * (time.perf_counter() - start))
    return median(times)


def limits(device: str, tiny: bool) -> dict[str, float]:
    """Return what the device reaches: TFLOP/s of matrix products by type, GB/s of a copy (read and written)."""
    n, found = 256 if tiny else 8192, {}
    for name, dtype, switch in (
        ("fp32", torch.float32, "highest"), ("tf32", torch.float32, "high"), ("fp16", torch.float16, "highest"),
        ("bf16", torch.bfloat16, "highest"),
    ):  # fmt: skip
        torch.set_float32_matmul_precision(switch)
        a = torch.randn(n, n, device=device).to(dtype)
        found[name] = 2e-9 * n**3 / milliseconds(lambda a=a: a @ a, device, 5)
    torch.set_float32_matmul_precision("highest")
    a = torch.empty(2**20 if tiny else 2**28, dtype=torch.uint8, device=device)
    found["copy"] = 2e-6 * len(a) / milliseconds(lambda: a.clone(), device, 5)
    return found


def work(net: SparseUNet, pyramid: SitePyramid, bytes_each: int) -> tuple[float, float]:
    """Return (operations, least bytes moved) of a forward pass: inputs, outputs, weights and tables once per layer."""
    flops = moved = 0.0

    def count(module: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal flops, moved
        x, kernel_map = inputs
        flops += 2.0 * kernel_map.starts[-1] * x.shape[1] * output.shape[1]
        values = x.numel() + output.numel() + module.weight.numel()
        moved += bytes_each * values + 4 * kernel_map.n_out * kernel_map.volume

    convs = [module for module in net.modules() if type(module).__name__ == "SparseConv"]
    hooks = [module.register_forward_hook(count) for module in convs]
    with torch.no_grad():
        net(torch.zeros(len(pyramid), net.in_channels, device=pyramid.device), pyramid)
    for hook in hooks:
        hook.remove()
    return flops, moved


def kernels(options: argparse.Namespace) -> dict[str, Any]:
    chosen = ["-m", "not slow"] if options.device == "cpu" else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sparse/test_triton.py", *chosen]
    done = subprocess.run(command, capture_output=True, text=True)
    return {"passed": done.returncode == 0, "summary": done.stdout.strip()[-3000:]}


def golden(options: argparse.Namespace) -> dict[str, Any]:
    """How many arrays of each system's golden cases are within tolerance, and the largest share of one that is used."""
    from tests.parity import GOLDEN, SYSTEMS, run

    torch.set_float32_matmul_precision("highest")
    only = ("loss", "criterion") if options.tiny else None
    found: dict[str, Any] = {}
    for system in SYSTEMS:
        passed, failed, largest = 0, {}, (0.0, "")
        with inference_precision("fp32"):
            for file, check, error, ok in run(system, GOLDEN / system, only, device=options.device):
                name = f"{file}: {check.name}"
                if ok:
                    passed, largest = passed + 1, max(largest, (check.share(), name))
                else:
                    failed[name] = f"{error:.3g}"
        found[system] = {"passed": passed, "failed": failed, "largest_share": largest[0], "largest_at": largest[1]}
    return found


def agreement(options: argparse.Namespace) -> dict[str, Any]:
    """Largest difference of a tiny model's answers, relative to their largest value, against torch on the CPU."""
    from saymask.hub import registry
    from tests.models.test_every_preset import TWO, rows_of
    from tests.models.tiny_presets import tiny

    found: dict[str, Any] = {}
    for name in list(registry.PRESETS)[:: 9 if options.tiny else 1]:
        model = tiny(name)
        with use_backend("torch"):
            expected = rows_of(model, TWO)
        model = model.to(options.device)
        errors = {}
        for label, dtype in (("fp32", None), ("bf16", torch.bfloat16)):
            with torch.autocast(options.device, dtype) if dtype else inference_precision("fp32"):
                got = rows_of(model, TWO)
            errors[label] = max(
                float((a.float() - b.float().cpu()).abs().max() / a.float().abs().max().clamp(min=1e-6))
                for ours, theirs in zip(expected, got)
                for a, b in zip(ours, theirs)
                if a.numel()
            )
        found[name] = errors
    return found


def unet(options: argparse.Namespace) -> dict[str, Any]:
    device, reached = options.device, limits(options.device, options.tiny)
    rows: list[dict[str, Any]] = []
    types = {"fp32": None, "tf32": None, "fp16": torch.float16, "bf16": torch.bfloat16}
    for width, sites in ((w, s) for s in ((3_000,) if options.tiny else SITES) for w in WIDTHS):
        coords = torch.from_numpy(room_sites(sites, voxel=0.1 if options.tiny else 0.02)).to(device)
        torch.manual_seed(0)
        net = SparseUNet(6, WIDTHS[width]).to(device)
        pyramid = build_sites(coords, len(WIDTHS[width]))
        feats = torch.rand(len(pyramid), 6, device=device)
        maps = milliseconds(lambda c=coords, w=width: build_sites(c, len(WIDTHS[w])).build_maps(), device, 5)
        for backend, (precision, dtype) in ((b, t) for b in ("auto", "torch") for t in types.items()):
            if backend == "torch" and precision != "fp32":
                continue
            torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
            flops, moved = work(net, pyramid, 4 if dtype is None else 2)

            def forward(net: SparseUNet = net, c: torch.Tensor = coords, x: torch.Tensor = feats) -> torch.Tensor:
                made = build_sites(c, len(net.widths))
                result = net(x, made)
                assert isinstance(result, torch.Tensor)
                return result

            def step(net: SparseUNet = net, forward: Callable[[], torch.Tensor] = forward) -> None:
                forward().float().square().mean().backward()
                net.zero_grad()

            with use_backend(backend), torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None):
                net.eval()
                with torch.no_grad():
                    once = milliseconds(forward, device, 3 if options.tiny else 10)
                net.train()
                whole = milliseconds(step, device, 2 if options.tiny else 5)
            least = max(flops / reached[precision] / 1e9, moved / reached["copy"] / 1e6)  # milliseconds
            rows.append(
                {
                    "widths": width, "sites": len(pyramid), "backend": backend, "precision": precision,
                    "forward_ms": once, "training_step_ms": whole, "maps_ms": maps, "gflop": flops / 1e9,
                    "share_of_products": flops / reached[precision] / 1e9 / once,
                    "share_of_copy": moved / reached["copy"] / 1e6 / once, "share_of_limit": least / once,
                }
            )  # fmt: skip
    torch.set_float32_matmul_precision("highest")
    return {"limits": reached, "rows": rows}


def labelled_room(points: int, image_width: int) -> Scan:
    """Return a made room of about `points` points with superpoints and labels of about the usual number."""
    cells = room_sites(points)[:, 1:].astype(np.float64)
    rng = np.random.RandomState(0)
    where = (cells * 0.02 + rng.rand(*cells.shape) * 0.02).astype(np.float32)
    instance = np.unique(where // 1.2, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)
    superpoints = np.unique(where // 0.25, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)
    kinds = rng.randint(2, 18, instance.max() + 1)
    labels = {
        "instance": instance,
        "semantic20": kinds.astype(np.int16)[instance],
        "semantic200": rng.randint(0, 200, len(kinds)).astype(np.int16)[instance],
    }
    images = rng.standard_normal((superpoints.max() + 1, image_width)).astype(np.float32) if image_width else None
    colors = rng.randint(0, 256, where.shape).astype(np.uint8)
    return Scan(points=where, colors=colors, superpoints=superpoints, labels=labels, image_features=images, name="room")


def steps(options: argparse.Namespace) -> dict[str, Any]:
    """Training steps with made rooms and a stand-in for the text encoder, whose own time and memory are left out."""
    from saymask.data.annotations import Annotation
    from saymask.hub import registry
    from saymask.models.lground.anchors import make_anchors
    from tests.models.fakes import WordHash
    from tests.models.tiny_presets import tiny

    device, found = options.device, {}
    for name in PUBLISHED[:2] if options.tiny else PUBLISHED:
        chosen = registry.preset(name)
        if options.tiny:
            model = tiny(name)
        else:
            torch.manual_seed(0)
            model = registry.build(chosen, text_encoder=WordHash(chosen.model.text_width))
            if chosen.system == "lground" and chosen.model.text != "none":
                model.set_anchors(make_anchors([c.name for c in model.classes], model.text_encoder()))
            if chosen.system == "uniseg3d":
                model.begin_training(None, (), lambda line: None)
        model = model.to(device).train()
        scan = labelled_room(2_000 if options.tiny else 150_000, getattr(model.config, "image_width", 0))
        count = chosen.train.sentences or 20
        asked = [Annotation("room", (k % 8,), k, f"box {k}", f"the red box number {k}") for k in range(count)]
        given = [] if chosen.train.source == "scans" else asked
        size = 2 if options.tiny else chosen.train.batch_size
        samples = [model.prepare(scan, given, rng=np.random.RandomState(i)) for i in range(size)]
        batch = model.collate(samples).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

        def step(model: Any = model, batch: Any = batch, optimizer: Any = optimizer) -> None:
            torch.stack(list(model.losses(batch).values())).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        row: dict[str, Any] = {"batch_size": size, "points": len(scan)}
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        try:
            row["step_ms"] = milliseconds(step, device, 3)
        except torch.OutOfMemoryError as error:
            row["error"] = str(error).splitlines()[0]
        if device == "cuda":
            row["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
            row |= {f"fits_{card}_gb": "error" not in row and row["peak_gb"] < 0.95 * card for card in CARDS}
        found[name] = row
        del model, batch, optimizer, step
        if device == "cuda":
            torch.cuda.empty_cache()
    return found


def verbs(options: argparse.Namespace) -> dict[str, Any]:
    import saymask

    scan = labelled_room(3_000 if options.tiny else 150_000, 0)
    model = saymask.load_model(device=options.device)
    found: dict[str, Any] = {"model": model.card["name"], "points": len(scan)}
    scene = model.encode(scan)
    ask: dict[str, Callable[[int], object]] = {
        "refer": lambda turn: scene.refer(f"the red chair number {turn}"),
        "find": lambda turn: scene.find([f"thing {turn}"]),
        "click": lambda turn: scene.click(scan.points[turn : turn + 1]),
        "instances": lambda turn: scene.instances(),
        "panoptic": lambda turn: scene.panoptic(),
        "semantic": lambda turn: scene.semantic(),
    }
    found["encode_ms"] = milliseconds(lambda: model.encode(scan), options.device, 1 if options.tiny else 3)
    for verb in model.verbs:
        times = []
        for turn in range(3 if verb in ("refer", "find", "click") else 1):  # other words each time: answers are kept
            waited(options.device)
            start = time.perf_counter()
            ask[verb](turn)
            waited(options.device)
            times.append(1000 * (time.perf_counter() - start))
        found[f"{verb}_first_ms"] = times[0]
        if times[1:]:
            found[f"{verb}_ms"] = min(times[1:])
    return found


def _train(options: argparse.Namespace, out: str, *flags: str, launcher: tuple[str, ...] = ()) -> dict[str, Any]:
    command = [
        sys.executable, *(launcher or ("-m", "saymask")), "train", "uniseg3d.rooms", "--data", str(options.data),
        "--out", str(Path(options.out) / out), "--accelerator", "gpu" if options.device == "cuda" else "cpu", *flags,
    ]  # fmt: skip
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    return {
        "passed": done.returncode == 0, "seconds": time.perf_counter() - start,
        "end": (done.stdout + done.stderr).strip()[-1500:],
    }  # fmt: skip


def smoke(options: argparse.Namespace) -> dict[str, Any]:
    one = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m", "saymask")
    steps = ("--max-steps", "3")
    return {
        "amp": _train(options, "amp", "--train.precision", "bf16-mixed", *steps),
        "ddp": _train(options, "ddp", *steps, launcher=one),
    }


def train(options: argparse.Namespace) -> dict[str, Any]:
    minutes = max(0.2, options.seconds / 60 - 0.5)
    limit = ("--max-steps", "2") if options.tiny else ("--max-minutes", f"{minutes:.2f}")
    return _train(options, "train", "--train.precision", "bf16-mixed", "--save-minutes", "1", *limit)


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "kernels": kernels, "golden": golden, "agreement": agreement, "unet": unet, "steps": steps, "verbs": verbs,
    "smoke": smoke, "train": train,
}  # fmt: skip


def finished(path: Path) -> bool:
    """Say whether a part has left its figures; one without them is done again."""
    return path.exists() and "error" not in read_json(path)


def session(options: argparse.Namespace, arguments: list[str]) -> int:
    """Do the parts in order, each in a process with its share of the time; return 1 when one is missing at the end."""
    begin, missing = time.monotonic(), []
    for part in options.parts:
        path = Path(options.out) / f"{part}.json"
        left = 60 * options.minutes - (time.monotonic() - begin)
        if finished(path):
            print(f"{part}: done before", flush=True)
            continue
        if part in ("smoke", "train") and not options.data:
            print(f"{part}: left out, no --data", flush=True)
            continue
        if left < 30:
            print(f"{part}: not begun, {left:.0f} s left", flush=True)
            missing.append(part)
            continue
        seconds = min(left - 10, max(30.0, SHARES[part] * 60 * options.minutes))
        command = [
            sys.executable,
            "-m",
            "benchmarks.gpu_session",
            *arguments,
            "--only",
            part,
            "--seconds",
            str(seconds),
        ]
        try:
            code = subprocess.run(command, timeout=seconds).returncode
            reason = f"ended with exit code {code}"
        except subprocess.TimeoutExpired:
            reason = f"did not end within {seconds:.0f} s"
        if finished(path):
            print(f"{part}: done", flush=True)
        else:
            write_text(path, json.dumps({"error": reason}) + "\n")
            print(f"{part}: {reason}", flush=True)
            missing.append(part)
    return 1 if missing else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--data", type=Path, help="prepared Rooms, for smoke and train")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--tiny", action="store_true", help="sizes for a CPU; no figure counts")
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA device; --device cpu --tiny tries the program out")
    options.out = options.out.absolute()
    options.out.mkdir(parents=True, exist_ok=True)
    os.chdir(Path(__file__).parents[1])  # the parts find the tests
    if not options.only:
        return session(options, arguments)
    start = time.perf_counter()
    figures = PARTS[options.only](options)
    facts = provenance() | {"device": options.device, "tiny": options.tiny, "seconds": time.perf_counter() - start}
    write_text(options.out / f"{options.only}.json", json.dumps({"figures": figures, **facts}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
