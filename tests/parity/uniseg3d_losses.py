"""UniSeg3D: the training losses with their gradients and pairs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saymask.models.uniseg3d.config import CLASSES, THINGS, UniSeg3DConfig
from saymask.models.uniseg3d.losses import losses
from saymask.models.uniseg3d.matching import match_stage
from saymask.models.uniseg3d.outputs import LayerOutputs, Outputs, Truth
from tests.parity import Check, case, placed

TERMS = {
    "inst_loss": "instance",
    "ov_inst_loss": "novel",
    "iou_inst_loss": "iou",
    "IntrinsicPointAndQuery_loss": "distill_clicks",
    "seg_loss": "semantic",
    "point_prompt_inst_loss": "click",
    "text_prompt_inst_loss": "text",
    "contrastive_loss": "contrast",
    "rank_loss": "rank",
    "pseudo_ditribute_loss": "distill_text",
}
"""Official name → ours."""
COMPAT = UniSeg3DConfig(compat=True)
WIDTH = 256
"""Channels of the embeddings."""


def numbers(golden: dict[str, Any], pattern: str) -> list[int]:
    """Return the sorted numbers n of the arrays whose whole name matches `pattern`, whose group 1 is n."""
    return sorted({int(m[1]) for name in golden if (m := re.fullmatch(pattern, name))})


def scene(golden: dict[str, Any], b: int, leaves: dict[str, Tensor]) -> tuple[Outputs, Truth]:
    """Return scene `b` in our records; its predictions ask for gradients and are added to `leaves` by their name."""
    masks = placed(golden[f"gt_sp_masks_{b}"])
    novel = placed(golden[f"gt_is_novel_{b}"])
    rows = len(masks) - CLASSES - 1  # the last ones are semantic
    known = rows - int(novel.sum())
    labels = placed(golden[f"gt_labels_{b}"])[:known].long()
    texts = placed(golden[f"text_instance_ids_{b}"]).long()
    truth = Truth(
        masks=masks[:rows],
        labels=labels,
        semantic=masks[rows:].int().argmax(0),
        queries=placed(golden[f"query_sp_ids_{b}"]).long(),
        click_objects=placed(golden[f"point_instance_ids_{b}"]).long(),
        text_objects=texts,
        text_masks=masks[texts],
        text_labels=labels[texts],
    )
    stages = numbers(golden, r"stage(\d+)_masks_\d+")

    def leaf(name: str, *shape: int) -> Tensor:
        if name in golden:  # a kind without prompts has no arrays
            leaves[name] = placed(golden[name]).requires_grad_()
            return leaves[name]
        return placed(torch.zeros(0, *shape)).requires_grad_()

    def kind(prefix: str, i: int, embeddings: Tensor) -> LayerOutputs:
        name = f"{prefix}stage{i}"
        predicted = leaf(f"{name}_iou_{b}", 1).squeeze(1) if not prefix else None
        return LayerOutputs(
            leaf(f"{name}_cls_{b}", THINGS + 1), leaf(f"{name}_masks_{b}", masks.shape[1]), embeddings, predicted
        )

    def kinds(prefix: str) -> tuple[LayerOutputs, ...]:
        # the file holds the embeddings of the last stage only, and none of the superpoint queries: no loss uses others
        last = leaf(f"{prefix}contras_{b}", WIDTH) if prefix else placed(torch.zeros(len(truth.queries), WIDTH))
        return tuple(kind(prefix, i, last) for i in stages)

    return Outputs(kinds(""), kinds("point_"), kinds("text_"), leaf(f"sem_{b}", CLASSES + 1)), truth


def case_scenes(golden: dict[str, Any]) -> tuple[list[int], list[Outputs], list[Truth], dict[str, Tensor]]:
    """Return (numbers in the file, predictions, truth, name → leaf) of all scenes of a criterion case."""
    leaves: dict[str, Tensor] = {}
    found = numbers(golden, r"gt_labels_(\d+)")
    scenes = [scene(golden, b, leaves) for b in found]
    return found, [o for o, _ in scenes], [t for _, t in scenes], leaves


@case("uniseg3d", "criterion", "criterion_empty")
def criterion(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    found, outputs, truth, leaves = case_scenes(golden)
    # the README says that the scale is the initial one, ln(1/0.07); the file does not hold it
    scale = placed(torch.tensor(1 / 0.07)).log().requires_grad_()
    terms = losses(outputs, truth, COMPAT, scale)
    for name in golden:
        if name.startswith("loss/"):
            term = name.removeprefix("loss/")
            value = sum(terms.values()) if term == "total" else terms[TERMS[term]]
            yield Check(name, value, golden[name], atol=1e-7, rtol=1e-4)
    for b, o, t in zip(found, outputs, truth):
        base, novel = match_stage(o.objects[-1], t, COMPAT)
        yield Check(f"match_query_{b}", base.queries, golden[f"match_query_{b}"])
        yield Check(f"match_gt_{b}", base.objects, golden[f"match_gt_{b}"])
        yield Check(f"ov_match_query_{b}", novel.queries, golden[f"ov_match_query_{b}"])
        yield Check(f"ov_match_gt_{b}", novel.objects - t.instances, golden[f"ov_match_gt_{b}"])
    torch.stack(list(terms.values())).sum().backward()
    yield Check("gradnorm/logit_scale", scale.grad, golden["gradnorm/logit_scale"], atol=1e-8, rtol=1e-4)
    for name, tensor in leaves.items():
        norm = 0.0 if tensor.grad is None else float(torch.linalg.vector_norm(tensor.grad))
        yield Check(f"gradnorm/{name}", norm, golden.get(f"gradnorm/{name}", 0.0), atol=1e-8, rtol=1e-4)
