"""A picture that turns: the scan with its masks from all sides, as an animated GIF."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from saymask.masks import Masks
from saymask.render.labels import Click
from saymask.render.picture import Drawing
from saymask.render.raster import look_at
from saymask.scan import Scan
from saymask.util.files import atomic_path, check_picture

ELEVATION = 42.0
"""Degrees of the camera over the floor."""


def turntable(
    scan: Scan,
    masks: Masks | None,
    path: str | Path,
    *,
    size: tuple[int, int] = (640, 480),
    title: str = "",
    clicks: Sequence[Click] = (),
    frames: int = 36,
    seconds: float = 4.0,
    done: Callable[[int, int], None] = lambda frame, frames: None,
) -> None:
    """Write a GIF of `size` (width, height) that turns once in `seconds`; what is marked is as in a picture (`draw`).

    `done(frame, frames)` is called after each frame. Raises InputError when `path` cannot be written or is no .gif.
    """
    path = check_picture(path, ".gif")
    drawing = Drawing.of(scan, masks, size, title)
    points = drawing.visible.points
    middle, reach = (points.min(0) + points.max(0)) / 2, np.ptp(points, axis=0) / 2
    # A ring around everything, so that the camera keeps its distance while it turns.
    angles = np.deg2rad(np.arange(0.0, 360.0, 10.0))
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * np.linalg.norm(reach[:2])
    hull = np.concatenate([np.column_stack([ring, np.full(len(ring), z)]) for z in (-reach[2], reach[2])]) + middle
    images = []
    for frame in range(frames):
        a, e = np.deg2rad(360 * frame / frames - 67.5), np.deg2rad(ELEVATION)
        back = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
        camera = look_at(hull.astype(np.float64), back, drawing.canvas, fill=1.2)
        images.append(drawing.image(camera, clicks, inset=False).quantize(128))
        done(frame + 1, frames)
    with atomic_path(path) as temporary:
        images[0].save(
            temporary, "GIF", save_all=True, append_images=images[1:], duration=round(1000 * seconds / frames), loop=0
        )
