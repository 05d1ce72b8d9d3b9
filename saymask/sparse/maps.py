"""Kernel maps: which input row meets which output row under each kernel offset."""

from itertools import product

from torch import Tensor

from saymask.errors import InputError
from saymask.sparse.backends.select import backend_for
from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.keys import MARGIN, key_step


def kernel_offsets(size: int, *, step: int = 1) -> list[tuple[int, int, int]]:
    """Return the K = size³ offsets (x, y, z) in the order of canonical weights: x slowest, z fastest.

    Odd sizes are centred, even sizes run from 0 upwards (as in spconv and MinkowskiEngine); `step` is tensor stride ×
    dilation.
    """
    if size < 1 or step < 1:
        raise InputError(f"expected a kernel size and step of at least 1, got {size} and {step}")
    first = -(size // 2) if size % 2 else 0
    axis = [(first + i) * step for i in range(size)]
    if max(abs(a) for a in axis) >= MARGIN:
        raise InputError(f"kernel size {size} with step {step} reaches farther than {MARGIN - 1} sites")
    return list(product(axis, axis, axis))


def build_map(in_keys: Tensor, out_keys: Tensor, size: int, *, step: int = 1, backend: str = "auto") -> KernelMap:
    """Return the map of a convolution: output site c sees input site c + o under every kernel offset o.

    in_keys int64 [V_in] and out_keys int64 [V_out] are sorted site keys on one lattice: for a strided convolution give
    the output sites in input units. `step` multiplies the offsets. A transposed convolution from A to B is the
    `transposed` of the map built with inputs B and outputs A.
    """
    steps = [key_step(offset) for offset in kernel_offsets(size, step=step)]
    same = in_keys is out_keys and size % 2 == 1
    return backend_for(in_keys, backend).build_map(in_keys, out_keys, steps, symmetric=same)


def map_from_parents(parent: Tensor, tap: Tensor, n_coarse: int) -> KernelMap:
    """Return the map of a stride-2, size-2 convolution from each fine row's coarse row and tap.

    parent: int32 [V], -1 where a fine site has no coarse site; tap: uint8 [V], 4 (x mod 2) + 2 (y mod 2) + (z mod 2).
    """
    return backend_for(parent).map_from_parents(parent, tap, n_coarse)
