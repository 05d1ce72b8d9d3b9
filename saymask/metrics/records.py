"""Base of the metrics of sentences: one record per annotation, and groups."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from saymask.data.annotations import Annotation
from saymask.errors import InputError
from saymask.metrics.gather import Records
from saymask.metrics.protocols import Protocol, get_protocol

Key = tuple[str, int]
"""(scene, number of the annotation)."""


@dataclass(frozen=True)
class Record:
    """The outcome for one annotation."""

    group: str
    """unique/multiple, an eval_type, two of ReferIt3D's groups with a blank between, or "" for none."""
    compositional: bool


R = TypeVar("R", bound=Record)


class Metric(Records[Key, R], ABC):
    """Means over annotations, for all and for the groups of the protocol; numbers are shares 0..1."""

    def __init__(self, protocol: str) -> None:
        super().__init__()
        self.protocol: Protocol = get_protocol(protocol)

    @abstractmethod
    def update(
        self,
        prediction: np.ndarray,  # float [N] logits or bool [N] mask; or [M, N], one row per object, M may be 0
        target: np.ndarray,  # bool [N]; or [K, N], one row per object, K may be 0
        annotation: Annotation,
        *,
        points: np.ndarray | None = None,  # [N, 3] metres, axis-aligned; needed where boxes are compared
        sp_iou: float | None = None,  # IoU of superpoints, where it is known
    ) -> None:
        """Count one annotation; no row, or no point in any row, means "no target"."""

    @abstractmethod
    def mean(self, rows: Sequence[R]) -> dict[str, float]:
        """Return n and the means over `rows`; without rows n is 0 and every mean is 0."""

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall", one entry per group of the protocol[, "compositional"]}.

        A group holds n and the means of the metric; one without annotations has n = 0 and scores 0. `compositional`
        is there when any annotation is. `overall` runs over all annotations (it is not the mean of the groups).
        """
        rows = self.rows()
        result: dict[str, Any] = {"protocol": self.protocol.name, "overall": self.mean(rows)}
        for group in self.protocol.groups:
            result[group] = self.mean([r for r in rows if group in r.group.split()])
        if any(r.compositional for r in rows):
            result["compositional"] = self.mean([r for r in rows if r.compositional])
        return result


def flatten(result: Mapping[str, Any]) -> dict[str, float]:
    """Return a result as {"overall/miou": ...} for loggers."""
    return {
        f"{subset}/{name}": float(value)
        for subset, values in result.items()
        if isinstance(values, Mapping)
        for name, value in values.items()
    }


def check_rows(prediction: np.ndarray, target: np.ndarray, annotation: Annotation) -> tuple[np.ndarray, np.ndarray]:
    """Return prediction [M, N] and target bool [K, N] as rows; InputError when they are not over the same points."""
    prediction, target = np.asarray(prediction), np.asarray(target, dtype=bool)
    if not (0 < prediction.ndim <= 2 and 0 < target.ndim <= 2 and prediction.shape[-1] == target.shape[-1]):
        raise InputError(
            f"{annotation.scene_id}/{annotation.ann_id}: expected one prediction per point "
            f"(last axis of {list(target.shape)}), got {list(prediction.shape)}"
        )
    return np.atleast_2d(prediction), np.atleast_2d(target)


def boxes_need_points(protocol: str, points: np.ndarray | None, count: int) -> np.ndarray:
    """Return `points` if there are `count` of them; raise InputError otherwise."""
    if points is None:
        raise InputError(f"protocol {protocol}: expected points, got None; pass points= (axis-aligned, metres)")
    if len(points) != count:
        raise InputError(f"protocol {protocol}: expected {count:,} points, got {len(points):,}")
    return np.asarray(points)
