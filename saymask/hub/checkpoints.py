"""Checkpoints with their cards, and the embedded weights.

A checkpoint is one safetensors file. Its header holds, as text, what is needed to build the model again (system,
preset, configuration) and the card; the same card lies beside it as `<stem>.json` with the file's sha256. Weights of a
frozen text encoder are not stored, only its name and fingerprint (no path of this machine): it is loaded by its name
when a text is first asked for, or from the folder that the user gives. One that came with an official checkpoint is
stored under OpenCLIP's names.
"""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from saymask import __version__
from saymask.errors import CheckpointError, InputError
from saymask.hub.headers import FORMAT, find_checkpoint, header_object, opened, read_metadata
from saymask.hub.registry import PRESETS, SYSTEMS, build, preset
from saymask.models.base import Model, Preset
from saymask.text import LazyTextEncoder, TextEncoder, load_text_encoder
from saymask.text.clip_text import clip_text_model, open_clip_state
from saymask.text.clip_tokenizer import clip_text_encoder
from saymask.text.weights import portable_name
from saymask.util.checksums import checksum
from saymask.util.devices import device_named
from saymask.util.files import atomic_path, parse_object, write_text
from saymask.util.settings import from_json, override, to_json

TEXT_FIELDS = {"text_encoder", "encoder"}
"""Fields of configurations that name a text encoder."""
FILE_FIELDS = {"anchors", "class_embeddings", "class_weights", "sampling_weights", "point_lists", "library"}
"""Fields of configurations that name a file which only training reads."""


def save_checkpoint(
    model: Model, path: str | Path, card: dict[str, Any] | None = None, dtype: Literal["float16", "float32"] = "float32"
) -> Path:
    """Write the weights and what is needed to load them again; each file is replaced only when the new one is complete.

    Matrices and kernels are stored as `dtype`; vectors (biases, norm statistics) stay float32, where half precision
    would save nothing and could overflow. Returns the path. Raises InputError for a suffix other than `.safetensors`.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"cannot write a checkpoint to {path}: expected a name that ends in .safetensors")
    full = {**model.card, **(card or {})}
    full.pop("path", None)  # where the model was read from
    full.setdefault("created", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"))
    full.update(saymask=__version__, parameters=sum(p.numel() for p in model.parameters()), dtype=dtype)
    encoders = frozen_encoders(model)
    if encoders:
        full["text_encoder"] = next(iter(encoders.values()))["name"]
    config = json.dumps(portable_settings(model.config), sort_keys=True)
    metadata = {
        "format": FORMAT,
        "system": model.system,
        "preset": full["preset"],
        "config": config,
        "config_sha256": hashlib.sha256(config.encode()).hexdigest(),
        "text_encoders": json.dumps(encoders, sort_keys=True),
        "card": json.dumps(full, sort_keys=True),
    }
    tensors = {name: _stored(value, dtype) for name, value in stored_state(model).items()}
    metadata["checksum"] = checksum(tensors)
    for prefix, module in _frozen(model).items():
        if isinstance(module, LazyTextEncoder) and module.kept:
            tower = open_clip_state(module.loaded().model)
            tensors |= {f"{prefix}.{name}": _stored(value, "float32") for name, value in tower.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata)
        full.update(sha256=hashlib.sha256(temporary.read_bytes()).hexdigest(), bytes=temporary.stat().st_size)
    write_text(path.with_suffix(".json"), json.dumps(full, indent=2) + "\n")
    return path


def load_model(
    name_or_path: str | Path | None = None,
    device: str = "auto",
    *,
    text_encoder: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Model:
    """Return a model with its weights, ready to answer (eval mode, float32).

    `name_or_path` is a checkpoint file or the name of embedded weights or of those that `saymask get` brought, without
    it the embedded default. `device` is `auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:1`, … `text_encoder` is
    a folder (or name) of the text encoder that the model was trained with, which is loaded now; without it, the encoder
    is found by its name when a text is first asked for. `settings` replaces values of the model's configuration by
    name, such as {"clustering.radius": 1} or {"view.voxel_to_point": "nearest_corner"}.

    Raises CheckpointError (an InputError) when there is no such file, it is a pickle, is not a complete saymask
    checkpoint, belongs to a system this version does not know, its tensors do not fit its configuration, or
    `text_encoder` is another one.
    """
    target = device_named(device)
    path = find_checkpoint(name_or_path)
    metadata = read_metadata(path)
    chosen = _preset_of(path, metadata)
    encoders = _recorded_encoders(path, metadata)
    towers = tuple(f"{prefix}." for prefix, encoder in encoders.items() if encoder.get("kept"))
    with opened(path, "pt") as file:
        names = [key for key in file.keys() if not (towers and key.startswith(towers))]  # noqa: SIM118 - not a dict
        tensors = {key: file.get_tensor(key) for key in names}
    if settings:
        chosen = override(chosen, {f"model.{name}": value for name, value in settings.items()})
    given = None if text_encoder is None else _given_encoder(chosen, str(text_encoder))
    try:
        with _Bounded(sum(value.numel() for value in tensors.values())):
            model = build(chosen, given)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError, AssertionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path} is for a model that cannot be built: {reason}") from None
    _check_encoders(path, model, encoders)
    load_state(model, tensors, str(path))
    known = metadata.get("checksum")  # checkpoints that were written before there was one have none
    if known and known != checksum(tensors):
        raise CheckpointError(f"{path} is damaged: its tensors do not have the checksum in its header; copy it again")
    model.card = {**model.card, **header_object(path, metadata["card"]), "path": str(path)}
    return model.to(target).eval()


class _Bounded(TorchFunctionMode):
    """Bound on the numbers that a model makes room for: a forged configuration must not fill the memory."""

    MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)

    def __init__(self, stored: int) -> None:
        """Allow a few times the numbers that the checkpoint has, beside what frozen encoders need."""
        super().__init__()
        self.left = 4 * stored + 300_000_000

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in self.MAKERS:
            self.left -= made.numel()
            if self.left < 0:
                raise ValueError("its configuration asks for far more weights than the file has")
        return made


def portable_settings(config: Any) -> Any:
    """Return a configuration as JSON whose files and folders are named, without where they lie on this machine."""
    return _portable(to_json(config))


def _portable(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    named = {name: _portable(value) for name, value in values.items()}
    named |= {name: portable_name(named[name]) for name in TEXT_FIELDS & named.keys()}
    return named | {name: Path(named[name]).name for name in FILE_FIELDS & named.keys()}


def load_part(model: nn.Module, name_or_path: str | Path, leave_out: Sequence[str] = ()) -> str:
    """Copy what a checkpoint has under the same names into `model`; return a line that says how much.

    Names that start with one of `leave_out` are not looked at. Raises CheckpointError when nothing has the same name,
    and, with the names, when shapes differ.
    """
    path, own = find_checkpoint(name_or_path), stored_state(model)
    with opened(path, "pt") as file, torch.no_grad():
        names = list(file.keys())
        shared = [name for name in names if name in own and not name.startswith(tuple(leave_out))]
        shapes = {name: (list(own[name].shape), file.get_slice(name).get_shape()) for name in shared}
        wrong = [f"{name}: expected {mine}, got {given}" for name, (mine, given) in shapes.items() if mine != given]
        check_start(path, len(shared), wrong, len(names))
        for name in shared:
            own[name].copy_(file.get_tensor(name))
    return f"{len(shared)} of {len(own)} tensors start from {path}"


def check_start(path: Path, shared: int, wrong: Sequence[str], count: int) -> None:
    """Raise CheckpointError unless tensors of a file can be the start of a training.

    shared: how many of its `count` tensors the model has, too; wrong: a line for each of another shape.
    """
    if not shared:
        raise CheckpointError(f"{path} shares no tensor with the model: none of its {count} names is known to it")
    if wrong:
        more = f"; and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise CheckpointError(
            f"{path}: {len(wrong)} of {shared} shared tensors have another shape in this model: "
            f"{'; '.join(wrong[:8])}{more}; change the model's settings, or leave them out by the start of their names "
            "(--train.init-except NAME ...)"
        )


def frozen_encoders(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Return the text encoders inside `model` that are not trained: module name -> name and fingerprint.

    Those whose weights belong into a checkpoint also have `kept`: the attention heads, which no tensor says.
    """
    found = {}
    for prefix, module in _frozen(model).items():
        found[prefix] = {"name": portable_name(str(module.name)), "fingerprint": str(module.fingerprint)}
        if isinstance(module, LazyTextEncoder) and module.kept:
            found[prefix]["kept"] = {"heads": cast(Any, module.loaded().model).config.num_attention_heads}
    return found


def encoder_folder(model: Model) -> str | None:
    """Return the local folder that a model's configuration names as its text encoder, None for other names."""
    settings = asdict(model.config)
    named = (settings[field] for field in TEXT_FIELDS & settings.keys())
    return next((name for name in named if name and Path(name).expanduser().is_dir()), None)


def stored_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the state of `model` without the weights of its frozen text encoders."""
    outside = tuple(f"{prefix}." for prefix in _frozen(model))
    return {name: value for name, value in model.state_dict().items() if not name.startswith(outside)}


def _frozen(model: nn.Module) -> dict[str, nn.Module]:
    # Asked of the class: on the instance `fingerprint` would hash all weights.
    return {
        prefix: module
        for prefix, module in model.named_modules()
        if prefix and hasattr(type(module), "fingerprint") and not any(p.requires_grad for p in module.parameters())
    }


def load_state(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Copy `tensors` into `model`; raise CheckpointError listing what is missing, unknown, or of another shape."""
    own = stored_state(model)
    problems = [f"{name}: missing" for name in own if name not in tensors]
    problems += [f"{name}: not part of the model" for name in tensors if name not in own]
    for name in own.keys() & tensors.keys():
        if own[name].shape != tensors[name].shape:
            problems.append(f"{name}: expected {list(own[name].shape)}, got {list(tensors[name].shape)}")
    if problems:
        more = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise CheckpointError(f"{where} does not fit its configuration: {'; '.join(sorted(problems)[:8])}{more}")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(tensors[name])


def _stored(value: Tensor, dtype: str) -> Tensor:
    value = value.detach().cpu()
    if value.is_floating_point():
        half = dtype == "float16" and value.dim() >= 2 and bool((value.abs() < torch.finfo(torch.float16).max).all())
        value = value.to(torch.float16 if half else torch.float32)
    # A copy per tensor: safetensors refuses tensors that share memory.
    return value.clone(memory_format=torch.contiguous_format)


def _preset_of(path: Path, metadata: dict[str, str]) -> Preset:
    system, name = metadata["system"], metadata["preset"]
    if system not in SYSTEMS:
        raise CheckpointError(f"{path} belongs to system {system!r}; this version of saymask has {', '.join(SYSTEMS)}")
    if name not in PRESETS:
        raise CheckpointError(f"{path} was made from preset {name!r}; this version has {', '.join(PRESETS)}")
    known = preset(name)
    if known.system != system:
        raise CheckpointError(f"{path} is damaged: its preset {name!r} belongs to {known.system!r}, not {system!r}")
    try:
        config = from_json(type(known.model), parse_object(metadata["config"], path))
    except InputError as error:
        raise CheckpointError(f"{path} has a configuration this version does not understand: {error}") from None
    return Preset(name, system, config, known.train)


def _recorded_encoders(path: Path, metadata: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return what the header says about the frozen text encoders; CheckpointError for what it cannot say."""
    recorded = header_object(path, metadata.get("text_encoders", "{}"))
    for prefix, encoder in recorded.items():
        if not isinstance(encoder, dict) or not all(isinstance(encoder.get(k), str) for k in ("name", "fingerprint")):
            raise CheckpointError(f"{path} is damaged: expected name and fingerprint of text encoder {prefix!r}")
        kept = encoder.get("kept")
        if kept is not None and not (isinstance(kept, dict) and type(kept.get("heads")) is int):
            raise CheckpointError(f"{path} is damaged: expected the heads of text encoder {prefix!r}, got {kept!r:.40}")
    return recorded


def _given_encoder(chosen: Preset, text_encoder: str) -> TextEncoder:
    """Return the encoder in a folder under the name that the configuration has for it."""
    names = [getattr(chosen.model, field) for field in TEXT_FIELDS if hasattr(chosen.model, field)]
    if not names:
        raise InputError(f"text encoder: expected none for {chosen.name}, which has no use for one; leave it out")
    return load_text_encoder(names[0], text_encoder)


def _kept_encoder(path: Path, prefix: str, name: str, heads: int) -> TextEncoder:
    """Return a text encoder whose weights are in a checkpoint."""
    with opened(path, "pt") as file:
        names = [key for key in file.keys() if key.startswith(f"{prefix}.")]  # noqa: SIM118 - not a dict
        tensors = {key.removeprefix(f"{prefix}."): file.get_tensor(key) for key in names}
    try:
        return clip_text_encoder(name, clip_text_model(tensors, heads=heads))
    except InputError as error:
        raise CheckpointError(f"{path}: {error}") from None


def _check_encoders(path: Path, model: Model, recorded: dict[str, dict[str, Any]]) -> None:
    """Have the text encoders of `model` be those that the checkpoint was trained with, CheckpointError for others."""
    modules = _frozen(model)
    lazy = {prefix: module for prefix, module in modules.items() if isinstance(module, LazyTextEncoder)}
    for prefix in lazy.keys() & recorded.keys():
        encoder = recorded[prefix]
        lazy[prefix].expect(encoder["fingerprint"], str(path))
        if encoder.get("kept"):
            load = partial(_kept_encoder, path, prefix, encoder["name"], encoder["kept"]["heads"])
            lazy[prefix].keep(load)
    present = frozen_encoders(model) if recorded.keys() - lazy.keys() else {}
    for prefix, encoder in recorded.items():
        if prefix in lazy:
            continue
        found = present.get(prefix)
        here = "none" if found is None else f"{found['name']} ({found['fingerprint'][:12]}…)"
        if found is None or found["fingerprint"] != encoder["fingerprint"]:
            raise CheckpointError(
                f"{path} was trained with text encoder {encoder['name']!r} ({encoder['fingerprint'][:12]}…), but "
                f"{here} was loaded here; install the same encoder weights, or give them with --text-encoder FOLDER"
            )
