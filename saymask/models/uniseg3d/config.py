"""The settings of UniSeg3D."""

import math
from dataclasses import dataclass, field
from typing import Literal

from saymask.data.samples.degrade import Degradation
from saymask.data.superpoint_truth import STUFF, THINGS
from saymask.errors import InputError
from saymask.geometry.windows import SMALLEST

CLASSES = THINGS + STUFF
FLOOR = 1
"""Number of the class; wall is 0."""


@dataclass(frozen=True)
class UniSeg3DConfig:
    """Architecture, preprocessing, losses and post-processing; the defaults are the published model.

    Source: docs/systems/uniseg3d.md §3.6.
    """

    voxel_size: float = 0.02
    """Edge of a voxel, metres."""
    widths: tuple[int, ...] = (32, 64, 96, 128, 160)
    """Feature widths of the U-Net's levels, finest first."""
    block_reps: int = 2
    """Residual blocks per level and side."""
    odd_extents: bool = False
    """Official behaviour: on odd extents the last plane of voxels is dropped (docs/systems/uniseg3d.md §Q2)."""
    text_encoder: str = "clip-convnext-large-d-320"
    """Name or local folder of the frozen text encoder (sentences and class names)."""
    text_width: int = 768
    """Channels of its sentence features."""
    width: int = 256
    heads: int = 8
    layers: int = 6
    ffn_width: int = 1024
    class_prompts: tuple[str, ...] = ()
    """Texts with one {} for a class name, averaged to a class embedding; () = the 14 of the lineage.

    Source: docs/systems/uniseg3d.md §2.9.
    """
    class_embeddings: str = ""
    """File with the class embeddings that training uses, the official `scannet_cls_embedding.pth`; without it they are
    made of the classes' names by the text encoder (docs/systems/uniseg3d.md §2.9)."""
    class_prototypes: int = 1
    """Texts per class in the class embeddings; that of the file, where one is given."""
    logit_scale: float = 4.6052
    """Class logits are cosines times exp of this."""

    position_encoding: bool = False
    """Add a positional encoding to superpoints (ours)."""
    words: bool = False
    """Sentences are read word by word in every layer, not as one feature alone (ours)."""
    texts_see_all: bool = False
    """Sentences look at the whole scan in every layer, not at what their mask so far covers (ours)."""

    others: bool = False
    """Train with annotated objects outside the 18 classes, too: as novel objects, with clicks and sentences (ours)."""
    any_number: bool = False
    """Sentences may be about none or several objects: the target is all of them together, and the answer is one mask
    per object (ours)."""
    reads: bool = False
    """Sentences are read as scene graphs over the scan's named objects; the network's mask of a sentence only decides
    between objects that fit alike (ours). Needs `any_number` and `vocabulary_weight`."""
    calibration: tuple[float, ...] = ()
    """Slope and offset that make the logit of a read sentence's score that of being right (IoU over 0.5), as `python
    -m benchmarks.reliability` fits them; () = scores as they come (ours). Source: Platt 1999."""
    surfaces: bool = False
    """A click on wall or floor that shows no thing marks that surface (ours); as published it marks some thing."""
    click_objects: bool = False
    """A click marks the object of the scan that fits its mask best (ours); as published, that mask."""
    clicks_anywhere: bool = False
    """Training also clicks on any superpoint of every object, and on wall and floor, which show no thing (ours)."""
    vocabulary_weight: float = 0.0
    """Weight of telling objects and superpoints apart by their names among ScanNet200's (ours; 0 = not learned)."""
    held_out: tuple[str, ...] = ()
    """Names that training never hears: not among those names, and no sentence that contains one."""

    query_share: float = 0.5
    """Smallest share of superpoints that are queries in training (docs/systems/uniseg3d.md §3.2)."""
    most_queries: int = 3500
    augment: Literal["official", "rotate", "none"] = "official"
    degrade: Degradation = field(default_factory=Degradation)
    """The training view as a hand-held sensor would have captured the scan; off by default (ours)."""

    class_weight: float = 0.5
    mask_weight: float = 1.0
    dice_weight: float = 1.0
    background_weight: float = 0.1
    """Weight of "no object" in the class loss."""
    novel_weight: float = 0.1
    iou_weight: float = 0.1
    semantic_weight: float = 0.2
    prompt_weight: float = 0.1
    """Of the click and of the text criterion."""
    contrast_weight: float = 0.1
    rank_weight: float = 0.1
    distill_weight: float = 0.1
    """Of both distillations: clicks to superpoint queries, clicks to sentences."""
    exponential_scale: bool = False
    """Use the exponential of the trained contrastive scale, as CLIP does; the published code does not.

    Source: docs/systems/uniseg3d.md §Q5.
    """
    adapt: float = 0.0
    """Weight of a scan's own BatchNorm statistics when it is encoded, 0 = the stored ones as published (ours)."""
    compat: bool = False
    """Official scalings: dice times 4, and once more divided by the batch in auxiliary stages.

    Source: docs/systems/uniseg3d.md §Q6.
    """

    window: float = 10.5
    """Metres: scans that are longer or wider are encoded and asked in windows of about a room's size, whose answers are
    joined (ours, `windowed.py`); 0 = every scan as a whole, as published."""

    top_masks: int = 600
    """(query, class) pairs that are looked at (docs/systems/uniseg3d.md §6.1)."""
    mask_threshold: float = 0.4
    """Probability above which a superpoint belongs to a mask."""
    connected: int = 0
    """An object is the connected part of its mask where its query's superpoint lies; parts are connected through blocks
    of so many voxels that touch (ours). 0 = the whole mask, as published."""
    instance_threshold: float = 0.0
    """Score that an instance needs."""
    panoptic_threshold: float = 0.5
    """Score that a thing needs in the panoptic answer."""
    empty_rest: bool = False
    """In the panoptic answer, what no thing covers and is neither wall nor floor stays empty (ours); as published it is
    wall or floor."""
    fewest_points: int = 100
    """Masks with this many points or fewer are dropped."""
    agnostic_threshold: float = 0.6
    """Confidence of class-agnostic masks (docs/systems/uniseg3d.md §6.5)."""
    object_threshold: float = 0.5
    """Mean probability of an object's points from which a sentence means it, if `any_number`."""
    target_threshold: float = 0.0
    """Probability that a sentence means anything at all below which it is answered with no mask, if `any_number`."""
    find_threshold: float = 0.4
    """Relevance that an object needs to be found for a name: that the name fits, times the mask's confidence (ours)."""

    def __post_init__(self) -> None:
        """Raise InputError for a window that is no size."""
        number = isinstance(self.window, (int, float)) and not isinstance(self.window, bool)
        if not number or not (self.window == 0 or SMALLEST <= self.window < math.inf):
            raise InputError(
                f"window: expected metres from {SMALLEST:g} on, or 0 for every scan as a whole, got {self.window!r}"
            )
