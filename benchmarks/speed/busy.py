"""How much of the machine other programs used while something was measured."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@contextmanager
def observed() -> Iterator[dict[str, Any]]:
    """Yield a dictionary that has `date`, `seconds` and `others` after the block.

    `others` are the cores that other programs kept busy on average: the machine's busy time less that of this process
    and of its children that have ended.
    """
    facts: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="minutes")}
    start, busy, own = time.monotonic(), _busy(), _own()
    try:
        yield facts
    finally:
        seconds = time.monotonic() - start
        facts["seconds"] = round(seconds, 1)
        facts["others"] = round(max(0.0, (_busy() - busy) - (_own() - own)) / seconds, 2)


def _busy() -> float:
    """Return CPU seconds of all programs since the machine's start (Linux; 0 elsewhere)."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _, _, irq, soft = map(int, path.read_text().split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
