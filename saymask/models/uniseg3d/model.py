"""UniSeg3D: six segmentation tasks in one model (NeurIPS 2024, arXiv 2407.03263).

Sparse U-Net → superpoints. Superpoints, clicks and sentences become queries of one decoder; superpoint queries answer
`semantic`, `instances`, `panoptic` and `find`, clicks `click`, sentences `refer`. Prompts never influence anything
else, so a scan is encoded once and every prompt is a decoder pass of its own. Source: docs/systems/uniseg3d.md
(released code).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from saymask.answers import Classes, Objects, Prediction
from saymask.data.annotations import Annotation
from saymask.data.samples.degrade import Degradation
from saymask.errors import InputError
from saymask.labels.tables import scannet20
from saymask.models.base import Model
from saymask.models.uniseg3d.batch import Batch, Sample, caption, collate, make_sample
from saymask.models.uniseg3d.class_embeddings import load_class_embeddings, make_class_embeddings
from saymask.models.uniseg3d.config import CLASSES, STUFF, THINGS, UniSeg3DConfig
from saymask.models.uniseg3d.decoder import Decoder, Words
from saymask.models.uniseg3d.encoded import (
    BENCHMARK,
    PROMPTS_AT_ONCE,
    EncodedScan,
    WholeScan,
    class_objects,
    own_classes,
)
from saymask.models.uniseg3d.extensions import (
    Embeddings,
    clicked_objects,
    clicked_surfaces,
    find_objects,
    named_classes,
    referred_answer,
    vocabulary_names,
)
from saymask.models.uniseg3d.losses import losses
from saymask.models.uniseg3d.outputs import LayerOutputs, Outputs
from saymask.models.uniseg3d.places import graphs_of, places_of
from saymask.models.uniseg3d.postprocess import (
    FIRST_ID,
    Found,
    OwnParts,
    class_agnostic,
    instances,
    prompt_answers,
    stitch,
    weighted_mean,
)
from saymask.models.uniseg3d.reading import read_sentence
from saymask.models.uniseg3d.windowed import WindowedScan
from saymask.nn.blocks import full_precision
from saymask.nn.superpoints import SuperpointUNet
from saymask.scan import Scan
from saymask.sparse import official_extent
from saymask.text import FrozenText, LazyTextEncoder, TextFeatures

SITES_AT_ONCE = 400_000
"""Voxels of windows that are encoded together; more would only take memory."""


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
    class_embeddings: Tensor
    """float32 [20, K, W], rows of length 1; NaN until they are known."""

    def __init__(self, config: UniSeg3DConfig | None = None, *, text_encoder: nn.Module | None = None) -> None:
        """Build with random weights; `text_encoder` (texts → TextFeatures) replaces the one that the config names."""
        super().__init__()
        config = UniSeg3DConfig() if config is None else config
        self.config: UniSeg3DConfig = config
        self.backbone = SuperpointUNet(config.widths, config.block_reps)
        self.decoder = Decoder(config)
        self.text_encoder = LazyTextEncoder(config.text_encoder) if text_encoder is None else text_encoder
        self.text_encoder.requires_grad_(False)
        unknown = torch.full((CLASSES, config.class_prototypes, config.text_width), torch.nan)
        self.register_buffer("class_embeddings", unknown)
        self._text = FrozenText()
        self._vocabulary: Tensor | None = None
        self.train(self.training)

    @classmethod
    def settled(cls, config: UniSeg3DConfig) -> UniSeg3DConfig:
        """Return the configuration with as many texts per class as the file of class embeddings has."""
        if not config.class_embeddings:
            return config
        embeddings = load_class_embeddings(config.class_embeddings, text_width=config.text_width)
        return replace(config, class_prototypes=embeddings.shape[1])

    def train(self, mode: bool = True) -> "UniSeg3D":
        """Switch BatchNorm; the frozen text encoder stays in eval mode."""
        super().train(mode)
        self.text_encoder.train(False)
        return self

    # ---- what it says about itself

    @property
    def uses_superpoints(self) -> bool:
        """Always: queries and masks are over superpoints."""
        return True

    @property
    def adapt(self) -> float:
        """Weight of a scan's own norm statistics."""
        return self.config.adapt

    @property
    def degrade(self) -> Degradation:
        """Switches of the degraded view of the configuration."""
        return self.config.degrade

    @property
    def find_threshold(self) -> float | None:
        """Relevance from which something is found."""
        return self.config.find_threshold

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names that training never heard."""
        return self.config.held_out

    @property
    def has_proposals(self) -> bool:
        """Always: the superpoint queries' masks."""
        return True

    def get_ready(self, verb: str) -> None:
        """Load the text encoder for `refer` and `find`; all other prompts do without."""
        if verb in ("refer", "find"):
            self._text.on(self.device, self.text_encoder)

    # ---- classes and texts

    def begin_training(self, data: Path, scenes: Sequence[str], say: Callable[[str], None]) -> None:
        """Read the class embeddings or make them unless they are known; InputError for a file that cannot be read."""
        super().begin_training(data, scenes, say)
        if file := self.config.class_embeddings:
            self.set_class_embeddings(load_class_embeddings(file, text_width=self.config.text_width))
            say(f"{CLASSES} class embeddings of {Path(file).name}, {self.config.class_prototypes} texts each")
        elif not bool(self.class_embeddings.isfinite().all()):
            self.set_class_embeddings(self._named([c.name for c in scannet20()]))
            say(f"{CLASSES} class embeddings of {self.config.text_encoder}")
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
        return self._text.on(self.device, self.text_encoder)(texts)

    def vocabulary(self) -> Tensor:
        """Return the embeddings float32 [V, W] of the names that training tells apart, those held out left out."""
        if self._vocabulary is None or self._vocabulary.device != self.device:
            with torch.inference_mode(False):  # kept also for training, whoever asks first
                self._vocabulary = self._named(vocabulary_names(self.config.held_out))[:, 0].clone()
        return self._vocabulary

    def _named(self, names: Sequence[str]) -> Tensor:
        """Return the embeddings float32 [C, K, W] of names."""
        encoder = self._text.on(self.device, self.text_encoder)
        return make_class_embeddings(names, encoder, self.config.class_prompts).to(self.device)

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

    def features(self, batch: Batch) -> list[Tensor]:
        """Return the superpoint features float [S, C] of each scan or window; windows in parts, to bound the memory."""
        features: list[Tensor] = []
        for scans in batch.scans.parts(SITES_AT_ONCE) if any(batch.windows) else [batch.scans]:
            shape = official_extent(scans.coords) if self.config.odd_extents else None
            pyramid = self.backbone.sites(scans, shape)
            features += self.backbone(scans, pyramid).split(scans.sizes)
        return features

    @torch.no_grad()
    def scan_features(self, batch: Batch) -> list[tuple[Tensor, np.ndarray]]:
        """Return the features of the superpoints."""
        return list(zip(self.features(batch), batch.scans.index, strict=True))

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
        queries = [rows for windows in batch.windows for rows in ([None] if windows is None else windows.queries)]
        views = iter(
            [
                WholeScan(
                    self.decoder.memory(features, positions[: len(features)]), index, self.decoder, classes, places,
                    None if rows is None else torch.from_numpy(rows).to(self.device), graph,
                )
                for features, positions, index, places, rows, graph in zip(
                    self.features(batch),
                    batch.scans.positions,
                    batch.scans.index,
                    places_of(batch.scans, self.config.voxel_size) if self.config.reads else [None] * len(queries),
                    queries,
                    graphs_of(batch.scans, self.config.connected) if self.config.connected else [None] * len(queries),
                    strict=True,
                )
            ]
        )  # fmt: skip
        return Encoded(
            tuple(
                next(views)
                if windows is None
                else WindowedScan([next(views) for _ in windows.seen], windows, self.config)
                for windows in batch.windows
            )
        )

    # ---- prompts

    @torch.no_grad()
    def refer(
        self, encoded: Encoded, sentences: Sequence[str], *, count: Literal["one", "any"] = "any"
    ) -> list[Prediction]:
        """Return one Prediction per sentence, with one mask as published, which may be empty.

        With `config.any_number` the masks are those of the objects that the sentence means (ours, `extensions.py`):
        one where `count` is "one", else one for each, and none where it means nothing. A batch of one scan takes any
        number of sentences, a batch of several exactly one per scan. The score is the mean probability inside the mask
        times that of showing any class. Source: docs/systems/uniseg3d.md §6.4.
        """
        scans, several = encoded.scans, len(encoded) > 1
        if several and len(sentences) != len(scans):
            raise InputError(f"expected one sentence for each of {len(scans)} scans, got {len(sentences)}")
        said = self.text([caption(s) for s in sentences])
        step = 1 if several else PROMPTS_AT_ONCE
        predictions = []
        for start in range(0, len(said), step):
            scan, rows = scans[start if several else 0], slice(start, start + step)
            words = Words(said.tokens[rows], said.mask[rows])
            stage = scan.sentences(said.sentence[rows], words)
            (logits, scores), something = prompt_answers(stage, scan.counts, self.config), stage.something()
            for number, (row, score) in enumerate(zip(logits, scores)):
                masks, sure, best = row[None], score[None], float(score)
                mask = full_precision(stage.masks[number])
                read = None
                if self.config.reads:  # ours
                    read = read_sentence(
                        scan, sentences[start + number], mask, float(something[number]), count, self.vocabulary(),
                        self._named, self.config,
                    )  # fmt: skip
                if read is not None:
                    masks, sure, best = read
                elif self.config.any_number:  # ours
                    masks, sure = referred_answer(scan, mask, row, something[number], score, count, self.config)
                known = read is not None and bool(self.config.calibration)
                predictions.append(Prediction(masks, sure, scan.index, best, known, scan.note))
        return predictions

    @torch.no_grad()
    def click(self, encoded: Encoded, points: np.ndarray) -> Prediction:
        """Return a mask for each point int64 [K]; scores as in `refer`. Clicks do not see each other.

        With `config.click_objects` a click marks the object of the scan that fits its mask best; with `config.surfaces`
        a click on wall or floor that shows no thing marks all of the wall or floor (ours).

        Source: docs/systems/uniseg3d.md §3.2.
        """
        scan = encoded.only()
        stage = self._clicked(scan, points)
        logits, scores = prompt_answers(stage, scan.counts, self.config)
        if self.config.click_objects and len(points):
            logits, scores = clicked_objects(scan, points, logits, scores, self.config)
        if self.config.surfaces and len(points):
            logits, scores = clicked_surfaces(scan, points, logits, scores, stage.something())
        return Prediction(logits, scores, scan.index)

    @torch.no_grad()
    def click_classes(self, encoded: Encoded, points: np.ndarray) -> np.ndarray:
        """Return the probability of each thing class for each click, float32 [K, 18], as the protocol needs.

        Source: docs/systems/uniseg3d.md §6.6.
        """
        if not len(points):
            return np.zeros((0, THINGS), np.float32)
        stage = self._clicked(encoded.only(), points)
        return full_precision(stage.classes).softmax(1)[:, :THINGS].float().cpu().numpy()

    def _clicked(self, scan: EncodedScan, points: np.ndarray) -> LayerOutputs:
        """Return the last stage of the clicks on points int64 [K]; those on one superpoint are the same click."""
        superpoints, back = np.unique(scan.index[np.asarray(points, np.int64)], return_inverse=True)
        rows = torch.from_numpy(back.reshape(-1)).to(self.device)
        return scan.clicks(torch.from_numpy(superpoints).to(self.device)).take(rows)

    # ---- whole scans

    @torch.no_grad()
    def semantic(self, encoded: Encoded, classes: str | Sequence[str] | None = None) -> Classes:
        """Return the class of every superpoint: of ScanNet's 20, or of the names in `classes`.

        A model that has learned names (`config.vocabulary_weight`) also knows ScanNet200's. The probability is among
        the classes that can be answered. InputError for another label set.

        Source: docs/systems/uniseg3d.md §6.2.
        """
        scan, vocabulary = encoded.only(), self.vocabulary if self.config.vocabulary_weight else None
        said = scan.semantics()
        if classes is None or classes == BENCHMARK:
            names, ids = own_classes()
            logits = said.semantic[:, :CLASSES]
        else:  # ours
            names, ids, logits = named_classes(
                said, classes, vocabulary, self._named, self.config, self.decoder.heads.scale
            )
        best, chosen = logits.softmax(1).max(1)
        return Classes(chosen.cpu().numpy(), best.float().cpu().numpy(), scan.index, names, ids)

    @torch.no_grad()
    def instances(self, encoded: Encoded) -> Objects:
        """Return the things, best score first (docs/systems/uniseg3d.md §6.1)."""
        scan, config = encoded.only(), self.config
        found = scan.found(
            lambda stage, counts, own: instances(
                stage.classes, stage.masks, counts, config, threshold=config.instance_threshold, own=own
            )
        )
        assert found.labels is not None
        return class_objects(scan, found.masks, found.scores, found.labels + STUFF)

    @torch.no_grad()
    def panoptic(self, encoded: Encoded) -> Objects:
        """Return disjoint masks: wall and floor where there are any, then things, best score first.

        The score of wall and floor is the mean probability of the class over the points of the mask.

        Source: docs/systems/uniseg3d.md §6.3.
        """
        scan, config = encoded.only(), self.config
        said = scan.semantics()
        things = scan.found(
            lambda stage, counts, own: instances(
                stage.classes, stage.masks, counts, config, iou=stage.iou, threshold=config.panoptic_threshold, own=own
            )
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
        """Return the unnamed masks of a scan, which overlap (docs/systems/uniseg3d.md §6.5)."""
        scan = encoded.only()

        def unnamed(stage: LayerOutputs, _: Tensor, own: OwnParts | None) -> Found:
            assert stage.iou is not None
            return class_agnostic(stage.masks, stage.iou, self.config, own)

        found = scan.found(unnamed)
        score = found.scores.clamp(0, 1).float().cpu().numpy()
        return Objects(found.masks.cpu().numpy(), score, np.zeros(len(found), np.int64), scan.index, ("object",), (0,))

    @torch.no_grad()
    def find(self, encoded: Encoded, names: Sequence[str], *, threshold: float | None = None) -> Objects:
        """Return the masks that names mean (ours), best first; `threshold`: the config's without it."""
        vocabulary = self.vocabulary() if self.config.vocabulary_weight else None
        texts = Embeddings(self._named(names), self.known_classes(), vocabulary)
        level = self.config.find_threshold if threshold is None else threshold
        return find_objects(encoded.only(), names, texts, self.decoder.heads.scale, self.config, level)
