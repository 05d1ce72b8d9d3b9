"""Text of a picture: the bar at the top, and a panel with the classes of a result that has many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from saymask.masks import Masks
from saymask.render.palette import class_colors, mask_colors
from saymask.scan import Scan

Color = tuple[int, ...]
INK = (20, 20, 26)
FAINT = (110, 110, 120)


@dataclass(frozen=True)
class Entry:
    """A class of a result."""

    name: str
    color: Color
    masks: int
    points: int


def class_entries(masks: Masks) -> list[Entry]:
    """Return the classes of masks with labels, each once, the one with most points first."""
    assert masks.labels is not None
    colors, owned = class_colors(masks), np.bincount(masks.best + 1, minlength=len(masks) + 1)[1:]
    entries = []
    for label, color in colors.items():
        rows = np.flatnonzero(masks.labels == label)
        entries.append(Entry(masks.names[rows[0]], _color(color), len(rows), int(owned[rows].sum())))
    return sorted(entries, key=lambda e: (-e.points, e.name))


@dataclass(frozen=True)
class Panel:
    """A list of classes beside the picture."""

    entries: tuple[Entry, ...]
    more: int
    """Classes that found no room."""
    row: float
    """Pixels from line to line."""
    width: int
    points: int
    """Points of the scan, of which each class has a share."""

    @classmethod
    def of(cls, scan: Scan, masks: Masks, size: tuple[int, int], bar: int) -> "Panel | None":
        """Return the panel of a result, as many classes as fit into the height of `size`; None without room for it."""
        entries = class_entries(masks)
        row = max(13.0, min(size[1] / 34, size[0] / 46))
        lines = int((size[1] - bar - row) // row)
        if size[0] < 400 or lines < 4:
            return None
        shown = entries if len(entries) <= lines else entries[: lines - 1]
        panel = cls(tuple(shown), len(entries) - len(shown), row, 0, len(scan))
        pen = ImageDraw.Draw(Image.new("L", (1, 1)))
        need = max(pen.textlength(e.name, panel.font) + pen.textlength(panel.fact(e), panel.font) for e in shown)
        return cls(panel.entries, panel.more, row, int(min(need + 3.0 * row, 0.3 * size[0])), len(scan))

    @property
    def font(self) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        """The font of the lines."""
        return ImageFont.load_default(self.row * 0.62)

    def fact(self, entry: Entry) -> str:
        """Return the text beside a class: how many objects, or its share of the points."""
        if any(e.masks > 1 for e in self.entries):
            return f"x{entry.masks}" if entry.masks > 1 else ""
        share = entry.points / self.points
        if share < 0.0005:
            return "<0.1 %"
        return f"{100 * share:.0f} %" if share >= 0.0095 else f"{100 * share:.1f} %"

    def draw(self, image: Image.Image, bar: int) -> None:
        """Write the panel along the right edge, below the bar."""
        pen, font, row = ImageDraw.Draw(image), self.font, self.row
        left = image.width - self.width
        for i, entry in enumerate(self.entries):
            y = bar + row * (i + 1)
            pen.rounded_rectangle(
                (left + 0.5 * row, y - 0.33 * row, left + 1.3 * row, y + 0.33 * row),
                radius=0.15 * row, fill=entry.color, outline=tuple(int(0.72 * c) for c in entry.color),
            )  # fmt: skip
            fact = self.fact(entry)
            right = image.width - 0.6 * row
            pen.text((right, y), fact, fill=FAINT, font=font, anchor="rm")
            room = right - pen.textlength(fact, font) - left - 2.0 * row
            pen.text((left + 1.65 * row, y), cut(pen, entry.name, font, room), fill=INK, font=font, anchor="lm")
        if self.more:
            y = bar + row * (len(self.entries) + 1)
            pen.text((left + 1.65 * row, y), f"and {self.more:,} more", fill=FAINT, font=font, anchor="lm")


def caption(image: Image.Image, scan: Scan, masks: Masks | None, title: str, bar: int, *, many: bool = False) -> None:
    """Write the sentence and the legend into the bar at the top; of `many` classes it only gives the number."""
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(bar * 0.46)
    small = ImageFont.load_default(bar * 0.30)
    right = image.width - bar // 3
    for text, color in reversed(_legend(scan, masks, many)):
        if color is None:
            text = cut(pen, text, small, right - image.width * 0.45)
        width = pen.textlength(text, font=small)
        if right - width < image.width * 0.45:
            break
        pen.text((right - width, bar / 2), text, fill=(70, 70, 78), font=small, anchor="lm")
        right -= width + bar * 0.5
        if color is not None:
            r = bar * 0.15
            pen.ellipse(
                (right + bar * 0.5 - 2.6 * r, bar / 2 - r, right + bar * 0.5 - 0.6 * r, bar / 2 + r), fill=color
            )
            right -= 2 * r
    # What was said stands in quotes, another caption does not.
    quoted = masks is None or (masks.labels is None and (not len(masks) or title in masks.names))
    said = f"“{title}”" if quoted else title
    text = cut(pen, said if title else scan.name, font, right - bar * 0.6)
    pen.text((bar / 3, bar / 2), text, fill=INK, font=font, anchor="lm")


def cut(pen: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    """Return `text`, shortened to `room` pixels where it is longer."""
    while len(text) > 4 and pen.textlength(text, font=font) > room:
        text = text[:-3].rstrip("… ") + "…"
    return text


def _legend(scan: Scan, masks: Masks | None, sum_up: bool) -> Sequence[tuple[str, Color | None]]:
    """Return what the bar says, each with the colour of its dot."""
    if masks is None:
        return [(f"{len(scan):,} points", None)]
    if not len(masks):
        return [(masks.message or "nothing found", None)]
    if sum_up:
        classes = len(set(masks.names))
        objects = f"{len(masks):,} objects, " if len(masks) > classes else ""
        return [(f"{objects}{classes:,} {'class' if classes == 1 else 'classes'} · {len(scan):,} points", None)]
    if masks.labels is not None:
        return _class_legend(masks)
    many = len(set(masks.names)) > 1
    colors = mask_colors(masks)
    entries: list[tuple[str, Color | None]] = []
    for i in np.argsort(-masks.scores, kind="stable")[:6]:
        name = f"{masks.names[i][:24]} " if many else ""
        entries.append((f"{name}{masks.scores[i]:.2f} · {masks.count(int(i)):,} points", _color(colors[i])))
    return entries


def _class_legend(masks: Masks) -> list[tuple[str, Color | None]]:
    """Return what the bar says of masks with few classes: each class once."""
    entries = class_entries(masks)
    if len(entries) == 1:
        objects = f"{len(masks):,} objects, best " if len(masks) > 1 else ""
        only = entries[0]
        return [(f"{objects}{float(masks.scores.max()):.2f} · {only.points:,} points", only.color)]
    return [(f"{e.name[:24]}{f' x{e.masks}' if e.masks > 1 else ''}", e.color) for e in entries]


def _color(values: np.ndarray) -> Color:
    return tuple(int(v) for v in values)
