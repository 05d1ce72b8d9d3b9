"""Conversion of a model's answers over its support to `Masks` over a scan: a pure function per kind of answer."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from saymask.answers import Classes, Objects, Prediction
from saymask.errors import InputError
from saymask.masks import Masks
from saymask.scan import Scan

SURE = 0.5
"""Probability of being right below which an answer says that it is unsure."""
MOST_NAMED = 10
"""Names that a message lists; of the others it says how many there are."""


def to_masks(prediction: Prediction, scan: Scan, sentence: str, *, threshold: float = 0.0) -> Masks:
    """Turn a prediction into Masks: bits where the logit is > 0, empty masks dropped, best score first.

    `threshold`: masks with a score below it are dropped as well. A mask is empty when no *point* of the scan lies in
    it; support rows without a point do not count. Raises InputError for answers that are no numbers.
    """
    bits, scores = _numbers(prediction)
    index = np.asarray(prediction.index, np.int64)
    keep = (bits & (_points_per_row(index, bits.shape[1]) > 0)).any(1) & (scores >= threshold)
    order = np.flatnonzero(keep)[np.argsort(-scores[keep], kind="stable")]
    message = ""
    if not len(order):
        message = f"no object fits: {sentence}"
        if prediction.best is not None:
            message += f" (the likeliest candidate has {prediction.best:.2f})"
    elif prediction.calibrated and (best := float(scores[order[0]])) < SURE:
        message = f"unsure: {sentence} (right in about {100 * best:.0f} of 100 such answers)"
    return Masks(
        scan=scan,
        support=np.ascontiguousarray(bits[order]),
        index=index,
        scores=scores[order],
        names=(sentence,) * len(order),
        message=message,
    )


def class_masks(answer: Classes, scan: Scan) -> Masks:
    """Turn a class per support row into one mask for every class that a point of the scan has, best score first.

    The masks are disjoint; `labels` int64 are the class ids. A mask's score is the mean probability over the *points*
    of the class, so that a row counts as often as it has points. Points without a row or a class are in no mask.
    Raises InputError for answers that are no numbers.
    """
    _check_numbers(answer.probabilities)
    index = np.asarray(answer.index, np.int64)
    points = _points_per_row(index, len(answer.classes))
    rows = np.flatnonzero((points > 0) & (answer.classes >= 0))
    own, weight = answer.classes[rows], points[rows].astype(np.float64)
    count = np.bincount(own, weight, len(answer.names))
    total = np.bincount(own, weight * answer.probabilities[rows], len(answer.names))
    present = np.flatnonzero(count)
    scores = np.clip(total[present] / count[present], 0, 1).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    present = present[order]
    return Masks(
        scan=scan,
        support=answer.classes[None] == present[:, None],
        index=index,
        scores=scores[order],
        names=tuple(answer.names[c] for c in present),
        labels=np.array([answer.ids[c] for c in present], np.int64),
        message="" if len(present) else "no point of the scan has a class",
    )


def object_masks(answer: Objects, scan: Scan) -> Masks:
    """Turn objects into Masks with class names and class ids (int64), best score first.

    Objects without a point of the scan are dropped. Raises InputError for answers that are no numbers.
    """
    index = np.asarray(answer.index, np.int64)
    scores = np.asarray(answer.scores, np.float32)
    _check_numbers(scores)
    keep = np.flatnonzero((answer.masks & (_points_per_row(index, answer.masks.shape[1]) > 0)).any(1))
    order = keep[np.argsort(-scores[keep], kind="stable")]
    classes = answer.classes[order]
    return Masks(
        scan=scan,
        support=np.ascontiguousarray(answer.masks[order]),
        index=index,
        scores=scores[order],
        names=tuple(answer.names[c] for c in classes),
        labels=np.array([answer.ids[c] for c in classes], np.int64),
        message="" if len(order) else "no object was found",
    )


def found_masks(answer: Objects, scan: Scan, threshold: float | None) -> Masks:
    """Turn the objects found for words into Masks whose message says for which words there is none.

    `threshold` is the relevance that was asked for, None where it is not known.
    """
    _check_numbers(np.asarray(answer.best))
    masks = object_masks(answer, scan)
    found = set(masks.names)
    missing = [i for i, name in enumerate(answer.names) if name not in found]
    best = [answer.best[i] for i in missing] if answer.best else []
    message = nothing_fits([answer.names[i] for i in missing], best, threshold)
    return Masks(scan, masks.support, masks.index, masks.scores, masks.names, masks.labels, message)


def combine_clicks(prediction: Prediction, points: np.ndarray, positive: np.ndarray, objects: np.ndarray) -> Prediction:
    """Combine what single clicks say into one row per object, in ascending order of the objects' numbers.

    prediction: a row and a score for each of K clicks; points int64 [K]: the points clicked on; positive bool [K];
    objects int64 [K], each with a positive click. A support row has the highest logit of the object's positive clicks
    and belongs to it where that is > 0 and no negative click of the object has a higher one; the row clicked on always
    belongs (positive) or never (negative). The score is that of the best positive click. Signs of the logits tell what
    belongs. Raises InputError for a positive and a negative click of one object on the same support row, and for a
    click on a point without a row.
    """
    own = np.asarray(prediction.index, np.int64)[points]
    if (own < 0).any():
        raise InputError(
            f"clicks: the model does not see the point of click {int(np.argmax(own < 0)) + 1} of {len(own)}; click on "
            "another place of the object"
        )
    logits, scores = prediction.logits.float(), prediction.scores.float()
    rows, best = [], []
    for number in np.unique(objects):
        yes, no = np.flatnonzero((objects == number) & positive), np.flatnonzero((objects == number) & ~positive)
        both = np.intersect1d(own[yes], own[no])
        if len(both):
            first, second = (1 + int(side[own[side] == both[0]][0]) for side in (yes, no))
            raise InputError(
                f"clicks: expected clicks of object {number} on different places, got a positive and a negative one "
                f"(click {first} and click {second} of {len(own)}) on the same patch, the least that this model tells "
                "apart; leave one of them out"
            )
        row = logits[torch.from_numpy(yes)].amax(0)
        if len(no):
            row = torch.where(logits[torch.from_numpy(no)].amax(0) > row, -row.abs(), row)
            row[own[no]] = -row[own[no]].abs()
        row[own[yes]] = row[own[yes]].abs().clamp(min=1e-6)
        rows.append(row)
        best.append(scores[torch.from_numpy(yes)].amax())
    return Prediction(torch.stack(rows), torch.stack(best), prediction.index)


def click_masks(prediction: Prediction, scan: Scan, objects: Sequence[int]) -> Masks:
    """Turn a row per object into one mask per object, in this order, named `object 0`, `object 1`, …

    Raises InputError for answers that are no numbers.
    """
    bits, scores = _numbers(prediction)
    return Masks(
        scan=scan,
        support=bits,
        index=np.asarray(prediction.index, np.int64),
        scores=scores,
        names=tuple(f"object {number}" for number in objects),
    )


def nothing_fits(names: Sequence[str], best: Sequence[float], threshold: float | None) -> str:
    """Say for which words nothing was found, the most relevant first: `nothing fits: lamp (best relevance 0.31, …)`.

    `best` holds the highest relevance of anything per word, or nothing at all where it is not known.
    """
    if not names:
        return ""
    order = sorted(range(len(names)), key=lambda i: -best[i]) if best else list(range(len(names)))
    parts = []
    for i in order[:MOST_NAMED]:
        said = ""
        if best:
            asked = "" if threshold is None else f", asked {threshold:.2f}"
            if threshold is not None and best[i] >= threshold:
                asked += ", on too few points"
            # rounded down: what fell short must not read as if it had reached the threshold
            said = f" (best relevance {math.floor(best[i] * 100 + 1e-6) / 100:.2f}{asked})"
        parts.append(names[i] + said)
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"nothing fits: {', '.join(parts)}{more}"


def _points_per_row(index: np.ndarray, rows: int) -> np.ndarray:
    """Return how many points each support row stands for, int64 [S]."""
    return np.bincount(index[index >= 0], minlength=rows)


def _numbers(prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Return bits [M, S], True where the logit is > 0, and scores float32 [M]; InputError if there are no numbers."""
    logits, scores = _numpy(prediction.logits), _numpy(prediction.scores).astype(np.float32)
    best = scores if prediction.best is None else np.append(scores, prediction.best)
    _check_numbers(logits)
    _check_numbers(best)
    return logits > 0, scores


def _check_numbers(values: np.ndarray) -> None:
    """Raise InputError for NaN, of which no comparison is true: it would read as "nothing was found"."""
    if np.isnan(values).any():
        raise InputError(
            "expected finite answers, got NaN: the weights of this model are damaged or its training went wrong; "
            "load the checkpoint again, or an earlier one"
        )


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
