"""Words of colours: what a listener would call a shade."""

import numpy as np

from saymask.rooms.colors import PALETTE, RGB, WORDS


def word_of(color: np.ndarray) -> str:
    """Return the word whose palette holds the nearest shade (chromaticity weighs more than brightness)."""
    color = np.asarray(color, dtype=np.float64)

    def distance(shade: RGB) -> float:
        other = np.array(shade, dtype=np.float64)
        light = (color.mean() - other.mean()) * 0.6
        return float(np.linalg.norm((color - color.mean()) - (other - other.mean())) + abs(light))

    return min(WORDS, key=lambda word: min(distance(shade) for shade in PALETTE[word]))
