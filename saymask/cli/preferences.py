"""Settings that a user always wants: saymask.toml, or [tool.saymask] of pyproject.toml, in this folder or above."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from saymask.errors import InputError

FILE = "saymask.toml"


@dataclass(frozen=True)
class Preferences:
    """Defaults of the flags with these names, in every command that has them."""

    model: str | None = None
    text_encoder: str | None = None
    device: str | None = None

    def device_or(self, asked: str) -> str:
        """Return the device that a command asks for, the preferred one where it asks for `auto`."""
        return self.device if self.device is not None and asked == "auto" else asked


def preferences() -> Preferences:
    """Return what the nearest file says: of this folder, those above it, the user's ~/.config/saymask/saymask.toml.

    Raises InputError for a file that cannot be read, and for settings that there are not.
    """
    for path in _files():
        try:
            values: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            if path.name != FILE:  # somebody else's to mend
                continue
            raise InputError(f"{path}: expected settings in TOML: {error}") from None
        if path.name != FILE:
            values = values.get("tool", {}).get("saymask") if isinstance(values.get("tool"), dict) else None
        if values is not None:
            return _checked(values, path)
    return Preferences()


def _files() -> Iterator[Path]:
    try:
        here = Path.cwd()
    except OSError:  # the folder has been removed
        return
    for folder in (here, *here.parents):
        yield from (file for name in (FILE, "pyproject.toml") if (file := folder / name).is_file())
    try:
        file = Path.home() / ".config" / "saymask" / FILE
    except RuntimeError:  # there is no home
        return
    if file.is_file():
        yield file


def _checked(values: Any, path: Path) -> Preferences:
    from saymask.hub.registry import suggest

    known = [field.name for field in fields(Preferences)]
    given = {str(name).replace("-", "_"): value for name, value in values.items()} if isinstance(values, dict) else {}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"{path}: expected settings of {', '.join(known)}, got {name!r}{suggest(name, known)}")
        if not isinstance(value, str):
            raise InputError(f"{path}: {name}: expected text in quotes, got {value!r}")
    return Preferences(**given)
