"""Catalogue of what the authors of the systems publish (`catalogue.json`), and where on this machine it is kept.

`saymask.convert.get` downloads and converts; here are the names, so that a checkpoint that is missing can be explained.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.hub.registry import suggest
from saymask.util.files import cache_folder

CATALOGUE = Path(__file__).with_name("catalogue.json")


@dataclass(frozen=True)
class OfficialFile:
    """A file that somebody publishes."""

    name: str
    url: str = ""
    """Address that gives the file itself; empty where there is only a share page."""
    bytes: int = 0
    """Its size, 0 = not known."""
    sha256: str = ""
    """Empty = not known; that of the first download is recorded and holds from then on."""


@dataclass(frozen=True)
class Entry:
    """One name for `saymask get`."""

    name: str
    system: str
    what: str
    files: tuple[OfficialFile, ...]
    answers: tuple[str, ...] = ()
    """Verbs of the model; empty for a start of training and for data."""
    data: str = ""
    """Names of the training data."""
    page: str = ""
    """Web page where a person finds files without an address of their own."""
    convert: dict[str, str] = field(default_factory=dict)
    """Arguments of `saymask.convert.convert`, with file names (`archive.zip:member` for one inside); empty for data."""
    needs: tuple[str, ...] = ()
    """Text and image encoders that the model takes from the hub."""
    needs_for: str = ""
    """Verb that needs them."""
    terms: str = ""

    @property
    def folder(self) -> Path:
        """Folder of the official files, into which a person may put them."""
        return hub_cache() / "downloads" / self.system

    @property
    def checkpoint(self) -> Path | None:
        """Path of the converted checkpoint; None for data."""
        return checkpoint_path(self.name) if self.convert else None

    @property
    def is_here(self) -> bool:
        """Whether nothing is left to get."""
        if self.checkpoint is not None:
            return self.checkpoint.is_file()
        return all((self.folder / file.name).is_file() for file in self.files)

    def by_hand(self) -> str:
        """Return in words how a person gets the files without this program's help."""
        names = " and ".join(file.name for file in self.files)
        where = self.page or " and ".join(file.url for file in self.files)
        return (
            f"by hand: download {names} from {where}, put {'it' if len(self.files) == 1 else 'them'} into "
            f"{self.folder}, and give `saymask get {self.name}` again (or with --from FOLDER where the files lie)"
        )


def hub_cache() -> Path:
    """Return the folder of everything that `saymask get` brings: `hub` in saymask's cache."""
    return cache_folder() / "hub"


def checkpoint_path(name: str) -> Path:
    """Return where the converted checkpoint of a catalogue name lies."""
    return hub_cache() / "models" / f"{name}.safetensors"


def catalogue() -> dict[str, Entry]:
    """Return name → entry, in the order of the file."""
    return _read(CATALOGUE)


@cache
def _read(path: Path) -> dict[str, Entry]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    entries = {}
    for values in content["entries"]:
        files = tuple(OfficialFile(**file) for file in values["files"])
        lists = {key: tuple(values.get(key, ())) for key in ("answers", "needs")}
        entries[values["name"]] = Entry(
            **{**values, **lists, "files": files, "terms": content["terms"][values["system"]]}
        )
    return entries


def entry_named(name: str) -> Entry:
    """Return an entry of the catalogue; InputError, with the nearest name, for another."""
    entries = catalogue()
    if name not in entries:
        raise InputError(
            f"there is nothing called {name!r} to get{suggest(name, entries)}; `saymask get` lists what there is"
        )
    return entries[name]


def got() -> dict[str, Path]:
    """Return catalogue name → converted checkpoint of those that are on this machine."""
    here = ((name, entry.checkpoint) for name, entry in catalogue().items())
    return {name: path for name, path in here if path is not None and path.is_file()}
