"""UniSeg3D's decoder, all queries at once and in the two passes of inference; the official keys."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.decoder import Decoder
from saymask.models.uniseg3d.official import TOWER, load_official, official_names, text_tower
from saymask.models.uniseg3d.outputs import Outputs
from saymask.nn.superpoints import SuperpointUNet
from tests.parity import Check, case, fill_state, placed
from tests.parity.backbones import official_shapes
from tests.parity.uniseg3d_text import filled_decoder, filled_encoder, sentence_features, tower_shapes

NEAR = {"atol": 1e-4, "rtol": 1e-4}
FIELDS = {"cls": "classes", "masks": "masks", "contras": "embeddings"}


def joined(outputs: Outputs, stage: int, field: str) -> Tensor:
    """Return the rows of all queries in the published order."""
    return torch.cat([getattr(kind[stage], field) for kind in (outputs.objects, outputs.clicks, outputs.texts)])


@case("uniseg3d", "decoder")
@torch.no_grad()
def decoder(data: dict[str, Any], path: Path) -> Iterator[Check]:
    model, encoder = filled_decoder(), filled_encoder()
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.__setitem__(name, output[0] if output.ndim == 3 else output)

    model.scan_input.register_forward_hook(keep("input_proj"))
    model.mask_features.register_forward_hook(keep("mask_feats"))
    for i, layer in enumerate(model.layers):
        for ours, theirs in (("cross", "cross"), ("among", "self"), ("ffn", "ffn")):
            layer.get_submodule(ours).register_forward_hook(keep(f"layer{i}_{theirs}"))
    prototypes = placed(data["cls_embed"])
    for scene in sorted(int(name[9:]) for name in data if name.startswith("sp_feats_")):
        own = {name.removesuffix(f"_{scene}"): value for name, value in data.items() if name.endswith(f"_{scene}")}
        queries = int(own["n_queries"][0])
        features, objects = placed(own["sp_feats"]), placed(torch.arange(queries))
        where = placed(own.get("point_prompt_sp_ids", np.zeros(0, np.int64)))
        said = sentence_features(encoder, own.get("text_tokens", np.zeros((0, 77), np.int64)))
        yield Check(f"n_queries_{scene}", np.array([len(objects), len(where), len(said)]), own["n_queries"])
        outputs = model(features, objects, where, said, prototypes)
        traced = dict(seen)
        memory = model.memory(features)
        yield from _arrays(scene, own, outputs, traced, queries)
        starts = model.starts(memory, objects, where, said)
        yield Check(f"queries_in_{scene}", starts, own["queries_in"], **NEAR)
        alone = np.arange(len(starts)) >= queries
        isolated = (alone[:, None] | alone) & ~np.eye(len(starts), dtype=bool)
        yield Check(f"self_attn_mask_{scene}", isolated, own["self_attn_mask"])
        yield from _passes(f"_{scene}", own, model, memory, where, said, prototypes, outputs)


def _arrays(
    scene: int, own: dict[str, Any], outputs: Outputs, traced: dict[str, Tensor], queries: int
) -> Iterator[Check]:
    last = len(outputs.objects) - 1
    for name, expected in own.items():
        title = f"{name}_{scene}"
        if match := re.fullmatch(r"stage(\d+)_(cls|masks|contras)", name):
            yield Check(title, joined(outputs, int(match[1]), FIELDS[match[2]]), expected, **NEAR)
        elif match := re.fullmatch(r"(stage\d+|final)_pred_iou", name):
            stage = last if match[1] == "final" else int(match[1].removeprefix("stage"))
            yield Check(title, outputs.objects[stage].iou, expected[:, 0], **NEAR)
        elif match := re.fullmatch(r"(point|text)_(cls|masks)", name):
            kind = outputs.clicks if match[1] == "point" else outputs.texts
            yield Check(title, getattr(kind[last], FIELDS[match[2]]), expected, **NEAR)
        elif name == "final_sem":  # rows of prompts are thrown away there, never computed here
            yield Check(title, outputs.semantic, expected[:queries], **NEAR)
        elif name in traced:
            yield Check(title, traced[name], expected, **NEAR)


def _passes(
    end: str, own: dict[str, Any], model: Decoder, memory: Any, where: Tensor, said: Tensor, prototypes: Tensor,
    outputs: Outputs,
) -> Iterator[Check]:  # fmt: skip
    """The passes of inference: superpoint queries alone, prompts together, prompts one by one."""
    objects = model.objects(memory, placed(torch.arange(len(outputs.semantic))), prototypes)
    together = [("prompts", model.prompts(memory, where, said, prototypes))] if len(where) + len(said) else []
    yield Check(f"objects: semantic{end}", objects.semantic, own["final_sem"][: len(objects.semantic)], **NEAR)
    yield Check(f"objects: iou{end}", objects.objects[0].iou, own["final_pred_iou"][:, 0], **NEAR)
    for field in FIELDS.values():
        expected = getattr(outputs.objects[-1], field)
        yield Check(f"objects: {field}{end}", getattr(objects.objects[0], field), expected, **NEAR)
        for name, got in together:
            for kind in ("clicks", "texts"):
                expected = getattr(getattr(outputs, kind)[-1], field)
                yield Check(f"{name}: {kind} {field}{end}", getattr(getattr(got, kind)[0], field), expected, **NEAR)
        for row in range(len(where)):
            got = getattr(model.prompts(memory, where[row : row + 1], None, prototypes).clicks[0], field)
            yield Check(
                f"click {row} alone: {field}{end}", got, getattr(outputs.clicks[-1], field)[row : row + 1], **NEAR
            )
        for row in range(len(said)):
            got = getattr(model.prompts(memory, None, said[row : row + 1], prototypes).texts[0], field)
            yield Check(
                f"text {row} alone: {field}{end}", got, getattr(outputs.texts[-1], field)[row : row + 1], **NEAR
            )


class Whole(nn.Module):
    """A backbone and a decoder, as the model has them."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.decoder = SuperpointUNet(), Decoder(UniSeg3DConfig())


@case("uniseg3d", "keys")
def keys(data: dict[str, Any], path: Path) -> Iterator[Check]:
    given = {key: tuple(shape) for key, shape in data.items() if isinstance(shape, list)}  # the rest is a remark
    model = Whole()
    state = {key: value.reshape(given[key]) for key, value in fill_state(given).items()}
    report = load_official(model, state)
    yield Check("used", np.array(sorted(report.used)), np.array(sorted(given)))
    yield Check("unused", len(report.unused), 0)
    own, names = model.state_dict(), official_names(model)
    backbone = official_shapes(model.backbone.unet)
    for name, key in names.items():
        if key not in backbone:
            yield Check(key, own[name], state[key])
    for key, shape in backbone.items():
        yield Check(f"{key} shape", np.array(shape), np.array(data[key]))
        yield Check(f"{key} is loaded", bool(torch.isin(state[key].flatten()[:5], _of(own, names, key)).all()), True)


def _of(own: dict[str, Tensor], names: dict[str, str], key: str) -> Tensor:
    return next(own[name] for name, theirs in names.items() if theirs == key)


@case("uniseg3d", "keys_text_encoder")
def keys_text_encoder(data: dict[str, Any], path: Path) -> Iterator[Check]:
    mask = f"{TOWER}text_attn_mask"
    shapes = tower_shapes()
    yield Check("keys", np.array(sorted([*shapes, mask])), np.array(sorted(data)))
    for key, shape in shapes.items():
        yield Check(key, np.array(shape), np.array(data[key]))
    empty = {key: torch.empty(shape, device="meta") for key, shape in data.items()}
    yield Check("text tower", len(text_tower(empty)), len(data) - 1)
    report = load_official(filled_decoder(), _with_decoder(empty))
    yield Check("left out", np.array(sorted(report.unused)), np.array(sorted(data)))


def _with_decoder(tower: dict[str, Tensor]) -> dict[str, Tensor]:
    decoder = filled_decoder()
    return tower | {key: decoder.state_dict()[name] for name, key in official_names(decoder).items()}
