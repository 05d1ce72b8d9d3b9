"""LGround: the contrastive losses with their gradients, the classification losses and the balancing reduction."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saymask.models.lground.losses.classification import (
    class_splits,
    classification_loss,
    cross_entropy,
    focal,
    reduce_losses,
)
from saymask.models.lground.losses.contrastive import (
    anchor_cross_entropy,
    anchor_mse,
    contrastive,
    cosine,
)
from tests.parity import Check, case, placed

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
FINE = {"atol": 1e-7, "rtol": 1e-4}
"""For gradients, which are small."""
OPTIONS = {
    "cos": {},
    "cos_scene": {},
    "l2": {"distance": "l2", "positive_margin": 0.5, "negative_margin": 30.0, "negative_weight": 0.5},
}
"""Tag → options that the file does not hold."""


def _gradient(loss: Tensor, leaf: Tensor) -> Tensor:
    return torch.autograd.grad(loss, leaf)[0]


@case("lground", "losses_contrastive")
def contrastive_losses(data: dict[str, Any], path: Path) -> Iterator[Check]:
    anchors, labels = placed(data["anchors"]), placed(data["labels"]).long()
    splits = class_splits()

    def features() -> Tensor:
        return placed(data["features"]).requires_grad_()

    for tag in sorted(m[1] for name in data if (m := re.fullmatch(r"(.+)_neg_indices", name))):
        f = features()
        negatives = placed(data[f"{tag}_neg_indices"])
        yield Check(f"{tag}_neg_indices: ignored rows", (negatives < 0).all(1), labels < 0)
        found = contrastive(f, anchors, labels, negatives=negatives, **OPTIONS[tag])
        reduced = reduce_losses(found.loss, labels, splits, divisor="all")
        yield Check(f"{tag}_loss_per_point", found.loss, data[f"{tag}_loss_per_point"], **CLOSE)
        yield Check(f"{tag}_pos", found.positive, data[f"{tag}_pos"], **CLOSE)
        yield Check(f"{tag}_neg", found.negative, data[f"{tag}_neg"], **CLOSE)
        yield Check(f"{tag}_total", reduced.loss, data[f"{tag}_total"], **CLOSE)
        yield Check(f"{tag}_split_means", reduced.splits, data[f"{tag}_split_means"], **CLOSE)
        yield Check(f"{tag}_grad_features", _gradient(reduced.loss, f), data[f"{tag}_grad_features"], **FINE)

    f = features()
    losses = anchor_cross_entropy(f, anchors, labels)
    total = reduce_losses(losses, labels, splits, divisor="all").loss
    yield Check("ce_loss_per_point", losses, data["ce_loss_per_point"], **CLOSE)
    yield Check("ce_total", total, data["ce_total"], **CLOSE)
    yield Check("ce_grad_features", _gradient(total, f), data["ce_grad_features"], **FINE)
    similarity = cosine(f, anchors)
    yield Check("sim_cos", similarity[: len(data["sim_cos"])], data["sim_cos"], **CLOSE)
    yield Check("pred_cos", similarity.argmax(1), data["pred_cos"])
    mse = anchor_mse(f, anchors, labels)
    yield Check("mse_embedding_loss_valid_rows", mse[labels >= 0], data["mse_embedding_loss_valid_rows"], **CLOSE)
    yield Check("mse_embedding_loss: ignored rows", mse[labels < 0], np.zeros(int((labels < 0).sum())))


@case("lground", "losses_classification")
def classification_losses(data: dict[str, Any], path: Path) -> Iterator[Check]:
    target, weights = placed(data["target"]).long(), placed(data["weights"])
    splits = class_splits()

    def logits() -> Tensor:
        return placed(data["logits"]).requires_grad_()

    for gamma in sorted(m[1] for name in data if (m := re.fullmatch(r"focal_g([\d.]+)_total", name))):
        tag, z = f"focal_g{gamma}", logits()
        options: dict[str, Any] = {"kind": "focal", "weights": weights, "gamma": float(gamma), "compat": True}
        balanced = classification_loss(z, target, splits, **options)
        plain = classification_loss(z, target, splits, balanced=False, **options)
        values = focal(z, target, weights, float(gamma))
        yield Check(f"{tag}_per_valid_point", values[target >= 0], data[f"{tag}_per_valid_point"], **CLOSE)
        yield Check(f"{tag}_total", balanced.loss, data[f"{tag}_total"], **CLOSE)
        yield Check(f"{tag}_mean_reduction", plain.loss, data[f"{tag}_mean_reduction"], **CLOSE)
        yield Check(f"{tag}_split_means", balanced.splits, data[f"{tag}_split_means"], **CLOSE)
        norm = _gradient(balanced.loss, z).norm()
        yield Check(f"{tag}_gradnorm_logits", norm, data[f"{tag}_gradnorm_logits"], **CLOSE)

    z = logits()
    reduced = classification_loss(z, target, splits, compat=True)
    yield Check("ce_per_point", cross_entropy(z, target), data["ce_per_point"], **CLOSE)
    yield Check("ce_total_over_all_points", reduced.loss, data["ce_total_over_all_points"], **CLOSE)
    yield Check("ce_gradnorm_logits", _gradient(reduced.loss, z).norm(), data["ce_gradnorm_logits"], **CLOSE)
    yield Check("ce_split_means", reduced.splits, data["ce_split_means"], **CLOSE)
    for name in data:  # the ratios are written as two digits after the point, 025 is 0.25
        if m := re.fullmatch(r"ce_total_sub_head(\d+)_common(\d+)_npseed(\d+)", name):
            head, common = (float(f"{digits[0]}.{digits[1:]}") for digits in m.groups()[:2])
            rng = np.random.RandomState(int(m[3]))
            sampled = classification_loss(z, target, splits, head=head, common=common, compat=True, generator=rng)
            yield Check(name, sampled.loss, data[name], **CLOSE)
