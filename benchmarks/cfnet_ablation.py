"""Ablation of CFNet's modules: BQNet, +CFR, +PSC, +DQF and all three, same start and same budget.

    python -m benchmarks.cfnet_ablation --data rooms/data --out runs/ablation [--init CHECKPOINT] [--plain] [--epochs N]
        [--max-steps N] [--seeds 1] [--jobs 2] [--limit N] [--json FILE]

Every variant is the preset `bqnet.rooms` with other switches, trained by `saymask train` and measured with the
protocols 3dres and 3dgres. An interrupted run goes on where it stopped; what is measured is not measured again.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from saymask.util.files import write_text

SWITCHES = ("feature_refinement", "spatial_constraint", "query_focusing")
VARIANTS: dict[str, tuple[str, ...]] = {
    "BQNet": (),
    "+CFR": SWITCHES[:1],
    "+PSC": SWITCHES[1:2],
    "+DQF": SWITCHES[2:],
    "CFNet (all)": SWITCHES,
}
PROTOCOLS = ("3dres", "3dgres")
PLAIN = {"model.position_encoding": False, "model.connected_objects": False, "model.target_threshold": 0.5}
"""The published network and mask rule in place of the preset's own."""


def run_variant(options: argparse.Namespace, switches: tuple[str, ...], seed: int, threads: int) -> dict[str, Any]:
    """Train and measure one variant in a process of its own; return its metrics per protocol."""
    name = "-".join(switches) or "none"
    folder = Path(options.out) / f"{name}-{seed}"
    settings = {
        "train.seed": seed,
        "train.init": str(options.init or ""),
        "train.epochs": options.epochs,
        "train.evaluate_every": options.epochs + 1,
        "train.lr": options.lr,
        "train.precision": options.precision,
        "train.max_val": 100,
        **(PLAIN if options.plain else {}),
        **{f"model.{switch}": True for switch in switches},
    }
    job = {
        "preset": "bqnet.rooms",
        "settings": settings,
        "data": options.data,
        "out": str(folder),
        "max_steps": options.max_steps,
        "limit": options.limit or None,
        "threads": threads,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log.txt", "a") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads)}
        subprocess.run(
            [sys.executable, "-m", "benchmarks.cfnet_ablation", "--worker", json.dumps(job)],
            check=True, stdout=log, stderr=log, env=environment,
        )  # fmt: skip
    return {p: json.loads((folder / f"{p}.json").read_text(encoding="utf-8")) for p in PROTOCOLS}


def work(job: dict[str, Any]) -> None:
    """Train one variant and measure what is not measured yet."""
    from saymask.evaluation.request import Request
    from saymask.evaluation.run import evaluate
    from saymask.training.run import train
    from saymask.util.cores import set_threads

    set_threads(job["threads"])
    out = Path(job["out"])
    train(job["preset"], job["data"], out, overrides=job["settings"], max_steps=job["max_steps"])
    for protocol in PROTOCOLS:
        if not (out / f"{protocol}.json").is_file():
            request = Request(
                job["data"], protocol=protocol, limit=job["limit"], baselines=False, json=out / f"{protocol}.json",
                quiet=True,
            )  # fmt: skip
            evaluate(out / "last.safetensors", request)


def table(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return a row per variant: means over the seeds in percent, and the spread of Acc@0.5 over the seeds."""
    rows = []
    for name, seeds in results.items():
        row: dict[str, Any] = {"variant": name, "seeds": len(seeds)}
        for protocol in PROTOCOLS:
            for metric in ("miou", "acc25", "acc50"):
                values = [100 * run[protocol]["metrics"]["overall"][metric] for run in seeds]
                row[f"{protocol} {metric}"] = round(sum(values) / len(values), 2)
            row[f"{protocol} acc50 spread"] = round(max(values) - min(values), 2)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="The ablation of CFNet's modules on Rooms.")
    parser.add_argument("--data", default="rooms/data")
    parser.add_argument("--out", default="runs/ablation")
    parser.add_argument("--init", default="", help="checkpoint that every variant starts from")
    parser.add_argument("--plain", action="store_true", help="without the preset's position encoding and mask rule")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--max-steps", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="variants at the same time")
    parser.add_argument("--limit", type=int, default=0, help="sentences to measure; 0 = all")
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(json.loads(options.worker))
        return
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = {
            (name, seed): pool.submit(run_variant, options, switches, seed, threads)
            for seed in range(options.seeds)
            for name, switches in VARIANTS.items()
        }
        results = {name: [futures[name, seed].result() for seed in range(options.seeds)] for name in VARIANTS}
    rows = table(results)
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    if options.json:
        write_text(options.json, json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
