"""Checkpoints of the official projects to saymask's own: read without running their code, loaded strictly."""

import pickle
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from saymask.atomic import check_writable
from saymask.errors import CheckpointError, InputError

if TYPE_CHECKING:
    from saymask.nn.sparse_unet import SparseUNet

_ALLOWED = {
    "collections": {"OrderedDict", "defaultdict"},
    "torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"},
    "torch": {"Size", "device"},
}
"""What a checkpoint may name: containers, tensors and numbers. Anything else in it is replaced by an `Ignored`."""
_PICKLE_SUFFIXES = {".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".bin"}
SYSTEMS = ("less", "bqnet")
"""Systems whose official checkpoints can be converted."""
BQNET_PRESETS = ("bqnet.res", "bqnet.gres")
"""What an official BQNet checkpoint can have been trained for."""
_TEXT = "text_encoder."


class Ignored:
    """Stands for an object of a class that is not allowed: takes whatever the file says about it and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take a list item and do nothing with it."""

    def extend(self, values: Any) -> None:
        """Take list items and do nothing with them."""


def read_foreign(path: str | Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the content of a `.pth`, `.pt` or `.ckpt` file and the classes in it that were not allowed.

    Only tensors, numbers and containers come to life (`_ALLOWED`); an object of any other class becomes an `Ignored`,
    no code of the file runs. Raises CheckpointError for a file that is missing, cut off, or no dictionary.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint file {path}; check the path")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty; expected a .pth, .pt or .ckpt file")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise CheckpointError(f"{path} is a TorchScript program, not a checkpoint; expected a saved state dict")
    refused: set[str] = set()

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str, /) -> Any:
            if name in _ALLOWED.get(module, ()) or (module == "torch" and _is_dtype(name)):
                return super().find_class(module, name)
            refused.add(f"{module}.{name}")
            return type(name, (Ignored,), {})

    def load(file: Any, **options: Any) -> Any:
        return Unpickler(file, **options).load()

    reader = SimpleNamespace(Unpickler=Unpickler, load=load, __name__="saymask.convert")
    try:
        content = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    except Exception as error:  # a damaged file can raise nearly anything while it is read
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} cannot be read as a PyTorch checkpoint ({reason}); download it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a dictionary of tensors, got {type(content).__name__}")
    return content, tuple(sorted(refused))


def _is_dtype(name: str) -> bool:
    return isinstance(getattr(torch, name, None), torch.dtype)


def state_dict_of(content: dict[str, Any], *names: str) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint: its entry called `names` or a usual name, else itself; without `module.`."""
    for name in (*names, "model_state_dict", "state_dict", "model", "net"):
        if isinstance(content.get(name), dict):
            content = content[name]
            break
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not state:
        raise CheckpointError(f"no tensors in the checkpoint; its entries are {', '.join(map(str, list(content)[:8]))}")
    return {key.removeprefix("module."): value for key, value in state.items()}


def is_pickle(path: str | Path) -> bool:
    """Say whether a file is (or is named like) a pickle or PyTorch's zip of pickles, by its first bytes."""
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(4)
    return head == b"PK\x03\x04" or (head[:1] == b"\x80" and head[1:2] <= b"\x05") or path.suffix in _PICKLE_SUFFIXES


def refuse_pickle(path: str | Path) -> None:
    """Raise CheckpointError, naming `saymask convert`, when `path` is a pickle."""
    if is_pickle(path):
        raise CheckpointError(
            f"{path} is a pickle, which can run any code when it is loaded, so it is refused; turn an official "
            "checkpoint into a safe one with `saymask convert`"
        )


def convert(
    system: str,
    path: str | Path,
    out: str | Path,
    *,
    preset: str | None = None,
    projections: str | Path | None = None,
    text_encoder: str | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Turn the official checkpoint `path` of `system` into a saymask checkpoint `out` (`.safetensors`); return `out`.

    LESS: the five word projections are in no official checkpoint, so `projections` must say where they come from:
    `rebuild` (draw them again as the official trainer did under seed 42) or a file that holds them.

    BQNet: `preset` is `bqnet.res` or `bqnet.gres`; without it the file's name decides. The weights of the frozen text
    encoder are not stored; they are compared with those here, and the result is reported. A file with nothing but a
    backbone (SPFormer's `sp_unet_backbone.pth`) becomes a `bqnet-backbone`, a start for training
    (`saymask train bqnet.res --train.init OUT`).

    `text_encoder` is a local folder with roberta-base where the hub cannot be reached (for LESS the tokenizer and the
    configuration count, the weights come from the checkpoint). `report` gets one line per remark.

    Raises InputError for an unknown system or a missing or useless choice, CheckpointError when tensors are missing,
    unexpected or of another shape (all are listed).
    """
    if system not in SYSTEMS:
        raise InputError(f"cannot convert {system!r}: expected one of {', '.join(SYSTEMS)}")
    out = check_writable(out)
    if out.suffix != ".safetensors":
        raise InputError(f"cannot write a checkpoint to {out}: expected a name that ends in .safetensors")
    if system == "less" and projections is None:
        raise InputError(
            "an official LESS checkpoint lacks its five word projections: say projections='rebuild' (draw them again "
            "under the trainer's seed 42) or give a file that holds them"
        )
    for name, value, owner in (("preset", preset, "bqnet"), ("projections", projections, "less")):
        if value is not None and system != owner:
            raise InputError(f"{name} is a choice for {owner}; leave it out for {system}")
    content, refused = read_foreign(path)
    if refused:
        report(f"ignored {len(refused)} classes in {Path(path).name}: {', '.join(refused)}")
    state, path = state_dict_of(content), Path(path)
    if system == "less":
        return _convert_less(state, path, out, str(projections), text_encoder, report)
    if _is_backbone(state):
        if preset is not None or text_encoder is not None:
            raise InputError(f"{path} holds nothing but a backbone: leave out preset and text_encoder")
        return _convert_backbone(state, path, out, report)
    meta = content.get("meta")
    return _convert_bqnet(state, meta if isinstance(meta, dict) else {}, path, out, preset, text_encoder, report)


def _convert_less(
    state: dict[str, Tensor],
    path: Path,
    out: Path,
    projections: str,
    text_encoder: str | None,
    report: Callable[[str], None],
) -> Path:
    from saymask.hub import save_checkpoint
    from saymask.models.less import Less, compat, scanrefer
    from saymask.models.less.official import load_official, rebuild_projections

    config = compat(scanrefer().model, dropout=False)
    if text_encoder is not None:
        config = replace(config, text_encoder=text_encoder)
    if projections == "rebuild":
        chosen = rebuild_projections()
        report(
            "word projections drawn again under seed 42 of this version of torch; whether the trainer drew the same "
            "numbers cannot be known: check the metrics of the converted model"
        )
    else:
        chosen = _read_projections(Path(projections))
    model = Less(config)
    result = load_official(model, state, projections=chosen)
    report(f"{len(result.used)} tensors loaded, {len(result.dead)} without effect left out")
    card = {
        "name": f"less.{path.stem}",
        "preset": "less.scanrefer",
        "system": "less",
        "source": f"official checkpoint {path.name}",
        "projections": "rebuilt from seed 42" if projections == "rebuild" else Path(projections).name,
    }
    return save_checkpoint(model, out, card)


def _read_projections(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    from saymask.models.less.official import projections_in

    if path.suffix == ".safetensors" and path.is_file():
        return projections_in(load_file(path))
    return projections_in(state_dict_of(read_foreign(path)[0]))


def _is_backbone(state: dict[str, Tensor]) -> bool:
    from saymask.models.bqnet.official import BACKBONE

    return any(re.match(BACKBONE, key) for key in state) and not any(key.startswith("dec.") for key in state)


def _convert_bqnet(
    state: dict[str, Tensor],
    meta: dict[str, Any],
    path: Path,
    out: Path,
    preset: str | None,
    text_encoder: str | None,
    report: Callable[[str], None],
) -> Path:
    from saymask.hub import preset as preset_named
    from saymask.hub import save_checkpoint
    from saymask.models.bqnet import BQNet
    from saymask.models.bqnet.official import UNUSED, decoder_names, load_official

    if preset is None:
        preset = _guessed_preset(path)
        report(f"the file's name says {preset}; another preset can be given")
    if preset not in BQNET_PRESETS:
        raise InputError(f"preset: expected one of {', '.join(BQNET_PRESETS)}, got {preset!r}")
    # What the released weights have seen: 2D features of the official projection, pyramids without odd last planes.
    config = replace(preset_named(preset).model, stretched_images=True, odd_extents=True)
    if text_encoder is not None:
        config = replace(config, text_encoder=text_encoder)
    model = BQNet(config, text_encoder=nn.Identity())
    names, own = decoder_names(model.decoder), model.decoder.state_dict()
    expected = {key: list(own[name].shape) for name, key in names.items()}
    _check_fit(expected | _backbone_shapes(model.backbone.unet), state, path, unused=UNUSED)
    result = load_official(model, state)
    report(f"{len(result.used)} tensors loaded, {len(result.unused)} without effect here left out")
    groups = Counter(_group(key, UNUSED) for key in result.unused)
    if groups:
        report("left out: " + ", ".join(f"{name} ({count})" for name, count in groups.items()))
    encoder, absent = _encoder_here(config.text_encoder)
    text = {key.removeprefix(_TEXT): value for key, value in state.items() if key.startswith(_TEXT)}
    if encoder is not None:
        model.text_encoder = encoder.requires_grad_(False)  # the file's header names it
        report(_comparison(text, encoder, config.text_encoder))
    elif text_encoder is not None:
        raise InputError(absent)
    else:  # whoever loads the file needs an encoder, to write it none is needed
        report(f"{len(text)} tensors of the text encoder left out, not compared with {config.text_encoder}: {absent}")
    card = {
        "name": f"bqnet.{path.stem}",
        "preset": preset,
        "system": "bqnet",
        "source": f"official checkpoint {path.name}",
        "official": {name: meta[name] for name in ("epoch", "best_miou") if isinstance(meta.get(name), int | float)},
        "text_encoder": config.text_encoder,
        "verbs": list(model.verbs),
    }
    return save_checkpoint(model, out, card)


def _convert_backbone(state: dict[str, Tensor], path: Path, out: Path, report: Callable[[str], None]) -> Path:
    from saymask.hub import save_checkpoint
    from saymask.models.bqnet import BackbonePretraining, PretrainConfig, res

    first = state.get("input_conv.0.weight")
    # [out, 3, 3, 3, in] in spconv 2, [3, 3, 3, in, out] in spconv 1
    layout = "spconv1" if first is not None and first.shape[:3] == (3, 3, 3) else "spconv2"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same file every time
        model = BackbonePretraining(PretrainConfig(res().model))
    unet = model.backbone.unet
    _check_fit(_backbone_shapes(unet, layout), state, path)
    used = unet.load_official(state, layout)
    report(
        f"{path.name} is a backbone: {len(used)} tensors loaded, the heads of its pre-training are fresh; use it as a "
        f"start: saymask train bqnet.res --train.init {out}"
    )
    card = {
        "name": f"bqnet-backbone.{path.stem}",
        "preset": "bqnet.rooms-backbone",
        "system": "bqnet-backbone",
        "source": f"official backbone {path.name}",
        "heads": "random",
        "verbs": list(model.verbs),
    }
    return save_checkpoint(model, out, card)


def _guessed_preset(path: Path) -> str:
    words = set(re.split(r"[^a-z0-9]+", path.stem.lower()))
    gres, res = bool(words & {"gres", "3dgres", "multi3drefer"}), bool(words & {"res", "3dres", "scanrefer"})
    if gres == res:
        raise InputError(
            f"{path.name} does not say what it was trained for: expected gres or res in the name, or a preset "
            f"({' or '.join(BQNET_PRESETS)})"
        )
    return "bqnet.gres" if gres else "bqnet.res"


def _backbone_shapes(unet: "SparseUNet", layout: str = "spconv2") -> dict[str, list[int]]:
    """Return official key → official shape of the U-Net's tensors.

    Kernels are [out, k, k, k, in] in spconv 2 and [k, k, k, in, out] in spconv 1.
    """
    shapes, own = {}, unet.state_dict()
    for name, key in unet.official_keys().items():
        shape = list(own[name].shape)
        if name.endswith("shortcut.weight"):
            shape = [1, *reversed(shape)]
        if len(shape) == 3:
            edge = [round(shape[0] ** (1 / 3))] * 3
            shape = [shape[2], *edge, shape[1]] if layout == "spconv2" else [*edge, shape[1], shape[2]]
        shapes[key] = shape
    return shapes


def _check_fit(
    expected: Mapping[str, list[int]], state: Mapping[str, Tensor], path: Path, *, unused: str | None = None
) -> None:
    """Raise CheckpointError that lists every tensor of `state` that is missing, unexpected or of another shape.

    Names that match the pattern `unused` may be there and need not.
    """
    if not expected.keys() & state.keys():
        names = ", ".join(list(state)[:4])
        raise CheckpointError(f"{path} is no checkpoint of BQNet: expected tensors dec.…, unet.…, got {names}, …")
    problems = [f"{key}: missing" for key in expected if key not in state]
    extra = [key for key in state if key not in expected]
    problems += [f"{key}: unexpected" for key in extra if unused is None or not re.match(unused, key)]
    problems += [
        f"{key}: expected {shape}, got {list(state[key].shape)}"
        for key, shape in expected.items()
        if key in state and list(state[key].shape) != shape
    ]
    if problems:
        raise CheckpointError(
            f"{path} does not fit: expected {len(expected)} tensors, {len(problems)} do not fit: {'; '.join(problems)}"
        )


def _group(key: str, pattern: str) -> str:
    """Return what the tensors that are left out together have in common: `dec.lia_layers.*.norm`."""
    found = re.match(pattern, key)
    return re.sub(r"\.\d+", ".*", found[0].rstrip(".") if found else key)


def _encoder_here(name: str) -> tuple[nn.Module | None, str]:
    """Return the text encoder `name`, or None and the reason where this machine has none."""
    from saymask.text import find_weights
    from saymask.text.encoder import encoder_from_folder

    try:
        folder = find_weights(name)
    except InputError as error:
        return None, str(error)
    return encoder_from_folder(folder, name), ""


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
        "official one did: give the encoder it was trained with (text_encoder)"
    )
