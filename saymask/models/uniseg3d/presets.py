"""The presets of UniSeg3D: the published model and the one for Rooms."""

from saymask.data.samples.degrade import Degradation
from saymask.models.base import Preset, TrainConfig
from saymask.models.uniseg3d.config import UniSeg3DConfig

HELD_OUT = ("nightstand", "whiteboard", "laptop", "bench", "suitcase", "cushion", "speaker")
"""Categories of Rooms that no class, name or sentence of training speaks of, to measure `find` with unknown words."""


def scannet() -> Preset:
    """Return `uniseg3d.scannet`: six tasks on ScanNet and ScanRefer as published (docs/systems/uniseg3d.md §3.6, §5).

    The published rate is (1 - e / 511)^0.9 in epochs 0 to 511, so that nothing is learned in the last one: 511 epochs
    give the same rates without it.
    """
    train = TrainConfig(
        source="scanrefer",
        sentences=0,
        epochs=511,
        batch_size=4,
        lr=1e-4,
        weight_decay=0.05,
        schedule="epoch-poly",
        power=0.9,
        clip=10.0,
        workers=16,
        seed=1,
        drop_last=False,
        evaluate_every=16,
        evaluate_last=16,
        task="all",
        protocol="uniseg3d",
    )
    return Preset("uniseg3d.scannet", "uniseg3d", UniSeg3DConfig(compat=True, window=0), train, published_batch=4)


def rooms() -> Preset:
    """Return `uniseg3d.rooms`: frozen MiniLM, 5 cm voxels, small widths; hours on two cores."""
    model = UniSeg3DConfig(
        voxel_size=0.05,
        widths=(32, 48, 64, 96, 128),
        block_reps=1,
        text_encoder="minilm",
        text_width=384,
        class_prompts=("{}",),
        width=128,
        heads=4,
        layers=3,
        ffn_width=256,
        position_encoding=True,
        words=True,
        texts_see_all=True,
        others=True,
        any_number=True,
        reads=True,
        surfaces=True,
        click_objects=True,
        clicks_anywhere=True,
        vocabulary_weight=0.2,
        held_out=HELD_OUT,
        most_queries=600,
        prompt_weight=0.3,
        augment="rotate",
        degrade=Degradation(share=0.85, sheets=0.6, panels=0.5),
        connected=2,
        instance_threshold=0.1,
        find_threshold=0.5,
        empty_rest=True,
    )
    train = TrainConfig(
        source="both",
        sentences=0,
        epochs=12,
        batch_size=2,
        lr=8e-4,
        weight_decay=0.01,
        schedule="cosine",
        warmup=0.05,
        clip=1.0,
        conv_precision="auto",
        workers=1,
        evaluate_every=2,
        protocol="3dres",
        max_val=300,
    )
    return Preset("uniseg3d.rooms", "uniseg3d", model, train)
