"""Writing on a picture: names at objects, and marks at the places that were clicked."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from saymask.masks import Masks
from saymask.render.legend import INK
from saymask.render.raster import Camera

Click = tuple[Sequence[float], bool]
"""A place (x, y, z) in metres, and whether it is on the object (True) or must not be (False)."""
SHELL = ("wall", "floor", "ceiling")
"""Classes that need no name in a picture."""
SMALLEST = 0.0008
"""Share of the picture below which an object gets no name."""
COLORS = {True: (22, 163, 74), False: (220, 38, 38)}


def write_names(image: Image.Image, owner: np.ndarray, masks: Masks, bar: int) -> None:
    """Write the name of each object onto it, the largest first, where there is room.

    owner: int32 [h, w], the mask that each pixel of the picture below the bar shows, -1 = none.
    """
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(max(11.0, owner.shape[0] / 52))
    counts = np.bincount(owner.ravel() + 1, minlength=len(masks) + 1)[1:]
    taken: list[tuple[float, float, float, float]] = []
    for i in np.argsort(-counts, kind="stable").tolist():
        if counts[i] < SMALLEST * owner.size or masks.names[i] in SHELL:
            continue
        rows, columns = np.nonzero(owner == i)
        nearest = np.argmin((rows - np.median(rows)) ** 2 + (columns - np.median(columns)) ** 2)
        at = (float(columns[nearest]), float(rows[nearest]) + bar)
        box = pen.textbbox(at, masks.names[i], font=font, anchor="mm", stroke_width=2)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        pen.text(at, masks.names[i], fill=INK, font=font, anchor="mm", stroke_width=2, stroke_fill=(255, 255, 255))


def draw_clicks(image: Image.Image, clicks: Sequence[Click], camera: Camera, canvas: tuple[int, int], bar: int) -> None:
    """Draw a plus where the object was clicked and a minus where it must not be."""
    if not clicks:
        return
    pen, size = ImageDraw.Draw(image), max(6, canvas[1] // 90)
    x, y = camera.project(np.array([place for place, _ in clicks], np.float64), canvas)
    for left, top, (_, positive) in zip(x.tolist(), (y + bar).tolist(), clicks):
        circle = (left - size, top - size, left + size, top + size)
        pen.ellipse(circle, fill=COLORS[positive], outline=(255, 255, 255), width=2)
        pen.line((left - size / 2, top, left + size / 2, top), fill=(255, 255, 255), width=2)
        if positive:
            pen.line((left, top - size / 2, left, top + size / 2), fill=(255, 255, 255), width=2)
