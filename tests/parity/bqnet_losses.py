"""BQNet: the losses with their gradients and assignments, and the single terms alone."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saymask.models.bqnet.alignment import hard_triplet
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.losses import dice, focal, indicator_sum, iou, losses, stage_terms
from saymask.models.bqnet.matching import match, targets
from saymask.models.bqnet.outputs import NO_INSTANCE, LayerOutputs, Outputs, Truth
from tests.parity import Check, case, placed

TERMS = {
    "mask_bce_loss": "mask",
    "mask_dice_loss": "dice",
    "score_loss": "score",
    "sample_loss": "sample",
    "indi_loss": "indicator",
    "sem_loss": "semantic",
    "triple_loss": "triplet",
}
"""Official name → ours."""
HEADS = {
    "masks": "masks",
    "scores": "scores",
    "indis": "indicators",
    "proj_queries": "queries",
    "proj_tokens": "tokens",
}
"""Official name of a head's output → ours."""
MAPS = ("positive", "modify", "pron", "other", "rel")
"""Order of the rows of `token_maps_{b}`; ours is positive, modify, pron, rel, other."""
REPEATED = BQNetConfig(repeated_masks=True)
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def numbers(golden: dict[str, Any], pattern: str) -> list[int]:
    """Return the sorted numbers n of the arrays whose whole name matches `pattern`, whose group 1 is n."""
    found = {int(m[1]) for name in golden if (m := re.fullmatch(pattern, name))}
    return sorted(found)


def truth_and_outputs(golden: dict[str, Any]) -> tuple[Truth, Outputs]:
    """Return a loss case in our records; the predictions are leaves that ask for gradients."""
    sentences = numbers(golden, r"sp_ins_labels_(\d+)")
    padding = placed(golden["batch_mask"])
    u, s = padding.shape
    starts = golden["batch_offsets"]
    text_mask = placed(golden["lang_masks"]).bool()
    positions = placed(torch.zeros(u, s, 3))
    instances = placed(torch.full((u, s), NO_INSTANCE))
    relevance = placed(torch.zeros(u, s))
    maps = placed(torch.zeros(u, 5, text_mask.shape[1]))
    ours = [MAPS.index(name) for name in ("positive", "modify", "pron", "rel", "other")]
    for row, b in enumerate(sentences):
        size = int(starts[row + 1] - starts[row])
        positions[row, :size] = placed(golden["sp_pos"][starts[row] : starts[row + 1]])
        instances[row, :size] = placed(golden[f"sp_ins_labels_{b}"]).long()
        relevance[row, :size] = placed(golden[f"sp_ref_mask_{b}"])
        maps[row] = placed(golden[f"token_maps_{b}"])[ours, : maps.shape[2]]
    truth = Truth(
        scene=placed(torch.arange(u)),
        instances=instances,
        positions=positions,
        seeds=placed(golden["fps_seed"]).long(),
        objects=tuple(tuple(golden[f"object_ids_{b}"].tolist()) for b in sentences),
        relevance=relevance,
        maps=maps,
        text_mask=text_mask,
    )

    def leaf(name: str) -> Tensor:
        value = placed(golden[name])
        return (value.squeeze(-1) if name.endswith("scores") and value.ndim == 3 else value).requires_grad_()

    stages = tuple(
        LayerOutputs(**{mine: leaf(f"out{j}.{theirs}") for theirs, mine in HEADS.items()})
        for j in numbers(golden, r"out(\d+)\.masks")
    )
    chosen = placed(golden["sample_inds"]).long()
    outputs = Outputs(stages, chosen, leaf("ref_scores"), padding, placed(torch.zeros(*chosen.shape, 3)))
    return truth, outputs


def value_checks(golden: dict[str, Any], outputs: Outputs, truth: Truth) -> Iterator[Check]:
    """Compare every logged number; the total comes from the weighted terms that training sums."""
    terms = stage_terms(outputs, truth, REPEATED)
    total = sum(losses(outputs, truth, REPEATED).values())
    for name, value in zip(golden["loss_names"].tolist(), golden["loss_values"]):
        if name == "loss":
            yield Check(name, total, value, **CLOSE)
            continue
        layer = re.fullmatch(r"layer_(\d+)_(\w+)", name)
        stage, term = (int(layer[1]), layer[2]) if layer else (-1, name)
        yield Check(name, terms[TERMS[term]][stage], value, **CLOSE)


def assignment_checks(golden: dict[str, Any], outputs: Outputs, truth: Truth) -> Iterator[Check]:
    """Compare pairs, counts, nearest queries and object centres of each sentence that the file lists."""
    objects = targets(truth, outputs.padding)
    rows = truth.seeds[truth.scene].gather(1, outputs.chosen)
    scene = truth.scene[:, None]
    pairs = match(objects, truth.instances[scene, rows], truth.positions[scene, rows])
    sentence, k, query = pairs.listed()
    names = numbers(golden, r"sp_ins_labels_(\d+)")
    for row, b in enumerate(names):
        mine, present = sentence == row, objects.present[row]
        got = {
            "match_q": query[mine],
            "match_gt": k[mine],
            "match_counts": pairs.counts[row][present],
            "match_top1": pairs.nearest[row][present].int().argmax(1),
        }
        for name, value in got.items():
            if f"{name}_{b}" in golden:
                yield Check(f"{name}_{b}", value, golden[f"{name}_{b}"])
        if f"match_q_{b}" not in golden:
            yield Check(f"no pair of sentence {b}", int(mine.sum()), 0)
        if f"obj_pos_{b}" in golden:
            yield Check(f"obj_pos_{b}", objects.centers[row][present], golden[f"obj_pos_{b}"], **CLOSE)


@case("bqnet", "loss_mixed", "loss_single")
def loss(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    truth, outputs = truth_and_outputs(golden)
    yield from assignment_checks(golden, outputs, truth)
    yield from value_checks(golden, outputs, truth)
    torch.stack(list(losses(outputs, truth, REPEATED).values())).sum().backward()
    order = numbers(golden, r"out(\d+)\.masks")
    for name, value in zip(golden["grad_names"].tolist(), golden["grad_norms"]):
        if name == "ref_scores":
            leaf = outputs.seed_scores
        else:
            stage, head = re.fullmatch(r"out(\d+)\.(\w+)", name).groups()  # type: ignore[union-attr]
            leaf = getattr(outputs.stages[order.index(int(stage))], HEADS[head])
        norm = float(torch.linalg.vector_norm(leaf.grad)) if leaf.grad is not None else 0.0
        # -1: the official graph does not reach this prediction; ours reaches it with zeros
        yield Check(f"|d loss / d {name}|", norm, 0.0 if value == -1 else value, atol=0.0, rtol=1e-3)


@case("bqnet", "loss_terms")
def loss_terms(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    x, t = placed(golden["x"]), placed(golden["t"])
    yield Check("iou", iou(x.sigmoid(), t), golden["iou"], **CLOSE)
    yield Check("dice", dice(x.sigmoid(), t).mean(), golden["dice"], **CLOSE)
    yield Check("bce", (torch.nn.functional.softplus(x) - x * t).mean(), golden["bce"], **CLOSE)
    weighted = focal(x, placed(golden["soft"])) * placed(golden["focal_w"])
    yield Check("focal", weighted, golden["focal"], **CLOSE)

    queries, indicators = placed(golden["triple_in"]), placed(golden["indi_in"])
    paired = placed(torch.zeros(queries.shape[:2], dtype=torch.bool))
    nothing = paired.clone()
    for row, members in enumerate(([1, 4, 7], [2], [])):  # the README gives the pairs, not the file
        paired[row, members] = True
    number = float(paired.sum())
    yield Check("triple_mixed", hard_triplet(queries[None], paired)[0], golden["triple_mixed"], **CLOSE)
    yield Check("triple_all_empty", hard_triplet(queries[None], nothing)[0], golden["triple_all_empty"], **CLOSE)
    yield Check("indi_mixed", indicator_sum(indicators[None], paired) / number, golden["indi_mixed"], **CLOSE)
    empty = indicator_sum(indicators[None], nothing) / np.float32(0)
    yield Check("indi_all_empty", empty, golden["indi_all_empty"])
