"""BQNet: single layers, heads, selection and sampling; every step of the decoder; the official keys."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saymask.geometry.sampling import farthest_point_sampling
from saymask.models.bqnet.attention import distance_weights
from saymask.models.bqnet.cfnet_modules import nearest_queries
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.decoder import Decoder
from saymask.models.bqnet.heads import blocked_by
from saymask.models.bqnet.official import BACKBONE, UNUSED, decoder_names, load_official
from saymask.models.bqnet.outputs import Outputs
from saymask.models.bqnet.query_selection import choose
from saymask.nn.blocks import additive_mask, unit
from saymask.nn.superpoints import SuperpointUNet
from tests.parity import Check, case, fill_state, fill_tensor, placed
from tests.parity.backbones import official_shapes

NEAR = {"atol": 1e-4, "rtol": 1e-4}
IMAGES = "clip-vit-l14-336"


def tensor(values: Any) -> Tensor:
    """Return an array as a tensor: half precision as float32, int32 as int64."""
    values = placed(values)
    return values.float() if values.dtype == torch.float16 else values.long() if values.dtype == torch.int32 else values


def filled_decoder(**settings: Any) -> Decoder:
    """Return the published decoder with 2D features and golden weights, loaded through the importer, in eval mode."""
    decoder = Decoder(BQNetConfig(image_features=IMAGES, **settings))
    names, own = decoder_names(decoder), decoder.state_dict()
    load_official(decoder, fill_state({key: tuple(own[name].shape) for name, key in names.items()}))
    return placed(decoder.eval())


@case("bqnet", "modules")
@torch.no_grad()
def modules(data: dict[str, Any], path: Path) -> Iterator[Check]:
    decoder = filled_decoder()
    layers: list[Any] = list(decoder.layers)
    given = {name: tensor(values) for name, values in data.items()}

    def near(name: str, got: Tensor) -> Check:
        return Check(name, got, data[name], **NEAR)

    cross, query, source = layers[2].query_scan, given["ca_query"], given["ca_source"]
    bias = additive_mask(given["ca_attn_mask"] | given["ca_batch_mask"][:, None])
    yield near("ca_out", cross(query, source, bias)[0])
    out, weights = cross(query, source, bias, looks=True)
    yield Check("ca_out (with weights)", out, data["ca_out"], **NEAR)
    yield near("ca_weights_mean", weights.mean(1))
    for form in ("plain", "few-queries", "few-keys", "torch"):
        yield Check(f"ca_out ({form})", query + cross.attn(query, source, bias, form=form), data["ca_out"], **NEAR)
    bias = additive_mask(given["ca_batch_mask"])[:, None]
    yield near("ca_out_nomask", cross(query, source, bias)[0])

    x, positions = given["sa_x"], given["sa_pos"]
    nearness = distance_weights(positions, decoder.config.distance_decay)
    yield near("sa_dist_weight", nearness)
    yield near("sa_out_weighted", layers[2].query_space(x, None, nearness))
    yield near("sa_out_plain", layers[2].query_space(x))
    yield near("sa_out_keymask", layers[2].query_space(x, additive_mask(given["sa_key_mask"])[:, None]))
    yield near("sa_out_glu", decoder.seed_context(x))
    for name in data:
        if match := re.fullmatch(r"sa_topk(\d+)_mask", name):
            yield Check(name, nearest_queries(positions, int(match[1])), data[name])
    yield near("ffn_out", layers[1].query_ffn(x))
    yield near("mlp_offset", decoder.offset(decoder.offset_norm(x)))

    heads, normed = decoder.heads, decoder.heads.norm(x)
    yield near("head_scores", heads.score(normed))
    yield near("head_indis", heads.indicators(x))
    for name in ("head", "head2"):
        masks = heads.masks(normed, given[f"{name}_mask_feats"])
        yield near(f"{name}_masks", masks)
        yield Check(f"{name}_attn_mask", blocked_by(masks, given["head_batch_mask"]), data[f"{name}_attn_mask"])
    yield near("proj_vision", unit(heads.query_proj(x)))
    yield near("proj_text", unit(heads.text_proj(x)))
    scores = decoder.selection(x, given["sm_lang"], ~given["sm_lang_pad"], placed(torch.arange(len(x))))
    yield near("sm_scores", scores)
    yield Check("sm_inds", choose(scores, data["sm_inds"].shape[1]), data["sm_inds"])
    yield near("in_fused", decoder.scan_input(given["in_sp"], given["in_2d"]))
    yield near("in_maskfeat", decoder.mask_features(given["in_sp"]))
    yield near("in_lang_out", decoder.text_input(given["in_lang"]))
    for name in data:
        if match := re.fullmatch(r"(fps\d+)_xyz", name):
            index = data[f"{match[1]}_idx"]
            yield Check(f"{match[1]}_idx", farthest_point_sampling(data[name], len(index), compat=True), index)


STEPS = {
    "lla_layers": "text_self",
    "lia_layers": "text_scan",
    "ila_layers": "scan_text",
    "lia_ffn_layers": "text_ffn",
    "ila_ffn_layers": "scan_ffn",
    "qia_layers": "query_scan",
    "qla_layers": "query_text",
    "qqa_layers": "query_self",
    "scg": "query_space",
    "qqa_ffn_layers": "query_ffn",
}
"""Name in the file → our module of a layer."""
ONCE = {
    "lang_norm": "text_input",
    "sum_norm": "scan_input",
    "x_mask": "mask_features",
    "scg_head": "seed_context",
    "query_generator": "query_input",
}
"""Name in the file → our module that runs once."""


@case("bqnet", "decoder_trace")
@torch.no_grad()
def decoder_trace(data: dict[str, Any], path: Path) -> Iterator[Check]:
    queries = data["sample_inds"].shape[1]
    decoder = filled_decoder(queries=queries)
    starts = data["batch_offsets"]
    sizes = np.diff(starts)
    real = np.arange(sizes.max()) < sizes[:, None]  # [B, S]

    def padded(values: Any) -> Tensor:
        full = np.zeros((*real.shape, values.shape[-1]), np.float32)
        full[real] = values
        return placed(full)

    seen: dict[str, list[Any]] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:  # cross-attention also gives its weights
            seen.setdefault(name, []).append(output[0] if isinstance(output, tuple) else output)

        return hook

    for name, ours in ONCE.items():
        decoder.get_submodule(ours).register_forward_hook(keep(name))
    decoder.shared_norm.register_forward_hook(keep("norm_qqa"))
    decoder.offset.register_forward_hook(keep("offset"))
    for i, layer in enumerate(decoder.layers):
        for name, ours in STEPS.items():
            layer.get_submodule(ours).register_forward_hook(keep(f"L{i}.{name}"))
    outputs = decoder(
        padded(data["sp_feats"]),
        padded(data["sp_pos"]),
        placed(~real),
        tensor(data["fps_seed"]),
        tensor(data["lang_feats_f16"]),
        tensor(data["lang_masks"]).bool(),
        placed(torch.arange(len(sizes))),
        padded(data["feats_2d_int8"].astype(np.float32) / 32),
        auxiliary=True,
    )
    chosen = tensor(data["sample_inds"])
    yield Check("sample_inds", outputs.chosen, data["sample_inds"])
    yield Check("ref_scores", outputs.seed_scores, data["ref_scores"], **NEAR)
    start = padded(data["sp_pos"]).gather(1, tensor(data["fps_seed"]).gather(1, chosen)[..., None].expand(-1, -1, 3))
    where = [start]
    for offset in seen["offset"]:
        where.append(where[-1] + offset)
    for name, expected in data.items():
        step = re.fullmatch(r"L(\d+)\.(.*)", name)
        if name in ONCE:
            got = seen[name][0]
            if name == "query_generator":
                got = got.gather(1, chosen[..., None].expand(-1, -1, got.shape[-1]))
            if got.ndim == 3 and expected.ndim == 2:
                got = got[placed(real)]
            yield Check(name, got[..., : expected.shape[-1]], expected, **NEAR)
        elif step and step[2] in ("norm_qqa", "offset"):
            got = seen[step[2]][int(step[1])]
            yield Check(name, got[..., : expected.shape[-1]], expected, **NEAR)
        elif step and step[2] == "query_pos_in":
            yield Check(name, where[int(step[1])], expected, **NEAR)
        elif step and step[2] == "dist_weight":
            got = distance_weights(where[int(step[1])], decoder.config.distance_decay)
            yield Check(name, got, expected, **NEAR)
        elif step:
            yield Check(name, seen[name][0][..., : expected.shape[-1]], expected, **NEAR)
        elif match := re.fullmatch(r"pred(\d+)\.(.*)", name):
            yield prediction(name, match[2], outputs, int(match[1]), expected)
    yield Check("positions", outputs.positions, where[-1], 1e-6)


def prediction(name: str, what: str, outputs: Outputs, stage: int, expected: Any) -> Check:
    """Return the check of one array of one stage."""
    found = outputs.stages[stage]
    if what == "attn_mask":
        return Check(name, blocked_by(found.masks, outputs.padding), expected)
    fields = {
        "masks": "masks",
        "scores": "scores",
        "indis": "indicators",
        "proj_queries": "queries",
        "proj_tokens": "tokens",
    }
    got = getattr(found, fields[what])
    if what == "scores":
        got = got[..., None]
    return Check(name, got[..., : expected.shape[-1]], expected, **NEAR)


class Whole(nn.Module):
    """A backbone and a decoder, as the model has them."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.decoder = SuperpointUNet(), Decoder(BQNetConfig(image_features=IMAGES))


@case("bqnet", "keys")
def keys(data: dict[str, Any], path: Path) -> Iterator[Check]:
    model = Whole()
    state = fill_state(data)
    report = load_official(model, {f"module.{key}": value for key, value in state.items()})
    yield Check("used + unused", len(report.used) + len(report.unused), len(data))
    yield Check("unused", np.array([bool(re.match(UNUSED, key)) for key in report.unused]).all(), True)
    own = model.decoder.state_dict()
    ours = decoder_names(model.decoder)
    shapes = official_shapes(model.backbone.unet)
    yield Check("used", np.array(sorted(report.used)), np.array(sorted([*ours.values(), *shapes])))
    for name, key in ours.items():
        yield Check(key, own[name], fill_tensor(key, tuple(data[key])))
    for key, shape in shapes.items():
        yield Check(f"{key} shape", np.array(shape), np.array(data[key]))
    bare = load_official(Decoder(BQNetConfig(image_features=IMAGES)), state)
    extra = sorted(set(bare.unused) - set(report.unused))
    yield Check("a bare decoder leaves out the backbone", np.array(extra), np.array(sorted(shapes)))
    yield Check("backbone keys", np.array([bool(re.match(BACKBONE, key)) for key in shapes]).all(), True)
