"""Weight layouts of other engines."""

import pytest
import torch
from torch.nn import functional as F

from saymask.errors import InputError
from saymask.sparse import importers


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_round_trips(size):
    weight = torch.randn(size**3, 4, 6)
    for there, back in (
        (importers.to_spconv2, importers.from_spconv2),
        (importers.to_spconv1, importers.from_spconv1),
        (importers.to_minkowski, importers.from_minkowski),
    ):
        assert torch.equal(back(there(weight)), weight)


def test_spconv2_keeps_the_meaning_of_each_tap():
    weight = torch.randn(6, 3, 3, 3, 4)
    assert torch.equal(importers.from_spconv2(weight)[0 * 9 + 2 * 3 + 1], weight[:, 0, 2, 1, :].T)
    dense = F.conv3d(torch.ones(1, 4, 3, 3, 3), weight.permute(0, 4, 1, 2, 3))
    torch.testing.assert_close(importers.from_spconv2(weight).sum((0, 1)), dense.flatten(), rtol=1e-4, atol=1e-4)


def test_spconv2_size_one_is_read_as_in_out():
    weight = torch.arange(6.0).reshape(2, 1, 1, 1, 3)
    assert importers.from_spconv2(weight).tolist() == [[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]]


def test_minkowski_has_x_fastest():
    weight = torch.randn(27, 4, 6)
    canonical = importers.from_minkowski(weight)
    x, y, z = 2, 0, 1
    assert torch.equal(canonical[x * 9 + y * 3 + z], weight[x + 3 * y + 9 * z])
    assert torch.equal(importers.from_minkowski(weight[0]), weight[:1])


def test_bad_layouts():
    with pytest.raises(InputError, match="five axes"):
        importers.from_spconv2(torch.zeros(3, 3))
    with pytest.raises(InputError, match="cubic"):
        importers.from_minkowski(torch.zeros(9, 2, 2))
    with pytest.raises(InputError, match="kernel"):
        importers.from_minkowski(torch.zeros(1, 3, 3, 3))
