"""LESS: the dataset item and its augmentation, raw ScanNet files, the mask rule and the evaluation protocol."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation, unique_multiple
from saymask.data.scenes import align
from saymask.geometry.normals import vertex_normals
from saymask.geometry.voxelize import first_appearance
from saymask.io import scannet
from saymask.labels.tables import class18, packaged_label_table
from saymask.metrics.protocols import select_points
from saymask.metrics.referring import ReferMetric
from saymask.models.less.transform import LessItem, less_item, view_dependent
from tests.parity import Check, case


@case("less", "augment")
def augment(data: dict[str, Any], path: Path) -> Iterator[Check]:
    vertices, labels = data["vertices"], data["instance_labels"]
    target = labels == int(data["object_id"]) + 1
    descriptions = [str(d) for d in data["descriptions"]]
    yield Check("view_independent", [not view_dependent(d) for d in descriptions], data["view_independent"])
    items = {}
    for name in sorted({k.split(".")[0] for k in data if k.endswith(".coord")}):
        seed, size = int(data[f"{name}.np_seed"]), len(data[f"{name}.coord"])
        kind, _, number = name.rpartition("_")
        text = descriptions[int(number)] if number.isdigit() else descriptions[0]
        item = less_item(
            vertices[:, :3],
            vertices[:, 3:6],
            target,
            description=text,
            rng=None if kind.startswith("val") else np.random.RandomState(seed),
            sample_points=size,
            augment=None if kind.endswith("aug0") else "2024-12",
        )
        items[name] = item
        yield Check(f"{name}.coord", item.cells, data[f"{name}.coord"])
        yield Check(f"{name}.coord_float", item.coord_float, data[f"{name}.coord_float"], 1e-6, 1e-6)
        if f"{name}.feature" in data:
            yield Check(f"{name}.feature", item.feature, data[f"{name}.feature"], 1e-6, 1e-6)
        assert item.target is not None
        yield Check(f"{name}.mask", item.target, data[f"{name}.mask"])
    if "collate.feats" in data:
        yield from _collate(data, [items["train_aug1_0"], items["train_aug1_1"]])


def _collate(data: dict[str, Any], items: list[LessItem]) -> Iterator[Check]:
    coords = np.concatenate([np.insert(item.cells, 0, b, axis=1) for b, item in enumerate(items)])
    feats = np.concatenate([np.concatenate([item.coord_float, item.feature], axis=1) for item in items])
    cells, voxel, points = first_appearance(coords)
    yield Check("collate.voxel_coords", cells, data["collate.voxel_coords"])
    yield Check("collate.p2v_map", voxel, data["collate.p2v_map"])
    yield Check("collate.v2p_map", points, data["collate.v2p_map"])
    yield Check("collate.feats", feats, data["collate.feats"], 1e-6, 1e-6)
    targets = np.stack([item.target for item in items if item.target is not None])
    yield Check("collate.instance_refer_mask", targets, data["collate.instance_refer_mask"])
    shape = np.maximum(coords[:, 1:].max(axis=0) + 1, 128)
    yield Check("collate.spatial_shape", shape, data["collate.spatial_shape"])


@case("less", "preproc")
def preproc(data: dict[str, Any], path: Path) -> Iterator[Check]:
    with tempfile.TemporaryDirectory() as name:
        aggregation, meta = Path(name) / "x.aggregation.json", Path(name) / "x.txt"
        aggregation.write_text(str(data["aggregation_json"]))
        meta.write_text(str(data["meta_txt"]))
        groups, alignment = scannet.read_groups(aggregation), scannet.read_alignment(meta)
    xyz, segments = data["xyz"], data["segIndices"]
    normals = vertex_normals(xyz, data["faces"], official=True)
    yield Check("mesh_vertices", np.concatenate([xyz, data["rgb"], normals], axis=1), data["mesh_vertices"], 1e-6, 1e-6)
    aligned = xyz if alignment is None else align(xyz, alignment)
    yield Check("aligned_vertices xyz", aligned, data["aligned_vertices"][:, :3], 1e-6, 1e-6)
    table = packaged_label_table()
    semantic = scannet.less_semantic_ids(segments, groups, table)
    yield Check("semantic_labels", semantic, data["semantic_labels"])
    yield Check("instance_labels", scannet.less_instance_ids(segments, groups), data["instance_labels"])
    labels, _ = scannet.label_points(segments, groups, table)
    yield Check("labels instance", labels["instance"] + 1, data["instance_labels"])
    classes = scannet.less_object_classes(segments, groups, semantic)
    boxes = scannet.instance_boxes(aligned, labels["instance"], classes)
    yield Check("aligned_bboxes_f64", boxes, data["aligned_bboxes_f64"], 1e-9)


@case("less", "protocol")
def protocol(data: dict[str, Any], path: Path) -> Iterator[Check]:
    names = data["class18_of_name"]
    yield Check("class18_of_name", [class18(name) for name in names], list(names.values()))
    raw = data["annotations"]
    flags = unique_multiple((a["scene_id"], int(a["object_id"]), a["object_name"]) for a in raw)
    yield Check("unique_multiple", [int(flag) for flag in flags], data["unique_multiple"])
    for rule, name in (("strict", "less"), ("inclusive", "scanrefer")):
        metric = ReferMetric(name)
        for i, (a, flag) in enumerate(zip(raw, flags)):
            annotation = Annotation(a["scene_id"], (int(a["object_id"]),), i, "", "", multiple=flag)
            metric.add(annotation, float(data["inter"][i]), float(data["union"][i]))
        result, expected = metric.compute(), data["expected"]
        overall, unique, multiple = result["overall"], result["unique"], result["multiple"]
        for key, got in {
            "miou": overall["miou"],
            "overall_iou": overall["oiou"],
            "miou_unique": unique["miou"],
            "miou_multiple": multiple["miou"],
            f"acc25_{rule}": overall["acc25"],
            f"acc50_{rule}": overall["acc50"],
            f"acc25_unique_{rule}": unique["acc25"],
            f"acc50_unique_{rule}": unique["acc50"],
            f"acc25_multiple_{rule}": multiple["acc25"],
            f"acc50_multiple_{rule}": multiple["acc50"],
            "n_unique": unique["n"],
            "n_multiple": multiple["n"],
        }.items():
            if key in expected:
                yield Check(f"{name} {key}", got, expected[key], 0.0, 1e-9)


@case("less", "iou")
def iou(data: dict[str, Any], path: Path) -> Iterator[Check]:
    for prefix in ("", "short_"):
        values = []
        for logits, target in zip(data[f"{prefix}logits"], data[f"{prefix}gt_mask"]):
            mask = select_points(logits, "less")
            values.append((int((mask & (target > 0)).sum()), int((mask | (target > 0)).sum())))
        inter, union = np.array(values).T
        yield Check(f"{prefix}inter", inter, data[f"{prefix}inter"])
        yield Check(f"{prefix}union", union, data[f"{prefix}union"])
        if f"{prefix}iou" in data:
            yield Check(f"{prefix}iou", inter / union, data[f"{prefix}iou"], 2e-5, 1e-5)
            yield Check(f"{prefix}mean_iou", (inter / union).mean(), data[f"{prefix}mean_iou"], 2e-5, 1e-5)
