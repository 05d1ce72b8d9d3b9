"""saymask: say it, get the mask — language-grounded segmentation of 3D indoor scans."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Scan": "saymask.scan",
    "load_scan": "saymask.io.load",
    "Masks": "saymask.masks",
    "Scene": "saymask.scene.scene",
    "load_model": "saymask.hub.checkpoints",
    "list_models": "saymask.hub.headers",
    "InputError": "saymask.errors",
}
__all__ = ["InputError", "Masks", "Scan", "Scene", "list_models", "load_model", "load_scan"]

# Read when torch is loaded: threads that spin while they wait take the cores from each other's pools.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from saymask.errors import InputError
    from saymask.hub.checkpoints import load_model
    from saymask.hub.headers import list_models
    from saymask.io.load import load_scan
    from saymask.masks import Masks
    from saymask.scan import Scan
    from saymask.scene.scene import Scene


def __getattr__(name: str) -> Any:
    # Imported on first use: `import saymask` must not pay for torch.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'saymask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
