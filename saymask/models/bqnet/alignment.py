"""The losses on the shared space of queries and words: semantic alignment and the hard-query triplet.

All functions take the T stages at once and return a value per stage.

Source: docs/systems/bqnet.md §4.4, §4.5.
"""

import torch
from torch import Tensor

TEMPERATURE = 0.07
"""Temperature of the similarities between queries and tokens."""
MARGIN = 0.3
"""Margin of the triplet loss."""
UNPAIRED = 0.1
"""Weight of queries without an object."""
EPS = 1e-6


def semantic_alignment(
    queries: Tensor,  # float [T, U, Q, C] unit vectors
    tokens: Tensor,  # float [T, U, L, C] unit vectors
    paired: Tensor,  # bool [U, Q] queries with an object
    maps: Tensor,  # float [U, 5, L] token maps: positive, modify, pron, rel, other
    text_mask: Tensor,  # bool [U, L], True = a token; the last one is </s>
) -> Tensor:
    """Return [T]: the sum over queries and tokens, both ways (A + B), not yet divided by 2N.

    Paired queries belong to the words of their sentence's maps, the others to the last two tokens ("mentioned" and
    </s>). Padding columns take part in the sums over tokens, as in the official code.

    Source: docs/systems/bqnet.md §4.4.
    """
    similarity = queries @ tokens.transpose(-1, -2) / TEMPERATURE  # [T, U, Q, L]
    ends = _end_tokens(text_mask)
    to_words = _queries_to_tokens(similarity, paired, maps, ends.any(2))
    return to_words + _tokens_to_queries(similarity, paired, maps, ends)


def _end_tokens(text_mask: Tensor) -> Tensor:
    """Return bool [U, L, 2]: the token before </s>, and </s>."""
    end = text_mask.sum(1) - 1
    columns = torch.arange(text_mask.shape[1], device=text_mask.device)
    return columns[:, None] == torch.stack([end - 1, end], 1).clamp(min=0)[:, None]


def _queries_to_tokens(similarity: Tensor, paired: Tensor, maps: Tensor, ends: Tensor) -> Tensor:
    support = (maps > 0).to(similarity.dtype)  # [U, 5, L]
    mean = support / (support.sum(2, keepdim=True) + EPS)
    described = mean[:, 0] + 0.2 * mean[:, 1] + 0.2 * mean[:, 2] + 0.1 * mean[:, 3]  # [U, L]
    nothing = ends / (ends.sum(1, keepdim=True) + EPS)
    words = torch.where(paired[..., None], described[:, None], nothing[:, None])  # [U, Q, L]
    # words of other objects count twice in the exponent
    doubled = 1 + paired[..., None] * support[:, None, 4]
    value = (similarity * doubled).logsumexp(3) - (similarity * words).sum(3)  # [T, U, Q]
    weight = torch.where(paired, support[:, 0].any(1)[:, None].to(value.dtype), UNPAIRED)
    return (value * weight).sum((1, 2))


def _tokens_to_queries(similarity: Tensor, paired: Tensor, maps: Tensor, ends: Tensor) -> Tensor:
    with_object = paired.sum(1, keepdim=True)  # [U, 1]
    without = paired.shape[1] - with_object
    support = (maps[:, :4] > 0) & (with_object > 0)[..., None]  # [U, 4, L]; no paired query, no words
    last_two = ends.any(2) & (without > 0)  # [U, L] positive words of the unpaired queries

    n = with_object * (support[:, 0] + maps[:, 1:4].sum(1)) + without * last_two + EPS  # [U, L]
    membership = torch.where(paired[..., None], support.sum(1)[:, None], last_two[:, None].long())  # [U, Q, L]
    value = similarity.logsumexp(2) - (similarity * membership).sum(2) / n - (n + EPS).log() / n  # [T, U, L]

    positive, modify, pron, rel = (support[:, 0] | last_two, *support[:, 1:].unbind(1))
    weight = torch.full_like(n, 0.1)
    later_wins = ((ends[..., 1], 1.0), (positive, 1.0), (modify, 0.2), (pron, 0.2), (rel, 0.1), (ends[..., 0], 0.1))
    for which, amount in later_wins:
        weight = weight.masked_fill(which, amount)
    weight = weight * (positive | modify | pron | rel)
    return (value * weight).sum((1, 2))


def hard_triplet(queries: Tensor, paired: Tensor) -> Tensor:
    """Return [T]: queries [T, U, Q, C] nearer to the farthest of their kind than to the nearest of the other kind.

    The kinds are the queries with and without an object (`paired` bool [U, Q]); only queries that have both another of
    their kind and one of the other kind within their sentence take part, and 0 is returned where there is none
    (docs/systems/bqnet.md §4.5).
    """
    same = paired[:, :, None] == paired[:, None]  # [U, Q, Q]
    twin = same & ~torch.eye(paired.shape[1], dtype=torch.bool, device=paired.device)
    taking_part = twin.any(2) & (~same).any(2)  # [U, Q]
    with torch.no_grad():  # only the two distances that count are differentiated
        distance = torch.cdist(queries, queries, compute_mode="donot_use_mm_for_euclid_dist")  # [T, U, Q, Q]
        farthest = distance.masked_fill(~twin, float("-inf")).argmax(3)
        closest = distance.masked_fill(same, float("inf")).argmin(3)
    hinge = (_distance(queries, farthest) - _distance(queries, closest) + MARGIN).relu()
    return (hinge * taking_part).sum((1, 2)) / taking_part.sum().clamp(min=1)


def _distance(queries: Tensor, index: Tensor) -> Tensor:
    """Return the Euclidean distance [T, U, Q] of each query to the query of its sentence that `index` names."""
    partner = queries.gather(2, index[..., None].expand_as(queries))
    return torch.linalg.vector_norm(queries - partner, dim=3)
