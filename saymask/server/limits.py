"""Limits of a service: how much it takes, keeps and does at a time."""

from dataclasses import dataclass, fields

from saymask.errors import InputError

MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of one service; field by field a flag of `saymask serve`."""

    upload_mb: int = 512
    """Size of an uploaded file, MB."""
    scans: int = 64
    """Scans that are kept at a time; the next is refused until one is forgotten."""
    memory_mb: int = 4096
    """Memory of encoded scans with the answers they keep, MB: beyond it the least recently used are let go, and encoded
    again when they are asked about. The one in use always stays."""
    reading_mb: int = 12288
    """Address space of the process that reads a new scan first, MB."""
    seconds: int = 300
    """Seconds that a request may take, waiting included, before it is answered with 504."""
    threads: int = 2
    """Requests that are worked on at a time."""
    queue: int = 32
    """Requests that wait; the next is answered with 429."""

    def check(self) -> None:
        """Raise InputError for limits that leave nothing to do."""
        for field in fields(self):
            value, least = getattr(self, field.name), 0 if field.name == "queue" else 1
            if value < least:
                raise InputError(f"--{field.name.replace('_', '-')}: expected at least {least}, got {value}")
