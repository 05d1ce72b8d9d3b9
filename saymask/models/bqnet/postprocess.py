"""Separation of the masks of the chosen queries into objects."""

import numpy as np
from scipy.sparse import csr_array

from saymask.nn.components import connected_components

OVERLAP = 0.5
"""Queries whose masks share this part of the smaller one mean the same object."""
LARGE_SHARE, LARGE_POINTS = 0.3, 50
"""A connected component is an object if it has this share of the largest one's points, and as many points."""


def group_queries(
    bits: np.ndarray,  # bool [M, S], masks of the chosen queries, the surest first
    weight: np.ndarray,  # float [S], points of each superpoint
) -> np.ndarray:
    """Return int64 [M], the object of each query, numbered by first appearance.

    A query joins the object whose first mask it shares most with, if that is at least `OVERLAP` of the smaller of the
    two masks; otherwise it begins an object. Empty masks belong to object -1.
    """
    size = bits @ weight
    shared = (bits * weight) @ bits.T.astype(weight.dtype)
    objects = np.full(len(bits), -1, np.int64)
    first: list[int] = []
    for query in range(len(bits)):
        if size[query] == 0:
            continue
        share = [shared[query, f] / min(size[query], size[f]) for f in first]
        best = int(np.argmax(share)) if share else -1
        if best >= 0 and share[best] >= OVERLAP:
            objects[query] = best
        else:
            objects[query] = len(first)
            first.append(query)
    return objects


def separate_objects(
    logits: np.ndarray,  # float [M, S], masks of the chosen queries, the surest first
    scores: np.ndarray,  # float [M], descending
    weight: np.ndarray,  # float [S], points of each superpoint
) -> tuple[np.ndarray, np.ndarray]:
    """Return (logits float32 [K, S], scores float32 [K]) of K objects that share no superpoint.

    The positive superpoints of all objects together are those of all queries together, so the union that 3D-GRES
    measures (docs/systems/bqnet.md §6.1) is the same; a superpoint of several objects goes to the one that is surest of
    it. An object has the score of its surest query. Elsewhere an object's logit is the highest of its queries, at most
    just below 0.
    """
    objects = group_queries(logits > 0, weight)
    count = int(objects.max(initial=-1)) + 1
    if count == 0:
        return np.zeros((0, logits.shape[1]), np.float32), np.zeros(0, np.float32)
    merged = np.stack([logits[objects == k].max(0) for k in range(count)]).astype(np.float32)
    owner = merged.argmax(0)
    foreign = owner != np.arange(count)[:, None]
    merged = np.where(foreign & (merged > 0), -np.finfo(np.float32).tiny, merged)
    kept = (merged > 0).any(1)
    surest = np.array([scores[objects == k].max() for k in range(count)], np.float32)
    return merged[kept], surest[kept]


def split_objects(
    logits: np.ndarray,  # float32 [K, S], disjoint masks
    scores: np.ndarray,  # float32 [K]
    weight: np.ndarray,  # float32 [S], points of each superpoint
    places: np.ndarray,  # float [S, 3], positions of the superpoints, metres
    graph: csr_array,  # [S, S], which superpoints touch
) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks with every large connected component as an object of its own; their union stays.

    Queries often mark several things of a kind at once. Small components go to the nearest large one of their mask.
    """
    split, kept = [logits[:0]], [scores[:0]]
    for mask, score in zip(logits, scores, strict=True):
        rows, part = connected_components(mask > 0, graph)
        points = np.bincount(part, weights=weight[rows])
        large = np.flatnonzero((points >= LARGE_SHARE * points.max()) & (points >= LARGE_POINTS))
        if len(large) < 2:
            large = np.array([points.argmax()])
        centers = np.stack([np.bincount(part, weights=weight[rows] * x) / points for x in places[rows].T], axis=1)
        nearest = np.linalg.norm(centers[:, None] - centers[large], axis=2).argmin(1)
        owner = np.full(len(mask), -1)
        owner[rows] = nearest[part]
        others = (owner != np.arange(len(large))[:, None]) & (mask > 0)
        split.append(np.where(others, -np.finfo(np.float32).tiny, mask).astype(np.float32))
        kept.append(np.full(len(large), score, np.float32))
    return np.concatenate(split), np.concatenate(kept)
