"""Pictures of the page that a browser saves."""

import io

import numpy as np
from PIL import Image

from saymask.io.export import stem


def picture(pixels: np.ndarray, name: str, background: tuple[int, int, int]) -> tuple[str, bytes]:
    """Return name and content of a PNG of pixels uint8 [h, w, 3 or 4] over a background."""
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        paper = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(paper, image)
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return f"{stem(name)}.png", out.getvalue()
