"""UniSeg3D's text tower: CLIP ConvNeXt-L-D-320's text transformer and the layers behind it, from given tokens."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.decoder import Decoder
from saymask.models.uniseg3d.official import TOWER, decoder_names, load_official, text_tower
from saymask.text.clip_text import clip_text_model
from saymask.text.encoder import TextEncoder
from tests.parity import Check, case, fill_state, placed

WIDTH, LAYERS, TOKENS = 768, 16, 77


def tower_shapes() -> dict[str, tuple[int, ...]]:
    """Official key → shape of the text tower, without the mask that is built."""
    shapes: dict[str, tuple[int, ...]] = {
        "text_pe": (TOKENS, WIDTH),
        "text_proj": (WIDTH, WIDTH),
        "text_token_embedding.weight": (49408, WIDTH),
    }
    linear = {"attn.in_proj_": (3, 1), "attn.out_proj.": (1, 1), "mlp.c_fc.": (4, 1), "mlp.c_proj.": (1, 4)}
    for i in range(LAYERS):
        block = f"text_transformer.resblocks.{i}."
        for name, (out, into) in linear.items():
            shapes[f"{block}{name}weight"] = (out * WIDTH, into * WIDTH)
            shapes[f"{block}{name}bias"] = (out * WIDTH,)
        shapes |= {f"{block}{norm}.{leaf}": (WIDTH,) for norm in ("ln_1", "ln_2") for leaf in ("weight", "bias")}
    shapes |= {f"text_ln_final.{leaf}": (WIDTH,) for leaf in ("weight", "bias")}
    return {TOWER + key: shape for key, shape in shapes.items()}


def filled_encoder() -> TextEncoder:
    """Return the published text tower with golden weights; it has no tokenizer, only `encode_ids` works."""
    model = clip_text_model(text_tower(fill_state(tower_shapes())))
    return TextEncoder("golden", "clip", placed(model), SimpleNamespace(model_max_length=TOKENS)).eval()


def sentence_features(encoder: TextEncoder, tokens: Any) -> Tensor:
    """Return the sentence features [T, 768] of token ids [T, 77] padded with 0 behind the end token, the largest id."""
    ids = placed(np.asarray(tokens)).long()
    if not len(ids):
        return placed(torch.zeros(0, encoder.sentence_dim))
    mask = placed(torch.arange(ids.shape[1])) <= ids.argmax(1, keepdim=True)
    return encoder.encode_ids(ids, mask.long())[1]


def filled_decoder(**settings: Any) -> Decoder:
    """Return the published decoder with golden weights, loaded through the importer, in eval mode."""
    decoder = Decoder(UniSeg3DConfig(**settings))
    own = decoder.state_dict()
    shapes = {key: tuple(own[name].shape) for name, key in decoder_names(decoder).items()}
    load_official(decoder, {key: value.reshape(shapes[key]) for key, value in fill_state(shapes).items()})
    return placed(decoder.eval())


def _close(name: str, got: Any, expected: np.ndarray) -> Check:
    return Check(name, got, expected, 1e-5 * max(1.0, float(np.abs(expected).max())), 1e-4)


@case("uniseg3d", "text_encoder")
@torch.no_grad()
def text_encoder(data: dict[str, Any], path: Path) -> Iterator[Check]:
    if path.suffix == ".json":  # the tokenizer has no files here: how many, not which
        with np.load(path.resolve().with_suffix(".npz")) as beside:
            yield Check("sentences", len(data["texts"]), len(beside["tokens"]))
        return
    encoder = filled_encoder()
    seen: list[Any] = []
    first = encoder.model.get_submodule("text_model.encoder.layers.0")
    first.register_forward_hook(lambda module, inputs, output: seen.append(output))
    ids = placed(data["tokens"])
    features = encoder.encode_ids(ids, torch.ones_like(ids))[1]  # as published: padding sees and is seen
    block = data["block0_first8"]
    yield _close("block0_first8", seen[0][:, : block.shape[1]], block)
    yield _close("text_feats", features, data["text_feats"])
    features = sentence_features(encoder, data["tokens"])
    yield _close("text_feats (padding masked)", features, data["text_feats"])
    yield _close("text_queries", filled_decoder().sentence(features), data["text_queries"])
