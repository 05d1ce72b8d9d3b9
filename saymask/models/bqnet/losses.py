"""The training losses of BQNet: matched masks, seed scores, indicators, word alignment, triplet.

Everything is computed for all sentences and all stages at once, in float32 also under autocast.

Source: docs/systems/bqnet.md §4.
"""

import math

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from saymask.models.bqnet.alignment import hard_triplet, semantic_alignment
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.matching import Targets, mask_rows, match, targets
from saymask.models.bqnet.outputs import Outputs, Truth
from saymask.nn.blocks import full_precision

PADDED = -1e4
"""Mask logit of padding superpoints: they add exactly 0 to every term."""


def losses(outputs: Outputs, truth: Truth, config: BQNetConfig) -> dict[str, Tensor]:
    """Return the terms that training sums: mask, dice, score, sample, indicator, semantic, triplet; scalars, float32.

    Each is weighted by the configuration and summed over the stages with weights 1/T, 2/T, …, 1 (T stages, the last is
    the answer). Objects without a superpoint are skipped (`matching.absent_objects` names them). A batch without any
    object has finite terms; with `config.empty_is_nan` they are NaN or infinite, as in the official code.
    """
    terms = stage_terms(outputs, truth, config)
    weights = {
        "mask": config.mask_weight,
        "dice": config.dice_weight,
        "score": config.score_weight,
        "sample": config.sample_weight,
        "indicator": config.indicator_weight,
        "semantic": config.semantic_weight,
        "triplet": config.triplet_weight,
    }
    count = len(outputs.stages)
    ramp = torch.arange(1, count + 1, device=truth.scene.device) / count  # (i + 1) / 7 and 1 of the published model
    return {name: weight * (terms[name] * ramp[-len(terms[name]) :]).sum() for name, weight in weights.items()}


def stage_terms(outputs: Outputs, truth: Truth, config: BQNetConfig) -> dict[str, Tensor]:
    """Return the unweighted terms per stage, float [T] from the initial prediction to the final one; `sample` is [1].

    The sums are divided by N, the number of pairs of a query and an object in the batch, summed over all processes.
    """
    with torch.autocast(truth.scene.device.type, enabled=False):
        objects = targets(truth, outputs.padding)
        seed_rows = truth.seeds[truth.scene]  # [U, F]
        query_rows = seed_rows.gather(1, outputs.chosen)  # [U, Q] superpoint under each query
        pairs = match(objects, *_at(truth, query_rows))
        sentence, k, query = pairs.listed()
        number = _pair_total(len(sentence), truth.scene.device, empty_is_nan=config.empty_is_nan)

        row = mask_rows(objects, pairs, repeated=config.repeated_masks)[sentence, k]
        target = objects.masks[sentence, row]  # bool [P, S]
        flat = sentence * outputs.chosen.shape[1] + query  # row of each pair among all queries
        masks = _each_stage([s.masks.flatten(0, 1).index_select(0, flat) for s in outputs.stages])  # [T, P, S]
        scores = _each_stage([s.scores.flatten().index_select(0, flat) for s in outputs.stages])  # [T, P]
        mask, dice, score = _mask_terms(masks, scores, target, outputs.padding[sentence], sentence, len(truth.scene))

        paired = pairs.paired
        queries = _each_stage([s.queries for s in outputs.stages])
        tokens = _each_stage([s.tokens for s in outputs.stages])
        maps = truth.maps.to(queries.dtype)
        indicators = _each_stage([s.indicators for s in outputs.stages])
        return {
            "mask": mask / number,
            "dice": dice / number,
            "score": score / number,
            "sample": _sample_term(outputs.seed_scores, objects, truth, seed_rows)[None],
            "indicator": indicator_sum(indicators, paired, config.unpaired_weight) / number,
            "semantic": semantic_alignment(queries, tokens, paired, maps, truth.text_mask) / (2 * number),
            "triplet": hard_triplet(queries, paired),
        }


def _each_stage(tensors: list[Tensor]) -> Tensor:
    """Return the stages stacked, in float32 (float64 stays)."""
    return full_precision(torch.stack(tensors))


def _at(truth: Truth, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the instance labels int64 [U, X] and positions float [U, X, 3] of superpoints `rows` int64 [U, X]."""
    scene = truth.scene[:, None]
    return truth.instances[scene, rows], truth.positions[scene, rows]


def _pair_total(pairs: int, device: torch.device, *, empty_is_nan: bool) -> Tensor:
    """Return N: the pairs of all processes (a sum, not a mean); at least 1 unless `empty_is_nan`.

    Source: docs/systems/bqnet.md §4.1.
    """
    number = torch.tensor(float(pairs), device=device)
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(number)
    return number if empty_is_nan else number.clamp(min=1)


def _mask_terms(
    masks: Tensor,  # float [T, P, S] logits of the paired queries
    scores: Tensor,  # float [T, P]
    target: Tensor,  # bool [P, S]
    padding: Tensor,  # bool [P, S]
    sentence: Tensor,  # int64 [P]
    sentences: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (cross-entropy, dice, score), each [T]: per sentence the mean over its pairs, summed over sentences."""
    masks = masks.masked_fill(padding, PADDED)
    inside = target.to(masks.dtype)
    counts = sentence.new_zeros(sentences).index_add_(0, sentence, torch.ones_like(sentence))
    share = 1 / counts[sentence].to(masks.dtype)  # [P]
    real = (~padding).sum(1)
    cross_entropy = F.softplus(torch.where(target, -masks, masks)).sum(2) / real
    probability = masks.sigmoid()
    overlap = iou(probability.detach(), inside)
    good = (overlap > 0.5).to(masks.dtype)  # [T, P]
    per_sentence = good.new_zeros(len(good), sentences).index_add_(1, sentence, good)
    good_share = good / per_sentence[:, sentence].clamp(min=1)
    return (
        (cross_entropy * share).sum(1),
        (dice(probability, inside) * share).sum(1),
        ((scores - overlap).square() * good_share).sum(1),
    )


def dice(probability: Tensor, target: Tensor) -> Tensor:
    """Return 1 - (2·Σpt + 1) / (Σp + Σt + 1) over the last axis (docs/systems/bqnet.md §4.2)."""
    return 1 - (2 * (probability * target).sum(-1) + 1) / (probability.sum(-1) + target.sum(-1) + 1)


def iou(probability: Tensor, target: Tensor) -> Tensor:
    """Return the IoU of probability ≥ 0.5 with the target (0 or 1) over the last axis: I / (A + B - I + 1e-6).

    Source: docs/systems/bqnet.md §6.2.
    """
    predicted = (probability >= 0.5).to(target.dtype)
    both = (predicted * target).sum(-1)
    return both / (predicted.sum(-1) + target.sum(-1) - both + 1e-6)


def indicator_sum(indicators: Tensor, paired: Tensor, unpaired_weight: float = 0.1) -> Tensor:
    """Return [T]: the cross-entropy of logits [T, U, Q, 2] with "has an object", queries without one weighted.

    The official code adds log(1 + 1e-6) to every item, which changes no gradient; kept so that values can be compared.

    Source: docs/systems/bqnet.md §4.2.
    """
    log_p = indicators.log_softmax(3)
    value = math.log1p(1e-6) - torch.where(paired, log_p[..., 1], log_p[..., 0])
    return (value * torch.where(paired, 1.0, unpaired_weight)).sum((1, 2))


def focal(logits: Tensor, target: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the focal loss of each item for soft targets in 0..1 (docs/systems/bqnet.md §4.3)."""
    p = logits.sigmoid()
    wrong = target * (1 - p) + (1 - target) * p
    balance = alpha * target + (1 - alpha) * (1 - target)
    return balance * wrong**gamma * F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _sample_term(seed_scores: Tensor, objects: Targets, truth: Truth, seed_rows: Tensor) -> Tensor:
    scores = full_precision(seed_scores)
    return focal(scores, seed_targets(objects, truth, seed_rows).to(scores.dtype)).mean()


def seed_targets(objects: Targets, truth: Truth, seed_rows: Tensor) -> Tensor:
    """Return what the seed scores should say, float [U, F] in 0..1; `seed_rows` int64 [U, F] superpoints.

    1 for the seed nearest to an object, exp(-d²/2) for the others on it (d metres from its centre), elsewhere half the
    superpoint's relevance.

    Source: docs/systems/bqnet.md §4.3.
    """
    labels, points = _at(truth, seed_rows)
    pairs = match(objects, labels, points)
    squared = (points[:, None] - objects.centers[:, :, None]).square().sum(-1)  # [U, K, F]
    on_object = torch.exp(-0.5 * squared).masked_fill(~pairs.others, 0).amax(1)
    value = torch.where(pairs.others.any(1), on_object, 0.5 * truth.relevance.gather(1, seed_rows))
    return value.masked_fill(pairs.nearest.any(1), 1.0)
