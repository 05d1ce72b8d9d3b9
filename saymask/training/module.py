"""What Lightning runs: one training step, and the callback that logs, validates, saves and stops.

Lightning brings devices, precision, gradient clipping, distributed gradients and loggers. The position in the training
is ours: the whole run is one stream of steps, and whatever a step needs (its items, its learning rate, its random
numbers) is a function of its number. A run that was killed therefore goes on from its last state exactly as if it had
never stopped, also in the middle of an epoch.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from saymask.data.samples.order import BatchOrder
from saymask.errors import CheckpointError, InputError
from saymask.hub.registry import load_state, save_checkpoint, stored_state
from saymask.metrics.records import flatten
from saymask.models.base import Model, TrainConfig
from saymask.training.progress import ProgressLine
from saymask.util.files import atomic_path

MAX_SKIPPED = 20
"""So many steps in a row without a finite gradient end the training."""
OPTIMIZERS = ("adamw", "sgd")


def _epoch_decay(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """decay^e in epoch e counted from 1 (LESS §5: lr_e = lr_0 * 0.95^e)."""
    return train.decay ** order.epoch(step)


def _multi_step(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """Times decay after each epoch of `milestones`: 0.3 after 120 and 150 (LGround §5)."""
    done = order.epoch(step) - 1
    return train.decay ** sum(done >= milestone for milestone in train.milestones)


def _epoch_poly(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """(1 - e / epochs)^power in epoch e counted from 0 (power 4: BQNet §5; 0.9: LGround §5)."""
    return (1 - (order.epoch(step) - 1) / train.epochs) ** train.power


def _cosine(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """Linear rise over the share `warmup` of all steps, then half a cosine down to 0 at the end."""
    rise = round(train.warmup * order.total)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, order.total - rise)))


SCHEDULES: dict[str, Callable[[TrainConfig, int, BatchOrder], float]] = {
    "epoch-decay": _epoch_decay,
    "multi-step": _multi_step,
    "epoch-poly": _epoch_poly,
    "cosine": _cosine,
}


def rate_factor(train: TrainConfig, step: int, order: BatchOrder) -> float:
    """Return what the learning rates are multiplied by at `step` (from 0); InputError for an unknown schedule."""
    _check_name("train.schedule", train.schedule, SCHEDULES)
    return SCHEDULES[train.schedule](train, step, order)


def make_optimizer(train: TrainConfig, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups that have rates of their own; InputError for an unknown one.

    AdamW has betas 0.9, 0.999 and eps 1e-8; SGD has no Nesterov momentum and decays weights through their gradient, as
    the published training does (LGround §5).
    """
    _check_name("train.optimizer", train.optimizer, OPTIMIZERS)
    if train.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=train.lr)
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
    if train.schedule == "multi-step" and (not train.milestones or min(train.milestones) < 1):
        raise InputError(
            "train.milestones: schedule multi-step expects the epochs after which the rate falls, counted from 1, such "
            f"as 120,150; got {list(train.milestones)}"
        )


def _check_name(setting: str, name: str, known: Collection[str]) -> None:
    *most, last = (repr(each) for each in known)
    if name not in known:
        raise InputError(f"{setting}: expected {', '.join(most)} or {last}, got {name!r}")


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of torch's generators (dropout) for one step of one process."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


@dataclass
class Progress:
    """Where a run is; stored with the weights and the optimiser."""

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
        self._statistics: list[tuple[Tensor, Tensor]] = []

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
        """Set what depends on the number of the step."""
        factor = rate_factor(self.train_config, self.at.step, self.order)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["base_lr"] * factor
        torch.manual_seed(step_seed(self.train_config.seed, self.at.step, self.global_rank))
        # Running statistics that a step without a finite gradient has touched must be put back.
        self._statistics = [(b, b.detach().clone()) for b in self.model.buffers()]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the sum of the model's loss terms."""
        losses = self.model.losses(batch)
        total = torch.stack([value.float() for value in losses.values()]).sum()
        self.terms = {name: float(value.detach()) for name, value in losses.items()}
        self.terms["loss"] = float(total.detach())
        return total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the gradients away when they are not finite: the optimiser then leaves every weight as it is.

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


class Keeper(pl.Callback):
    """Counts steps and, at the right ones, logs, validates, saves, and stops.

    `headline` is the number of the validation's `overall` group that decides which weights are the best, and what it is
    called.
    """

    def __init__(
        self,
        out: Path,
        order: BatchOrder,
        *,
        validate: Callable[[Model], dict[str, Any]] | None,
        headline: tuple[str, str],
        card: Callable[[Progress, dict[str, Any]], dict[str, Any]],
        line: ProgressLine,
        save_minutes: float = 10.0,
        save_steps: int = 0,
        max_minutes: float = 0.0,
        log_every: int = 10,
    ) -> None:
        self.out, self.order, self.validate, self.card, self.line = out, order, validate, card, line
        self.save_minutes, self.save_steps, self.max_minutes = save_minutes, save_steps, max_minutes
        self.log_every, self.headline = log_every, headline
        self._began = self._saved = time.monotonic()
        self._seconds_before = 0.0
        self._state: dict[str, Any] | None = None

    @property
    def state_file(self) -> Path:
        """The file that a run is resumed from."""
        return self.out / "state.pt"

    def resume(self, learner: Learner) -> bool:
        """Load the last state into `learner`, if there is one; return whether there was."""
        if not self.state_file.is_file():
            return False
        try:
            # weights_only: a state file is read like any foreign file, without running code from it.
            state = torch.load(self.state_file, map_location="cpu", weights_only=True)
            learner.at = Progress(**state["progress"])
            load_state(learner.model, state["model"], str(self.state_file))
            self._state = state
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{self.state_file} cannot be read ({str(error).splitlines()[0]}); delete it to start anew"
            ) from None
        self.order.start = learner.at.step
        self._seconds_before = learner.at.seconds
        return True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the optimiser its state back and start the clocks."""
        if self._state is not None:
            trainer.optimizers[0].load_state_dict(self._state["optimizer"])
            trainer.precision_plugin.load_state_dict(self._state["precision"])
            self._state = None
        self._began = self._saved = time.monotonic()
        self.line.start(pl_module.at.step, self.order.total)  # type: ignore[union-attr]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step and do what is due after it."""
        learner: Learner = pl_module  # type: ignore[assignment]
        at, now = learner.at, time.monotonic()
        at.step += 1
        at.seconds = self._seconds_before + now - self._began
        samples = self.order.batch_size * self.order.world
        self.line.step(at.step, learner.terms, samples, self.order.epoch(at.step - 1))
        if at.step % self.log_every == 0 or at.step == self.order.total:
            rates = {f"lr{i or ''}": g["lr"] for i, g in enumerate(trainer.optimizers[0].param_groups)}
            numbers = {"gradient_norm": learner.norm, "samples_per_second": self.line.rate, "skipped": at.skipped}
            self._log(trainer, {**{f"train/{k}": v for k, v in learner.terms.items()}, **rates, **numbers}, at.step)
        over = bool(self.max_minutes) and now - self._began > 60 * self.max_minutes
        late = bool(self.save_minutes) and now - self._saved > 60 * self.save_minutes
        over, late = _agree(trainer, over, late)
        ended, last = self.order.ends_epoch(at.step), at.step == self.order.total or over
        epoch = self.order.epoch(at.step - 1)
        metrics: dict[str, Any] = {}
        if self.validate and (last or (ended and epoch % learner.train_config.evaluate_every == 0)):
            metrics = self._validate(trainer, learner, self.validate)
        if ended or last:
            self._export(trainer, learner, "last", metrics)
        if ended or last or late or (self.save_steps and at.step % self.save_steps == 0):
            self._save(trainer, learner)
        if over:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the progress line."""
        self.line.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the progress line, so that the error stands alone."""
        self.line.stop()

    def _log(self, trainer: pl.Trainer, values: dict[str, float], step: int) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(values, step)

    def _validate(
        self, trainer: pl.Trainer, learner: Learner, validate: Callable[[Model], dict[str, Any]]
    ) -> dict[str, Any]:
        """Measure on the validation split, all processes together; keep the weights if they are the best so far.

        `validate` returns what a metric computes; the headline number of its group `overall` decides.
        """
        model = learner.model
        if trainer.world_size > 1:
            # Running statistics differ between processes; those of the first are the ones that are saved.
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)
        self.line.say("validating …")
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        metrics = validate(model)
        for module, mode in modes:
            module.training = mode
        key, title = self.headline
        value = float(metrics["overall"][key])
        numbers = {f"val/{name}": number for name, number in flatten(_groups(metrics)).items()}
        self._log(trainer, numbers, learner.at.step)
        self.line.say(f"step {learner.at.step}: val {title} {100 * value:.2f} (protocol {metrics['protocol']})")
        if learner.at.best is None or value > learner.at.best:
            learner.at.best, learner.at.best_step = value, learner.at.step
            self._export(trainer, learner, "best", metrics)
        return metrics

    def _export(self, trainer: pl.Trainer, learner: Learner, name: str, metrics: dict[str, Any]) -> None:
        if trainer.is_global_zero:
            save_checkpoint(learner.model, self.out / f"{name}.safetensors", self.card(learner.at, metrics))

    def _save(self, trainer: pl.Trainer, learner: Learner) -> None:
        """Write everything the next step needs; a kill at any moment leaves the previous state whole."""
        self._saved = time.monotonic()
        if not trainer.is_global_zero:
            return
        state = {
            "progress": vars(learner.at),
            "model": stored_state(learner.model),
            "optimizer": trainer.optimizers[0].state_dict(),
            "precision": trainer.precision_plugin.state_dict(),
        }
        with atomic_path(self.state_file) as temporary:
            torch.save(state, temporary)


def _groups(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups of a result without its hundreds of numbers of single classes, which only the card keeps."""
    return {name: values for name, values in metrics.items() if isinstance(values, Mapping) and "n" in values}


def _agree(trainer: pl.Trainer, *flags: bool) -> tuple[bool, ...]:
    """Return the first process's flags on all processes: their clocks differ."""
    if trainer.world_size == 1:
        return flags
    values = torch.tensor(flags, dtype=torch.uint8, device=trainer.strategy.root_device)
    torch.distributed.broadcast(values, 0)
    return tuple(bool(value) for value in values.tolist())
