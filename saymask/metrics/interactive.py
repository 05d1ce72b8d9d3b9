"""One mask per prompt: a click on an object, or a sentence that UniSeg3D counts by its own rules.

Every prompt is an entry of its own, over all scenes (specification of UniSeg3D §6.6). Two protocols say what a mask is
compared with, and how sure of it the model is taken to be:

| name | true mask | confidence of a click |
|---|---|---|
| `uniseg3d` | the superpoints of which more than half belongs to the object | probability of its true class |
| `clicks` | the points of the object | the score that the model gives its mask |

The first is as published and flatters: no mask of superpoints can be judged by what superpoints cannot hold, and the
confidence knows the right answer (Q3, Q4). Whoever calls gives truth and confidence; `Rule` says which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from saymask.errors import InputError
from saymask.metrics.gather import Records

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
"""What AP is the mean over: 0.50 to 0.95, unlike that of instances (Q21); an IoU must exceed them."""
DISTANCES = tuple(d / 10 for d in range(1, 11))
"""Groups of clicks, by the distance to the centre as a share of that of the object's farthest point (§2.7b)."""


@dataclass(frozen=True)
class Rule:
    """What a protocol wants of whoever calls, and how it divides."""

    name: str
    voted: bool
    """The truth is what the superpoints' majorities hold, spread to the points; otherwise the points themselves."""
    oracle: bool
    """The confidence of a click is the probability of the object's true class; otherwise the mask's own score."""
    epsilon: float
    """Added to the union."""


CLICK_PROTOCOLS = {
    r.name: r for r in (Rule("uniseg3d", voted=True, oracle=True, epsilon=1e-8), Rule("clicks", False, False, 0.0))
}
SENTENCE_PROTOCOLS = {"uniseg3d": CLICK_PROTOCOLS["uniseg3d"]}


@dataclass(frozen=True)
class SentenceRecord:
    """The sentences of a scene."""

    iou: np.ndarray  # float64 [P]


@dataclass(frozen=True)
class ClickRecord:
    """The clicks of a scene."""

    iou: np.ndarray  # float64 [P]
    scores: np.ndarray  # float64 [P]
    distances: np.ndarray  # float64 [P], NaN = not given


R = TypeVar("R", SentenceRecord, ClickRecord)


class _PromptMetric(Records[str, R], Generic[R]):
    """One record per scene, which holds its prompts."""

    protocols: dict[str, Rule]

    def __init__(self, protocol: str) -> None:
        super().__init__()
        if protocol not in self.protocols:
            raise InputError(f"protocol: expected one of {', '.join(self.protocols)}, got {protocol!r}")
        self.protocol: Rule = self.protocols[protocol]

    def _gathered(self, name: str) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(getattr(r, name) for r in self.rows())])


class InteractiveMetric(_PromptMetric[ClickRecord]):
    """AP, AP50, AP25 and mean IoU of the masks that clicks give, for all and by the distance from the centre.

    >>> import numpy as np
    >>> truth = np.array([[True, True, False, False], [False, False, True, True]])
    >>> masks = np.array([[True, True, False, False], [True, True, True, True]])
    >>> metric = InteractiveMetric("clicks")
    >>> metric.update(masks, truth, np.array([0.9, 0.8]), "scene0000_00", distances=[0.1, 0.5])
    >>> result = metric.compute()
    >>> result["overall"]
    {'n': 2, 'ap': 0.5, 'ap50': 0.5, 'ap25': 1.0, 'miou': 0.75}
    >>> result["distance_0.5"]
    {'n': 1, 'ap': 0.0, 'ap50': 0.0, 'ap25': 1.0, 'miou': 0.5}
    """

    headline = "ap"
    protocols = CLICK_PROTOCOLS

    def __init__(self, protocol: str = "uniseg3d") -> None:
        super().__init__(protocol)

    def update(
        self,
        masks: np.ndarray,  # bool [P, N] over the points, P may be 0; or [P, S] over the rows of `index`
        truth: np.ndarray,  # bool [P, N]: the object that is clicked on, by the rule of the protocol
        scores: np.ndarray,  # float [P], any finite numbers; only their order counts
        scene_id: str,
        *,
        distances: Sequence[float] | np.ndarray | None = None,  # float [P] in 0..1, NaN = not known
        index: np.ndarray | None = None,  # int [N]: row of each point in the masks, -1 none
    ) -> None:
        """Count the clicks of a scene; all of them at once, since a scene is counted once.

        Raises InputError when sizes do not fit, a score is not finite, or a distance is outside 0..1.
        """
        iou = mask_iou(masks, truth, scene_id, index=index, epsilon=self.protocol.epsilon)
        given = np.full(len(iou), np.nan) if distances is None else np.asarray(distances, dtype=np.float64)
        values = np.asarray(scores, dtype=np.float64)
        for what, numbers in (("scores", values), ("distances", given)):
            if numbers.shape != iou.shape:
                raise InputError(f"{scene_id}: expected {len(iou)} {what} for as many clicks, got {numbers.shape}")
        if not np.isfinite(values).all():
            raise InputError(f"{scene_id}: expected finite scores, got {values[~np.isfinite(values)][0]}")
        wrong = (given < 0) | (given > 1)
        if wrong.any():
            raise InputError(f"{scene_id}: expected distances as shares 0..1 of an object, got {given[wrong][0]}")
        self.records.setdefault(scene_id, ClickRecord(iou, values, given))

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall"} and "distance_0.1" to "distance_1.0" where there is such a click.

        A click belongs to the nearest of the distances; one without a distance to `overall` only. A group holds n (its
        clicks), ap (thresholds 0.50 to 0.95), ap50, ap25 and miou. Shares 0..1.
        """
        iou, scores, distances = (self._gathered(name) for name in ("iou", "scores", "distances"))
        result: dict[str, Any] = {"protocol": self.protocol.name, "overall": _summary(iou, scores)}
        known = ~np.isnan(distances)
        nearest = np.zeros(len(distances), np.int64)
        # The small amount takes 0.15 and the like up, wherever their last bit may lie.
        nearest[known] = np.clip(np.floor(distances[known] * 10 + 0.5 + 1e-9), 1, len(DISTANCES))
        for group, distance in enumerate(DISTANCES, start=1):
            chosen = nearest == group
            if chosen.any():
                result[f"distance_{distance}"] = _summary(iou[chosen], scores[chosen])
        return result


class SentenceMetric(_PromptMetric[SentenceRecord]):
    """Mean IoU, Acc@0.25 and Acc@0.5 of one mask per sentence, as UniSeg3D counts referring.

    `saymask.metrics.ReferMetric` with the protocol `scanrefer` gives numbers that others publish.

    >>> import numpy as np
    >>> metric = SentenceMetric()
    >>> metric.update(np.array([[True, False]]), np.array([[True, True]]), "scene0000_00")
    >>> metric.compute()["overall"]["acc25"], metric.compute()["overall"]["acc50"]
    (1.0, 0.0)
    """

    headline = "miou"
    protocols = SENTENCE_PROTOCOLS

    def __init__(self, protocol: str = "uniseg3d") -> None:
        super().__init__(protocol)

    def update(
        self,
        masks: np.ndarray,  # bool [P, N] over the points, P may be 0; or [P, S] over the rows of `index`
        truth: np.ndarray,  # bool [P, N]: the object that is meant, by the vote of the superpoints
        scene_id: str,
        *,
        index: np.ndarray | None = None,  # int [N]: row of each point in the masks, -1 none
    ) -> None:
        """Count the sentences of a scene, all of them at once. Raises InputError when sizes do not fit."""
        iou = mask_iou(masks, truth, scene_id, index=index, epsilon=self.protocol.epsilon)
        self.records.setdefault(scene_id, SentenceRecord(iou))

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall": {n, miou, acc25, acc50}}; an IoU must exceed 0.25 and 0.5. Shares 0..1."""
        iou = self._gathered("iou")
        means = (iou, iou > 0.25, iou > 0.5) if len(iou) else (np.zeros(1),) * 3
        names = ("miou", "acc25", "acc50")
        overall = {"n": len(iou), **{k: float(v.mean()) for k, v in zip(names, means, strict=True)}}
        return {"protocol": self.protocol.name, "overall": overall}


def mask_iou(
    masks: np.ndarray, truth: np.ndarray, name: str, *, index: np.ndarray | None = None, epsilon: float = 0.0
) -> np.ndarray:
    """Return intersection / (union + epsilon) of each mask with its own truth, float64 [P]; 0 where both are empty.

    masks: bool [P, N], or [P, S] with `index` int [N] (row of each point, -1 none); truth: bool [P, N]. `name` is what
    the InputError about other sizes or types begins with.
    """
    masks, truth = np.asarray(masks), np.asarray(truth)
    for what, bits in (("masks", masks), ("truth", truth)):
        if bits.ndim != 2 or bits.dtype != np.bool_:
            raise InputError(f"{name}: expected {what} as bits bool [P, N], got {bits.dtype} {list(bits.shape)}")
    if index is not None:
        index = np.asarray(index)
        if index.shape != truth.shape[1:] or index.dtype.kind not in "iu":
            raise InputError(f"{name}: expected an index int [{truth.shape[1]}], got {index.dtype} {list(index.shape)}")
        if index.size and not (index.min() >= -1 and index.max() < masks.shape[1]):
            raise InputError(f"{name}: index must lie in -1..{masks.shape[1] - 1}, got {index.min()}..{index.max()}")
        # The last column is what -1 stands for.
        masks = np.concatenate([masks, np.zeros((len(masks), 1), bool)], 1)[:, index]
    if masks.shape != truth.shape:
        raise InputError(f"{name}: expected a mask like each truth {list(truth.shape)}, got {list(masks.shape)}")
    inter, union = np.count_nonzero(masks & truth, 1), np.count_nonzero(masks | truth, 1)
    return np.divide(inter, union + epsilon, out=np.zeros(len(masks)), where=union > 0)


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
    return {
        "n": len(iou),
        "ap": float(area[:-1].mean()),
        "ap50": float(area[0]),
        "ap25": float(area[-1]),
        "miou": float(iou.mean()) if len(iou) else 0.0,
    }
