"""Official checkpoints of BQNet and backbones of SPFormer."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saymask.data.image_store import prepare_command
from saymask.errors import CheckpointError, InputError
from saymask.hub.checkpoints import save_checkpoint
from saymask.hub.registry import preset as preset_named
from saymask.models.bqnet import BackbonePretraining, BQNet, PretrainConfig, res
from saymask.models.bqnet.official import BACKBONE, UNUSED, load_backbone, load_official, official_names
from saymask.text import load_text_encoder

PRESETS = ("bqnet.res", "bqnet.gres")
"""Presets that an official BQNet checkpoint can belong to."""
_TEXT = "text_encoder."


def is_backbone(state: dict[str, Tensor]) -> bool:
    """Say whether a state dict holds a backbone and no decoder."""
    return any(re.match(BACKBONE, key) for key in state) and not any(key.startswith("dec.") for key in state)


def convert_bqnet(
    state: dict[str, Tensor],
    content: dict[str, Any],
    path: Path,
    out: Path,
    preset: str | None,
    text_encoder: str | None,
    card: dict[str, Any],
    report: Callable[[str], None],
) -> Path:
    """Write the checkpoint `out` of an official state dict; choices and errors as `saymask.convert.convert` says."""
    if preset is None:
        preset = _guessed_preset(path)
        report(f"the file's name says {preset}; another preset can be given")
    if preset not in PRESETS:
        raise InputError(f"preset: expected one of {', '.join(PRESETS)}, got {preset!r}")
    # What the released weights have seen: 2D features of the official projection, pyramids without odd last planes.
    config = replace(preset_named(preset).model, stretched_images=True, odd_extents=True)
    model = BQNet(config, text_encoder=nn.Identity())
    _check_any(official_names(model).values(), state, path)
    result = load_official(model, state, title=f"{path} does not fit")
    report(f"{len(result.used)} tensors loaded, {len(result.unused)} without effect here left out")
    groups = Counter(_group(key, UNUSED) for key in result.unused)
    if groups:
        report("left out: " + ", ".join(f"{name} ({count})" for name, count in groups.items()))
    text = {key.removeprefix(_TEXT): value for key, value in state.items() if key.startswith(_TEXT)}
    try:
        encoder = load_text_encoder(config.text_encoder, text_encoder)
    except InputError:
        if text_encoder is not None:
            raise
        # Whoever loads the file needs an encoder, to write it none is needed.
        report(f"{len(text)} tensors of the text encoder left out, not compared with {config.text_encoder}: not here")
    else:
        model.text_encoder = encoder.requires_grad_(False)  # the file's header names it
        report(_comparison(text, encoder, text_encoder or config.text_encoder))
    report(
        f"refer needs the text encoder {config.text_encoder} (`saymask get {config.text_encoder}` or --text-encoder "
        f"FOLDER) and 2D features {config.image_features} of the frames: `saymask refer SCAN ... --frames FOLDER`, or "
        f"a prepared scene with them ({prepare_command(config.image_features, stretched=config.stretched_images)})"
    )
    meta = content["meta"] if isinstance(content.get("meta"), dict) else {}
    own = {
        "name": f"bqnet.{path.stem}",
        "preset": preset,
        "system": "bqnet",
        "source": f"official checkpoint {path.name}",
        "official": {name: meta[name] for name in ("epoch", "best_miou") if isinstance(meta.get(name), int | float)},
        "text_encoder": config.text_encoder,
        "verbs": list(model.verbs),
    }
    return save_checkpoint(model, out, own | card)


def convert_backbone(
    state: dict[str, Tensor], path: Path, out: Path, card: dict[str, Any], report: Callable[[str], None]
) -> Path:
    """Write the checkpoint `out` of a backbone, with fresh heads."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same file every time
        model = BackbonePretraining(PretrainConfig(res().model))
    unet = model.backbone.unet
    _check_any(unet.official_keys().values(), state, path)
    used = load_backbone(unet, state, title=f"{path} does not fit").used
    report(
        f"{path.name} is a backbone: {len(used)} tensors loaded, the heads of its pre-training are fresh; use it as a "
        f"start: saymask train bqnet.res --train.init {out}"
    )
    own = {
        "name": f"bqnet-backbone.{path.stem}",
        "preset": "bqnet.rooms-backbone",
        "system": "bqnet-backbone",
        "source": f"official backbone {path.name}",
        "heads": "random",
        "verbs": list(model.verbs),
    }
    return save_checkpoint(model, out, own | card)


def _guessed_preset(path: Path) -> str:
    words = set(re.split(r"[^a-z0-9]+", path.stem.lower()))
    gres, res = bool(words & {"gres", "3dgres", "multi3drefer"}), bool(words & {"res", "3dres", "scanrefer"})
    if gres == res:
        raise InputError(
            f"{path.name} does not say what it was trained for: expected gres or res in the name, or a preset "
            f"({' or '.join(PRESETS)})"
        )
    return "bqnet.gres" if gres else "bqnet.res"


def _check_any(expected: Iterable[str], state: dict[str, Tensor], path: Path) -> None:
    """Raise CheckpointError when nothing in `state` has a name of this system."""
    if state.keys().isdisjoint(expected):
        names = ", ".join(list(state)[:4])
        raise CheckpointError(f"{path} is no checkpoint of BQNet: expected tensors dec.…, unet.…, got {names}, …")


def _group(key: str, pattern: str) -> str:
    """Return what the tensors that are left out together have in common: `dec.lia_layers.*.norm`."""
    found = re.match(pattern, key)
    return re.sub(r"\.\d+", ".*", found[0].rstrip(".") if found else key)


def _comparison(theirs: dict[str, Tensor], encoder: nn.Module, name: str) -> str:
    """Return a line that says whether the checkpoint's text encoder, which is not stored, is the one here."""
    if not theirs:
        return f"the file holds no text encoder; the model will use {name}"
    ours = {key.removeprefix("model."): value for key, value in encoder.state_dict().items()}
    shared = [key for key in ours if key in theirs]
    other = [k for k in shared if theirs[k].shape != ours[k].shape or not torch.equal(theirs[k], ours[k].to(theirs[k]))]
    missing = [key for key in ours if key not in theirs]
    if not other and not missing:
        return f"the text encoder equals {name} here in all {len(shared)} tensors, so it is not stored"
    return (
        f"WARNING: the text encoder is not the {name} here: of {len(ours)} tensors {len(other)} differ and "
        f"{len(missing)} are missing (such as {(other + missing)[0]}); the converted model will not answer as the "
        "official one did: give the encoder it was trained with (--text-encoder FOLDER)"
    )
