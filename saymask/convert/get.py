"""Published weights with one call: download, check, convert; afterwards the name stands for the checkpoint."""

import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from saymask.convert import convert
from saymask.errors import InputError
from saymask.hub.catalogue import Entry, OfficialFile, entry_named
from saymask.text import find_weights
from saymask.text.weights import SOURCES
from saymask.util.files import atomic_path, file_sha256, write_text
from saymask.util.network import UnreachableError, download
from saymask.util.progress import bars

_LARGEST_MEMBER = 2**30
"""Bytes of a file inside an archive, unpacked."""


def get(
    name: str, source: str | Path | None = None, *, say: Callable[[str], None] = print, quiet: bool = False
) -> Path:
    """Bring what the catalogue calls `name` to this machine, converted, and return where it is.

    A model becomes a checkpoint that `load_model` and `--model` know by the same name; data is kept as it came; the
    name of a text encoder brings its files into the hub's cache. What is here already is not brought again.

    source: folder with the official files, or address of a mirror that has them by their names; None = where the
    authors publish them. `say` gets one line per remark, the terms among them the first time.

    Raises InputError for an unknown name, a file that is not the recorded one, and, with the way by hand, where there
    is no network or only a share page.
    """
    if name in SOURCES:
        return find_weights(name)
    entry = entry_named(name)
    if source is None and entry.is_here:
        return entry.checkpoint or entry.folder
    _show_terms(entry, say)
    found = {file.name: _file(entry, file, source, say, quiet) for file in entry.files}
    if entry.checkpoint is None:
        return entry.folder if source is None or _is_address(source) else Path(source)
    files = {file: path for file, (path, _) in found.items()}
    arguments: dict[str, Any] = {key: _argument(value, files) for key, value in entry.convert.items()}
    card: dict[str, Any] = {"name": entry.name, "data": entry.data, "terms": entry.terms}
    card["official_files"] = {file: sha256 for file, (_, sha256) in found.items()}
    path = convert(**arguments, out=entry.checkpoint, card=card, report=say)
    if absent := [encoder for encoder in entry.needs if not _is_here(encoder)]:
        names = " ".join(absent)
        say(f"{entry.needs_for} needs more, which is not here yet: `saymask get {names}` where there is a network")
    return path


def _is_here(encoder: str) -> bool:
    """Bring a text encoder of the hub, and say whether it is here then."""
    try:
        find_weights(encoder)
    except InputError:
        return False
    return True


def _show_terms(entry: Entry, say: Callable[[str], None]) -> None:
    """Say the terms unless they have been said, and keep them beside the files."""
    kept = entry.folder / "TERMS.txt"
    if not kept.is_file() or kept.read_text(encoding="utf-8") != entry.terms + "\n":
        say(f"terms: {entry.terms}")
        write_text(kept, entry.terms + "\n")


def _file(
    entry: Entry, file: OfficialFile, source: str | Path | None, say: Callable[[str], None], quiet: bool
) -> tuple[Path, str]:
    """Return an official file and its sha256, checked against the recorded one; it is downloaded if it is not here."""
    if source is not None and not _is_address(source):
        path = Path(source) / file.name
        if not path.is_file():
            raise InputError(f"--from: expected {file.name} in {source}, it is not there")
        return path, _check(path, file, file.sha256 or _recorded(entry, file))
    path, url = entry.folder / file.name, file.url
    if source is not None:
        url = f"{str(source).rstrip('/')}/{quote(file.name)}"
    known = file.sha256 or _recorded(entry, file)
    if path.is_file():
        found = _check(path, file, known)
    elif not url:
        raise InputError(f"{file.name} is offered on a share page only, which a program cannot read; {entry.by_hand()}")
    else:
        found = _download(entry, file, url, path, known, say, quiet)
    if not known:
        write_text(_record(entry, file), f"{found}  {file.name}\n")
    return path, found


def _download(
    entry: Entry, file: OfficialFile, url: str, path: Path, known: str, say: Callable[[str], None], quiet: bool
) -> str:
    say(f"{file.name} from {url}")
    with bars("MB  {task.fields[rate]}", quiet=quiet) as progress:
        task, began = progress.add_task(file.name, total=None, rate="", visible=False), time.monotonic()
        first: list[int] = []

        def done(have: int, total: int) -> None:
            first.append(have) if not first else None
            rate = (have - first[0]) / 1e6 / max(time.monotonic() - began, 1e-3)
            done_mb, all_mb = -(-have // 10**6), -(-total // 10**6) or None
            progress.update(task, completed=done_mb, total=all_mb, rate=f"{rate:.1f} MB/s", visible=True)

        try:
            return download(url, path, size=file.bytes, sha256=known, done=done)
        except UnreachableError as error:
            raise InputError(f"{error}; {entry.by_hand()}") from None
        except InputError as error:
            hint = f"if the authors have replaced the file, delete {_record(entry, file)}; " if known else ""
            raise InputError(f"{error}; {hint}{entry.by_hand()}") from None


def _check(path: Path, file: OfficialFile, known: str) -> str:
    """Return the sha256 of a file that is here; InputError where size or hash are not those that are known."""
    if file.bytes and path.stat().st_size != file.bytes:
        raise InputError(
            f"{path}: expected {file.bytes:,} bytes, got {path.stat().st_size:,}; delete it and get it anew"
        )
    found = file_sha256(path)
    if known and found != known:
        raise InputError(f"{path}: expected a file with sha256 {known}, got {found}; delete it and get it anew")
    return found


def _record(entry: Entry, file: OfficialFile) -> Path:
    """Return the file with the hash of the first download, in the form of `sha256sum`."""
    return entry.folder / f"{file.name}.sha256"


def _recorded(entry: Entry, file: OfficialFile) -> str:
    path = _record(entry, file)
    return path.read_text(encoding="utf-8").split()[0] if path.is_file() else ""


def _argument(value: str, files: dict[str, Path]) -> str | Path:
    """Return an argument of `convert` with the paths of the files that it names."""
    archive, colon, member = value.partition(":")
    if colon and archive in files:
        return _member(files[archive], member)
    return files.get(value, value)


def _member(archive: Path, name: str) -> Path:
    """Return a file of an archive, taken out of whatever folder it is in there and laid beside the archive."""
    out = archive.with_name(name)
    try:
        with zipfile.ZipFile(archive) as content:
            found = [info for info in content.infolist() if info.filename.rpartition("/")[2] == name]
            if not found:
                raise InputError(f"{archive}: expected {name} in it, not found; is it another version?")
            if found[0].file_size > _LARGEST_MEMBER:
                raise InputError(f"{archive}: expected a small {name}, got {found[0].file_size:,} bytes")
            with content.open(found[0]) as inside, atomic_path(out) as temporary, temporary.open("wb") as file:
                shutil.copyfileobj(inside, file)
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive}: expected a zip archive ({error}); delete it and get it anew") from None
    return out


def _is_address(source: str | Path) -> bool:
    return str(source).startswith(("http://", "https://"))
