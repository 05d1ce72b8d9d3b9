import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.smooth_noise import smooth_noise


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), spacing=st.floats(0.05, 1.0), channels=st.integers(1, 3))
def test_noise_is_smooth_repeatable_and_of_its_shape(seed, spacing, channels):
    points = np.random.default_rng(seed).uniform(-2, 2, (200, 3))
    noise = smooth_noise(points, spacing, channels, np.random.RandomState(seed))
    assert noise.shape == (200, channels)
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(noise, smooth_noise(points, spacing, channels, np.random.RandomState(seed)))
    twice = np.concatenate([points, np.clip(points + 1e-3 * spacing, points.min(0), points.max(0))])
    both = smooth_noise(twice, spacing, channels, np.random.RandomState(seed))
    assert np.abs(both[:200] - both[200:]).max() < 0.1


def test_deviation_is_about_one_and_neighbours_agree():
    points = np.random.default_rng(0).uniform(0, 4, (20_000, 3))
    noise = smooth_noise(points, 0.2, 1, np.random.RandomState(0))[:, 0]
    assert abs(noise.std() - 1) < 0.1
    assert abs(noise.mean()) < 0.05


def test_what_cannot_be_done_is_said():
    with pytest.raises(InputError, match="spacing above 0"):
        smooth_noise(np.zeros((2, 3)), 0.0, 1, np.random.RandomState(0))
    with pytest.raises(InputError, match="wider spacing"):
        smooth_noise(np.array([[0, 0, 0], [9e3, 9e3, 9e3]]), 0.01, 1, np.random.RandomState(0))
