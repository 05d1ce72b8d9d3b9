"""The registry: names of systems and presets, and where each is made."""

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from saymask.errors import InputError
from saymask.models.base import Model, Preset

SYSTEMS: dict[str, str] = {
    "less": "saymask.models.less:Less",
    "bqnet": "saymask.models.bqnet:BQNet",
    "bqnet-backbone": "saymask.models.bqnet:BackbonePretraining",
    "cfnet": "saymask.models.bqnet.cfnet:CFNet",
    "lground": "saymask.models.lground:LGround",
    "uniseg3d": "saymask.models.uniseg3d:UniSeg3D",
}
"""System name -> `module:class` of its Model; the class takes the configuration."""
PRESETS: dict[str, str] = {
    "less.scanrefer": "saymask.models.less.presets:scanrefer",
    "less.scanrefer-2024-10": "saymask.models.less.presets:scanrefer_2024_10",
    "less.rooms": "saymask.models.less.presets:rooms",
    "bqnet.res": "saymask.models.bqnet.presets:res",
    "bqnet.gres": "saymask.models.bqnet.presets:gres",
    "bqnet.rooms": "saymask.models.bqnet.presets:rooms",
    "bqnet.rooms-backbone": "saymask.models.bqnet.presets:rooms_backbone",
    "cfnet.res": "saymask.models.bqnet.cfnet:res",
    "cfnet.gres": "saymask.models.bqnet.cfnet:gres",
    "cfnet.rooms": "saymask.models.bqnet.cfnet:rooms",
    "lground.pretrain": "saymask.models.lground.presets:pretrain",
    "lground.scannet200-ce": "saymask.models.lground.presets:scannet200_ce",
    "lground.scannet200-focal": "saymask.models.lground.presets:scannet200_focal",
    "lground.scannet200-finetune": "saymask.models.lground.presets:scannet200_finetune",
    "lground.scannet200-5pct": "saymask.models.lground.presets:scannet200_5pct",
    "lground.scannet200-instances": "saymask.models.lground.presets:scannet200_instances",
    "lground.rooms-pretrain": "saymask.models.lground.presets:rooms_pretrain",
    "lground.rooms-ce": "saymask.models.lground.presets:rooms_ce",
    "lground.rooms-focal": "saymask.models.lground.presets:rooms_focal",
    "lground.rooms-finetune": "saymask.models.lground.presets:rooms_finetune",
    "lground.rooms-5pct": "saymask.models.lground.presets:rooms_5pct",
    "lground.rooms": "saymask.models.lground.presets:rooms",
    "uniseg3d.scannet": "saymask.models.uniseg3d.presets:scannet",
    "uniseg3d.rooms": "saymask.models.uniseg3d.presets:rooms",
}
"""Preset name -> `module:function` that returns the Preset."""


def preset(name: str) -> Preset:
    """Return the preset called `name`; raise InputError with the names there are when it is unknown."""
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}{suggest(name, PRESETS)}; presets: {', '.join(PRESETS)}")
    return _named(PRESETS[name])()


def build(chosen: str | Preset) -> Model:
    """Return a freshly initialised model of a preset (random weights from torch's global generator)."""
    chosen = preset(chosen) if isinstance(chosen, str) else chosen
    if chosen.system not in SYSTEMS:
        raise InputError(f"preset {chosen.name!r} is for system {chosen.system!r}; known: {', '.join(SYSTEMS)}")
    model = system_class(chosen.system)(chosen.model)
    model.card = {"name": chosen.name, "preset": chosen.name, "system": chosen.system, "verbs": list(model.verbs)}
    return model


def system_class(system: str) -> type[Model]:
    """Return the Model class of a system; KeyError for one that `SYSTEMS` does not name."""
    return _named(SYSTEMS[system])


def _named(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)` with the nearest of the known names, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
