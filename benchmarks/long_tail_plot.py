"""The picture of the long-tail experiment: IoU of each class against how often it occurs in training."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.long_tail_results import SPLITS, THIRDS
from saymask.errors import InputError
from saymask.util.files import atomic_path

COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7")
"""Told apart also by colour-blind readers (Okabe and Ito)."""
MARKERS = dict(zip(SPLITS, ("o", "s", "^")))
BANDS = ("#f4f4f4", "#e6e6e6", "#d8d8d8")


def check_library() -> None:
    """Raise InputError when Matplotlib is missing, before any long work."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("the picture needs matplotlib: pip install matplotlib") from None


def draw(classes: Sequence[Mapping[str, Any]], path: Path, *, runs: Sequence[str]) -> bool:
    """Write a PNG with a panel per share of annotations and a colour per run; return whether there was something.

    `classes` is what `class_table` returns. A marker is a class: its place is the number of its points in the training
    scans (all of them, also where only some are annotated) and its IoU, its shape ScanNet200's group. The line is the
    moving median of about a ninth of the classes; the bands are the thirds of the classes by frequency.
    """
    shares = sorted({share for c in classes for share in c["iou"]}, key=float, reverse=True)
    shares = [s for s in shares if any(run in c["iou"].get(s, {}) for c in classes for run in runs)]
    if not shares:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # late: an optional library
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 6.2 * len(shares), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(shares), sharey=True, squeeze=False)[0]
    for panel, share in zip(panels, shares):
        _panel(panel, classes, share, runs)
    panels[0].set_ylabel("IoU on the validation scans, %")
    there = {run for c in classes for found in c["iou"].values() for run in found}
    _legend(figure, [(color, run) for color, run in zip(COLORS, runs) if run in there])
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return True


def moving_median(values: np.ndarray, window: int) -> np.ndarray:
    """Return the median of every `window` (odd) values in a row, float64 [N - window + 1]; none of fewer."""
    if len(values) < window:
        return np.empty(0)
    return np.median(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)


def bounds(classes: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, float]]:
    """Return (third, lowest, highest number of points) from rare to frequent; a band ends half-way (in log) to the
    next."""
    found = []
    for third in reversed(THIRDS):
        points = [c["points"] for c in classes if c["third"] == third]
        if points:
            found.append([third, float(min(points)), float(max(points))])
    for one, other in pairwise(found):
        one[2] = other[1] = float(np.sqrt(one[2] * other[1]))
    if found:
        found[0][1] /= 1.5
        found[-1][2] *= 1.5
    return [(str(name), low, high) for name, low, high in found]


def _panel(panel: Any, classes: Sequence[Mapping[str, Any]], share: str, runs: Sequence[str]) -> None:
    bands = bounds(classes)
    for color, (name, low, high) in zip(BANDS[::-1], bands):
        panel.axvspan(low, high, color=color, zorder=0, linewidth=0)
        panel.text(np.sqrt(low * high), 101.5, name, ha="center", va="bottom", fontsize=9, color="#444444")
    for color, run in zip(COLORS, runs):
        here = sorted((c for c in classes if run in c["iou"].get(share, {})), key=lambda c: c["points"])
        if not here:
            continue
        points = np.array([c["points"] for c in here], float)
        iou = 100 * np.array([c["iou"][share][run] for c in here])
        for split, marker in MARKERS.items():
            mask = np.array([c["split"] == split for c in here])
            panel.scatter(points[mask], iou[mask], s=16, marker=marker, color=color, alpha=0.45, linewidths=0)
        half = max(1, len(here) // 18)
        panel.plot(points[half:-half], moving_median(iou, 2 * half + 1), color=color, linewidth=2.2)
    panel.set_xscale("log")
    panel.set_xlim(bands[0][1], bands[-1][2])
    panel.set_ylim(-2, 101)
    panel.set_xlabel("points of the class in the training scans")
    annotated = (
        f"{100 * float(share):g} % of each object's points annotated" if float(share) < 1 else "all points annotated"
    )
    panel.set_title(annotated, pad=18, fontsize=11)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _legend(figure: Any, drawn: Sequence[tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=color, linewidth=2.2, label=run) for color, run in drawn]
    handles += [
        Line2D([], [], marker=marker, linestyle="", color="#666666", markersize=5, label=f"{split} of ScanNet200")
        for split, marker in MARKERS.items()
    ]
    columns = len(handles) if figure.get_figwidth() > 10 else 3  # a single panel has no room for one row
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
