"""Heads of the queries: masks, predicted IoU, target or not, and vectors to align with the text.

Source: docs/systems/bqnet.md §3.4.
"""

from torch import Tensor, nn

from saymask.models.bqnet.outputs import LayerOutputs
from saymask.nn.blocks import full_precision, mlp, unit


class Heads(nn.Module):
    """The heads that all stages share."""

    def __init__(self, width: int, projection: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.score = mlp(width, width, 1)
        self.indicator = nn.Sequential(*mlp(width, width, 2), nn.Linear(2, 2))
        self.query_proj = mlp(width, width, width, projection)
        self.text_proj = mlp(width, width, width, projection)

    def masks(self, normed: Tensor, features: Tensor) -> Tensor:
        """Return float32 logits [U, Q, S] of normed queries [U, Q, D] over mask features [U, S, D] or [1, S, D]."""
        rows = features[0].T if len(features) == 1 else features.transpose(1, 2)
        return full_precision(normed @ rows)

    def indicators(self, queries: Tensor) -> Tensor:
        """Return float32 logits [U, Q, 2] of raw queries; index 1 = "is a target"."""
        return full_precision(self.indicator(queries))

    def stage(self, queries: Tensor, normed: Tensor, masks: Tensor, text: Tensor) -> LayerOutputs:
        """Return the answers of all heads for queries [U, Q, D] and text [U, L, D]."""
        return LayerOutputs(
            masks=masks,
            scores=full_precision(self.score(normed)[..., 0]),
            indicators=self.indicators(queries),
            queries=unit(self.query_proj(queries)),
            tokens=unit(self.text_proj(text)),
        )


def blocked_by(masks: Tensor, padding: Tensor | None) -> Tensor:
    """Return bool [U, Q, S], True = the query does not look there: outside its mask (logit < 0) or padding.

    A query whose mask is empty sees every superpoint. `padding` is bool [U or 1, S]; None = there is none.
    """
    masks = masks.detach()
    if padding is not None:
        masks = masks.masked_fill(padding[:, None], float("-inf"))
    empty = masks.amax(-1, keepdim=True) < 0
    blocked = (masks < 0) & ~empty
    return blocked if padding is None else blocked | padding[:, None]
