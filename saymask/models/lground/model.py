"""LGround: language-grounded semantic and instance segmentation of 200 classes (arXiv 2204.07761, ECCV 2022).

Voxels → Res16UNet → features. Stage 1 pulls the features to the text anchors of their classes, stage 2 puts a
classifier (and for instances an offset head) on them, stage 3 trains the classifier alone. Which heads there are and
which losses they get is data (`LGroundConfig`); a model with a text head finds things by any words.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.answers import Classes, Objects
from saymask.data.annotations import Annotation
from saymask.data.class_frequencies import CLASSES, count_classes
from saymask.data.samples.degrade import Degradation
from saymask.data.scenes import load_scene, scene_path
from saymask.errors import InputError
from saymask.labels.tables import LabelClass
from saymask.models.base import Model
from saymask.models.lground.anchors import ATTRIBUTES, Anchors, load_anchors, make_anchors
from saymask.models.lground.attributes import attribute_maps, changed_features
from saymask.models.lground.batch import Batch, Sample, collate, make_sample
from saymask.models.lground.config import LGroundConfig
from saymask.models.lground.frequency import class_weights, read_class_weights, read_sampling_weights
from saymask.models.lground.insert import TailBank, build_bank
from saymask.models.lground.limited import listed_points, read_point_lists
from saymask.models.lground.losses.classification import class_splits, classification_loss, reduce_losses
from saymask.models.lground.losses.contrastive import (
    anchor_cross_entropy,
    anchor_mse,
    contrastive,
    cosine,
    norm_penalty,
    voxel_contrast,
)
from saymask.models.lground.losses.offsets import offset_losses, offset_targets
from saymask.models.lground.memory import bytes_per_voxel, free_bytes, piece_of, voxels_in
from saymask.models.lground.postprocess import (
    TEMPERATURE,
    Support,
    group_found,
    group_objects,
    likeliest,
    make_support,
)
from saymask.nn.res16unet.network import LEVELS, Res16Output, Res16UNet
from saymask.scan import Scan
from saymask.sparse import SitePyramid, build_sites
from saymask.text import CachedText, FrozenText
from saymask.text.relevance import relevance

LABEL_SETS = {"semantic200": "scannet200", "semantic20": "scannet20"}
"""Label of a prepared scene → the user's name of its classes."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Outputs of the network for B scans: everything before the prompt."""

    scans: tuple[Support, ...]

    def __len__(self) -> int:
        return len(self.scans)


class LGround(Model):
    """Language-grounded segmentation; see `LGroundConfig`. Answers `semantic`, and with the heads for it the others."""

    system = "lground"
    anchors: Tensor
    """float32 [C, D], with changed attributes [C, A, D]; NaN until they are known; only with text."""
    encoder_print: Tensor
    """uint8 [32]: sha256 of the fingerprint of the text encoder whose anchors these are; zeros = not known."""
    weights: Tensor
    """float32 [C] of the focal loss."""

    def __init__(self, config: LGroundConfig | None = None, *, text_encoder: Any = None) -> None:
        """Build with random weights; `text_encoder` (texts → TextFeatures) replaces the one that the config names."""
        super().__init__()
        config = LGroundConfig() if config is None else config
        self.config: LGroundConfig = config
        self.classes: tuple[LabelClass, ...] = CLASSES[config.view.labels]()
        count, width = len(self.classes), config.text_width
        self.network = Res16UNet(
            config.network,
            count if config.classifier else 0,
            offsets=config.offsets,
            projection=width if config.text == "anchors" else 0,
        )
        self.lift = nn.Linear(config.network.features, width) if config.text == "lifted" else None
        if config.text != "none":
            kinds = () if config.view.attributes == "none" else (len(ATTRIBUTES),)
            self.register_buffer("anchors", torch.full((count, *kinds, width), torch.nan))
            self.register_buffer("encoder_print", torch.zeros(32, dtype=torch.uint8))
        self.register_buffer("weights", torch.ones(count), persistent=False)
        self._text = FrozenText(config.encoder if text_encoder is None else text_encoder)
        self._bank: TailBank | None = None
        self._points: dict[str, np.ndarray] | None = None
        self._maps: tuple[Tensor, Tensor] | None = None
        """Of latent attributes; made of the anchors when training begins."""
        if config.trainable == "classifier":
            self.requires_grad_(False)
            assert self.network.classifier is not None
            self.network.classifier.requires_grad_(True)
        self.train(self.training)

    @classmethod
    def settled(cls, config: LGroundConfig) -> LGroundConfig:
        """Return the configuration, after a look at its files: InputError for what training could not use."""
        names = [c.name for c in CLASSES[config.view.labels]()]
        if unknown := set(config.unshifted) - set(names):
            raise InputError(f"unshifted: expected names of the {len(names)} classes, got {sorted(unknown)}")
        changed = config.view.attributes != "none"
        if changed and (config.text == "none" or config.contrast != "anchors" or config.view.labels != "semantic200"):
            raise InputError(
                "view.attributes: expected a model that learns from text anchors of the 200 classes (text, "
                "contrast=anchors, labels=semantic200), whose targets change with the attributes"
            )
        if config.view.attributes == "latent" and config.text == "anchors":
            raise InputError(
                "view.attributes=latent: expected features in the text's own space (text=features or lifted), not "
                "projected anchors; use raw"
            )
        if config.anchors and config.text != "none":
            _check_width(load_anchors(config.anchors, names), len(names), config.text_width)
        if config.view.point_lists:
            read_point_lists(config.view.point_lists)
        return config

    @classmethod
    def answers(cls, config: LGroundConfig) -> tuple[str, ...]:
        """Return `semantic`, `instances` with an offset head, `find` with text."""
        found = ("find",) if config.text != "none" else ()
        return (*found, "semantic", *(("instances",) if config.offsets else ()))

    @property
    def uses_superpoints(self) -> bool:
        """Whether answers are pooled over superpoints."""
        return self.config.superpoints

    @property
    def degrade(self) -> Degradation:
        """Switches of the degraded view of the configuration."""
        return self.config.degrade

    @property
    def find_threshold(self) -> float | None:
        """Relevance from which something is found; None without text."""
        return self.config.find_threshold if self.config.text != "none" else None

    @property
    def frozen(self) -> bool:
        """Whether the network below the classifier stays as it is, statistics included."""
        return self.config.trainable == "classifier" and not self.config.train_statistics

    def train(self, mode: bool = True) -> "LGround":
        """Switch BatchNorm; in stage 3 the running statistics stay as they are, unless asked for as published."""
        super().train(mode)
        if self.frozen:
            self.network.train(False)
        return self

    # ---- scans to batches

    def begin_training(self, data: Path, scenes: Sequence[str], say: Callable[[str], None]) -> None:
        """Make or read the anchors, count the classes for the focal loss, and list what can be inserted."""
        super().begin_training(data, scenes, say)
        config, view = self.config, self.config.view
        if config.text != "none" and not bool(self.anchors.isfinite().all()):
            self.set_anchors(self._made_anchors())
            say(f"{len(self.anchors)} text anchors of {config.anchors or config.encoder}")
        if view.attributes == "latent":
            self._maps = attribute_maps(self.anchors.cpu())
        frequencies = count_classes(data, scenes, labels=view.labels)
        if frequencies.left_out:
            say(
                f"{len(frequencies.left_out)} scans have no {view.labels} labels: {', '.join(frequencies.left_out[:3])}"
            )
        if absent := frequencies.absent():
            say(f"{len(absent)} of {len(self.classes)} classes have no example, such as {', '.join(absent[:3])}")
        if config.loss == "focal" and config.classifier:
            if config.class_weights:
                weights = read_class_weights(config.class_weights, compat=config.compat)
            else:
                # Only annotated points are known.
                points = tuple(round(n * view.annotated) for n in frequencies.points)
                weights = class_weights(replace(frequencies, points=points))
            if len(weights) != len(self.classes):
                raise InputError(f"class weights: expected {len(self.classes)}, got {len(weights)}; for other labels?")
            self.weights.copy_(weights)
        if view.point_lists:
            self._points = read_point_lists(view.point_lists)
            listed = sum(len(self._points.get(scene, ())) > 0 for scene in scenes)
            say(f"{Path(view.point_lists).name} lists labelled points of {listed} of {len(scenes)} scans")
            if not listed:
                raise InputError(f"{view.point_lists}: expected points of the training scans, got none of theirs")
        if view.most_voxels < 0:
            self._fit_memory(data, scenes, say)
        if view.insertion is not None:
            weights = read_sampling_weights(config.sampling_weights).numpy() if config.sampling_weights else None
            self._bank = build_bank(
                data, scenes, labels=view.labels, weights=weights, aligned=view.align, share=view.annotated
            )
            if len(self._bank):  # an empty one has warned already
                say(self._bank.describe())

    def _fit_memory(self, data: Path, scenes: Sequence[str], say: Callable[[str], None]) -> None:
        """Set the limit of voxels per batch to what the free memory holds; InputError where not even a scan fits."""
        sample = self.prepare(load_scene(scene_path(data, scenes[0])), rng=np.random.RandomState(0))
        per_voxel, free = bytes_per_voxel(self, piece_of(sample)), free_bytes()
        most = voxels_in(free, self, per_voxel)
        if most < len(sample.voxels):
            raise InputError(
                f"view.most_voxels: the free {free / 1e9:.1f} GB hold {most:,} voxels of {per_voxel / 1e3:.1f} kB in "
                f"training, {scenes[0]} has {len(sample.voxels):,}; take larger voxels (--model.view.voxel-size) or a "
                "smaller network"
            )
        say(f"at most {most:,} voxels per batch: {per_voxel / 1e3:.1f} kB each, {free / 1e9:.1f} GB are free")
        self.config = replace(self.config, view=replace(self.config.view, most_voxels=most))

    def _made_anchors(self) -> Anchors:
        names = tuple(c.name for c in self.classes)
        if self.config.anchors:
            return load_anchors(self.config.anchors, names)
        changed = self.config.view.attributes != "none"
        return make_anchors(names, self.text_encoder(), attributes=ATTRIBUTES if changed else ("",))

    def set_anchors(self, anchors: Anchors) -> None:
        """Take anchors of this model's classes; raise InputError when their number or width is another."""
        if self.config.text == "none":
            raise InputError("this model has no text head: anchors are of no use to it")
        _check_width(anchors, len(self.classes), self.config.text_width)
        if self.anchors.ndim == 3 and anchors.features.shape != self.anchors.shape:
            raise InputError(
                f"anchors: view.attributes needs names with {len(ATTRIBUTES)} attributes, got "
                f"{list(anchors.features.shape)}; leave --model.anchors out, and they are made with the text encoder"
            )
        self.anchors.copy_(anchors.features if self.anchors.ndim == 3 else anchors.plain)
        self.encoder_print.copy_(torch.tensor(list(_print(anchors.fingerprint)), dtype=torch.uint8))

    def text_encoder(self) -> CachedText:
        """Return the text encoder, loaded at the first use; InputError when it is not that of the anchors."""
        text = self._text.on(self.device)
        known = bytes(self.encoder_print.cpu().tolist())
        if any(known) and known != _print(text.fingerprint):
            raise InputError(
                f"text encoder {self.config.encoder!r} ({text.fingerprint[:12]}…) is not the one whose anchors "
                "this model learned; give the same one with --text-encoder FOLDER"
            )
        return text

    def prepare(
        self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState | None = None
    ) -> Sample:
        """Return the voxels of a scan; with `rng` augmented, with their truth. Sentences are not used."""
        annotated = None
        if rng is not None and self._points is not None:
            annotated = listed_points(self._points, scan.name, len(scan))
        sample = make_sample(scan, self.config.view, rng, bank=self._bank, annotated=annotated)
        if rng is not None or not self.config.superpoints:
            return sample
        if scan.superpoints is None:
            raise InputError(f"scan {scan.name}: expected superpoints; call superpoints_of(scan) first")
        return replace(sample, superpoints=scan.superpoints.astype(np.int64))

    def collate(self, samples: list[Sample]) -> Batch:
        """Return the batch of `samples`, in training mixed, shifted and limited as the configuration says."""
        return collate(samples, self.config.view)

    # ---- the network

    def left_out(self, batch: Batch) -> tuple[str, ...]:
        """Return the names of the scans beyond `view.most_voxels`."""
        return batch.dropped

    @torch.no_grad()
    def scan_features(self, batch: Batch) -> list[tuple[Tensor, np.ndarray]]:
        """Return the features of the voxels, with a text head as they are compared with texts."""
        pyramid = self.sites(batch)
        found = self.network(batch.features[pyramid.order], pyramid).features
        assert found is not None
        rows = (self.text_features(found) if self.config.text != "none" else found)[pyramid.inverse].float()
        return [(rows[batch.rows(b)], batch.index[b]) for b in range(len(batch))]

    def sites(self, batch: Batch) -> SitePyramid:
        """Return the sites of a batch on all levels."""
        return build_sites(batch.coords, LEVELS)

    def text_features(self, features: Tensor) -> Tensor:
        """Return features [V, P] as they are compared with text, [V, D]."""
        return features if self.lift is None else self.lift(features)

    def text_side(self, texts: Tensor) -> Tensor:
        """Return text features [T, D] as voxel features are compared with them."""
        return self.network.project(texts) if self.config.text == "anchors" else texts

    @torch.no_grad()
    def encode_batch(self, batch: Batch) -> Encoded:
        """Return features, logits and offsets of all scans."""
        pyramid = self.sites(batch)
        out = self.network(batch.features[pyramid.order], pyramid)
        back = pyramid.inverse
        features = self.text_features(out.features) if self.config.text != "none" else None
        parts: dict[str, Tensor | None] = {"features": features, "logits": out.logits, "offsets": out.offsets}
        rows = {name: None if part is None else part[back].float() for name, part in parts.items()}
        return Encoded(
            tuple(
                make_support(
                    batch.coords[batch.rows(b), 1:],
                    batch.index[b],
                    batch.superpoints[b],
                    **{name: None if part is None else part[batch.rows(b)] for name, part in rows.items()},
                    voxel_size=self.config.view.voxel_size,
                )
                for b in range(len(batch))
            )
        )

    def get_ready(self, verb: str) -> None:
        """Load the text encoder for `find`; classes are told apart by the anchors, which are stored."""
        if verb == "find":
            self.text_encoder()

    # ---- answers

    @torch.no_grad()
    def semantic(self, encoded: Encoded, classes: str | Sequence[str] | None = None) -> Classes:
        """Return the class of every support row: of the model's own classes, or with text of those that are named.

        Raises InputError for another label set than the model's, and for names without a text head.
        """
        scan, own = _only(encoded), LABEL_SETS[self.config.view.labels]
        if classes is not None and not isinstance(classes, str):
            if self.config.text == "none":
                raise InputError(f"this model knows the classes of {own} only; for other names use one with text")
            similarity = self._similarity(scan, self._encode(classes))
            return likeliest(scan, similarity / TEMPERATURE, tuple(classes), tuple(range(1, len(classes) + 1)))
        if classes not in (None, own):
            raise InputError(f"classes: expected {own} or a list of names, got {classes!r}")
        names, ids = tuple(c.name for c in self.classes), tuple(c.id for c in self.classes)
        return likeliest(scan, self._class_logits(scan), names, ids)

    @torch.no_grad()
    def instances(self, encoded: Encoded) -> Objects:
        """Return the objects: groups of rows of one class whose predicted centres are close.

        Source: docs/systems/lground.md §6.5.
        """
        scan = _only(encoded)
        return group_objects(
            scan, self._class_logits(scan), self.classes, self.config.clustering, unshifted=self.config.unshifted,
            unshifted_clustering=self.config.unshifted_clustering,
        )  # fmt: skip

    @torch.no_grad()
    def find(self, encoded: Encoded, names: Sequence[str], *, threshold: float | None = None) -> Objects:
        """Return connected components whose relevance for a name is at least `threshold` (by default the config's)."""
        scan, texts = _only(encoded), self._encode(names)
        vocabulary = cosine(self.text_side(self._plain()), self.text_side(texts))
        similarity = self._expected(scan, texts) if self.config.expected_text else self._similarity(scan, texts)
        fits = relevance(similarity, vocabulary).cpu().numpy()
        level = self.config.find_threshold if threshold is None else threshold
        return group_found(scan, fits, tuple(names), level, self.config.clustering)

    def _class_logits(self, scan: Support) -> Tensor:
        if scan.logits is not None:
            return scan.logits
        return self._similarity(scan, self._plain()) / TEMPERATURE

    def _similarity(self, scan: Support, texts: Tensor) -> Tensor:
        """Return the cosine of every row and text, float [S, T]."""
        assert scan.features is not None
        return cosine(scan.features, self.text_side(texts))

    def _expected(self, scan: Support, texts: Tensor) -> Tensor:
        """Return the cosine of the mean anchor under each row's class probabilities and every text, float [S, T]."""
        anchors = F.normalize(self.text_side(self._plain()), dim=1)
        return cosine(self._class_logits(scan).float().softmax(1) @ anchors, self.text_side(texts))

    def _encode(self, names: Sequence[str]) -> Tensor:
        return self.text_encoder()(list(names)).sentence.float()

    def _plain(self) -> Tensor:
        """Return the anchors float32 [C, D] of the bare names."""
        anchors = self._anchors()
        return anchors if anchors.ndim == 2 else anchors[:, 0]

    def _anchors(self) -> Tensor:
        if not bool(self.anchors.isfinite().all()):
            raise InputError(
                "this model has no text anchors yet: convert it with --anchors, or call set_anchors (saymask anchors "
                "makes them)"
            )
        return self.anchors

    # ---- training

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of the heads: `contrast`, `norm`, `semantic`, `offset`, `direction`."""
        if batch.labels is None or batch.instances is None or batch.centers is None:
            raise InputError("expected samples with labels: prepare(scan, rng=...) of scans that have them")
        pyramid = self.sites(batch)
        order, config = pyramid.order, self.config
        labels, out = batch.labels[order], self._trained(batch.features[order], pyramid)
        assert out.features is not None
        terms: dict[str, Tensor] = {}
        splits = class_splits(self.classes)
        divisor = "all" if config.compat else "kept"
        if config.text != "none" and config.contrast_weight > 0 and config.trainable == "all":
            rows = _drawn(labels, config.contrasted)
            features, own = self.text_features(out.features[rows]), labels[rows]
            changed = None if batch.attributes is None else batch.attributes[order][rows]
            if self._maps is not None:
                tail = torch.from_numpy(config.view.tail).to(own.device)
                features, changed = changed_features(features, own, tail, self._maps)
            reduced = reduce_losses(self._contrast(features, own, changed), own, splits, divisor=divisor)
            terms["contrast"] = config.contrast_weight * reduced.loss
            if config.norm_penalty:
                terms["norm"] = norm_penalty(features)
        if out.logits is not None:
            terms["semantic"] = classification_loss(
                out.logits, labels, splits, kind=config.loss, weights=self.weights, gamma=config.gamma,
                balanced=config.balanced, head=config.keep_head, common=config.keep_common, compat=config.compat,
            ).loss  # fmt: skip
        if out.offsets is not None and config.trainable == "all":
            targets = offset_targets(batch.coords[order], batch.centers[order], config.view.voxel_size)
            terms["offset"], terms["direction"] = offset_losses(out.offsets, targets, batch.instances[order])
        return terms

    def _trained(self, features: Tensor, pyramid: SitePyramid) -> Res16Output:
        if not self.frozen:
            return self.network(features, pyramid)
        with torch.no_grad():
            out = self.network(features, pyramid)
        assert out.features is not None
        assert self.network.classifier is not None
        return Res16Output(out.features, self.network.classifier(out.features))

    def _contrast(self, features: Tensor, labels: Tensor, attributes: Tensor | None = None) -> Tensor:
        config = self.config
        if config.contrast == "voxels":
            return voxel_contrast(
                features, labels, len(self.classes), count=config.negatives, distance=config.distance,
                positive_margin=config.positive_margin, negative_margin=config.negative_margin,
                negative_weight=config.negative_weight,
            ).loss  # fmt: skip
        anchors = self.text_side(self._anchors())
        if config.contrast == "anchors-ce":
            return anchor_cross_entropy(features, anchors, labels, config.contrast_temperature)
        if config.contrast == "anchors-mse":
            return anchor_mse(features, anchors, labels)
        return contrastive(
            features, anchors, labels, count=config.negatives, present=config.negatives_present,
            distance=config.distance, positive_margin=config.positive_margin, negative_margin=config.negative_margin,
            negative_weight=config.negative_weight, attributes=attributes,
        ).loss  # fmt: skip


def _check_width(anchors: Anchors, classes: int, width: int) -> None:
    """Raise InputError for anchors of other classes or another width than a model has room for."""
    if anchors.plain.shape != (classes, width):
        raise InputError(
            f"anchors: expected [{classes}, {width}], got {list(anchors.plain.shape)} (of {anchors.encoder}); "
            f"a model that trains with them needs --model.text-width {anchors.dim}, and where its features have "
            "another width --model.text anchors (the anchors are projected) or lifted (the features are); one that was "
            "trained with others needs those"
        )


def _print(fingerprint: str) -> bytes:
    return hashlib.sha256(fingerprint.encode()).digest() if fingerprint else bytes(32)


def _drawn(labels: Tensor, count: int) -> Tensor | slice:
    """Return the rows of `count` random labelled voxels, or of all voxels (0, or where there are no more)."""
    if count == 0:
        return slice(None)
    valid = torch.nonzero(labels >= 0)[:, 0]
    if len(valid) <= count:
        return valid
    return valid[torch.randint(len(valid), (count,)).to(valid.device)]


def _only(encoded: Encoded) -> Any:
    if len(encoded) != 1:
        raise InputError(f"expected one scan to ask about, got a batch of {len(encoded)}")
    return encoded.scans[0]
