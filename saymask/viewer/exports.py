"""Results as files that a browser saves."""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from saymask.errors import InputError
from saymask.masks import Masks
from saymask.viewer.uploads import display_name

MASK_FORMATS = ("ply", "glb", "npz", "json")


def export(masks: Masks, kind: str) -> tuple[str, bytes]:
    """Return name and content of masks as a file of `kind`; raises InputError as `Masks.save` does."""
    if kind not in MASK_FORMATS:
        raise InputError(f"save as: expected one of {', '.join(MASK_FORMATS)}, got {kind!r}")
    with tempfile.TemporaryDirectory(prefix="saymask-save-") as folder:
        path = masks.save(Path(folder) / f"masks.{kind}", colored=kind == "ply" or None)
        return f"{stem(masks.scan.name)}_masks.{kind}", path.read_bytes()


def picture(pixels: np.ndarray, name: str, background: tuple[int, int, int]) -> tuple[str, bytes]:
    """Return name and content of a PNG of pixels uint8 [h, w, 3 or 4] over a background."""
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        paper = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(paper, image)
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return f"{stem(name)}.png", out.getvalue()


def stem(name: str) -> str:
    """Return the plain name of a scan without a suffix."""
    return Path(display_name(name or "scan")).stem.replace(" ", "_") or "scan"
