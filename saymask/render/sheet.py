"""A contact sheet: pictures of many answers, small, in one picture."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from saymask.render.legend import INK, cut
from saymask.render.picture import write_png

MOST = 60
"""Pictures on a sheet; the rest are counted in the last cell."""
CELL = (400, 300)
"""Largest width and height of a small picture."""
BAR = 26
GAP = 8


def write_sheet(pictures: Sequence[tuple[Path, str]], path: str | Path) -> None:
    """Write a PNG with the pictures in rows, each with its name above; nothing is written for no pictures.

    pictures: files and names. What finds no room is counted.
    """
    if not pictures:
        return
    shown = [(_small(file), name) for file, name in pictures[:MOST]]
    columns = min(5, math.ceil(math.sqrt(len(shown))))
    rows = math.ceil(len(shown) / columns)
    foot = BAR if len(pictures) > MOST else 0
    wide, high = CELL[0] + GAP, max(picture.height for picture, _ in shown) + BAR + GAP
    sheet = Image.new("RGB", (columns * wide + GAP, rows * high + GAP + foot), (255, 255, 255))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(BAR * 0.6)
    for i, (picture, name) in enumerate(shown):
        left, top = GAP + i % columns * wide, GAP + i // columns * high
        pen.text((left, top + 4), cut(pen, name, font, CELL[0]), INK, font)
        sheet.paste(picture, (left, top + BAR))
    if foot:
        pen.text((GAP, rows * high + GAP), f"and {len(pictures) - MOST} more", INK, font)
    write_png(sheet, path)


def _small(file: Path) -> Image.Image:
    """Return a picture that fits into a cell."""
    with Image.open(file) as picture:
        small = picture.convert("RGB")
    small.thumbnail(CELL, Image.Resampling.LANCZOS)
    return small
