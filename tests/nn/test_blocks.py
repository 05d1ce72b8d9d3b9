import torch

from saymask.nn.blocks import FeedForward, additive_mask, full_precision, mlp, unit


def test_precision_is_never_lowered():
    for given, expected in ((torch.bfloat16, torch.float32), (torch.float32,) * 2, (torch.float64,) * 2):
        assert full_precision(torch.zeros(2, dtype=given)).dtype == expected
    x = unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.bfloat16))
    assert x.dtype == torch.float32
    assert torch.allclose(x, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_what_is_forbidden():
    blocked = torch.tensor([True, False])
    assert additive_mask(blocked).tolist() == [float("-inf"), 0.0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert additive_mask(blocked).dtype == torch.bfloat16


def test_stacks():
    stack = mlp(3, 5, 2)
    assert [type(layer).__name__ for layer in stack] == ["Linear", "ReLU", "Linear"]
    assert stack(torch.zeros(4, 3)).shape == (4, 2)
    block = FeedForward(4, 7).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    hidden = x @ block.net[0].weight.T + block.net[0].bias
    gelu = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    y = x + gelu @ block.net[2].weight.T + block.net[2].bias
    y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    assert torch.allclose(block(x), y * block.norm.weight + block.norm.bias)
