"""The choice of the backend of the sparse operations: `torch` (reference, any device), `cpu` or `triton` (CUDA)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor

from saymask.errors import InputError

BACKENDS = ("auto", "torch", "cpu", "triton")
PRECISIONS = ("auto", "fp32", "bf16")
_precision: ContextVar[str] = ContextVar("saymask_inference_precision", default="")
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
        chosen = _fastest(tensor.device.type)
    if chosen == "cpu" and tensor.device.type != "cpu":
        raise InputError(f"backend 'cpu' needs tensors on the CPU, got {tensor.device}: use 'torch' or 'auto'")
    if chosen == "triton":
        if not _has_triton():
            raise InputError("backend 'triton' needs the package triton, which is not installed: use 'torch' or 'auto'")
        if tensor.device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
            raise InputError(f"backend 'triton' needs tensors on CUDA, got {tensor.device}: use 'torch' or 'auto'")
    return chosen


def _fastest(device: str) -> str:
    if device == "cpu":
        return "cpu"
    return "triton" if device == "cuda" and _has_triton() else "torch"


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def backend_for(tensor: Tensor, name: str = "auto") -> ModuleType:
    """Return the module (maps, convolution, gradients) that serves `tensor`, with numba or Triton only if used."""
    chosen = backend_name(tensor, name)
    if chosen == "cpu":
        from saymask.sparse.backends.cpu import ops as cpu

        return cpu
    if chosen == "triton":
        from saymask.sparse.backends.triton import ops as gpu

        return gpu
    from saymask.sparse.backends import reference

    return reference


def cpu_has_bf16() -> bool:
    """Say whether this CPU multiplies bfloat16 natively (AVX512_BF16 or AMX), for torch and for our own kernels."""
    if not torch.cpu._is_avx512_bf16_supported():
        return False
    from saymask.sparse.backends.cpu.tiles import HAS_BF16

    return HAS_BF16


@contextmanager
def inference_precision(name: str = "auto") -> Iterator[torch.dtype]:
    """Choose how fused sparse networks multiply on the CPU inside the `with` block; yields the type.

    `auto`: bfloat16 where this CPU gains by it (`bf16_pays`), else float32; `fp32`; `bf16`. Sums and residuals are
    float32 either way, and training is not concerned. Outside of any block $SAYMASK_PRECISION counts, `auto` without
    it. Raises InputError for another name, and for bf16 on a CPU without it.
    """
    token = _precision.set(name)
    try:
        yield inference_dtype()
    finally:
        _precision.reset(token)


def inference_dtype(device: str = "cpu") -> torch.dtype:
    """Return the type of the products of fused sparse networks: autocast's, else on the CPU `inference_precision`'s."""
    if device != "cpu":
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    if torch.is_autocast_enabled("cpu"):
        wanted = torch.get_autocast_dtype("cpu") == torch.bfloat16
        return torch.bfloat16 if wanted and cpu_has_bf16() else torch.float32
    name = _precision.get() or os.environ.get("SAYMASK_PRECISION") or "auto"
    if name not in PRECISIONS:
        raise InputError(f"inference precision (SAYMASK_PRECISION): expected {', '.join(PRECISIONS)}, got {name!r}")
    if name == "bf16" and not cpu_has_bf16():
        raise InputError("inference precision: expected a CPU with AVX512_BF16 or AMX for bf16, got none; use auto")
    if name == "auto" and cpu_has_bf16():
        from saymask.sparse.backends.cpu.speed import bf16_pays

        return torch.bfloat16 if bf16_pays() else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def training_precision(name: str) -> str:
    """Return how sparse convolutions multiply in training: `name`, or for "auto" as in inference, "bf16" or "ieee"."""
    if name != "auto":
        return name
    return "bf16" if inference_dtype() == torch.bfloat16 else "ieee"


def _checked(name: str) -> str:
    if name not in BACKENDS:
        raise InputError(f"unknown sparse backend {name!r}: expected one of {', '.join(BACKENDS)}")
    return name
