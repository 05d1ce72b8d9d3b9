"""Origin of a number: version, commit, command, machine, data and weights of the program run that made it."""

import datetime
import hashlib
import json
import os
import platform
import shlex
import struct
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from saymask.util.files import file_sha256

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instruction sets that decide the speed, and by the rules of bfloat16 the last digits."""


def machine() -> dict[str, Any]:
    """Return CPU, its flags of `FLAGS`, the cores of this process, system, and the versions that numbers depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = known.get("flags", "").split()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return {
        "cpu": known.get("model name", platform.processor()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(cores),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("saymask", "torch", "numba", "numpy")},
    }


def provenance(*, data: str | Path | None = None, checkpoint: str | Path | None = None) -> dict[str, Any]:
    """Return command, date, commit of saymask, `machine()`, the GPU, and sha256 of data and weights.

    data: a folder, of which the manifest is hashed where it has one, else all its files; checkpoint: a file, hashed as
    it is (`checkpoint_sha256`) and, where it is one of saymask, without its card (`weights_sha256`). What is not there
    is left out.
    """
    import torch

    facts: dict[str, Any] = {
        "command": shlex.join([*_program(), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        **machine(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "data_sha256": None if data is None else data_sha256(data),
    }
    if checkpoint is not None and Path(checkpoint).is_file():
        facts["checkpoint_sha256"] = file_sha256(Path(checkpoint))
        facts["weights_sha256"] = weights_sha256(checkpoint)
    return {name: value for name, value in facts.items() if value is not None}


def data_sha256(folder: str | Path) -> str | None:
    """Return the sha256 of a folder's manifest or, where it has none, of all its files and their names, or None."""
    folder = Path(folder)
    if (folder / "manifest.json").is_file():
        return file_sha256(folder / "manifest.json")
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    sums = {name: file_sha256(files[name]) for name in sorted(files)}
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest() if sums else None


def weights_sha256(checkpoint: str | Path) -> str | None:
    """Return the sha256 of a checkpoint's tensors and configuration, or None for a file that is none of saymask's.

    Its card does not count: numbers that were measured with the weights may be written into it.
    """
    with open(checkpoint, "rb") as file:
        if Path(checkpoint).suffix != ".safetensors":
            return None
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        config = header.pop("__metadata__", {}).get("config")
        if config is None:
            return None
        digest = hashlib.sha256(json.dumps([config, header], sort_keys=True).encode())
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _program() -> list[str]:
    """Return the words that start the running program: its name, or Python with its module."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is None:
        return [Path(sys.argv[0]).name]
    name = spec.name.removesuffix(".__main__")
    return ["saymask"] if name == "saymask" else ["python", "-m", name]


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
