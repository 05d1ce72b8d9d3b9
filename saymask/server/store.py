"""The scans of a service on the disk: a folder for each, put in place whole, so that a kill loses none of them."""

import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.io.load import check_path
from saymask.io.read_apart import Facts
from saymask.io.uploads import check_kind, display_name
from saymask.server.refusal import Refusal
from saymask.util.files import read_json, write_text

RECORD = "scan.json"
_INCOMING = ".incoming-"
_LONGEST = 200  # bytes of a file's name; file systems take 255


@dataclass(frozen=True)
class Stored:
    """A scan that a service knows."""

    id: str
    name: str
    """Name of the file."""
    path: str
    """Path below the root; empty for an upload."""
    unit: str | None
    up: str | None
    bytes: int
    stamp: str
    """Sizes and times of a file below the root when it was read; empty for an upload."""
    created: str
    facts: Facts


class Store:
    """Uploads and scans below `root` in one folder, each under an id that says what it is."""

    def __init__(self, folder: Path, root: Path | None, *, most: int, log: Callable[[str], None]) -> None:
        """Find what an earlier service left in the folder; `log` is told of what cannot be read."""
        self.folder, self.root, self._most = folder, None if root is None else root.resolve(), most
        self._lock = threading.Lock()
        self._known: dict[str, Stored] = {}
        for left in folder.glob(f"{_INCOMING}*"):
            shutil.rmtree(left, ignore_errors=True)
        for record in sorted(folder.glob(f"*/{RECORD}")):
            try:
                content = read_json(record)
                stored = Stored(**{**content, "facts": Facts(**content["facts"])})
            except (InputError, KeyError, TypeError, OSError) as error:
                log(f"{record}: left out, it cannot be read ({error})")
                continue
            self._known[stored.id] = stored

    def all(self) -> list[Stored]:
        """Return all scans, the oldest first."""
        return sorted(self._known.values(), key=lambda stored: stored.created)

    def get(self, key: str) -> Stored:
        """Return a scan; Refusal 404 where there is none under the id."""
        stored = self._known.get(key)
        if stored is None:
            raise Refusal(404, f"scan: there is none with the id {key!r:.80}; GET /scans lists them")
        return stored

    def knows(self, stored: Stored) -> bool:
        """Say whether a scan is still here, as it was."""
        return self._known.get(stored.id) is stored

    def file(self, stored: Stored) -> tuple[Path, Path]:
        """Return the file or folder of a scan and the folder that all it names lies in.

        Refusal 409 for a file below the root that is no longer the one that was read, or gone.
        """
        if not stored.path:
            folder = self.folder / stored.id
            return folder / stored.name, folder
        path, root = self.below_root(stored.path)
        if _stamp(path) != stored.stamp:
            raise Refusal(409, f"{stored.path}: the file has changed since it was loaded; load it again (POST /scans)")
        return path, root

    def below_root(self, path: str) -> tuple[Path, Path]:
        """Return a path below the root, and the root; Refusal 403 for any other place, 404 where there is nothing."""
        if self.root is None:
            raise Refusal(403, "path: this server reads no files of its own (it was started without --root); upload it")
        try:
            found = (self.root / path).resolve()
            outside = not found.is_relative_to(self.root)
        except (OSError, ValueError, RuntimeError):  # names that no file can have, links in a circle
            outside, found = False, None
        if outside:
            raise Refusal(403, f"path: expected a scan below the server's root, got {path!r:.200}")
        if found is None or not os.path.exists(found):
            raise Refusal(404, f"path: there is no {path!r:.200} below the server's root; check the path")
        return found, self.root

    def check_room(self, key: str = "") -> None:
        """Raise Refusal 409 where one more scan is too many, unless the one of this id is there already."""
        if key not in self._known and len(self._known) >= self._most:
            raise Refusal(409, f"the server keeps at most {self._most:,} scans; forget one first (DELETE /scans/ID)")

    def add_path(
        self, path: str, unit: str | None, up: str | None, read: Callable[[Path, Path], Facts]
    ) -> tuple[Stored, bool]:
        """Add a scan below the root, which `read(path, root)` can read; return it and whether it is new.

        A file that has changed since it was added is read again.
        """
        found, root = self.below_root(path)
        relative = found.relative_to(root).as_posix()
        key = _digest("path", relative, unit, up).hexdigest()[:16]
        stamp = _stamp(found)
        known = self._known.get(key)
        if known is not None and known.stamp == stamp:
            return known, False
        self.check_room(key)
        try:
            check_path(found)
            facts = read(found, root)
        except InputError as error:
            raise InputError(str(error).replace(f"{root}{os.sep}", "")) from None
        size = sum(file.stat().st_size for file in _files(found))
        stored = Stored(key, found.name, relative, unit, up, size, stamp, _now(), facts)
        return self._put(self.incoming(), stored)

    def incoming(self) -> Path:
        """Return a new folder for a file that is being received; `add_upload` or `drop` ends it."""
        folder = self.folder / f"{_INCOMING}{uuid.uuid4().hex}"
        folder.mkdir()
        return folder

    def drop(self, incoming: Path) -> None:
        """Remove the folder of a file that did not arrive."""
        shutil.rmtree(incoming, ignore_errors=True)

    def add_upload(
        self, incoming: Path, name: str, unit: str | None, up: str | None, read: Callable[[Path, Path], Facts]
    ) -> tuple[Stored, bool]:
        """Add the file `upload_name(name)` that was received, which `read(path, folder)` can read.

        Return the scan and whether it is new: the same file under the same name is known already.
        """
        file = incoming / upload_name(name)
        with open(file, "rb") as content:
            content_digest = hashlib.file_digest(content, "sha256").hexdigest()
        key = _digest("upload", content_digest, file.name, unit, up).hexdigest()[:16]
        known = self._known.get(key)
        if known is not None:
            self.drop(incoming)
            return known, False
        self.check_room(key)
        try:
            facts = read(file, incoming)
        except InputError as error:
            raise InputError(f"{file.name} is no scan: {error}") from None
        stored = Stored(key, file.name, "", unit, up, file.stat().st_size, "", _now(), facts)
        return self._put(incoming, stored)

    def _put(self, incoming: Path, stored: Stored) -> tuple[Stored, bool]:
        """Put the folder of a scan in its place."""
        write_text(incoming / RECORD, json.dumps(asdict(stored), ensure_ascii=False, indent=1) + "\n")
        place = self.folder / stored.id
        with self._lock:
            known = self._known.get(stored.id)
            if known is not None and known.stamp == stored.stamp:  # another request was faster
                self.drop(incoming)
                return known, False
            self.check_room(stored.id)
            shutil.rmtree(place, ignore_errors=True)  # of a file that has changed, or a record that was broken
            os.rename(incoming, place)
            self._known[stored.id] = stored
        return stored, True

    def remove(self, key: str) -> Stored:
        """Forget a scan; an upload is deleted, a file below the root stays."""
        with self._lock:
            stored = self.get(key)
            gone = self.folder / f"{_INCOMING}{uuid.uuid4().hex}"
            with suppress(FileNotFoundError):
                os.rename(self.folder / key, gone)  # at once: a kill leaves no half of it
            del self._known[key]
        shutil.rmtree(gone, ignore_errors=True)
        return stored


def upload_name(name: str) -> str:
    """Return the name under which an upload is kept; raises InputError for a suffix that is that of no scan."""
    suffix = check_kind(name)
    shown = display_name(name)
    return shown if len(os.fsencode(shown)) <= _LONGEST else f"upload{suffix}"


def _digest(*parts: Any) -> "hashlib._Hash":
    return hashlib.sha256(json.dumps(parts).encode())


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _stamp(path: Path) -> str:
    """Return the sizes and times of a file, or of all files of a folder, in short."""
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in _files(path)]
    return _digest(states).hexdigest()[:16]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
