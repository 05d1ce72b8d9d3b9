"""One training step, as Lightning runs it.

Lightning brings devices, precision, gradient clipping, distributed gradients and loggers. The position in the training
is ours: the whole run is one stream of steps, and whatever a step needs (its items, its learning rate, its random
numbers) is a function of its number. A run that was killed therefore goes on from its last state exactly as if it had
never stopped, also in the middle of an epoch.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from saymask.data.samples.order import BatchOrder
from saymask.errors import InputError
from saymask.models.base import Model, TrainConfig
from saymask.training.averaging import WeightAverage
from saymask.training.schedules import make_optimizer, rate_factor

MAX_SKIPPED = 20
"""So many steps in a row without a finite gradient end the training."""


def step_seed(seed: int, step: int, rank: int, part: int = 0) -> int:
    """Return the seed of torch's generators (dropout) for one pass of a step of one process."""
    words = [seed, step, rank, *([part] if part else [])]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


@dataclass
class Progress:
    """Position of a run in its training; stored with the weights and the optimiser."""

    step: int = 0
    """Optimiser steps done."""
    best: float | None = None
    """Highest headline number of a validation."""
    best_step: int = 0
    skipped: int = 0
    """Steps without a finite gradient, all and in a row."""
    skipped_in_row: int = 0
    seconds: float = 0.0
    """Time spent training, over all starts."""
    left_out: int = 0
    """Scans that did not fit into their batch, over all epochs, of this process."""


class Learner(pl.LightningModule):
    """A Model, the optimiser and one step."""

    def __init__(self, model: Model, train: TrainConfig, order: BatchOrder) -> None:
        super().__init__()
        self.model = model
        self.train_config = train
        self.order = order
        self.at = Progress()
        self.terms: dict[str, float] = {}
        self.norm = float("nan")
        self.average: WeightAverage | None = None
        """Running mean of the weights, from the start of the training, if the settings want one."""
        self._statistics: list[tuple[Tensor, Tensor]] = []

    def start_average(self, values: dict[str, Tensor] | None = None) -> None:
        """Begin the running mean at the model's weights, or at `values`, if the settings want one."""
        if self.train_config.ema:
            self.average = WeightAverage(self.model, self.train_config.ema)
            self.average.values |= values or {}

    @contextmanager
    def final_weights(self) -> Iterator[None]:
        """Put the weights that are validated and exported into the model inside the `with` block."""
        with self.average.in_use() if self.average else nullcontext():
            yield

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser over the model's parameter groups."""
        groups = self.model.parameter_groups(self.train_config)
        for group in groups:
            group["base_lr"] = group["lr"]
        return make_optimizer(self.train_config, groups)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch by its own `to`."""
        return batch.to(device)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set what depends on the number of the step, and of its pass."""
        part = batch_idx % self.order.accumulate
        torch.manual_seed(step_seed(self.train_config.seed, self.at.step, self.global_rank, part))
        if part:
            return
        self.terms = {}
        factor = rate_factor(self.train_config, self.at.step, self.order)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["base_lr"] * factor
        # Running statistics that a step without a finite gradient has touched must be put back.
        self._statistics = [(b, b.detach().clone()) for b in self.model.buffers()]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the sum of the model's loss terms."""
        self.at.left_out += len(self.model.left_out(batch))
        losses = self.model.losses(batch)
        total = torch.stack([value.float() for value in losses.values()]).sum()
        numbers = torch.stack([value.detach().float() for value in [*losses.values(), total]]).tolist()
        for name, number in zip([*losses, "loss"], numbers):  # means over the passes of a step
            self.terms[name] = self.terms.get(name, 0.0) + number / self.order.accumulate
        return total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop gradients that are not finite: the optimiser then leaves every weight as it is.

        Looked at after the gradients of all processes have met, so that all of them decide the same.
        """
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        if not gradients:
            raise InputError("no loss term depends on a weight of the model: there is nothing to train")
        self.norm = float(torch.nn.utils.get_total_norm(gradients))
        if math.isfinite(self.norm):
            self.at.skipped_in_row = 0
            return
        self.at.skipped += 1
        self.at.skipped_in_row += 1
        for parameter in self.model.parameters():
            parameter.grad = None
        with torch.no_grad():
            for buffer, before in self._statistics:
                buffer.copy_(before)
        if self.at.skipped_in_row >= MAX_SKIPPED:
            raise InputError(
                f"{MAX_SKIPPED} steps in a row (up to step {self.at.step + 1}) gave no finite gradient (loss terms "
                f"{self.terms}); lower train.lr, set train.clip, or use train.precision=32-true"
            )
