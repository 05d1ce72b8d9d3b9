"""Torch's switch for the products of float32 convolutions on the CPU, which sparse convolutions follow."""

from typing import Any

import torch

_MKLDNN: Any = torch.backends.mkldnn  # whose types leave `conv` out


def conv_precision() -> str:
    """Return how float32 convolutions multiply on the CPU by torch's switch: "bf16", or "ieee" or "none" (float32)."""
    return str(_MKLDNN.conv.fp32_precision)


def set_conv_precision(precision: str) -> None:
    """Set torch's switch, `torch.backends.mkldnn.conv.fp32_precision`."""
    _MKLDNN.conv.fp32_precision = precision
