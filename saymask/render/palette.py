"""Colours of masks: the benchmark's own for classes that have one, strong ones in turn for everything else."""

import colorsys
from functools import lru_cache

import numpy as np

from saymask.masks import Masks

HIGHLIGHT = np.array(
    [
        [255, 45, 85],
        [0, 150, 255],
        [255, 160, 0],
        [70, 190, 60],
        [165, 90, 255],
        [0, 190, 180],
        [240, 90, 200],
        [150, 110, 60],
    ],
    np.float32,
)
"""Colours of masks without a class of a benchmark, in turn."""


def palette(count: int) -> np.ndarray:
    """Return `count` colours float32 [count, 3]: `HIGHLIGHT`, then hues that are far from the ones before."""
    more = [
        # steps of the golden ratio never come back to a hue; two brightnesses tell near ones apart
        colorsys.hsv_to_rgb((0.11 + 0.618034 * i) % 1.0, (0.85, 0.5)[i % 2], (0.72, 0.95)[i // 2 % 2])
        for i in range(count - len(HIGHLIGHT))
    ]
    return np.concatenate([HIGHLIGHT, np.array(more, np.float32).reshape(-1, 3) * 255])[:count]


def class_colors(masks: Masks) -> dict[int, np.ndarray]:
    """Return the colour float32 [3] of every label of `masks`, which has labels: a benchmark's or one of `palette`."""
    names, known = _classes(masks), _benchmark_colors()
    unknown = sorted(c for c in names.items() if c not in known)
    colors = dict(zip(unknown, palette(len(unknown))))
    return {c[0]: colors[c] if c in colors else np.array(known[c], np.float32) for c in names.items()}


def of_benchmark(masks: Masks) -> bool:
    """Say whether most labels of `masks` are classes of a benchmark, not words that a user asked for."""
    if masks.labels is None:
        return False
    names, known = _classes(masks), _benchmark_colors()
    return 2 * sum(c in known for c in names.items()) > len(names)


def _classes(masks: Masks) -> dict[int, str]:
    assert masks.labels is not None
    return {int(label): name for label, name in zip(masks.labels, masks.names)}


@lru_cache(maxsize=1)
def _benchmark_colors() -> dict[tuple[int, str], tuple[int, int, int]]:
    """Return the colours of ScanNet's and ScanNet200's classes by id *and* name.

    Ids alone do not say which benchmark is meant, and words that a user asked for are numbered from 1 as well.
    """
    from saymask.labels.tables import scannet20, scannet200

    return {(c.id, c.name): c.color for c in (*scannet20(), *scannet200())}


def mask_colors(masks: Masks) -> np.ndarray:
    """Return the colour of every mask, float32 [M, 3] in 0..255.

    Without labels the colours of `HIGHLIGHT` in turn. Masks of one class have its colour in different shades, so that
    objects beside each other can be told apart.
    """
    if masks.labels is None:
        return HIGHLIGHT[np.arange(len(masks)) % len(HIGHLIGHT)]
    own = class_colors(masks)
    out = np.zeros((len(masks), 3), np.float32)
    for label, color in own.items():
        rows = np.flatnonzero(masks.labels == label)
        out[rows] = shades(color, len(rows))
    return out


def shades(color: np.ndarray, count: int) -> np.ndarray:
    """Return `count` shades of a colour, float32 [count, 3]: the colour itself, then darker and lighter in turn."""
    steps = np.array([0.0, -0.3, 0.27, -0.15, 0.14])[np.arange(count) % 5, None]
    return np.where(steps < 0, color * (1 + steps), color + (255 - color) * steps).astype(np.float32)
