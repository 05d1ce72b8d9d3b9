"""Colours of what a page draws: the scan's own or its classes', calmed where something is marked, and the marks."""

import numpy as np

from saymask.masks import Masks
from saymask.render.palette import HIGHLIGHT, mask_colors
from saymask.scan import LUMINANCE, Scan
from saymask.viewer.session import Answer

UNSURE = np.array([255, 176, 32], np.float32)
"""Colour of a candidate that may be wrong."""
FAINT = np.array([214, 215, 219], np.float32)
"""Colour of what no class of a layer covers, or what is not isolated."""
WARM = np.array([[120, 170, 255], [70, 200, 190], [250, 210, 70], [250, 80, 40]], np.float32)
"""Colours of relevance 0.25, 0.5, 0.75 and 1; below the first the scan shows through."""


def base(
    scan: Scan, rows: np.ndarray, shade: np.ndarray, layer: Masks | None, isolated: frozenset[int], calm: bool
) -> np.ndarray:
    """Return the colours uint8 [n, 3] of the drawn points `rows` of a scan without what is marked.

    layer: disjoint masks with labels whose colours are shown, None = the scan's own; of `isolated` class ids only.
    calm: paler, so that marks stand out. shade float32 [n] is the light on the surface.
    """
    own = scan.colors[rows].astype(np.float32)
    if not scan.has_color:  # a grey cloud would be flat
        own = 196 * shade[:, None] + np.zeros(3, np.float32)
    grey = own @ LUMINANCE
    if layer is not None:
        color = np.concatenate([mask_colors(layer), FAINT[None]])
        owner = layer.best[rows]
        if isolated and layer.labels is not None:
            alone = np.append(np.isin(layer.labels, list(isolated)), False)
            owner = np.where(alone[owner], owner, -1)
        own = color[owner] * (shade * (0.85 + 0.15 * grey / 255))[:, None]
        grey = own @ LUMINANCE
    if calm:
        own = 34 + (0.5 * own + 0.5 * grey[:, None]) * (206 / 255)
    return np.clip(own, 0, 255).astype(np.uint8)


def heat(scan: Scan, rows: np.ndarray, shade: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """Return the colours uint8 [n, 3] of the relevance float32 [N] in 0..1 of every point."""
    share = np.clip(relevance[rows], 0, 1)
    at = np.clip(share * len(WARM) - 1, 0, len(WARM) - 1)
    low = np.minimum(at.astype(int), len(WARM) - 2)
    color = WARM[low] + (WARM[low + 1] - WARM[low]) * (at - low)[:, None]
    cold = base(scan, rows, shade, None, frozenset(), True)
    warm = lit(color, shade, scan.colors[rows])
    return (cold + (warm.astype(np.float32) - cold) * np.minimum(4 * share, 1)[:, None]).astype(np.uint8)


def mark_colors(answers: list[Answer]) -> list[np.ndarray]:
    """Return the colours float32 [M, 3] of the masks of every answer: strong ones in turn, one for an unsure one."""
    colors, used = [], 0
    for answer in answers:
        count = len(answer.masks)
        own = HIGHLIGHT[(used + np.arange(count)) % len(HIGHLIGHT)]
        colors.append(np.repeat(UNSURE[None], count, axis=0) if answer.unsure else own)
        used += 0 if answer.unsure else count
    return colors


def lit(color: np.ndarray, shade: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return a mark's colour [3], or one [n, 3] per point, on points with `shade` [n] and own colours uint8 [n, 3].

    The result is uint8 [n, 3]; a little of the object's own brightness is kept, so that its form can still be read.
    """
    grey = own.astype(np.float32) @ LUMINANCE
    return np.clip(color * (shade * np.clip(0.84 + 0.4 * grey / 255, 0.84, 1.12))[:, None], 0, 255).astype(np.uint8)


def css(color: np.ndarray) -> str:
    """Return a colour [3] as CSS has it."""
    r, g, b = (int(v) for v in color)
    return f"rgb({r},{g},{b})"
