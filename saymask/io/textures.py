"""Texture images: decoded when needed, looked up at texture coordinates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.images import read_rgb

REPEAT, CLAMP, MIRROR = "repeat", "clamp", "mirror"


@dataclass(frozen=True)
class Texture:
    """An image that a material names: a file, the bytes of one, or its pixels uint8 [H, W, 3]."""

    name: str
    data: bytes | Path | np.ndarray

    @property
    def kind(self) -> str:
        """Name of a compressed format that is known and not decoded, else ""."""
        try:
            head = self.data.read_bytes()[:12] if isinstance(self.data, Path) else bytes(self.data[:12])
        except OSError:
            return ""
        known = {b"\xabKTX 20\xbb": "KTX2, Basis Universal", b"\xabKTX 11\xbb": "KTX", b"DDS ": "DDS"}
        return next((name for start, name in known.items() if head.startswith(start)), "")

    def load(self) -> np.ndarray | None:
        """Return the image, uint8 [H, W, 3], top row first; None where it cannot be decoded."""
        if isinstance(self.data, np.ndarray):
            return self.data
        try:
            return read_rgb(self.data, self.name)
        except (InputError, OSError):
            return None


def lookup(image: np.ndarray, uv: np.ndarray, wrap: tuple[str, str] = (REPEAT, REPEAT)) -> np.ndarray:
    """Return the pixels uint8 [n, 3] of `image` [H, W, 3] at texture coordinates [n, 2], v upwards from the bottom."""
    h, w = image.shape[:2]
    uv = np.nan_to_num(uv.astype(np.float64), posinf=0.0, neginf=0.0)
    u, v = (_wrapped(uv[:, i], wrap[i]) for i in range(2))
    x = np.minimum((u * w).astype(np.int64), w - 1)
    y = np.minimum(((1.0 - v) * h).astype(np.int64), h - 1)
    return image[y, x]


def _wrapped(t: np.ndarray, mode: str) -> np.ndarray:
    """Bring coordinates into 0..1; exactly 1 is the last pixel, not the first."""
    if mode == CLAMP:
        return np.clip(t, 0, 1)
    outside = (t < -1e-6) | (t > 1 + 1e-6)
    inside = np.clip(t, 0, 1)
    if mode == MIRROR:
        return np.where(outside, 1 - np.abs(t % 2.0 - 1), inside)
    return np.where(outside, t % 1.0, inside)
