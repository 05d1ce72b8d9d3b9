"""Many sentences about one encoded scan: seconds per sentence, beside a scan that is encoded for each sentence.

    python -m benchmarks.sentences [--points 150000] [--sentences 100] [--model NAME] [--json]

The sentences are new in every run, so the text encoder works for each of them; a second pass over the same ones shows
what its cache saves.
"""

import argparse
import itertools
import json
import random
import sys
import time

import torch

from benchmarks.end_to_end import load, procedural_room
from saymask.scene.scene import Scene

COLORS = ("white", "grey", "black", "brown", "red", "green", "blue", "yellow")
THINGS = ("chair", "table", "cabinet", "sofa", "lamp", "shelf", "desk", "bed")
RELATIONS = ("next to", "behind", "in front of", "to the left of", "closest to", "far from")


def new_sentences(count: int) -> list[str]:
    """Return different sentences that no earlier run has asked."""
    mark = random.SystemRandom().randrange(10**9)
    kinds = itertools.cycle(itertools.product(COLORS, THINGS, RELATIONS, THINGS))
    return [f"the {c} {a} {r} the {b} with the number {mark + i}" for i, (c, a, r, b) in zip(range(count), kinds)]


def measure(points: int, count: int, name: str | None) -> dict:
    """Return seconds per sentence for `count` sentences after one encoding, and for an encoding each."""
    scan = procedural_room(points)
    model, weights = load(name)
    scene = Scene(model, scan)
    scene.refer(new_sentences(2))  # kernels are compiled or loaded here
    start = time.perf_counter()
    scene = Scene(model, scan)
    encoding = time.perf_counter() - start
    sentences = new_sentences(count)
    start = time.perf_counter()
    scene.refer(sentences)
    together = time.perf_counter() - start
    scene.forget()  # else the answers themselves are remembered
    start = time.perf_counter()
    scene.refer(sentences)
    again = time.perf_counter() - start
    few = new_sentences(max(1, count // 10))
    start = time.perf_counter()
    for sentence in few:
        Scene(model, scan).refer(sentence)
    each = (time.perf_counter() - start) / len(few)
    return {
        "model": model.card.get("name", model.system),
        "weights": weights,
        "points": len(scan),
        "sentences": count,
        "threads": torch.get_num_threads(),
        "encode_seconds": round(encoding, 4),
        "seconds_per_sentence": round(together / count, 5),
        "seconds_per_sentence_text_cached": round(again / count, 5),
        "seconds_per_scan_and_sentence": round(each, 4),
        "ratio": round(each * count / (encoding + together), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time many sentences about one scan.")
    parser.add_argument("--points", type=int, default=150_000)
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--model", default=None, help="checkpoint or preset; default: the embedded one")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    result = measure(options.points, options.sentences, options.model)
    out = sys.stderr if options.json else sys.stdout
    for key, value in result.items():
        print(f"  {key:<34} {value}", file=out)
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
