"""UniSeg3D: truth over superpoints, prompts and the elastic distortion, from raw labels and the published seeds."""

import pickle
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.data.prepare.layouts.uniseg3d import FOLDERS, OfficialScene, load_official_scene
from saymask.data.prepare.layouts.uniseg3d_infos import read_infos
from saymask.data.superpoint_truth import SuperpointTruth, superpoint_truth
from saymask.geometry.votes import one_hot, vote
from saymask.labels.tables import packaged_label_table
from saymask.metrics.benchmark import MOST_INSTANCES, get_benchmark
from saymask.metrics.clicks import agile_clicks
from saymask.models.uniseg3d.batch import sentence_each
from saymask.models.uniseg3d.clicks import training_clicks
from saymask.models.uniseg3d.config import CLASSES, STUFF
from saymask.models.uniseg3d.transform import (
    elastic_coords,
)
from tests.parity import Check, case

VOXELS = {"atol": 1e-4, "rtol": 1e-6}


@case("uniseg3d", "transforms")
def transforms(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    table = packaged_label_table()
    ids = np.arange(len(golden["seg_label_mapping"]))
    mapped = table.semantic20(ids)
    yield Check("seg_label_mapping", np.where(mapped < 0, CLASSES, mapped), golden["seg_label_mapping"])
    with tempfile.TemporaryDirectory() as folder:
        scene = _official(golden, Path(folder))
    semantic, instance = scene.scan.labels["semantic20"], scene.scan.labels["instance"]
    superpoints = golden["superpoints"]
    size = int(superpoints.max()) + 1
    val = superpoint_truth(semantic, instance, superpoints, size)
    train = superpoint_truth(semantic, instance, superpoints, size, scene.info.novel)
    yield from _truth(golden, "val", val)
    yield from _truth(golden, "train", train)
    yield Check("train_is_novel", _novel_rows(train), golden["train_is_novel"])
    yield Check("train_inst", train.instance, golden["train_inst"])
    # The published evaluation numbers walls 0, floors 1, things by objectId from 2, and has class 20 for none.
    codes = get_benchmark("uniseg3d").true_instances(scene.scan.labels)
    rows = np.searchsorted(val.objects, codes % MOST_INSTANCES - 1) + STUFF
    stuff = np.where(semantic < STUFF, semantic, -1)
    yield Check("val_eval_inst", np.where(codes > 0, rows, stuff), golden["val_eval_inst"])
    yield Check("val_eval_sem", np.where(semantic < 0, CLASSES, semantic), golden["val_eval_sem"])
    yield from _val_text(golden, scene, instance, superpoints, size)
    seed = int(golden["train_seed"])
    yield from _train_text(golden, scene, train, random.Random(seed))
    points = golden["points"][:, :3]
    yield from _clicks(golden, "val", val, *agile_clicks(points, val.instance))
    yield from _clicks(golden, "train", train, *training_clicks(points, train.instance, np.random.RandomState(seed)))
    bent = elastic_coords(points, np.random.RandomState(int(golden["elastic_seed"])), share=1)
    yield Check("elastic_coords", bent, golden["elastic_coords"], **VOXELS)


def _truth(golden: dict[str, Any], view: str, truth: SuperpointTruth) -> Iterator[Check]:
    masks = np.concatenate([truth.masks, one_hot(truth.semantic, CLASSES + 1)])
    labels = np.zeros(len(masks), np.int64)
    labels[: len(truth.labels)] = truth.labels
    yield Check(f"{view}_gt_sp_masks", masks, golden[f"{view}_gt_sp_masks"])
    yield Check(f"{view}_gt_labels", labels, golden[f"{view}_gt_labels"])


def _novel_rows(truth: SuperpointTruth) -> np.ndarray:
    row = np.arange(len(truth.masks) + CLASSES + 1)
    return (row >= len(truth.labels)) & (row < len(truth.masks))


def _official(golden: dict[str, Any], folder: Path) -> OfficialScene:
    """Write the golden scene as official files and read them."""
    ends = np.cumsum(golden["text_counts"])
    texts = {
        str(i): {
            "text": ["a thing"] * int(n),
            "text_token": list(golden["text_tokens"][end - n : end]),
            "label_id": int(label),
            "pts_id": np.flatnonzero(golden["raw_inst"] == i + 1),
        }
        for i, label, n, end in zip(golden["text_object_ids"], golden["text_label_ids"], golden["text_counts"], ends)
    }
    rows = golden["points"].copy()
    rows[:, 3:] = rows[:, 3:] * 127.5 + 127.5
    arrays = {"points": rows, "instance": golden["raw_inst"], "semantic": golden["raw_sem"]}
    for what, values in (arrays | {"superpoints": golden["superpoints"]}).items():
        (folder / FOLDERS[what]).mkdir()
        values.tofile(folder / FOLDERS[what] / "scene.bin")
    entry = {
        "lidar_points": {"num_pts_feats": 6, "lidar_path": "scene.bin"},
        "pts_instance_mask_path": "scene.bin",
        "pts_semantic_mask_path": "scene.bin",
        "super_pts_path": "scene.bin",
        "text_info": texts,
        "sam3d_pseudo_sp_masks": torch.from_numpy(golden["pseudo_sp_masks"]),
    }
    (folder / "infos.pkl").write_bytes(pickle.dumps({"metainfo": {}, "data_list": [entry]}))
    return load_official_scene(read_infos(folder / "infos.pkl")[0], folder)


def _val_text(
    golden: dict[str, Any], scene: OfficialScene, instance: np.ndarray, superpoints: np.ndarray, size: int
) -> Iterator[Check]:
    objects = np.array([a.object_ids[0] for a in scene.annotations])
    labels = [t.label for t in scene.info.texts for _ in t.sentences]
    yield Check("val_text_object_ids", objects, golden["val_text_object_ids"])
    yield Check("val_text_labels", labels, golden["val_text_labels"])
    yield Check("val_text_tokens", scene.tokens, golden["val_text_tokens"])
    points = {t.object_id: np.isin(np.arange(len(instance)), t.points) for t in scene.info.texts}
    masks = vote(np.stack([points[i] for i in objects.tolist()]), superpoints, size)
    yield Check("val_text_sp_masks", masks, golden["val_text_sp_masks"])


def _train_text(
    golden: dict[str, Any], scene: OfficialScene, truth: SuperpointTruth, rng: random.Random
) -> Iterator[Check]:
    chosen = sentence_each(scene.annotations, rng)
    said = np.array([a.object_ids[0] for a in chosen], dtype=np.int64)
    meant = np.searchsorted(truth.objects, said)
    yield Check("train_text_object_ids", said, golden["train_text_object_ids"])
    yield Check("train_text_labels", truth.labels[meant], golden["train_text_labels"])
    yield Check("train_text_sp_masks", truth.masks[meant], golden["train_text_sp_masks"])
    tokens = scene.tokens[[a.ann_id for a in chosen]]
    yield Check("train_text_tokens", tokens, golden["train_text_tokens"])


def _clicks(
    golden: dict[str, Any], view: str, truth: SuperpointTruth, clicks: np.ndarray, instances: np.ndarray
) -> Iterator[Check]:
    points, expected = golden["points"][:, :3].astype(np.float64), golden[f"{view}_click_point_ids"]
    yield Check(f"{view}_click_instance_ids", instances, golden[f"{view}_click_instance_ids"])
    yield Check(f"{view}_click_object_ids", truth.objects[instances], golden[f"{view}_click_object_ids"])
    # Two points as deep as each other: another backend may take the other one, so the depth is compared.
    if view == "val":
        depths = [_depth(points, truth.instance, rows) for rows in (clicks, expected)]
        yield Check("val_click_depth", *depths, atol=1e-5)
        same = np.isclose(*depths, atol=1e-5)
        found = np.where(same, expected, clicks)
    else:
        found = clicks
    yield Check(f"{view}_click_point_ids", found, expected)
    yield Check(f"{view}_click_sp_ids", golden["superpoints"][found], golden[f"{view}_click_sp_ids"])


def _depth(points: np.ndarray, instance: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    """Distance of each click to the nearest first point of a 5 cm cell outside its instance, by brute force."""
    cells = np.floor(points.astype(np.float32) / np.float32(0.05))
    first = np.sort(np.unique(cells, axis=0, return_index=True)[1])
    outside = [points[first[instance[first] != instance[c]]] for c in clicks]
    return np.array([np.linalg.norm(o - points[c], axis=1).min() for o, c in zip(outside, clicks)])
