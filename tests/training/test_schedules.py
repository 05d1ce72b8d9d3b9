"""Learning rates as functions of the step."""

import pytest
import torch

from saymask.data.samples.order import BatchOrder
from saymask.models.base import TrainConfig
from saymask.training.schedules import make_optimizer, rate_factor


def _factors(epochs, **settings):
    order = BatchOrder(10, batch_size=1, epochs=epochs, seed=0)
    train = TrainConfig(epochs=epochs, **settings)
    return [rate_factor(train, step, order) for step in range(order.total)]


def test_trapezoid_rises_stays_and_falls():
    factors = _factors(10, schedule="trapezoid", rise=4, fall=0.2)
    assert factors[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert set(factors[3:80]) == {1.0}
    assert factors[80:] == pytest.approx([1 - i / 20 for i in range(20)])


def test_a_longer_trapezoid_is_the_same_until_the_shorter_one_falls():
    settings = {"schedule": "trapezoid", "rise": 3, "fall": 0.5}
    assert _factors(4, **settings)[:20] == _factors(9, **settings)[:20]


def test_a_trapezoid_without_rise_and_fall_is_constant():
    assert set(_factors(2, schedule="trapezoid", rise=0, fall=0.0)) == {1.0}


@pytest.mark.parametrize(("precision", "fused"), [("32-true", True), ("bf16-mixed", None)])
def test_gradients_can_be_clipped_in_every_precision(precision, fused):
    optimizer = make_optimizer(TrainConfig(precision=precision), [{"params": [torch.nn.Parameter(torch.zeros(2))]}])
    assert optimizer.param_groups[0]["fused"] is fused
    assert hasattr(optimizer, "_step_supports_amp_scaling") is bool(fused)  # what Lightning cannot clip if mixed
