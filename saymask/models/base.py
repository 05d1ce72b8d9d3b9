"""What every system has in common: the contract that `Scene`, training and evaluation rely on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from saymask.answers import VERBS
from saymask.data.annotations import Annotation
from saymask.scan import Scan

if TYPE_CHECKING:
    from saymask.scene.scene import Scene


@dataclass(frozen=True)
class TrainConfig:
    """How a preset is trained; everything that is not architecture or preprocessing."""

    epochs: int = 40
    source: str = "scanrefer"
    """Sentences to train on: `scanrefer`, `multi3drefer`, or `both`; `scans` = none, each scan is a sample."""
    scenes: str = ""
    """Training scans: all of the split without it; a share of them such as `0.05`; or a file with their names."""
    sentences: int = 1
    """Sentences of one scan that make a sample (the last of a scan may have fewer); 0 = all of a scan, and a scan
    without any is a sample too."""
    init: str = ""
    """Checkpoint whose tensors of equal name and shape are the initial weights, e.g. of a pre-trained backbone."""
    batch_size: int = 4
    """Samples per process."""
    optimizer: str = "adamw"
    """`adamw` (betas 0.9, 0.999, eps 1e-8), or `sgd` with `momentum` and `dampening`."""
    momentum: float = 0.9
    dampening: float = 0.0
    lr: float = 1e-4
    weight_decay: float = 0.05
    text_lr: float = 2e-5
    """Learning rate of the text encoder when it is trained."""
    text_weight_decay: float = 0.01
    schedule: str = "epoch-decay"
    """`epoch-decay`: times `decay` at the start of each epoch, counted from 1; `epoch-poly`: (1 - e / epochs)^`power`
    in epoch e counted from 0; `multi-step`: times `decay` after each epoch of `milestones`; `cosine`: per step, after a
    warm-up."""
    decay: float = 0.95
    power: float = 4.0
    milestones: tuple[int, ...] = ()
    warmup: float = 0.05
    """Share of all steps with a linearly rising rate (`cosine` only)."""
    clip: float = 0.0
    """Largest gradient norm; 0 = no clipping."""
    precision: str = "32-true"
    """Lightning's precision name."""
    workers: int = 4
    seed: int = 42
    evaluate_every: int = 5
    """Epochs between validations; the last epoch is always validated."""
    task: str = "refer"
    """What is validated (`saymask.evaluation.run.TASKS`), or `none`."""
    protocol: str = "less"
    """Evaluation protocol of the validation metric; with task `all` `plain` or `uniseg3d`."""
    max_val: int = 0
    """Validate during training on this many annotations (of task `refer`) or scans, evenly spread (0 = all)."""


@dataclass(frozen=True)
class Preset:
    """A model configuration and how it is trained."""

    name: str
    system: str
    model: Any
    train: TrainConfig = field(default_factory=TrainConfig)


class Model(nn.Module, ABC):
    """A segmentation system; subclasses add one method per verb that they answer.

    Each gets what `encode_batch` returned for one scan, and answers over that scan's support; several threads may call
    them at the same time. What is asked has been checked by `Scene`, which keeps answers and makes `Masks` of them.

    - `refer(encoded, sentences, *, count="any") -> list[Prediction]`: one per sentence, with a row per object that it
      means; `count="one"` asks for exactly one row.
    - `find(encoded, names, *, threshold=None) -> Objects`: what words name; None = the model's own threshold. Each name
      is answered as if it were asked alone.
    - `click(encoded, points) -> Prediction`: points int64 [K] are rows of `Scan.points`, K ≥ 1, none twice; row k of
      the logits [K, S] and scores [K] is the answer to click k alone. Clicks do not see each other, so one decoder pass
      takes all of them, and negative clicks, which ask the same, are combined with positive ones outside the model
      (`saymask.scene.to_masks.combine_clicks` compares logits of different clicks). A point without a support row
      (index -1) gets any row; it is refused afterwards.
    - `semantic(encoded, classes=None) -> Classes`: a class per support row.
    - `instances(encoded) -> Objects`: every object.
    - `panoptic(encoded) -> Objects`: disjoint masks: one per object, and one per class that is not counted in objects
      (walls, floor) for all its rows together.
    """

    system: ClassVar[str]
    config: Any
    card: dict[str, Any]

    @classmethod
    def answers(cls, config: Any) -> tuple[str, ...]:
        """Return the verbs that a model of this configuration answers: by default those the class has a method for."""
        return tuple(v for v in VERBS if hasattr(cls, v))

    @property
    def verbs(self) -> tuple[str, ...]:
        """Verbs this model answers."""
        return self.answers(self.config)

    @property
    def image_features(self) -> str:
        """Name of the prepared 2D features that this model takes; empty = none."""
        return str(getattr(self.config, "image_features", ""))

    @property
    def stretched_images(self) -> bool:
        """Whether its 2D features were projected by the official rule."""
        return bool(getattr(self.config, "stretched_images", False))

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

    @abstractmethod
    def prepare(
        self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState | None = None
    ) -> Any:
        """Return this system's view of a scan and of sentences about it, whose truth the scan's labels give.

        With `rng` the training view (sampled and augmented).
        """

    @abstractmethod
    def collate(self, samples: list[Any]) -> Any:
        """Return a batch (with a method `to(device)`) of prepared samples."""

    @abstractmethod
    def encode_batch(self, batch: Any) -> Any:
        """Return everything about the scans of a batch that does not depend on a prompt."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return named loss terms, already weighted; training sums them."""

    def begin_training(self, data: Path, scenes: Sequence[str], say: Callable[[str], None]) -> None:
        """Take what the model needs to know of the training data (frequencies, anchors); called before the first step.

        data: the prepared folder; scenes: the names of the training scans. `say` prints a line for the user.
        """

    def get_ready(self) -> None:
        """Load what only prompts need, such as a text encoder; called before a scan is encoded, so that none waits."""

    def encode(self, scan: Any) -> "Scene":
        """Encode a scan (or what `load_scan` takes: a path, arrays, a trimesh): the slow step, prompts are cheap."""
        if not isinstance(scan, Scan):
            from saymask.io.load import load_scan

            scan = load_scan(scan)
        self.get_ready()
        from saymask.scene.scene import (
            Scene,  # the one import against the stream: what a user calls first lives on the model
        )

        return Scene(self, scan)

    def parameter_groups(self, train: TrainConfig) -> list[dict[str, Any]]:
        """Return the optimiser's parameter groups: everything at `train.lr`, a trained text encoder at its own rate."""
        text = {id(p) for name, p in self.named_parameters() if "text_encoder" in name}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in text]
        groups: list[dict[str, Any]] = [{"params": rest, "lr": train.lr, "weight_decay": train.weight_decay}]
        words = [p for p in self.parameters() if p.requires_grad and id(p) in text]
        if words:
            groups.append({"params": words, "lr": train.text_lr, "weight_decay": train.text_weight_decay})
        return groups
