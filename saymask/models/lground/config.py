"""Configuration of language-grounded segmentation (LGround): one class for its three stages, as data."""

from dataclasses import dataclass, field
from typing import Literal

from saymask.data.samples.degrade import Degradation
from saymask.errors import InputError
from saymask.models.lground.batch import ViewConfig
from saymask.models.lground.cluster import Clustering
from saymask.nn.res16unet.plan import Res16Plan, res16_plan


@dataclass(frozen=True)
class LGroundConfig:
    """Settings of the network, of the view of a scan, and of the losses."""

    network: Res16Plan = field(default_factory=lambda: res16_plan("34D"))
    view: ViewConfig = field(default_factory=ViewConfig)
    degrade: Degradation = field(default_factory=Degradation)
    """The training view as a hand-held sensor would have captured the scan; off by default (ours)."""

    classifier: bool = True
    """A linear layer from features to classes (stages 2 and 3)."""
    offsets: bool = False
    """The head of the instance network (docs/systems/lground.md §3.2)."""
    text: Literal["none", "features", "anchors", "lifted"] = "none"
    """Comparison of features with text: none; as they are (34D, as wide as the text); with the anchors projected to
    their width (34CR_Proj, docs/systems/lground.md §3.1); or, ours for narrow networks, projected themselves to the
    text's width, so that the text space stays as the encoder made it."""
    encoder: str = "clip-vit-b32"
    """Text encoder of the anchors (`saymask.text.encoder`)."""
    text_width: int = 512
    """Channels of its features."""
    anchors: str = ""
    """File of anchors (`saymask anchors`, or the official pickle); without it they are made with `encoder`."""

    trainable: Literal["all", "classifier"] = "all"
    """Stage 3 trains the classifier only."""
    contrast_weight: float = 1.0
    """Weight of the contrastive loss (docs/systems/lground.md §4.1); takes effect with `text`."""
    contrast: Literal["anchors", "anchors-ce", "anchors-mse", "voxels"] = "anchors"
    """Hinge against anchors (published), cross-entropy over cosines, mean squared error, or voxels of the batch."""
    contrast_temperature: float = 1.0
    """Cosines are divided by it in `anchors-ce`; the published code does not."""
    contrasted: int = 0
    """Labelled voxels of a batch, drawn at random, that the contrastive loss looks at; 0 = all, as published."""
    negatives: int = 3
    negatives_present: bool = False
    """Draw negatives among the classes of the batch only."""
    distance: Literal["cos", "l2"] = "cos"
    positive_margin: float = 0.0
    negative_margin: float = 0.6
    negative_weight: float = 1.0
    norm_penalty: bool = False
    """Add the penalty of feature norms (docs/systems/lground.md §4.1)."""

    loss: Literal["ce", "focal"] = "ce"
    """Of the classifier (docs/systems/lground.md §4.3)."""
    gamma: float = 2.0
    class_weights: str = ""
    """Weights of the focal loss: counted in the training data, or read from the official pickle."""
    balanced: bool = True
    """Sub-sample head and common voxels by `keep_head` and `keep_common` (docs/systems/lground.md §4.4)."""
    keep_head: float = -1.0
    keep_common: float = -1.0
    """Share of voxels kept per class; 0 or less = all."""
    sampling_weights: str = ""
    """Draws of the classes to insert: tail classes alike, or by the official pickle."""

    clustering: Clustering = field(default_factory=Clustering)
    """Clustering of instances; the unit is the voxel."""
    unshifted: tuple[str, ...] = ()
    """Classes whose objects are grouped by their points as they are, without offsets: published for ScanNet20 are
    bookshelf, counter and curtain (docs/systems/lground.md §6.5, dual set)."""
    unshifted_clustering: Clustering = field(
        default_factory=lambda: Clustering(radius=2.5, min_points=50, propose_points=250)
    )
    """Clustering of those; 2.5 voxels of 2 cm are the published 5 cm."""
    superpoints: bool = False
    """Answer per superpoint, by the mean over its points (ours; the published answer is per voxel)."""
    expected_text: bool = False
    """Let `find` compare words with the mean anchor under a row's class probabilities in place of its feature (ours): a
    feature that was trained to be closer to its class than to others need not be close to any text."""
    find_threshold: float = 0.5
    """Relevance from which on `find` marks points."""
    train_statistics: bool = False
    """Stage 3 as published: running statistics of the frozen network go on changing (docs/systems/lground.md §7.17)."""
    compat: bool = False
    """Divide losses as the published code does (docs/systems/lground.md §7.8)."""

    def __post_init__(self) -> None:
        if self.trainable == "classifier" and not self.classifier:
            raise InputError("trainable='classifier' needs classifier=True: there is nothing else to train")
        if not (self.classifier or self.offsets or self.text != "none"):
            raise InputError("expected a classifier, offsets or text: this model would answer nothing")
        if self.offsets and not self.classifier:
            raise InputError("offsets need a classifier: objects are groups of voxels of one class")
        if self.text == "features" and self.network.features != self.text_width:
            raise InputError(
                f"text='features' needs a network as wide as the text ({self.text_width}), got "
                f"{self.network.features}; use 'anchors' or 'lifted'"
            )
