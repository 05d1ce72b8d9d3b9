"""Tasks on an encoded scan that a model can be measured on: one row of the table `SCAN_TASKS` each.

Whoever measures (`saymask.evaluation.scans`) knows no task by name: a row says which verb the model needs, which
protocols there are, what is counted, and how the numbers are shown. Plain protocols compare at points with the labels
of the scan and know no right answer; `uniseg3d` counts as the evaluation of UniSeg3D does
(docs/systems/uniseg3d.md §6.6).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.answers import Classes, Objects
from saymask.errors import InputError, ProtocolError
from saymask.evaluation.tasks.click import CLICK_LABELS, measure_clicks
from saymask.evaluation.tasks.find import FIND_PROTOCOLS, find_labels, find_metric, measure_find
from saymask.geometry.votes import owners
from saymask.metrics.benchmark import NO_CLASS, Benchmark, get_benchmark
from saymask.metrics.instance import InstanceMetric
from saymask.metrics.interactive import InteractiveMetric
from saymask.metrics.panoptic import PanopticMetric
from saymask.metrics.semantic import SemanticMetric
from saymask.metrics.submission import write_instances, write_semantic
from saymask.models.contract import AnswersInstances, AnswersPanoptic, AnswersSemantic
from saymask.scan import Scan

PUBLISHED = "uniseg3d"
"""The protocol of UniSeg3D's published numbers; every other one is plain."""


@dataclass(frozen=True)
class ScanTask:
    """Something that a model is measured on, scan by scan."""

    name: str
    verb: str
    """Verb that the model must answer."""
    protocols: tuple[str, ...]
    """The most usual one first."""
    labels: Callable[[str], tuple[str, ...]]
    """Protocol -> labels that a scan needs; some point must have one of the first kind."""
    metric: Callable[[str], Any]
    """Protocol -> an empty metric; InputError for an unknown protocol."""
    measure: Callable[..., int]
    """(model, encoded, scan, metric) -> how many answers were no finite numbers: ask the model about an encoded scan
    (which has its labels) and count the answers. With `exports` it takes `folder=` as well."""
    figures: tuple[str, ...]
    """The number of a result's `overall` that stands for the task; of several names the first that is there."""
    columns: Mapping[str, str]
    """Number of a group -> its title in a table; numbers that a protocol does not have are not shown."""
    counts: str
    """Things that `n` counts, for the caption of a table."""
    broken: str = "masks are left out"
    """Treatment of answers that are no finite numbers, for a message."""
    own_classes: bool = False
    """The answers are of the model's own classes, which not every protocol has."""
    exports: bool = False
    """Answers can be written as, and scored from, the benchmark's submission files."""

    @property
    def plain(self) -> tuple[str, ...]:
        """The protocols that compare at points and know no right answer."""
        return tuple(p for p in self.protocols if p != PUBLISHED)

    @property
    def choice(self) -> tuple[str, ...]:
        """The plain protocols of which, without a wish, the first that fits the model is taken."""
        return self.plain if self.own_classes else self.plain[:1]

    def figure(self, metrics: Mapping[str, Any]) -> str:
        """Return the name of the number that stands for the task in a result."""
        return next(name for name in self.figures if name in metrics["overall"])

    def empty(self, protocol: str) -> Any:
        """Return an empty metric; InputError for a protocol that the task does not have."""
        if protocol not in self.protocols:
            raise InputError(
                f"protocol: expected one of {', '.join(self.protocols)}, got {protocol!r} for task {self.name}"
            )
        return self.metric(protocol)


def has_labels(scan: Scan, labels: tuple[str, ...]) -> bool:
    """Return whether a scan has all of `labels`, the first of them at some point."""
    return set(labels) <= scan.labels.keys() and bool((scan.labels[labels[0]] != NO_CLASS).any())


def measure_semantic(
    model: AnswersSemantic, encoded: Any, scan: Scan, metric: SemanticMetric, *, folder: Path | None = None
) -> int:
    """Count the class of every point; return at how many points the probability is no finite number.

    With `folder` the classes are written as the benchmark's file; a scan without labels is only written.
    """
    answer = model.semantic(encoded)
    check_answer(answer, scan, metric.protocol)
    ids, broken = point_classes(answer)
    if has_labels(scan, (metric.protocol.label,)):
        metric.update(ids, metric.protocol.true_classes(scan.labels), scan.name)
    if folder is not None:
        write_semantic(folder, scan.name, ids)
    return broken


def measure_instances(
    model: AnswersInstances, encoded: Any, scan: Scan, metric: InstanceMetric, *, folder: Path | None = None
) -> int:
    """Count the scored masks; return how many scores are no finite number: such masks are left out.

    With `folder` the masks are written as the benchmark's files; a scan without labels is only written.
    """
    answer = model.instances(encoded)
    check_answer(answer, scan, metric.protocol)
    fine = np.isfinite(answer.scores)
    masks, scores = answer.masks[fine], answer.scores[fine]
    labels = np.asarray(answer.ids, np.int64)[answer.classes[fine]]
    if has_labels(scan, (metric.protocol.label, "instance")):
        true = metric.protocol.true_instances(scan.labels)
        metric.update(masks, labels, scores, true, scan.name, index=answer.index)
    if folder is not None:
        write_instances(folder, scan.name, masks, labels, scores, index=answer.index)
    return int((~fine).sum())


def measure_panoptic(model: AnswersPanoptic, encoded: Any, scan: Scan, metric: PanopticMetric) -> int:
    """Count the class and the object of every point; return how many masks had a score that is no finite number.

    Such masks are left out. Where masks overlap, which they should not, a point goes to the best one.
    """
    answer = model.panoptic(encoded)
    check_answer(answer, scan, metric.protocol)
    fine = np.isfinite(answer.scores)
    masks = answer.masks[fine]
    # The last row stands for points without a mask: class 0, no object.
    numbers = np.append(np.arange(len(masks)), NO_CLASS)
    ids = np.append(np.asarray(answer.ids, np.int64)[answer.classes[fine]], 0)
    row = np.append(owners(masks), -1)[answer.index]
    benchmark = metric.protocol
    metric.update(ids[row], numbers[row], benchmark.true_classes(scan.labels), scan.labels["instance"], scan.name)
    return int((~fine).sum())


def point_classes(answer: Classes) -> tuple[np.ndarray, int]:
    """Return the class id of each point, int64 [N] (0 none), and at how many points the probability is not finite.

    A class that was chosen among numbers that are none was not chosen: such points have none.
    """
    fine = np.isfinite(answer.probabilities)
    rows = np.append(np.asarray(answer.ids, np.int64), 0)[np.where(fine, answer.classes, NO_CLASS)]
    # Row -1, a point without support, is the entry that is appended.
    return np.append(rows, 0)[answer.index], int(np.count_nonzero(np.append(~fine, False)[answer.index]))


def check_answer(answer: Classes | Objects, scan: Scan, benchmark: Benchmark) -> None:
    """Raise InputError for an answer that is not over the scan's points, ProtocolError for one with other classes."""
    if answer.index.shape != (len(scan),):
        raise InputError(
            f"{scan.name}: expected an answer for each of {len(scan):,} points, got {list(answer.index.shape)}"
        )
    # Names as well: the same number means other things in two benchmarks (2 is chair in one, floor in the other).
    known = {c.id: c.name for c in benchmark.classes}
    strange = [(i, name) for i, name in zip(answer.ids, answer.names, strict=True) if known.get(i) != name]
    if strange:
        some = ", ".join(f"{i} {name!r}" for i, name in strange[:3])
        raise ProtocolError(
            f"protocol {benchmark.name}: expected a model with the {len(known)} classes of this benchmark "
            f"({benchmark.classes[0].id} {benchmark.classes[0].name!r}, …), got {len(answer.ids)} classes, "
            f"{len(strange)} of them unknown to it: {some}; choose the protocol that the model was trained for"
        )


def _classes(protocol: str) -> tuple[str, ...]:
    return (get_benchmark(protocol).label,)


def _objects(protocol: str) -> tuple[str, ...]:
    return (get_benchmark(protocol).label, "instance")


SCAN_TASKS: dict[str, ScanTask] = {
    task.name: task
    for task in (
        ScanTask(
            name="semantic",
            verb="semantic",
            protocols=("scannet200", "scannet", PUBLISHED),
            labels=_classes,
            metric=SemanticMetric,
            measure=measure_semantic,
            figures=("miou_present",),
            columns={"miou_present": "mIoU", "miou_all": "mIoU, absent = 0", "acc": "accuracy"},
            counts="means over the n classes that occur; absent = 0: over all classes of the protocol",
            broken="points have no class",
            own_classes=True,
            exports=True,
        ),
        ScanTask(
            name="instance",
            verb="instances",
            protocols=("scannet200", "scannet", PUBLISHED),
            labels=_objects,
            metric=InstanceMetric,
            measure=measure_instances,
            figures=("ap50",),
            columns={"ap": "AP", "ap50": "AP50", "ap25": "AP25"},
            counts="means over the n classes that occur",
            own_classes=True,
            exports=True,
        ),
        ScanTask(
            name="panoptic",
            verb="panoptic",
            protocols=("scannet", PUBLISHED),
            labels=_objects,
            metric=PanopticMetric,
            measure=measure_panoptic,
            figures=("pq",),
            columns={"pq": "PQ", "sq": "SQ", "rq": "RQ", "miou": "mIoU"},
            counts="means over the n classes that occur (uniseg3d: over all of the group, absent ones are 0)",
            own_classes=True,
        ),
        ScanTask(
            name="interactive",
            verb="click",
            protocols=("scannet", PUBLISHED),
            labels=lambda protocol: CLICK_LABELS,
            metric=InteractiveMetric,
            measure=measure_clicks,
            figures=("miou",),
            columns={
                "miou": "mIoU", "acc25": "Acc@0.25", "acc50": "Acc@0.5", "ap": "AP", "ap50": "AP50", "ap25": "AP25",
            },
            counts="means over n clicks",
            broken="clicks count as empty masks",
        ),
        ScanTask(
            name="find",
            verb="find",
            protocols=FIND_PROTOCOLS,
            labels=find_labels,
            metric=find_metric,
            measure=measure_find,
            figures=("miou", "ap"),
            columns={
                "miou": "mIoU", "acc25": "Acc@0.25", "acc50": "Acc@0.5", "answered": "answered", "chance": "chance",
                "ratio": "ratio", "ap": "AP", "ap50": "AP50", "ap25": "AP25", "recall": "recall",
            },
            counts="means over n names in scans (uniseg3d: over the n classes that occur)",
        ),
    )
}  # fmt: skip
"""The tasks on whole scans by name; that on sentences is made of the sentences (`sentence_task`)."""
