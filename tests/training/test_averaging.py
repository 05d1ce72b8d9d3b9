"""The running mean of the weights."""

import pytest
import torch
from torch import nn

from saymask.training.averaging import YOUNG, WeightAverage


def test_the_mean_follows_the_weights_and_can_be_used_in_their_place():
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.BatchNorm1d(1))
    model[0].weight.data.fill_(1.0)
    average = WeightAverage(model, 0.5)
    model[0].weight.data.fill_(2.0)
    model[1].running_mean.fill_(4.0)
    average.update(1)
    kept = min(0.5, 2 / (YOUNG + 1))
    assert average.values["0.weight"].tolist() == [pytest.approx([2 - kept] * 2)]
    assert average.values["1.running_mean"].tolist() == pytest.approx([4 * (1 - kept)])
    for step in range(2, 60):
        average.update(step)
    torch.testing.assert_close(average.values["0.weight"], torch.full((1, 2), 2.0))
    average.values["0.weight"].fill_(7.0)
    with average.in_use():
        assert model[0].weight.tolist() == [[7.0, 7.0]]
    assert model[0].weight.tolist() == [[2.0, 2.0]]
    assert average.values["0.weight"].tolist() == [[7.0, 7.0]]
    assert "1.num_batches_tracked" not in average.values
