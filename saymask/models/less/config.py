"""The settings of LESS."""

from dataclasses import dataclass, field, replace
from typing import Literal

from saymask.data.samples.degrade import Degradation


@dataclass(frozen=True)
class LessConfig:
    """Architecture, preprocessing and losses of LESS; the defaults are the last published code (2024-12), corrected."""

    voxel_size: float = 0.02
    """Edge of a voxel, metres."""
    widths: tuple[int, ...] = (32, 64, 96, 128, 160)
    """Feature widths of the U-Net's levels, finest first."""
    block_reps: int = 2
    """Residual blocks per level and side."""
    text_encoder: str = "roberta-base"
    """Name or local folder of the text encoder."""
    text_width: int = 768
    """Feature width of the text encoder."""
    freeze_text: bool = False
    """Keep the text encoder as it is: its features are cached and its weights stay out of the checkpoint."""
    normalize_text: bool = False
    """Bring word and sentence features to mean 0 and variance 1 before they are projected."""
    text_dropout: float = 0.15
    decoder_width: int = 256
    queries: int = 20
    ffn_width: int = 1024
    heads: int = 1
    decoder_layers: int = 1
    support: Literal["sites", "superpoints"] = "sites"
    """Support of the masks. `sites`: voxels weighted by their points, which equals the published points."""
    sample_points: int | None = 50_000
    """Points drawn from a scan for each training sample; None takes all."""
    augment: Literal["2024-12", "2024-10"] | None = "2024-12"
    """Training augmentation: of the last published code, of the first release, or none."""
    degrade: Degradation = field(default_factory=Degradation)
    """The training view as a hand-held sensor would have captured the scan; off by default (ours)."""
    align: bool = True
    """Apply the scan's axis alignment."""
    positive_weight: float = 20.0
    """Weight of target points in the segmentation loss."""
    area_weight: float = 10.0
    contrast_weight: float = 0.05
    threshold: float = 0.5
    """Mask probability above which a point belongs to the mask."""
    relative_threshold: float = 0.0
    """Lowers the threshold to this share of the highest probability where that is less; 0 keeps it as published."""
    one_object: bool = False
    """Keep only the connected component of the mask with the most probability, as a sentence means one object."""
    frozen_word_projection: bool = False
    """Official behaviour: the word projections keep their random initial values."""
    always_dropout: bool = False
    """Official behaviour: the word projections drop features in evaluation too."""
    zero_padding: bool = False
    """Official behaviour: padded words are attended to as zero vectors."""
    odd_extents: bool = False
    """Official behaviour: the last plane of voxels of a level with an odd extent does not enter the next level."""
    probability_loss: bool = False
    """Official behaviour: the cross-entropy acts on probabilities, its logarithms clamped at -100."""
    nan_contrast: bool = False
    """Official behaviour: a scene without a target point makes the contrast NaN."""


def compat(config: LessConfig, *, dropout: bool = True) -> LessConfig:
    """Return `config` with the official code's behaviour; without `dropout` its always-on dropout is left out."""
    return replace(
        config,
        frozen_word_projection=True,
        always_dropout=dropout,
        zero_padding=True,
        odd_extents=True,
        probability_loss=True,
        nan_contrast=True,
    )
