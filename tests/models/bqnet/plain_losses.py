"""Random cases for BQNet's losses, and the losses once more, one sentence, query and token at a time.

Source: docs/systems/bqnet.md §4.
"""

import math

import torch
import torch.nn.functional as F

from saymask.models.bqnet.outputs import NO_INSTANCE, LayerOutputs, Outputs, Truth

NAMES = ("mask", "dice", "score", "sample", "indicator", "semantic", "triplet")
HEADS = ("masks", "scores", "indicators", "queries", "tokens")


def unit(*shape):
    return F.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def make(seed, *, sentences=3, queries=6, superpoints=14, seeds=9, stages=2, objects=3, tokens=8):
    """Random predictions and truth in float64 over two scans; object ids 0..2 live in them, 50 does not."""
    torch.manual_seed(seed)
    sizes = torch.randint(max(1, superpoints // 2), superpoints + 1, (2,))
    scene = torch.randint(0, 2, (sentences,))
    padding = torch.arange(superpoints) >= sizes[scene, None]
    instances = torch.tensor([-1, 0, 1, 2, NO_INSTANCE])[torch.randint(0, 5, (2, superpoints))]
    ids = [0, 1, 2, 50]
    wanted = [int(n) for n in torch.randint(0, objects + 1, (sentences,))]
    lengths = torch.randint(3, tokens + 1, (sentences,))
    truth = Truth(
        scene=scene,
        instances=instances,
        positions=torch.randn(2, superpoints, 3, dtype=torch.float64),
        seeds=torch.stack([torch.randint(0, int(n), (seeds,)) for n in sizes]),  # repeats are normal
        objects=tuple(tuple(ids[i] for i in torch.randperm(4)[:n].tolist()) for n in wanted),
        relevance=torch.rand(sentences, superpoints, dtype=torch.float64),
        maps=((torch.rand(sentences, 5, tokens) < 0.25) * torch.rand(sentences, 5, tokens)).double(),
        text_mask=torch.arange(tokens) < lengths[:, None],
    )
    chosen = torch.stack([torch.randperm(seeds)[:queries] for _ in range(sentences)])
    own = instances[scene[:, None], truth.seeds[scene].gather(1, chosen)]  # label under each query
    good = torch.where(instances[scene, None] == own[..., None], 1.5, -1.5)  # most masks are, so that scores count
    heads = tuple(
        LayerOutputs(
            good + torch.randn(sentences, queries, superpoints, dtype=torch.float64),
            torch.rand(sentences, queries, dtype=torch.float64),
            torch.randn(sentences, queries, 2, dtype=torch.float64),
            unit(sentences, queries, 5),
            unit(sentences, tokens, 5),
        )
        for _ in range(stages)
    )
    scores = torch.rand(sentences, seeds, dtype=torch.float64)
    outputs = Outputs(heads, chosen, scores, padding, torch.zeros(sentences, queries, 3))
    return outputs, truth


def plain_pairs(objects, labels, points, centers):
    """docs/systems/bqnet.md §4.1: list of (candidate, k): the nearest ones, then the others of each object."""
    pairs = []
    for k in range(len(objects)):
        pairs.append((min(range(len(points)), key=lambda x: float((points[x] - centers[k]).square().sum())), k))
    nearest = {x for x, _ in pairs}
    for k, o in enumerate(objects):
        pairs += [(x, k) for x in range(len(points)) if int(labels[x]) == o and x not in nearest]
    return pairs, nearest


def plain_sentence(outputs, truth, u):
    """The kept objects of sentence u with their masks and centres, its pairs, and the seeds' targets."""
    b, size = int(truth.scene[u]), int((~outputs.padding[u]).sum())
    labels, positions = truth.instances[b, :size], truth.positions[b, :size]
    kept = [o for o in truth.objects[u] if bool((labels == o).any())]
    masks = [(labels == o).double() for o in kept]
    centers = [positions[labels == o].mean(0) for o in kept]
    rows = truth.seeds[b]
    queries = rows[outputs.chosen[u]]
    pairs, _ = plain_pairs(kept, labels[queries], positions[queries], centers)
    seeds, nearest = plain_pairs(kept, labels[rows], positions[rows], centers)
    y = 0.5 * truth.relevance[u, rows]
    for s, k in seeds[len(kept) :]:
        y[s] = torch.exp(-0.5 * (positions[rows[s]] - centers[k]).norm() ** 2)
    for s in nearest:
        y[s] = 1
    return size, masks, pairs, y


def plain_semantic(stage, truth, u, paired):
    z = stage.queries[u] @ stage.tokens[u].T / 0.07
    end = int(truth.text_mask[u].sum()) - 1
    supports = [{int(l) for l in m.nonzero()} for m in truth.maps[u]]
    eps = 1e-6
    sets = [supports if q in paired else [{end - 1, end}, set(), set(), set(), set()] for q in range(len(z))]
    total = z.sum() * 0
    for q, (p, m, pron, r, o) in enumerate(sets):
        if p:
            a = torch.log(sum(torch.exp(2 * v if l in o else v) for l, v in enumerate(z[q])))
            for weight, where in ((1, p), (0.2, m), (0.2, pron), (0.1, r)):
                a = a - weight * sum(z[q, l] for l in where) / (len(where) + eps)
            total = total + (1 if q in paired else 0.1) * a
    for l in range(z.shape[1]):
        if not any(l in s for four in sets for s in four[:4]):
            continue
        n = sum(l in four[0] for four in sets) + len(paired) * float(truth.maps[u, 1:4, l].sum()) + eps
        own = sum(z[q, l] for q, four in enumerate(sets) for s in four[:4] if l in s)
        b = -math.log(n + eps) / n - own / n + torch.log(z[:, l].exp().sum())
        weight = 1.0 if l == end else 0.1
        for i, amount in enumerate((1.0, 0.2, 0.2, 0.1)):
            if any(l in four[i] for four in sets):
                weight = amount
        total = total + (0.1 if l == end - 1 else weight) * b
    return total


def plain_triplet(stage, paired):
    kept = []
    for x, mine in zip(stage.queries, paired):
        for i in range(len(x)):
            d = {j: (x[i] - x[j]).norm() for j in range(len(x)) if j != i}
            alike = [v for j, v in d.items() if (j in mine) == (i in mine)]
            other = [v for j, v in d.items() if (j in mine) != (i in mine)]
            if alike and other:
                kept.append((max(alike) - min(other) + 0.3).clamp(min=0))
    return sum(kept) / len(kept) if kept else stage.queries.sum() * 0


def plain_terms(outputs, truth, *, repeated):
    """Name → value per stage, like `stage_terms`."""
    found = [plain_sentence(outputs, truth, u) for u in range(len(truth.scene))]
    number = max(1, sum(len(pairs) for _, _, pairs, _ in found))
    paired = [{q for q, _ in pairs} for _, _, pairs, _ in found]
    result = {name: [] for name in NAMES}
    for stage in outputs.stages:
        value = dict.fromkeys(NAMES, stage.masks.sum() * 0 + stage.scores.sum() * 0)
        for u, (size, masks, pairs, _) in enumerate(found):
            counts = [sum(j == k for _, j in pairs) for k in range(len(masks))]
            stack = [m for m, c in zip(masks, counts) for _ in range(c)]
            scored = []
            for q, k in pairs:
                logits, target = stage.masks[u, q, :size], stack[k] if repeated else masks[k]
                p = logits.sigmoid()
                bce = F.binary_cross_entropy_with_logits(logits, target)
                dice = 1 - (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)
                value["mask"] = value["mask"] + bce / len(pairs)
                value["dice"] = value["dice"] + dice / len(pairs)
                both = ((p >= 0.5) & (target > 0.5)).sum()
                overlap = both / ((p >= 0.5).sum() + target.sum() - both + 1e-6)
                if overlap > 0.5:
                    scored.append((stage.scores[u, q] - overlap) ** 2)
            if scored:
                value["score"] = value["score"] + sum(scored) / len(scored)
            for q, logits in enumerate(stage.indicators[u]):
                yes = q in paired[u]
                ce = F.cross_entropy(logits, torch.tensor(int(yes))) + math.log(1 + 1e-6)
                value["indicator"] = value["indicator"] + (1 if yes else 0.1) * ce
            value["semantic"] = value["semantic"] + plain_semantic(stage, truth, u, paired[u]) / 2
        for name in NAMES:
            result[name].append(value[name] / number)
        result["triplet"][-1] = plain_triplet(stage, paired)
    sample = 0
    for scores, (*_, y) in zip(outputs.seed_scores, found):
        p = scores.sigmoid()
        bce = -(y * p.log() + (1 - y) * (1 - p).log())
        each = (0.25 * y + 0.75 * (1 - y)) * (y * (1 - p) + (1 - y) * p) ** 2 * bce
        sample = sample + each.sum() / len(scores) / len(found)
    return result | {"sample": [sample]}
