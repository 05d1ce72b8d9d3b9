"""The presets of BQNet: the published two and the one for Rooms, with the pre-training of its backbone."""

from dataclasses import replace

from saymask.data.samples.degrade import Degradation
from saymask.models.base import Preset, TrainConfig
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.pretrain import PretrainConfig


def res() -> Preset:
    """Return `bqnet.res`: 3D-RES on ScanRefer as published (docs/systems/bqnet.md §5), with 2D features."""
    train = TrainConfig(
        source="scanrefer",
        sentences=4,
        epochs=70,
        batch_size=2,
        lr=1e-4,
        weight_decay=5e-4,
        schedule="epoch-poly",
        clip=0.1,
        seed=320,
        evaluate_every=1,
        protocol="3dres",
    )
    model = BQNetConfig(image_features="clip-vit-l14-336", count="one")
    return Preset("bqnet.res", "bqnet", model, train, published_batch=2)


def gres() -> Preset:
    """Return `bqnet.gres`: 3D-GRES on Multi3DRefer as published (docs/systems/bqnet.md §5), with 2D features."""
    base = res()
    train = replace(base.train, source="multi3drefer", protocol="3dgres")
    return replace(base, name="bqnet.gres", model=replace(base.model, count="any"), train=train)


def rooms() -> Preset:
    """Return `bqnet.rooms`: frozen MiniLM, 5 cm voxels, both kinds of sentences; about an hour on two cores."""
    model = BQNetConfig(
        voxel_size=0.05,
        widths=(32, 48, 64, 96, 128),
        block_reps=1,
        text_encoder="minilm",
        text_width=384,
        normalize_text=True,
        width=128,
        heads=4,
        layers=3,
        ffn_width=256,
        queries=40,
        position_encoding=True,
        augment="rotate",
        degrade=Degradation(share=0.6),
        parser="rules",
        # The published terms are divided by the number of pairs, which leaves little for the masks and for telling
        # targets apart beside the terms that are not.
        mask_weight=5.0,
        dice_weight=5.0,
        sample_weight=1.0,
        indicator_weight=1.0,
        unpaired_weight=0.3,
        triplet_weight=0.1,
        connected_objects=True,
        one_threshold=0.3,
        target_threshold=0.75,
    )
    train = TrainConfig(
        source="both",
        sentences=12,
        epochs=3,
        batch_size=1,
        lr=5e-4,
        weight_decay=0.01,
        schedule="cosine",
        warmup=0.05,
        clip=1.0,
        conv_precision="auto",
        workers=1,
        evaluate_every=1,
        protocol="3dres",
        max_val=300,
    )
    return Preset("bqnet.rooms", "bqnet", model, train)


def rooms_backbone() -> Preset:
    """Return `bqnet.rooms-backbone`: the start of `bqnet.rooms`, from labels alone; minutes on two cores."""
    train = replace(
        rooms().train,
        source="scans",
        sentences=1,
        epochs=12,
        batch_size=2,
        lr=2e-3,
        task="none",
    )
    return Preset("bqnet.rooms-backbone", "bqnet-backbone", PretrainConfig(rooms().model), train)
