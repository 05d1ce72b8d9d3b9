"""The settings of BQNet and CFNet."""

from dataclasses import dataclass, field
from typing import Literal

from saymask.data.samples.degrade import Degradation


@dataclass(frozen=True)
class BQNetConfig:
    """Architecture, preprocessing and losses; the defaults are the published BQNet, but for its 2D features."""

    voxel_size: float = 0.02
    """Edge of a voxel, metres."""
    widths: tuple[int, ...] = (32, 64, 96, 128, 160)
    """Feature widths of the U-Net's levels, finest first."""
    block_reps: int = 2
    """Residual blocks per level and side."""
    text_encoder: str = "roberta-base"
    """Name or local folder of the frozen text encoder."""
    text_width: int = 768
    """Feature width of the text encoder."""
    text_dropout: bool = False
    """Official behaviour: the frozen text encoder keeps its dropout in training."""
    normalize_text: bool = False
    """Bring token features to mean 0 and variance 1 before they are projected."""
    image_features: str = ""
    """2D features that go in beside the points: `clip-vit-l14-336`, which the data must then have (`saymask prepare
    --image-features`), as the published presets do; "" = train and answer without any."""
    image_width: int = 1024
    """Channels of those 2D features."""
    width: int = 256
    heads: int = 8
    layers: int = 6
    ffn_width: int = 1024
    projection: int = 64
    """Width of the space in which queries and tokens are aligned."""
    seeds: int = 256
    """Superpoints that farthest point sampling picks per scan."""
    official_seeds: bool = True
    """Official behaviour of that sampling: superpoints within 3 cm of the scan's mean point are never picked, and
    ties follow the lanes of the published kernel; which seeds there are is part of what trained weights expect."""
    queries: int = 128
    """Seeds that the text keeps as queries."""
    distance_decay: float = 3.0
    """Decay of the distance weights in the query self-attention."""
    position_encoding: bool = False
    """Add an encoding of the superpoints' positions to their features; ours, the published network has none."""
    augment: Literal["official", "rotate", "none"] = "official"
    """Training augmentation: jitter, flip, rotation, colour shift and elastic distortion; rotation alone; nothing."""
    degrade: Degradation = field(default_factory=Degradation)
    """The training view as a hand-held sensor would have captured the scan; off by default (ours)."""
    most_points: int = 2_500_000
    """Larger scans are sampled in training."""
    parser: Literal["auto", "rules", "spacy"] = "auto"
    """Parser that finds targets, attributes and relations in a sentence; `auto`: spaCy where it is installed, settled
    and kept when a training begins."""
    vocabulary: str = ""
    """JSON file with the parser's noun lists in place of our own (as `saymask.text.scene_graph.vocabulary` reads them;
    the official ones with scannetv2-labels.combined.tsv beside them). A trained model holds the lists themselves."""
    feature_refinement: bool = False
    """CFNet's cross-layer feature refinement (CFR)."""
    spatial_constraint: bool = False
    """CFNet's progressive spatial constraint (PSC)."""
    query_focusing: bool = False
    """CFNet's distance-aware query focusing (DQF)."""
    mask_weight: float = 1.0
    dice_weight: float = 1.0
    score_weight: float = 0.5
    sample_weight: float = 5.0
    indicator_weight: float = 0.1
    unpaired_weight: float = 0.1
    """Weight of a query without an object in the indicator loss; one with an object weighs 1."""
    semantic_weight: float = 0.1
    triplet_weight: float = 1.0
    repeated_masks: bool = False
    """Official behaviour: masks of several targets are looked up by object number in the stack of repeated masks."""
    empty_is_nan: bool = False
    """Official behaviour: a batch without any target has NaN losses, and its step is skipped."""
    stretched_images: bool = False
    """Official behaviour of the 2D features: the map of the square crop is stretched over the whole frame."""
    odd_extents: bool = False
    """Official behaviour: the last plane of voxels of a level with an odd extent does not enter the next level."""
    count: Literal["one", "any"] = "any"
    """What a sentence of a user is answered with: the mask of the surest query (3D-RES), or one per object."""
    target_threshold: float = 0.5
    """Probability above which a query is one of the referred objects (3D-GRES)."""
    connected_objects: bool = False
    """Ours: an object is one connected component. One object is the best component of its mask; of several, each large
    component of a mask is an object of its own, which leaves their union as it is."""
    one_threshold: float = 0.5
    """Mask probability above which a superpoint belongs to the one object; used with `connected_objects`."""
    smallest_mask: int = 50
    """A union of masks with fewer points than this is no answer (3D-GRES)."""
