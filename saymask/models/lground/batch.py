"""LGround's view of a scan: voxels with one point each, their labels, and batches of them.

Source: docs/systems/lground.md §2.5, §2.6, §4.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from saymask.data.class_frequencies import CLASSES
from saymask.data.scenes import aligned_points
from saymask.errors import InputError
from saymask.geometry.extent import lowest
from saymask.geometry.neighbours import knn
from saymask.models.lground.attributes import change_attributes, joined, parted
from saymask.models.lground.insert import Insertion, TailBank, insert, object_boxes
from saymask.models.lground.limited import annotated_points
from saymask.models.lground.mix import mix, pairs
from saymask.models.lground.transform import (
    NONE,
    Augmentation,
    Cloud,
    Draws,
    Voxels,
    distort_twice,
    draws,
    similarity,
    vary,
    voxelise,
)
from saymask.scan import Scan

FAR = 60_000
"""Voxels from the origin beyond which a scan is moved closer, since a site's key has no room for more."""
STRIDE = 16
"""Coarsest stride of the network: a shift by a multiple of it changes nothing (docs/systems/lground.md §3.4)."""


@dataclass(frozen=True)
class ViewConfig:
    """Settings of the view of a scan; `instance_view()` is that of the instance networks."""

    voxel_size: float = 0.02
    """Metres. The follow-up's class of 2 cm voxels has 4 cm (docs/systems/lground.md §7.23)."""
    labels: Literal["semantic200", "semantic20"] = "semantic200"
    align: bool = True
    """Whether points are moved by the scan's axis alignment."""
    from_minimum: bool = False
    """Whether voxel coordinates begin at 0 on each axis."""
    conflicts: Literal["first", "ignore"] = "first"
    """Label of a voxel whose points differ: that of its first point, or none (docs/systems/lground.md §7.6, §7.7)."""
    turn: float = 0.0
    """Angle about the vertical axis under which scans are looked at when testing, radians. Generated rooms stand
    square, with walls exactly on voxel borders: a view that randomly turned training never has."""
    voxel_to_point: Literal["inverse", "nearest_corner", "nearest_centre"] = "inverse"
    """Voxel that answers for a point: its own, or as published the one with the nearest corner (semantic,
    docs/systems/lground.md §6.2) or centre (instances, docs/systems/lground.md §6.5)."""
    augment: Augmentation = field(default_factory=Augmentation)
    insertion: Insertion | None = None
    """Tail-instance sampling; takes effect with a bank."""
    mix: float = 0.0
    """Probability that two neighbours in a training batch become one scene."""
    attributes: Literal["none", "raw", "latent"] = "none"
    """Changed attributes of rare things in training: colours and sizes of their points (raw), or features of stage 1
    (latent); the targets are then names with the attribute, "a red lamp" (docs/systems/lground.md §2.8)."""
    shift: Literal["batch", "scene", "none"] = "batch"
    """Unit that gets a random offset of its own in training."""
    shift_range: int = 100
    """Voxels; the offset of each axis is a whole number from 0 to below this."""
    most_voxels: int = 1_800_000
    """Voxels of a training batch; scenes that would exceed it are left out (0 = no limit, -1 = what the free memory
    holds, measured when training begins)."""
    annotated: float = 1.0
    """Annotated share of the points of every object in training."""
    point_lists: str = ""
    """File with the points of each scan that are annotated in training, a torch file of the data-efficient benchmark;
    all others, and all of a scan that it does not list, have no label (docs/systems/lground.md §5)."""
    compat: bool = False
    """Follow the published code also where it is wrong: label conflicts and the sampling of annotated points.

    Source: docs/systems/lground.md §7.6.
    """

    @property
    def tail(self) -> np.ndarray:
        """bool [C]: the rare classes."""
        return np.array([c.split == "tail" for c in CLASSES[self.labels]()])

    @property
    def stuff(self) -> np.ndarray:
        """bool [C]: classes that are no instances (wall and floor)."""
        return np.array([c.stuff for c in CLASSES[self.labels]()])


def instance_view(**changes: object) -> ViewConfig:
    """Return the view of instance segmentation: unaligned, from 0, conflicts ignored, an offset per scene.

    Source: docs/systems/lground.md §5.
    """
    base = ViewConfig(
        align=False,
        from_minimum=True,
        conflicts="ignore",
        shift="scene",
        augment=Augmentation(dropout=0.2),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Sample:
    """The voxels of one scan, and the random numbers that only matter once it is in a batch."""

    name: str
    voxels: Voxels
    labelled: bool
    """Whether the scan has labels; they may all be ignored."""
    training: bool = False
    shift: tuple[int, int, int] = (0, 0, 0)
    chance: float = 1.0
    """Drawn from U(0, 1): below the probability of mixing, this scene is mixed with the next."""
    superpoints: np.ndarray | None = None
    """int64 [N]: superpoint of each point, where answers are pooled over them."""


def make_sample(
    scan: Scan,
    config: ViewConfig | None = None,
    rng: np.random.RandomState | None = None,
    *,
    bank: TailBank | None = None,
    draw: Draws | None = None,
    annotated: np.ndarray | None = None,
) -> Sample:
    """Return the voxels of a scan: with `rng` (or a pair of generators `draw`) the training view, else the test view.

    The test view has every point and keeps its labels, if any. The training view needs labels; `annotated` bool [N]
    takes the place of `config.annotated`. `bank` is what `config.insertion` inserts from. Raises InputError for an
    empty scan, missing labels in training, labels that are no class, and points that are not finite.
    """
    config = ViewConfig() if config is None else config
    if rng is not None and draw is None:
        draw = draws(rng)
    cloud, labelled = _cloud(scan, config, training=draw is not None)
    if draw is None:
        cloud = replace(cloud, points=_turned(cloud.points, config.turn))
        space = similarity(config.voxel_size)
        voxels = voxelise(cloud, space.scale, conflicts=config.conflicts, compat=config.compat)
        voxels = replace(voxels, index=_voxel_of_points(cloud.points, voxels, config))
        return Sample(scan.name, _near(voxels, config), labelled)
    cloud = _limited(cloud, config, annotated)
    voxels = vary(_training_voxels(cloud, config, bank, draw), config.augment, draw)
    x, y, z = (int(s) for s in draw.numpy.uniform(0, max(config.shift_range, 0), 3))
    return Sample(scan.name, _near(voxels, config), labelled, True, (x, y, z), draw.numpy.rand())


def _cloud(scan: Scan, config: ViewConfig, *, training: bool) -> tuple[Cloud, bool]:
    if len(scan) == 0:
        raise InputError(f"scan {scan.name}: expected points, got none")
    labels = scan.labels.get(config.labels)
    if labels is None and training:
        there = ", ".join(sorted(scan.labels)) or "none"
        raise InputError(
            f"scan {scan.name}: expected labels {config.labels!r} to train on, got {there}; "
            "prepare it with its annotation files"
        )
    none = np.full(len(scan), NONE, np.int64)
    labels = none if labels is None else labels.astype(np.int64)
    classes = len(CLASSES[config.labels]())
    wrong = (labels < NONE) | (labels >= classes)
    if wrong.any():
        raise InputError(
            f"scan {scan.name}: expected {config.labels} labels from -1 to {classes - 1}, got "
            f"{sorted(set(labels[wrong].tolist()))[:5]} ({wrong.sum():,} points); are these ids of a label file?"
        )
    instances = scan.labels.get("instance", none).astype(np.int64)
    points = aligned_points(scan) if config.align else scan.points
    if not np.isfinite(points).all():
        raise InputError(f"scan {scan.name}: expected finite points, got NaN or infinity; drop those points first")
    return Cloud(points, scan.colors, labels, np.maximum(instances, NONE)), config.labels in scan.labels


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    if angle == 0:
        return points
    c, s = np.cos(angle), np.sin(angle)
    turned = points.astype(np.float64)
    turned[:, :2] = turned[:, :2] @ np.array([[c, s], [-s, c]])
    return turned.astype(np.float32)


def _limited(cloud: Cloud, config: ViewConfig, annotated: np.ndarray | None) -> Cloud:
    if annotated is None:
        if config.annotated == 1:
            return cloud
        # By the labels of the whole object, before anything is moved, so that every epoch has the same points.
        annotated = annotated_points(
            cloud.points, cloud.instances, cloud.labels, config.annotated, compat=config.compat
        )
    if annotated.shape != (len(cloud),):
        raise InputError(f"annotated points: expected bool [{len(cloud)}], got {list(annotated.shape)}")
    return replace(
        cloud,
        labels=np.where(annotated, cloud.labels, NONE),
        instances=np.where(annotated, cloud.instances, NONE),
    )


def _training_voxels(cloud: Cloud, config: ViewConfig, bank: TailBank | None, draw: Draws) -> Voxels:
    boxes = object_boxes(cloud, config.stuff) if config.insertion is not None else np.zeros((0, 2, 3))
    if config.attributes == "raw":
        cloud, attributes = change_attributes(cloud, config.tail, draw)
        cloud = replace(cloud, labels=joined(cloud.labels, attributes, len(config.tail)))
    cloud = replace(cloud, points=distort_twice(cloud.points, config.augment, draw))
    space = similarity(config.voxel_size, config.augment, draw.numpy)
    if config.insertion is None or bank is None or not len(bank):
        return voxelise(cloud, space.turn @ space.scale, conflicts=config.conflicts, compat=config.compat)
    scene = voxelise(cloud, space.scale, conflicts=config.conflicts, compat=config.compat)
    return insert(
        scene,
        space,
        bank,
        boxes,
        voxel_size=config.voxel_size,
        augment=config.augment,
        draw=draw,
        options=config.insertion,
    )


def _voxel_of_points(points: np.ndarray, voxels: Voxels, config: ViewConfig) -> np.ndarray:
    if config.voxel_to_point == "inverse":
        return voxels.index
    places = voxels.cells + (0.5 if config.voxel_to_point == "nearest_centre" else 0.0)
    return knn(places * config.voxel_size, 1, points)[0][:, 0]


def _near(voxels: Voxels, config: ViewConfig) -> Voxels:
    if len(voxels) == 0:
        return voxels
    low = lowest(voxels.cells)
    if config.from_minimum:
        return replace(voxels, cells=voxels.cells - low)
    if np.abs(voxels.cells).max() > FAR:
        return replace(voxels, cells=voxels.cells - low // STRIDE * STRIDE)
    return voxels


@dataclass(frozen=True, eq=False)
class Batch:
    """The voxels of B scenes, scene after scene."""

    coords: Tensor  # int32 [V, 4] (scene, x, y, z)
    features: Tensor  # float32 [V, 3] colour / 255 - 0.5
    labels: Tensor | None  # int64 [V], -1 ignored; None = some scan has no labels
    instances: Tensor | None  # int64 [V], -1 none; numbers of their own in each scene; None with `labels`
    centers: Tensor | None  # float32 [V, 3] mean voxel of the instance (own voxel where there is none); with `labels`
    sizes: tuple[int, ...]  # B: voxels of each scene
    index: tuple[np.ndarray, ...]  # per scene int64 [N]: its voxel (0.. in the scene) of each point
    names: tuple[str, ...]  # B
    dropped: tuple[str, ...] = ()  # scenes left out because the batch was full
    superpoints: tuple[np.ndarray | None, ...] = ()  # per scene int64 [N], where answers are pooled over them
    attributes: Tensor | None = None  # int64 [V] changed attributes, 0 none; only where the view changes them

    def __len__(self) -> int:
        return len(self.sizes)

    def rows(self, scene: int) -> slice:
        """Return the rows of a scene."""
        start = sum(self.sizes[:scene])
        return slice(start, start + self.sizes[scene])

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Self:
        """Return the batch with its tensors on `device`."""
        moved = {k: v.to(device, non_blocking=non_blocking) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)


def collate(samples: Sequence[Sample], config: ViewConfig | None = None) -> Batch:
    """Return the batch of `samples`; of training samples also mixed, shifted and limited as the config says.

    The first scene is kept whatever its size. Raises InputError for no samples, or training and test samples together.
    """
    config = ViewConfig() if config is None else config
    if not samples:
        raise InputError("batch: expected at least one sample, got none")
    if len({s.training for s in samples}) > 1:
        raise InputError("batch: expected samples that were all prepared for training or all without augmentation")
    dropped: tuple[str, ...] = ()
    if samples[0].training:
        samples = _mixed(samples, config.mix)
        samples, dropped = _fitting(samples, config.most_voxels)
    attributes = None
    if config.attributes == "raw":
        parts = [parted(s.voxels.labels, len(config.tail)) for s in samples]
        samples = [replace(s, voxels=replace(s.voxels, labels=own)) for s, (own, _) in zip(samples, parts)]
        attributes = torch.from_numpy(np.concatenate([found for _, found in parts]))
    coords = [_coords(b, s, samples[0] if config.shift == "batch" else s, config) for b, s in enumerate(samples)]
    labels = instances = centers = None
    if all(s.labelled for s in samples):
        labels = torch.from_numpy(np.concatenate([s.voxels.labels for s in samples]))
        found = [_things(s.voxels, config.stuff) for s in samples]
        instances = torch.from_numpy(np.concatenate(found))
        centers = torch.from_numpy(np.concatenate([_centers(c[:, 1:], i) for c, i in zip(coords, found)]))
    colors = np.concatenate([s.voxels.colors for s in samples])
    return Batch(
        coords=torch.from_numpy(np.concatenate(coords)),
        features=torch.from_numpy(colors / np.float32(255) - np.float32(0.5)),
        labels=labels,
        instances=instances,
        centers=centers,
        sizes=tuple(len(s.voxels) for s in samples),
        index=tuple(s.voxels.index for s in samples),
        names=tuple(s.name for s in samples),
        dropped=dropped,
        superpoints=tuple(s.superpoints for s in samples),
        attributes=attributes,
    )


def _mixed(samples: Sequence[Sample], probability: float) -> list[Sample]:
    result = []
    for group in pairs([s.chance for s in samples], probability):
        first = samples[group[0]]
        if len(group) == 2:
            second = samples[group[1]]
            name, labelled = f"{first.name} + {second.name}", first.labelled and second.labelled
            first = replace(first, name=name, labelled=labelled, voxels=mix(first.voxels, second.voxels))
        result.append(first)
    return result


def _fitting(samples: Sequence[Sample], most: int) -> tuple[list[Sample], tuple[str, ...]]:
    """Return the samples before the first that would exceed the limit, and the names of the rest.

    Source: docs/systems/lground.md §2.6.
    """
    total = np.cumsum([len(s.voxels) for s in samples])
    kept = len(samples) if most <= 0 else max(1, int((total <= most).sum()))
    return list(samples[:kept]), tuple(s.name for s in samples[kept:])


def _coords(number: int, sample: Sample, shifted: Sample, config: ViewConfig) -> np.ndarray:
    cells = sample.voxels.cells
    if config.shift != "none":
        cells = cells + np.array(shifted.shift)
    return np.insert(cells, 0, number, axis=1).astype(np.int32)


def _things(voxels: Voxels, stuff: np.ndarray) -> np.ndarray:
    """Return int64 [V]: the instance, -1 where the label is ignored or stuff (docs/systems/lground.md §4.5)."""
    return np.where((voxels.labels < 0) | stuff[voxels.labels], NONE, voxels.instances)


def _centers(cells: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Return float32 [V, 3]: the mean cell of each voxel's instance, its own cell where it has none.

    Source: docs/systems/lground.md §4.5.
    """
    centers = cells.astype(np.float32)
    inside = instances >= 0
    _, rows, counts = np.unique(instances[inside], return_inverse=True, return_counts=True)
    for axis in range(3):
        sums = np.bincount(rows, weights=cells[inside, axis], minlength=len(counts))
        centers[inside, axis] = (sums / counts)[rows]
    return centers
