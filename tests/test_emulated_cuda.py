"""The emulated device: tensors on "cuda" anywhere, with the values of the CPU, and refusing what a real one refuses."""

import copy
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.emulated_cuda import CPU, CUDA, emulated_cuda


@pytest.fixture(autouse=True)
def cuda():
    with ExitStack() as stack:
        stack.enter_context(emulated_cuda())
        yield stack


def on(values, **options) -> Tensor:
    return torch.tensor(values, device="cuda", **options)


MADE = {
    "zeros": lambda: torch.zeros(3, device="cuda"),
    "tensor": lambda: on([1.0, 2.0]),
    "as_tensor": lambda: torch.as_tensor(np.ones(3), device="cuda:0"),
    "to": lambda: torch.ones(3).to("cuda"),
    "to type": lambda: torch.ones(3).to("cuda", torch.float64),
    "to like": lambda: torch.ones(3).to(on([1])),
    "cuda": lambda: torch.ones(3).cuda(),
    "like": lambda: torch.rand_like(on([1.0])),
    "new": lambda: on([1.0]).new_zeros(2),
    "new_tensor": lambda: on([1.0]).new_tensor([2]),
    "arange": lambda: torch.arange(3, device=on([1]).device),
    "view": lambda: on([[1.0, 2.0]]).view(2)[1:],
    "C++ that makes a tensor": lambda: F.one_hot(on([0, 2])),
    "index on the host": lambda: on([1.0, 2.0])[torch.tensor([0])],
    "number on the host": lambda: on([1.0]) * torch.tensor(2.0),
    "size changed in place": lambda: on([[1.0, 2.0]]).t_().squeeze_(1),
    "attention": lambda: F.scaled_dot_product_attention(*[torch.rand(1, 2, 3, 4, device="cuda")] * 3),
    "copy": lambda: copy.deepcopy(on([1.0])),
    "data": lambda: on([1.0]).data,
}


@pytest.mark.parametrize("name", MADE)
def test_a_tensor_on_the_device(name):
    made = MADE[name]()
    assert made.device == CUDA
    assert made.is_cuda
    assert made.cpu().device == CPU
    assert made.cpu().shape == made.shape


def test_tensors_of_the_host_stay_there():
    assert torch.zeros(3).device == CPU
    assert on([1.0]).new_zeros(2, device="cpu").device == CPU
    assert torch.zeros_like(on([1.0]), device="cpu").device == CPU
    assert torch.zeros(2).copy_(on([1.0, 2.0])).tolist() == [1, 2]
    assert on([1.0]).to("cuda:0").to("cpu").device == CPU
    ones = on([1.0])
    assert ones.to("cuda") is ones


MIXED = {
    "sum": lambda: on([1.0, 2.0]) + torch.ones(2),
    "number of the device": lambda: torch.ones(2) * on(2.0),
    "in place": lambda: torch.ones(()).add_(on(2.0)),
    "cat": lambda: torch.cat([on([1.0]), torch.ones(1)]),
    "stack of numbers": lambda: torch.stack([on(1.0), torch.tensor(1.0)]),
    "bounds": lambda: on([1.0]).clamp(min=torch.tensor(0.0)),
    "index of the device": lambda: torch.ones(2)[on([0])],
    "gather": lambda: on([1.0]).gather(0, torch.tensor([0])),
    "index_add": lambda: on([1.0]).index_add(0, on([0]), torch.ones(1)),
    "assigned": lambda: on([1.0, 2.0]).__setitem__(on([1, 0]), torch.ones(2)),
    "module": lambda: nn.Linear(2, 3)(on([1.0, 2.0])),
    "input": lambda: nn.Linear(2, 3).to("cuda")(torch.ones(2)),
    "loss": lambda: F.cross_entropy(on([[1.0, 2.0]]), torch.tensor([0])),
    "out": lambda: torch.add(on([1.0]), on([1.0]), out=torch.ones(1)),
}


@pytest.mark.parametrize("name", MIXED)
def test_two_devices_are_refused(name):
    with pytest.raises(RuntimeError, match="same device"):
        MIXED[name]()


def test_what_else_a_device_refuses():
    for array in (lambda: on([1.0]).numpy(), lambda: np.asarray(on([1.0])), lambda: np.ones(1) + np.array(on([1.0]))):
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            array()
    with pytest.raises(RuntimeError, match="'cuda' device type for generator"):
        torch.randperm(3, device="cuda", generator=torch.Generator())
    with pytest.raises(RuntimeError, match="not implemented for"):
        on([[1]]) @ on([[1]])


def test_a_module_moves_and_learns():
    torch.manual_seed(0)
    here = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.MultiheadAttention(4, 2))
    there = copy.deepcopy(here)
    weight = there[0].weight
    assert there.to("cuda").to("cuda") is there
    assert there[0].weight is weight
    assert isinstance(weight, nn.Parameter)
    assert weight.is_leaf
    assert weight.requires_grad
    assert weight.is_cuda
    assert there[1].running_mean.is_cuda
    given = torch.rand(5, 3)
    for module, x in ((here, given), (there, given.to("cuda"))):
        y = module[1](module[0](x))[None]
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
        module[2](y, y, y)[0][0, torch.arange(2)].square().sum().backward()
        optimizer.step()
    for (name, a), b in zip(here.state_dict().items(), there.state_dict().values()):
        torch.testing.assert_close(a, b.cpu(), msg=name)
    here.load_state_dict(there.state_dict())
    assert not here[0].weight.is_cuda


def test_gradients_come_back_over_moves():
    x = torch.ones(3, requires_grad=True)
    (x.to("cuda")[on([0, 0])] * 2).cpu().sum().backward()
    assert x.grad is not None
    assert x.grad.device == CPU
    assert x.grad.tolist() == [4, 0, 0]
    y = on([1.0, 2.0], requires_grad=True)
    (grad,) = torch.autograd.grad(y.max() + y.cpu().sum().to("cuda"), y)
    assert grad.is_cuda
    assert grad.tolist() == [1, 2]


@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_backward_passes_are_checked(where):
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, *grads):
            return grads[0] * torch.full((2,), 2.0, device=where)

    x = on([1.0, 2.0], requires_grad=True)
    loss = Doubled.apply(x).sum()
    if where == "cpu":
        with pytest.raises(RuntimeError, match="same device"):
            loss.backward()
    else:
        loss.backward()
        assert x.grad is not None
        assert x.grad.is_cuda


def test_outside_there_is_no_device(cuda):
    kept = on([1.0, 2.0])
    cuda.close()
    assert (kept + 1).tolist() == [2, 3]
    with pytest.raises((AssertionError, RuntimeError), match="CUDA"):
        torch.zeros(1, device="cuda")
    assert torch.ones(1).to("cpu").device == CPU
