"""Bring a model of your own: one class, one line of registry, and scenes, training, evaluation and files are there.

    python examples/10_own_model.py

The model knows six colours and marks all points in that of the sentence; how close a colour must be is learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import saymask
from saymask.answers import Classes, Objects, Prediction
from saymask.data.annotations import load_annotations
from saymask.data.prepare.folder import prepare
from saymask.data.scenes import load_scene, scene_path, target_mask
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.hub.checkpoints import save_checkpoint
from saymask.hub.registry import build, register
from saymask.models.base import Model, Preset, TrainConfig
from saymask.models.contract import AnswersRefer
from saymask.rooms.generate import generate
from saymask.training.run import train

COLORS = {
    "red": (170, 50, 40), "green": (60, 130, 60), "blue": (50, 80, 160), "brown": (110, 70, 45),
    "white": (225, 225, 225), "black": (35, 35, 35),
}  # fmt: skip


@dataclass(frozen=True)
class ColorConfig:
    reach: float = 60.0
    """Distance between two colours, 0..442, below which they are one; where training begins."""


@dataclass(frozen=True)
class Sample:
    colors: Tensor  # float32 [N, 3], 0..255
    sentence: str
    target: Tensor  # float32 [N], 1 = meant


@dataclass(frozen=True)
class Batch:
    samples: list[Sample]

    def to(self, device: torch.device) -> "Batch":
        return Batch([Sample(s.colors.to(device), s.sentence, s.target.to(device)) for s in self.samples])


class Colors(Model):
    """A mask per sentence: all points in the colour that it names."""

    system = "colors"

    def __init__(self, config: ColorConfig) -> None:
        super().__init__(config)
        self.reach = nn.Parameter(torch.tensor(config.reach))

    def prepare(self, scan, annotations=(), *, rng=None) -> Sample:
        target = target_mask(scan, annotations[0].object_ids) if annotations else np.zeros(len(scan))
        sentence = annotations[0].sentence if annotations else ""
        return Sample(torch.from_numpy(scan.colors).float(), sentence, torch.from_numpy(target).float())

    def collate(self, samples: list[Sample]) -> Batch:
        return Batch(samples)

    def encode_batch(self, batch: Batch) -> list[Tensor]:
        return [sample.colors for sample in batch.samples]

    def refer(self, encoded: list[Tensor], sentences: Sequence[str], *, count="any") -> list[Prediction]:
        logits = [self.logits(encoded[0], sentence) for sentence in sentences]
        index = np.arange(len(encoded[0]))  # every point is a row of the support
        return [Prediction(row[None], row.max().sigmoid()[None], index) for row in logits]

    def semantic(self, encoded: list[Tensor], classes=None) -> Classes:
        distance = torch.cdist(encoded[0], encoded[0].new_tensor(list(COLORS.values())))
        nearest = distance.argmin(1).numpy()
        sure = torch.softmax(-distance / 10, 1).amax(1).numpy()
        return Classes(nearest, sure, np.arange(len(nearest)), tuple(COLORS), tuple(range(1, len(COLORS) + 1)))

    def find(self, encoded: list[Tensor], names: Sequence[str], *, threshold=None) -> Objects:
        limit = 0.5 if threshold is None else threshold
        rows = torch.stack([self.logits(encoded[0], name).sigmoid() for name in names]).numpy()
        best = rows.max(1)
        there = np.flatnonzero(best >= limit)
        index, ids = np.arange(rows.shape[1]), tuple(range(1, len(names) + 1))
        return Objects(rows[there] >= limit, best[there], there, index, tuple(names), ids, tuple(best.tolist()))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        terms = [F.binary_cross_entropy_with_logits(self.logits(s.colors, s.sentence), s.target) for s in batch.samples]
        return {"mask": torch.stack(terms).mean()}

    def logits(self, colors: Tensor, sentence: str) -> Tensor:
        """Return float32 [N]: positive where a point has the colour that the sentence names."""
        named = [COLORS[word] for word in sentence.lower().split() if word in COLORS]
        if not named:
            return colors.sum(1) * 0 + self.reach * 0 - 10
        return (self.reach - torch.cdist(colors, colors.new_tensor(named)).amin(1)) / 10


def tiny() -> Preset:
    training = TrainConfig(epochs=1, batch_size=4, lr=1.0, weight_decay=0.0, workers=0, max_val=8)
    return Preset("colors.tiny", "colors", ColorConfig(), training)


def main(out: Path = Path("out/own")) -> None:
    register("colors", f"{__name__}:Colors", __name__, "colors.tiny")  # the class, the module with its presets, theirs
    generate(out / "raw", {"train": 1, "val": 1}, workers=1, quiet=True)
    prepare(out / "raw", out / "data", quiet=True)
    card = train("colors.tiny", out / "data", out / "run", max_steps=8, quiet=True)
    print(f"mIoU {100 * card['metrics']['overall']['miou']:.1f} after 8 steps")

    model = saymask.load_model(out / "run" / "last.safetensors")
    annotations = load_annotations(out / "data" / "annotations" / "scanrefer_val.json")
    colored = next(a for a in annotations if set(a.sentence.split()) & set(COLORS))
    scene = model.encode(load_scene(scene_path(out / "data", colored.scene_id)))
    print(f"“{colored.sentence}”:", scene.refer(colored.sentence))
    print(scene.semantic(), scene.find(["brown", "white"]))

    try:
        evaluate(model, Request(out / "data", task="semantic", protocol="scannet", quiet=True))
    except saymask.InputError as error:
        print(error)  # its classes are not those of a benchmark

    assert isinstance(model, AnswersRefer)  # a verb is answered by having its method
    by_hand = build("colors.tiny")  # the untrained model, saved with a card of its own
    print(save_checkpoint(by_hand, out / "untrained.safetensors"), "answers", by_hand.verbs)


if __name__ == "__main__":
    main()
