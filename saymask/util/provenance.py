"""Origin of a number: version, commit, command, data and weights of the program run that made it."""

import datetime
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from saymask.util.files import file_sha256


def provenance(*, data: str | Path | None = None, checkpoint: str | Path | None = None) -> dict[str, Any]:
    """Return version and commit of saymask, torch, Python, the command, the date, and sha256 of data and weights.

    data: a prepared folder, of which the manifest is hashed; checkpoint: a file. What is not there is left out.
    """
    import torch

    from saymask import __version__

    facts: dict[str, Any] = {
        "saymask": __version__,
        "commit": _commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "command": shlex.join([_program(), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data_sha256": _sha256(None if data is None else Path(data) / "manifest.json"),
        "checkpoint_sha256": _sha256(None if checkpoint is None else Path(checkpoint)),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _program() -> str:
    """Return the name of the program that runs, also where it was started as a module."""
    path = Path(sys.argv[0])
    return "saymask" if (path.name, path.parent.name) == ("__main__.py", "cli") else path.name


def _sha256(path: Path | None) -> str | None:
    if path is None or not path.is_file():
        return None
    return file_sha256(path)


def _commit() -> str | None:
    """Return the commit of the checkout that saymask runs from, with a + where files have changed; None elsewhere."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
        return _git(root, "rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603 - words of ours
    return done.stdout.strip()
