"""The class of every point, counted as mean IoU over classes."""

from typing import Any

import numpy as np

from saymask.answers import Classes
from saymask.data.class_frequencies import count_classes
from saymask.data.scenes import read_manifest, scene_path
from saymask.errors import InputError
from saymask.evaluation.items import Items, to_stderr
from saymask.evaluation.tasks.task import NOTHING, PUBLISHED, Aside, Task, check_answer, has_labels
from saymask.metrics.benchmark import NO_CLASS, get_benchmark
from saymask.metrics.semantic import SemanticMetric, SemanticRecord
from saymask.metrics.submission import write_semantic
from saymask.models.contract import AnswersSemantic
from saymask.scan import Scan
from saymask.scene.to_masks import class_masks


def measure_semantic(
    model: AnswersSemantic, encoded: Any, scan: Scan, metric: SemanticMetric, aside: Aside = NOTHING
) -> int:
    """Count the class of every point; return at how many points the probability is no finite number.

    With `aside.folder` the classes are written as the benchmark's file; a scan without labels is only written.
    """
    answer = aside.once("semantic", lambda: model.semantic(encoded))
    check_answer(answer, scan, metric.protocol)
    ids, broken = point_classes(answer)
    if has_labels(scan, (metric.protocol.label,)):
        metric.update(ids, metric.protocol.true_classes(scan.labels), scan.name)
    if aside.folder is not None:
        write_semantic(aside.folder, scan.name, ids)
        if aside.colored:
            class_masks(answer, scan).save(aside.folder / f"{scan.name}.ply", colored=True)
    return broken


def point_classes(answer: Classes) -> tuple[np.ndarray, int]:
    """Return the class id of each point, int64 [N] (0 none), and at how many points the probability is not finite.

    A class that was chosen among numbers that are none was not chosen: such points have none.
    """
    fine = np.isfinite(answer.probabilities)
    rows = np.append(np.asarray(answer.ids, np.int64), 0)[np.where(fine, answer.classes, NO_CLASS)]
    # Row -1, a point without support, is the entry that is appended.
    return np.append(rows, 0)[answer.index], int(np.count_nonzero(np.append(~fine, False)[answer.index]))


def majority_class(metric: SemanticMetric, index: int) -> dict[str, Any]:
    """Return the result of saying class `index` at every point of the scenes that `metric` has counted."""
    other = SemanticMetric(metric.protocol.name)
    columns = len(metric.protocol.classes) + 1
    for scene, record in metric.records.items():
        rows, at = np.unique(record.cells // columns, return_inverse=True)
        counts = np.zeros(len(rows), np.int64)
        np.add.at(counts, at, record.counts)
        other.records[scene] = SemanticRecord((rows * columns + index).astype(np.int32), counts)
    return other.compute()


def _baselines(items: Items, metric: SemanticMetric) -> dict[str, Any]:
    """Return what needs no model: the most frequent class of the training scans at every point; else nothing."""
    if not metric.records:
        return {}
    data = items.scans.data
    train = [s for s in read_manifest(data).get("splits", {}).get("train", []) if scene_path(data, s).is_file()]
    if not train:
        return {}
    try:
        frequencies = count_classes(data, train, labels=metric.protocol.label)
    except InputError as error:
        to_stderr(f"there is no baseline: {error}")
        return {}
    if not any(frequencies.points):
        return {}
    return {"majority class": majority_class(metric, int(np.argmax(frequencies.points)))}


SEMANTIC = Task(
    name="semantic",
    protocols=("scannet200", "scannet", PUBLISHED),
    labels=lambda protocol: (get_benchmark(protocol).label,),
    metric=SemanticMetric,
    measure=measure_semantic,
    figures=("miou_present",),
    columns={
        "miou_present": "mIoU",
        "miou_all": "mIoU, absent = 0",
        "precision": "precision",
        "recall": "recall",
        "acc": "accuracy",
    },
    counts="means over the n classes that occur; absent = 0: over all classes of the protocol",
    broken="points have no class",
    own_classes=True,
    exports="scans",
    baselines=_baselines,
)
