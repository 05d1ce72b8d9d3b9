"""Pictures of the page as files."""

import io

import numpy as np
from PIL import Image

from saymask.viewer.exports import picture


def test_a_picture_lies_on_the_page():
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[1, 1] = [10, 20, 30, 255]
    name, content = picture(pixels, "my room.ply", (255, 255, 255))
    image = np.asarray(Image.open(io.BytesIO(content)))
    assert name == "my_room.png"
    assert image.shape == (4, 6, 3)
    assert image[1, 1].tolist() == [10, 20, 30]
    assert image[0, 0].tolist() == [255, 255, 255]
