"""Files that strangers send: named by us, limited in size and kind."""

import re
from pathlib import Path

from saymask.errors import InputError
from saymask.io.load import READERS

MOST_BYTES = 512 * 2**20
"""Size of an uploaded file."""
_USED_AS_NAME = re.compile(r"[^\w .()+-]")


def display_name(name: str) -> str:
    """Return a file's name as it is shown: its last part without anything but letters, digits and plain signs."""
    last = re.split(r"[/\\]", name)[-1]
    return _USED_AS_NAME.sub("", last).strip(" .")[-80:] or "upload"


def check_size(name: str, size: int, most: int = MOST_BYTES) -> None:
    """Raise InputError for a file that is empty or larger than `most` bytes."""
    if not 0 < size <= most:
        got = "an empty one" if size <= 0 else f"{size / 2**20:,.0f} MB"
        raise InputError(f"{display_name(name)}: expected a file of at most {most / 2**20:,g} MB, got {got}")


def check_kind(name: str) -> str:
    """Return the suffix, with its dot, of a file that is to be sent; raise InputError where it is that of no scan."""
    suffix = Path(display_name(name)).suffix.lower()
    if suffix.lstrip(".") not in READERS:
        known = ", ".join(f".{s}" for s in READERS)
        raise InputError(f"{display_name(name)}: expected a scan ({known}), got {suffix or 'no suffix'}")
    return suffix
