"""Torch's switches for products of float32 numbers: on the CPU sparse convolutions follow the one for convolutions.

On CUDA they follow the one for matrix products, as the reference does by its nature.
"""

from typing import Any

import torch

_MKLDNN: Any = torch.backends.mkldnn  # whose types leave `conv` out


def conv_precision() -> str:
    """Return how float32 convolutions multiply on the CPU by torch's switch: "bf16", or "ieee" or "none" (float32)."""
    return str(_MKLDNN.conv.fp32_precision)


def cuda_precision() -> str:
    """Return how float32 is multiplied on CUDA by torch's switch: "tf32", or "ieee" (float32)."""
    return "tf32" if torch.backends.cuda.matmul.fp32_precision == "tf32" else "ieee"


def set_precision(conv: str, matmul: str) -> None:
    """Set torch's switches `torch.backends.mkldnn.conv.fp32_precision` and `matmul.fp32_precision`."""
    _MKLDNN.conv.fp32_precision = conv
    _MKLDNN.matmul.fp32_precision = matmul
