import numpy as np
import pytest

from saymask.errors import InputError
from saymask.geometry.elastic import elastic_distortion


def test_smooth_seeded_and_bounded():
    points = np.random.default_rng(0).uniform(-50, 50, (400, 3))
    moved = elastic_distortion(points, 6, 40, np.random.RandomState(3))
    assert (moved == elastic_distortion(points, 6, 40, np.random.RandomState(3))).all()
    assert moved.dtype == np.float64
    step = moved - points
    assert 1 < np.abs(step).mean() < 40
    near = elastic_distortion(points + 0.01, 6, 40, np.random.RandomState(3)) - points - 0.01
    assert np.abs(near - step).max() < 0.2


def test_empty_and_bad_input():
    rng = np.random.RandomState(0)
    assert elastic_distortion(np.zeros((0, 3)), 6, 40, rng).shape == (0, 3)
    assert elastic_distortion(np.zeros((2, 3)), 6, 0, rng).tolist() == [[0, 0, 0]] * 2
    with pytest.raises(InputError, match="granularity"):
        elastic_distortion(np.zeros((2, 3)), 0, 40, rng)
    with pytest.raises(InputError, match=r"\[N, 3\]"):
        elastic_distortion(np.zeros((2, 2)), 6, 40, rng)
