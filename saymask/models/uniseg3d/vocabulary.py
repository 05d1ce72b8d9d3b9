"""Names beyond the 20 classes: told apart in training (`config.vocabulary_weight`), and used to find words.

Ours. The published model knows 20 names and leaves all others to the CLIP features of posed frames
(docs/systems/uniseg3d.md §6.7).
"""

import re
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.labels.tables import scannet200
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.encoded import SuperpointOutputs
from saymask.models.uniseg3d.matching import wide
from saymask.models.uniseg3d.postprocess import Found, points
from saymask.text.relevance import rise

TEMPERATURE = 0.07
"""Temperature of the cosines of directions and names; much softer than among the 20 classes, so that similar things
come to lie where similar names are."""
BETTER = 0.1
"""Share of the best fit in a scan by which another part may stay behind."""
LABEL_SET = "scannet200"
"""Name of these classes for the user."""


@lru_cache
def vocabulary_names(held_out: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of ScanNet200's classes, those held out left out."""
    return tuple(c.name for c in scannet200() if c.name not in held_out)


@lru_cache
def vocabulary_ids(held_out: tuple[str, ...] = ()) -> tuple[int, ...]:
    """Return ScanNet200's class id of each of `vocabulary_names`."""
    return tuple(c.id for c in scannet200() if c.name not in held_out)


@lru_cache
def vocabulary_rows(held_out: tuple[str, ...] = ()) -> np.ndarray:
    """Return int64 [200], the row in `vocabulary_names` of each class of ScanNet200; -1 = held out."""
    row = {name: index for index, name in enumerate(vocabulary_names(held_out))}
    return np.array([row.get(c.name, -1) for c in scannet200()], np.int64)


def mentions(sentence: str, names: tuple[str, ...]) -> bool:
    """Return whether a sentence contains one of the names as words, in the singular or with an s."""
    return any(re.search(rf"\b{re.escape(name)}s?\b", sentence, re.IGNORECASE) for name in names)


def name_logits(directions: Tensor, vocabulary: Tensor) -> Tensor:
    """Return float [..., V] for directions float [..., W] and the names' embeddings float [V, W], all of length 1."""
    return wide(directions) @ vocabulary.T.to(wide(directions).dtype) / TEMPERATURE


def closeness(directions: Tensor, names: Tensor, vocabulary: Tensor) -> Tensor:
    """Return logits float [S, T] of names float [T, K, W] for directions [S, W]: known names speak for unknown ones."""
    shown = _mean_name(name_logits(directions, vocabulary).softmax(1), vocabulary)
    return name_logits(shown, names.flatten(0, 1)).unflatten(1, names.shape[:2]).amax(2)


def _mean_name(share: Tensor, vocabulary: Tensor) -> Tensor:
    """Return the mean of the known names [V, W] under the shares [..., V], of length 1."""
    return F.normalize(share @ vocabulary, dim=-1)


def named_parts(
    found: Found,  # the scan's `naming.shown_objects`
    said: SuperpointOutputs,
    counts: Tensor,  # int64 [S] points of each superpoint
    vocabulary: Tensor,  # float32 [V, W]
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor]:
    """Return K parts of a scan that words may mean, bool [K, S], and what they may be, float32 [K, V] of sum 1.

    The parts are the objects; what is in none of them, such as walls, is parted by the name that is likeliest there,
    and counts with more than `config.fewest_points` points. An object's names are the mean of what its query and what
    its superpoints say.
    """
    local = name_logits(said.directions, vocabulary).softmax(1)
    directions = said.stage.directions
    assert directions is not None
    own = name_logits(directions[found.queries], vocabulary).softmax(1)
    share = (own + _mean_inside(found.masks * counts, local)) / 2
    rest = local.argmax(1).masked_fill(found.masks.any(0), -1)
    names = rest.unique()
    masks = rest == names[names >= 0][:, None]
    masks = masks[points(masks, counts) > config.fewest_points]
    return torch.cat([found.masks, masks]), torch.cat([share, _mean_inside(masks * counts, local)])


def _mean_inside(weights: Tensor, values: Tensor) -> Tensor:
    """Return the mean [K, V] of values [S, V] with weights [K, S] that are not all 0."""
    weights = weights.to(values.dtype)
    return weights @ values / weights.sum(1, keepdim=True)


def word_relevance(share: Tensor, names: Tensor, vocabulary: Tensor) -> Tensor:
    """Return float32 [K, T] in 0..1: how well what is `share` [K, V] of each known name fits texts float [T, K', W].

    The known names' mean under the shares is compared with each text, so that an unknown word ("couch") is found by the
    known one that means about the same. What shows nothing known in particular is a little like everything: it is
    relevant only as far as nothing in the scan fits better, down to 0 at `BETTER` less than the best.
    """
    shown = _mean_name(share, vocabulary)
    flat = names.flatten(0, 1)
    fits = rise(shown @ flat.T, vocabulary @ flat.T).unflatten(1, names.shape[:2]).amax(2)
    if not len(fits):  # too few points for a part
        return fits
    best = fits.amax(0).clamp(min=torch.finfo(fits.dtype).tiny)
    return fits.clamp(0, 1) * (1 - (1 - fits / best) / BETTER).clamp(0, 1)
