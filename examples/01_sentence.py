"""Ask a scan for something in a sentence, save the points meant, and draw them.

    python examples/01_sentence.py [SCAN "SENTENCE"]

Without a scan a kitchen is made that no model was trained on: out/kitchen.ply.
"""

import sys
from pathlib import Path

import saymask
from saymask.cli.demo import make_example
from saymask.render.picture import render

SENTENCE = "the chairs at the round table"


def main(path: str = "", sentence: str = SENTENCE) -> None:
    out = Path("out")
    scan = saymask.load_scan(path or make_example(out))  # metres, z up; what was converted is said
    scene = saymask.load_model().encode(scan)  # the slow step; every prompt after it is quick
    masks = scene.refer(sentence)  # none, one or several objects
    print(masks.message or f"{len(masks)} masks for “{sentence}”")
    for i, score in enumerate(masks.scores):
        low, high = masks.box(i)
        size = " × ".join(f"{side:.2f}" for side in high - low)
        print(f"score {score:.2f}, {masks.count(i):,} points, {size} m")
    masks.save(out / "sentence.ply")  # the file's points in their order, plus mask columns
    render(scan, masks, out / "sentence.png", title=sentence)


if __name__ == "__main__":
    main(*sys.argv[1:])
