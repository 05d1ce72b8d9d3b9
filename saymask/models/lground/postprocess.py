"""Post-processing of the outputs for voxels: classes, objects, and what fits words.

Source: docs/systems/lground.md §6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from saymask.answers import Classes, Objects
from saymask.errors import InputError
from saymask.labels.tables import LabelClass
from saymask.models.lground.cluster import Clustering, components, propose_dual, shifted

TEMPERATURE = 0.07
"""Cosines are divided by it before they become probabilities."""


@dataclass(frozen=True, eq=False)
class Support:
    """The S rows that a scan is answered for: its voxels, or its superpoints with the means over their points."""

    places: np.ndarray
    """float32 [S, 3]: position (of a superpoint: mean) in voxels."""
    vertices: np.ndarray
    """float32 [S, 3]: position moved by the predicted offset, in voxels; `places` without an offset head."""
    size: np.ndarray
    """int64 [S]: voxels of each row."""
    index: np.ndarray
    """int64 [N]: row of every point of the scan."""
    features: Tensor | None
    """float32 [S, D], to be compared with text."""
    logits: Tensor | None
    """float32 [S, C]."""


def make_support(
    cells: Tensor,  # int [V, 3]
    index: np.ndarray,  # int64 [N]: voxel of every point
    superpoints: np.ndarray | None,  # int64 [N]
    *,
    features: Tensor | None,  # float [V, D]
    logits: Tensor | None,  # float [V, C]
    offsets: Tensor | None,  # float [V, 3] metres
    voxel_size: float,
) -> Support:
    """Return the rows of a scan; with `superpoints` each is a superpoint, whose values are means over its points.

    Raises InputError for offsets that are not finite.
    """
    places = cells.cpu().numpy().astype(np.float32)
    vertices = places if offsets is None else shifted(places, offsets.cpu().numpy(), voxel_size)
    if not np.isfinite(vertices).all():
        raise InputError("expected finite offsets, got NaN or infinity; is the model trained?")
    if superpoints is None:
        return Support(places, vertices, np.ones(len(places), np.int64), index, features, logits)
    names, rows = np.unique(superpoints, return_inverse=True)
    pairs, points = np.unique(rows * len(places) + index, return_counts=True)
    row, voxel = np.divmod(pairs, len(places))
    weight = (points / np.bincount(rows, minlength=len(names))[row]).astype(np.float32)
    mean = csr_array((weight, (row, voxel)), shape=(len(names), len(places)))

    def pooled(values: Tensor | None) -> Tensor | None:
        if values is None:
            return None
        return torch.from_numpy(mean @ values.cpu().numpy()).to(values.device)

    size = np.bincount(row, minlength=len(names))
    return Support(mean @ places, mean @ vertices, size, rows, pooled(features), pooled(logits))


def likeliest(scan: Support, logits: Tensor, names: tuple[str, ...], ids: tuple[int, ...]) -> Classes:
    """Return the likeliest class of each row by logits float [S, C]; InputError when they are not finite."""
    if not bool(logits.isfinite().all()):
        raise InputError("expected finite logits, got NaN or infinity; is the model trained?")
    best, chosen = logits.float().softmax(1).max(1)
    return Classes(chosen.cpu().numpy(), best.cpu().numpy(), scan.index, names, ids)


def group_objects(
    scan: Support,
    logits: Tensor,
    table: Sequence[LabelClass],
    config: Clustering,
    *,
    unshifted: Sequence[str] = (),
    unshifted_clustering: Clustering | None = None,
) -> Objects:
    """Return the objects of a scan, best score first; those of the classes `unshifted` by their points without offsets.

    A superpoint counts as often as it has voxels. Published scores are raw logits (docs/systems/lground.md §7.21): they
    are brought to 0..1 by a function that keeps their order.
    """
    rows = np.repeat(np.arange(len(scan.size)), scan.size)
    found = propose_dual(
        scan.vertices[rows], scan.places[rows], logits.float().cpu().numpy()[rows], config,
        unshifted_clustering or config, classes=table, names=unshifted,
    )  # fmt: skip
    first = np.cumsum(scan.size) - scan.size
    owner = found.owner[first]
    scores = found.scores.astype(np.float64)
    if config.score != "probability":
        scores = 0.5 + 0.5 * scores / (1 + np.abs(scores))
    order = np.argsort(-scores, kind="stable")
    masks = owner[None] == np.arange(len(found))[order, None]
    return Objects(
        masks, scores[order].astype(np.float32), found.classes[order], scan.index,
        tuple(c.name for c in table), tuple(c.id for c in table),
    )  # fmt: skip


def group_found(
    scan: Support, fits: np.ndarray, names: tuple[str, ...], threshold: float, config: Clustering
) -> Objects:
    """Return an object per connected group of rows whose relevance (float32 [S, T]) is at least `threshold`.

    Rows are connected through their predicted centres, or their positions where there are none. Best score first.
    """
    repeated = np.repeat(np.arange(len(scan.size)), scan.size)
    masks, scores, owners = [], [], []
    for number in range(len(names)):
        inside = fits[:, number] >= threshold
        for part in components(scan.vertices[repeated], np.where(inside[repeated], 0, -1), config):
            mask = np.zeros(len(scan.size), bool)
            mask[repeated[part]] = True
            masks.append(mask)
            scores.append(float(np.average(fits[mask, number], weights=scan.size[mask])))
            owners.append(number)
    order = np.argsort(-np.array(scores), kind="stable")
    return Objects(
        np.array(masks, bool).reshape(len(masks), len(scan.size))[order],
        np.array(scores, np.float32)[order],
        np.array(owners, np.int64)[order],
        scan.index,
        names,
        tuple(range(1, len(names) + 1)),
        tuple(float(v) for v in fits.max(0, initial=0.0)),
    )
