"""Checksums of arrays: they tell a file that was damaged from one that is as it was written."""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def checksum(arrays: Mapping[str, Any], about: str = "") -> str:
    """Return the CRC-32 of a text and of arrays or CPU tensors by name, whatever their order: eight hexadecimal digits.

    It finds flipped bits and lost blocks; against intent it is no help.
    """
    value = zlib.crc32(about.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        value = zlib.crc32(_bytes(arrays[name]), zlib.crc32(name.encode("utf-8", "surrogatepass"), value))
    return f"{value:08x}"


def _bytes(array: Any) -> memoryview:
    """Return the bytes of an array or tensor, uint8 [n]; numpy has no type for all of torch's."""
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    import torch

    return array.contiguous().reshape(-1).view(torch.uint8).numpy().data
