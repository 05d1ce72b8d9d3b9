"""UniSeg3D: six segmentation tasks in one model (NeurIPS 2024, arXiv 2407.03263).

Sparse U-Net → superpoints. Superpoints, clicks and sentences become queries of one decoder; superpoint queries answer
`semantic`, `instances`, `panoptic` and `find`, clicks `click`, sentences `refer`. Prompts never influence anything
else, so a scan is encoded once and every prompt is a decoder pass of its own. Source: specification of UniSeg3D
(released code).
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from saymask.data.annotations import Annotation
from saymask.data.exchange import read_library
from saymask.data.labels import scannet20
from saymask.errors import InputError
from saymask.models.base import Classes, Model, Objects, Prediction
from saymask.models.uniseg3d.batch import Batch, Sample, collate, make_sample
from saymask.models.uniseg3d.class_embeddings import make_class_embeddings
from saymask.models.uniseg3d.config import CLASSES, STUFF, THINGS, UniSeg3DConfig
from saymask.models.uniseg3d.decoder import Decoder, Words
from saymask.models.uniseg3d.encoded import EncodedScan, class_objects, own_classes
from saymask.models.uniseg3d.heads import class_logits
from saymask.models.uniseg3d.losses import losses
from saymask.models.uniseg3d.matching import wide
from saymask.models.uniseg3d.meant import answer
from saymask.models.uniseg3d.naming import candidates, relevance, weighted_mean
from saymask.models.uniseg3d.outputs import Outputs, Stage
from saymask.models.uniseg3d.postprocess import FIRST_ID, class_agnostic, instances, stitch
from saymask.models.uniseg3d.vocabulary import (
    LABEL_SET,
    closeness,
    name_logits,
    named_parts,
    vocabulary_ids,
    vocabulary_names,
    word_relevance,
)
from saymask.nn.superpoints import SuperpointUNet
from saymask.scan import Scan
from saymask.text import CachedText, TextFeatures, check_sentence, load_text_encoder

PROMPTS_AT_ONCE = 64
"""So many prompts are decoded together; more would only take memory."""
SMALLEST_EXTENT = 128
"""Smallest spatial extent of the official code, in voxels (§3.6)."""
BENCHMARK = "scannet20"
"""What a user calls the model's own classes."""
_TEXT_LOCK = threading.Lock()
"""The memory of `CachedText` is for one thread at a time."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A batch of scans before the prompts."""

    scans: tuple[EncodedScan, ...]

    def __len__(self) -> int:
        return len(self.scans)

    def only(self) -> EncodedScan:
        """Return the one scan; InputError for a batch of several."""
        if len(self.scans) != 1:
            raise InputError(f"expected one encoded scan, got {len(self.scans)}; ask each on its own")
        return self.scans[0]


class UniSeg3D(Model):
    """UniSeg3D; see `UniSeg3DConfig`. Answers all six verbs."""

    system = "uniseg3d"
    uses_superpoints = True
    class_embeddings: Tensor
    """float32 [20, K, W], rows of length 1; NaN until they are known."""

    def __init__(self, config: UniSeg3DConfig | None = None, *, text_encoder: nn.Module | None = None) -> None:
        """Build with random weights; `text_encoder` (texts → TextFeatures) replaces the one that the config names."""
        super().__init__()
        config = UniSeg3DConfig() if config is None else config
        self.config: UniSeg3DConfig = config
        self.card = {}
        self.backbone = SuperpointUNet(config.widths, config.block_reps)
        self.decoder = Decoder(config)
        self.text_encoder = load_text_encoder(config.text_encoder) if text_encoder is None else text_encoder
        self.text_encoder.requires_grad_(False)
        unknown = torch.full((CLASSES, config.class_prototypes, config.text_width), torch.nan)
        self.register_buffer("class_embeddings", unknown)
        self._cached_text: CachedText | None = None
        self._vocabulary: Tensor | None = None
        self.train(self.training)

    def train(self, mode: bool = True) -> "UniSeg3D":
        """Switch BatchNorm; the frozen text encoder stays in eval mode."""
        super().train(mode)
        self.text_encoder.train(False)
        return self

    # ---- classes and texts

    def begin_training(self, data: Path, scenes: Sequence[str], say: Callable[[str], None]) -> None:
        """Make the class embeddings unless they are known; InputError for a furniture library that cannot be read."""
        if not bool(self.class_embeddings.isfinite().all()):
            self.set_class_embeddings(self._named([c.name for c in scannet20()]))
            say(f"{CLASSES} class embeddings of {self.config.text_encoder}")
        if self.config.degrade.share and self.config.degrade.library:
            say(f"{len(read_library(self.config.degrade.library).kinds)} furniture models to exchange pieces for")
        if self.config.held_out:
            say(f"names that training never hears: {', '.join(self.config.held_out)}")

    def set_class_embeddings(self, embeddings: Tensor) -> None:
        """Take the class embeddings float [20, K, W], rows of length 1, any K > 0; InputError for anything else."""
        width = self.config.text_width
        fits = embeddings.ndim == 3 and embeddings.is_floating_point() and embeddings.shape[1] > 0
        if not fits or embeddings.shape[0] != CLASSES or embeddings.shape[2] != width:
            raise InputError(
                f"class embeddings: expected float [{CLASSES}, K, {width}] with K > 0, got {embeddings.dtype} "
                f"{list(embeddings.shape)}; were they made by another text encoder?"
            )
        if not bool(embeddings.isfinite().all()):
            raise InputError("class embeddings: expected finite numbers, got NaN or infinity")
        self.config = replace(self.config, class_prototypes=embeddings.shape[1])
        self.class_embeddings = embeddings.detach().to(self.class_embeddings).clone()

    def known_classes(self) -> Tensor:
        """Return the class embeddings; InputError when they are not known."""
        if not bool(self.class_embeddings.isfinite().all()):
            raise InputError(
                "this model has no class embeddings yet: train it, convert it with class embeddings, or call "
                "set_class_embeddings (make_class_embeddings makes them)"
            )
        return self.class_embeddings

    def text(self, texts: Sequence[str]) -> TextFeatures:
        """Return the features of texts, each encoded once."""
        with _TEXT_LOCK:
            return self._cache().to(self.device)(texts)

    def vocabulary(self) -> Tensor:
        """Return the embeddings float32 [V, W] of the names that training tells apart, those held out left out."""
        if self._vocabulary is None or self._vocabulary.device != self.device:
            self._vocabulary = self._named(vocabulary_names(self.config.held_out))[:, 0]
        return self._vocabulary

    def _named(self, names: Sequence[str]) -> Tensor:
        """Return the embeddings float32 [C, K, W] of names."""
        with _TEXT_LOCK:
            made = make_class_embeddings(names, self._cache().to(self.device), self.config.class_prompts)
        return made.to(self.device)

    def _cache(self) -> CachedText:
        if self._cached_text is None:
            # The frozen encoder is a TextEncoder or behaves like one.
            self._cached_text = CachedText(self.text_encoder)  # type: ignore[arg-type]
        return self._cached_text

    # ---- scans to batches

    def prepare(
        self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState | None = None
    ) -> Sample:
        """Return voxels, superpoints and queries; with `rng` augmented, with clicks, sentences and truth."""
        return make_sample(scan, annotations, self.config, rng)

    def collate(self, samples: list[Sample]) -> Batch:
        """Return the batch of `samples`."""
        return collate(samples)

    # ---- the network

    def features(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the superpoint features float [S, C] of each scan."""
        shape = None
        if self.config.odd_extents:
            shape = (batch.scans.coords[:, 1:].amax(0) + 1).clamp(min=SMALLEST_EXTENT).tolist()
        pyramid = self.backbone.sites(batch.scans, shape)
        return self.backbone(batch.scans, pyramid).split(batch.scans.sizes)

    def forward(self, batch: Batch) -> list[Outputs]:
        """Return all stages of all queries of each scan, as training needs them."""
        classes = self.known_classes()
        said = self.text([text for texts in batch.texts for text in texts])
        ends = np.cumsum([0, *(len(texts) for texts in batch.texts)])
        outputs = []
        for b, features in enumerate(self.features(batch)):
            rows, positions = slice(int(ends[b]), int(ends[b + 1])), batch.scans.positions[b, : len(features)]
            words = Words(said.tokens[rows], said.mask[rows])
            queries, clicks, texts = batch.queries[b], batch.clicks[b], said.sentence[rows]
            outputs.append(self.decoder(features, queries, clicks, texts, classes, positions=positions, words=words))
        return outputs

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of a batch in the training view; `losses` names them."""
        if batch.truth is None:
            raise InputError("expected samples with truth: prepare(scan, annotations, rng=...) of scans with labels")
        names = self.vocabulary() if self.config.vocabulary_weight else None
        return losses(self(batch), batch.truth, self.config, self.decoder.contrast_scale, names)

    @torch.no_grad()
    def encode_batch(self, batch: Batch) -> Encoded:
        """Return what all prompts of each scan share."""
        classes = self.known_classes()
        return Encoded(
            tuple(
                EncodedScan(self.decoder.memory(features, positions[: len(features)]), index, self.decoder, classes)
                for features, positions, index in zip(
                    self.features(batch), batch.scans.positions, batch.scans.index, strict=True
                )
            )
        )

    # ---- prompts

    @torch.no_grad()
    def refer(
        self, encoded: Encoded, sentences: Sequence[str], *, count: Literal["one", "any"] = "any"
    ) -> list[Prediction]:
        """Return one Prediction per sentence, with one mask as published, which may be empty.

        With `config.any_number` the masks are those of the scan's objects that the sentence means (`meant`): one where
        `count` is "one", else one for each, and none where the sentence means nothing. A batch of one scan takes any
        number of sentences, a batch of several exactly one per scan. The score is the mean probability inside the mask
        times that of showing any class. Source: §6.4.
        """
        scans, several = encoded.scans, len(encoded) > 1
        if several and len(sentences) != len(scans):
            raise InputError(f"expected one sentence for each of {len(scans)} scans, got {len(sentences)}")
        said = self.text([check_sentence(s) for s in sentences])
        step = 1 if several else PROMPTS_AT_ONCE
        predictions = []
        for start in range(0, len(said), step):
            scan, rows = scans[start if several else 0], slice(start, start + step)
            words = Words(said.tokens[rows], said.mask[rows])
            outputs = self.decoder.prompts(scan.memory, None, said.sentence[rows], self.known_classes(), words=words)
            stage = outputs.texts[-1]
            (logits, scores), something = self._masks(scan, stage), _something(stage)
            for number, (row, score) in enumerate(zip(logits, scores)):
                masks, sure = row[None], score[None]
                if self.config.any_number:
                    mask = wide(stage.masks[number])
                    masks, sure = answer(scan, mask, row, something[number], score, count, self.config)
                predictions.append(Prediction(masks, sure, scan.index, float(score)))
        return predictions

    @torch.no_grad()
    def click(self, encoded: Encoded, points: np.ndarray) -> Prediction:
        """Return a mask for each point int64 [K]; scores as in `refer`. Clicks do not see each other (§3.2)."""
        scan = encoded.only()
        stage = self._clicked(scan, points)
        logits, scores = self._masks(scan, stage)
        return Prediction(logits, scores, scan.index)

    @torch.no_grad()
    def click_classes(self, encoded: Encoded, points: np.ndarray) -> np.ndarray:
        """Return the probability of each thing class for each click, float32 [K, 18], as the protocol needs (§6.6)."""
        stage = self._clicked(encoded.only(), points)
        return wide(stage.classes).softmax(1)[:, :THINGS].float().cpu().numpy()

    def _clicked(self, scan: EncodedScan, points: np.ndarray) -> Stage:
        """Return the last stage of the clicks on points int64 [K]; those on one superpoint are the same click."""
        superpoints, back = np.unique(scan.index[np.asarray(points, np.int64)], return_inverse=True)
        clicks = torch.from_numpy(superpoints).to(self.device)
        stages = [
            self.decoder.prompts(scan.memory, part, None, self.known_classes()).clicks[-1]
            for part in clicks.split(PROMPTS_AT_ONCE)
        ]
        rows = torch.from_numpy(back.reshape(-1)).to(self.device)
        return Stage.joined(stages).take(rows)

    def _masks(self, scan: EncodedScan, stage: Stage) -> tuple[Tensor, Tensor]:
        """Return logits [Q, S], positive where the probability is above `mask_threshold`, and scores [Q] in 0..1."""
        threshold, masks = self.config.mask_threshold, wide(stage.masks)
        logits = masks - math.log(threshold / (1 - threshold))
        sure = weighted_mean(masks.sigmoid(), (logits > 0) * scan.counts)
        return logits, (sure * _something(stage)).clamp(0, 1)

    # ---- whole scans

    @torch.no_grad()
    def semantic(self, encoded: Encoded, classes: str | Sequence[str] | None = None) -> Classes:
        """Return the class of every superpoint: of ScanNet's 20 (§6.2), or of the names in `classes`.

        A model that has learned names (`config.vocabulary_weight`) also knows ScanNet200's. The probability is among
        the classes that can be answered. InputError for another label set.
        """
        scan = encoded.only()
        said = scan.said()
        if classes is None or classes == BENCHMARK:
            names, ids = own_classes()
            logits = said.semantic[:, :CLASSES]
        elif classes == LABEL_SET and self.config.vocabulary_weight:
            held_out = self.config.held_out
            names, ids = vocabulary_names(held_out), vocabulary_ids(held_out)
            logits = name_logits(said.directions, self.vocabulary())
        elif isinstance(classes, str):
            known = f"{BENCHMARK}, {LABEL_SET}" if self.config.vocabulary_weight else BENCHMARK
            raise InputError(f"classes: expected {known} or a list of names, got {classes!r}")
        else:
            names, ids = tuple(classes), tuple(range(1, len(classes) + 1))
            logits = self._closeness(said.directions, self._named(names))
        best, chosen = logits.softmax(1).max(1)
        return Classes(chosen.cpu().numpy(), best.float().cpu().numpy(), scan.index, names, ids)

    def _closeness(self, directions: Tensor, names: Tensor) -> Tensor:
        """Return logits [S, T] of names float [T, K, W] for directions [S, W]."""
        if self.config.vocabulary_weight:
            return closeness(directions, names, self.vocabulary())
        return class_logits(directions, names, self.decoder.heads.scale)[:, :-1]

    @torch.no_grad()
    def instances(self, encoded: Encoded) -> Objects:
        """Return the things, best score first (§6.1)."""
        scan, config = encoded.only(), self.config
        stage = scan.said().stage
        found = instances(stage.classes, stage.masks, scan.counts, config, threshold=config.instance_threshold)
        assert found.labels is not None
        return class_objects(scan, found.masks, found.scores, found.labels + STUFF)

    @torch.no_grad()
    def panoptic(self, encoded: Encoded) -> Objects:
        """Return disjoint masks: wall and floor where there are any, then things, best score first (§6.3).

        The score of wall and floor is the mean probability of the class over the points of the mask.
        """
        scan, config = encoded.only(), self.config
        said = scan.said()
        stage = said.stage
        things = instances(
            stage.classes, stage.masks, scan.counts, config, iou=stage.iou, threshold=config.panoptic_threshold
        )
        assert things.labels is not None
        laid = stitch(things, said.semantic, scan.counts, config)
        stuff = torch.arange(STUFF, device=laid.instance.device)
        # The best thing has the largest id.
        ids = torch.cat([stuff, torch.arange(len(things) - 1, -1, -1, device=stuff.device) + FIRST_ID])
        masks = laid.instance == ids[:, None]
        sure = weighted_mean(said.semantic[:, :CLASSES].softmax(1)[:, :STUFF].T, masks[:STUFF] * scan.counts)
        scores = torch.cat([sure, things.scores.to(sure.dtype)])
        labels = torch.cat([stuff, things.labels + STUFF])
        there = masks.any(1)
        return class_objects(scan, masks[there], scores[there], labels[there])

    @torch.no_grad()
    def proposals(self, encoded: Encoded) -> Objects:
        """Return the unnamed masks of a scan, which overlap (§6.5)."""
        scan = encoded.only()
        stage = scan.said().stage
        assert stage.iou is not None
        found = class_agnostic(stage.masks, stage.iou, self.config)
        score = found.scores.clamp(0, 1).float().cpu().numpy()
        return Objects(found.masks.cpu().numpy(), score, np.zeros(len(found), np.int64), scan.index, ("object",), (0,))

    @torch.no_grad()
    def find(self, encoded: Encoded, names: Sequence[str], *, threshold: float | None = None) -> Objects:
        """Return the masks whose relevance for a name is at least `threshold` (the config's without it), best first.

        Names do not compete: a mask may be found for several. Source of the masks: §6.5; `naming` says how they are
        named.
        """
        scan, config = encoded.only(), self.config
        said, texts, known = scan.said(), self._named(names), self.known_classes()
        level = config.find_threshold if threshold is None else threshold
        with torch.autocast(self.device.type, enabled=False):  # counts of points need the digits of float32
            objects = scan.objects(config)
            if config.vocabulary_weight:
                vocabulary = self.vocabulary()
                masks, share = scan.kept(
                    ("parts", config), lambda: named_parts(objects, said, scan.counts, vocabulary, config)
                )
                fits = word_relevance(share, texts, vocabulary)
            else:
                heads = self.decoder.heads
                found = candidates(objects, said.stage, scan.memory.masks, said.semantic, scan.counts, heads, known)
                masks, fits = found.masks, relevance(found, texts, known, heads.scale)
        best = fits.amax(0) if len(fits) else fits.new_zeros(len(names))
        mask, name = (fits >= level).nonzero(as_tuple=True)
        order = fits[mask, name].argsort(descending=True, stable=True)
        mask, name = mask[order], name[order]
        return Objects(
            masks[mask].cpu().numpy(),
            fits[mask, name].float().cpu().numpy(),
            name.cpu().numpy(),
            scan.index,
            tuple(names),
            tuple(range(1, len(names) + 1)),
            tuple(best.tolist()),
        )


def _something(stage: Stage) -> Tensor:
    """Return the probability [Q] that each query shows any class."""
    return 1 - wide(stage.classes).softmax(1)[:, THINGS]
