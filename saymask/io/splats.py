"""Gaussian splats as points: centres with their base colour, without the haze that training leaves behind.

Source: Kerbl et al., "3D Gaussian Splatting for Real-Time Radiance Field Rendering", 2023; PLY as its code writes it.
"""

import numpy as np

from saymask.geometry.extent import finite_rows
from saymask.io.cloud import Cloud

OPAQUE = 0.1
"""Splats of a lower opacity are haze and not surface."""
FAR = 1.5
"""Splats beyond the middle 90 % by more than this many times its extent float outside the room."""


def without_floaters(cloud: Cloud) -> None:
    """Turn transparent and stray splats of a cloud into NaN, which are dropped later and keep their row in results."""
    points = cloud.points.copy()
    haze = np.zeros(len(points), bool)
    opacity = cloud.columns.get("opacity")
    if opacity is not None:
        logit = np.log(OPAQUE / (1 - OPAQUE))
        haze = ~(opacity > logit)
        if haze.all():
            haze[:] = False
    solid = points[~haze & finite_rows(points)]
    far = np.zeros(len(points), bool)
    if len(solid):
        low, high = np.quantile(solid[:: max(1, len(solid) // 100_000)], [0.05, 0.95], axis=0)
        room = FAR * float((high - low).max())
        far = ~haze & ((points < low - room) | (points > high + room)).any(1)
    points[haze | far] = np.nan
    cloud.points = points
    said = "Gaussian splats: their centres and base colours are used"
    if (haze | far).any():
        said += f"; {int(haze.sum()):,} nearly transparent and {int(far.sum()):,} stray ones are left out"
    cloud.messages.append(said)
