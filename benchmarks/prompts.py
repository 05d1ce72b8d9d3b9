"""Seconds of every verb on an encoded room: the first prompt of a scene, the next ones, batches, eight at once.

    python -m benchmarks.prompts [--model NAME ...] [--threads 1 2] [--rounds 5] [--json]

The room is one of the synthetic benchmark, beyond its validation rooms: a furnished kitchen of about 150,000 points and
1,100 superpoints (`--cloud` leaves its faces and segments out). Sentences and names are new each time, so the text
encoder works for all of them, and `Scene.forget` makes every answer a fresh one. Columns: `cold` is the first prompt of
the verb in its process, kernels and text encoder included; `first` is asked of a scan that was just encoded, so what is
made once per scene counts; `next` is every later one (median, and the slowest); `8 at once` is the time until eight
threads that ask at the same moment have their answers. Each model and number of compute threads has a process of its
own; without `--model` all embedded checkpoints are measured. The aim: each single prompt after `encode` <= 0.3 s.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle OpenMP threads must sleep, not spin

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.sentences import new_sentences
from saymask.hub import checkpoints, headers
from saymask.io.load import load_scan
from saymask.rooms import make_room, scan_room, write_room
from saymask.scan import Scan
from saymask.scene.scene import Scene

AIM = 0.3  # seconds
ROOM = 319
BATCHES = (1, 10, 100)
AT_ONCE = 8
FRESH = {"refer": 1, "find": 1, "click": 1, "semantic": 0, "instances": 0, "panoptic": 0}
"""Verbs and how many things the single prompt asks for; 0 = the verb takes none."""


def furnished_room(number: int = ROOM, *, mesh: bool = True) -> Scan:
    """Return a room of the synthetic benchmark as a scan that a user loads, without its labels."""
    room = make_room("val", number)
    with tempfile.TemporaryDirectory() as folder:
        path = write_room(folder, room, scan_room(room))
        scan = load_scan(path if mesh else next(path.glob("*_vh_clean_2.ply")))
    return Scan(
        points=scan.points,
        colors=scan.colors,
        faces=scan.faces if mesh else None,
        superpoints=scan.superpoints if mesh else None,
        name=scan.name,
    )


class Asker:
    """Asks a scene questions that it has not been asked before."""

    def __init__(self, scene: Scene, seed: int = 0) -> None:
        self.scene = scene
        self._rng = np.random.default_rng(seed)

    def job(self, verb: str, count: int) -> Callable[[], Any]:
        """Return a call that asks `count` new things; 0 = the verb's question without any."""
        scene = self.scene
        if verb == "refer":
            sentences = new_sentences(count)
            return lambda: scene.refer(sentences)
        if verb == "click":
            places = scene.scan.points[self._rng.choice(len(scene.scan), count, replace=False)]
            return lambda: scene.click(places)
        if verb == "find" or (verb == "semantic" and count):
            mark = new_sentences(1)[0].split()[-1]
            names = [f"thing {mark} {i}" for i in range(count)]
            return lambda: getattr(scene, verb)(names)
        return getattr(scene, verb)

    def seconds(self, verb: str, count: int) -> float:
        """Return how long a fresh answer takes."""
        job = self.job(verb, count)
        self.scene.forget()
        return timed(job)

    def seconds_at_once(self, verb: str, count: int) -> float:
        """Return how long eight threads wait that ask at the same moment, each something else where there is a choice.

        The whole-scan questions are the same for all; nothing is kept from before.
        """
        jobs = [self.job(verb, count) for _ in range(AT_ONCE)]
        self.scene.forget()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: time.sleep(0.01), jobs))  # the threads exist
            return timed(lambda: list(pool.map(lambda job: job(), jobs)))


def timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def rows_for(verbs: tuple[str, ...], batches: tuple[int, ...]) -> list[tuple[str, int]]:
    """Return what is measured: (verb, how many things are asked at once)."""
    rows = [(verb, FRESH[verb]) for verb in verbs]
    several = [n for n in batches if n > 1]
    return rows + [(verb, n) for verb, n in itertools.product(("refer", "find", "click"), several) if verb in verbs]


def measure(model_name: str, scan: Scan, rounds: int, batches: tuple[int, ...]) -> dict[str, Any]:
    """Return the timings of one model in this process."""
    loading = time.perf_counter()
    model = checkpoints.load_model(model_name)
    loading = time.perf_counter() - loading
    idle = _memory("VmRSS")
    table = {row: {"verb": row[0], "asked": row[1]} for row in rows_for(model.verbs, batches)}

    scene = Scene(model, scan)  # compiles the kernels, or loads them from their cache
    asker = Asker(scene)
    for verb, count in table:
        if count <= 1:
            table[verb, count]["cold"] = asker.seconds(verb, count)

    _reset_peak()
    encodings = []
    for verb, count in table:
        if count <= 1:
            firsts = []
            for _ in range(rounds):
                scene = Scene(model, scan)
                encodings.append(dict(scene.seconds))
                firsts.append(Asker(scene).seconds(verb, count))
            table[verb, count]["first"] = median(firsts)
    encode_peak = _memory("VmHWM")

    asker = Asker(scene, seed=1)
    for verb, count in table:
        asker.seconds(verb, count)
    _reset_peak()
    before = _memory("VmRSS")
    for (verb, count), row in table.items():
        times = [asker.seconds(verb, count) for _ in range(rounds)]
        row["next"], row["slowest"] = median(times), max(times)
        if count <= 1:
            row["at_once"] = median(asker.seconds_at_once(verb, count) for _ in range(rounds))
    stages = {stage: median(e.get(stage, 0.0) for e in encodings) for stage in encodings[0]}
    rows = [{k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in table.values()]
    single = [row for row in rows if row["asked"] <= 1]
    return {
        "model": model.card.get("name", model.system),
        "checkpoint": model_name,
        "device": str(model.device),
        "threads": torch.get_num_threads(),
        "points": len(scan),
        "superpoints": 0 if scan.superpoints is None else len(np.unique(scan.superpoints)),
        "load_model_seconds": round(loading, 4),
        "encode_seconds": {k: round(v, 4) for k, v in stages.items()},
        "prompts": rows,
        "slowest_single_prompt": max(max(row["first"], row["next"]) for row in single),
        "aim_met": all(max(row["first"], row["next"]) <= AIM for row in single),
        "memory_mb": {
            "model loaded": round(idle / 1024, 1),
            "peak with encoding": round(encode_peak / 1024, 1),
            "prompts on top": round((_memory("VmHWM") - before) / 1024, 1),
        },
    }


def _memory(name: str) -> int:
    """Return a number of kB of this process: VmRSS now, VmHWM at most since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def shown(result: dict[str, Any]) -> str:
    """Return the table of one model."""
    encode = ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in result["encode_seconds"].items())
    memory = ", ".join(f"{what} {megabytes:,.0f}" for what, megabytes in result["memory_mb"].items())
    lines = [
        f"{result['model']} on {result['device']}, {result['threads']} threads; {result['points']:,} points, "
        f"{result['superpoints']:,} superpoints given",
        f"  before prompts: load {result['load_model_seconds']:.2f} s, {encode} s",
        f"  {'':<14}{'asked':>6}{'cold':>9}{'first':>9}{'next':>9}{'slowest':>9}{'8 at once':>11}{'per item':>10}",
    ]
    for row in result["prompts"]:
        cells = [f"{row[c]:.3f}" if c in row else "" for c in ("cold", "first", "next", "slowest")]
        together = f"{row['at_once']:.3f}" if "at_once" in row else ""
        each = f"{row['next'] / row['asked']:.4f}" if row["asked"] > 1 else ""
        lines.append(
            f"  {row['verb']:<14}{row['asked'] or '':>6}"
            + "".join(f"{c:>9}" for c in cells)
            + f"{together:>11}{each:>10}"
        )
    said, slowest = "met" if result["aim_met"] else "missed", result["slowest_single_prompt"]
    lines.append(f"  every prompt <= {AIM} s: {said} (slowest single prompt {slowest:.3f} s); MB: {memory}")
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Time every verb on an encoded room.")
    parser.add_argument("--model", nargs="+", default=None, help="checkpoints; default: all embedded ones")
    parser.add_argument("--threads", nargs="+", type=int, default=[0], help="compute threads; 0 = torch's default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--batches", nargs="+", type=int, default=list(BATCHES), help="sentences, names, clicks at once"
    )
    parser.add_argument("--room", type=int, default=ROOM, help="number of the synthetic room")
    parser.add_argument(
        "--cloud", action="store_true", help="leave faces and segments out: superpoints of a bare cloud"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--alone", action="store_true", help="measure the one model in this process")
    options = parser.parse_args()
    names = options.model or [card["name"] for card in headers.list_models()]
    batches = tuple(options.batches)
    if options.alone:
        if options.threads[0]:
            torch.set_num_threads(options.threads[0])
        scan = furnished_room(options.room, mesh=not options.cloud)
        print(json.dumps(measure(names[0], scan, options.rounds, batches)))
        return
    out = sys.stderr if options.json else sys.stdout
    results = []
    for name, threads in itertools.product(names, options.threads):
        command = [
            sys.executable, "-m", "benchmarks.prompts", "--alone", "--model", name, "--threads", str(threads),
            "--rounds", str(options.rounds), "--room", str(options.room), "--batches", *map(str, batches),
            *(["--cloud"] if options.cloud else []),
        ]  # fmt: skip
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        results.append(json.loads(output.splitlines()[-1]))
        print(shown(results[-1]), file=out, flush=True)
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
