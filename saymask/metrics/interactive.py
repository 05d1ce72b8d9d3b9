"""Interactive segmentation: one mask per click on an object.

Every click is an entry of its own, over all scenes (docs/systems/uniseg3d.md §6.6). Two protocols say what a mask is
compared with, and how sure of it the model is taken to be:

| name | objects | true mask | confidence |
|---|---|---|---|
| `scannet` | all | the points of the object | the score that the model gives its mask |
| `uniseg3d` | things | the superpoints of which more than half belongs to it | probability of its true class |

The second is as published and flatters: errors that any mask of superpoints must make are not counted, and the
confidence knows the right answer (docs/systems/uniseg3d.md §Q3, §Q4). The caller compares and gives the confidence
(`saymask.evaluation.tasks.click` does); `Rule` says how.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.metrics.clicks import RANDOM
from saymask.metrics.gather import Records

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
"""Thresholds that AP is the mean over, 0.95 included, unlike that of instances; an IoU must exceed them.

Source: docs/systems/uniseg3d.md §Q21.
"""


@dataclass(frozen=True)
class Rule:
    """Rule of a protocol: true mask and confidence, which the caller provides, and the epsilon of the IoU."""

    name: str
    voted: bool
    """The truth is the things by majority of each superpoint, spread to the points; otherwise the points of all
    objects."""
    oracle: bool
    """The confidence of a click is the probability of the object's true class; otherwise the mask's own score."""
    epsilon: float
    """Added to the union."""


CLICK_PROTOCOLS = {
    r.name: r
    for r in (
        Rule("scannet", voted=False, oracle=False, epsilon=0.0),
        Rule("uniseg3d", voted=True, oracle=True, epsilon=1e-8),
    )
}


@dataclass(frozen=True)
class ClickRecord:
    """The clicks of a scene."""

    iou: np.ndarray  # float64 [P]
    scores: np.ndarray  # float64 [P]
    kinds: np.ndarray  # int8 [P]: 1 a thing, 0 another object, -1 unknown
    distances: np.ndarray  # float64 [P] in 0..1, NaN = unknown


class InteractiveMetric(Records[str, ClickRecord]):
    """AP, mean IoU and the share of hits of the masks that clicks give: of all objects, of things and of others.

    >>> import numpy as np
    >>> metric = InteractiveMetric("scannet")
    >>> metric.update(np.array([1.0, 0.5]), np.array([0.9, 0.8]), "scene0000_00", things=[True, False])
    >>> result = metric.compute()
    >>> result["overall"]
    {'n': 2, 'miou': 0.75, 'acc25': 1.0, 'acc50': 0.5, 'ap': 0.5, 'ap50': 0.5, 'ap25': 1.0}
    >>> result["things"]["miou"], result["others"]["miou"]
    (1.0, 0.5)
    """

    headline = "ap"

    def __init__(self, protocol: str = "uniseg3d", *, distances: Sequence[float] = ()) -> None:
        """`distances`: where each object is clicked on, as shares 0..1 of its radius or `RANDOM`; () = deep inside.

        Raises InputError for an unknown protocol and for other distances.

        Source: docs/systems/uniseg3d.md §2.7b.
        """
        super().__init__()
        if protocol not in CLICK_PROTOCOLS:
            raise InputError(f"protocol: expected one of {', '.join(CLICK_PROTOCOLS)}, got {protocol!r}")
        self.protocol: Rule = CLICK_PROTOCOLS[protocol]
        wrong = [d for d in distances if not (0 <= d <= 1 or d == RANDOM)]
        if wrong:
            raise InputError(f"click distances: expected shares of an object's radius, 0 to 1, got {wrong[0]}")
        self.distances = tuple(float(d) for d in distances)

    def update(
        self,
        iou: np.ndarray,  # float [P] of each mask with the object that is clicked on, by the rule of the protocol
        scores: np.ndarray,  # float [P], any finite numbers; only their order counts
        scene_id: str,
        *,
        things: Sequence[bool] | np.ndarray | None = None,  # bool [P]; None = nobody says
        distances: Sequence[float] | np.ndarray | None = None,  # float [P] in 0..1, NaN = nobody says
    ) -> None:
        """Count the clicks of a scene; all of them at once, since a scene is counted once.

        Raises InputError when sizes do not fit, a score is not finite, or a distance is outside 0..1.
        """
        count = len(iou)
        kinds = np.full(count, -1, np.int8) if things is None else np.asarray(things, dtype=np.int8)
        away = np.full(count, np.nan) if distances is None else np.asarray(distances, dtype=np.float64)
        values = np.asarray(scores, dtype=np.float64)
        for what, numbers in (("scores", values), ("things", kinds), ("distances", away)):
            if numbers.shape != (count,):
                raise InputError(f"{scene_id}: expected {count} {what} for as many clicks, got {list(numbers.shape)}")
        if not np.isfinite(values).all():
            raise InputError(f"{scene_id}: expected finite scores, got {values[~np.isfinite(values)][0]}")
        wrong = (away < 0) | ((away > 1) & (away != RANDOM))
        if wrong.any():
            raise InputError(f"{scene_id}: expected distances as shares 0..1 of an object, got {away[wrong][0]}")
        self.records.setdefault(scene_id, ClickRecord(np.asarray(iou, np.float64), values, kinds, away))

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall"[, "things", "others"]} and "distance_0.1", …, "distance_random" of the clicks.

        `things` and `others` are there when it is known which objects are things. A group holds n (its clicks), miou,
        acc25 and acc50 (shares of the clicks whose IoU exceeds 0.25 and 0.5), ap (thresholds 0.50 to 0.95), ap50 and
        ap25. Shares 0..1. Each group is counted by itself: the confidences of other clicks play no part in its AP.
        """
        iou, scores, kinds, distances = (self.column(n) for n in ("iou", "scores", "kinds", "distances"))
        result: dict[str, Any] = {"protocol": self.protocol.name, "overall": _summary(iou, scores)}
        chosen: dict[str, np.ndarray] = {}
        if (kinds >= 0).any():
            chosen = {"things": kinds == 1, "others": kinds == 0}
        for distance in np.unique(distances[~np.isnan(distances)]):
            word = "random" if distance == RANDOM else float(distance)
            chosen[f"distance_{word}"] = distances == distance
        return result | {group: _summary(iou[rows], scores[rows]) for group, rows in chosen.items()}


def all_point_ap(
    right: np.ndarray,  # bool [P, T], in descending order of confidence
) -> np.ndarray:
    """Return the area under precision over recall of each column, float64 [T]; the recall is of all P entries.

    The precision at a recall is the best one at this recall or a higher one (all-point interpolation).
    """
    count = len(right)
    if not count:
        return np.zeros(right.shape[1])
    precision = np.cumsum(right, 0) / np.arange(1, count + 1)[:, None]
    best = np.maximum.accumulate(precision[::-1], 0)[::-1]
    # The recall rises by 1 / P at the entries that are right, and nowhere else.
    return (best * right).sum(0) / count


def _summary(iou: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    order = np.argsort(-scores, kind="stable")
    area = all_point_ap(iou[order, None] > np.append(THRESHOLDS, 0.25))
    means = {"miou": iou, "acc25": iou > 0.25, "acc50": iou > 0.5}
    return {
        "n": len(iou),
        **{name: float(values.mean()) if len(iou) else 0.0 for name, values in means.items()},
        "ap": float(area[:-1].mean()),
        "ap50": float(area[0]),
        "ap25": float(area[-1]),
    }
