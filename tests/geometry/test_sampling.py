from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.sampling import farthest_point_sampling

MODULES = Path(__file__).parents[2] / "../shared/golden/bqnet/modules_a.npz"


@pytest.mark.skipif(not MODULES.exists(), reason="the shared golden case bqnet/modules_a.npz is not here")
@pytest.mark.parametrize("case", range(4))
def test_official_rule(case):
    with np.load(MODULES) as golden:
        points, expected = golden[f"fps{case}_xyz"], golden[f"fps{case}_idx"]
    assert farthest_point_sampling(points, len(expected), compat=True).tolist() == expected.tolist()


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_each_sample_is_the_farthest(seed, count, n):
    points = np.random.default_rng(seed).integers(-3, 4, (count, 3)).astype(np.float32)
    chosen = farthest_point_sampling(points, n)
    assert chosen.shape == (n,)
    for i in range(1, min(n, count)):
        before = chosen[:i]
        nearest = ((points[:, None] - points[before][None]) ** 2).sum(-1).min(1)
        nearest[before] = -1
        assert chosen[i] == int(nearest.argmax())
    assert (chosen[count:] == chosen[: max(0, n - count)][: len(chosen[count:])]).all()
    if n:
        assert chosen[0] == 0


def test_official_and_plain_agree_far_from_the_origin():
    points = (np.random.default_rng(0).uniform(1, 3, (700, 3))).astype(np.float32)
    assert (farthest_point_sampling(points, 64) == farthest_point_sampling(points, 64, compat=True)).all()


def test_official_origin_rule_and_repeats():
    points = np.array([[1, 1, 1], [0.01, 0, 0], [2, 2, 2]], np.float32)
    assert farthest_point_sampling(points, 4, compat=True).tolist() == [0, 2, 0, 0]
    assert farthest_point_sampling(points, 4).tolist() == [0, 2, 1, 0]
    assert farthest_point_sampling(np.zeros((3, 3)), 3, compat=True).tolist() == [0, 0, 0]


def test_official_ties_follow_the_lanes():
    # Lanes 1 and 2 of four tie: lane 2 meets lane 0 first and then wins against lane 1.
    points = np.array([[5, 5, 5], [1, 1, 1], [1, 1, 1], [4, 4, 4]], np.float32)
    assert farthest_point_sampling(points, 2, compat=True).tolist() == [0, 2]
    assert farthest_point_sampling(points, 2).tolist() == [0, 1]


def test_bad_input():
    with pytest.raises(InputError, match="N > 0"):
        farthest_point_sampling(np.zeros((0, 3)), 2)
    with pytest.raises(InputError, match="finite"):
        farthest_point_sampling(np.array([[0, 0, np.nan]]), 1)
    with pytest.raises(InputError, match="at least 0"):
        farthest_point_sampling(np.zeros((1, 3)), -1)
