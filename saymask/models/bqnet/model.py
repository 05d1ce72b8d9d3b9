"""BQNet: referring segmentation of one object (3D-RES) or of any number of them (3D-GRES).

Sparse U-Net → superpoints → queries that the text picks among far-apart seeds → layers in which queries, superpoints
and words look at each other → a mask and a probability of being referred for every query. Source: the released code of
BQNet as docs/systems/bqnet.md describes it; 2D features are optional here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.special import expit
from torch import Tensor, nn

from saymask.answers import Prediction
from saymask.data.annotations import Annotation
from saymask.data.samples.degrade import Degradation
from saymask.errors import InputError
from saymask.models.base import Model
from saymask.models.bqnet.batch import Batch, Sample, caption, collate, make_sample, truth
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.decoder import Decoder
from saymask.models.bqnet.losses import losses
from saymask.models.bqnet.outputs import Outputs
from saymask.models.bqnet.parsing import settled
from saymask.models.bqnet.postprocess import separate_objects, split_objects
from saymask.nn.components import best_component, touching
from saymask.nn.superpoints import SuperpointUNet
from saymask.scan import Scan
from saymask.sparse import SitePyramid, official_extent
from saymask.text import FrozenText, LazyTextEncoder, TextFeatures

SENTENCES_AT_ONCE = 16
"""So many sentences are decoded together; more would not fit the caches of a CPU."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """The superpoint features of a batch of scans: everything before the sentence."""

    batch: Batch
    pyramid: SitePyramid
    features: Tensor  # float [B, S, C]

    @cached_property
    def graph(self) -> csr_array:
        """Adjacency of superpoints, [ΣS, ΣS] over the superpoints of all scans."""
        scans = self.batch.scans
        return touching(self.pyramid, scans.pool_site.cpu().numpy(), scans.pool_row.cpu().numpy(), len(scans.rows))

    def __len__(self) -> int:
        return len(self.batch)

    def touching(self, scan: int) -> csr_array:
        """Return which superpoints of one scan touch, [S, S]."""
        sizes = self.batch.scans.sizes
        start = sum(sizes[:scan])
        return self.graph[start : start + sizes[scan], start : start + sizes[scan]]

    def weight(self, scan: int) -> np.ndarray:
        """Return the points of each superpoint of one scan, float32 [S]."""
        scans = self.batch.scans
        return np.bincount(scans.index[scan], minlength=scans.sizes[scan]).astype(np.float32)


class BQNet(Model):
    """BQNet; see `BQNetConfig`. Answers `refer`: 0, 1 or many masks per sentence."""

    system = "bqnet"

    @classmethod
    def settled(cls, config: BQNetConfig) -> BQNetConfig:
        """Return the configuration with its parser and noun lists decided (`saymask.models.bqnet.parsing`)."""
        return settled(config)

    def __init__(self, config: BQNetConfig | None = None, *, text_encoder: nn.Module | None = None) -> None:
        """Build with random weights; `text_encoder` (texts → TextFeatures) replaces the one that the config names."""
        super().__init__()
        config = BQNetConfig() if config is None else config
        self.config = config
        self.backbone = SuperpointUNet(config.widths, config.block_reps)
        self.decoder = Decoder(config)
        self.text_encoder = LazyTextEncoder(config.text_encoder) if text_encoder is None else text_encoder
        self.text_encoder.requires_grad_(False)
        self._text = FrozenText()
        self.train(self.training)

    @property
    def degrade(self) -> Degradation:
        """Switches of the degraded view of the configuration."""
        return self.config.degrade

    @property
    def uses_superpoints(self) -> bool:
        """Always: queries and masks are over superpoints."""
        return True

    @property
    def image_features(self) -> str:
        """Name of the 2D features of the configuration; empty = none."""
        return self.config.image_features

    @property
    def stretched_images(self) -> bool:
        """Whether the configuration wants them projected by the official rule."""
        return self.config.stretched_images

    @property
    def count(self) -> Literal["one", "any"]:
        """How many objects a sentence means in the training data."""
        return self.config.count

    def train(self, mode: bool = True) -> "BQNet":
        """Switch BatchNorm; the frozen text encoder stays in eval mode unless `text_dropout` asks for its dropout."""
        super().train(mode)
        self.text_encoder.train(mode and self.config.text_dropout)
        return self

    def get_ready(self, verb: str) -> None:
        """Load the text encoder."""
        self._text.on(self.device, self.text_encoder)

    # ---- scans to batches

    def prepare(
        self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState | None = None
    ) -> Sample:
        """Return voxels, superpoints and seeds, and the truth of each annotation; with `rng` augmented."""
        return make_sample(scan, annotations, self.config, rng)

    def collate(self, samples: list[Sample]) -> Batch:
        """Return the batch of `samples`."""
        return collate(samples)

    # ---- the network

    def encode_batch(self, batch: Batch) -> Encoded:
        """Return the superpoint features of all scans."""
        pyramid, features = self._features(batch)
        return Encoded(batch, pyramid, batch.scans.pad(features))

    @torch.no_grad()
    def scan_features(self, batch: Batch) -> list[tuple[Tensor, np.ndarray]]:
        """Return the features of the superpoints."""
        return list(zip(self._features(batch)[1].split(batch.scans.sizes), batch.scans.index, strict=True))

    def _features(self, batch: Batch) -> tuple[SitePyramid, Tensor]:
        shape = official_extent(batch.scans.coords) if self.config.odd_extents else None
        pyramid = self.backbone.sites(batch.scans, shape)
        return pyramid, self.backbone(batch.scans, pyramid)

    def text(self, texts: Sequence[str]) -> TextFeatures:
        """Return the text encoder's features of model texts (see `caption`), from the cache unless it has dropout."""
        if self.text_encoder.training:
            with torch.no_grad():
                return self.text_encoder(list(texts))
        return self._text.on(self.device, self.text_encoder)(texts)

    def forward(self, encoded: Encoded, text: TextFeatures, scene: Tensor) -> Outputs:
        """Return the decoder's outputs for U texts; `scene` int64 [U] is the scan that each is about."""
        batch, tokens = encoded.batch, text.tokens
        if self.config.normalize_text:
            tokens = nn.functional.layer_norm(tokens, tokens.shape[-1:])
        return self.decoder(
            encoded.features, batch.scans.positions, batch.scans.padding, batch.seeds, tokens, text.mask, scene,
            batch.image,
        )  # fmt: skip

    # ---- answers and losses

    @torch.no_grad()
    def refer(
        self, encoded: Encoded, sentences: Sequence[str], *, count: Literal["one", "any"] = "any"
    ) -> list[Prediction]:
        """Return one Prediction per sentence; `one` asks for exactly one mask, `any` for an object per mask.

        A batch of one scan takes any number of sentences, a batch of several exactly one per scan. A mask's score is
        the probability that its query is meant. Source: docs/systems/bqnet.md §6.1; separate objects are ours, their
        union is the published answer.
        """
        scans = len(encoded)
        if scans > 1 and len(sentences) != scans:
            raise InputError(f"expected one sentence for each of {scans} scans, got {len(sentences)}")
        scene = torch.arange(len(sentences), device=self.device) if scans > 1 else None
        predictions = []
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            part = [caption(s, self.config) for s in sentences[start : start + SENTENCES_AT_ONCE]]
            rows = torch.zeros(len(part), dtype=torch.int64, device=self.device)
            rows = rows if scene is None else scene[start : start + len(part)]
            final = self(encoded, self.text(part), rows).final
            probability = final.indicators.float().softmax(-1)[..., 1].cpu().numpy()
            masks = final.masks.float().cpu().numpy()
            for number, scan in enumerate(rows.tolist()):
                size = encoded.batch.scans.sizes[scan]
                answer = self._one if count == "one" else self._any
                predictions.append(answer(encoded, scan, masks[number, :, :size], probability[number]))
        return predictions

    def _one(self, encoded: Encoded, scan: int, masks: np.ndarray, probability: np.ndarray) -> Prediction:
        """Return the mask of the surest query, from masks float32 [Q, S] and probability float32 [Q]."""
        surest = int(probability.argmax())
        logits, score = masks[surest], probability[surest]
        if self.config.connected_objects:
            logits = logits - float(np.log(self.config.one_threshold / (1 - self.config.one_threshold)))
            weight = encoded.weight(scan) * expit(masks[surest])
            outside = (logits > 0) & ~best_component(logits > 0, weight, encoded.touching(scan))
            logits = np.where(outside, -logits, logits)
        index = encoded.batch.scans.index[scan]
        return Prediction(torch.from_numpy(logits[None]), torch.from_numpy(score[None]), index, float(score))

    def _any(self, encoded: Encoded, scan: int, masks: np.ndarray, probability: np.ndarray) -> Prediction:
        """Return a mask per object from the queries that are likely meant."""
        chosen = np.argsort(-probability, kind="stable")
        chosen = chosen[probability[chosen] > self.config.target_threshold]
        weight = encoded.weight(scan)
        logits, scores = masks[chosen], probability[chosen]
        if weight[(logits > 0).any(0)].sum() < self.config.smallest_mask:
            logits, scores = logits[:0], scores[:0]
        logits, scores = separate_objects(logits, scores, weight)
        if self.config.connected_objects:
            places = encoded.batch.scans.positions[scan, : len(weight)].cpu().numpy()
            logits, scores = split_objects(logits, scores, weight, places, encoded.touching(scan))
        index = encoded.batch.scans.index[scan]
        return Prediction(torch.from_numpy(logits), torch.from_numpy(scores), index, float(probability.max()))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of a batch with annotations."""
        if batch.instances is None or not batch.texts:
            raise InputError("expected samples with annotations: prepare(scan, [annotation, ...])")
        text = self.text(batch.texts)
        outputs = self(self.encode_batch(batch), text, batch.scene)
        return losses(outputs, truth(batch, text), self.config)
