"""LESS: word attention, query decoder, sentence alignment, losses, the whole model and its official keys."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saymask.models.less import Less, LessConfig, compat
from saymask.models.less import losses as less_losses
from saymask.models.less.batch import make_sample
from saymask.models.less.network import QueryDecoder, WordAttention, forbidden_rows, projection, sentence_weights
from saymask.models.less.official import (
    DEAD,
    OFFICIAL_WIDTHS,
    PROJECTION_PREFIX,
    load_official,
    official_name,
    official_names,
)
from saymask.models.less.transform import LessItem
from saymask.text import TextFeatures
from tests.parity import GOLDEN, Check, case, fill_state, fill_tensor, placed

SINGLE = {"atol": 2e-5, "rtol": 1e-5}
LOSS = {"rtol": 1e-5}


def tensor(values: Any) -> Tensor:
    return placed(values)


def filled(module: nn.Module, prefix: str) -> nn.Module:
    """Fill a part of the model, mounted at `prefix`, with the golden weights of its official names."""
    state = {}
    for name, value in module.state_dict().items():
        key = official_name(f"{prefix}.{name}")
        state[name] = torch.from_numpy(fill_tensor(key, tuple(value.shape)))
    module.load_state_dict(state)
    return placed(module.eval())


@case("less", "pwca")
def pwca(data: dict[str, Any], path: Path) -> Iterator[Check]:
    mask = tensor(data["word_mask"]).bool()[None]
    for level, width in enumerate((32, 64, 96, 128, 160)):
        if f"d{width}.source" not in data:
            continue
        words = filled(projection(768, width, 0.15), f"word_projections.{level}")(tensor(data["word_feature"])[None])
        yield Check(f"d{width}.word_embedding", words[0], data[f"d{width}.word_embedding"], **SINGLE)
        block = filled(WordAttention(width), f"word_attention.{level}")
        assert isinstance(block, WordAttention)
        source = tensor(data[f"d{width}.source"])
        # The golden embedding isolates the attention from the projection.
        words = tensor(data[f"d{width}.word_embedding"])[None] * mask[..., None]
        keys, offsets, values = block.attn.fold_keys(words)
        weights = (source @ keys[0].T + offsets[0]).softmax(-1)
        yield Check(f"d{width}.attn_weights", weights, data[f"d{width}.attn_weights"], **SINGLE)
        attended = block.attn.attend_folded(source, keys[0], offsets[0], values[0])
        yield Check(f"d{width}.attn_out", attended, data[f"d{width}.attn_out"], **SINGLE)
        plain = block.attn(source[None], words, form="plain")[0]
        yield Check(f"d{width}.attn_out (plain form)", plain, data[f"d{width}.attn_out"], **SINGLE)
        yield Check(f"d{width}.normed", block.norm(attended), data[f"d{width}.normed"], **SINGLE)
        added = block(source, words, mask, [len(source)], zero_padding=True) - source
        yield Check(f"d{width}.output", added, data[f"d{width}.output"], **SINGLE)


@case("less", "qmp")
def qmp(data: dict[str, Any], path: Path) -> Iterator[Check]:
    decoder = filled(QueryDecoder(32), "query_decoder")
    assert isinstance(decoder, QueryDecoder)
    decoder.plain = True
    x = tensor(data["x"])
    yield Check("inst_feats", decoder.input_proj(x)[:, :64], data["inst_feats"], **SINGLE)
    yield Check("mask_feats", decoder.mask_proj(x)[:, :64], data["mask_feats"], **SINGLE)
    yield from decoder_steps(decoder, x, data, "", SINGLE)
    # Mask logits reach 40: rounding alone (of the expected values too) takes half of the tolerance of the plain form.
    decoder.plain = False
    yield from decoder_steps(decoder, x, data, " (folded)", {"atol": 4e-5, "rtol": 2e-5})


def decoder_steps(
    decoder: QueryDecoder, x: Tensor, data: dict[str, Any], form: str, tolerance: dict[str, float]
) -> Iterator[Check]:
    weights = placed(torch.ones(x.shape[:2]))
    memory, features = decoder.input_proj(x), decoder.mask_features(x)
    queries = decoder.out_norm(decoder.queries).expand(len(x), -1, -1)
    yield Check("query0" + form, queries, data["query0"], **tolerance)
    masks = decoder.masks(queries, features)
    yield Check("pred_masks0" + form, masks, data["pred_masks0"], **tolerance)
    forbidden = forbidden_rows(masks, weights)
    yield Check("attn_masks0" + form, forbidden, data["attn_masks0"])
    bias = placed(torch.zeros(forbidden.shape)).masked_fill(forbidden, float("-inf"))
    layer: Any = decoder.layers[0]
    queries = layer.after_cross(queries, memory, bias, plain=decoder.plain)
    yield Check("after_cross" + form, queries, data["after_cross"], **tolerance)
    queries = layer.after_self(queries, plain=decoder.plain)
    yield Check("after_self" + form, queries, data["after_self"], **tolerance)
    yield Check("after_ffn" + form, layer.ffn_norm(layer.ffn(queries) + queries), data["after_ffn"], **tolerance)
    queries, features = decoder(x, weights)
    masks = decoder.masks(queries, features)
    yield Check("query" + form, queries, data["query"], **tolerance)
    yield Check("pred_masks" + form, masks, data["pred_masks"], **tolerance)
    yield Check("attn_masks" + form, forbidden_rows(masks, weights), data["attn_masks"])


@case("less", "qsa")
def qsa(data: dict[str, Any], path: Path) -> Iterator[Check]:
    sentence = filled(projection(768, 256, 0.15), "sentence_projection")(tensor(data["sentence_feature"]))
    yield Check("sentence_proj", sentence, data["sentence_proj"], **SINGLE)
    weights = sentence_weights(tensor(data["query"]), tensor(data["sentence_proj"]))
    yield Check("similarity", weights[..., None], data["similarity"], **SINGLE)
    logits = (weights[:, None] @ tensor(data["pred_masks"]))[:, 0]
    yield Check("logits", logits, data["logits"], **SINGLE)


def total_loss(logits: Tensor, features: Tensor, target: Any, *, official: bool = True) -> dict[str, Tensor]:
    positive = tensor(target).float()
    negative = 1 - positive
    terms = {
        "loss_mask": less_losses.segmentation_loss(logits, positive, negative, probabilities=official),
        "loss_area_x10": 10 * less_losses.area_loss(logits, positive + negative),
        "loss_p2p_x005": 0.05 * less_losses.contrast_loss(features, positive, negative, nan_when_empty=official),
    }
    return terms | {"loss": sum(terms.values(), placed(torch.zeros(())))}


@case("less", "loss")
def loss(data: dict[str, Any], path: Path) -> Iterator[Check]:
    for name, official in (("", True), (" (corrected form)", False)):
        logits, features = (tensor(data[k]).requires_grad_() for k in ("logits", "final_fea"))
        terms = total_loss(logits, features, data["gt_mask"], official=official)
        for key, value in terms.items():
            yield Check(key + name, value, data[key], **LOSS)
        terms["loss"].backward()
        yield Check("grad_logits" + name, logits.grad, data["grad_logits"], atol=1e-7, rtol=1e-4)
        yield Check("grad_final_fea" + name, features.grad, data["grad_final_fea"], atol=1e-7, rtol=1e-4)
    for suffix in ("with_empty", "with_full"):
        if f"gt_mask_{suffix}" not in data:
            continue
        terms = total_loss(tensor(data["logits"]), tensor(data["final_fea"]), data[f"gt_mask_{suffix}"])
        names = {"loss": "loss", "loss_mask": "loss_mask", "loss_p2p": "loss_p2p_x005"}
        for key, ours in names.items():
            if f"{key}_{suffix}" in data:
                yield Check(f"{key}_{suffix}", terms[ours], data[f"{key}_{suffix}"], **LOSS)


class GivenText(nn.Module):
    """Stands in for the text encoder where the case brings its output."""

    name, dim = "given", 768


def official_model(shapes: dict[str, Any], extra: dict[str, Tensor] | None = None) -> Less:
    """Return LESS in compat form with golden weights, loaded through the importer."""
    model = Less(compat(LessConfig(), dropout=False), text_encoder=GivenText())
    state = fill_state(shapes)
    load_official(model, state | (extra or {}), projections=golden_projections())
    return placed(model.eval())


def golden_projections() -> dict[str, Tensor]:
    projections = {}
    for width in OFFICIAL_WIDTHS:
        prefix = PROJECTION_PREFIX.format(width=width)
        for layer, rows in (("0", 768), ("3", width)):
            for leaf, shape in (("weight", (rows, 768)), ("bias", (rows,))):
                key = f"{prefix}.{layer}.{leaf}"
                projections[key] = torch.from_numpy(fill_tensor(key, shape))
    return projections


def official_shapes() -> dict[str, Any]:
    shapes = json.loads((GOLDEN / "less" / "keys.json").read_text())
    return {key: shape for key, shape in shapes.items() if not key.endswith("*")}


@case("less", "keys")
def keys(data: dict[str, Any], path: Path) -> Iterator[Check]:
    shapes = {key: shape for key, shape in data.items() if not key.endswith("*")}
    model = Less(compat(LessConfig(), dropout=False), text_encoder=GivenText())
    report = load_official(model, fill_state(shapes), projections=golden_projections())
    yield Check("missing", len(report.missing), 0)
    yield Check("unexpected", len(report.unexpected), 0)
    yield Check("wrong shape", len(report.wrong_shape), 0)
    yield Check("used + dead", len(report.used) + len(report.unused), len(shapes) + len(golden_projections()))
    ours = {official: name for name, official in official_names(model).items()}
    for key in shapes:
        if key in ours and not key.endswith("num_batches_tracked") and len(shapes[key]) != 5:
            yield Check(key, model.state_dict()[ours[key]], fill_tensor(key, tuple(shapes[key])))


@case("less", "full")
def full(data: dict[str, Any], path: Path) -> Iterator[Check]:
    model = official_model(official_shapes())
    coords, feats = data["point_coords"], data["feats"]
    scans = int(coords[:, 0].max()) + 1
    samples = []
    for b in range(scans):
        rows = coords[:, 0] == b
        item = LessItem(
            coords[rows, 1:].astype(np.int64),
            feats[rows, :3],
            feats[rows, 3:],
            data["gt_mask"][b] > 0,
            np.flatnonzero(rows),
        )
        samples.append(make_sample(item, None))
    batch = placed(model.collate(samples))
    last, mask = tensor(data["text_last_hidden"]), tensor(data["attention_mask"]).bool()
    text = TextFeatures(last, mask, last[:, 0], placed(torch.zeros(*mask.shape, 2, dtype=torch.int64)))
    encoded = model.encode_batch(batch)
    order = {tuple(c): i for i, c in enumerate(encoded.pyramid.levels[0].coords.tolist())}
    rows = [order[tuple(c)] for c in data["voxel_coords"].tolist()]

    fused: dict[int, Tensor] = {}
    hooks = [
        block.register_forward_hook(lambda _m, _i, out, level=level: fused.__setitem__(level, out))
        for level, block in enumerate(model.word_attention)
    ]
    logits, features = model(encoded, text)
    for hook in hooks:
        hook.remove()
    for level in range(5):
        if f"coords{level + 1}" not in data:
            continue
        own = encoded.pyramid.levels[level].coords
        pick = rows if level == 0 else slice(None)
        yield Check(f"coords{level + 1}", own[pick], data[f"coords{level + 1}"])
        yield Check(f"fused{level + 1}", fused[level][pick], data[f"fused{level + 1}"], atol=1e-4, rtol=1e-5)

    index = torch.stack([tensor(i) for i in batch.index])  # [B, N] support row of each point

    def spread(values: Tensor) -> Tensor:  # [B, S] → [B, N]
        return values.gather(1, index)

    point_features = torch.stack([f[i] for f, i in zip(features, index)])
    yield Check("final_fea", point_features, data["final_fea"], atol=1e-4, rtol=1e-5)
    queries, hidden = model.query_decoder(features, batch.counts)
    yield Check("query", queries, data["query"], atol=1e-4, rtol=1e-5)
    masks = model.query_decoder.masks(queries, hidden)[:, [0, 4, 8, 12, 16]]
    points = torch.stack([m[:, i] for m, i in zip(masks, index)])
    yield Check("pred_masks", points, data["pred_masks"], atol=3e-4, rtol=1e-5)
    weights = sentence_weights(queries, model.sentence_projection(text.sentence))
    yield Check("similarity", weights[..., None], data["similarity"], atol=1e-4, rtol=1e-5)
    yield Check("logits", spread(logits), data["logits"], atol=3e-4)

    model.text = lambda sentences: text  # type: ignore[method-assign]
    terms = model.losses(batch)
    total = sum(terms.values(), placed(torch.zeros(())))
    names = {
        "loss_mask": terms["mask"],
        "loss_area_x10": terms["area"],
        "loss_p2p_x005": terms["contrast"],
        "loss": total,
    }
    for name, value in names.items():
        yield Check(name, value, data[name], **LOSS)
    for projection_ in model.word_projections:  # officially they get a gradient that is never applied
        projection_.requires_grad_(True)
    total = sum(model.losses(batch).values(), placed(torch.zeros(())))
    total.backward()
    gradients = dict(model.named_parameters())
    ours = {official: name for name, official in official_names(model).items()}
    for key, norm in zip(data["grad_names"].tolist(), data["grad_norms"]):
        grad = gradients[ours[key]].grad
        assert grad is not None
        yield Check(f"grad norm {key}", grad.norm(), norm, rtol=1e-3)
    grad = gradients["word_projections.0.0.weight"].grad
    assert grad is not None
    yield Check("word_fuse_32_grad_norm", grad.norm(), data["word_fuse_32_grad_norm"], rtol=1e-3)
    without = sorted(key for key in official_shapes() if DEAD.match(key))
    yield Check("no_grad_names", np.array(without), np.array(sorted(data["no_grad_names"].tolist())))

    probability = spread(logits).sigmoid().detach()
    final, target = probability > 0.5, data["gt_mask"] > 0
    for row, p in zip(final, probability):
        if row.sum() < 100:
            row[p.topk(min(5000, len(p))).indices] = True
    yield Check("pred_mask_final", final, data["pred_mask_final"])
    yield Check("inter", (final.cpu().numpy() & target).sum(1), data["inter"])
    yield Check("union", (final.cpu().numpy() | target).sum(1), data["union"])
