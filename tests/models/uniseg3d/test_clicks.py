"""Clicks on objects in training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.geometry.sampling import members_of
from saymask.models.uniseg3d.clicks import training_clicks
from tests.metrics.test_clicks import SEEDS, scene


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_members(seed):
    instance = scene(seed)[1]
    members = members_of(instance)
    assert len(members) == instance.max() + 1
    for i, own in enumerate(members):
        np.testing.assert_array_equal(own, np.flatnonzero(instance == i))
    assert members_of(np.full(5, -1)) == []


@settings(max_examples=6, deadline=None)
@given(SEEDS, st.sampled_from([300, 5000]))
def test_training_clicks_equal_the_plain_rule(seed, n):
    points, instance = scene(seed, n)
    rng, twin = np.random.RandomState(seed), np.random.RandomState(seed)
    clicks, clicked = training_clicks(points, instance, rng)
    order = np.unique(instance[instance >= 0])
    twin.shuffle(order)
    assert clicked.tolist() == order.tolist()
    for click, i in zip(clicks, order):
        own = np.flatnonzero(instance == i)
        size = len(own) if len(own) <= 500 else int(len(own) * (500 / len(own)))
        drawn = own[twin.choice(len(own), size, replace=False)]
        away = np.linalg.norm(points[drawn] - points[drawn].mean(0), axis=1)
        assert click in drawn
        assert np.linalg.norm(points[click] - points[drawn].mean(0)) == pytest.approx(away.min(), abs=1e-6)
    assert rng.rand() == twin.rand()


def test_the_share_of_a_large_object_may_round_down():
    n = next(n for n in range(501, 3000) if int(n * (500 / n)) == 499)
    points, sizes = np.random.RandomState(0).rand(n, 3).astype(np.float32), []

    class Counting(np.random.RandomState):
        def choice(self, count, size, replace):
            sizes.append((count, size))
            return super().choice(count, size, replace=replace)

    training_clicks(points, np.zeros(n, np.int64), Counting(1))
    assert sizes == [(n, 499)]


def test_an_object_of_one_point():
    points, instance = np.array([[0, 0, 0], [1, 1, 1]], np.float32), np.array([0, -1])
    assert [c.tolist() for c in training_clicks(points, instance, np.random.RandomState(0))] == [[0], [0]]
