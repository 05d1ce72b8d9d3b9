"""LESS: Label-Efficient and Single-Stage Referring 3D Segmentation (arXiv 2410.13294).

Text encoder → sparse U-Net whose levels each attend to the words → mask queries → sentence-weighted sum of their masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from saymask.answers import Prediction
from saymask.data.annotations import Annotation
from saymask.data.samples.degrade import Degradation
from saymask.data.scenes import aligned_points, target_mask
from saymask.errors import InputError
from saymask.geometry.superpoints import superpoints_of
from saymask.models.base import Model
from saymask.models.less.batch import Batch, Sample, caption, collate, make_sample
from saymask.models.less.config import LessConfig
from saymask.models.less.losses import area_loss, contrast_loss, segmentation_loss
from saymask.models.less.network import QueryDecoder, WordAttention, projection, sentence_weights
from saymask.models.less.postprocess import select_rows, support_graph
from saymask.models.less.transform import less_item
from saymask.nn.blocks import full_precision
from saymask.nn.unet.network import SparseUNet
from saymask.scan import Scan
from saymask.sparse import SitePyramid, build_sites, official_extent, pool_mean
from saymask.text import FrozenText, TextFeatures, load_text_encoder

SITES_AT_ONCE = 200_000
"""On a GPU, copies of a scan that are answered together have at most this many sites."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Sites, kernel maps and support of a batch: everything before the sentence."""

    batch: Batch
    pyramid: SitePyramid
    copies: dict[int, SitePyramid] = field(default_factory=dict)

    @cached_property
    def graph(self) -> csr_array:
        """Adjacency of support rows, [R, R] over the rows of all scans."""
        return support_graph(self.batch, self.pyramid)

    def __len__(self) -> int:
        return len(self.batch)

    def repeated(self, n: int) -> SitePyramid:
        """Return the sites of n copies of the batch, kept for the next sentences."""
        if n == 1:
            return self.pyramid
        if n not in self.copies:
            self.copies.clear()
            self.copies[n] = self.pyramid.repeat(n)
        return self.copies[n]


class Less(Model):
    """LESS; see `LessConfig`. Answers `refer`: one mask per sentence."""

    system = "less"

    def __init__(self, config: LessConfig | None = None, *, text_encoder: nn.Module | None = None) -> None:
        """Build with random weights; `text_encoder` (texts → TextFeatures) replaces the one that the config names."""
        super().__init__()
        config = LessConfig() if config is None else config
        self.config = config
        wide, drop = config.text_width, config.text_dropout
        self.unet = SparseUNet(6, config.widths, config.block_reps)
        self.word_projections = nn.ModuleList(projection(wide, width, drop) for width in config.widths)
        self.word_attention = nn.ModuleList(WordAttention(width) for width in config.widths)
        self.query_decoder = QueryDecoder(
            config.widths[0],
            config.decoder_width,
            config.queries,
            config.ffn_width,
            config.heads,
            config.decoder_layers,
        )
        self.sentence_projection = projection(wide, config.decoder_width, drop)
        self.text_encoder = load_text_encoder(config.text_encoder) if text_encoder is None else text_encoder
        if config.frozen_word_projection:
            self.word_projections.requires_grad_(False)
        if config.freeze_text:
            self.text_encoder.requires_grad_(False)
        self._text = FrozenText()
        self.train(self.training)

    @property
    def degrade(self) -> Degradation:
        """Switches of the degraded view of the configuration."""
        return self.config.degrade

    @property
    def uses_superpoints(self) -> bool:
        """Whether masks are predicted on superpoints."""
        return self.config.support == "superpoints"

    def train(self, mode: bool = True) -> "Less":
        """Switch dropout and BatchNorm; a frozen text encoder stays in eval mode."""
        super().train(mode)
        if self.config.freeze_text:
            self.text_encoder.eval()
        if self.config.always_dropout:
            self.word_projections.train()
        return self

    # ---- scans to batches

    def prepare(
        self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState | None = None
    ) -> Sample:
        """Return voxels, support and, with an annotation, its target; with `rng` of sampled and augmented points.

        The view words of the description decide on the augmentation. Raises InputError for more than one annotation:
        LESS encodes a scan anew for every sentence.
        """
        if len(annotations) > 1:
            raise InputError(f"less: expected one sentence per sample, got {len(annotations)}; set train.sentences=1")
        asked = annotations[0] if annotations else None
        target = None if asked is None else target_mask(scan, asked.object_ids)
        points = aligned_points(scan) if self.config.align else scan.points
        item = less_item(
            points,
            scan.colors,
            target,
            description="" if asked is None else asked.description,
            rng=rng,
            sample_points=self.config.sample_points,
            augment=self.config.augment,
            scale=1 / self.config.voxel_size,
        )
        superpoints = superpoints_of(scan)[item.chosen] if self.uses_superpoints else None
        return make_sample(item, superpoints, "" if asked is None else caption(asked.asked))

    def collate(self, samples: list[Sample]) -> Batch:
        """Return the batch of `samples`."""
        return collate(samples)

    # ---- the network

    def encode_batch(self, batch: Batch) -> Encoded:
        """Return sites and kernel maps; the features wait for the words."""
        shape = official_extent(batch.coords) if self.config.odd_extents else None
        return Encoded(batch, build_sites(batch.coords, levels=len(self.config.widths), spatial_shape=shape))

    def text(self, sentences: Sequence[str]) -> TextFeatures:
        """Return the text encoder's features of `sentences`, from the cache when the encoder is frozen."""
        if not self.config.freeze_text:
            return self.text_encoder(list(sentences))
        return self._text.on(self.device, self.text_encoder)(sentences)

    def site_features(self, encoded: Encoded, text: TextFeatures) -> Tensor:
        """Return the U-Net's output [V, C] over the sites; text i belongs to scan i of the batch repeated."""
        copies = len(text) // len(encoded)
        pyramid = encoded.repeated(copies)
        x = encoded.batch.features[encoded.pyramid.order].repeat(copies, 1)
        words, mask = text.tokens[:, 1:], text.mask[:, 1:]  # the first token stands for the sentence
        if self.config.normalize_text:
            words = _normalized(words)
        scans = torch.arange(len(text) + 1, dtype=torch.int64, device=pyramid.device)
        starts = [torch.searchsorted(level.batch, scans) for level in pyramid.levels]
        counts = torch.stack(starts).diff(dim=1).tolist()  # of all levels at once: a GPU is waited for

        def add_words(level: int, features: Tensor) -> Tensor:
            projected = self.word_projections[level](words)
            return self.word_attention[level](
                features, projected, mask, counts[level], zero_padding=self.config.zero_padding
            )

        return self.unet(x, pyramid, at_level=add_words)

    def support_features(self, encoded: Encoded, sites: Tensor) -> Tensor:
        """Return features [B, S, C] of the (padded) support rows from those of the sites [V, C]."""
        batch, copies = encoded.batch, len(sites) // len(encoded.pyramid)
        sites = full_precision(sites)  # sums over many points need its digits
        parts = []
        for part in sites.chunk(copies):
            rows = part[encoded.pyramid.inverse]
            if batch.pool_site is not None and batch.pool_row is not None:
                rows = pool_mean(rows[batch.pool_site], batch.pool_row, len(batch.rows), batch.pool_weight)
            padded = rows.new_zeros(batch.counts.numel(), rows.shape[1]).index_copy(0, batch.rows, rows)
            parts.append(padded.unflatten(0, batch.counts.shape))
        return parts[0] if copies == 1 else torch.cat(parts)

    def forward(self, encoded: Encoded, text: TextFeatures) -> tuple[Tensor, Tensor]:
        """Return mask logits [B, S] and support features [B, S, C], one scan (or copy of it) per text."""
        features = self.support_features(encoded, self.site_features(encoded, text))
        counts = encoded.batch.counts.repeat(len(text) // len(encoded), 1)
        queries, mask_features = self.query_decoder(features, counts)
        sentence = _normalized(text.sentence) if self.config.normalize_text else text.sentence
        weights = sentence_weights(queries, self.sentence_projection(sentence))
        # The weighted sum of the masks is the mask of the weighted sum of the queries.
        answer = weights.to(queries.dtype)[:, None] @ queries
        return self.query_decoder.masks(answer, mask_features)[:, 0], features

    # ---- answers and losses

    @torch.no_grad()
    def refer(
        self, encoded: Encoded, sentences: Sequence[str], *, count: Literal["one", "any"] = "any"
    ) -> list[Prediction]:
        """Return one Prediction per sentence, always of one mask: LESS does not know of `any` number of objects.

        A batch of one scan takes any number of sentences, a batch of several exactly one per scan. The score is the
        mean probability over the points of the mask, 0 for an empty mask.
        """
        scans = len(encoded)
        if scans > 1 and len(sentences) != scans:
            raise InputError(f"expected one sentence for each of {scans} scans, got {len(sentences)}")
        step = scans
        if self.device.type == "cuda":
            step = max(step, SITES_AT_ONCE // max(1, len(encoded.pyramid))) if scans == 1 else scans
        predictions = []
        for start in range(0, len(sentences), step):
            logits, _ = self(encoded, self.text([caption(s) for s in sentences[start : start + step]]))
            for i, row in enumerate(logits.float()):
                predictions.append(self._prediction(encoded, i % scans, row))
        return predictions

    def _prediction(self, encoded: Encoded, scan: int, logits: Tensor) -> Prediction:
        batch = encoded.batch
        size, start = batch.support_sizes[scan], sum(batch.support_sizes[:scan])
        logits, counts = logits[:size], batch.counts[scan, :size]
        graph = encoded.graph[start : start + size, start : start + size] if self.config.one_object else None
        shifted = select_rows(logits, counts, graph, self.config)
        weight = counts * (shifted > 0)
        score = (logits.sigmoid() * weight).sum() / weight.sum().clamp(min=1)
        return Prediction(shifted[None], score[None], batch.index[scan])

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms `mask`, `area` and `contrast` of a batch with targets and sentences."""
        if batch.positive is None:
            raise InputError("expected samples with a target: prepare(scan, [annotation])")
        config = self.config
        logits, features = self(self.encode_batch(batch), self.text(batch.sentences))
        logits, features = logits.float(), features.float()
        positive, negative = batch.positive, batch.counts - batch.positive
        return {
            "mask": segmentation_loss(
                logits, positive, negative, weight=config.positive_weight, probabilities=config.probability_loss
            ),
            "area": config.area_weight * area_loss(logits, batch.counts),
            "contrast": config.contrast_weight
            * contrast_loss(features, positive, negative, nan_when_empty=config.nan_contrast),
        }


def _normalized(x: Tensor) -> Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:])
