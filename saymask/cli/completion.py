"""The script by which a shell completes commands, flags and their values."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import tyro
from tyro.conf import Positional

from saymask.cli import models


def print_completion(shell: Literal["bash", "zsh", "fish"], commands: Mapping[str, Callable[..., int]]) -> None:
    """Print the script for `commands`, name -> function."""
    known = dict(commands) | {"train": _train}
    # tyro prints the script and exits, as --help does.
    tyro.extras.subcommand_cli_from_dict(known, prog="saymask", args=["--tyro-print-completion", shell])


def _train(preset: Positional[str], *, data: Path, out: Path) -> int:
    """Train a preset; the flags are those that all presets have."""
    return models.train([preset, "--data", str(data), "--out", str(out)])
