"""The class and the object of every point, counted as panoptic quality."""

from typing import Any

import numpy as np

from saymask.evaluation.tasks.task import NOTHING, PUBLISHED, Aside, Task, check_answer
from saymask.geometry.votes import owners
from saymask.metrics.benchmark import NO_CLASS, get_benchmark
from saymask.metrics.panoptic import PanopticMetric
from saymask.models.contract import AnswersPanoptic
from saymask.scan import Scan


def measure_panoptic(
    model: AnswersPanoptic, encoded: Any, scan: Scan, metric: PanopticMetric, aside: Aside = NOTHING
) -> int:
    """Count the class and the object of every point; return how many masks had a score that is no finite number.

    Such masks are left out. Where masks overlap, which they should not, a point goes to the best one.
    """
    answer = aside.once("panoptic", lambda: model.panoptic(encoded))
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


PANOPTIC = Task(
    name="panoptic",
    protocols=("scannet", PUBLISHED),
    labels=lambda protocol: (get_benchmark(protocol).label, "instance"),
    metric=PanopticMetric,
    measure=measure_panoptic,
    figures=("pq",),
    columns={"pq": "PQ", "sq": "SQ", "rq": "RQ", "miou": "mIoU"},
    counts="means over the n classes that occur (uniseg3d: over all of the group, absent ones are 0)",
    own_classes=True,
)
