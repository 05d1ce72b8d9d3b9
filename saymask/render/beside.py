"""A prediction and the truth side by side, seen from the same place."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from saymask.masks import Masks
from saymask.render.legend import INK, cut
from saymask.render.picture import Drawing
from saymask.scan import Scan

GAP = 6


@dataclass(frozen=True)
class Side:
    """One half of a picture."""

    masks: Masks
    title: str


def draw_beside(
    scan: Scan, prediction: Side, truth: Side, *, size: tuple[int, int] = (1280, 560), title: str = ""
) -> Image.Image:
    """Return a picture of `size` (width, height): prediction left, truth right, `title` above both.

    The camera stands where most of the truth is seen; without a true mask, where most of the prediction is.
    """
    bar = max(34, size[1] // 14)
    half = ((size[0] - GAP) // 2, size[1] - bar)
    sides: Sequence[Side] = (prediction, truth)
    drawings = [Drawing.of(scan, side.masks, half, side.title) for side in sides]
    camera = drawings[1 if len(truth.masks) or not len(prediction.masks) else 0].camera()
    image = Image.new("RGB", size, (255, 255, 255))
    for i, drawing in enumerate(drawings):
        image.paste(drawing.image(camera), (i * (half[0] + GAP), bar))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(bar * 0.5)
    pen.text((bar / 3, bar / 2), cut(pen, title, font, size[0] - bar), fill=INK, font=font, anchor="lm")
    return image
