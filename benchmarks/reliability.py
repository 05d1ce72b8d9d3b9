"""Scores of a model beside how often it is right, from the rows that `saymask evaluate --rows FILE.csv` wrote.

`python -m benchmarks.reliability rooms2.csv` prints, per tenth of the score, sentences, mean score, and the shares with
an IoU over 0.5 and over 0.25; at the end the expected calibration error of the score as a probability of IoU > 0.5, and
the slope and offset of the scores' logits that make them such probabilities (`UniSeg3DConfig.calibration`; several
files count alike, however many sentences each has). Those of a calibrated model are to be put after its own.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from saymask.errors import InputError
from saymask.evaluation.rows import read_rows


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and IoU float64 [n] of a file of rows; InputError for one without them."""
    rows = read_rows(path)
    if not {"score", "iou"} <= rows[0].keys():
        raise InputError(f"{path}: expected rows with score and iou, as `saymask evaluate --rows FILE` writes them")
    pairs = np.array([(r["score"], r["iou"]) for r in rows if r["score"] is not None], np.float64).reshape(-1, 2)
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


def fit(files: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Return slope and offset of a logistic regression of IoU > 0.5 on the logit of the score (Platt 1999).

    The slope stays positive, so that the order of answers does not change.
    """
    x = np.concatenate([logit(np.clip(scores, 1e-6, 1 - 1e-6)) for scores, _ in files])
    right = np.concatenate([iou > 0.5 for _, iou in files])
    weight = np.concatenate([np.full(len(iou), 1 / len(iou)) for _, iou in files])

    def loss(values: np.ndarray) -> float:
        z = values[0] * x + values[1]
        return float((weight * (np.logaddexp(0, z) - right * z)).sum())

    slope, offset = minimize(loss, [1.0, 0.0], bounds=[(1e-3, None), (None, None)]).x
    return float(slope), float(offset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    files = [read(path) for path in parser.parse_args().rows]
    slope, offset = fit(files)
    for name, of in (
        ("as they come", files),
        (f"slope {slope:.3f}, offset {offset:.3f}", [(expit(slope * logit(s) + offset), iou) for s, iou in files]),
    ):
        print(f"scores {name}")
        _print(reliability(np.concatenate([s for s, _ in of]), np.concatenate([iou for _, iou in of])))


def _print(rows: list[dict[str, float]]) -> None:
    print("score from     n  mean score  IoU>0.5  IoU>0.25")
    for r in rows:
        print(f"{r['from']:10.1f} {r['n']:5d} {r['score']:11.2f} {100 * r['iou50']:7.0f}% {100 * r['iou25']:8.0f}%")
    print(f"expected calibration error {calibration_error(rows):.3f}")


if __name__ == "__main__":
    main()
