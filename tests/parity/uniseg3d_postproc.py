"""UniSeg3D: the non-maximum suppression, and every task's answer from the decoder's last stage."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.postprocess import (
    Found,
    class_agnostic,
    instances,
    matrix_nms,
    panoptic,
    prompt_masks,
    semantic,
)
from tests.parity import Check, case, placed
from tests.parity.ties import ranked

CONFIG = UniSeg3DConfig()
CLOSE = {"atol": 1e-5, "rtol": 0.0}


@case("uniseg3d", "matrix_nms")
def nms(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    masks, labels, scores = (placed(golden[name]) for name in ("masks", "labels", "scores"))
    options = {
        "linear": {},
        "gauss": {"kernel": "gaussian", "sigma": 2.0},
        "cut": {"filter_thr": 0.2, "nms_pre": 30, "max_num": 10},  # the README gives them, not the file
    }
    for name, option in options.items():
        score, keep = matrix_nms(masks, labels, scores, **option)
        got = {f"{name}_labels": labels[keep], f"{name}_keep": keep}
        columns = {key: (value, golden[key]) for key, value in got.items() if key in golden}
        yield from ranked(columns, Check(f"{name}_scores", score, golden[f"{name}_scores"], **CLOSE))


def packed(masks: Tensor, superpoints: Tensor) -> np.ndarray:
    """Return masks over superpoints as the file holds them: bits over points."""
    return np.packbits(masks[:, superpoints].cpu().numpy(), axis=1)


@case("uniseg3d", "postproc")
def postproc(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    masks, classes, semantics = (placed(golden[name]) for name in ("masks", "cls", "sem"))
    iou, superpoints = placed(golden["iou"])[:, 0], placed(golden["superpoints"]).long()
    counts = torch.bincount(superpoints, minlength=masks.shape[1])

    def scored(name: str, found: Found) -> Iterator[Check]:
        got = {f"{name}_masks_packed": packed(found.masks, superpoints), f"{name}_labels": found.labels}
        columns = {key: (value, golden[key]) for key, value in got.items()}
        yield from ranked(columns, Check(f"{name}_scores", found.scores, golden[f"{name}_scores"], **CLOSE))

    yield from scored("inst", instances(classes, masks, counts, CONFIG))
    yield from scored("inst_iou", instances(classes, masks, counts, CONFIG, iou=iou))
    yield Check("sem_map", semantic(semantics)[superpoints], golden["sem_map"])
    yield Check("stuff_map", semantics[:, :2].argmax(1)[superpoints], golden["stuff_map"])
    for name, threshold in (("pan", CONFIG.panoptic_threshold), ("pan05", 0.05), ("full_pan", None)):
        if threshold is None:  # the whole prediction, with the settings of the model
            threshold = CONFIG.panoptic_threshold
        config = dataclasses.replace(CONFIG, panoptic_threshold=threshold)
        found = panoptic(classes, masks, iou, semantics, counts, config)
        yield Check(f"{name}_sem", found.semantic[superpoints], golden[f"{name}_sem"])
        yield Check(f"{name}_inst", found.instance[superpoints], golden[f"{name}_inst"])
    bits = golden["prompt_masks_packed"]
    yield Check("prompt_masks_packed", packed(prompt_masks(masks[: len(bits)], CONFIG), superpoints), bits)
    unnamed = class_agnostic(masks, iou, CONFIG)
    got = {"ov_masks_packed": packed(unnamed.masks, superpoints), "ov_index": unnamed.queries}
    columns = {key: (value, golden[key]) for key, value in got.items()}
    yield from ranked(columns, Check("ov_conf", unnamed.scores, golden["ov_conf"], **CLOSE))
