"""The presets of LESS: the two published versions and the one for Rooms."""

from dataclasses import replace

from saymask.models.base import Preset, TrainConfig
from saymask.models.less.config import LessConfig


def scanrefer() -> Preset:
    """Return `less.scanrefer`: LESS as in its last published code (2024-12), for ScanRefer.

    Published are 7 samples on each of two GPUs; on one `--train.accumulate 2` makes as many.
    """
    train = TrainConfig(
        epochs=40, batch_size=7, lr=1e-4, weight_decay=0.05, text_lr=2e-5, text_weight_decay=0.01, protocol="less"
    )
    return Preset("less.scanrefer", "less", LessConfig(), train, published_batch=14)


def scanrefer_2024_10() -> Preset:
    """Return `less.scanrefer-2024-10`: the first release, whose area weight, augmentation and length differ."""
    base = scanrefer()
    model = replace(base.model, area_weight=1.0, augment="2024-10", align=False)
    return replace(base, name="less.scanrefer-2024-10", model=model, train=replace(base.train, epochs=64))


def rooms() -> Preset:
    """Return `less.rooms`: frozen MiniLM, 6 cm voxels, masks on superpoints; about an hour of training on two cores."""
    model = LessConfig(
        voxel_size=0.06,
        widths=(16, 32, 64, 128, 160),
        block_reps=1,
        text_encoder="minilm",
        text_width=384,
        freeze_text=True,
        normalize_text=True,
        decoder_width=128,
        ffn_width=512,
        support="superpoints",
        sample_points=40_000,
        relative_threshold=0.3,
        one_object=True,
    )
    train = TrainConfig(
        epochs=3,
        batch_size=4,
        lr=1e-3,
        weight_decay=0.05,
        schedule="cosine",
        warmup=0.05,
        clip=1.0,
        workers=1,
        evaluate_every=1,
        protocol="less",
        max_val=240,
    )
    return Preset("less.rooms", "less", model, train)
