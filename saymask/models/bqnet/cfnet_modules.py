"""CFNet's three modules on top of BQNet's decoder: our reading of its description; no code of it was published.

CFR (cross-layer feature refinement) changes the superpoint features before a layer by what the queries of the layer
before saw in them and lets attention prefer what looks like a target; PSC (progressive spatial constraint) keeps a
query's view of the superpoints near its position; DQF (distance-aware query focusing) lets a query talk only to its
nearest neighbours. The latter two narrow from layer to layer. Source: docs/systems/cfnet.md §2. At the start each
module changes nothing (CFR) or what its schedule says (PSC, DQF).
"""

import math

import torch
from torch import Tensor, nn

from saymask.models.bqnet.config import BQNetConfig
from saymask.nn.blocks import additive_mask, full_precision

WIDEST, NARROWEST = 3.0, 0.6
"""Standard deviation of the spatial constraint in the first and the last layer at the start, metres."""
FAINT = 1e-3
"""Added to a foreground belief before its logarithm."""


class FeatureRefinement(nn.Module):
    """CFR: x + g · MLP([x; m]) and a key bias, from the belief in foreground and the queries' messages.

    Our reading. m, the message to a superpoint, is the mean of the queries by their attention to it; g = σ(linear of
    the belief f and log f). There is no LayerNorm around the sum, which would change x even where the MLP gives
    nothing; x is the output of a LayerNorm already. The MLP's last layer starts at zero: a decoder with trained BQNet
    weights starts as that BQNet. λ, the weight of log f in the attention scores, starts at zero too.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own = nn.Linear(width, width // 2)
        self.message = nn.Linear(width, width // 2, bias=False)  # with `own`: one layer on [x; m]
        self.act = nn.GELU()
        self.out = nn.Linear(width // 2, width)
        self.gate = nn.Linear(2, 1)
        self.preference = nn.Parameter(torch.zeros(()))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        scan: Tensor,  # float [U, S, D]
        queries: Tensor,  # float [U, Q, D] after the layer before
        looks: Tensor,  # float [U, H, Q, S] attention of the layer before
        belief: Tensor,  # float [U, S]
    ) -> tuple[Tensor, Tensor]:
        """Return the refined features [U, S, D] and the key bias float [U, 1, S]."""
        looks = looks.sum(1)  # heads count alike
        seen = full_precision(looks.sum(1))[..., None].clamp_min(1e-6)  # [U, S, 1]
        message = (looks.transpose(1, 2) @ self.message(queries)) / seen  # a mean may be projected before or after
        faint = torch.log(FAINT + belief)
        gate = full_precision(self.gate(torch.stack([belief, faint], -1))).sigmoid()  # [U, S, 1]
        refined = scan + gate * self.out(self.act(self.own(scan) + message))
        return refined, (self.preference * faint)[:, None]


def foreground_belief(masks: Tensor, indicators: Tensor) -> Tensor:
    """Return float32 [U, S], detached: how much a superpoint looks like a part of a target.

    The largest probability of lying in a query's mask times the query's probability of being a target; from mask logits
    [U, Q, S] and indicator logits [U, Q, 2].
    """
    target = full_precision(indicators.detach()).softmax(-1)[..., 1:]
    return (full_precision(masks.detach()).sigmoid() * target).amax(1)


class SpatialConstraint(nn.Module):
    """PSC: the attention scores of a query get -d² / (2σ²), d its distance to the superpoint, σ learned for each head.

    Our reading. σ starts at 3.0 m in the first layer and 0.6 m in the last, in equal ratios between.
    """

    def __init__(self, heads: int, index: int, layers: int) -> None:
        super().__init__()
        scale = WIDEST * (NARROWEST / WIDEST) ** (index / max(layers - 1, 1))
        self.log_scale = nn.Parameter(torch.full((heads,), math.log(scale)))

    def forward(self, queries: Tensor, superpoints: Tensor) -> Tensor:
        """Return float32 [U, H, Q, S] for positions [U, Q, 3] and [U or 1, S, 3], metres.

        -d²/2σ² as one product of [p, 1, |p|²] / σ² with [p, -|p|²/2, -1/2]: no array of this size needs a gradient.
        """
        with torch.autocast(queries.device.type, enabled=False):
            queries, superpoints = full_precision(queries), full_precision(superpoints)
            middle = superpoints.mean((0, 1))  # smaller numbers, less rounding
            queries, superpoints = queries - middle, superpoints - middle
            precision = torch.exp(-2 * self.log_scale)  # [H]
            left = torch.cat([queries, torch.ones_like(queries[..., :1]), queries.square().sum(-1, keepdim=True)], -1)
            left = left[:, None] * precision[:, None, None]  # [U, H, Q, 5]
            squared = superpoints.square().sum(-1, keepdim=True)
            right = torch.cat([superpoints, -squared / 2, torch.full_like(squared, -0.5)], -1)
            right = right[0].T if len(right) == 1 else right.transpose(1, 2)  # [(U,) 5, S]
            return (left.flatten(1, 2) @ right).unflatten(1, (len(precision), -1))


def neighbours(index: int, layers: int) -> int:
    """Return how many queries a query sees in layer `index` of `layers` (DQF, our reading): 4 · (layers - index + 2).

    For six layers 32, 28, 24, 20, 16, 12, the schedule in the released sources; fewer layers begin later in it, so the
    last always sees 12.
    """
    return 4 * (layers - index + 2)


def nearest_queries(positions: Tensor, count: int) -> Tensor:
    """Return bool [U, Q, Q]: the `count` queries nearest to each of `positions` [U, Q, 3], itself always among them."""
    positions = full_precision(positions.detach())
    squared = (positions[:, :, None] - positions[:, None]).square().sum(-1)
    squared.diagonal(dim1=1, dim2=2).fill_(-1)
    index = squared.topk(min(count, squared.shape[-1]), largest=False).indices
    return torch.zeros_like(squared, dtype=torch.bool).scatter_(-1, index, True)


class Focus(nn.Module):
    """The modules that a config switches on, for one layer; the first layer has nothing to refine its features with."""

    def __init__(self, config: BQNetConfig, index: int) -> None:
        super().__init__()
        refine = config.feature_refinement and index > 0
        self.refinement = FeatureRefinement(config.width) if refine else None
        self.constraint = SpatialConstraint(config.heads, index, config.layers) if config.spatial_constraint else None
        self.neighbours = neighbours(index, config.layers) if config.query_focusing else None

    def query_bias(self, positions: Tensor) -> Tensor | None:
        """Return DQF's bias float [U, Q, Q] for query positions [U, Q, 3]; None where every query sees all."""
        if self.neighbours is None or self.neighbours >= positions.shape[1]:
            return None
        return additive_mask(~nearest_queries(positions, self.neighbours))
