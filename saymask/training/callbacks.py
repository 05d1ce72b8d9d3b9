"""The training callback: it counts steps and, at the right ones, logs, validates, saves and stops."""

import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from saymask.data.samples.order import BatchOrder
from saymask.errors import CheckpointError
from saymask.hub.checkpoints import load_state, save_checkpoint, stored_state
from saymask.metrics.records import flatten
from saymask.models.base import Model
from saymask.training.module import Learner, Progress
from saymask.training.progress import ProgressLine
from saymask.util.files import atomic_path


class RunCallback(pl.Callback):
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
        self._left_out = 0
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
            with zipfile.ZipFile(self.state_file) as file:  # torch does not look at checksums
                if (damaged := file.testzip()) is not None:
                    raise CheckpointError(f"{self.state_file} is damaged ({damaged}); delete it to start anew")
            state = torch.load(self.state_file, map_location="cpu", weights_only=True)
            learner.at = Progress(**state["progress"])
            load_state(learner.model, state["model"], str(self.state_file))
            learner.start_average(state.get("average"))
            self._state = state
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{self.state_file} cannot be read ({str(error).splitlines()[0]}); delete it to start anew"
            ) from None
        self.order.start = learner.at.step
        self._seconds_before, self._left_out = learner.at.seconds, learner.at.left_out
        return True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the optimiser its state back and start the clocks."""
        if self._state is not None:
            optimizer, stored = trainer.optimizers[0], self._state["optimizer"]
            for group, before in zip(optimizer.param_groups, stored["param_groups"]):
                before["fused"] = group["fused"]  # how a step is computed is this program's choice, not the state's
            optimizer.load_state_dict(stored)
            trainer.precision_plugin.load_state_dict(self._state["precision"])
            self._state = None
        self._began = self._saved = time.monotonic()
        self.line.start(pl_module.at.step, self.order.total)  # type: ignore[union-attr]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the step and do what is due after it."""
        learner: Learner = pl_module  # type: ignore[assignment]
        if (batch_idx + 1) % self.order.accumulate:
            return  # the step is not complete yet
        at, now = learner.at, time.monotonic()
        at.step += 1
        if learner.average:
            learner.average.update(at.step)
        at.seconds = self._seconds_before + now - self._began
        self.line.step(at.step, learner.terms, self.order.samples(at.step - 1), self.order.epoch(at.step - 1))
        if at.step % self.log_every == 0 or at.step == self.order.total:
            rates = {f"lr{i or ''}": g["lr"] for i, g in enumerate(trainer.optimizers[0].param_groups)}
            numbers = {"gradient_norm": learner.norm, "samples_per_second": self.line.rate, "skipped": at.skipped}
            numbers["scans_left_out"] = at.left_out
            self._log(trainer, {**{f"train/{k}": v for k, v in learner.terms.items()}, **rates, **numbers}, at.step)
        over = bool(self.max_minutes) and now - self._began > 60 * self.max_minutes
        late = bool(self.save_minutes) and now - self._saved > 60 * self.save_minutes
        over, late = _agree(trainer, over, late)
        ended, last = self.order.ends_epoch(at.step), at.step == self.order.total or over
        epoch = self.order.epoch(at.step - 1)
        config = learner.train_config
        chosen = epoch % config.evaluate_every == 0 or epoch > config.epochs - config.evaluate_last
        due = bool(self.validate) and (last or (ended and chosen))
        if (ended or last) and at.left_out > self._left_out:
            self.line.say(
                f"epoch {epoch}: {at.left_out - self._left_out} scans did not fit into their batches and were left "
                "out; raise --model.view.most-voxels where there is memory, or take a smaller --train.batch-size"
            )
            self._left_out = at.left_out
        if ended or last:
            with learner.final_weights():
                metrics = self._validate(trainer, learner, self.validate) if self.validate and due else {}
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
        if learner.average:
            state["average"] = learner.average.values
        with atomic_path(self.state_file) as temporary, open(temporary, "wb") as file:
            torch.save(state, file)


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
