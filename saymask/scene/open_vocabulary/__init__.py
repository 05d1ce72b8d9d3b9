"""Any words, by the posed RGB-D frames of a scan: CLIP says what each 3D mask looks like.

`point_features` gives points the features of the image regions that show them, `name_masks` compares them with names,
and `Views` is both behind `scene.find(names, frames=Views(...))`.

Source: docs/systems/uniseg3d.md §6.7.
"""

from saymask.scene.open_vocabulary.encoder import PairEncoder, load_pair
from saymask.scene.open_vocabulary.features import PointFeatures, point_features
from saymask.scene.open_vocabulary.image_masks import ImageMask, MaskFolder
from saymask.scene.open_vocabulary.naming import name_masks, name_scores
from saymask.scene.open_vocabulary.views import Views

__all__ = [
    "ImageMask",
    "MaskFolder",
    "PairEncoder",
    "PointFeatures",
    "Views",
    "load_pair",
    "name_masks",
    "name_scores",
    "point_features",
]
