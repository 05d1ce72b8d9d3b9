"""Colours come in many ranges; bytes come out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.io.color_range import to_uint8


def bytes_of(seed, n=600):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3)).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["f4", "f8"]))
def test_every_range_gives_the_same_bytes(seed, kind):
    rgb = bytes_of(seed)
    wide = rgb.astype(kind)
    for values in (wide / 255, wide / 127.5 - 1, wide, rgb.astype("i4"), rgb.astype("u2") * np.uint16(257), wide * 257):
        assert np.abs(to_uint8(values).astype(int) - rgb).max() <= 1


@pytest.mark.parametrize("top", [1.0004, 1.2, 3.0])
def test_an_overshoot_beyond_one_is_cut_and_not_taken_for_bytes(top):
    rgb = bytes_of(0)
    values = rgb / 255
    values[3] = top
    said = []
    got = to_uint8(values, said)
    np.testing.assert_array_equal(np.delete(got, 3, 0), np.delete(rgb, 3, 0))
    assert (got[3] == 255).all()
    assert bool(said) == (top > 1.001)


def test_a_little_below_zero_is_no_other_range():
    rgb = bytes_of(1)
    values = rgb / 255 - 0.003
    assert np.abs(to_uint8(values).astype(int) - rgb).max() <= 1


def test_dark_bytes_written_as_floats_stay_dark():
    rgb = np.minimum(bytes_of(2), 30)
    np.testing.assert_array_equal(to_uint8(rgb.astype(np.float32)), rgb)


def test_unknown_colours_are_grey_and_said():
    values = bytes_of(3) / 255
    values[5, 1] = np.nan
    said = []
    got = to_uint8(values, said)
    assert got[5, 1] == 128
    assert said == ["1 points have no colour in the file: they are grey"]


def test_colours_in_minus_one_to_one_are_said():
    said = []
    to_uint8(bytes_of(4) / 127.5 - 1, said)
    assert "−1..1" in said[0]
