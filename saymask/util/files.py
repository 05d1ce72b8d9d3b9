"""Files: written so that a reader sees the old content or the new, never half of it; JSON read with clear errors."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.util.temporaries import folder_of_this_process, temporary_file


def cache_folder() -> Path:
    """Return the folder for cached results: $SAYMASK_CACHE, else $XDG_CACHE_HOME/saymask, else ~/.cache/saymask.

    A user without a home, as in some containers, gets a temporary one that ends with the process.
    """
    if own := os.environ.get("SAYMASK_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base).expanduser() if base else Path.home() / ".cache") / "saymask"
    except RuntimeError:
        return _cache_of_this_process()


@cache
def _cache_of_this_process() -> Path:
    return folder_of_this_process()


def file_name(name: str, what: str = "id") -> str:
    """Return a name that comes out of a file if it can be the name of a file in a folder, and of no other place.

    Raises InputError, beginning with `what`, for separators, `..`, hidden names, control characters, and endless names.
    """
    plain = isinstance(name, str) and name.isprintable() and not re.search(r"[/\\:]", name)
    if not plain or not name.strip() or name.startswith(".") or len(os.fsencode(name)) > 200:
        raise InputError(f"{what}: expected a plain name such as scene0011_00, got {name!r:.80}; rename it")
    return name


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


MOST_SUFFIX = 40
"""Letters of a suffix that a temporary file has, too; a longer one is no format's."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block ends without an error.

    The temporary file keeps the suffix of `path`, is flushed to the disk before it is renamed, and is removed when
    the block fails, so that an existing file survives a full disk or a kill. OSError names `path`, whoever raised it.
    """
    suffix = Path(path).suffix[:MOST_SUFFIX]  # that of a link, whatever it leads to: writers choose the format by it
    path = output_path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path.parent, suffix) as temporary:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
    except Exception as error:
        number = _disk_error(error, temporary)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from None


def _disk_error(error: Exception, temporary: Path | None) -> int | None:
    """Return the number of the system's error if one came from writing, None for errors of another kind or file."""
    if isinstance(error, RuntimeError) and isinstance(error.__context__, OSError):
        error = error.__context__  # torch.save hides it
    if isinstance(error, OSError):
        ours = error.filename is None or temporary is None or str(error.filename) == str(temporary)
        return error.errno if ours else None
    found = re.search(r"\(os error (\d+)\)", str(error))  # libraries in Rust, such as safetensors, say it in words
    return None if found is None else int(found[1])


def output_path(path: str | Path) -> Path:
    """Return where a file is written to: a link is followed, as programs do, so that it stays a link.

    Raises InputError for a device, a pipe or a socket, which a finished file must not replace.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    if os.path.islink(path):
        raise InputError(f"cannot write {path}: expected a file, got a link to itself; choose another output path")
    if os.path.exists(path) and not path.is_file() and not path.is_dir():
        raise InputError(f"cannot write {path}: expected a file, got a device or a pipe; choose another output path")
    return path


def write_text(path: str | Path, text: str) -> None:
    r"""Write `text` (UTF-8) to `path` atomically; bytes of file names that are no text become `\udcXX`, as in JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def check_writable(path: str | Path) -> Path:
    """Return `path` if a file could be written there now; raise InputError before any long work is done otherwise."""
    path, target = Path(path), output_path(path)
    try:
        if target.is_dir():
            raise InputError(f"cannot write {path}: expected a file name, got a folder")
        folder = next(p for p in [target.parent, *target.parent.parents] if p.exists())
        if not folder.is_dir():
            raise InputError(f"cannot write {path}: {folder} is a file, not a folder")
        with tempfile.TemporaryFile(dir=folder):
            return path
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose another output path") from None


def check_picture(path: str | Path, suffix: str = ".png") -> Path:
    """Return `path` if a picture of this kind could be written there now; InputError otherwise."""
    path = Path(path)
    if path.suffix.lower() != suffix:
        raise InputError(
            f"cannot write {path}: expected a picture's name ending in {suffix}, got {path.suffix or 'no suffix'}"
        )
    return check_writable(path)


def read_json(path: str | Path) -> Any:
    """Return the content of a UTF-8 JSON file; raise InputError that says what is wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not; convert the file to UTF-8") from None
    return parse_json(text, path)


def parse_json(text: str | bytes, where: object) -> Any:
    """Return the content of a JSON text; raise InputError, beginning with `where`, for what is none or too deep."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: expected JSON, line {error.lineno}: {error.msg}; is the file complete?") from None
    except (ValueError, RecursionError) as error:  # endless digits, bytes of no encoding, brackets without end
        raise InputError(f"{where}: expected JSON, got a text that cannot be read ({error})") from None


def parse_object(text: str | bytes, where: object, **kinds: type | tuple[type, ...]) -> dict[str, Any]:
    """Return a JSON object whose entries under the given names have the given types; raise InputError otherwise."""
    content = parse_json(text, where)
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected a JSON object, got {type(content).__name__}")
    for name, kind in kinds.items():
        value = content.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            expected = kind.__name__ if isinstance(kind, type) else " or ".join(k.__name__ for k in kind)
            raise InputError(f"{where}: expected {expected} as {name!r}, got {value!r:.60}; make the file again")
    return content
