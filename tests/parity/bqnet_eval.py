"""BQNet: from the heads' answers to the numbers of the protocols `3dres` and `3dgres`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.data.annotations import EVAL_TYPES, Annotation
from saymask.metrics.protocols import select_points
from saymask.metrics.referring import ReferMetric
from tests.parity import Check, case

NUMBERS = {"25": "acc25", "50": "acc50", "mIOU": "miou", "miou": "miou"}


def scenes(data: dict[str, Any]) -> list[str]:
    """The numbered scenes that are in the file, in the order of their numbers."""
    names = {match[1] for match in (re.match(r"(s\d+)\.", key) for key in data) if match}
    return sorted(names, key=lambda name: int(name[1:]))


def record(metric: ReferMetric, prediction: np.ndarray, target: np.ndarray, annotation: Annotation) -> float:
    """Count one annotation and return its IoU."""
    metric.update(prediction, target > 0, annotation)
    return metric.records[annotation.key].iou


def named(name: str, points: dict[str, Any], superpoints: dict[str, Any]) -> float:
    """Return the number that the official script calls `name`; NaN (which it gives) for an empty group."""
    match = re.fullmatch(r"(?:val|test)/(?:(sp)?(?:Acc_)?(25|50|mIOU)|(\w+?)_(25|50|miou)|miou_(\w+))", name)
    assert match is not None, f"unknown number {name}"
    level, overall, group, number, other = match.groups()
    result = superpoints if level else points
    subset = {None: "overall", "multi": "multiple"}.get(group or other, group or other)
    values = result[str(subset)]
    return values[NUMBERS[overall or number or "miou"]] if values["n"] else float("nan")


def metrics(data: dict[str, Any], points: ReferMetric, superpoints: ReferMetric) -> Iterator[Check]:
    """Compare every named number of the file."""
    results = points.compute(), superpoints.compute()
    for name, expected in zip(data["metric_names"], data["metric_values"]):
        yield Check(str(name), named(str(name), *results), expected, 1e-5, 1e-5)


@case("bqnet", "eval_gres")
def eval_gres(data: dict[str, Any], path: Path) -> Iterator[Check]:
    final, spfinal, plain = ReferMetric("3dgres"), ReferMetric("3dgres"), ReferMetric("3dres")
    ious = []
    for scene in scenes(data):
        index = data[f"{scene}.superpoints"]
        nothing, raw, spraw, chosen = [], [], [], []
        for i, (masks, indicators) in enumerate(zip(data[f"{scene}.masks"], data[f"{scene}.indis"])):
            kind = EVAL_TYPES[int(data[f"{scene}.eval_type"][i])]
            annotation = Annotation(scene, (), i, "", "", eval_type=kind)
            selected = indicators[:, 1] > indicators[:, 0]
            target, sptarget = data[f"{scene}.gt_pmask"][i], data[f"{scene}.gt_spmask"][i]
            ious.append(record(final, masks[selected][:, index], target, annotation))
            chosen.append(selected)
            union = masks[selected].max(0, initial=-np.inf)
            nothing.append(not select_points(union[index], "3dgres").any())
            # The raw IoU knows no zero-target rule and no smallest mask: it is that of `3dres`.
            raw.append(record(plain, union[index], target, Annotation(f"{scene} points", (), i, "", "")))
            spraw.append(record(plain, union, sptarget, Annotation(f"{scene} superpoints", (), i, "", "")))
            # Superpoints: sentences without a target follow the decision at the points, others keep the raw IoU.
            if kind.startswith("zt"):
                spfinal.add(annotation, 0, 0 if nothing[-1] else 1)
            else:
                counted = plain.records[f"{scene} superpoints", i]
                spfinal.add(annotation, counted.inter, counted.union)
        yield Check(f"{scene}.indicator", chosen, data[f"{scene}.indicator"])
        yield Check(f"{scene}.nt_label", nothing, data[f"{scene}.nt_label"])
        yield Check(f"{scene}.piou_raw", raw, data[f"{scene}.piou_raw"], 1e-5, 1e-5)
        yield Check(f"{scene}.spiou_raw", spraw, data[f"{scene}.spiou_raw"], 1e-5, 1e-5)
    yield Check("piou_final", ious, data["piou_final"], 1e-5, 1e-5)
    yield from metrics(data, final, spfinal)


@case("bqnet", "eval_res")
def eval_res(data: dict[str, Any], path: Path) -> Iterator[Check]:
    points, superpoints = ReferMetric("3dres"), ReferMetric("3dres")
    lookup = iter(data["lookup_value"])
    for scene in scenes(data):
        index = data[f"{scene}.superpoints"]
        ious, spious = [], []
        for i, (masks, indicators) in enumerate(zip(data[f"{scene}.masks"], data[f"{scene}.indis"])):
            annotation = Annotation(scene, (0,), i, "", "", multiple=bool(next(lookup)))
            top = int(torch.from_numpy(indicators).softmax(-1)[:, 1].argmax())
            ious.append(record(points, masks[top][index], data[f"{scene}.gt_pmask"][i], annotation))
            spious.append(record(superpoints, masks[top], data[f"{scene}.gt_spmask"][i], annotation))
        yield Check(f"{scene}.piou", ious, data[f"{scene}.piou"], 1e-5, 1e-5)
        yield Check(f"{scene}.spiou", spious, data[f"{scene}.spiou"], 1e-5, 1e-5)
    yield from metrics(data, points, superpoints)
