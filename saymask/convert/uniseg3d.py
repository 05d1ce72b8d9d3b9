"""Official checkpoints of UniSeg3D, with the class embeddings that they lack."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saymask.errors import CheckpointError, InputError
from saymask.hub.checkpoints import save_checkpoint
from saymask.labels.tables import scannet20
from saymask.models.uniseg3d import UniSeg3D
from saymask.models.uniseg3d.class_embeddings import load_class_embeddings, make_class_embeddings
from saymask.models.uniseg3d.official import TOWER, load_official, official_names, text_tower
from saymask.models.uniseg3d.presets import scannet
from saymask.text import TextEncoder, find_weights
from saymask.text.clip_text import clip_text_model
from saymask.text.encoder import encoder_from_folder


def convert_uniseg3d(
    state: dict[str, Tensor],
    content: dict[str, Any],
    path: Path,
    out: Path,
    class_embeddings: str | Path | None,
    text_encoder: str | None,
    report: Callable[[str], None],
) -> Path:
    """Write the checkpoint `out` of an official state dict; choices and errors as `saymask.convert.convert` says."""
    chosen = scannet()
    # What the released weights have seen: pyramids without odd last planes (docs/systems/uniseg3d.md §Q2).
    config = replace(chosen.model, odd_extents=True)
    if text_encoder is not None:
        config = replace(config, text_encoder=text_encoder)
    model = UniSeg3D(config, text_encoder=nn.Identity())
    if state.keys().isdisjoint(official_names(model).values()):
        names = ", ".join(list(state)[:4])
        raise CheckpointError(
            f"{path} is no checkpoint of UniSeg3D: expected tensors decoder.…, unet.…, lang.…, got {names}, …"
        )
    result = load_official(model, state, title=f"{path} does not fit")
    report(f"{len(result.used)} tensors loaded, {len(result.unused)} of the frozen text tower left out")
    tower = _tower(state, path)
    encoder, absent = _encoder_here(config.text_encoder)
    if encoder is not None:
        if encoder.sentence_dim != config.text_width:
            raise InputError(
                f"text encoder {config.text_encoder}: expected sentence features of {config.text_width} channels, got "
                f"{encoder.sentence_dim}; give the one that UniSeg3D was trained with"
            )
        model.text_encoder = encoder.requires_grad_(False)  # the file's header names it
        report(_comparison(tower, encoder, config.text_encoder))
    elif text_encoder is not None:
        raise InputError(absent)
    else:  # whoever loads the file needs an encoder, to write it none is needed
        report(f"the text tower was not compared with {config.text_encoder}: {absent}")
    source = "none yet"
    if class_embeddings is not None:
        model.set_class_embeddings(load_class_embeddings(class_embeddings, text_width=config.text_width))
        source = Path(class_embeddings).name
    elif encoder is not None:
        model.set_class_embeddings(make_class_embeddings([c.name for c in scannet20()], encoder, config.class_prompts))
        source = f"of {config.text_encoder}"
        report(
            "class embeddings made with the text encoder: the official ones are in no checkpoint and their spellings "
            "are not known, so that classes may differ a little from the published results (class_embeddings takes "
            "scannet_cls_embedding.pth)"
        )
    else:
        report(
            f"the class embeddings are not in the file: this is a start for training (--train.init {out}), but it "
            "answers nothing by itself: convert again with class_embeddings (the official scannet_cls_embedding.pth) "
            "or with a text_encoder that makes them"
        )
    meta = content["meta"] if isinstance(content.get("meta"), dict) else {}
    card = {
        "name": f"uniseg3d.{path.stem}",
        "preset": chosen.name,
        "system": "uniseg3d",
        "source": f"official checkpoint {path.name}",
        "official": {name: meta[name] for name in ("epoch", "iter") if isinstance(meta.get(name), int)},
        "text_encoder": config.text_encoder,
        "class_embeddings": source,
        "verbs": list(model.verbs),
    }
    return save_checkpoint(model, out, card)


def _tower(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the text tower as a model of transformers has it, empty without one; CheckpointError for a broken one."""
    if not any(key.startswith(TOWER) for key in state):
        return {}
    try:
        return clip_text_model(text_tower(state)).state_dict()
    except InputError as error:
        raise CheckpointError(f"{path} does not fit: {error}") from None


def _encoder_here(name: str) -> tuple[TextEncoder | None, str]:
    """Return the text encoder `name`, or None and the reason where this machine has none."""
    try:
        folder = find_weights(name)
    except InputError as error:
        return None, str(error)
    return encoder_from_folder(folder, name), ""


def _comparison(theirs: dict[str, Tensor], encoder: TextEncoder, name: str) -> str:
    """Return a line that says whether the checkpoint's text tower, which is not stored, is the encoder here."""
    if not theirs:
        return f"the file holds no text tower; the model will use {name}"
    ours = encoder.model.state_dict()
    other = [key for key in theirs if key not in ours or not torch.equal(theirs[key], ours[key])]
    if not other:
        return f"the text tower equals {name} here in all {len(theirs)} tensors, so it is not stored"
    return (
        f"WARNING: the text tower is not the {name} here: of {len(theirs)} tensors {len(other)} differ (such as "
        f"{other[0]}); the converted model will not answer as the official one did: give the encoder it was trained "
        "with (text_encoder)"
    )
