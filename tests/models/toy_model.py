"""A tiny but real referring model, and prepared data for it: what training and evaluation are tested with."""

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.answers import Classes, Objects, Prediction
from saymask.data.scenes import save_scene, target_mask
from saymask.models.base import Model, Preset, TrainConfig
from saymask.scan import Scan

COLORS = {"red": (200, 30, 30), "green": (30, 170, 40), "blue": (40, 60, 200), "yellow": (220, 210, 40)}
THINGS = ("chair", "table", "lamp")


@dataclass(frozen=True)
class ToyConfig:
    width: int = 16
    words: int = 64
    sample_points: int = 120
    dropout: float = 0.2
    layers: tuple[int, ...] = (16, 16)
    frozen_text: bool = False


def tiny() -> Preset:
    train = TrainConfig(
        epochs=2, batch_size=4, lr=1e-2, weight_decay=0.01, workers=0, evaluate_every=1, clip=1.0, protocol="scanrefer"
    )
    return Preset("toy.tiny", "toy", ToyConfig(), train)


def frozen() -> Preset:
    return replace(tiny(), name="toy.frozen", model=ToyConfig(frozen_text=True))


@dataclass(frozen=True)
class Sample:
    features: np.ndarray  # float32 [n, 6]
    target: np.ndarray | None  # float32 [n]
    sentence: str


@dataclass(frozen=True)
class Batch:
    features: list[Tensor]
    target: list[Tensor]
    sentences: list[str]

    def to(self, device) -> "Batch":
        move = lambda parts: [p.to(device) for p in parts]  # noqa: E731
        return Batch(move(self.features), move(self.target), self.sentences)


class Words(nn.Module):
    """Mean of hashed word vectors; stands for a text encoder (name, fingerprint)."""

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.name = "hashed-words"
        self.size = config.words
        self.table = nn.Embedding(config.words, config.width)
        if config.frozen_text:
            generator = torch.Generator().manual_seed(7)
            self.table.weight.data = torch.randn(self.table.weight.shape, generator=generator)
            self.requires_grad_(False)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.table.weight.detach().numpy().tobytes()).hexdigest()

    def forward(self, sentences: Sequence[str]) -> Tensor:
        rows = [[zlib.crc32(word.encode()) % self.size for word in s.lower().split()] for s in sentences]
        return torch.stack([self.table(torch.tensor(r, device=self.table.weight.device)).mean(0) for r in rows])


class Toy(Model):
    """A mask per sentence from the colour of each point."""

    system = "toy"

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.card = {}
        self.text_encoder = Words(config)
        layers: list[nn.Module] = []
        width = 6
        for out in config.layers:
            layers += [nn.Linear(width, out), nn.BatchNorm1d(out), nn.ReLU(), nn.Dropout(config.dropout)]
            width = out
        self.points = nn.Sequential(*layers, nn.Linear(width, config.width))
        self.query = nn.Linear(config.width, config.width)

    def prepare(self, scan: Scan, annotations=(), *, rng=None) -> Sample:
        sentence = annotations[0].sentence if annotations else ""
        target = target_mask(scan, annotations[0].object_ids) if annotations else None
        features = np.concatenate([scan.points, scan.colors / 128.0 - 1], axis=1).astype(np.float32)
        if rng is not None:
            chosen = rng.choice(len(features), self.config.sample_points)
            features, target = features[chosen], None if target is None else target[chosen]
            features[:, 3:] += rng.normal(0, 0.05, (len(features), 3)).astype(np.float32)
        return Sample(features, None if target is None else target.astype(np.float32), sentence)

    def collate(self, samples: list[Sample]) -> Batch:
        targets = [torch.from_numpy(s.target) for s in samples if s.target is not None]
        return Batch([torch.from_numpy(s.features) for s in samples], targets, [s.sentence for s in samples])

    def encode_batch(self, batch: Batch) -> list[Tensor]:
        mixed = self.points(torch.cat(batch.features))
        return list(mixed.split([len(f) for f in batch.features]))

    def refer(self, encoded: list[Tensor], sentences: Sequence[str], *, count: str = "any") -> list[Prediction]:
        queries = self.query(self.text_encoder(sentences))
        logits = [encoded[0] @ q for q in queries]
        index = np.arange(len(encoded[0]))
        return [Prediction(x[None], x.sigmoid().max()[None], index) for x in logits]

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        queries = self.query(self.text_encoder(batch.sentences))
        weight = torch.tensor(3.0, device=queries.device)
        terms = [
            F.binary_cross_entropy_with_logits(f @ q, t, pos_weight=weight)
            for f, q, t in zip(self.encode_batch(batch), queries, batch.target)
        ]
        return {"mask": torch.stack(terms).mean(), "size": 1e-3 * queries.square().mean()}


@dataclass(frozen=True)
class SeerConfig(ToyConfig):
    find_threshold: float = 0.6


def seer() -> Preset:
    return replace(tiny(), name="toy.seer", system="seer", model=SeerConfig())


@dataclass(frozen=True)
class Seen:
    colors: Tensor  # float [S, 3] in -1..1, the mean colour of every cell
    index: np.ndarray  # int64 [N], -1 for points below the floor's middle


class Seer(Toy):
    """Answers the other verbs by colour: a row is a cell of 20 cm, a name means the colour that is one of its words."""

    system = "seer"
    names = tuple(COLORS)
    ids = (5, 2, 33, 40)

    @property
    def find_threshold(self) -> float:
        return self.config.find_threshold

    def encode_batch(self, batch: Batch) -> Seen:  # type: ignore[override]
        points, colors = batch.features[0][:, :3], batch.features[0][:, 3:]
        _, index = torch.unique((points / 0.2).floor(), dim=0, return_inverse=True)
        rows = int(index.max()) + 1
        total = torch.zeros(rows, 3).index_add_(0, index, colors)
        seen = index.clone().numpy()
        seen[(points[:, 2] < 0.01).numpy()] = -1
        return Seen(total / torch.bincount(index)[:, None], seen)

    def _relevance(self, seen: Seen, names: Sequence[str]) -> Tensor:
        """Return how near each row is to the colour of each name, float [S, C] in 0..1; 0 for names without one."""
        out = torch.zeros(len(seen.colors), len(names))
        for i, name in enumerate(names):
            for word in set(name.lower().split()) & set(COLORS):
                wanted = torch.tensor(COLORS[word]) / 128.0 - 1
                out[:, i] = torch.exp(-2 * (seen.colors - wanted).square().sum(1))
        return out

    def semantic(self, encoded: Seen, classes: str | Sequence[str] | None = None) -> Classes:
        own = classes is None or isinstance(classes, str)
        names = self.names if classes is None or isinstance(classes, str) else tuple(classes)
        probability, best = self._relevance(encoded, names).max(1)
        best[probability < 0.2] = -1
        ids = self.ids if own else tuple(range(1, len(names) + 1))
        return Classes(best.numpy(), probability.numpy(), encoded.index, names, ids)

    def instances(self, encoded: Seen) -> Objects:
        return self._objects(encoded, self.names, self.ids, 0.5)

    def find(self, encoded: Seen, names: Sequence[str], *, threshold: float | None = None) -> Objects:
        level = self.config.find_threshold if threshold is None else threshold
        return self._objects(encoded, tuple(names), tuple(range(1, len(names) + 1)), level)

    def _objects(self, seen: Seen, names: tuple[str, ...], ids: tuple[int, ...], level: float) -> Objects:
        fits = self._relevance(seen, names)
        masks = (fits >= max(level, 1e-6)).numpy().T
        scores = fits.max(0).values.numpy()
        kept = [i for i in np.argsort(-scores, kind="stable") if masks[i].any()]
        return Objects(
            masks[kept], scores[kept], np.array(kept, np.int64), seen.index, names, ids, tuple(scores.tolist())
        )


def register(monkeypatch) -> None:
    """Make the toy presets known to the hub; training and evaluation hand the registry on to their processes."""
    from saymask.hub import registry

    monkeypatch.setitem(registry.SYSTEMS, "toy", "tests.models.toy_model:Toy")
    monkeypatch.setitem(registry.PRESETS, "toy.tiny", "tests.models.toy_model:tiny")
    monkeypatch.setitem(registry.PRESETS, "toy.frozen", "tests.models.toy_model:frozen")
    monkeypatch.setitem(registry.SYSTEMS, "seer", "tests.models.toy_model:Seer")
    monkeypatch.setitem(registry.PRESETS, "toy.seer", "tests.models.toy_model:seer")


def make_scan(number: int, objects: int = 4) -> tuple[Scan, list[tuple[str, str]]]:
    """Return a scan of coloured boxes on a floor, and the (colour, category) of each object."""
    rng = np.random.default_rng(number)
    floor = rng.uniform(0, 3, (150, 3)) * [1, 1, 0.01]
    points, colors, instance = [floor], [np.full((150, 3), 120)], [np.full(150, -1)]
    names = []
    for i, color in enumerate(rng.permutation(list(COLORS))[:objects]):
        names.append((str(color), str(rng.choice(THINGS))))
        points.append(rng.uniform(0, 0.5, (60, 3)) + np.array([i * 0.7, rng.uniform(0, 2), 0]))
        colors.append(COLORS[color] + rng.integers(-15, 15, (60, 3)))
        instance.append(np.full(60, i))
    labels = {"instance": np.concatenate(instance).astype(np.int32)}
    cloud = np.concatenate(points).astype(np.float32)
    rgb = np.clip(np.concatenate(colors), 0, 255).astype(np.uint8)
    return Scan(cloud, rgb, labels=labels, name=f"scene{number:04d}_00"), names


def make_prepared(folder: Path, train: int = 4, val: int = 3) -> Path:
    """Write a prepared folder: scenes, sentences in ScanRefer's format, manifest."""
    number = 0
    for split, count in (("train", train), ("val", val)):
        entries = []
        for _ in range(count):
            scan, names = make_scan(number)
            objects = {i: category for i, (_, category) in enumerate(names)}
            save_scene(folder / "scenes" / f"{scan.name}.safetensors", scan, objects=objects)
            for i, (color, category) in enumerate(names):
                text = f"the {color} {category}"
                entries.append(
                    {"scene_id": scan.name, "object_id": str(i), "object_name": category, "ann_id": "0",
                     "description": text, "token": text.split()}
                )  # fmt: skip
            number += 1
        path = folder / "annotations" / f"scanrefer_{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(entries))
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "name": "boxes"}))
    return folder
