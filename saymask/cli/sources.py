"""Scans that a command line names: one, those in a folder, in a list, or that fit a pattern such as "scans/*.ply"."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from glob import glob, has_magic
from pathlib import Path

from saymask.errors import InputError


@dataclass(frozen=True)
class Sources:
    """Scans to ask about."""

    paths: tuple[Path, ...]
    base: Path
    """Folder that holds them all."""
    several: bool = True
    """Whether a folder or a pattern was named, however many scans are in it."""

    @cached_property
    def names(self) -> dict[Path, str]:
        """Names of the scans' results: paths below `base` without suffixes, with them where two would be the same."""
        below = {path: path.relative_to(self.base) for path in self.paths}
        short = {path: (name if path.is_dir() else name.with_suffix("")).as_posix() for path, name in below.items()}
        times = Counter(name.casefold() for name in short.values())
        return {p: name if times[name.casefold()] == 1 else below[p].as_posix() for p, name in short.items()}


def find_sources(path: Path) -> Sources:
    """Return the scans that `path` names; InputError for a folder or a pattern without any.

    A folder is searched with all folders in it, in the order of names; a ScanNet scan folder in it is one scan.
    @FILE is a list with a path per line, which are looked at when their turn comes.
    """
    if str(path).startswith("@") and not path.exists():
        return _listed(Path(str(path)[1:]))
    if path.is_dir() and not _is_scan(path):
        found, base = tuple(_below(path)), path
    elif has_magic(str(path)) and not path.exists():
        found = tuple(each for name in sorted(glob(str(path), recursive=True)) if _is_scan(each := Path(name)))
        base = Path(os.path.commonpath([each.parent for each in found])) if found else path
    else:
        return Sources((path,), path.parent, several=False)
    if not found:
        raise InputError(
            f"{path}: expected a scan file, a ScanNet scan folder with *_vh_clean_2.ply, or a folder or pattern "
            f"('scans/*.ply') with scans, got no scan there"
        )
    return Sources(found, base)


def _listed(file: Path) -> Sources:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"@{file}: expected a text file in UTF-8 with a path per line: {error}") from None
    found = tuple(dict.fromkeys(Path(text) for text in lines if text.strip()))
    if not found or len({path.is_absolute() for path in found}) > 1:
        got = "both" if found else "none"
        raise InputError(f"@{file}: expected paths that are all absolute or all relative to this folder, got {got}")
    return Sources(found, Path(os.path.commonpath([path.parent for path in found])))


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if _is_scan(path):
            yield path
        elif path.is_dir() and not path.name.startswith("."):
            yield from _below(path)


def _is_scan(path: Path) -> bool:
    """Say whether this is called as scans are; a prepared scene is told from a checkpoint by its folder."""
    from saymask.io.load import READERS
    from saymask.io.scannet import is_scan_folder

    if path.name.startswith(".") or path.is_dir():
        return is_scan_folder(path)

    suffix = path.suffix.lower().lstrip(".")
    return suffix in READERS or (suffix == "safetensors" and path.parent.name == "scenes")
