"""Image files, opened only when a picture of their size can be in them."""

import io
from pathlib import Path

import numpy as np

from saymask.errors import InputError

LARGE = 2**26
"""Pixels (8192 × 8192) above which a file must have something to say about them."""
PACKED = 100
"""Pixels per byte of a large image; a file that claims more is made to fill the memory."""


def read_image(data: bytes | Path, what: str, mode: str | None = None) -> tuple[np.ndarray, str]:
    """Return the pixels of an image file (path or content), in `mode` where one is given, and the mode of the file.

    Raises InputError, beginning with `what`, for files that are damaged, or that claim more than they can hold.
    """
    from PIL import Image

    try:
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
            pixels = image.width * image.height
            if pixels > LARGE and pixels > PACKED * size:
                raise ValueError(f"{image.width:,} x {image.height:,} pixels in {size:,} bytes")
            return np.asarray(image if mode is None else image.convert(mode)), image.mode
    except MemoryError:
        raise InputError(f"{what}: the image does not fit into memory") from None
    except Exception as error:  # Pillow's readers raise a dozen types for damaged files
        raise InputError(f"{what}: cannot be read as an image: {error}") from None


def read_rgb(data: bytes | Path, what: str) -> np.ndarray:
    """Return uint8 [H, W, 3] of an image file; errors as `read_image`."""
    return read_image(data, what, "RGB")[0]
