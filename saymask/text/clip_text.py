"""The text half of OpenCLIP checkpoints, such as CLIP ConvNeXt-L-D-320's, as a model of transformers.

OpenCLIP keeps image and text half in one file and has names of its own. Source: docs/systems/uniseg3d.md §2.8, §3.2,
§3.5.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.text.weights import OPEN_CLIP_CONFIG, open_clip_weights

if TYPE_CHECKING:
    from transformers import CLIPTextModelWithProjection

HEAD_WIDTH = 64
"""Channels of an attention head in every CLIP text model."""
_LEGACY_END = 2
"""The `eos_token_id` under which transformers takes the feature of the largest token id, as OpenCLIP does."""
_LAYER = "text_model.encoder.layers"
_PACKED = re.compile(rf"({re.escape(_LAYER)}\.\d+\.self_attn)\.([qkv])_proj\.(weight|bias)")
_NAMES = (
    (r"text_model\.embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm\.(\w+)", r"ln_final.\1"),
    (r"text_projection\.weight", "text_projection"),
    (r"text_model\.encoder\.layers\.(\d+)\.self_attn\.[qkv]_proj\.(\w+)", r"transformer.resblocks.\1.attn.in_proj_\2"),
    (r"text_model\.encoder\.layers\.(\d+)\.self_attn\.out_proj\.(\w+)", r"transformer.resblocks.\1.attn.out_proj.\2"),
    (r"text_model\.encoder\.layers\.(\d+)\.layer_norm([12])\.(\w+)", r"transformer.resblocks.\1.ln_\2.\3"),
    (r"text_model\.encoder\.layers\.(\d+)\.mlp\.fc1\.(\w+)", r"transformer.resblocks.\1.mlp.c_fc.\2"),
    (r"text_model\.encoder\.layers\.(\d+)\.mlp\.fc2\.(\w+)", r"transformer.resblocks.\1.mlp.c_proj.\2"),
)
_TEXT = re.compile(r"(text\.)?(token_embedding|positional_embedding|text_projection|ln_final|transformer)\b")


def open_clip_name(name: str) -> str:
    """Return the OpenCLIP key that holds a parameter of transformers' CLIPTextModelWithProjection.

    The projections of queries, keys and values are in one tensor there, so three names have the same key. KeyError for
    any other name.
    """
    for pattern, replacement in _NAMES:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    raise KeyError(name)


def clip_text_model(state: Mapping[str, Tensor], *, heads: int | None = None) -> "CLIPTextModelWithProjection":
    """Return the text model whose weights are in an OpenCLIP state dict, on the CPU, float32, in eval mode.

    Image weights and masks in `state` are ignored; a leading `text.` of the keys (OpenCLIP's dual towers) is dropped.
    Sizes follow from the tensors; `heads` is by default one per 64 channels. GELU is the exact one, the sentence
    feature that of the largest token id (end of text), projected and not normalised. Raises InputError that lists the
    tensors which are missing, unexpected or of another shape.
    """
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    state = {key.removeprefix("text."): value for key, value in state.items() if _TEXT.match(key)}
    size: dict[str, Any] = _sizes(state)
    width: int = size["hidden_size"]
    heads = width // HEAD_WIDTH if heads is None else heads
    if heads < 1 or width % heads:
        raise InputError(f"OpenCLIP text model: expected heads that divide {width} channels, got {heads}")
    config = CLIPTextConfig(
        **size,
        num_attention_heads=heads,
        hidden_act="gelu",
        bos_token_id=size["vocab_size"] - 2,
        eos_token_id=_LEGACY_END,
        pad_token_id=0,
    )
    with torch.device("meta"):  # random weights would be overwritten
        model = CLIPTextModelWithProjection(config)
    loaded = _to_transformers(model.state_dict(), state)
    model.load_state_dict(loaded, assign=True)
    # Buffers are not in the state dict and still without values.
    positions = torch.arange(config.max_position_embeddings)[None]
    model.text_model.embeddings.register_buffer("position_ids", positions, persistent=False)
    return model.eval()


def open_clip_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a text model under OpenCLIP's names; `clip_text_model` is the way back."""
    own = model.state_dict()
    state: dict[str, Tensor] = {}
    for name, value in own.items():
        if packed := _PACKED.fullmatch(name):
            parts = [own[f"{packed[1]}.{part}_proj.{packed[3]}"] for part in "qkv"]
            state[open_clip_name(name)] = torch.cat(parts)
        else:
            state[open_clip_name(name)] = value.T.contiguous() if name == "text_projection.weight" else value
    return state


def _sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    needed = ("token_embedding.weight", "positional_embedding", "text_projection")
    matrices = {key: state[key] for key in needed if key in state and state[key].ndim == 2}
    first = state.get("transformer.resblocks.0.mlp.c_fc.bias")
    if len(matrices) < len(needed) or first is None:
        absent = [*(key for key in needed if key not in matrices), "transformer.resblocks"]
        raise InputError(
            "OpenCLIP text model: expected token_embedding.weight, positional_embedding, text_projection and "
            f"transformer.resblocks, got no usable {absent[0]}"
        )
    blocks = {int(match[1]) for key in state if (match := re.match(r"transformer\.resblocks\.(\d+)\.", key))}
    (vocab, width), (positions, _), (_, projection) = (matrices[key].shape for key in needed)
    return {
        "vocab_size": vocab,
        "hidden_size": width,
        "intermediate_size": len(first),
        "projection_dim": projection,
        "num_hidden_layers": max(blocks) + 1,
        "max_position_embeddings": positions,
    }


def _to_transformers(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of `state` under the names and in the shapes of `own`."""
    loaded, problems = {}, {}
    keys = {name: open_clip_name(name) for name in own}
    for name, key in keys.items():
        expected = list(own[name].shape)
        packed = _PACKED.fullmatch(name)
        if packed:
            expected[0] *= 3
        elif name == "text_projection.weight":
            expected.reverse()
        if key not in state:
            problems[key] = "missing"
        elif list(state[key].shape) != expected:
            problems[key] = f"expected {expected}, got {list(state[key].shape)}"
        else:
            value = state[key].detach().float()
            if packed:
                value = value.chunk(3)["qkv".index(packed[2])].clone()
            elif name == "text_projection.weight":
                value = value.T.contiguous()
            loaded[name] = value
    wanted = set(keys.values())
    problems |= {key: "unexpected" for key in sorted(state) if key not in wanted}
    if problems:
        raise InputError(
            f"OpenCLIP text model: expected {len(wanted)} tensors, {len(problems)} do not fit: "
            + "; ".join(f"{key}: {problem}" for key, problem in problems.items())
        )
    return loaded


def load_open_clip(folder: Path) -> "CLIPTextModelWithProjection":
    """Load the text model of a folder with `open_clip_config.json` and OpenCLIP weights (`sources.open_clip_weights`).

    Raises InputError for a model that is damaged or not of CLIP's plain form.
    """
    weights = open_clip_weights(folder)
    if weights is None:
        raise InputError(f"{folder}: expected {OPEN_CLIP_CONFIG} and OpenCLIP weights, not found")
    text = _text_settings(folder / OPEN_CLIP_CONFIG)
    return clip_text_model(_read(weights), heads=text.get("heads"))


def _text_settings(path: Path) -> dict[str, Any]:
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
        text = dict(model["text_cfg"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected model_cfg with text_cfg ({type(error).__name__}: {error})") from error
    if "hf_model_name" in text or model.get("quick_gelu") or text.get("pool_type", "argmax") != "argmax":
        raise InputError(
            f"{path}: expected CLIP's own text transformer with the exact GELU and the feature of the end token; got "
            f"{text.get('hf_model_name') or text.get('pool_type') or 'quick_gelu'}"
        )
    return text


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:  # the image half, the larger one, stays on the disk
            return {key: file.get_tensor(key) for key in file.keys() if _TEXT.match(key)}  # noqa: SIM118
    from saymask.io.pickles import read_pickle

    content = read_pickle(path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a state dict, got {type(content).__name__}; download it again")
    return {str(key).removeprefix("module."): value for key, value in content.items() if isinstance(value, Tensor)}
