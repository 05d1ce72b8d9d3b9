"""UniSeg3D: points → the whole model → every task's answer, losses and gradient norms."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from saymask.models.uniseg3d import UniSeg3D, UniSeg3DConfig
from saymask.models.uniseg3d.batch import Batch, Sample, collate
from saymask.models.uniseg3d.config import CLASSES
from saymask.models.uniseg3d.model import Encoded
from saymask.models.uniseg3d.official import decoder_names, load_official, official_names
from saymask.models.uniseg3d.outputs import Truth
from saymask.models.uniseg3d.postprocess import instances
from saymask.models.uniseg3d.transform import coord_cells, point_cells, point_features
from saymask.nn.superpoints import superpoint_scan
from saymask.sparse import cpu_has_bf16, inference_precision
from saymask.text.encoder import TextEncoder, TextFeatures
from tests.parity import DEVICE, Check, case, fill_state, placed
from tests.parity.backbones import official_shapes
from tests.parity.ties import ranked
from tests.parity.uniseg3d_losses import TERMS, numbers
from tests.parity.uniseg3d_text import filled_encoder, sentence_features

NEAR = {"atol": 1e-3, "rtol": 1e-3}
"""The README's tolerance from end to end as long as no mask logit near 0 changes its sign."""
TRIPLED = ("decoder.query_proj.0.weight", "decoder.query_proj.2.weight")
"""Weights that are three times the filled ones, so that masks do not collapse."""


@lru_cache(maxsize=1)
def _tower(device: str) -> TextEncoder:
    return filled_encoder()


def text_tower() -> TextEncoder:
    return _tower(DEVICE.get())


def golden_model(data: dict[str, Any]) -> UniSeg3D:
    """Return the published model with the case's weights, loaded through the importer, in eval mode."""
    model = UniSeg3D(UniSeg3DConfig(compat=True, odd_extents=True), text_encoder=nn.Identity())
    own = model.decoder.state_dict()
    shapes = official_shapes(model.backbone.unet)
    shapes |= {key: tuple(own[name].shape) for name, key in decoder_names(model.decoder).items()}
    state = fill_state(shapes)
    state = {key: value.reshape(shapes[key]) for key, value in state.items()}
    for key in TRIPLED:
        state[key] = state[key] * 3
    for name, value in data.items():
        if name.startswith("override/"):
            state[name.removeprefix("override/")] = torch.from_numpy(value)
    load_official(model, state)
    model.set_class_embeddings(torch.from_numpy(data["cls_embed"]))
    return placed(model.eval())


def sample_of(
    points: np.ndarray, superpoints: np.ndarray, clicks: np.ndarray, texts: int, cells: np.ndarray, truth: Truth | None
) -> Sample:
    """Return the file's points [N, 6] as the model's sample; its texts are known by their numbers only."""
    xyz = points[:, :3]
    scan = superpoint_scan(cells, point_features(xyz, points[:, 3:]), xyz, superpoints)
    everything = np.arange(len(scan.positions))
    return Sample((scan,), everything, clicks.astype(np.int64), tuple(f"text {i}" for i in range(texts)), truth)


def text_given(model: UniSeg3D, features: Tensor) -> Any:
    """Return a patch under which every call for the texts of a batch gets `features` [T, W], and no words."""
    one = len(features), 1
    words = placed(torch.zeros(*one, features.shape[1])), placed(torch.zeros(one, dtype=torch.bool))
    said = TextFeatures(*words, features, placed(torch.zeros(*one, 2, dtype=torch.int64)))

    def given(texts: Any) -> TextFeatures:
        assert len(texts) == len(features)
        return said

    return mock.patch.object(model, "text", given)


def near(name: str, got: Any, expected: np.ndarray) -> Check:
    return Check(name, got, expected, NEAR["atol"] * max(1.0, float(np.abs(expected).max(initial=0))), NEAR["rtol"])


# ---- answers


@case("uniseg3d", "model_predict")
@torch.no_grad()
def predict(data: dict[str, Any], path: Path) -> Iterator[Check]:
    model = golden_model(data)
    points, superpoints = data["points"], data["superpoints"]
    said = sentence_features(text_tower(), data["text_tokens"])
    sample = sample_of(points, superpoints, data["click_sp_ids"], len(said), point_cells(points[:, :3]), None)
    batch = placed(collate([sample]))
    yield Check("superpoints", sample.scan.index, superpoints)
    yield Check("click_sp_ids", superpoints[data["click_point_ids"]], data["click_sp_ids"])
    yield near("sp_feats", model.features(batch)[0], data["sp_feats"])
    if cpu_has_bf16():
        with inference_precision("bf16"):
            low = model.features(batch)[0].float()
        error = (low - placed(data["sp_feats"])).norm() / np.linalg.norm(data["sp_feats"])
        yield Check("sp_feats relative error in bf16", error, 0.0, 0.003)

    encoded = model.encode_batch(batch)
    scan = encoded.only()
    clicks = placed(sample.clicks)
    starts = model.decoder.starts(scan.memory, placed(sample.queries), clicks, said)
    yield near("queries", starts, data["queries"])
    with text_given(model, said):
        final = model(batch)[0]
    kinds = (final.objects[-1], final.clicks[-1], final.texts[-1])
    yield near("dec_cls", torch.cat([s.classes for s in kinds]), data["dec_cls"])
    yield near("dec_masks", torch.cat([s.masks for s in kinds]), data["dec_masks"])
    size = len(sample.queries)
    yield near("dec_sem", final.semantic, data["dec_sem"][:size])  # rows of prompts are never computed here
    yield near("pred_iou", final.objects[-1].iou, data["pred_iou"][:, 0])
    # The two passes of inference.
    heard = scan.superpoint_outputs()
    yield near("dec_cls (superpoints alone)", heard.stage.classes, data["dec_cls"][:size])
    yield near("dec_masks (superpoints alone)", heard.stage.masks, data["dec_masks"][:size])
    yield near("dec_sem (superpoints alone)", heard.semantic, data["dec_sem"][:size])
    again = model.decoder.heads.scale * heard.directions @ model.class_embeddings.flatten(0, 1).T
    again = again.unflatten(1, model.class_embeddings.shape[:2]).amax(-1)
    yield near("dec_sem (directions)", again, data["dec_sem"][:size, :CLASSES])
    yield from _whole(data, model, encoded)
    yield from _prompts(data, model, encoded, said)


def _whole(data: dict[str, Any], model: UniSeg3D, encoded: Encoded) -> Iterator[Check]:
    index, scan = encoded.only().index, encoded.only()
    yield Check("sem_map", model.semantic(encoded).classes[index], data["sem_map"])
    things = model.instances(encoded)
    stage = scan.superpoint_outputs().stage
    found = instances(stage.classes, stage.masks, scan.counts, model.config)
    masks = found.masks.cpu().numpy()[:, index]
    yield Check("inst_masks (verb)", things.masks[:, index], masks)
    got = {
        "inst_labels": things.classes - 2,
        "inst_masks_first80_packed": np.packbits(masks, axis=1),
        "inst_mask_npoints": masks.sum(1),
        "inst_mask_idsum": (masks * np.arange(len(index))).sum(1),
    }
    columns = {key: (value, data[key]) for key, value in got.items()}
    yield from ranked(columns, near("inst_scores", things.scores, data["inst_scores"]))
    kept = model.config
    for name, threshold in (("pan", kept.panoptic_threshold), ("pan01", 0.1)):
        model.config = replace(kept, panoptic_threshold=threshold)
        semantic, instance = panoptic_maps(model, encoded)
        yield Check(f"{name}_sem", semantic, data[f"{name}_sem"])
        # The published ids also count things that others cover or that are too small: only who shares one is told.
        yield Check(f"{name}_inst", first_points(instance), first_points(data[f"{name}_inst"]))
    model.config = kept


def panoptic_maps(model: UniSeg3D, encoded: Encoded) -> tuple[np.ndarray, np.ndarray]:
    """Return (class, number) int64 [N] of each point of the panoptic answer, which must be disjoint and complete."""
    answer = model.panoptic(encoded)
    assert (answer.masks.sum(0) == 1).all()
    row = answer.masks.argmax(0)[answer.index]
    return answer.classes[row], row


def first_points(numbers: np.ndarray) -> np.ndarray:
    """Return int64 [N], for each point the first one that has the same number."""
    _, first, back = np.unique(numbers, return_index=True, return_inverse=True)
    return first[back.reshape(-1)]


def _prompts(data: dict[str, Any], model: UniSeg3D, encoded: Encoded, said: Tensor) -> Iterator[Check]:
    clicked = model.click(encoded, data["click_point_ids"])
    bits = (clicked.logits > 0).cpu().numpy()[:, clicked.index]
    yield Check("point_pred_packed", np.packbits(bits, axis=1), data["point_pred_packed"])
    labels = data["gt_labels"][data["click_instance_ids"]]
    probability = model.click_classes(encoded, data["click_point_ids"])
    yield near("point_prob", probability[np.arange(len(labels)), labels], data["point_prob"])
    with text_given(model, said):
        answers = model.refer(encoded, [f"text {i}" for i in range(len(said))])
    bits = np.concatenate([(a.logits > 0).cpu().numpy() for a in answers])[:, clicked.index]
    yield Check("text_pred_packed", np.packbits(bits, axis=1), data["text_pred_packed"])
    true = data["gt_sp_masks"][data["click_instance_ids"]][:, clicked.index]
    yield Check("point_gt_packed", np.packbits(true, axis=1), data["point_gt_packed"])
    true = data["gt_text_sp_masks"].astype(bool)[:, clicked.index]
    yield Check("text_gt_packed", np.packbits(true, axis=1), data["text_gt_packed"])


# ---- losses


def truth_of(data: dict[str, Any], b: int) -> Truth:
    """Return the truth of scene `b`; every superpoint is a query."""
    rows = torch.from_numpy(data[f"gt_sp_masks_{b}"])
    novel = int(data[f"is_novel_{b}"].sum())
    objects = len(rows) - CLASSES - 1
    masks, labels = rows[:objects], torch.from_numpy(data[f"gt_labels_{b}"])[: objects - novel].long()
    clicked = torch.from_numpy(data[f"click_instance_ids_{b}"]).long()
    number = dict(zip(data[f"click_object_ids_{b}"].tolist(), clicked.tolist()))
    meant = torch.tensor([number[int(i)] for i in data[f"text_object_ids_{b}"].tolist()], dtype=torch.int64)
    return Truth(
        masks=masks,
        labels=labels,
        semantic=rows[objects:].int().argmax(0),
        queries=torch.arange(rows.shape[1]),
        click_objects=clicked,
        text_objects=meant,
        text_masks=masks[meant],
        text_labels=labels[meant],
    )


def batch_of(data: dict[str, Any]) -> tuple[Batch, Tensor]:
    """Return the case's batch and the features of its sentences."""
    samples, said = [], []
    for b in numbers(data, r"points_(\d+)"):
        truth, tokens = truth_of(data, b), data[f"text_tokens_{b}"]
        said.append(sentence_features(text_tower(), tokens))
        cells = coord_cells(data[f"elastic_coords_{b}"])
        points, clicks = data[f"points_{b}"], data[f"click_sp_ids_{b}"]
        samples.append(sample_of(points, data[f"superpoints_{b}"], clicks, len(tokens), cells, truth))
    return placed(collate(samples)), torch.cat(said).detach()  # the tower is frozen


def doubled(batch: Batch) -> Batch:
    """Return the batch with what the network computes with in float64."""
    scans = batch.scans
    scans = replace(scans, features=scans.features.double(), pool_weight=scans.pool_weight.double())
    return replace(batch, scans=scans)


@case("uniseg3d", "model_loss")
def loss(data: dict[str, Any], path: Path) -> Iterator[Check]:
    batch, said = batch_of(data)
    assert batch.truth is not None
    for b, truth in zip(numbers(data, r"points_(\d+)"), batch.truth):
        yield Check(f"text_labels_{b}", truth.text_labels, data[f"text_labels_{b}"])
        if len(truth.text_masks):
            yield Check(f"text_sp_masks_{b}", truth.text_masks, data[f"text_sp_masks_{b}"] > 0)
    for mode in sorted({m[1] for name in data if (m := re.match(r"(\w+bn)/", name))}):
        model = golden_model(data)
        if mode == "trainbn":
            model.train()
        with text_given(model, said):
            terms = model.losses(batch)
        for name in data:
            if name.startswith(f"{mode}/loss/"):
                term = name.removeprefix(f"{mode}/loss/")
                value = sum(terms.values()) if term == "total" else terms[TERMS[term]]
                yield Check(name, value, data[name], atol=1e-6, rtol=1e-3)
        exact = model
        if mode == "trainbn":
            # Batch statistics make most of a gradient cancel: of `unet.conv.0` float32
            # is off by up to 1e-3 here and 4e-4 in the file.
            exact = golden_model(data).double().train()
            with text_given(exact, said.double()):
                terms = exact.losses(doubled(batch))
        torch.stack(list(terms.values())).sum().backward()
        ours = {key: name for name, key in official_names(model).items()}
        for name in data:
            if name.startswith(f"{mode}/gradnorm/"):
                grad = exact.get_parameter(ours[name.removeprefix(f"{mode}/gradnorm/")]).grad
                norm = 0.0 if grad is None else float(grad.norm())
                yield Check(name, norm, data[name], atol=1e-6, rtol=1e-3)
            elif match := re.match(rf"{mode}/(running_\w+)_after/(.*)", name):
                own = model.state_dict()[ours[f"{match[2]}.{match[1]}"]]
                yield near(name, own, data[name])
