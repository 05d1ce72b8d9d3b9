"""Referring segmentation: IoU of one mask per sentence, over the points of the whole scan.

Protocols (their names are printed with every number):

| name | a point belongs to the mask | Acc@t counts |
|---|---|---|
| `less` | p > 0.5; with fewer than 100 such points also the 5,000 most probable | IoU > t |
| `3dres` | p >= 0.5 | IoU > t |
| `scanrefer` | p > 0.5 | IoU >= t, mask IoU |
| `scanrefer-box` | p > 0.5 | IoU >= t, IoU of the masks' axis-aligned boxes |

Sources: specification of LESS §6 and B.7, BQNet §6.2-6.3.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation
from saymask.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """A named evaluation rule."""

    name: str
    inclusive: bool
    """Acc@t counts IoU >= t instead of > t."""
    fallback: bool = False
    """Fill masks of fewer than 100 points with the 5,000 most probable ones."""
    boxes: bool = False
    """Compare axis-aligned boxes instead of points."""
    epsilon: float = 0.0
    """Added to the union."""


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("less", inclusive=False, fallback=True),
        Protocol("3dres", inclusive=False, epsilon=1e-6),
        Protocol("scanrefer", inclusive=True),
        Protocol("scanrefer-box", inclusive=True, boxes=True, epsilon=1e-8),
    )
}
FALLBACK_BELOW = 100
FALLBACK_POINTS = 5_000


def get_protocol(name: str) -> Protocol:
    """Return a protocol by name."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {name!r}")
    return PROTOCOLS[name]


def select_points(
    logits: np.ndarray,  # float [N]
    protocol: str = "less",
) -> np.ndarray:
    """Return the mask (bool [N]) that a protocol makes of logits; p = sigmoid(logit), so p > 0.5 is logit > 0.

    The fallback of `less` adds the 5,000 points of highest logit (all points if there are fewer).
    """
    rule = get_protocol(protocol)
    logits = np.asarray(logits)
    mask = logits >= 0 if protocol == "3dres" else logits > 0
    if rule.fallback and int(mask.sum()) < FALLBACK_BELOW:
        count = min(FALLBACK_POINTS, len(logits))
        mask = mask.copy()
        mask[np.argpartition(-logits, count - 1)[:count] if count else []] = True
    return mask


def box_iou(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return (intersection, union) volumes of two boxes [2, 3] (smallest and largest corner, metres)."""
    inter = float(np.prod(np.clip(np.minimum(a[1], b[1]) - np.maximum(a[0], b[0]), 0, None)))
    return inter, float(np.prod(a[1] - a[0]) + np.prod(b[1] - b[0])) - inter


@dataclass(frozen=True)
class Record:
    """The outcome for one annotation; the numbers are expectations where the prediction is a distribution."""

    iou: float
    inter: float
    union: float
    acc25: float
    acc50: float
    multiple: bool | None
    compositional: bool


class ReferMetric:
    """Mean IoU, overall IoU, Acc@0.25 and Acc@0.5 over annotations, for all and for the unique/multiple subsets.

    Every annotation counts once: it is kept under its key, so that a second copy (a padded distributed sampler, or
    the same annotation on two processes) changes nothing, and sums run in the order of the keys, so that the result
    does not depend on how many processes did the work. Numbers are shares 0..1.

    >>> import numpy as np
    >>> from saymask.data.annotations import Annotation
    >>> metric = ReferMetric("scanrefer")
    >>> truth = np.array([True, True, False, False])
    >>> metric.update(np.array([1.0, -1.0, -1.0, -1.0]), truth, Annotation("s", (0,), 0, "a chair", "a chair"))
    >>> metric.compute()["overall"]["miou"], metric.compute()["overall"]["acc50"]
    (0.5, 1.0)
    """

    def __init__(self, protocol: str = "less") -> None:
        self.protocol = get_protocol(protocol)
        self.records: dict[tuple[str, int], Record] = {}

    def update(
        self,
        prediction: np.ndarray,  # float [N] logits, or bool [N] mask
        target: np.ndarray,  # bool [N]
        annotation: Annotation,
        *,
        points: np.ndarray | None = None,  # [N, 3], needed by `scanrefer-box`
    ) -> None:
        """Count one annotation. Logits become a mask by the protocol's rule; a bool mask is taken as it is."""
        prediction, target = np.asarray(prediction), np.asarray(target, dtype=bool)
        if prediction.shape != target.shape:
            raise ValueError(
                f"{annotation.scene_id}: expected one prediction per point {target.shape}, got {prediction.shape}"
            )
        mask = prediction if prediction.dtype == bool else select_points(prediction, self.protocol.name)
        if not self.protocol.boxes:
            self.add(annotation, float((mask & target).sum()), float((mask | target).sum()))
            return
        if points is None:
            raise ValueError("protocol scanrefer-box: expected points, got None; pass points= (axis-aligned, metres)")
        if not mask.any() or not target.any():
            # A missing box meets nothing; what is there counts to the union.
            there = points[mask | target]
            self.add(annotation, 0.0, float(np.prod(np.ptp(there, axis=0))) if len(there) else 0.0)
            return
        boxes = [np.stack([points[m].min(axis=0), points[m].max(axis=0)]).astype(np.float64) for m in (mask, target)]
        self.add(annotation, *box_iou(boxes[0], boxes[1]))

    def add(self, annotation: Annotation, inter: float, union: float) -> None:
        """Count one annotation by its intersection and union."""
        self.add_expected(annotation, [(1.0, inter, union)])

    def add_expected(self, annotation: Annotation, outcomes: Iterable[tuple[float, float, float]]) -> None:
        """Count one annotation whose prediction is random: outcomes are (probability, intersection, union)."""
        iou = inter = union = acc25 = acc50 = 0.0
        for p, i, u in outcomes:
            value = i / (u + self.protocol.epsilon) if u > 0 else 0.0
            iou, inter, union = iou + p * value, inter + p * i, union + p * u
            acc25, acc50 = acc25 + p * self._hit(value, 0.25), acc50 + p * self._hit(value, 0.5)
        record = Record(iou, inter, union, acc25, acc50, annotation.multiple, annotation.compositional)
        self.records.setdefault(annotation.key, record)

    def _hit(self, iou: float, threshold: float) -> bool:
        return iou >= threshold if self.protocol.inclusive else iou > threshold

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall", "unique", "multiple"[, "compositional"]}.

        A subset holds n, miou, oiou, acc25, acc50; one without annotations has n = 0 and scores 0. `compositional` is
        there when any annotation is.
        """
        rows = [self.records[key] for key in sorted(self.records)]
        result: dict[str, Any] = {
            "protocol": self.protocol.name,
            "overall": _mean(rows),
            "unique": _mean([r for r in rows if r.multiple is False]),
            "multiple": _mean([r for r in rows if r.multiple is True]),
        }
        if any(r.compositional for r in rows):
            result["compositional"] = _mean([r for r in rows if r.compositional])
        return result

    def state(self) -> dict[tuple[str, int], Record]:
        """Return what `merge` takes: one record per annotation (plain data, can be sent to another process)."""
        return dict(self.records)

    def merge(self, *states: Mapping[tuple[str, int], Record]) -> "ReferMetric":
        """Add the records of other processes; an annotation that is already there is not counted again."""
        for state in states:
            for key, record in state.items():
                self.records.setdefault(key, record)
        return self

    def sync(self) -> "ReferMetric":
        """Gather the records of all processes when torch.distributed runs; every process then computes the same."""
        import torch.distributed as dist

        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            states: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(states, self.state())
            # In the order of the ranks on every process, so that all keep the same copy of a padded annotation.
            self.records = {}
            self.merge(*states)
        return self

    def reset(self) -> None:
        """Forget everything."""
        self.records = {}


def _mean(rows: list[Record]) -> dict[str, float]:
    n = len(rows)
    if not n:
        return {"n": 0, "miou": 0.0, "oiou": 0.0, "acc25": 0.0, "acc50": 0.0}
    union = sum(r.union for r in rows)
    return {
        "n": n,
        "miou": sum(r.iou for r in rows) / n,
        "oiou": sum(r.inter for r in rows) / union if union > 0 else 0.0,
        "acc25": sum(r.acc25 for r in rows) / n,
        "acc50": sum(r.acc50 for r in rows) / n,
    }


def flatten(result: Mapping[str, Any]) -> dict[str, float]:
    """Return a result as {"overall/miou": ...} for loggers."""
    return {
        f"{subset}/{name}": float(value)
        for subset, values in result.items()
        if isinstance(values, Mapping)
        for name, value in values.items()
    }
