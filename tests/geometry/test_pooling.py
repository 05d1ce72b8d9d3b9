import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.pooling import (
    scatter_max,
    scatter_mean,
    section_max,
    section_mean,
    section_min,
)


@given(st.integers(0, 10**6), st.integers(0, 20), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_values_and_gradients_equal_a_loop(seed, rows, groups):
    torch.manual_seed(seed)
    values = torch.randint(-3, 4, (rows, 2)).double()
    index = torch.randint(0, groups, (rows,))
    probe = torch.rand(groups, 2).double()
    for function in (scatter_mean, scatter_max):
        leaf = values.clone().requires_grad_()
        out = function(leaf, index, groups)
        (out * probe).sum().backward()
        assert leaf.grad is not None or rows == 0
        expected, gradient = torch.zeros(groups, 2).double(), torch.zeros(rows, 2).double()
        for g in range(groups):
            members = (index == g).nonzero()[:, 0]
            for c in range(2 if len(members) else 0):
                part = values[members, c]
                if function is scatter_mean:
                    expected[g, c] = part.mean()
                    gradient[members, c] = probe[g, c] / len(members)
                else:
                    expected[g, c] = part.max()
                    gradient[members[(part == part.max()).nonzero()[0]], c] = probe[g, c]
        assert torch.allclose(out, expected)
        if rows:
            assert torch.allclose(leaf.grad, gradient)


def test_gradcheck():
    values = torch.randn(7, 2, dtype=torch.float64, requires_grad=True)
    index = torch.tensor([0, 0, 3, 1, 3, 3, 1])
    assert torch.autograd.gradcheck(lambda v: scatter_mean(v, index, 5), values)
    assert torch.autograd.gradcheck(lambda v: scatter_max(v, index, 5), values)


def test_sections():
    values = torch.tensor([[1.0, 5], [3, 1], [2, 2]])
    offsets = torch.tensor([0, 2, 2, 3])
    assert section_mean(values, offsets).tolist() == [[2, 3], [0, 0], [2, 2]]
    assert section_max(values, offsets).tolist() == [[3, 5], [-torch.inf] * 2, [2, 2]]
    assert section_min(values, offsets).tolist() == [[1, 1], [torch.inf] * 2, [2, 2]]
    with pytest.raises(InputError, match="offsets"):
        section_mean(values, torch.tensor([0, 2]))
