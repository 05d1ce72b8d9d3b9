"""Objects with classes, counted as average precision."""

from dataclasses import replace
from typing import Any

import numpy as np

from saymask.evaluation.tasks.task import NOTHING, PUBLISHED, Aside, Task, check_answer, has_labels
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.instance import InstanceMetric
from saymask.metrics.submission import write_instances
from saymask.models.contract import AnswersInstances
from saymask.scan import Scan
from saymask.scene.to_masks import object_masks


def measure_instances(
    model: AnswersInstances, encoded: Any, scan: Scan, metric: InstanceMetric, aside: Aside = NOTHING
) -> int:
    """Count the scored masks; return how many scores are no finite number: such masks are left out.

    With `aside.folder` the masks are written as the benchmark's files; a scan without labels is only written.
    """
    answer = aside.once("instances", lambda: model.instances(encoded))
    check_answer(answer, scan, metric.protocol)
    fine = np.isfinite(answer.scores)
    masks, scores = answer.masks[fine], answer.scores[fine]
    labels = np.asarray(answer.ids, np.int64)[answer.classes[fine]]
    if has_labels(scan, (metric.protocol.label, "instance")):
        true = metric.protocol.true_instances(scan.labels)
        metric.update(masks, labels, scores, true, scan.name, index=answer.index)
    if aside.folder is not None:
        write_instances(aside.folder, scan.name, masks, labels, scores, index=answer.index)
        if aside.colored:
            object_masks(replace(answer, masks=masks, scores=scores, classes=answer.classes[fine]), scan).save(
                aside.folder / f"{scan.name}.ply", colored=True
            )
    return int((~fine).sum())


INSTANCES = Task(
    name="instances",
    protocols=("scannet200", "scannet", PUBLISHED),
    labels=lambda protocol: (get_benchmark(protocol).label, "instance"),
    metric=InstanceMetric,
    measure=measure_instances,
    figures=("ap50",),
    columns={"ap": "AP", "ap50": "AP50", "ap25": "AP25"},
    counts="means over the n classes that occur",
    own_classes=True,
    exports="scans",
)
