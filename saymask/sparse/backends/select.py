"""The choice of the backend of the sparse operations: `torch` (the readable reference, any device) or `cpu` (fast)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

import torch
from torch import Tensor

from saymask.errors import InputError

BACKENDS = ("auto", "torch", "cpu")
_forced: ContextVar[str] = ContextVar("saymask_sparse_backend", default="auto")


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run every sparse operation inside the `with` block on backend `name` where a call does not name one itself."""
    token = _forced.set(_checked(name))
    try:
        yield
    finally:
        _forced.reset(token)


def backend_name(tensor: Tensor, name: str = "auto") -> str:
    """Return the backend that serves `tensor`: the named one, else the forced one, else the fastest for its device."""
    chosen = _checked(name)
    if chosen == "auto":
        chosen = _forced.get()
    if chosen == "auto":
        chosen = "cpu" if tensor.device.type == "cpu" else "torch"
    if chosen == "cpu" and tensor.device.type != "cpu":
        raise InputError(f"backend 'cpu' needs tensors on the CPU, got {tensor.device}: use 'torch' or 'auto'")
    return chosen


def backend_for(tensor: Tensor, name: str = "auto") -> ModuleType:
    """Return the module (build_pairs, conv, weight_gradient) that serves `tensor`; numba is imported only when used."""
    if backend_name(tensor, name) == "cpu":
        from saymask.sparse.backends.cpu import ops as cpu

        return cpu
    from saymask.sparse.backends import reference

    return reference


def cpu_has_bf16() -> bool:
    """Say whether this CPU multiplies bfloat16 natively (AVX512_BF16 or AMX), for torch and for our own kernels."""
    if not torch.cpu._is_avx512_bf16_supported():
        return False
    from saymask.sparse.backends.cpu.tiles import HAS_BF16

    return HAS_BF16


@contextmanager
def inference_precision(device: torch.device | str = "cpu") -> Iterator[torch.dtype]:
    """Run a block in bfloat16 autocast where the device multiplies bfloat16 natively, else in float32; yields the type.

    The sparse U-Net keeps its sums and residuals in float32 either way.
    """
    kind = torch.device(device).type
    fast = cpu_has_bf16() if kind == "cpu" else kind == "cuda" and torch.cuda.is_bf16_supported()
    with torch.autocast(kind, torch.bfloat16, enabled=fast):
        yield torch.bfloat16 if fast else torch.float32


def _checked(name: str) -> str:
    if name not in BACKENDS:
        raise InputError(f"unknown sparse backend {name!r}: expected one of {', '.join(BACKENDS)}")
    return name
