"""Checkpoints of the official projects to saymask's own: read without running their code, loaded strictly."""

import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from saymask.atomic import check_writable
from saymask.errors import CheckpointError, InputError

_ALLOWED = {
    "collections": {"OrderedDict", "defaultdict"},
    "torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"},
    "torch": {"Size", "device"},
}
"""What a checkpoint may name: containers, tensors and numbers. Anything else in it is replaced by an `Ignored`."""
_PICKLE_SUFFIXES = {".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".bin"}
SYSTEMS = ("less",)
"""Systems whose official checkpoints can be converted."""


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
    projections: str | Path | None = None,
    text_encoder: str | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Turn the official checkpoint `path` of `system` into a saymask checkpoint `out` (`.safetensors`); return `out`.

    LESS: the five word projections are in no official checkpoint, so `projections` must say where they come from:
    `rebuild` (draw them again as the official trainer did under seed 42) or a file that holds them. `text_encoder` is a
    local folder with the tokenizer and configuration of roberta-base where the hub cannot be reached; its weights come
    from the checkpoint. `report` gets one line per remark.

    Raises InputError for an unknown system or a missing choice, CheckpointError when tensors are missing, unexpected or
    of another shape (all are listed).
    """
    if system not in SYSTEMS:
        raise InputError(f"cannot convert {system!r}: expected one of {', '.join(SYSTEMS)}")
    out = check_writable(out)
    if out.suffix != ".safetensors":
        raise InputError(f"cannot write a checkpoint to {out}: expected a name that ends in .safetensors")
    if projections is None:
        raise InputError(
            "an official LESS checkpoint lacks its five word projections: say projections='rebuild' (draw them again "
            "under the trainer's seed 42) or give a file that holds them"
        )
    content, refused = read_foreign(path)
    if refused:
        report(f"ignored {len(refused)} classes in {Path(path).name}: {', '.join(refused)}")
    return _convert_less(state_dict_of(content), Path(path), out, str(projections), text_encoder, report)


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
