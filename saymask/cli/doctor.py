"""Report on this machine: versions, devices, extras, text weights, cache and embedded checkpoint."""

import platform
import shutil
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Any


def report() -> list[str]:
    """Return one line per fact: versions, devices, extras, text weights, cache, embedded checkpoint."""
    import torch

    from saymask import __version__
    from saymask.errors import InputError
    from saymask.hub.headers import list_models
    from saymask.text import find_weights
    from saymask.util.files import cache_folder

    lines = [
        f"saymask {__version__}, Python {platform.python_version()} on {platform.system()} {platform.machine()}",
        f"torch {torch.__version__}, {torch.get_num_threads()} threads",
    ]
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(i)
            lines.append(f"GPU {i}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    else:
        lines.append("GPU: none that torch can use; everything runs on the CPU")
    for extra, modules in {
        "train": ("lightning", "tensorboard"),
        "las": ("laspy", "lazrs"),
        "e57": ("pye57",),
        "draco": ("DracoPy",),
        "rows": ("pyarrow",),
        "parse": ("spacy",),
        "view": ("viser", "websockets"),
        "serve": ("fastapi", "uvicorn", "httpx", "prometheus_client"),
        "log": ("wandb", "mlflow"),
        "ray": ("ray",),
    }.items():
        missing = [m for m in modules if util.find_spec(m) is None]
        state = "installed" if not missing else f"not installed: pip install 'saymask[{extra}]'"
        lines.append(f"extra {extra}: {state}")
    for package in ("numba", "transformers", "trimesh", "safetensors"):
        lines.append(f"{package} {metadata.version(package)}")
    try:
        lines.append(f"text weights (minilm): {find_weights('minilm')}")
    except InputError as error:
        lines.append(f"text weights (minilm): none; {error}")
    folder = cache_folder()
    free = shutil.disk_usage(next(p for p in [folder, *folder.parents] if p.exists())).free
    lines.append(f"cache: {folder} ({free / 2**30:.0f} GiB free)")
    lines.append("checkpoints: " + (", ".join(map(_checkpoint, list_models())) or "none"))
    lines.append(f"executable: {Path(sys.executable)}")
    return lines


def _checkpoint(card: dict[str, Any]) -> str:
    """Return a checkpoint's name, and what it answers when no model is named."""
    return card["name"] + (f" (default for {', '.join(card['default_for'])})" if card["default_for"] else "")
