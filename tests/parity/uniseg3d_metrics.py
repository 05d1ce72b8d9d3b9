"""UniSeg3D: the scores of all tasks, and of instances found by name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation
from saymask.metrics.benchmark import by_name, get_benchmark
from saymask.metrics.instance import AP25, AP50, STRICT, InstanceMetric
from saymask.metrics.interactive import InteractiveMetric
from saymask.metrics.open_vocabulary import OpenVocabularyMetric, class_ids, evaluator_codes, group_members
from saymask.metrics.overlap import label_iou
from saymask.metrics.panoptic import PanopticMetric
from saymask.metrics.referring import ReferMetric
from saymask.metrics.semantic import SemanticMetric
from tests.parity import Check, case, load

EXACT = 1e-12
"""Counts are exact; only the order of summation differs."""
STUFF = 2


def both_files(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays and the numbers of a case; each file of it is checked with the other."""
    whole = path.resolve()  # the other file lies beside the file itself, not beside a link to it
    return load(whole.with_suffix(".npz")), json.loads(whole.with_suffix(".json").read_text(encoding="utf-8"))


def scenes(data: dict[str, Any], name: str) -> list[str]:
    return sorted(m[1] for m in (re.fullmatch(rf"{name}_(\d+)", key) for key in data) if m)


def bits(data: dict[str, Any], name: str, points: int) -> np.ndarray:
    return np.unpackbits(data[name], axis=1)[:, :points].astype(bool)


def number(value: float | None) -> float:
    return np.nan if value is None else value


@case("uniseg3d", "metrics")
def metrics(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    data, expected = both_files(path)
    benchmark = get_benchmark("scannet")
    things = np.array([c.id for c in benchmark.things])
    semantic, panoptic = SemanticMetric("scannet"), PanopticMetric("uniseg3d")
    instance, clicks, sentences = InstanceMetric("scannet"), InteractiveMetric("uniseg3d"), ReferMetric("uniseg3d")
    for s in scenes(data, "gt_sem"):
        true, objects = data[f"gt_sem_{s}"].astype(np.int64), data[f"gt_inst_{s}"].astype(np.int64)
        classes = np.where(true < len(benchmark.classes), true, -1)
        semantic.update(data[f"pred_sem_{s}"], classes, s, indices=True)
        panoptic.update(data[f"pan_sem_{s}"], data[f"pan_inst_{s}"], classes, objects, s, indices=True)
        codes = np.zeros(len(true), np.int64)
        for value in np.unique(objects[objects >= STUFF]):
            inside = objects == value
            # its class is that of its first point (docs/systems/uniseg3d.md §Q20)
            codes[inside] = benchmark.ids[true[inside][0]] * 1000 + value
        masks, points = bits(data, f"pred_inst_masks_packed_{s}", len(true)), len(true)
        instance.update(masks, things[data[f"pred_inst_labels_{s}"]], data[f"pred_inst_scores_{s}"], codes, s)
        pairs = zip(*(bits(data, f"{kind}_packed_{s}", points) for kind in ("point_pred", "point_gt")), strict=True)
        epsilon = clicks.protocol.epsilon
        iou = [label_iou(mask[None], np.where(truth, 0, -1), 1, epsilon=epsilon)[0, 0] for mask, truth in pairs]
        clicks.update(np.array(iou), data[f"point_prob_{s}"], s)
        pairs = zip(*(bits(data, f"{kind}_packed_{s}", points) for kind in ("text_pred", "text_gt")), strict=True)
        for i, (mask, truth) in enumerate(pairs):
            sentences.update(mask, truth, Annotation(s, (0,), i, "", ""))

    headline = expected["headline"]
    click, sentence = clicks.compute()["overall"], sentences.compute()["overall"]
    for name, value in (
        ("Point Prompt mIoU", click["miou"]),
        ("Point Prompt AP", click["ap"]),
        ("Point Prompt AP@50", click["ap50"]),
        ("Point Prompt AP@25", click["ap25"]),
        ("Text Prompt mIoU", sentence["miou"]),
        ("Text_Precision_half", sentence["acc50"]),
        ("Text_Precision_quarter", sentence["acc25"]),
    ):
        yield Check(name, value, headline[name], EXACT)

    result = panoptic.compute()
    got = {k: result["overall"][k] for k in ("pq", "pq_dagger", "miou")}
    got |= {f"{k}_mean": result["overall"][k] for k in ("sq", "rq")}
    got |= {f"{k}_{group}": result[group][k] for group in ("things", "stuff") for k in ("pq", "sq", "rq")}
    for name, value in expected["panoptic"].items():
        yield Check(f"panoptic {name}", got[name], value, EXACT)
    yield Check("pq", got["pq"], headline["pq"], EXACT)

    # The names of the evaluator differ in spelling, not in order.
    rows = list(expected["semantic"].items())
    iou = semantic.iou()
    yield Check("semantic IoU", iou, [number(v) for _, v in rows[: len(iou)]], EXACT)
    matrix = semantic.confusion()
    with np.errstate(invalid="ignore"):
        recalls = np.diagonal(matrix) / matrix.sum(1)
    overall = semantic.compute()["overall"]
    for name, value in (
        ("miou", overall["miou_present"]),
        ("acc", overall["acc"]),
        ("acc_cls", np.nanmean(recalls)),
    ):
        yield Check(f"semantic {name}", value, expected["semantic"][name], EXACT)
    yield Check("miou", overall["miou_present"], headline["miou"], EXACT)

    means, best, curves = instance.compute()["overall"], instance.best_f1()["overall"], instance.curves()
    values = {"all_ap": means["ap"], "all_ap_50%": means["ap50"], "all_ap_25%": means["ap25"]}
    values |= {"all_prec_50%": best["precision50"], "all_rec_50%": best["recall50"]}
    for name, value in values.items():
        yield Check(f"instance {name}", value, expected["instance"][name], EXACT)
        if name in headline:
            yield Check(name, value, headline[name], EXACT)
    for name, value in (
        ("ap", curves.ap[:, STRICT].mean(1)),
        ("ap50%", curves.ap[:, AP50]),
        ("ap25%", curves.ap[:, AP25]),
        ("prec50%", curves.precision[:, AP50]),
        ("rec50%", curves.recall[:, AP50]),
    ):
        column = [number(c[name]) for c in expected["instance"]["classes"].values()]
        yield Check(f"instance {name} of each class", value, column, EXACT)


@case("uniseg3d", "ov_metric")
def open_vocabulary(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    data, expected = both_files(path)
    metric = OpenVocabularyMetric("scannet200")  # the file gives the confidences, some of them 1
    for s in scenes(data, "gt_sem"):
        truth = evaluator_codes(data[f"gt_sem_{s}"], data[f"gt_inst_{s}"])
        masks = bits(data, f"pred_packed_{s}", len(truth))
        metric.update(masks, data[f"pred_label_{s}"], data[f"pred_conf_{s}"], truth, s, numbers=True)
        if (data[f"pred_conf_{s}"] == 1).all():  # where it is 1 anyway, the published protocol gives the same
            records = []
            for protocol in ("scannet200", "uniseg3d"):
                alone = OpenVocabularyMetric(protocol)
                scores = data[f"pred_conf_{s}"] if protocol == "scannet200" else np.arange(len(masks))
                alone.update(masks, data[f"pred_label_{s}"], scores, truth, s, numbers=True)
                records.append(alone.curves().ap)
            yield Check(f"scene {s} with every confidence 1", records[1], records[0])
    result, curves = metric.compute(), metric.curves()
    for group, means in expected["groups"].items():
        got = [result[group][k] for k in ("ap", "ap50", "ap25")]
        if result[group]["n"] == 0:  # undefined there, 0 here
            yield Check(f"{group} without a class", [number(v) for v in means], [np.nan] * len(got))
        else:
            yield Check(group, got, means, EXACT)
    for name, key in (("ap", "all_ap"), ("recall", "all_rc")):
        for suffix, ending in (("", ""), ("50", "_50%"), ("25", "_25%")):
            yield Check(
                f"{key}{ending}", result["overall"][f"{name}{suffix}"], expected["all"][f"{key}{ending}"], EXACT
            )
    things = metric.protocol.things
    for name, values in (("ap", curves.ap), ("rc", curves.max_recall)):
        for key, column in ((name, values[:, STRICT].mean(1)), ("50%", values[:, AP50]), ("25%", values[:, AP25])):
            found = by_name(things, column)
            key = key if key == name else f"{name}{key}"
            wanted = {c: v[key] for c, v in expected["classes"].items() if v[key] is not None}
            yield Check(f"classes with {key}", sorted(found), sorted(wanted))
            yield Check(f"{key} of each class", [found[c] for c in wanted], list(wanted.values()), EXACT)


@case("uniseg3d", "scannet200_instance_classes")
def instance_classes(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    rows = golden["json"]
    things, members = get_benchmark("scannet200").things, group_members()
    yield Check("index", np.arange(len(things)), np.array([r["index"] for r in rows]), 0.0)
    yield Check("id", class_ids(np.arange(len(things))), np.array([r["id"] for r in rows]), 0.0)
    yield Check("name", np.array([c.name != r["name"] for c, r in zip(things, rows, strict=True)]), np.zeros(198), 0.0)
    yield Check("split", np.array([c.split != r["group"] for c, r in zip(things, rows)]), np.zeros(198), 0.0)
    yield Check("base", members["base"], np.array([r["base"] for r in rows]), 0.0)
    listed = np.array([r["in_validation"] for r in rows])
    for group in ("head", "common", "tail"):
        there = listed & np.array([r["group"] == group for r in rows])
        yield Check(f"validation {group}", members[group], there, 0.0)
