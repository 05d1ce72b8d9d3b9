"""LGround: the benchmark's semantic and instance scores."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.instance import THRESHOLDS, InstanceMetric
from saymask.metrics.semantic import SemanticMetric
from tests.parity import Check, case

EXACT = 1e-14
"""Counts are exact; only the order of summation in a mean may differ."""


def _instance(data: dict[str, Any], min_region: int) -> InstanceMetric:
    metric = InstanceMetric("scannet200", min_region=min_region)
    for scene in sorted(m[1] for m in (re.fullmatch(r"gt_(\d+)", name) for name in data) if m):
        truth, rows = data[f"gt_{scene}"], data[f"pred_{scene}_start_stop_label"]
        masks = np.zeros((len(rows), len(truth)), bool)
        for mask, (start, stop, _) in zip(masks, rows, strict=True):
            mask[start:stop] = True
        metric.update(masks, rows[:, 2], data[f"pred_{scene}_conf"], truth, scene)
    return metric


@case("lground", "evaluation")
def evaluation(data: dict[str, Any], path: Path) -> Iterator[Check]:
    yield Check("overlaps", THRESHOLDS, data["overlaps"])
    for name in sorted(n for n in data if re.fullmatch(r"ap_min\d+", n)):
        metric = _instance(data, int(name.removeprefix("ap_min")))
        ids = np.array([c.id for c in metric.protocol.things])
        rows = np.searchsorted(ids, data["ap_class_ids"])
        ap = metric.average_precision()
        yield Check(name, ap[rows], data[name], EXACT)
        yield Check(f"{name} (other classes)", np.isnan(np.delete(ap, rows, axis=0)).all(), True)
        means = metric.compute()["overall"]
        yield Check(
            name.replace("ap_", "all_"),
            [means[k] for k in ("ap", "ap50", "ap25")],
            data[name.replace("ap_", "all_")],
            EXACT,
        )
    metric = SemanticMetric("scannet200")
    metric.update(data["sem_pred"], data["sem_gt"], "scene")
    yield Check("sem_iou", metric.iou(), data["sem_iou"])
    yield Check("sem_miou_present", metric.compute()["overall"]["miou_present"], data["sem_miou_present"], EXACT)
    metric = SemanticMetric("scannet200")
    metric.update(data["hist_pred_idx"], data["hist_gt_idx"], "scene", indices=True)
    result = metric.compute()
    yield Check("hist_iou_nan", metric.iou(), data["hist_iou_nan"])
    for key, name in (("miou_present", "nanmean"), ("miou_all", "absent_zero")):
        yield Check(f"hist_miou_{name}", result["overall"][key], data[f"hist_miou_{name}"], EXACT)
        splits = [result[group][key] for group in get_benchmark("scannet200").groups]
        yield Check(f"hist_split_{name}", splits, data[f"hist_split_{name}"], EXACT)
