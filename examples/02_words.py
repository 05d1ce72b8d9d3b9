"""Find things by words of your own, and see how sure the model is of each.

python examples/02_words.py [SCAN WORD ...]
"""

import sys
from pathlib import Path

import saymask
from saymask.cli.demo import make_example

WORDS = ("something to sit on", "refrigerator", "piano")


def main(path: str = "", *words: str) -> None:
    scan = saymask.load_scan(path or make_example(Path("out")), quiet=True)
    scene = saymask.load_model().encode(scan)
    for threshold in (0.8, 0.2):  # lower finds more
        found = scene.find(words or WORDS, threshold=threshold)
        print(f"threshold {threshold}: {len(found)} objects")
        for i, name in enumerate(found.names):
            x, y, z = found.centroid(i)
            print(f"  {name}: relevance {found.scores[i]:.2f} at ({x:.2f}, {y:.2f}, {z:.2f}) m")
        print(f"  {found.message}")  # the words that nothing fits


if __name__ == "__main__":
    main(*sys.argv[1:])
