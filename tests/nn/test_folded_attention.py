"""The folded attention products: values and gradients of the plain formula."""

import pytest
import torch

from saymask.nn.folded_attention import autocast_precision, pool, spread

HEADS, FEW, LONG, WIDTH = 2, 3, 7, 4


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def plain_pool(queries, memory, bias):
    scores = queries @ memory.transpose(1, 2)
    scores = scores.unflatten(1, (HEADS, -1))
    weights = (scores if bias is None else scores + bias).softmax(-1)
    return weights.flatten(1, 2) @ memory, weights


def plain_spread(x, keys, offsets, values, residual):
    scores = (x @ keys.transpose(1, 2) + offsets[:, None]).unflatten(-1, (HEADS, -1))
    out = scores.softmax(-1).flatten(-2) @ values
    return x + out if residual else out


@pytest.mark.parametrize("scans", [1, 3])
@pytest.mark.parametrize("bias_shape", [None, (3, 1, FEW, LONG), (3, HEADS, FEW, LONG), (1, 1, 1, LONG)])
def test_pool(scans, bias_shape):
    torch.manual_seed(0)
    queries, memory = random(3, HEADS * FEW, WIDTH), random(scans, LONG, WIDTH)
    bias = None if bias_shape is None else random(*bias_shape)
    inputs = [queries, memory] + ([] if bias is None else [bias])
    for probe_weights in (False, True):
        results = []
        for function in (lambda q, m, b: pool(q, m, b, HEADS), plain_pool):
            out, weights = function(queries, memory, bias)
            total = (out * out.detach().cos()).sum() + (weights.square().sum() if probe_weights else 0)
            results.append((out, weights, *torch.autograd.grad(total, inputs)))
        for got, expected in zip(*results):
            torch.testing.assert_close(got, expected)
    torch.autograd.gradcheck(lambda *x: pool(x[0], x[1], x[2] if len(x) > 2 else None, HEADS), inputs)


def test_pool_with_only_the_weights_used():
    queries, memory = random(2, HEADS * FEW, WIDTH), random(2, LONG, WIDTH)
    got = torch.autograd.grad(pool(queries, memory, None, HEADS)[1].square().sum(), [queries, memory])
    expected = torch.autograd.grad(plain_pool(queries, memory, None)[1].square().sum(), [queries, memory])
    for a, b in zip(got, expected):
        torch.testing.assert_close(a, b)


def test_forbidden_keys_get_no_weight_and_no_gradient():
    queries, memory = random(2, HEADS * FEW, WIDTH), random(2, LONG, WIDTH)
    bias = torch.zeros(2, 1, 1, LONG, dtype=torch.float64)
    bias[..., -2:] = float("-inf")
    out, weights = pool(queries, memory, bias, HEADS)
    assert (weights[..., -2:] == 0).all()
    out.square().sum().backward()
    assert (memory.grad[:, -2:] == 0).all()
    assert memory.grad[:, :-2].abs().min() > 0


@pytest.mark.parametrize("scans", [1, 3])
@pytest.mark.parametrize("residual", [False, True])
def test_spread(scans, residual):
    torch.manual_seed(1)
    inputs = [random(scans, LONG, WIDTH), random(3, HEADS * FEW, WIDTH), random(3, HEADS * FEW)]
    inputs.append(random(3, HEADS * FEW, WIDTH))
    results = []
    for function in (
        lambda *x: spread(*x, HEADS, residual=residual),
        lambda *x: plain_spread(*x, residual),
    ):
        out = function(*inputs)
        results.append((out, *torch.autograd.grad((out * out.detach().cos()).sum(), inputs)))
    for got, expected in zip(*results):
        torch.testing.assert_close(got, expected)
    torch.autograd.gradcheck(lambda *x: spread(*x, HEADS, residual=residual), inputs)


def test_autocast_precision_follows_autocast():
    x = torch.randn(3)
    assert autocast_precision(x) is x
    with torch.autocast("cpu", torch.bfloat16):
        assert autocast_precision(x).dtype == torch.bfloat16
        queries, memory = torch.randn(2, HEADS * FEW, WIDTH), torch.randn(2, LONG, WIDTH, requires_grad=True)
        out, weights = pool(queries, memory, None, HEADS)
    assert out.dtype == weights.dtype == torch.bfloat16
    out.float().sum().backward()
    assert memory.grad.dtype == torch.float32
