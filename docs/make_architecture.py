"""Draw docs/architecture.png: how a scan and a prompt become masks, and which folder does each step.

`python docs/make_architecture.py` writes the picture again; the table below is all there is to change.
"""

from dataclasses import dataclass
from pathlib import Path

WIDTH, ROW, TOP = 1600, 205, 64
"""Pixels: the picture's width, the height of a row, what a band keeps free above its first row for its title."""
BOX, TALL, LEFT, STEP = 316, 132, 54, 392
"""Pixels: a box's width and height, where the first column begins, from one column to the next."""


@dataclass(frozen=True)
class Step:
    """A step of the flow: its place in the picture, its name, and where its code lies."""

    key: str
    row: int
    column: int
    title: str
    where: str
    """Paths under saymask/, a line each."""


BANDS = (  # first row, last row, title, colour
    (0, 1, "once per scan:  scene = model.encode(scan)", "#e8f1fa"),
    (2, 3, "for every prompt:  scene.refer(…)", "#fdf1e2"),
    (4, 4, "for every system:  saymask prepare, train, evaluate", "#e9f5ea"),
)
STEPS = (
    Step("file", 0, 0, "a file", "io/load.py\nio/units.py  io/up_axis.py"),
    Step("scan", 0, 1, "Scan: metres, z up", "scan.py"),
    Step("superpoints", 0, 2, "superpoints", "geometry/superpoints.py"),
    Step("voxels", 0, 3, "voxels", "geometry/voxelize.py\nmodels/*/transform.py"),
    Step("sites", 1, 3, "sites, kernel maps", "sparse/sites.py\nsparse/maps.py"),
    Step("unet", 1, 2, "sparse U-Net", "nn/unet/  nn/res16unet/\nsparse/backends/"),
    Step("features", 1, 1, "superpoint features", "models/*/model.py\nscene/scene.py"),
    Step("prompt", 2, 3, "words, clicks", "scene/scene.py\nscene/clicks.py"),
    Step("text", 2, 2, "text features", "text/encoder.py\ntext/cache.py"),
    Step("decoder", 2, 1, "query decoder", "models/*/model.py\nmodels/*/decoder.py"),
    Step("answer", 2, 0, "mask logits, scores", "answers.py"),
    Step("post", 3, 0, "post-processing", "models/*/postprocess.py\nscene/to_masks.py"),
    Step("masks", 3, 1, "Masks", "masks.py"),
    Step("out", 3, 2, "file, picture", "io/save.py\nrender/picture.py"),
    Step("metric", 3, 3, "numbers", "evaluation/\nmetrics/protocols.py"),
    Step("prepared", 4, 0, "prepared scenes", "data/prepare/\ndata/scenes.py"),
    Step("samples", 4, 1, "samples, batches", "data/samples/\nmodels/*/batch.py"),
    Step("training", 4, 2, "training", "training/run.py\nmodels/*/losses.py"),
    Step("checkpoint", 4, 3, "checkpoint and card", "hub/checkpoints.py\nhub/registry.py"),
)
ARROWS = (
    ("file", "scan"), ("scan", "superpoints"), ("superpoints", "voxels"), ("voxels", "sites"), ("sites", "unet"),
    ("unet", "features"), ("features", "decoder"), ("prompt", "text"), ("text", "decoder"), ("decoder", "answer"),
    ("answer", "post"), ("post", "masks"), ("masks", "out"), ("prepared", "samples"), ("samples", "training"),
    ("training", "checkpoint"),
)  # fmt: skip
LONG_ARROWS = (("masks", "metric"),)
"""Arrows that pass under a box in between."""


def draw(path: Path) -> Path:
    """Write the picture as PNG; return the path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    height = _row_top(BANDS[-1][1]) + TALL + 60
    figure = Figure(figsize=(WIDTH / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    for first, last, title, color in BANDS:
        top, end = _row_top(first) - TOP, _row_top(last) + TALL + 40
        frame = FancyBboxPatch((20, top), WIDTH - 40, end - top, boxstyle="round,pad=0,rounding_size=18")
        frame.set(facecolor=color, edgecolor="none")
        axes.add_patch(frame)
        axes.text(LEFT, top + 33, title, fontsize=19, va="center", color="#333333", weight="bold")
    places = {step.key: (LEFT + step.column * STEP, _row_top(step.row)) for step in STEPS}
    for start, end in ARROWS:
        a, b = _ends(places[start], places[end])
        arrow = FancyArrowPatch(a, b, arrowstyle="-|>", mutation_scale=24, shrinkA=3, shrinkB=3)
        arrow.set(color="#555555", linewidth=2.5)
        axes.add_patch(arrow)
    for start, end in LONG_ARROWS:
        (x, y), (to, _) = places[start], places[end]
        low, a, b = y + TALL + 20, x + BOX / 2, to + BOX / 2
        axes.plot([a, a, b], [y + TALL + 3, low, low], color="#555555", linewidth=2.5, solid_joinstyle="miter")
        tip = FancyArrowPatch(
            (b, low + 1), (b, y + TALL + 3), arrowstyle="-|>", mutation_scale=24, shrinkA=0, shrinkB=0
        )
        tip.set(color="#555555", linewidth=2.5)
        axes.add_patch(tip)
    for step in STEPS:
        x, y = places[step.key]
        box = FancyBboxPatch((x, y), BOX, TALL, boxstyle="round,pad=0,rounding_size=12")
        box.set(facecolor="white", edgecolor="#666666", linewidth=1.8)
        axes.add_patch(box)
        lines = step.where.split("\n")
        axes.text(x + BOX / 2, y + 32, step.title, fontsize=19, ha="center", va="center", weight="bold")
        for i, line in enumerate(lines):
            low = y + 76 + 33 * i if len(lines) > 1 else y + 90
            axes.text(x + BOX / 2, low, line, fontsize=16.5, ha="center", va="center", color="#1f4e79")
    canvas.print_png(path)
    return path


def _row_top(row: int) -> int:
    """Return where the boxes of a row begin, below the titles of the bands so far."""
    bands = sum(first <= row for first, _, _, _ in BANDS)
    return 20 + row * ROW + bands * TOP


def _ends(a: tuple[int, int], b: tuple[int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return from where to where an arrow between two boxes goes: sideways in a row, else down."""
    if a[1] != b[1]:
        return (a[0] + BOX / 2, a[1] + TALL), (b[0] + BOX / 2, b[1])
    if a[0] < b[0]:
        return (a[0] + BOX, a[1] + TALL / 2), (b[0], b[1] + TALL / 2)
    return (a[0], a[1] + TALL / 2), (b[0] + BOX, b[1] + TALL / 2)


if __name__ == "__main__":
    print(draw(Path(__file__).with_name("architecture.png")))
