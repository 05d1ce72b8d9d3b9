"""Checkpoint files by their names, and what their headers say; nothing here loads torch, so that mistakes are cheap."""

import contextlib
import hashlib
import importlib.util
import os
import re
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from saymask.errors import CheckpointError, InputError
from saymask.hub.catalogue import catalogue, checkpoint_path, got
from saymask.hub.registry import PRESETS, suggest
from saymask.util.files import file_sha256, parse_object

DEFAULT = "uniseg3d.rooms"
"""The embedded checkpoint that is used when no other is named."""
IN_MODELS = ("bqnet.rooms", "less.rooms", "lground.rooms")
"""Checkpoints of the distribution `saymask-models`."""
HUB_NAME = re.compile(r"hf://([\w-][\w.-]*/[\w-][\w.-]*)(?:@([\w./-]+))?")
"""`hf://OWNER/NAME` or `hf://OWNER/NAME@REVISION`: a repository of the Hugging Face hub."""
HUB_FILE = "model.safetensors"
"""The checkpoint in such a repository."""
FORMAT = "saymask-1"
PICKLES = (".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".bin")
"""Suffixes of checkpoints that are never loaded, only converted."""


def _folders() -> tuple[Path, ...]:
    """Return the folders with checkpoints: saymask's, and that of `saymask-models` in the source tree or installed."""
    package = Path(__file__).parents[1]
    models = package.parent / "packages" / "models" / "saymask_models"
    if models.is_dir():
        return package / "weights", models
    spec = importlib.util.find_spec("saymask_models")
    return (package / "weights", *map(Path, (spec and spec.submodule_search_locations) or ()))


WEIGHTS = _folders()


def embedded() -> dict[str, Path]:
    """Return name → file of the checkpoints that were installed with saymask or `saymask-models`, by name."""
    files = (file for folder in WEIGHTS for file in folder.glob("*.safetensors"))
    return {file.stem: file for file in sorted(files, key=lambda file: file.stem)}


def find_checkpoint(name_or_path: str | Path | None) -> Path:
    """Return the checkpoint file that a name (installed, of the catalogue, `hf://…`), a path or nothing stands for."""
    text = DEFAULT if name_or_path is None else str(name_or_path)
    path = Path(text)
    installed = embedded()
    if text in installed and not path.is_file():
        return _as_shipped(installed[text])
    if path.is_file():
        return path
    if text.startswith("hf:"):
        return _from_hub(text)
    published = catalogue()
    if text in published and checkpoint_path(text).is_file():
        return checkpoint_path(text)
    if path.is_dir():
        inside = sorted(p.name for p in path.glob("*.safetensors"))
        hint = f": name one of {', '.join(inside)}" if inside else " without checkpoints"
        raise CheckpointError(f"{path} is a folder{hint}; expected a .safetensors file or the name of a checkpoint")
    if text in published and published[text].convert:
        raise CheckpointError(
            f"{text} is not on this machine yet: get it with `saymask get {text}`"
            + (f", or train it (`saymask train {text}`)" if text in PRESETS else "")
        )
    if text in IN_MODELS:
        raise CheckpointError(
            f"{text} comes with the package saymask-models, which is not installed: pip install saymask-models "
            f"(from a clone: pip install ./packages/models), or train it (`saymask train {text}`)"
        )
    if text in PRESETS:
        raise CheckpointError(
            f"no weights for {text!r} come with saymask; train them (`saymask train {text} --data DATA --out RUN`) and "
            f"give the path of RUN/best.safetensors, or use one of: {', '.join(installed) or 'none is installed'}"
        )
    if path.suffix in (".safetensors", *PICKLES) or len(path.parts) > 1:
        raise CheckpointError(f"there is no checkpoint file {path}; check the path")
    raise CheckpointError(
        f"there is no checkpoint {text!r}{suggest(text, [*installed, *IN_MODELS, *published])}: expected a "
        f".safetensors file or one of: {', '.join([*installed, *got()]) or 'none is installed'}; "
        "`saymask get` lists published ones"
    )


def _from_hub(name: str) -> Path:
    """Return the checkpoint of a repository of the hub: from its cache, where it is kept, or downloaded."""
    from saymask.text.weights import hub_folder

    matched = HUB_NAME.fullmatch(name)
    if matched is None:
        raise CheckpointError(f"{name}: expected hf://OWNER/NAME or hf://OWNER/NAME@REVISION")
    try:
        folder = hub_folder(matched[1], [HUB_FILE], f"{name} is not on this machine:", matched[2])
    except InputError as error:
        raise CheckpointError(str(error)) from None
    if not (folder / HUB_FILE).is_file():
        raise CheckpointError(f"{name}: expected a {HUB_FILE}, as `saymask publish` writes it, the repository has none")
    return folder / HUB_FILE


@cache
def _as_shipped(path: Path) -> Path:
    """Return an embedded checkpoint whose sha256 is that of the card beside it; each is read once by a process.

    `save_checkpoint` writes both, so new weights need no other step. Raises CheckpointError for any other content.
    """
    card = path.with_suffix(".json")
    if file_sha256(path) != parse_object(card.read_bytes() if card.is_file() else "{}", card).get("sha256"):
        raise CheckpointError(f"{path} is not what came with saymask: {card.name} has another sha256; install it again")
    return path


@contextlib.contextmanager
def opened(path: Path, framework: str = "numpy") -> Iterator[Any]:
    """Open a safetensors file; CheckpointError where it is unusable for any reason."""
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint file {path}; check the path")
    if os.fsencode(path).decode(errors="replace") != str(path):
        raise CheckpointError(f"{path}: expected a path in UTF-8, which safetensors asks for; move the file")
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(9)
    if not head:
        raise CheckpointError(f"{path} is empty; expected a .safetensors checkpoint")
    # A safetensors file is the length of its header and then a JSON object; that length may look like a pickle's start.
    safe = len(head) == 9 and head.endswith(b"{") and 8 + struct.unpack("<Q", head[:8])[0] <= size
    if not safe:
        from saymask.io.pickles import refuse_pickle

        refuse_pickle(path)
        raise CheckpointError(f"{path} is cut off or not a safetensors file ({size:,} bytes); copy it again")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is cut off or not a safetensors file ({size:,} bytes: {error}); copy it again"
        ) from None


def list_models() -> list[dict[str, Any]]:
    """Return the cards of the installed checkpoints: name, system, verbs, data, headline metrics, bytes, …

    `default_for` lists the verbs that a checkpoint answers when no model is named: those of `DEFAULT`, and of the
    others, in alphabetical order, what those before them cannot answer.
    """
    cards = [card_of(path) for path in embedded().values()]
    chosen: dict[str, str] = {}
    for card in sorted(cards, key=lambda card: card["name"] != DEFAULT):
        for verb in card["verbs"]:
            chosen.setdefault(verb, card["name"])
    return [{**card, "default_for": [v for v in card["verbs"] if chosen[v] == card["name"]]} for card in cards]


def card_of(path: Path) -> dict[str, Any]:
    """Return the card of a checkpoint, with its size and path, and with defaults for what a table shows."""
    card = header_object(path, read_metadata(path)["card"])
    return {"data": "", "headline": {}, "verbs": [], **card, "bytes": path.stat().st_size, "path": str(path)}


def caution(card: dict[str, Any]) -> str:
    """Return what to bear in mind of a model with this card: empty, or that it was trained on generated rooms alone."""
    if "rooms" not in str(card.get("data", "")).lower():
        return ""
    return "trained on synthetic rooms: expect mistakes on real scans; `saymask get` has models trained on real ones"


def default_for(verb: str) -> str:
    """Return the name of the embedded checkpoint that answers `verb` when no model is named; InputError without one."""
    for card in list_models():
        if verb in card["default_for"]:
            return card["name"]
    raise InputError(f"no checkpoint that comes with saymask answers {verb}; name one with --model")


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the header of a saymask checkpoint without reading its tensors; raise CheckpointError if it is not one."""
    path = Path(path)
    with opened(path) as file:
        metadata = file.metadata() or {}
    missing = [key for key in ("system", "preset", "config", "card") if key not in metadata]
    if metadata.get("format") != FORMAT or missing:
        raise CheckpointError(
            f"{path} holds tensors but no saymask header (format {metadata.get('format')!r}, expected {FORMAT!r}): "
            "weights of other projects are turned into a checkpoint by `saymask convert`"
        )
    if hashlib.sha256(metadata["config"].encode()).hexdigest() != metadata.get("config_sha256"):
        raise CheckpointError(f"{path} is damaged: its configuration does not match its own checksum; copy it again")
    return metadata


def check_answers(path: Path, verb: str) -> None:
    """Raise InputError, naming those that do, for a checkpoint whose card says that it does not answer `verb`."""
    card = header_object(path, read_metadata(path)["card"])
    verbs = card.get("verbs")
    if not isinstance(verbs, list) or not verbs or verb in verbs:
        return  # what has no card is asked itself, once it is loaded
    able = [other["name"] for other in list_models() if verb in other["verbs"]]
    use = f"for {verb} use {', '.join(able)}" if able else f"no checkpoint that comes with saymask answers {verb}"
    raise InputError(f"{card.get('name', path.stem)} answers {', '.join(map(str, verbs))}, not {verb}; {use}")


def header_object(path: Path, text: str) -> dict[str, Any]:
    """Return a JSON object of the header; CheckpointError where it is none."""
    try:
        return parse_object(text, path)
    except InputError as error:
        raise CheckpointError(str(error)) from None
