"""Optimisers and learning-rate schedules: the rate of a step is a function of its number."""

import math
from collections.abc import Callable, Collection
from typing import Any

import torch

from saymask.data.samples.order import BatchOrder
from saymask.errors import InputError
from saymask.models.base import TrainConfig

OPTIMIZERS = ("adamw", "sgd")


def _epoch_decay(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """decay^e in epoch e counted from 1 (docs/systems/less.md §5: lr_e = lr_0 * 0.95^e)."""
    return train.decay ** order.epoch(step)


def _multi_step(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """Times decay after each epoch of `milestones`: 0.3 after 120 and 150 (docs/systems/lground.md §5)."""
    done = order.epoch(step) - 1
    return train.decay ** sum(done >= milestone for milestone in train.milestones)


def _epoch_poly(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """(1 - e / epochs)^power in epoch e counted from 0; power 4 for BQNet, 0.9 for LGround.

    Source: docs/systems/bqnet.md §5 and docs/systems/lground.md §5.
    """
    return (1 - (order.epoch(step) - 1) / train.epochs) ** train.power


def _cosine(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """Linear rise over the share `warmup` of all steps, then half a cosine down to 0 at the end."""
    rise = round(train.warmup * order.total)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, order.total - rise)))


def _trapezoid(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """Linear rise over `rise` steps, the full rate, and a linear fall to 0 over the last share `fall` of all steps.

    Source: "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024, arXiv 2405.18392.
    """
    left = (order.total - step) / max(1.0, train.fall * order.total)
    return min(1.0, (step + 1) / max(1, train.rise), left)


SCHEDULES: dict[str, Callable[[TrainConfig, int, BatchOrder], float]] = {
    "epoch-decay": _epoch_decay,
    "multi-step": _multi_step,
    "epoch-poly": _epoch_poly,
    "cosine": _cosine,
    "trapezoid": _trapezoid,
}


def rate_factor(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """Return what the learning rates are multiplied by at `step` (from 0); InputError for an unknown schedule."""
    _check_name("train.schedule", train.schedule, SCHEDULES)
    return SCHEDULES[train.schedule](train, step, order)


def make_optimizer(train: TrainConfig, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups that have rates of their own; InputError for an unknown one.

    AdamW has betas 0.9, 0.999 and eps 1e-8; SGD has no Nesterov momentum and decays weights through their gradient, as
    the published training does (docs/systems/lground.md §5).
    """
    _check_name("train.optimizer", train.optimizer, OPTIMIZERS)
    if train.optimizer == "adamw":
        # One kernel for all weights; Lightning cannot clip gradients for it in mixed precision.
        return torch.optim.AdamW(groups, lr=train.lr, fused="mixed" not in train.precision or None)
    return torch.optim.SGD(groups, lr=train.lr, momentum=train.momentum, dampening=train.dampening)


def check_settings(train: TrainConfig) -> None:
    """Raise InputError where a setting of the optimiser or of its learning rate cannot be used."""
    _check_name("train.optimizer", train.optimizer, OPTIMIZERS)
    _check_name("train.schedule", train.schedule, SCHEDULES)
    if not (0 <= train.momentum < 1 and 0 <= train.dampening <= 1):
        raise InputError(
            f"expected train.momentum from 0 to below 1 and train.dampening from 0 to 1, got {train.momentum} and "
            f"{train.dampening}"
        )
    if train.rise < 0 or not 0 <= train.fall <= 1 or not 0 <= train.ema < 1:
        raise InputError(
            "expected train.rise >= 0, train.fall from 0 to 1 and train.ema from 0 to below 1, got "
            f"{train.rise}, {train.fall} and {train.ema}"
        )
    if train.schedule == "multi-step" and (not train.milestones or min(train.milestones) < 1):
        raise InputError(
            "train.milestones: schedule multi-step expects the epochs after which the rate falls, counted from 1, such "
            f"as 120,150; got {list(train.milestones)}"
        )


def _check_name(setting: str, name: str, known: Collection[str]) -> None:
    *most, last = (repr(each) for each in known)
    if name not in known:
        raise InputError(f"{setting}: expected {', '.join(most)} or {last}, got {name!r}")
