"""BQNet's view of a scan and of several sentences about it, and batches of both (docs/systems/bqnet.md §2.5, §2.6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from saymask.data.annotations import Annotation, Sentence
from saymask.errors import InputError
from saymask.geometry.sampling import farthest_point_sampling
from saymask.geometry.superpoints import superpoints_of
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.labels import (
    gt_spmask,
    histogram,
    instance_names,
    named_in,
    sp_ins_label,
    sp_ref_mask,
    without_reserved,
)
from saymask.models.bqnet.outputs import NO_INSTANCE, Spans, Truth
from saymask.models.bqnet.parsing import noun_lists
from saymask.models.bqnet.transform import centred, unit_colors, view
from saymask.nn.superpoints import SuperpointBatch, SuperpointScan, collate_scans, superpoint_scan, to_device
from saymask.scan import Scan
from saymask.text import TextFeatures
from saymask.text.clean import model_text
from saymask.text.scene_graph.parse import parse_sentence
from saymask.text.token_maps import token_maps
from saymask.util.words import check_sentence

TYPED = "multi3drefer"
"""The source whose clean-up a user's own sentence gets: running text."""


@dataclass(frozen=True, eq=False)
class Expression:
    """A sentence as the text encoder reads it, and what it means where that is known."""

    text: str
    """Cleaned sentence with ` . not mentioned` at the end (docs/systems/bqnet.md §2.4)."""
    spans: Spans
    """Words of `text` that name the target, its attributes, its relations and other objects."""
    objects: tuple[int, ...] = ()
    """Instance ids of the referred objects, in the annotation's order."""
    relevance: np.ndarray | None = None  # float32 [S] `sp_ref_mask`; None = no truth
    mask: np.ndarray | None = None  # bool [S] superpoints of the objects


@dataclass(frozen=True, eq=False)
class Sample:
    """One scan and sentences about it."""

    scan: SuperpointScan
    seeds: np.ndarray  # int64 [F] superpoints
    image: np.ndarray | None = None  # float32 [S, C] 2D features
    instances: np.ndarray | None = None  # int64 [S] instance of each superpoint, NO_INSTANCE for none; None = no truth
    sentences: tuple[Expression, ...] = ()


def expression(text: str, *, parser: str = "auto", vocabulary: str = "") -> Expression:
    """Return a sentence as BQNet reads it, without truth; parser and noun lists as in `BQNetConfig`.

    The clean-up is that of its source: ScanRefer's words are apart already (`the chair .`), Multi3DRefer's are as
    people write (`the chair.`), and so is taken what a user typed. Raises InputError for an empty sentence.
    """
    sentence = Sentence.of(text)
    graph = parse_sentence(
        check_sentence(sentence), source=sentence.source or TYPED, backend=parser, vocabulary=noun_lists(vocabulary)
    )
    return Expression(model_text(graph.utterance), graph.spans())


def caption(sentence: str, config: BQNetConfig) -> str:
    """Return what the text encoder reads for a sentence, in training, evaluation and use alike."""
    return expression(sentence, parser=config.parser, vocabulary=config.vocabulary).text


def make_sample(
    scan: Scan,
    annotations: Sequence[Annotation] = (),
    config: BQNetConfig | None = None,
    rng: np.random.RandomState | None = None,
) -> Sample:
    """Return voxels, superpoints and seeds of a scan, and the sentences with their truth.

    With `rng` the training view (augmented; needs instance labels where there are annotations); without it the test
    view of all points, whose truth is there if the scan has instance labels. An object that no superpoint belongs to
    stays in `objects`, its mask is empty. Raises InputError for annotations of another scan, missing labels, missing
    or misshapen 2D features.
    """
    config = BQNetConfig() if config is None else config
    for annotation in annotations:
        if annotation.scene_id != scan.name:
            raise InputError(
                f"expected annotations of scan {scan.name!r}, got one of {annotation.scene_id!r}; "
                "give each scan its own sentences"
            )
    labelled = "instance" in scan.labels
    if annotations and rng is not None and not labelled:
        raise InputError(
            f"scan {scan.name}: expected instance labels to train on, got none; prepare it with its aggregation file"
        )
    points = view(
        centred(scan.points),
        unit_colors(scan.colors),
        rng,
        augment=config.augment,
        voxel_size=config.voxel_size,
        most_points=config.most_points,
    )
    superpoints = superpoints_of(scan)
    if points.chosen is not None:
        superpoints = superpoints[points.chosen]
    positions = points.positions.astype(np.float32)
    features = np.concatenate([points.colors.astype(np.float32), positions], axis=1)
    prepared = superpoint_scan(points.cells, features, positions, superpoints)
    seeds = farthest_point_sampling(prepared.positions, config.seeds, compat=config.official_seeds)
    sample = Sample(prepared, seeds, _image_rows(scan, superpoints, config))
    sentences = tuple(expression(a.asked, parser=config.parser, vocabulary=config.vocabulary) for a in annotations)
    if not (sentences and labelled):
        return replace(sample, sentences=sentences)
    return _with_truth(replace(sample, sentences=sentences), scan, annotations, points.chosen)


def _image_rows(scan: Scan, superpoints: np.ndarray, config: BQNetConfig) -> np.ndarray | None:
    """Return the 2D features of the superpoints that are left, one row each in the order of their ids."""
    if not config.image_features:
        return None
    values = scan.image_features
    if values is None:
        raise InputError(
            f"scan {scan.name}: expected 2D features {config.image_features}, got none; "
            "prepare them from the scan's images, or use a model without 2D features"
        )
    used = np.unique(superpoints)
    if values.ndim != 2 or values.shape[1] != config.image_width or len(values) <= used[-1]:
        raise InputError(
            f"scan {scan.name}: expected 2D features [{int(used[-1]) + 1} superpoints, {config.image_width}], "
            f"got {list(values.shape)}; prepare them again for these superpoints"
        )
    return values[used].astype(np.float32, copy=False)


def _with_truth(sample: Sample, scan: Scan, annotations: Sequence[Annotation], chosen: np.ndarray | None) -> Sample:
    instance, changed = without_reserved(scan.labels["instance"])
    names = instance_names(instance, scan.labels)
    counts = histogram(instance if chosen is None else instance[chosen], sample.scan.index)
    sentences = []
    for annotation, sentence in zip(annotations, sample.sentences):
        # A doubled group in ScanNet's files can make one object out of two ids.
        objects = tuple(dict.fromkeys(changed.get(i, i) for i in annotation.object_ids))
        relevance = sp_ref_mask(counts, objects, named_in(sentence.text, names))
        sentences.append(replace(sentence, objects=objects, relevance=relevance, mask=gt_spmask(counts, objects)))
    return replace(sample, instances=sp_ins_label(counts), sentences=tuple(sentences))


@dataclass(frozen=True, eq=False)
class Batch:
    """B scans and the U sentences about them, listed scan after scan; superpoints are padded to the longest scan."""

    scans: SuperpointBatch
    seeds: Tensor  # int64 [B, F]
    image: Tensor | None  # float32 [B, S, C], padding 0
    instances: Tensor | None  # int64 [B, S], padding NO_INSTANCE; None = some sample has no truth
    scene: Tensor  # int64 [U]: scan of each sentence
    texts: tuple[str, ...]  # U
    spans: tuple[Spans, ...]  # U
    objects: tuple[tuple[int, ...], ...]  # U
    relevance: Tensor | None  # float32 [U, S], padding 0; None with `instances`
    masks: Tensor | None  # bool [U, S], padding False; None with `instances`
    text: TextFeatures | None = None  # features of the texts when the text encoder is frozen

    def __len__(self) -> int:
        return len(self.scans)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Self:
        """Return the batch with its tensors on `device`."""
        return replace(self, **to_device(self, device, non_blocking))


def collate(samples: Sequence[Sample], text: TextFeatures | None = None) -> Batch:
    """Return the batch of `samples`; the truth is kept only when every sample has it.

    Raises InputError for no samples, or when only some of them have 2D features.
    """
    if not samples:
        raise InputError("batch: expected at least one sample, got none")
    scans = collate_scans([s.scan for s in samples])
    pictured = [torch.from_numpy(s.image) for s in samples if s.image is not None]
    if len(pictured) not in (0, len(samples)):
        raise InputError(f"batch: expected 2D features in all {len(samples)} samples or in none, got {len(pictured)}")
    sentences = [(b, e) for b, s in enumerate(samples) for e in s.sentences]
    known = [s.instances for s in samples if s.instances is not None]
    instances = relevance = masks = None
    if len(known) == len(samples):
        longest = scans.padding.shape[1]
        instances = _padded(known, longest, NO_INSTANCE)
        relevance = _padded([e.relevance for _, e in sentences if e.relevance is not None], longest, 0.0)
        masks = _padded([e.mask for _, e in sentences if e.mask is not None], longest, False)
    return Batch(
        scans=scans,
        seeds=torch.from_numpy(np.stack([s.seeds for s in samples])),
        image=scans.pad(torch.cat(pictured)) if pictured else None,
        instances=instances,
        scene=torch.tensor([b for b, _ in sentences], dtype=torch.int64),
        texts=tuple(e.text for _, e in sentences),
        spans=tuple(e.spans for _, e in sentences),
        objects=tuple(e.objects for _, e in sentences),
        relevance=relevance,
        masks=masks,
        text=text,
    )


def _padded(rows: Sequence[np.ndarray], longest: int, value: float) -> Tensor:
    out = np.full((len(rows), longest), value, rows[0].dtype)
    for target, row in zip(out, rows):
        target[: len(row)] = row
    return torch.from_numpy(out)


def truth(batch: Batch, text: TextFeatures) -> Truth:
    """Return what the losses compare with; the token maps follow the offsets of `text`, the features of the texts.

    Raises InputError for a batch without truth, or text features of another number of sentences.
    """
    if batch.instances is None or batch.relevance is None:
        raise InputError("expected samples with truth: prepare(scan, annotations) of a scan with instance labels")
    if len(text) != len(batch.texts):
        raise InputError(f"expected text features of {len(batch.texts)} sentences, got {len(text)}")
    offsets = text.offsets.cpu()  # looked up number by number
    maps = torch.stack([token_maps(spans, row) for spans, row in zip(batch.spans, offsets)])
    return Truth(
        scene=batch.scene,
        instances=batch.instances,
        positions=batch.scans.positions,
        seeds=batch.seeds,
        objects=batch.objects,
        relevance=batch.relevance,
        maps=maps.to(batch.instances.device),
        text_mask=text.mask,
    )
