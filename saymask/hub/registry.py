"""The registry: names of systems and presets, and where each is made."""

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from saymask.errors import InputError

if TYPE_CHECKING:
    from saymask.models.base import Model, Preset

SYSTEMS: dict[str, str] = {}
"""System name -> `module:class` of its Model; the class takes the configuration."""
PRESETS: dict[str, str] = {}
"""Preset name -> `module:function` that returns the Preset."""


def register(system: str, model: str, presets: str, *names: str) -> None:
    """Make a system and its presets known; nothing is imported before one of them is asked for.

    `model` is `module:Class`, `presets` the module with the presets' functions: that of `less.scanrefer-2024-10` is
    called `scanrefer_2024_10`. Raises InputError for a preset name without a dot.
    """
    for name in names:
        family, dot, variant = name.partition(".")
        if not (family and dot and variant):
            raise InputError(f"preset of {system}: expected a name such as {system}.scanrefer, got {name!r}")
        PRESETS[name] = f"{presets}:{variant.replace('-', '_')}"
    SYSTEMS[system] = model


# fmt: off
register("less", "saymask.models.less:Less", "saymask.models.less.presets",
         "less.scanrefer", "less.scanrefer-2024-10", "less.rooms")
register("bqnet", "saymask.models.bqnet:BQNet", "saymask.models.bqnet.presets",
         "bqnet.res", "bqnet.gres", "bqnet.rooms")
register("bqnet-backbone", "saymask.models.bqnet:BackbonePretraining", "saymask.models.bqnet.presets",
         "bqnet.rooms-backbone")
register("cfnet", "saymask.models.bqnet.cfnet:CFNet", "saymask.models.bqnet.cfnet",
         "cfnet.res", "cfnet.gres", "cfnet.rooms")
register("lground", "saymask.models.lground:LGround", "saymask.models.lground.presets",
         "lground.pretrain", "lground.pretrain-34c", "lground.scannet200-ce", "lground.scannet200-34c",
         "lground.scannet200-focal", "lground.scannet200-finetune", "lground.scannet200-5pct",
         "lground.scannet200-instances", "lground.long-tail-pretrain",
         "lground.long-tail-ce", "lground.long-tail-focal", "lground.long-tail-finetune", "lground.rooms-pretrain",
         "lground.rooms-ce", "lground.rooms-focal", "lground.rooms-finetune", "lground.rooms-5pct", "lground.rooms")
register("uniseg3d", "saymask.models.uniseg3d:UniSeg3D", "saymask.models.uniseg3d.presets",
         "uniseg3d.scannet", "uniseg3d.rooms")
# fmt: on


def preset(name: str) -> "Preset":
    """Return the preset called `name`; raise InputError with the names there are when it is unknown."""
    return _named(PRESETS[check_preset(name)])()


def check_preset(name: str) -> str:
    """Return the name of a preset that there is; nothing is imported for it. InputError as `preset`."""
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}{suggest(name, PRESETS)}; presets: {', '.join(PRESETS)}")
    return name


def build(chosen: "str | Preset", text_encoder: Any = None) -> "Model":
    """Return a freshly initialised model of a preset (random weights from torch's global generator).

    `text_encoder` takes the place of the one that the configuration names.
    """
    chosen = preset(chosen) if isinstance(chosen, str) else chosen
    if chosen.system not in SYSTEMS:
        raise InputError(f"preset {chosen.name!r} is for system {chosen.system!r}; known: {', '.join(SYSTEMS)}")
    made = system_class(chosen.system)
    options = {} if text_encoder is None else {"text_encoder": text_encoder}
    model = made(chosen.model, **options)
    model.card = {"name": chosen.name, "preset": chosen.name, "system": chosen.system, "verbs": list(model.verbs)}
    return model


def system_class(system: str) -> "type[Model]":
    """Return the Model class of a system; KeyError for one that `SYSTEMS` does not name."""
    return _named(SYSTEMS[system])


def _named(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)` with the nearest of the known names, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
