"""The three losses of LESS (arXiv 2410.13294, section 3.4) over support rows that stand for several points each.

Every term takes the number of target and other points per row, so that it equals the point-level loss of logits and
features that are constant within a row; with rows that are points it is the published loss.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

TEMPERATURE = 0.05
"""Temperature of the point-to-point contrast."""
CHUNK = 4_000_000
"""Largest number of similarities held at once by the contrast."""


def segmentation_loss(
    logits: Tensor,  # float [B, S]
    positive: Tensor,  # float [B, S] target points of each row
    negative: Tensor,  # float [B, S] other points of each row; both 0 = padding
    *,
    weight: float = 20.0,
    probabilities: bool = False,
) -> Tensor:
    """Return the binary cross-entropy, target points `weight` times, averaged over the points of each scene.

    With `probabilities` it acts on sigmoid outputs with both logarithms clamped at -100, as the official code does.
    """
    if probabilities:
        p = logits.sigmoid()
        loss_positive, loss_negative = -p.log().clamp(min=-100), -(1 - p).log().clamp(min=-100)
    else:
        loss_positive, loss_negative = F.softplus(-logits), F.softplus(logits)
    total = (weight * positive * loss_positive + negative * loss_negative).sum(1)
    return (total / (positive + negative).sum(1)).mean()


def area_loss(logits: Tensor, counts: Tensor) -> Tensor:
    """Return the mean mask probability over the points of each scene, averaged over scenes (`counts` [B, S])."""
    return ((logits.sigmoid() * counts).sum(1) / counts.sum(1)).mean()


def contrast_loss(
    features: Tensor,  # float [B, S, C], not negative
    positive: Tensor,  # float [B, S]
    negative: Tensor,  # float [B, S]
    *,
    nan_when_empty: bool = False,
) -> Tensor:
    """Return the point-to-point contrast: target points near their mean feature, far from every other point.

    Scenes without a target point are left out; with `nan_when_empty` they make the loss NaN as in the official code.
    A batch of such scenes alone gives 0.
    """
    terms = []
    for f, p, n, there in zip(features, positive, negative, (positive > 0).any(1).tolist()):
        if nan_when_empty or there:
            terms.append(_scene_contrast(f, p, n))
    return torch.stack(terms).mean() if terms else features.sum() * 0.0


def _scene_contrast(features: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    inside, outside = positive > 0, negative > 0
    f = features / (features.norm(dim=1, keepdim=True) + 1e-12)
    targets, weights = f[inside], positive[inside]
    others, log_others = f[outside], negative[outside].log()
    total = weights.sum()
    center = (weights[:, None] * targets).sum(0) / total
    near = targets @ center / TEMPERATURE
    rows = max(1, CHUNK // max(1, len(others)))
    if len(targets) <= rows:
        far = _log_far(targets, others, log_others)
    else:  # recompute each chunk in the backward pass instead of keeping every similarity
        far = torch.cat(
            [_recomputed(part, others, log_others) for part in targets.split(rows)],
        )
    ratio = torch.sigmoid(near - far)  # a / (a + n)
    return -((weights * ratio).sum() / total).log()


def _log_far(targets: Tensor, others: Tensor, log_others: Tensor) -> Tensor:
    """Return log Σ_j n_j exp(f_i·f_j / τ) for each target row, [P]; -inf when there is no other row."""
    if len(others) == 0:
        return targets.new_full((len(targets),), float("-inf"))
    return torch.logsumexp(targets @ others.T / TEMPERATURE + log_others, 1)


def _recomputed(targets: Tensor, others: Tensor, log_others: Tensor) -> Tensor:
    result = checkpoint(_log_far, targets, others, log_others, use_reentrant=False)
    assert isinstance(result, Tensor)
    return result
