"""Open-vocabulary finding: for each name of something in a scan, the points that a model answers with.

A scan and a name that occurs in it are a pair. The union of all that was found for the name is compared with all points
of that class, and the mean runs over all pairs. Chance is what the same answers reach when the names are exchanged: the
mean IoU of an answer with the points of the *other* names of its scan. A model that does not understand the words can
answer with whatever is easy to segment and still be no better than this; `ratio` says how much better one is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.labels.tables import scannet20
from saymask.metrics.benchmark import NO_CLASS, SceneMetric, by_name
from saymask.metrics.overlap import label_iou


@dataclass(frozen=True)
class FindRecord:
    """The K names of a scene, in the order of their class indices."""

    classes: np.ndarray  # int16 [K]
    iou: np.ndarray  # float64 [K]: of the answer with the points of its name
    exchanged: np.ndarray  # float64 [K]: of the answer with the points of each other name, the sum
    others: np.ndarray  # int16 [K]: how many other names there are
    answered: np.ndarray  # bool [K]: something was found
    held_out: np.ndarray  # bool [K]: names that the model never heard in training


class FindMetric(SceneMetric[FindRecord]):
    """Mean IoU of what names find, beside chance: of all names, of ScanNet20's, of others, and of held-out ones.

    >>> import numpy as np
    >>> truth = np.array([0, 0, 1, 1])  # wall and chair
    >>> metric = FindMetric("scannet200")
    >>> metric.update(np.array([[1, 1, 0, 0], [0, 1, 1, 1]], bool), np.array([0, 1]), truth, "scene0000_00")
    >>> {key: round(value, 3) for key, value in metric.compute()["overall"].items()}
    {'n': 2, 'miou': 0.833, 'acc25': 1.0, 'acc50': 1.0, 'answered': 1.0, 'chance': 0.125, 'ratio': 6.667}
    """

    headline = "miou"

    def __init__(self, protocol: str = "scannet200") -> None:
        """`protocol`: whose classes are the names, `scannet200` or `scannet`."""
        super().__init__(protocol)

    def update(
        self,
        masks: np.ndarray,  # bool [M, N] over the points, M may be 0; or [M, S] over the rows of `index`
        names: np.ndarray,  # int [M]: index of the class whose name found the mask; several masks may have one
        truth: np.ndarray,  # int [N]: class index of each point, -1 none
        scene_id: str,
        *,
        index: np.ndarray | None = None,  # int [N]: row of each point in the masks, -1 none
        held_out: Collection[str] = (),  # names
    ) -> None:
        """Count a scene: what was found for every name that occurs in it; masks of other names do not count.

        Raises InputError when sizes do not fit or a class is none of the protocol's.
        """
        masks, names, truth = np.asarray(masks), np.asarray(names), np.asarray(truth)
        for what, values in (("names", names), ("classes", truth)):
            if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
                raise InputError(f"{scene_id}: expected {what} as whole numbers, got {values.dtype} {values.shape}")
            self.protocol.of_indices(values.astype(np.int64))
        if masks.ndim != 2 or masks.dtype != np.bool_ or len(masks) != len(names):
            raise InputError(
                f"{scene_id}: expected masks as bits bool [{len(names)}, N] for as many names, got {masks.dtype} "
                f"{list(masks.shape)}"
            )
        asked = names_in(truth)
        unions = np.zeros((len(asked), masks.shape[1]), bool)
        for row, name in enumerate(asked):
            unions[row] = masks[names == name].any(0)
        # The last entry is of the points without a class.
        places = np.full(len(self.protocol.classes) + 1, NO_CLASS)
        places[asked] = np.arange(len(asked))
        try:
            iou = label_iou(unions, places[truth], len(asked), index)
        except InputError as error:
            raise InputError(f"{scene_id}: {error}") from None
        own, count = iou.diagonal(), len(asked)
        told = {name.casefold() for name in held_out}
        record = FindRecord(
            classes=asked.astype(np.int16),
            iou=own.copy(),
            exchanged=iou.sum(1) - own,
            others=np.full(count, count - 1, np.int16),
            answered=np.array([union.any() for union in unions], bool),
            held_out=np.array([self.protocol.classes[i].name.casefold() in told for i in asked], bool),
        )
        self.records.setdefault(scene_id, record)

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall", "base", "other"[, "held-out"], "iou"}.

        `base` are the names that ScanNet20 has, too, `other` the rest; `held-out` is there when a model has held-out
        names, which also count where they belong otherwise. A group holds n (its pairs of scan and name), miou, acc25
        and acc50 (shares of the pairs whose IoU exceeds 0.25 and 0.5), answered (share for which anything was found),
        chance (mean IoU of an answer with the other names of its scan) and ratio = miou / chance, which is missing
        where chance is 0. `iou` holds the mean IoU of each name. Shares 0..1.
        """
        classes = self.column("classes").astype(np.int64)
        iou, held = self.column("iou"), self.column("held_out") > 0
        known = {c.name for c in scannet20()}
        base = np.array([c.name in known for c in self.protocol.classes])[classes]
        groups = {"overall": np.ones(len(iou), bool), "base": base, "other": ~base}
        if held.any():
            groups["held-out"] = held
        result: dict[str, Any] = {"protocol": self.protocol.name}
        result |= {group: self._summary(rows) for group, rows in groups.items()}
        sums, counts = (np.bincount(classes, w, len(self.protocol.classes)) for w in (iou, None))
        mean = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
        return result | {"iou": by_name(self.protocol.classes, mean)}

    def _summary(self, rows: np.ndarray) -> dict[str, float]:
        iou, answered, exchanged, others = (
            self.column(name)[rows] for name in ("iou", "answered", "exchanged", "others")
        )
        means = {"miou": iou, "acc25": iou > 0.25, "acc50": iou > 0.5, "answered": answered}
        result = {"n": len(iou), **{name: float(v.mean()) if len(iou) else 0.0 for name, v in means.items()}}
        pairs = others.sum()
        result["chance"] = float(exchanged.sum() / pairs) if pairs else 0.0
        return result | ({"ratio": result["miou"] / result["chance"]} if result["chance"] else {})


def names_in(truth: np.ndarray) -> np.ndarray:
    """Return the class indices that occur, ascending, int64 [K]; truth: int [N], -1 none."""
    found = np.unique(truth).astype(np.int64)
    return found[found != NO_CLASS]
