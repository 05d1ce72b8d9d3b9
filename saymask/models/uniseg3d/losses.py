"""The training losses of UniSeg3D: objects, their IoU, semantics, clicks, sentences, and what ties these together.

Everything is computed in float32 also under autocast (float64 where the predictions are).

Source: docs/systems/uniseg3d.md §4.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.errors import InputError
from saymask.models.uniseg3d.config import CLASSES, THINGS, UniSeg3DConfig
from saymask.models.uniseg3d.extensions import name_logits
from saymask.models.uniseg3d.matching import Pairs, match_stage
from saymask.models.uniseg3d.outputs import LayerOutputs, Outputs, Truth
from saymask.nn.blocks import full_precision

OFFICIAL_DICE = 4.0
"""Number by which the published code multiplies the dice term (docs/systems/uniseg3d.md §Q6)."""
DISTILLED = 0.1
"""Share of superpoints that clicks teach to the superpoint queries (docs/systems/uniseg3d.md §4.3)."""
LARGEST_SCALE = 100.0
"""Bound of the exponential contrastive scale, as in CLIP."""
Scene = tuple[Outputs, Truth]
Prompts = list[tuple[tuple[LayerOutputs, ...], Tensor, Tensor]]
"""Per scene the stages, labels int64 [P] and masks bool [P, S] of its clicks or sentences."""
Matches = list[list[tuple[Pairs, Pairs]]]
"""Per scene and stage the pairs of instances and of novel objects."""


def losses(
    outputs: Sequence[Outputs],
    truth: Sequence[Truth],
    config: UniSeg3DConfig,
    logit_scale: Tensor,
    vocabulary: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return the weighted terms that training sums, for B ≥ 1 scenes; scalars, float32.

    instance        class, cross-entropy and dice of superpoint queries and their instances, all stages
    novel           cross-entropy and dice of superpoint queries and novel objects, all stages
    iou             predicted against actual IoU of all of these pairs, all stages
    distill_clicks  masks of the clicks taught to the queries of the same instances
    semantic        class of each query's superpoint
    click, text     class, cross-entropy and dice of the prompts, all stages
    contrast, rank  embeddings of a sentence and a click on the same instance agree, more than those of two instances
    distill_text    classes of the clicks taught to the sentences of the same instances
    vocabulary      names of paired objects and of superpoints (ours), with `vocabulary` float [V, W] of length 1

    `logit_scale` is the trained scalar of the contrast. All three kinds of queries have all stages, without rows where
    a scene has no such prompt. Scenes to which a term does not apply are left out of its mean; a term that applies to
    none is 0 with a gradient of 0 (the published code drops it from the sum, docs/systems/uniseg3d.md §Q13). Sentences
    whose object has no click take no part in the last three terms.

    By default, dice counts as `config.dice_weight` says and a term is a mean over scenes, whatever their number. With
    `config.compat` the published scalings hold: dice counts 4 times, but 4 / B times in the stages before the last one
    of the instance, click and text terms (docs/systems/uniseg3d.md §Q6); and clicks of a scene teach nothing as soon as
    one of its instances has no query (docs/systems/uniseg3d.md §4.3), where otherwise the instances that have one are
    taught.
    """
    with torch.autocast(logit_scale.device.type, enabled=False):
        scenes = [(_exact(o), t) for o, t in zip(outputs, truth, strict=True)]
        pairs = [[match_stage(stage, t, config) for stage in o.objects] for o, t in scenes]
        clicks, texts = _prompts(scenes)
        contrast, rank, distill_text = _agreement(scenes, config, logit_scale)
        terms = {
            "instance": _instance_term(scenes, pairs, config),
            "novel": config.novel_weight * _novel_term(scenes, pairs, config),
            "iou": config.iou_weight * _iou_term(scenes, pairs),
            "distill_clicks": config.distill_weight * _distill_clicks(scenes, [p[-1][0] for p in pairs], config),
            "semantic": config.semantic_weight * _semantic_term(scenes),
            # Clicks on wall and floor (ours) are few: they count as much as those on things.
            "click": config.prompt_weight * _prompt_term(clicks, config, background=1.0),
            "text": config.prompt_weight * _prompt_term(texts, config, background=config.background_weight),
            "contrast": config.contrast_weight * contrast,
            "rank": config.rank_weight * rank,
            "distill_text": config.distill_weight * distill_text,
        }
        if vocabulary is not None:
            named = [_named_term(scene, p[-1], vocabulary) for scene, p in zip(scenes, pairs)]
            terms["vocabulary"] = config.vocabulary_weight * torch.stack(named).mean()
        return terms


def _exact(outputs: Outputs) -> Outputs:
    """Return half precision as float32, all but the masks: few of their rows are needed, and those are widened then."""

    def stages(values: tuple[LayerOutputs, ...]) -> tuple[LayerOutputs, ...]:
        return tuple(
            replace(
                s,
                classes=full_precision(s.classes),
                embeddings=full_precision(s.embeddings),
                iou=None if s.iou is None else full_precision(s.iou),
            )
            for s in values
        )

    return replace(
        outputs,
        objects=stages(outputs.objects),
        clicks=stages(outputs.clicks),
        texts=stages(outputs.texts),
        semantic=full_precision(outputs.semantic),
    )


def _over_scenes(values: list[Tensor], applies: list[bool]) -> Tensor:
    """Return the mean of the scenes' values to which the term applies; the other values are 0 with a gradient."""
    return torch.stack(values).sum(0) / max(1, sum(applies))


def mask_terms(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return (cross-entropy, dice) averaged over P masks; logits float [P, S], target bool [P, S]. 0 without a mask.

    dice = 1 - (2·Σpt + 1) / (Σp + Σt + 1) (docs/systems/uniseg3d.md §4.1).
    """
    logits = full_precision(logits)
    wanted = target.to(logits.dtype)
    count = max(1, len(logits))
    cross_entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / max(1, logits.numel())
    probability = logits.sigmoid()
    both = (probability * wanted).sum(1)
    return cross_entropy, (1 - (2 * both + 1) / (probability.sum(1) + wanted.sum(1) + 1)).sum() / count


def class_term(logits: Tensor, labels: Tensor, background: float) -> Tensor:
    """Return the cross-entropy Σ w·nll / Σ w of logits [Q, 19] with labels int64 [Q], 18 "no object", -1 ignored.

    "No object" weighs `background`, the classes 1 (docs/systems/uniseg3d.md §4.2). 0 where everything is ignored.
    """
    weight = logits.new_ones(THINGS + 1)
    weight[THINGS] = background
    total = F.cross_entropy(logits, labels, weight, ignore_index=-1, reduction="sum")
    shares = weight[labels.clamp(min=0)].masked_fill(labels < 0, 0).sum()
    return total / shares.masked_fill(shares == 0, 1)


def _dice_factors(stages: int, scenes: int, config: UniSeg3DConfig) -> list[float]:
    if not config.compat:
        return [1.0] * stages
    return [OFFICIAL_DICE / scenes] * (stages - 1) + [OFFICIAL_DICE]


def _instance_term(scenes: list[Scene], pairs: Matches, config: UniSeg3DConfig) -> Tensor:
    total = torch.zeros((), device=scenes[0][0].semantic.device)
    for i, factor in enumerate(_dice_factors(len(pairs[0]), len(scenes), config)):
        classes, masks, dices, found = [], [], [], []
        for (o, t), matched in zip(scenes, pairs):
            stage, (base, novel) = o.objects[i], matched[i]
            labels = torch.full_like(t.queries, THINGS)
            labels[novel.queries] = -1  # they show something, no class of ours
            labels[base.queries] = t.labels[base.objects]
            mask, dice = mask_terms(stage.masks[base.queries], t.masks[base.objects])
            classes.append(class_term(stage.classes, labels, config.background_weight))
            masks.append(mask)
            dices.append(dice)
            found.append(len(base) > 0)
        total = total + (
            config.class_weight * _over_scenes(classes, [len(t.queries) > 0 for _, t in scenes])
            + config.mask_weight * _over_scenes(masks, found)
            + config.dice_weight * factor * _over_scenes(dices, found)
        )
    return total


def _novel_term(scenes: list[Scene], pairs: Matches, config: UniSeg3DConfig) -> Tensor:
    factor = OFFICIAL_DICE if config.compat else 1.0  # unlike elsewhere never divided by the batch
    total = torch.zeros((), device=scenes[0][0].semantic.device)
    for i in range(len(pairs[0])):
        values, found = [], []
        for (o, t), matched in zip(scenes, pairs):
            novel = matched[i][1]
            mask, dice = mask_terms(o.objects[i].masks[novel.queries], t.masks[novel.objects])
            values.append(config.mask_weight * mask + config.dice_weight * factor * dice)
            found.append(len(novel) > 0)
        total = total + _over_scenes(values, found)
    return total


def _iou_term(scenes: list[Scene], pairs: Matches) -> Tensor:
    """Sum over stages of the mean over all scenes, those without a pair counting 0 (docs/systems/uniseg3d.md §4.2)."""
    values = []
    for (o, t), matched in zip(scenes, pairs):
        for stage, found in zip(o.objects, matched):
            if stage.iou is None:
                raise InputError(
                    "expected a predicted IoU in every stage of the superpoint queries, got None; "
                    "give LayerOutputs.iou, one number per query"
                )
            query = torch.cat([p.queries for p in found])
            target = t.masks[torch.cat([p.objects for p in found])]
            actual = iou(full_precision(stage.masks.detach()[query]).sigmoid(), target).to(stage.iou.dtype)
            values.append((stage.iou[query] - actual).square().sum() / max(1, len(query)))
    return torch.stack(values).sum() / len(scenes)


def iou(probability: Tensor, target: Tensor) -> Tensor:
    """Return the IoU of probability ≥ 0.5 [P, S] with masks bool [P, S]: intersection / (union + 1e-6), float32 [P]."""
    predicted = probability >= 0.5
    return (predicted & target).sum(1) / ((predicted | target).sum(1) + 1e-6)


def _distill_clicks(scenes: list[Scene], final: list[Pairs], config: UniSeg3DConfig) -> Tensor:
    """Return the loss by which queries learn the probability of a click on the same instance, where it is surest.

    Source: docs/systems/uniseg3d.md §4.3.
    """
    values, found = [], []
    for (o, t), base in zip(scenes, final):
        query = t.labels.new_full((len(t.masks) + 1,), -1)  # row -1, of clicks on wall and floor, is the last
        query[base.objects] = base.queries  # of each instance
        taught = (query[t.click_objects] >= 0).nonzero()[:, 0]
        count = int(DISTILLED * t.masks.shape[1])
        applies = len(taught) > 0 and count > 0 and not (config.compat and len(base) != len(t.click_objects))
        if applies:
            sure, click = o.clicks[-1].masks.detach()[taught].max(0)
            top, superpoint = sure.topk(count)
            rows = query[t.click_objects[taught[click[superpoint]]]]
            logits = o.objects[-1].masks[rows, superpoint]
        else:
            logits = top = o.objects[-1].masks[:0].flatten()
        values.append(_soft_cross_entropy(logits, top))
        found.append(applies)
    return _over_scenes(values, found)


def _soft_cross_entropy(logits: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean cross-entropy of the logits with the teacher's probabilities, which get no gradient."""
    logits = full_precision(logits)
    wanted = teacher.detach().to(logits.dtype).sigmoid()
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / max(1, logits.numel())


def _semantic_term(scenes: list[Scene]) -> Tensor:
    values, found = [], []
    for o, t in scenes:
        labels = t.semantic[t.queries]
        labelled = (labels != CLASSES).sum()
        total = F.cross_entropy(o.semantic[:, :CLASSES], labels, ignore_index=CLASSES, reduction="sum")
        values.append(total / labelled.clamp(min=1))
        found.append(labelled > 0)
    return torch.stack(values).sum(0) / torch.stack(found).sum().clamp(min=1)


def _named_term(scene: Scene, matched: tuple[Pairs, Pairs], vocabulary: Tensor) -> Tensor:
    """The cross-entropy of the names of a scene's paired objects plus that of its superpoints, where these have one."""
    outputs, truth = scene
    stage = outputs.objects[-1]
    if truth.names is None or truth.superpoint_names is None or stage.directions is None or outputs.directions is None:
        raise InputError("expected names of objects and superpoints, got none; prepare scans with their 200 classes")
    base, novel = matched
    queries, objects = torch.cat([base.queries, novel.queries]), torch.cat([base.objects, novel.objects])
    total = _name_entropy(stage.directions[queries], truth.names[objects], vocabulary)
    return total + _name_entropy(outputs.directions, truth.superpoint_names[truth.queries], vocabulary)


def _name_entropy(directions: Tensor, names: Tensor, vocabulary: Tensor) -> Tensor:
    logits = name_logits(directions, vocabulary)
    named = (names >= 0).sum().clamp(min=1)
    return F.cross_entropy(logits, names, ignore_index=-1, reduction="sum") / named


def _prompts(scenes: list[Scene]) -> tuple[Prompts, Prompts]:
    clicks = [(o.clicks, t.click_labels, t.click_masks) for o, t in scenes]
    return clicks, [(o.texts, t.text_labels, t.text_masks) for o, t in scenes]


def _prompt_term(rows: Prompts, config: UniSeg3DConfig, background: float) -> Tensor:
    """The i-th prompt answers for the i-th object (docs/systems/uniseg3d.md §4.5); nothing weighs `background`."""
    found = [len(labels) > 0 for _, labels, _ in rows]
    total = torch.zeros((), device=rows[0][1].device)
    for i, factor in enumerate(_dice_factors(len(rows[0][0]), len(rows), config)):
        values = []
        for stages, labels, target in rows:
            mask, dice = mask_terms(stages[i].masks, target)
            classes = class_term(stages[i].classes, labels, background)
            values.append(
                config.class_weight * classes + config.mask_weight * mask + config.dice_weight * factor * dice
            )
        total = total + _over_scenes(values, found)
    return total


def _agreement(scenes: list[Scene], config: UniSeg3DConfig, logit_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (contrast, rank, distill_text) of sentences and the clicks on the same instances.

    Source: docs/systems/uniseg3d.md §4.6.
    """
    scale = full_precision(logit_scale)
    scale = scale.exp().clamp(max=LARGEST_SCALE) if config.exponential_scale else scale
    values, found = [], []
    for o, t in scenes:
        text, click = _first_of_each((t.text_objects[:, None] == t.click_objects) & (t.click_objects >= 0))
        teacher, pupil = o.clicks[-1], o.texts[-1]
        clicked, said = F.normalize(teacher.embeddings[click], dim=1), F.normalize(pupil.embeddings[text], dim=1)
        values.append(
            torch.stack(
                [
                    contrast(clicked, said, scale),
                    rank(clicked, said),
                    _soft_cross_entropy(pupil.classes[text], teacher.classes[click]),
                ]
            )
        )
        found.append(len(text) > 0)
    first, second, third = _over_scenes(values, found).unbind()
    return first, second, third


def _first_of_each(same: Tensor) -> tuple[Tensor, Tensor]:
    """Return (row, column) of the first True in every row of bool [T, P] that has one."""
    first = same & (same.cumsum(1) == 1)
    text, click = first.nonzero(as_tuple=True)
    return text, click


def contrast(clicked: Tensor, said: Tensor, scale: Tensor) -> Tensor:
    """Return the symmetric cross-entropy of unit embeddings [T, D]: row i of one belongs to row i of the other.

    `scale` multiplies the cosines. 0 without a row, and so is the gradient of the scale.
    """
    similar = scale * (clicked @ said.T)
    if not len(similar):
        return similar.sum()
    ours = torch.arange(len(similar), device=similar.device)
    return (F.cross_entropy(similar, ours) + F.cross_entropy(similar.T, ours)) / 2


def rank(clicked: Tensor, said: Tensor) -> Tensor:
    """Return Σ max(0, G_ij - G_jj) over i ≠ j of the cosines G = clicked · saidᵀ [T, T], a sum.

    Source: docs/systems/uniseg3d.md §4.6.
    """
    similar = clicked @ said.T
    return (similar - similar.diagonal()).clamp(min=0).sum()  # the diagonal itself adds max(0, 0)
