"""Open-vocabulary instances, whose class is found by its name: the 198 instance classes of ScanNet200.

Average precision is that of `saymask.metrics.instance`. Two things are different: masks may all be equally sure, as in
the published numbers, and the classes are grouped in two ways: by how often they occur (head, common and tail, of
which only the classes of ScanNet200's validation list count) and by how close they are to ScanNet's 20 classes (51
base and 147 novel ones, of Open3DIS). The published evaluation numbers the classes 0..197, in the order of their ids.

Source: docs/systems/uniseg3d.md §6.7, step 3.
"""

import json
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from saymask.errors import InputError
from saymask.labels.tables import FOLDER
from saymask.metrics.benchmark import MOST_INSTANCES, by_name, get_benchmark, mean_defined, members
from saymask.metrics.instance import AP25, AP50, STRICT, InstanceMetric
from saymask.metrics.overlap import TrueInstances

PROTOCOLS = ("uniseg3d", "scannet200")
"""Every mask has the confidence 1, as published; or its own score."""
Group = Literal["overall", "head", "common", "tail", "base", "novel"]
GROUPS: tuple[Group, ...] = ("overall", "head", "common", "tail", "base", "novel")


def _table(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / "classes" / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def group_members() -> dict[Group, np.ndarray]:
    """Return bool [198] for each group: the instance classes of ScanNet200, by ascending id, that belong to it."""
    things = get_benchmark("scannet200").things
    ids = [c.id for c in things]
    listed = {c["id"] for c in _table("scannet200.json")["classes"] if c["in_val"]}
    base = np.isin(ids, _table("scannet200_base.json")["ids"])
    groups: dict[Group, np.ndarray] = {"overall": np.ones(len(ids), bool), "base": base, "novel": ~base}
    for group in ("head", "common", "tail"):
        groups[group] = members(things, group) & np.isin(ids, list(listed))
    return groups


def class_ids(numbers: np.ndarray) -> np.ndarray:
    """Return ScanNet's class ids (int64) of the evaluator's class numbers 0..197; InputError for others."""
    ids, numbers = np.array([c.id for c in get_benchmark("scannet200").things]), np.asarray(numbers)
    if numbers.size and (numbers.dtype.kind not in "iu" or numbers.min() < 0 or numbers.max() >= len(ids)):
        raise InputError(f"expected class numbers 0..{len(ids) - 1}, got {numbers.dtype} {_range(numbers)}")
    return ids[numbers.astype(np.int64)]


def evaluator_codes(classes: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Return the evaluator's code of each point, int64 [N]: (class number + 1) · 1000 + instance + 1, 0 = void.

    classes: int [N] in the evaluator's own order: 0 wall, 1 floor, then the 198 others by ascending id (in labels of
    prepared scans floor is 2, for which there is `Benchmark.true_instances`); 0, 1 and negative ones are void.
    instances: int [N], negative = void. Raises InputError for an instance above 998 or other sizes.
    """
    classes, instances = np.asarray(classes).astype(np.int64), np.asarray(instances).astype(np.int64)
    if classes.shape != instances.shape:
        raise InputError(f"expected a class and an instance per point, got {classes.shape} and {instances.shape}")
    if instances.max(initial=0) + 1 >= MOST_INSTANCES:
        raise InputError(f"expected instances below {MOST_INSTANCES - 1}, got {instances.max()}; number them from 0")
    # Things are the classes from the third on, so index 2 has the number 0.
    return np.where((classes >= 2) & (instances >= 0), (classes - 1) * MOST_INSTANCES + instances + 1, 0)


def scannet_codes(codes: np.ndarray) -> np.ndarray:
    """Return ScanNet's codes class id · 1000 + instance, int64 [N], of the evaluator's; void is 0."""
    codes = np.asarray(codes).astype(np.int64)
    inside = codes >= MOST_INSTANCES
    out = np.zeros(len(codes), np.int64)
    out[inside] = class_ids(codes[inside] // MOST_INSTANCES - 1) * MOST_INSTANCES + codes[inside] % MOST_INSTANCES
    return out


class OpenVocabularyMetric(InstanceMetric):
    """AP, AP50, AP25 and recall over ScanNet200's instance classes: overall, head, common, tail, base and novel.

    >>> import numpy as np
    >>> truth = np.repeat([2001, 4001, 0], 200)  # a chair and a table
    >>> metric = OpenVocabularyMetric()
    >>> metric.update(np.stack([truth == 2001, truth == 0]), np.array([2, 4]), np.array([0.2, 0.9]), truth, "scene0000")
    >>> metric.compute()["base"]["ap"], metric.compute()["tail"]["n"]
    (0.5, 0)
    """

    def __init__(self, protocol: str = "uniseg3d", *, min_region: int = 100) -> None:
        """`protocol`: `uniseg3d` (every confidence is 1) or `scannet200` (the scores as given)."""
        if protocol not in PROTOCOLS:
            raise InputError(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {protocol!r}")
        super().__init__("scannet200", min_region=min_region)
        self.rule = protocol

    def update(
        self,
        masks: np.ndarray,  # bool [M, N] over the points, M may be 0; or [M, S] over the rows of `index`
        labels: np.ndarray,  # int [M] class ids, or class numbers 0..197 with `numbers`
        scores: np.ndarray,  # float [M]; the protocol says whether they count
        truth: np.ndarray,  # int [N]: class id * 1000 + instance; with `numbers` the evaluator's codes
        scene_id: str,
        *,
        index: np.ndarray | None = None,  # int [N]: row of each point in the masks, -1 none
        numbers: bool = False,
    ) -> None:
        """Count a scene, in ScanNet's ids or, with `numbers`, in those of the evaluator (`evaluator_codes`).

        Raises InputError when sizes do not fit or a score is not finite.
        """
        if numbers:
            labels, truth = class_ids(labels), scannet_codes(truth)
        super().update(masks, labels, scores, truth, scene_id, index=index)

    def update_counts(
        self, counts: np.ndarray, labels: np.ndarray, scores: np.ndarray, truth: TrueInstances, scene_id: str
    ) -> None:
        """Count a scene by shared points, as `InstanceMetric`; the confidences are those of the protocol."""
        scores = np.asarray(scores, dtype=np.float64)
        if self.rule == "uniseg3d" and np.isfinite(scores).all():
            scores = np.ones_like(scores)
        super().update_counts(counts, labels, scores, truth, scene_id)

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "min_region", one entry per group, "ap", "ap50", "ap25", "recall"}.

        A group holds n (its classes with a true instance) and means over them: ap and recall (thresholds 0.5 to 0.9),
        ap50, ap25, recall50 and recall25; recall is that of all masks. `ap`, `ap50`, `ap25` and `recall` hold the
        classes by name. Numbers are shares 0..1.
        """
        curves, things = self.curves(), self.protocol.things
        result: dict[str, Any] = {"protocol": self.rule, "min_region": self.min_region}
        for group in GROUPS:
            rows = group_members()[group]
            result[group] = {"n": int(np.count_nonzero(~np.isnan(curves.ap[rows, 0])))}
            for name, values in (("ap", curves.ap[rows]), ("recall", curves.max_recall[rows])):
                result[group] |= {
                    name: mean_defined(np.ascontiguousarray(values[:, STRICT].T)),
                    f"{name}50": mean_defined(values[:, AP50]),
                    f"{name}25": mean_defined(values[:, AP25]),
                }
        classes = {"ap": curves.ap[:, STRICT].mean(1), "ap50": curves.ap[:, AP50], "ap25": curves.ap[:, AP25]}
        classes["recall"] = curves.max_recall[:, STRICT].mean(1)
        return result | {name: by_name(things, values) for name, values in classes.items()}


def _range(values: np.ndarray) -> str:
    return f"{values.min()}..{values.max()}"
