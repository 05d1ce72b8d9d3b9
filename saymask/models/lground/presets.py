"""The presets of language-grounded segmentation: the published stages and their counterparts for Rooms.

Source: docs/systems/lground.md §5.
"""

from dataclasses import replace
from typing import Any

from saymask.data.samples.degrade import Degradation
from saymask.models.base import Preset, TrainConfig
from saymask.models.lground.batch import ViewConfig, instance_view
from saymask.models.lground.cluster import Clustering
from saymask.models.lground.config import LGroundConfig
from saymask.models.lground.transform import Augmentation
from saymask.nn.res16unet.plan import res16_plan, small_plan

PUBLISHED = TrainConfig(
    epochs=400,
    source="scans",
    batch_size=8,
    drop_last=False,
    optimizer="sgd",
    momentum=0.9,
    dampening=0.1,
    lr=0.05,
    weight_decay=1e-4,
    schedule="multi-step",
    milestones=(120, 150),
    decay=0.3,
    evaluate_every=1,
    task="semantic",
    protocol="scannet200",
)
"""As docs/systems/lground.md §5 says; the published scripts split the batch over their GPUs."""
PUBLISHED_BATCH = PUBLISHED.batch_size
"""Scenes per step, all GPUs together."""


def pretrain() -> Preset:
    """Return `lground.pretrain`: stage 1, features of 34D pulled to CLIP's class names."""
    model = LGroundConfig(classifier=False, text="features", view=ViewConfig(most_voxels=1_400_000))
    return Preset("lground.pretrain", "lground", model, PUBLISHED, PUBLISHED_BATCH)


def pretrain_34c() -> Preset:
    """Return `lground.pretrain-34c`: stage 1 of 34C, whose 96 features meet CLIP's anchors by a learned projection."""
    base = pretrain()
    model = replace(base.model, network=res16_plan("34CR"), text="anchors")
    return replace(base, name="lground.pretrain-34c", model=model)


def scannet200_34c() -> Preset:
    """Return `lground.scannet200-34c`: stage 2 of 34C with cross-entropy; start from its stage 1 by `--train.init`."""
    base = scannet200_ce()
    return replace(base, name="lground.scannet200-34c", model=replace(base.model, network=res16_plan("34C")))


def scannet200_ce() -> Preset:
    """Return `lground.scannet200-ce`: stage 2 with cross-entropy; start from stage 1 by `--train.init`."""
    return Preset("lground.scannet200-ce", "lground", LGroundConfig(), PUBLISHED, PUBLISHED_BATCH)


def scannet200_focal() -> Preset:
    """Return `lground.scannet200-focal`: stage 2 with the class-balanced focal loss of the follow-up."""
    train = replace(PUBLISHED, epochs=200)
    return Preset("lground.scannet200-focal", "lground", LGroundConfig(loss="focal"), train, PUBLISHED_BATCH)


def scannet200_finetune() -> Preset:
    """Return `lground.scannet200-finetune`: stage 3, the classifier alone, from a stage 2 by `--train.init`."""
    base = scannet200_focal()
    return replace(base, name="lground.scannet200-finetune", model=replace(base.model, trainable="classifier"))


def scannet200_5pct() -> Preset:
    """Return `lground.scannet200-5pct`: stage 2 with 5 % of the points of every object annotated."""
    model = LGroundConfig(view=ViewConfig(annotated=0.05))
    return Preset("lground.scannet200-5pct", "lground", model, PUBLISHED, PUBLISHED_BATCH)


def scannet200_instances() -> Preset:
    """Return `lground.scannet200-instances`: the instance network, from stage 1 or 2 by `--train.init`."""
    model = LGroundConfig(network=res16_plan("34D", instances=True), view=instance_view(), offsets=True, balanced=False)
    train = replace(PUBLISHED, lr=0.02, seed=123, milestones=(150, 200), task="instances", evaluate_every=5)
    return Preset("lground.scannet200-instances", "lground", model, train, PUBLISHED_BATCH)


def _long_tail(base: Preset, variant: str) -> Preset:
    """Return a stage as the follow-up trains it: voxels of 4 cm, 200 epochs (docs/systems/lground.md §2.4, §5)."""
    model = replace(base.model, view=replace(base.model.view, voxel_size=0.04))
    return replace(base, name=f"lground.long-tail-{variant}", model=model, train=replace(base.train, epochs=200))


def long_tail_pretrain() -> Preset:
    """Return `lground.long-tail-pretrain`: the follow-up's stage 1."""
    return _long_tail(pretrain(), "pretrain")


def long_tail_ce() -> Preset:
    """Return `lground.long-tail-ce`: its stage 2 with cross-entropy."""
    return _long_tail(scannet200_ce(), "ce")


def long_tail_focal() -> Preset:
    """Return `lground.long-tail-focal`: its stage 2 with the focal loss."""
    return _long_tail(scannet200_focal(), "focal")


def long_tail_finetune() -> Preset:
    """Return `lground.long-tail-finetune`: its stage 3, the classifier alone."""
    return _long_tail(scannet200_finetune(), "finetune")


def _rooms_model(**changes: Any) -> LGroundConfig:
    """Return the small network for Rooms: 6 cm voxels, 5.3 M weights, MiniLM as text."""
    view = ViewConfig(voxel_size=0.06, turn=0.3, augment=Augmentation(elastic=0.0))
    base = LGroundConfig(
        network=small_plan((32, 64, 128, 160, 128, 96, 64, 64)),
        view=view,
        encoder="minilm",
        text_width=384,
        # MiniLM's class names lie far apart (mean cosine 0.2), so that the published margin of 0.6 is met by itself and
        # nothing would push; with CLIP's, which lie close together, it pushes.
        contrast="anchors-ce",
        contrast_temperature=0.07,
        contrasted=16_384,
        superpoints=True,
        expected_text=True,
        find_threshold=0.65,
        clustering=Clustering(radius=4.0, min_points=5, propose_points=10, score="probability"),
    )
    return replace(base, **changes)


_ROOMS_TRAIN = TrainConfig(
    epochs=8,
    source="scans",
    batch_size=2,
    lr=3e-3,
    weight_decay=0.01,
    schedule="cosine",
    clip=1.0,
    conv_precision="auto",
    workers=1,
    evaluate_every=100,
    task="semantic",
    protocol="scannet200",
)


def rooms_pretrain() -> Preset:
    """Return `lground.rooms-pretrain`: stage 1 on Rooms."""
    model = _rooms_model(classifier=False, text="lifted")
    return Preset("lground.rooms-pretrain", "lground", model, _ROOMS_TRAIN)


def rooms_ce() -> Preset:
    """Return `lground.rooms-ce`: stage 2 on Rooms with cross-entropy."""
    return Preset("lground.rooms-ce", "lground", _rooms_model(), _ROOMS_TRAIN)


def rooms_focal() -> Preset:
    """Return `lground.rooms-focal`: stage 2 on Rooms with the focal loss."""
    return Preset("lground.rooms-focal", "lground", _rooms_model(loss="focal"), _ROOMS_TRAIN)


def rooms_finetune() -> Preset:
    """Return `lground.rooms-finetune`: stage 3 on Rooms."""
    model = _rooms_model(loss="focal", trainable="classifier")
    return Preset("lground.rooms-finetune", "lground", model, replace(_ROOMS_TRAIN, epochs=2))


def rooms_5pct() -> Preset:
    """Return `lground.rooms-5pct`: stage 2 on Rooms with 5 % of the points of every object annotated."""
    model = _rooms_model()
    model = replace(model, view=replace(model.view, annotated=0.05))
    return Preset("lground.rooms-5pct", "lground", model, _ROOMS_TRAIN)


def rooms() -> Preset:
    """Return `lground.rooms`: classifier, offsets and text at once, so that one model answers all three verbs."""
    model = _rooms_model(loss="focal", offsets=True, text="lifted", degrade=Degradation(share=0.6))
    return Preset("lground.rooms", "lground", model, replace(_ROOMS_TRAIN, epochs=16))
