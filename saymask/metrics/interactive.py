"""One mask per prompt: a click on an object, or a sentence that UniSeg3D counts by its own rules.

Every prompt is an entry of its own, over all scenes (specification of UniSeg3D §6.6). Two protocols say what a mask is
compared with, and how sure of it the model is taken to be:

| name | objects | true mask | confidence of a click |
|---|---|---|---|
| `scannet` | all | the points of the object | the score that the model gives its mask |
| `uniseg3d` | things | the superpoints of which more than half belongs to it | probability of its true class |

The second is as published and flatters: no mask of superpoints can be judged by what superpoints cannot hold, and the
confidence knows the right answer (Q3, Q4). Whoever calls gives truth and confidence (`saymask.evaluate_clicks` does);
`Rule` says which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from saymask.errors import InputError
from saymask.metrics.gather import Records

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
"""What AP is the mean over: 0.50 to 0.95, unlike that of instances (Q21); an IoU must exceed them."""


@dataclass(frozen=True)
class Rule:
    """What a protocol wants of whoever calls, and how it divides."""

    name: str
    voted: bool
    """The truth is what the superpoints' majorities hold of the things, spread to the points; otherwise the points of
    all objects."""
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
    kinds: np.ndarray  # int8 [P]: 1 a thing, 0 another object, -1 not said
    distances: np.ndarray  # float64 [P] in 0..1, NaN = not said


R = TypeVar("R", SentenceRecord, ClickRecord)


class _PromptMetric(Records[str, R], Generic[R]):
    """One record per scene, which holds its prompts."""

    protocols: dict[str, Rule]

    def __init__(self, protocol: str) -> None:
        super().__init__()
        if protocol not in self.protocols:
            raise InputError(f"protocol: expected one of {', '.join(self.protocols)}, got {protocol!r}")
        self.protocol: Rule = self.protocols[protocol]


class InteractiveMetric(_PromptMetric[ClickRecord]):
    """AP, mean IoU and the share of hits of the masks that clicks give: of all objects, of things and of others.

    >>> import numpy as np
    >>> truth = np.array([[True, True, False, False], [False, False, True, True]])
    >>> masks = np.array([[True, True, False, False], [True, True, True, True]])
    >>> metric = InteractiveMetric("scannet")
    >>> metric.update(masks, truth, np.array([0.9, 0.8]), "scene0000_00", things=[True, False])
    >>> result = metric.compute()
    >>> result["overall"]
    {'n': 2, 'miou': 0.75, 'acc25': 1.0, 'acc50': 0.5, 'ap': 0.5, 'ap50': 0.5, 'ap25': 1.0}
    >>> result["things"]["miou"], result["others"]["miou"]
    (1.0, 0.5)
    """

    headline = "ap"
    protocols = CLICK_PROTOCOLS

    def __init__(self, protocol: str = "uniseg3d", *, distances: Sequence[float] = ()) -> None:
        """`distances`: where each object is clicked on, as shares 0..1 of its radius; () = once, deep inside (§2.7b).

        Raises InputError for an unknown protocol and for other distances.
        """
        super().__init__(protocol)
        wrong = [d for d in distances if not 0 <= d <= 1]
        if wrong:
            raise InputError(f"click distances: expected shares of an object's radius, 0 to 1, got {wrong[0]}")
        self.distances = tuple(float(d) for d in distances)

    def update(
        self,
        masks: np.ndarray,  # bool [P, N] over the points, P may be 0; or [P, S] over the rows of `index`
        truth: np.ndarray,  # bool [P, N]: the object that is clicked on, by the rule of the protocol
        scores: np.ndarray,  # float [P], any finite numbers; only their order counts
        scene_id: str,
        *,
        things: Sequence[bool] | np.ndarray | None = None,  # bool [P]; None = nobody says
        distances: Sequence[float] | np.ndarray | None = None,  # float [P] in 0..1, NaN = nobody says
        index: np.ndarray | None = None,  # int [N]: row of each point in the masks, -1 none
    ) -> None:
        """Count the clicks of a scene; all of them at once, since a scene is counted once.

        Raises InputError when sizes do not fit, a score is not finite, or a distance is outside 0..1.
        """
        iou = mask_iou(masks, truth, scene_id, index=index, epsilon=self.protocol.epsilon)
        self.update_iou(iou, scores, scene_id, things=things, distances=distances)

    def update_iou(
        self,
        iou: np.ndarray,  # float [P] of each mask with its object
        scores: np.ndarray,  # float [P]
        scene_id: str,
        *,
        things: Sequence[bool] | np.ndarray | None = None,
        distances: Sequence[float] | np.ndarray | None = None,
    ) -> None:
        """Count the clicks of a scene as `update`, by the IoU of their masks."""
        count = len(iou)
        kinds = np.full(count, -1, np.int8) if things is None else np.asarray(things, dtype=np.int8)
        away = np.full(count, np.nan) if distances is None else np.asarray(distances, dtype=np.float64)
        values = np.asarray(scores, dtype=np.float64)
        for what, numbers in (("scores", values), ("things", kinds), ("distances", away)):
            if numbers.shape != (count,):
                raise InputError(f"{scene_id}: expected {count} {what} for as many clicks, got {list(numbers.shape)}")
        if not np.isfinite(values).all():
            raise InputError(f"{scene_id}: expected finite scores, got {values[~np.isfinite(values)][0]}")
        wrong = (away < 0) | (away > 1)
        if wrong.any():
            raise InputError(f"{scene_id}: expected distances as shares 0..1 of an object, got {away[wrong][0]}")
        self.records.setdefault(scene_id, ClickRecord(np.asarray(iou, np.float64), values, kinds, away))

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall"[, "things", "others"]} and "distance_0.1", … for each distance of the clicks.

        `things` and `others` are there when it was said which objects are things. A group holds n (its clicks), miou,
        acc25 and acc50 (shares of the clicks whose IoU exceeds 0.25 and 0.5), ap (thresholds 0.50 to 0.95), ap50 and
        ap25. Shares 0..1. Each group is counted by itself: the confidences of other clicks play no part in its AP.
        """
        iou, scores, kinds, distances = (self.column(n) for n in ("iou", "scores", "kinds", "distances"))
        result: dict[str, Any] = {"protocol": self.protocol.name, "overall": _summary(iou, scores)}
        chosen: dict[str, np.ndarray] = {}
        if (kinds >= 0).any():
            chosen = {"things": kinds == 1, "others": kinds == 0}
        for distance in np.unique(distances[~np.isnan(distances)]):
            chosen[f"distance_{float(distance)}"] = distances == distance
        return result | {group: _summary(iou[rows], scores[rows]) for group, rows in chosen.items()}


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
        iou = self.column("iou")
        return {"protocol": self.protocol.name, "overall": {"n": len(iou), **_means(iou)}}


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
        **_means(iou),
        "ap": float(area[:-1].mean()),
        "ap50": float(area[0]),
        "ap25": float(area[-1]),
    }


def _means(iou: np.ndarray) -> dict[str, float]:
    values = {"miou": iou, "acc25": iou > 0.25, "acc50": iou > 0.5}
    return {name: float(v.mean()) if len(iou) else 0.0 for name, v in values.items()}
