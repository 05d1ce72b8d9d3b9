"""Names of masks, from the features of their points (docs/systems/uniseg3d.md §6.7, step 2)."""

from collections.abc import Sequence

import numpy as np

from saymask.answers import Objects
from saymask.masks import Masks
from saymask.scene.open_vocabulary.encoder import PairEncoder, unit
from saymask.scene.open_vocabulary.features import PointFeatures
from saymask.scene.to_masks import found_masks

SCALE = 300.0
"""Factor of the cosine before the softmax over names."""
MOST = 600
"""Pairs of mask and name that are kept."""
SAME_MEANING = 0.5
"""Share of the way from the mean similarity of names to 1 from which two names mean the same."""
_CHUNK = 16_384


def name_scores(
    masks: Masks,
    features: PointFeatures,
    names: Sequence[str],
    encoder: PairEncoder,
    *,
    rivals: Sequence[str] = (),
    count_unseen: bool = False,
) -> np.ndarray:
    """Return float32 [M, T] in 0..1: how likely each mask shows what each name says; NaN where no frame tells.

    A point's probability is the softmax over names of 300 times the cosine, a mask's the mean over its points. `rivals`
    are names that compete but are not asked for: among one name alone everything is that. Points that no frame shows
    are left out; with `count_unseen` they count with the same probability for every name, as published.
    """
    texts = unit(encoder.texts([*names, *rivals]))
    size = masks.support.shape[1]
    total, weight = np.zeros((size, len(names))), np.zeros(size)
    rows = np.flatnonzero(np.append(masks.support.any(axis=0), False)[masks.index])
    if not count_unseen:
        rows = rows[features.seen[rows]]
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        probability = _softmax(SCALE * features.cosines(texts, part) if len(features.regions) else _equal(part, texts))
        own = masks.index[part]
        weight += np.bincount(own, minlength=size)
        for t in range(len(names)):
            total[:, t] += np.bincount(own, probability[:, t], size)
    count = masks.support @ weight
    scores = np.full((len(masks), len(names)), np.nan, np.float32)
    np.divide(masks.support @ total, count[:, None], out=scores, where=count[:, None] > 0, casting="same_kind")
    return scores


def _equal(rows: np.ndarray, texts: np.ndarray) -> np.ndarray:
    return np.zeros((len(rows), len(texts)), np.float32)


def _softmax(logits: np.ndarray) -> np.ndarray:
    out = np.exp(logits - logits.max(axis=1, keepdims=True))
    return out / out.sum(axis=1, keepdims=True)


def name_masks(
    masks: Masks,
    features: PointFeatures,
    names: Sequence[str],
    encoder: PairEncoder,
    *,
    rivals: Sequence[str] = (),
    threshold: float = 0.0,
    most: int = MOST,
    count_unseen: bool = False,
) -> Masks:
    """Return the best pairs of a mask and a name, best first; a mask may have several names.

    `labels` is a name's number from 1. Kept are the best `most` pairs of a score from `threshold` on; `Masks.message`
    says for which names there is none. With all 198 names and `count_unseen` this is the published step; for the rest
    see `name_scores`.
    """
    scores = name_scores(masks, features, names, encoder, rivals=rivals, count_unseen=count_unseen)
    likely = np.nan_to_num(scores, nan=-1.0)
    order = np.argsort(-likely, axis=None, kind="stable")[:most]
    row, name = np.unravel_index(order, likely.shape)
    kept = likely[row, name] >= max(threshold, 0.0)
    row, name = row[kept], name[kept]
    best = likely.max(axis=0, initial=0.0)
    ids = tuple(range(1, len(names) + 1))
    found = Objects(masks.support[row], likely[row, name], name, masks.index, tuple(names), ids, tuple(best.tolist()))
    return found_masks(found, masks.scan, threshold)


def different(names: Sequence[str], others: Sequence[str], encoder: PairEncoder) -> tuple[str, ...]:
    """Return those of `others` that do not mean the same as one of `names` ("couch" and "sofa").

    Unrelated words are not at the cosine 0 in CLIP's space, so the mean over `others` is taken for unrelated.
    """
    asked, known = (unit(encoder.texts(list(words))) for words in (names, others))
    similar = asked @ known.T
    mean = similar.mean(axis=1, keepdims=True)
    same = (similar - mean >= SAME_MEANING * (1 - mean)).any(axis=0)
    return tuple(name for name, drop in zip(others, same) if not drop)
