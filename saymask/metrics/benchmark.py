"""The ScanNet benchmarks, and what their metrics have in common: one record per scene.

`scannet` has 20 classes (nyu40 ids), `scannet200` has 200 (ScanNet ids) that are split into head, common and tail. Wall
and floor are not evaluated as instances, which leaves 18 and 198 classes (docs/systems/lground.md §6.3, §6.4).
`uniseg3d` is `scannet` as UniSeg3D's evaluation counts it: an object is whole and of the class of its first point
(docs/systems/uniseg3d.md §6.6, §Q20).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, TypeVar

import numpy as np

from saymask.errors import InputError
from saymask.labels.tables import LabelClass, scannet20, scannet200
from saymask.metrics.gather import Records

NO_CLASS = -1
MOST_INSTANCES = 1000
"""A true instance is written as class id * 1000 + a number below 1000."""


@dataclass(frozen=True)
class Benchmark:
    """The classes of a benchmark; classes are named by id (the value in its files) or by index (0..C-1)."""

    name: str
    classes: tuple[LabelClass, ...]
    label: Literal["semantic20", "semantic200"]
    """The labels of a prepared scene that hold its class indices."""
    whole: bool = False
    """A true instance is all of an object that lies on things, and has the class of its first such point; otherwise the
    points of an object that have a class are an instance of that class."""

    @cached_property
    def things(self) -> tuple[LabelClass, ...]:
        """The classes that are evaluated as instances."""
        return tuple(c for c in self.classes if not c.stuff)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that a result is split into, beside `overall`."""
        return tuple(g for g in ("head", "common", "tail") if any(c.split == g for c in self.classes))

    @cached_property
    def ids(self) -> np.ndarray:
        """Class id of each index, int64 [C], ascending."""
        return np.array([c.id for c in self.classes], np.int64)

    @cached_property
    def _indices(self) -> np.ndarray:
        table = np.full(self.ids.max() + 2, NO_CLASS, np.int64)
        table[self.ids] = np.arange(len(self.ids))
        return table

    def indices(self, ids: np.ndarray) -> np.ndarray:
        """Return the class index of ids of any shape (int64), -1 where an id is none of the benchmark's."""
        # The first and the last entry of the table belong to no class and stand for all ids beyond them.
        return self._indices[np.clip(np.asarray(ids), 0, len(self._indices) - 1)]

    def of_indices(self, indices: np.ndarray) -> np.ndarray:
        """Return the class ids (int64) of indices, 0 for -1; InputError for others."""
        indices = np.asarray(indices)
        if indices.size and not (indices.min() >= NO_CLASS and indices.max() < len(self.ids)):
            raise InputError(
                f"{self.name}: expected class indices -1..{len(self.ids) - 1}, got {indices.min()}..{indices.max()}; "
                f"are these class ids?"
            )
        return np.append(self.ids, 0)[indices]

    def true_classes(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the class id of each point (int64 [N], 0 none) from the labels of a prepared scene."""
        return self.of_indices(_label(labels, self.label))

    def true_instances(self, labels: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return class id * 1000 + object + 1 of each point (int64 [N]) from the labels of a prepared scene.

        Points without a class of the benchmark or without an object are 0. Raises InputError when a scene has more
        than 999 objects or no such labels.
        """
        classes, objects = self.true_classes(labels), np.asarray(_label(labels, "instance"), dtype=np.int64)
        if objects.max(initial=0) + 1 >= MOST_INSTANCES:
            known, objects = np.unique(objects, return_inverse=True)
            objects -= int(np.count_nonzero(known < 0))
            if objects.max() + 1 >= MOST_INSTANCES:
                raise InputError(f"expected at most {MOST_INSTANCES - 1} objects in a scene, got {objects.max() + 1:,}")
        if self.whole:
            objects = np.where(np.isin(classes, [c.id for c in self.things]), objects, -1)
            _, first, row = np.unique(objects, return_index=True, return_inverse=True)
            classes = classes[first][row.reshape(-1)]
        return np.where((classes > 0) & (objects >= 0), classes * MOST_INSTANCES + objects + 1, 0)


def _label(labels: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in labels:
        raise InputError(
            f"expected a scene with the labels {name!r}, got {', '.join(labels) or 'none'}; prepare it with its "
            f"aggregation file and the label table"
        )
    return labels[name]


@lru_cache(maxsize=1)
def benchmarks() -> dict[str, Benchmark]:
    """Return the benchmarks by name."""
    known = (
        Benchmark("scannet", scannet20(), "semantic20"),
        Benchmark("scannet200", scannet200(), "semantic200"),
        Benchmark("uniseg3d", scannet20(), "semantic20", whole=True),
    )
    return {b.name: b for b in known}


def get_benchmark(name: str) -> Benchmark:
    """Return a benchmark by name."""
    if name not in benchmarks():
        raise InputError(f"protocol: expected one of {', '.join(benchmarks())}, got {name!r}")
    return benchmarks()[name]


R = TypeVar("R")


class SceneMetric(Records[str, R]):
    """One record per scene, by the rules of a benchmark."""

    def __init__(self, protocol: str) -> None:
        super().__init__()
        self.protocol: Benchmark = get_benchmark(protocol)


def mean_defined(values: np.ndarray) -> float:
    """Return the mean of the numbers that are not NaN, 0 without any."""
    return 0.0 if np.isnan(values).all() else float(np.nanmean(values))


def members(classes: tuple[LabelClass, ...], group: str) -> np.ndarray:
    """Return bool [C]: the classes of head, common or tail, or all of them for `overall`."""
    return np.array([group in ("overall", c.split) for c in classes])


def by_name(classes: tuple[LabelClass, ...], values: np.ndarray) -> dict[str, float]:
    """Return {class name: value} of the classes whose value is defined (not NaN)."""
    return {c.name: float(v) for c, v in zip(classes, values, strict=True) if not np.isnan(v)}
