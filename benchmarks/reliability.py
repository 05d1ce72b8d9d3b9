"""Scores of a model beside how often it is right, from the rows that `saymask evaluate --rows FILE.csv` wrote.

`python -m benchmarks.reliability rooms2.csv` prints, per tenth of the score, sentences, mean score, and the shares with
an IoU over 0.5 and over 0.25; at the end the expected calibration error of the score as a probability of IoU > 0.5.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from saymask.errors import InputError


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and IoU float64 [n] of a file of rows; InputError for one without them."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"score", "iou"} <= rows[0].keys():
        raise InputError(f"{path}: expected rows with score and iou, as `saymask evaluate --rows FILE.csv` writes them")
    pairs = np.array([(float(r["score"]), float(r["iou"])) for r in rows if r["score"]], np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def reliability(scores: np.ndarray, iou: np.ndarray) -> list[dict[str, float]]:
    """Return a row per tenth of the score that occurs: `from`, `n`, `score`, `iou50`, `iou25`."""
    tenth = np.clip((scores * 10).astype(int), 0, 9)
    return [
        {
            "from": k / 10,
            "n": int((tenth == k).sum()),
            "score": float(scores[tenth == k].mean()),
            "iou50": float((iou[tenth == k] > 0.5).mean()),
            "iou25": float((iou[tenth == k] > 0.25).mean()),
        }
        for k in np.unique(tenth)
    ]


def calibration_error(rows: list[dict[str, float]]) -> float:
    """Return the mean difference of score and share of IoU > 0.5, each tenth by its sentences (Guo et al. 2017)."""
    return sum(r["n"] * abs(r["score"] - r["iou50"]) for r in rows) / sum(r["n"] for r in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    rows = reliability(*read(parser.parse_args().rows))
    print("score from     n  mean score  IoU>0.5  IoU>0.25")
    for r in rows:
        print(f"{r['from']:10.1f} {r['n']:5d} {r['score']:11.2f} {100 * r['iou50']:7.0f}% {100 * r['iou25']:8.0f}%")
    print(f"expected calibration error {calibration_error(rows):.3f}")


if __name__ == "__main__":
    main()
