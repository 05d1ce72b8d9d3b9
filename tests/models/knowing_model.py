"""A model that knows the right answer to every verb, and prepared scans that tell it: what evaluation is tested with.

The answer is written in the colours: red the class of ScanNet200, green the object, blue the class of ScanNet20 (255 =
none). The support is each colour once, so that the way from rows to points matters.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from saymask.answers import Classes, Objects, Prediction
from saymask.data.scenes import save_scene, scene_path
from saymask.io.scannet import read_scan_folder
from saymask.labels.tables import scannet20, scannet200
from saymask.models.base import Model, Preset, TrainConfig
from saymask.scan import Scan
from tests.data.fake_scannet import make_fake_scannet

NONE = 255
STUFF = 2
"""The first classes of both benchmarks are no things: wall and floor (20), wall and chair and floor (200)."""


@dataclass(frozen=True)
class KnowingConfig:
    hides: tuple[str, ...] = ()
    """Verbs that it does not answer."""
    labels: str = "semantic20"
    held_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    colors: np.ndarray  # int64 [S, 3], -1 none
    index: np.ndarray  # int64 [N]


@dataclass(frozen=True)
class Scans:
    scans: tuple[Scan, ...]

    def to(self, device: object) -> "Scans":
        return self


class Knowing(Model):
    """Reads every answer from the colours; what is asked of it is counted in `asked`."""

    system = "knowing"

    def __init__(self, config: KnowingConfig | None = None) -> None:
        super().__init__()
        self.config = KnowingConfig() if config is None else config
        self.card = {"name": "knowing", "preset": "knowing.all"}
        self.scale = nn.Parameter(torch.ones(()))
        self.asked: list[str] = []

    @classmethod
    def answers(cls, config: KnowingConfig) -> tuple[str, ...]:
        return tuple(v for v in super().answers(config) if v not in config.hides)

    @property
    def held_out(self) -> tuple[str, ...]:
        return self.config.held_out

    def prepare(self, scan: Scan, annotations=(), *, rng=None) -> Scan:
        assert rng is not None or scan.labels == {}
        return scan

    def collate(self, samples: list[Scan]) -> Scans:
        return Scans(tuple(samples))

    def losses(self, batch: Scans) -> dict[str, Tensor]:
        return {"scale": self.scale.square()}

    def encode_batch(self, batch: Scans) -> Known:
        assert not self.training
        self.asked.append("encode")
        rows, index = np.unique(batch.scans[0].colors.astype(np.int64), axis=0, return_inverse=True)
        return Known(np.where(rows == NONE, -1, rows), index.reshape(-1))

    def _own(self, known: Known) -> tuple[np.ndarray, tuple[str, ...], tuple[int, ...]]:
        small = self.config.labels == "semantic20"
        table = scannet20() if small else scannet200()
        return known.colors[:, 2 if small else 0], tuple(c.name for c in table), tuple(c.id for c in table)

    def semantic(self, encoded: Known, classes=None) -> Classes:
        self.asked.append("semantic")
        own, names, ids = self._own(encoded)
        return Classes(own, np.ones(len(own), np.float32), encoded.index, names, ids)

    def instances(self, encoded: Known) -> Objects:
        self.asked.append("instances")
        own, names, ids = self._own(encoded)
        there = np.unique(encoded.colors[(own >= STUFF) & (encoded.colors[:, 1] >= 0), 1])
        masks = (encoded.colors[:, 1] == there[:, None]) & (own >= STUFF)
        classes = np.array([own[mask][0] for mask in masks], np.int64)
        return Objects(masks, np.linspace(0.9, 0.1, len(masks)), classes, encoded.index, names, ids)

    def panoptic(self, encoded: Known) -> Objects:
        things = self.instances(encoded)
        self.asked[-1] = "panoptic"
        own, names, ids = self._own(encoded)
        stuff = np.array([i for i in range(STUFF) if (own == i).any()], np.int64)
        masks = np.concatenate([own == stuff[:, None], things.masks])
        scores = np.concatenate([np.ones(len(stuff)), things.scores])
        return Objects(masks, scores, np.concatenate([stuff, things.classes]), encoded.index, names, ids)

    def click(self, encoded: Known, points: np.ndarray) -> Prediction:
        self.asked.append("click")
        objects = encoded.colors[encoded.index[points], 1]
        logits = np.where(encoded.colors[:, 1] == objects[:, None], 1.0, -1.0)
        return Prediction(torch.from_numpy(logits), torch.ones(len(points)), encoded.index)

    def click_classes(self, encoded: Known, points: np.ndarray) -> np.ndarray:
        return np.eye(18, dtype=np.float32)[encoded.colors[encoded.index[points], 2] - STUFF]

    def find(self, encoded: Known, names: Sequence[str], *, threshold: float | None = None) -> Objects:
        """Return each object of a named class; wall and floor are one object each."""
        self.asked.append("find")
        table = {c.name: c.index for c in scannet200()}
        masks, classes = [np.zeros((0, len(encoded.colors)), bool)], []
        for number, name in enumerate(names):
            rows = encoded.colors[:, 0] == table.get(name, -2)
            for i in np.unique(encoded.colors[rows, 1]):
                masks.append((rows & (encoded.colors[:, 1] == i))[None])
                classes.append(number)
        found = np.concatenate(masks)
        ids = tuple(range(1, len(names) + 1))
        chosen = np.array(classes, np.int64)
        return Objects(found, np.ones(len(found), np.float32), chosen, encoded.index, tuple(names), ids)

    def refer(self, encoded: Known, sentences: Sequence[str], *, count: str = "any") -> list[Prediction]:
        """Answer "object 7" with object 7."""
        self.asked.append("refer")
        wanted = [int(sentence.split()[-1]) for sentence in sentences]
        masks = [torch.from_numpy(np.where(encoded.colors[:, 1] == i, 1.0, -1.0))[None] for i in wanted]
        return [Prediction(mask, torch.ones(1), encoded.index) for mask in masks]


def all_verbs() -> Preset:
    return Preset("knowing.all", "knowing", KnowingConfig(), TrainConfig())


def register(monkeypatch) -> None:
    """Make the preset known to the hub."""
    from saymask.hub import registry

    monkeypatch.setitem(registry.SYSTEMS, "knowing", f"{__name__}:Knowing")
    monkeypatch.setitem(registry.PRESETS, "knowing.all", f"{__name__}:all_verbs")


def told(scan: Scan) -> Scan:
    """Return the scan with its truth in the colours, and superpoints that none of its objects and classes shares."""
    labels = [scan.labels[name].astype(np.int64) for name in ("semantic200", "instance", "semantic20")]
    colors = np.stack([np.where(values < 0, NONE, values) for values in labels], axis=1).astype(np.uint8)
    cells = np.floor(scan.points / 0.5).astype(np.int64)
    superpoints = np.unique(np.c_[colors, cells], axis=0, return_inverse=True)[1].reshape(-1)
    return replace(scan, colors=colors, superpoints=superpoints.astype(np.int32))


def make_told(folder: Path, *, train: int = 2, val: int = 2) -> Path:
    """Write a prepared folder of `train` + `val` scans with a sentence for every object."""
    make_fake_scannet(folder / "raw", train=train, val=val)
    data = folder / "data"
    names = sorted(path.name for path in (folder / "raw/scans").iterdir())
    splits = {"train": names[:train], "val": names[train:]}
    for split, scenes in splits.items():
        entries = []
        for name in scenes:
            raw = read_scan_folder(folder / "raw/scans" / name)
            save_scene(scene_path(data, name), told(raw.scan), objects=raw.objects)
            for i, category in raw.objects.items():
                text = f"object {i}"
                entries.append(
                    {"scene_id": name, "object_id": str(i), "object_name": category, "ann_id": "0",
                     "description": text, "token": text.split()}
                )  # fmt: skip
        path = data / "annotations" / f"scanrefer_{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entries))
    (data / "manifest.json").write_text(json.dumps({"version": 1, "name": "boxes", "splits": splits}))
    return data
