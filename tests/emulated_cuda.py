"""A CUDA device that is not there: inside `emulated_cuda()` tensors can be put on "cuda" on any machine.

Such tensors say that they are on cuda:0, but their values are in the host's memory and are computed by the CPU's
kernels. What a real device refuses is refused: operations of tensors on two devices, a CPU generator, products of
integers, arrays made of a tensor that is not on the CPU. Mixed precision is off, as it is without CUDA; threads that
begin inside the block know of no device.

Two layers do it. Below autograd, `_Tensor` unwraps, checks and wraps at every operation, so that backward passes are
checked too. To torch's own C++ code it is a tensor of the CPU: when that makes a tensor, `_Calls`, which sees the
calls from Python, knows where it belongs.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "addbmm", "mv", "addmv", "dot", "vdot", "addr"}
"""Operations that CUDA has for floating types only."""
SCALARS = {"masked_fill", "masked_fill_", "fill", "fill_", "index_put", "index_put_", "_index_put_impl_", "where"}
"""Operations besides pointwise ones that take a CPU tensor [] among tensors on CUDA, …"""
NO_SCALARS = {"clamp", "clamp_", "clamp_min", "clamp_max", "lerp", "lerp_"}
"""… and pointwise ones that do not."""
_calls: list[tuple[torch.device | None, bool]] = [(None, False)]
"""Of the calls from Python that are being made: the device that was asked for, and whether it is about CUDA."""


class _Tensor(Tensor):
    """A tensor on the emulated device; `host` is the CPU tensor with its values."""

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, host: Tensor) -> "_Tensor":
        made = Tensor._make_subclass(cls, host)
        made.host = host
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
                "first."
            )
        return self.detach().cpu().numpy()

    def tolist(self) -> Any:
        return self.host.tolist()

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        return _moved(self, *args, **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> Tensor:
        return _moved(self, CPU)

    def __repr__(self, **_: Any) -> str:
        return f"{self.host!r} on cuda:0"

    def __deepcopy__(self, memo: dict) -> Tensor:
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        copied._is_param = getattr(self, "_is_param", False)
        return memo.setdefault(id(self), copied)


def _computed(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Do an operation below autograd: check its tensors, compute on the host, and say where the results are."""
    name = func.overloadpacket.__name__
    given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    on_cuda = any(isinstance(x, _Tensor) for x in given)
    if on_cuda:
        _check(func, name, args, kwargs, given)
    device = kwargs.get("device")
    asked, about_cuda = _calls[-1]
    if device is not None and device.type == "cuda":
        on_cuda, kwargs = True, {**kwargs, "device": CPU}
    elif device is not None and device.type == "cpu":  # also where torch's own code asks for the device of a tensor
        on_cuda = asked is None and (on_cuda or (about_cuda and not given))
    if on_cuda and kwargs.get("generator") is not None:
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if name == "_fused_sdp_choice" and on_cuda:
        return 0  # plain operations, as the kernels of CUDA are not those of the CPU
    hosts = {id(x.host): x for x in given if isinstance(x, _Tensor)}
    found = func(*tree_map(host_of, args), **tree_map(host_of, kwargs))
    if any(x.shape != x.host.shape for x in hosts.values()):  # as after squeeze_, which moves no values
        with torch._C._DisableTorchDispatch():
            func(*args, **kwargs)

    def wrapped(x: Any) -> Any:
        return hosts[id(x)] if id(x) in hosts else _Tensor(x) if on_cuda and isinstance(x, Tensor) else x

    if name == "copy_":
        return args[0]
    return tree_map(wrapped, found)


def host_of(x: Any) -> Any:
    """Return the CPU tensor with the values of one on the emulated device; anything else as it is."""
    return x.host if isinstance(x, _Tensor) else x


def _check(func: Any, name: str, args: tuple, kwargs: dict[str, Any], given: list[Tensor]) -> None:
    """Raise what torch raises where an operation has a tensor on CUDA and cannot be done there."""
    if name in ("copy_", "_to_copy", "set_"):
        return
    if name in PRODUCTS and not given[-1].is_floating_point():
        raise RuntimeError(f'"{name}_cuda" not implemented for {str(given[-1].dtype)!r}')
    if name in ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"):
        given = [x for x in (args[0], *args[2:3]) if isinstance(x, Tensor)]
        if any(isinstance(x, _Tensor) for x in args[1]) and not isinstance(args[0], _Tensor):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    scalars = (torch.Tag.pointwise in func.tags and name not in NO_SCALARS) or name in SCALARS
    written = {i for i, a in enumerate(func._schema.arguments) if a.alias_info is not None and a.alias_info.is_write}
    outputs = [a for i, a in enumerate(args) if i in written] + ([kwargs["out"]] if "out" in kwargs else [])
    for x in given:
        if isinstance(x, _Tensor) or (scalars and x.dim() == 0 and not any(x is o for o in outputs)):
            continue
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
            f"(in {func}, got a CPU tensor {list(x.shape)})"
        )


class _Move(torch.autograd.Function):
    """A copy to the other device, whose gradient comes back from there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.host.clone() if isinstance(x, _Tensor) else _Tensor(x.detach().clone())

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return _Move.apply(grads[0])


def _moved(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return `x.to(…)`."""
    like = kwargs.pop("other", args[0] if args else None)
    if isinstance(like, Tensor):
        args = like.device, like.dtype
    copy = kwargs.pop("copy", False)
    device, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
    device = CUDA if device is not None and device.type == "cuda" else device
    dtype = x.dtype if dtype is None else dtype
    with torch._C.DisableTorchFunction():
        if device is None or device == x.device:
            return Tensor.to(x, dtype=dtype, copy=copy)
        if "meta" in (device.type, x.device.type):
            return Tensor.to(x, device=device, dtype=dtype)
        return Tensor.to(_Move.apply(x), dtype=dtype)


class _Calls(TorchFunctionMode):
    """See every call from Python: a device gets its number, moves are made, and it is noted what the call is about."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        device = kwargs.get("device")
        if device is not None:
            device = kwargs["device"] = CUDA if torch.device(device).type == "cuda" else torch.device(device)
        if func is Tensor.to:
            return _moved(*args, **kwargs)
        if func in (Tensor.cuda, Tensor.cpu):
            return _moved(args[0], CUDA if func is Tensor.cuda else CPU)
        if func is torch.as_tensor and isinstance(args[0], Tensor):
            return _moved(*args, **kwargs)
        if func is Tensor.new_tensor:
            kwargs = {"device": args[0].device, "dtype": args[0].dtype, **kwargs}
            func, args, device = torch.tensor, args[1:], kwargs["device"]
        if func in (torch.tensor, torch.as_tensor) and device is not None:
            leaf = kwargs.pop("requires_grad", False)
            return _moved(func(*args, **{**kwargs, "device": CPU}), device).requires_grad_(leaf)
        on_cuda = any(isinstance(x, _Tensor) for x in tree_leaves((args, kwargs)))
        _calls.append((device, on_cuda))
        try:
            return func(*args, **kwargs)
        finally:
            _calls.pop()


class _Operations(TorchDispatchMode):
    """Sees operations without a tensor, which make one."""

    _mode_key = torch._C._TorchDispatchModeKey.FAKE  # type: ignore[assignment]  # torch does not look for CUDA then

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _backward(*args: Any, **kwargs: Any) -> Any:
    """Run a backward pass, seeing the calls of the Python functions in it."""
    with _Calls():
        return _engine(*args, **kwargs)


_engine = torch.autograd.graph._engine_run_backward


def _swapped(a: Tensor, b: Tensor) -> None:
    """Give a module's parameter its new values, unless it has them already: then it may be in use."""
    if (a.device, a.dtype, a.data_ptr()) != (b.device, b.dtype, b.data_ptr()):
        _swap(a, b)


_swap = torch.utils.swap_tensors


@contextmanager
def emulated_cuda() -> Iterator[None]:
    """Let `device="cuda"` work inside the `with` block; `torch.cuda.is_available()` stays as it is."""
    swaps = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # a module's parameters stay the same objects
    with ExitStack() as stack:
        stack.callback(torch.__future__.set_swap_module_params_on_conversion, swaps)
        stack.enter_context(patch.object(torch.utils, "swap_tensors", _swapped))
        stack.enter_context(patch.object(torch.cuda, "synchronize", lambda device=None: None))
        stack.enter_context(patch("torch.autograd._engine_run_backward", _backward))
        stack.enter_context(_Operations())
        stack.enter_context(_Calls())
        yield
