"""Random cases for UniSeg3D's losses, and the losses once more, one scene, object and number at a time.

Source: docs/systems/uniseg3d.md §4.
"""

import math

import torch

from saymask.models.uniseg3d.outputs import LayerOutputs, Outputs, Truth

NAMES = (
    "instance",
    "novel",
    "iou",
    "distill_clicks",
    "semantic",
    "click",
    "text",
    "contrast",
    "rank",
    "distill_text",
)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def make_scene(*, superpoints=20, queries=14, instances=3, novel=2, clicks=3, texts=3, stages=3):
    """Random predictions and truth of one scene in float64; instances are disjoint, novel objects are anything."""
    own = torch.randint(-1, instances, (superpoints,)) if instances else torch.full((superpoints,), -1)
    masks = torch.cat([own == torch.arange(instances)[:, None], torch.rand(novel, superpoints) < 0.4])
    if instances == 0:
        clicks = texts = 0
    labels = torch.randint(0, 18, (instances,))
    said = torch.randint(-1, instances, (texts,)) if texts else torch.zeros(0, dtype=torch.int64)
    truth = Truth(
        masks=masks,
        labels=labels,
        semantic=torch.randint(0, 21, (superpoints,)),
        queries=torch.randperm(superpoints)[:queries],
        click_objects=torch.randperm(instances)[:clicks],
        text_objects=said,
        text_masks=torch.rand(texts, superpoints) < 0.3,
        text_labels=torch.randint(0, 18, (texts,)),
    )
    rows = len(truth.queries)

    def kind(count, predicted=False):
        iou = torch.rand(count, dtype=torch.float64) if predicted else None
        return LayerOutputs(2 * normal(count, 19), 2 * normal(count, superpoints), normal(count, 6), iou)

    heads = [tuple(kind(n) for _ in range(stages)) for n in (len(truth.click_objects), texts)]
    return Outputs(tuple(kind(rows, True) for _ in range(stages)), *heads, normal(rows, 21)), truth


def make(seed, sizes=({}, {"texts": 0, "novel": 0}, {"instances": 0})):
    """Random scenes; `sizes` are the arguments of `make_scene` of each."""
    torch.manual_seed(seed)
    scenes = [make_scene(**size) for size in sizes]
    return [o for o, _ in scenes], [t for _, t in scenes]


def log_sigmoid(x):
    return -torch.log1p(torch.exp(-x.abs())) + torch.minimum(x, torch.zeros_like(x))


def bce(x, y):
    return -(y * log_sigmoid(x) + (1 - y) * log_sigmoid(-x)).sum() / len(x)


def dice(x, y):
    p = 1 / (1 + torch.exp(-x))
    return 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)


def nll(logits, label):
    return torch.log(torch.exp(logits - logits.max()).sum()) + logits.max() - logits[label]


def weighted_nll(logits, labels):
    """Σ w·nll / Σ w with 0.1 for "no object" (18) and nothing for -1; 0 when nothing counts."""
    total, weights = 0, 0.0
    for row, label in zip(logits, labels):
        if label >= 0:
            w = 0.1 if label == 18 else 1.0
            total, weights = total + w * nll(row, label), weights + w
    return total / weights if weights else 0


def plain_pairs(stage, truth):
    """Lists of (query, row of the truth's masks): instances, then novel objects; sorted by query."""
    taken, found = set(), ([], [])
    for g, mask in enumerate(truth.masks):
        kind = 0 if g < len(truth.labels) else 1
        costs = []
        for q, superpoint in enumerate(truth.queries.tolist()):
            if not mask[superpoint] or (kind == 1 and q in taken):
                continue
            logits, y = stage.masks[q].detach(), mask.double()
            cost = float(bce(logits, y) + dice(logits, y))
            if kind == 0:
                cost -= 0.5 * math.exp(-float(nll(stage.classes[q].detach(), int(truth.labels[g]))))
            costs.append((cost, q))
        costs.sort()
        if costs and (len(costs) == 1 or costs[0][0] < costs[1][0]):
            found[kind].append((costs[0][1], g))
        if g == len(truth.labels) - 1:
            taken = {q for q, _ in found[0]}
    return sorted(found[0]), sorted(found[1])


def mask_values(stage, truth, pairs):
    """(cross-entropy, dice) averaged over the pairs."""
    terms = [(stage.masks[q], truth.masks[g].double()) for q, g in pairs]
    return sum(bce(x, y) for x, y in terms) / len(terms), sum(dice(x, y) for x, y in terms) / len(terms)


def mean(values):
    return sum(values) / len(values) if values else 0


def plain_objects(outputs, truth, compat):
    """The terms instance, novel and iou."""
    total = {"instance": 0, "novel": 0, "iou": 0}
    stages = len(outputs[0].objects)
    for i in range(stages):
        final = i == stages - 1
        factor = (4 if final else 4 / len(outputs)) if compat else 1
        classes, base_terms, novel_terms = [], [], []
        for o, t in zip(outputs, truth):
            stage = o.objects[i]
            base, novel = plain_pairs(stage, t)
            labels = [18] * len(t.queries)
            for q, _ in novel:
                labels[q] = -1
            for q, g in base:
                labels[q] = int(t.labels[g])
            if labels:
                classes.append(weighted_nll(stage.classes, labels))
            if base:
                base_terms.append(mask_values(stage, t, base))
            if novel:
                novel_terms.append(mask_values(stage, t, novel))
            errors = []
            for q, g in base + novel:
                predicted, actual = stage.masks[q].detach() >= 0, t.masks[g]
                both, either = int((predicted & actual).sum()), int((predicted | actual).sum())
                errors.append((stage.iou[q] - both / (either + 1e-6)) ** 2)
            total["iou"] += 0.1 * mean(errors) / len(outputs)
        total["instance"] += 0.5 * mean(classes) + mean([b for b, _ in base_terms])
        total["instance"] += factor * mean([d for _, d in base_terms])
        total["novel"] += 0.1 * mean([b + (4 if compat else 1) * d for b, d in novel_terms])
    return total


def plain_prompts(outputs, truth, compat, *, text):
    total = 0
    stages = len(outputs[0].clicks)
    for i in range(stages):
        factor = (4 if i == stages - 1 else 4 / len(outputs)) if compat else 1
        values = []
        for o, t in zip(outputs, truth):
            stage = (o.texts if text else o.clicks)[i]
            masks = t.text_masks if text else t.masks[t.click_objects]
            labels = (t.text_labels if text else t.labels[t.click_objects]).tolist()
            if labels:
                b = mean([bce(x, y.double()) for x, y in zip(stage.masks, masks)])
                d = mean([dice(x, y.double()) for x, y in zip(stage.masks, masks)])
                values.append(0.5 * weighted_nll(stage.classes, labels) + b + factor * d)
        total += 0.1 * mean(values)
    return total


def plain_distill_clicks(outputs, truth, compat):
    values = []
    for o, t in zip(outputs, truth):
        base = {g: q for q, g in plain_pairs(o.objects[-1], t)[0]}
        clicks = [(c, g) for c, g in enumerate(t.click_objects.tolist()) if g in base]
        if not clicks or (compat and len(base) != len(t.click_objects)):
            continue
        best = []  # (logit of the surest click, superpoint, query)
        for s in range(t.masks.shape[1]):
            logit, g = max((float(o.clicks[-1].masks[c, s].detach()), g) for c, g in clicks)
            best.append((logit, s, base[g]))
        best = sorted(best, reverse=True)[: int(0.1 * len(best))]
        if best:
            x = torch.stack([o.objects[-1].masks[q, s] for _, s, q in best])
            values.append(bce(x, torch.tensor([1 / (1 + math.exp(-a)) for a, _, _ in best], dtype=torch.float64)))
    return 0.1 * mean(values)


def plain_agreement(outputs, truth, scale):
    """The terms contrast, rank and distill_text; `scale` multiplies the cosines."""
    terms = {"contrast": [], "rank": [], "distill_text": []}
    for o, t in zip(outputs, truth):
        clicks = t.click_objects.tolist()
        pairs = [(i, clicks.index(g)) for i, g in enumerate(t.text_objects.tolist()) if g in clicks]
        if not pairs:
            continue
        k = [o.texts[-1].embeddings[i] for i, _ in pairs]
        r = [o.clicks[-1].embeddings[c] for _, c in pairs]
        cosine = [[a @ b / (a.norm() * b.norm()) for b in k] for a in r]
        every = range(len(pairs))
        both = 0
        for i in every:
            both += nll(torch.stack([scale * cosine[i][j] for j in every]), i) / 2
            both += nll(torch.stack([scale * cosine[j][i] for j in every]), i) / 2
        terms["contrast"].append(both / len(pairs))
        worse = [cosine[i][j] - cosine[j][j] for i in every for j in every if i != j]
        terms["rank"].append(sum(x for x in worse if x > 0))
        soft = [1 / (1 + torch.exp(-o.clicks[-1].classes[c].detach())) for _, c in pairs]
        terms["distill_text"].append(mean([bce(o.texts[-1].classes[i], y) for (i, _), y in zip(pairs, soft)]))
    return {name: 0.1 * mean(values) for name, values in terms.items()}


def plain_losses(outputs, truth, scale, *, compat=False):
    """The weighted terms with the published weights; a number instead of a tensor where nothing counts."""
    semantic = []
    for o, t in zip(outputs, truth):
        values = [nll(x[:20], int(y)) for x, y in zip(o.semantic, t.semantic[t.queries]) if y < 20]
        if values:
            semantic.append(mean(values))
    return {
        **plain_objects(outputs, truth, compat),
        "distill_clicks": plain_distill_clicks(outputs, truth, compat),
        "semantic": 0.2 * mean(semantic),
        "click": plain_prompts(outputs, truth, compat, text=False),
        "text": plain_prompts(outputs, truth, compat, text=True),
        **plain_agreement(outputs, truth, scale),
    }
