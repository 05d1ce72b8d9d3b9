"""Contract of all systems, which `Scene`, training and evaluation rely on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from saymask.answers import Objects
from saymask.data.annotations import Annotation
from saymask.data.samples.degrade import Degradation, degraded
from saymask.data.samples.exchange import read_library
from saymask.errors import InputError, ProtocolError
from saymask.models.contract import answered_by
from saymask.nn.adaptation import adapted, check_share, turned_views
from saymask.scan import Scan

if TYPE_CHECKING:
    from saymask.scene.scene import Scene


@dataclass(frozen=True)
class TrainConfig:
    """Training settings of a preset: everything that is not architecture or preprocessing."""

    epochs: int = 40
    """Passes over the training samples."""
    source: str = "scanrefer"
    """Sentences to train on: `scanrefer`, `multi3drefer`, `both` of these, `nr3d`, `sr3d`; `scans` = none, each scan
    is a sample."""
    split: str = "train"
    """Scans and sentences to train on: `train`, or `trainval`, both splits as for the benchmark's test scans; nothing
    is validated then."""
    scenes: str = ""
    """Training scans: all of the split without it; a share of them such as `0.05`; or a file with their names."""
    sentences: int = 1
    """Sentences of one scan that make a sample (the last of a scan may have fewer); 0 = all of a scan, and a scan
    without any is a sample too."""
    init: str = ""
    """Checkpoint whose tensors of the same names are the initial weights, e.g. of a pre-trained backbone; also an
    official file (.pth, .ckpt), of which the network's tensors are taken."""
    init_except: tuple[str, ...] = ()
    """Starts of the names of tensors that are not taken from `init`, such as those of another number of classes."""
    batch_size: int = 4
    """Samples per process and pass."""
    accumulate: int = 1
    """Passes whose gradients are averaged before a step: samples per step = this times `batch_size` times processes."""
    drop_last: bool = True
    """Leave out the rest of an epoch that fills no step; otherwise it is a smaller step."""
    optimizer: str = "adamw"
    """`adamw` (betas 0.9, 0.999, eps 1e-8), or `sgd` with `momentum` and `dampening`."""
    momentum: float = 0.9
    """Of `sgd`."""
    dampening: float = 0.0
    """Of `sgd`."""
    lr: float = 1e-4
    """Learning rate."""
    weight_decay: float = 0.05
    """Decay of the weights, as the optimizer has it."""
    text_lr: float = 2e-5
    """Learning rate of the text encoder when it is trained."""
    text_weight_decay: float = 0.01
    schedule: str = "epoch-decay"
    """`epoch-decay`: times `decay` at the start of each epoch, counted from 1; `epoch-poly`: (1 - e / epochs)^`power`
    in epoch e counted from 0; `multi-step`: times `decay` after each epoch of `milestones`; `cosine`: per step, after a
    warm-up; `trapezoid`: a rise over `rise` steps, the full rate, and a linear fall over the last share `fall` of all
    steps, so that a run can be made longer until the fall begins."""
    decay: float = 0.95
    """Factor of `epoch-decay` and `multi-step`."""
    power: float = 4.0
    """Exponent of `epoch-poly`."""
    milestones: tuple[int, ...] = ()
    """Epochs of `multi-step`."""
    warmup: float = 0.05
    """Share of all steps with a linearly rising rate (`cosine` only)."""
    rise: int = 500
    """Steps of the rise of `trapezoid`."""
    fall: float = 0.2
    """Share of all steps in which `trapezoid` falls to 0."""
    ema: float = 0.0
    """Share that the running mean of the weights keeps of itself in a step, such as 0.999; the mean is validated and
    exported. 0 = the weights themselves."""
    clip: float = 0.0
    """Largest gradient norm; 0 = no clipping."""
    precision: str = "32-true"
    """Lightning's precision name."""
    conv_precision: str = "ieee"
    """How sparse convolutions of float32 features multiply on the CPU: `ieee` (float32), or `bf16` where there is AMX
    (sums stay float32), the names of `torch.backends.mkldnn.conv.fp32_precision`; `auto`: as inference does on the CPU
    that the training begins on (`inference_precision`)."""
    matmul_precision: str = "ieee"
    """The same for linear layers and attention, `torch.backends.mkldnn.matmul.fp32_precision`."""
    workers: int = 4
    """Processes that load samples."""
    seed: int = 42
    """Seed of weights, order and augmentation."""
    evaluate_every: int = 5
    """Epochs between validations; the last epoch is always validated."""
    evaluate_last: int = 1
    """So many epochs at the end are validated each."""
    task: str = "refer"
    """Task of the validation (`saymask.evaluation.tasks.table.NAMES`), or `none`."""
    protocol: str = "3dres"
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
    published_batch: int = 0
    """Samples per step of the published training, all its processes together; 0 = none is published."""


class Model(nn.Module, ABC):
    """A segmentation system; subclasses add one method per verb that they answer (`saymask.models.contract`)."""

    system: ClassVar[str]
    config: Any
    card: dict[str, Any]
    """What is known of the weights: preset, data, metrics; empty for a model that nobody has named."""

    def __init__(self, config: Any = None) -> None:
        super().__init__()
        self.config, self.card = config, {}

    @classmethod
    def answers(cls, config: Any) -> tuple[str, ...]:
        """Return the verbs that a model of this configuration answers: by default those the class has a method for."""
        return answered_by(cls)

    @property
    def verbs(self) -> tuple[str, ...]:
        """Verbs this model answers."""
        return self.answers(self.config)

    @property
    def title(self) -> str:
        """The name of the checkpoint or preset, else of the system."""
        return str(self.card.get("name", self.system))

    @classmethod
    def settled(cls, config: Any) -> Any:
        """Return the configuration that a training begins with: what depends on this machine is decided and kept."""
        return config

    # ---- what a system may say about itself; the defaults are those of a model without the thing

    @property
    def uses_superpoints(self) -> bool:
        """Whether it predicts on superpoints, which a scan must then have before `prepare`."""
        return False

    @property
    def image_features(self) -> str:
        """Name of the prepared 2D features that this model takes; empty = none."""
        return ""

    @property
    def stretched_images(self) -> bool:
        """Whether its 2D features were projected by the official rule."""
        return False

    @property
    def count(self) -> Literal["one", "any"]:
        """How many objects a sentence means as the model was trained: exactly one, or any number."""
        return "any"

    @property
    def find_threshold(self) -> float | None:
        """Relevance from which `find` takes something for what a word names; None = not known."""
        return None

    @property
    def adapt(self) -> float:
        """Weight 0..1 of a scan's own norm statistics where none is asked for; 0 = the stored ones."""
        return 0.0

    @property
    def degrade(self) -> Degradation:
        """Switches of the degraded view that training sees; off."""
        return Degradation()

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names that training never heard, which `find` is also measured on apart."""
        return ()

    @property
    def has_proposals(self) -> bool:
        """Whether there are masks of a scan before anybody names them, of which `find` chooses."""
        return False

    def proposals(self, encoded: Any) -> Objects:
        """Return the unnamed masks of a scan, which may overlap; InputError for a model that has none."""
        raise InputError(f"{self.title}: expected a model with unnamed masks (has_proposals), got {self.system}")

    def click_classes(self, encoded: Any, points: np.ndarray) -> np.ndarray:
        """Return the probability of each thing class for each of the clicks `points` int64 [K], float32 [K, 18].

        UniSeg3D's protocol takes them for the confidence; ProtocolError for a model whose clicks have no classes.
        """
        raise ProtocolError(
            f"protocol uniseg3d: expected a model that gives clicks classes (click_classes), whose probabilities it "
            f"takes for the confidence, got {self.system}; use protocol scannet for interactive"
        )

    # ---- what every system must do

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

    def training_sample(self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState) -> Any:
        """Return the training view of a scan, degraded as `degrade` says, and of the sentences still true of it.

        A sample that would lose all its sentences is not degraded.
        """
        if self.degrade.share:
            view, left = degraded(scan, annotations, rng, self.degrade)
            if left or not annotations:
                scan, annotations = view, left
        return self.prepare(scan, annotations, rng=rng)

    @abstractmethod
    def collate(self, samples: list[Any]) -> Any:
        """Return a batch (with a method `to(device)`) of prepared samples."""

    @abstractmethod
    def encode_batch(self, batch: Any) -> Any:
        """Return everything about the scans of a batch that does not depend on a prompt."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return named loss terms, float scalars [], already weighted; training sums them."""

    def begin_training(self, data: Path, scenes: Sequence[str], say: Callable[[str], None]) -> None:
        """Take what the model needs to know of the training data (frequencies, anchors); called before the first step.

        data: the prepared folder; scenes: the names of the training scans. `say` prints a line for the user. Raises
        InputError for a file that cannot be used.
        """
        if self.degrade.share and self.degrade.library:
            say(f"{len(read_library(self.degrade.library).kinds)} furniture models to exchange pieces for")

    def left_out(self, batch: Any) -> tuple[str, ...]:
        """Return the names of the scans that were left out of a training batch because it would have been too large."""
        return ()

    def scan_features(self, batch: Any) -> list[tuple[Tensor, np.ndarray]]:
        """Return the features of each scan of a batch: (float [S, C] per support row, int64 [N] row of each point).

        Raises InputError for a system whose features depend on a sentence.
        """
        raise InputError(f"{self.title}: expected a model with features of a scan alone, {self.system} has none")

    def get_ready(self, verb: str) -> None:
        """Load what only prompts of `verb` need, such as a text encoder; InputError where it is not to be had.

        Prompts do it by themselves: who calls it before a scan is read learns at once what is missing.
        """

    def encode(
        self,
        scan: Any,
        *,
        adapt: float | None = None,
        frames: str | Path | None = None,
        image_encoder: str | Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> "Scene":
        """Encode a scan (or what `load_scan` takes: a path, arrays, a mesh): the slow step, prompts are cheap.

        The path of a prepared scene is taken as well, with the 2D features that were prepared for it.

        adapt: weight 0..1 of the scan's own norm statistics (`adapted`); None = the model's own setting. frames: a
        `.sens` file or a folder of posed frames, of which 2D features are made for a model that takes them;
        image_encoder: local folder with the weights of its image model (`saymask.scene.inputs.with_frames`).
        progress: is called with the name of each stage of `Scene.seconds` when it begins.
        """
        from saymask.scene.scene import encode  # against the stream: what a user calls first lives on the model

        return encode(self, scan, adapt=adapt, frames=frames, image_encoder=image_encoder, progress=progress)

    def adapted(self, scan: Scan, share: float | None = None) -> "Model":
        """Return the model that is to encode `scan`: its BatchNorm statistics are `share` those of the scan itself.

        None = the setting `adapt` of the configuration, 0 for models without one; with 0 the model itself is returned.
        The model does not change. Labels of the scan are not looked at; superpoints are computed where it has none.
        Raises InputError for a share outside 0..1 and for models without norms that see a scan before a prompt.
        """
        share = check_share(self.adapt if share is None else share)
        if not share:
            return self
        scan = replace(scan, labels={})
        if self.uses_superpoints and scan.superpoints is None:
            from saymask.geometry.superpoints import superpoints_of  # with its compiled kernels

            scan = replace(scan, superpoints=superpoints_of(scan))
        views = (
            self.collate([self.prepare(view) for view in together]).to(self.device) for together in turned_views(scan)
        )
        return adapted(self, share, views, lambda model, batch: model.encode_batch(batch))

    def parameter_groups(self, train: TrainConfig) -> list[dict[str, Any]]:
        """Return the optimiser's parameter groups: everything at `train.lr`, a trained text encoder at its own rate."""
        text = {id(p) for name, p in self.named_parameters() if "text_encoder" in name}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in text]
        groups: list[dict[str, Any]] = [{"params": rest, "lr": train.lr, "weight_decay": train.weight_decay}]
        words = [p for p in self.parameters() if p.requires_grad and id(p) in text]
        if words:
            groups.append({"params": words, "lr": train.text_lr, "weight_decay": train.text_weight_decay})
        return groups
