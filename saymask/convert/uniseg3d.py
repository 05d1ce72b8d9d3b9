"""Official checkpoints of UniSeg3D, with the class embeddings that they lack."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from saymask.errors import CheckpointError, InputError
from saymask.hub.checkpoints import save_checkpoint
from saymask.labels.tables import scannet20
from saymask.models.uniseg3d import UniSeg3D
from saymask.models.uniseg3d.class_embeddings import load_class_embeddings, make_class_embeddings
from saymask.models.uniseg3d.official import TOWER, load_official, official_names, text_tower
from saymask.models.uniseg3d.presets import scannet
from saymask.text import LazyTextEncoder, TextEncoder, load_text_encoder
from saymask.text.clip_text import clip_text_model
from saymask.text.clip_tokenizer import clip_text_encoder

if TYPE_CHECKING:
    from transformers import CLIPTextModelWithProjection


def convert_uniseg3d(
    state: dict[str, Tensor],
    content: dict[str, Any],
    path: Path,
    out: Path,
    class_embeddings: str | Path | None,
    text_encoder: str | None,
    keep_tower: bool,
    card: dict[str, Any],
    report: Callable[[str], None],
) -> Path:
    """Write the checkpoint `out` of an official state dict; choices and errors as `saymask.convert.convert` says."""
    chosen = scannet()
    # What the released weights have seen: pyramids without odd last planes (docs/systems/uniseg3d.md §Q2).
    config = replace(chosen.model, odd_extents=True)
    model = UniSeg3D(config, text_encoder=nn.Identity())
    if state.keys().isdisjoint(official_names(model).values()):
        names = ", ".join(list(state)[:4])
        raise CheckpointError(
            f"{path} is no checkpoint of UniSeg3D: expected tensors decoder.…, unet.…, lang.…, got {names}, …"
        )
    result = load_official(model, state, title=f"{path} does not fit")
    report(f"{len(result.used)} tensors loaded, {len(result.unused)} of the frozen text tower apart from them")
    encoder = _text_encoder(_tower(state, path), config.text_encoder, text_encoder, keep_tower, report)
    if encoder is not None:
        found = encoder.loaded().sentence_dim
        if found != config.text_width:
            raise InputError(
                f"text encoder {text_encoder or 'of the file'}: expected sentence features of {config.text_width} "
                f"channels, got {found}; give the one that UniSeg3D was trained with (--text-encoder)"
            )
        model.text_encoder = encoder
    source = "none yet"
    if class_embeddings is not None:
        model.set_class_embeddings(load_class_embeddings(class_embeddings, text_width=config.text_width))
        source = Path(class_embeddings).name
    elif encoder is not None:
        model.set_class_embeddings(
            make_class_embeddings([c.name for c in scannet20()], encoder.loaded(), config.class_prompts)
        )
        source = f"made with {config.text_encoder}"
        report(
            "class embeddings made with the text encoder: the official ones are in no checkpoint and their spellings "
            "are not known, so that classes may differ a little from the published results (--class-embeddings takes "
            "scannet_cls_embedding.pth)"
        )
    else:
        report(
            f"the class embeddings are not in the file: this is a start for training (--train.init {out}), but it "
            "answers nothing by itself: convert again with --class-embeddings (the official scannet_cls_embedding.pth) "
            "or with --text-encoder, which makes them"
        )
    meta = content["meta"] if isinstance(content.get("meta"), dict) else {}
    own = {
        "name": f"uniseg3d.{path.stem}",
        "preset": chosen.name,
        "system": "uniseg3d",
        "source": f"official checkpoint {path.name}",
        "official": {name: meta[name] for name in ("epoch", "iter") if isinstance(meta.get(name), int)},
        "text_encoder": config.text_encoder,
        "class_embeddings": source,
        "verbs": list(model.verbs),
    }
    return save_checkpoint(model, out, own | card)


def _text_encoder(
    tower: "CLIPTextModelWithProjection | None",
    name: str,
    folder: str | None,
    keep_tower: bool,
    report: Callable[[str], None],
) -> LazyTextEncoder | None:
    """Return the encoder for the checkpoint: the file's own tower, or the one given; None where only its name is known.

    tower: of the file, None without one; name: the published encoder; folder: the user's.
    """
    given = None if folder is None else load_text_encoder(name, folder)
    encoder = LazyTextEncoder(name)
    if tower is not None and keep_tower:
        try:
            own = clip_text_encoder(name, tower)
        except InputError as error:
            report(f"the text tower cannot be kept: {error}")
        else:
            if given is not None:
                report(_comparison(tower, given, folder or name))
            encoder.keep(lambda: own)
            report("the text tower is kept in the checkpoint; nothing else is needed for sentences and words")
            return encoder
    if given is None:
        try:
            given = load_text_encoder(name)
        except InputError as error:
            report(f"only sentences and words need the text encoder, which the checkpoint does not hold: {error}")
            return None
    report(_comparison(tower, given, folder or name))
    encoder.use(given)
    return encoder


def _tower(state: dict[str, Tensor], path: Path) -> "CLIPTextModelWithProjection | None":
    """Return the text tower as a model of transformers, None without one; CheckpointError for a broken one."""
    if not any(key.startswith(TOWER) for key in state):
        return None
    try:
        return clip_text_model(text_tower(state))
    except InputError as error:
        raise CheckpointError(f"{path} does not fit: {error}") from None


def _comparison(tower: "CLIPTextModelWithProjection | None", encoder: TextEncoder, name: str) -> str:
    """Return a line that says whether the checkpoint's text tower is the encoder given."""
    if tower is None:
        return f"the file holds no text tower; the model will use {name}"
    theirs, ours = tower.state_dict(), encoder.model.state_dict()
    other = [key for key in theirs if key not in ours or not torch.equal(theirs[key], ours[key])]
    if not other:
        return f"the text tower equals {name} in all {len(theirs)} tensors"
    return (
        f"WARNING: the text tower is not the one in {name}: of {len(theirs)} tensors {len(other)} differ (such as "
        f"{other[0]}); with that one the model would not answer as the official one did"
    )
