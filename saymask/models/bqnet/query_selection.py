"""Query selection: the text chooses the queries among the seeds.

Source: docs/systems/bqnet.md §3.3 (`sampling_module`).
"""

import torch
from torch import Tensor, nn

from saymask.nn.blocks import full_precision


class QuerySelection(nn.Module):
    """Scores of the seeds: each token shares out one unit over the seeds of its scan; a seed's score is its sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seed_proj = nn.Linear(width, width, bias=False)
        self.text_proj = nn.Linear(width, width, bias=False)

    def forward(
        self,
        seeds: Tensor,  # float [B, F, D]
        text: Tensor,  # float [U, L, D]
        mask: Tensor,  # bool [U, L], True = a token
        scene: Tensor,  # int64 [U]
    ) -> Tensor:  # float [U, F]
        """Return the scores, which add up to the number of tokens of each sentence."""
        projected = self.seed_proj(seeds)
        keys = self.text_proj(text).transpose(1, 2) / projected.shape[-1] ** 0.5  # [U, D, L]
        shares = full_precision(per_sentence(projected, scene) @ keys).softmax(1)  # [U, F, L]
        return (shares @ mask[..., None].to(shares.dtype))[..., 0].to(shares.dtype)


def choose(scores: Tensor, count: int) -> Tensor:
    """Return int64 [U, Q]: the `count` best seeds of each sentence, best first; all in order where there are fewer."""
    seeds = scores.shape[1]
    if seeds < count:
        return torch.arange(seeds, device=scores.device).expand(len(scores), -1)
    return scores.detach().topk(count, dim=1).indices


def per_sentence(values: Tensor, scene: Tensor) -> Tensor:
    """Return [U, ...] from [B, ...]: what each sentence's scan has. One scan is shared, not copied."""
    return values.expand(len(scene), *values.shape[1:]) if len(values) == 1 else values[scene]
