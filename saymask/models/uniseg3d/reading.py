"""Sentences read as scene graphs over a scan's named objects (ours, `config.reads`).

The network's own mask of a sentence holds on rooms like those it was trained on; its objects and their names hold
further. So objects are chosen by `saymask.text.grounding`, and the mask only decides between those that fit alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from saymask.geometry.relations import Boxes
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.encoded import EncodedScan
from saymask.models.uniseg3d.extensions import (
    object_logits,
    rooms_of,
    scan_named_parts,
    unrivalled,
    vocabulary_names,
)
from saymask.models.uniseg3d.places import Places
from saymask.models.uniseg3d.postprocess import mean_over
from saymask.nn.blocks import full_precision
from saymask.text.grounding import Things, ground, meant
from saymask.text.scene_graph.parse import parse_sentence

CLOSE = 0.05
"""Cosine by which a known name that is less like a noun counts 1/e of the closest one."""
KIND = 0.3
"""What a known name counts that says a kind of the noun: an office chair is a chair."""
PIECE = 0.5
"""Share of the smaller of two masks inside the other from which one is a piece of the other."""
MASK, LEAST = 0.25, 0.05
"""Power of the mask's share of an object, and what is added to the share."""


@dataclass(frozen=True, eq=False)
class Parts:
    """K parts of a scan that a sentence may mean."""

    masks: Tensor  # bool [K, S]
    share: Tensor  # float32 [K, V], of each known name, sum 1
    things: Things


def scan_parts(scan: EncodedScan, vocabulary: Tensor, config: UniSeg3DConfig) -> Parts:
    """Return the objects of a scan and what else has a name there, kept for the next sentences."""
    masks, share = scan_named_parts(scan, vocabulary, config)
    places = scan.places
    assert places is not None

    def make() -> Things:
        of = (masks, scan.counts, scan.rooms, rooms_of(masks, scan.counts, scan.rooms))
        return things_of(places, *(t.cpu().numpy() for t in of))

    return Parts(masks, share, scan.kept(("things", config), make))


def things_of(
    places: Places,
    masks: np.ndarray,  # bool [K, S]
    counts: np.ndarray,  # int64 [S] points of each superpoint
    rooms: np.ndarray,  # int64 [S] of each superpoint, from 0
    inside: np.ndarray,  # int64 [K] room of each mask
) -> Things:
    """Return where masks lie, their colours, and the boxes of their rooms."""
    low, high, colors = np.zeros((3, len(masks), 3))
    for row, mask in enumerate(masks):
        low[row], high[row] = places.low[mask].min(axis=0), places.high[mask].max(axis=0)
        colors[row] = counts[mask] @ places.colors[mask] / max(int(counts[mask].sum()), 1)
    corners = [
        (places.low[rooms == r].min(axis=0), places.high[rooms == r].max(axis=0)) for r in range(rooms.max() + 1)
    ]
    bottom, top = (np.stack(values)[inside] for values in zip(*corners))
    return Things(Boxes(low, high), colors, Boxes(bottom, top))


def name_fits(share: Tensor, name: str, embedding: Tensor, vocabulary: Tensor, known: Sequence[str]) -> Tensor:
    """Return float [K]: the probability that parts are what a noun says, from their shares [K, V] of known names.

    Names that are as good as the closest one count whole (embedding float [K', W] of the noun, vocabulary [V, W] of the
    known names), and those of its kinds somewhat.
    """
    cosine = (vocabulary @ embedding.T).amax(1)
    weight = ((cosine - cosine.max()) / CLOSE).exp()
    kinds = torch.tensor([other == name or other.endswith(f" {name}") for other in known], device=weight.device)
    return (share @ torch.maximum(weight, KIND * kinds)).clamp(0, 1)


def apart(masks: Tensor, counts: Tensor) -> Tensor:
    """Return the rows int64 of masks bool [M, S], best first, of which less than half lies in a better one or holds it.

    An object is answered once, not with its pieces; `counts` int [S] are the points of each superpoint.
    """
    weight = masks * counts.float()
    both = weight @ masks.float().T
    area = both.diagonal()
    return unrivalled(both / torch.minimum(area[:, None], area).clamp(min=1) >= PIECE)


def calibrated(scores: Tensor, config: UniSeg3DConfig) -> Tensor:
    """Return scores float [M] in 0..1 as probabilities of being right, where the model is calibrated."""
    if not config.calibration:
        return scores
    slope, offset = config.calibration
    return (slope * torch.logit(scores, eps=1e-6) + offset).sigmoid()


def read_sentence(
    scan: EncodedScan,
    sentence: str,
    mask: Tensor,  # float [S] logits of the sentence's own mask
    something: float,  # the probability that the sentence means anything
    count: Literal["one", "any"],
    vocabulary: Tensor,  # float32 [V, W]
    embed: Callable[[Sequence[str]], Tensor],  # names to float [T, K', W]
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor, float] | None:
    """Return logits [M, S] and scores [M] of what a sentence means, and the best score; None if it cannot be read."""
    graph = parse_sentence(sentence, backend="rules")
    parts = scan_parts(scan, vocabulary, config)
    if graph.main is None or not len(parts.masks):
        return None
    known = vocabulary_names(config.held_out)

    def fits(name: str) -> np.ndarray:
        return scan.kept(
            ("fits", config, name),
            lambda: name_fits(parts.share, name, embed([name])[0], vocabulary, known).float().cpu().numpy(),
        )

    score = ground(graph, parts.things, fits)
    sure = mean_over(full_precision(mask).sigmoid(), parts.masks, scan.counts).cpu().numpy()
    rows = meant(graph, score, score * (sure + LEAST) ** MASK, something, count)
    rows = rows[apart(parts.masks[rows], scan.counts).cpu().numpy()]
    scores = torch.from_numpy(score[rows]).to(mask)
    logits = object_logits(parts.masks[rows], scores, config.mask_threshold)
    # The best score stays as it is: of a sentence that is answered with nothing no share of right answers is known.
    return logits, calibrated(scores, config), float(score.max())
