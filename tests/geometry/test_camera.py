"""The square that an image model sees: sizes and places by hand, and what holds for every image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.camera import Crop, center_crop


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, Crop(640, 480, 448, 336, 56, 0, 336)),
        (480, 640, Crop(480, 640, 336, 448, 0, 56, 336)),
        (100, 100, Crop(100, 100, 336, 336, 0, 0, 336)),
        (1296, 968, Crop(1296, 968, 449, 336, 56, 0, 336)),  # 449.9 is cut off, 56.5 goes to the even 56
        (1, 3, Crop(1, 3, 336, 1008, 0, 336, 336)),
    ],
)
def test_by_hand(width: int, height: int, expected: Crop) -> None:
    assert center_crop(width, height, 336) == expected


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 500))
def test_the_square_lies_in_the_middle(width: int, height: int, side: int) -> None:
    crop = center_crop(width, height, side)
    assert min(crop.resized_width, crop.resized_height) == side
    for length, start in ((crop.resized_width, crop.left), (crop.resized_height, crop.top)):
        assert 0 <= start <= length - side
        assert abs(2 * start - (length - side)) <= 1
    turned = center_crop(height, width, side)
    assert (turned.resized_width, turned.left) == (crop.resized_height, crop.top)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
def test_no_pixel(width: int, height: int) -> None:
    with pytest.raises(InputError, match=f"got {width} x {height}"):
        center_crop(width, height, 336)
