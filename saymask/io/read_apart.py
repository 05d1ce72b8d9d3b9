"""Scans of strangers, first read in a process with limits of time and memory.

That process is `python -m saymask.io.read_apart FILE FOLDER BYTES UNIT UP`, with `-` for what is to be detected.
"""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from saymask.errors import InputError
from saymask.scan import Scan

SECONDS = 120
"""Time that reading a scan may take."""
MEMORY = 12 * 2**30
"""Bytes of address space that reading a scan may take."""


@dataclass(frozen=True)
class Facts:
    """Facts of a scan that could be read."""

    points: int
    """Points of the file."""
    low: list[float]
    """Smallest corner, three metres."""
    high: list[float]
    """Largest corner, three metres."""
    mesh: bool
    colors: bool
    messages: list[str]
    """Messages from loading: units, axes, dropped points."""

    @classmethod
    def of(cls, scan: Scan) -> "Facts":
        """Return the facts of a scan."""
        low, high = ([round(float(v), 4) for v in corner] for corner in (scan.points.min(0), scan.points.max(0)))
        return cls(scan.n_original, low, high, scan.faces is not None, scan.has_color, list(scan.messages))


def read_apart(
    path: Path,
    *,
    below: Path | None = None,
    unit: str | None = None,
    up: str | None = None,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Facts:
    """Read a scan in a process with limits and return its facts; raise InputError that says why it cannot be read.

    Files that the scan names are found in the folder `below` only, its own without it. What is read there is thrown
    away: a file that has passed is read again by the caller.
    """
    folder = path.parent if below is None else below
    command = [sys.executable, "-m", "saymask.io.read_apart", str(path), str(folder), str(memory), unit or "-"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            [*command, up or "-"], capture_output=True, text=True, errors="replace", timeout=seconds, env=environment,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InputError(f"reading it takes more than {seconds:g} s") from None
    lines = done.stdout.splitlines()
    if done.returncode == 0:
        return Facts(**json.loads(lines[-1]))
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    message = said[-1] if said else "reading it ended the process that tried (out of memory?)"
    raise InputError(message.replace(f"{path.parent}{os.sep}", ""))


def main() -> int:
    """Read the scan and print its facts as JSON; print `error: …` and return 1 where that is not possible."""
    path, folder, memory = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    unit, up = (None if given == "-" else given for given in sys.argv[4:6])
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from saymask.io.beside import only_below
    from saymask.io.load import load_scan

    try:
        with only_below(folder):
            scan = load_scan(path, unit=unit, up=up, quiet=True)
    except InputError as error:
        print("error: " + " ".join(str(error).split()))
        return 1
    except MemoryError:
        print("error: reading it takes too much memory")
        return 1
    print(json.dumps(asdict(Facts.of(scan))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
