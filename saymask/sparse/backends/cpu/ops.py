"""The CPU backend: numba kernel maps and gather-GEMM in float32 and bfloat16; float64 goes to the reference.

bfloat16 products run on AMX tiles where the CPU has them. With `torch.backends.mkldnn.conv.fp32_precision = "bf16"`,
torch's own switch for float32 convolutions, features in float32 are multiplied in bfloat16 there too and summed in
float32; without AMX the switch changes nothing.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from saymask.sparse.backends import reference
from saymask.sparse.backends.cpu import amx
from saymask.sparse.backends.cpu import kernels as cpu_kernels
from saymask.sparse.backends.cpu.sites import block_starts, build_map, coarsen, map_from_parents, sort_sites
from saymask.sparse.backends.cpu.tiles import HAS_BF16, LANES
from saymask.sparse.backends.epilogue import Epilogue
from saymask.sparse.backends.precision import conv_precision
from saymask.sparse.kernel_map import KernelMap
from saymask.util.threads import split_work

__all__ = [
    "build_map",
    "coarsen",
    "conv",
    "input_gradient",
    "map_from_parents",
    "pack_weight",
    "run",
    "sort_sites",
    "weight_gradient",
]

_NOTHING = np.empty((0, 0), np.float32)
_NOTHING16 = np.empty((0, 0), np.uint16)
_NO_SCALE = np.empty(0, np.float32)


def block_rows(n_out: int) -> int:
    """Output rows per block: large enough to re-use a weight panel, small enough for the cache and for all threads."""
    return 1024 if n_out >= 16384 else 256


def pack_weight(weight: Tensor, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """Return a weight [K, C_in, C_out] in the order the tiles read it: per offset, per column tile, rows of vectors.

    Columns are zero-padded to whole vectors. bfloat16: input channels go in pairs (uint16 [.., pair, column, 2]), on a
    CPU with AMX in tiles (`amx.pack_weight`).
    """
    bf16 = dtype == torch.bfloat16
    if bf16 and amx.has_amx():
        return amx.pack_weight(weight)
    volume, cin, cout = weight.shape
    weight = weight.detach()
    tiles = cpu_kernels.column_tiles(cout)
    width = int(tiles[-1].sum()) * LANES
    if bf16:
        pairs = (cin + 1) // 2
        padded = torch.zeros((volume, 2 * pairs, width), dtype=torch.bfloat16)
        padded[:, :cin, :cout] = weight
        grouped = padded.reshape(volume, pairs, 2, width).transpose(2, 3)  # [K, pair, column, 2]
        packed = torch.empty((volume, pairs * width * 2), dtype=torch.bfloat16)
        for first, count in tiles.tolist():
            columns = grouped[:, :, first * LANES : (first + count) * LANES]
            start = pairs * first * LANES * 2
            packed[:, start : start + pairs * count * LANES * 2] = columns.reshape(volume, -1)
        return packed.view(torch.int16).numpy().view(np.uint16)
    packed = torch.zeros((volume, cin * width), dtype=torch.float32)
    for first, count in tiles.tolist():
        columns = weight[:, :, first * LANES : (first + count) * LANES]
        part = packed[:, cin * first * LANES : cin * (first + count) * LANES].view(volume, cin, count * LANES)
        part[:, :, : columns.shape[2]] = columns
    return packed.numpy()


def run(x: Tensor, packed: np.ndarray, cout: int, kernel_map: KernelMap, epilogue: Epilogue) -> None:
    """Convolve x [n_in, C_in] (float32 or bfloat16, as `packed`) and write the targets of `epilogue`."""
    rows = block_rows(kernel_map.n_out)
    starts = block_starts(kernel_map, rows)
    arrays = _arrays(epilogue, kernel_map.n_out)
    in_rows, out_rows = kernel_map.in_rows.numpy(), kernel_map.out_rows.numpy()
    function: Callable[..., None]
    if packed.ndim == 6:
        source, layout, function = amx.padded_bits(x), amx.CONFIGURATION, amx.forward_amx
    else:
        source = _bits(x) if x.dtype == torch.bfloat16 else x.detach().numpy()
        layout, function = cpu_kernels.column_tiles(cout), cpu_kernels.forward

    def work(first: int, last: int) -> None:
        function(source, packed, layout, cout, in_rows, out_rows, starts, first, last, rows, arrays)

    split_work(starts.shape[1] - 1, work)


def conv(x: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return y [n_out, C_out] with y[out] += x[in] @ weight[k]; same values as `reference.conv`."""
    if x.dtype == torch.bfloat16 and HAS_BF16 and x.shape[1] and weight.shape[2]:
        if x.shape[1] % 2:  # channels are read in pairs
            x = torch.nn.functional.pad(x, (0, 1))
        y = torch.empty((kernel_map.n_out, weight.shape[2]), dtype=torch.bfloat16)
        run(x, pack_weight(weight, torch.bfloat16), weight.shape[2], kernel_map, Epilogue(raw=y))
        return y
    if x.dtype != torch.float32 or not x.shape[1] or not weight.shape[2]:
        return reference.conv(x, weight, kernel_map)
    y = torch.empty((kernel_map.n_out, weight.shape[2]))
    packed = pack_weight(weight, torch.bfloat16 if _in_tiles() else torch.float32)
    run(x, packed, weight.shape[2], kernel_map, Epilogue(raw=y))
    return y


def input_gradient(grad: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return d(loss)/d(x) [n_in, C_in]; same values as `reference.input_gradient`."""
    return conv(grad, weight.transpose(1, 2), kernel_map.transposed)


def weight_gradient(x: Tensor, grad: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return d(loss)/d(weight) [K, C_in, C_out]; same values as `reference.weight_gradient`."""
    bf16 = x.dtype == torch.bfloat16
    if x.shape[1] and grad.shape[1] and (bf16 or x.dtype == torch.float32) and _in_tiles(always=bf16):
        return _weight_gradient_in_tiles(x, grad, kernel_map)
    if bf16:  # sums over many pairs: always in float32
        return weight_gradient(x.float(), grad.float(), kernel_map).to(torch.bfloat16)
    if x.dtype != torch.float32 or not x.shape[1] or not grad.shape[1]:
        return reference.weight_gradient(x, grad, kernel_map)
    cout = grad.shape[1]
    tiles = cpu_kernels.column_tiles(cout)
    width = int(tiles[-1].sum()) * LANES
    if width != cout:
        grad = torch.nn.functional.pad(grad, (0, width - cout))
    starts = block_starts(kernel_map, block_rows(kernel_map.n_out))
    arrays = (x.detach().numpy(), grad.detach().numpy(), tiles, kernel_map.in_rows.numpy(), kernel_map.out_rows.numpy())
    shape = (kernel_map.volume, x.shape[1], width)
    total = _summed(shape, starts, lambda *part: cpu_kernels.weight_gradient_blocks(*arrays, *part))
    return total[:, :, :cout].contiguous()


def _weight_gradient_in_tiles(x: Tensor, grad: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return `weight_gradient` with bfloat16 products on AMX tiles, in the type of x."""
    starts = block_starts(kernel_map, block_rows(kernel_map.n_out))
    left, right = amx.padded_bits(x, spare=1), amx.padded_bits(grad, spare=1)
    arrays = (left, right, amx.CONFIGURATION, kernel_map.in_rows.numpy(), kernel_map.out_rows.numpy())
    shape = (kernel_map.volume, left.shape[1], right.shape[1])
    total = _summed(shape, starts, lambda *part: amx.weight_gradient_amx(*arrays, *part))
    return total[:, : x.shape[1], : grad.shape[1]].to(x.dtype, memory_format=torch.contiguous_format)


def _in_tiles(*, always: bool = False) -> bool:
    """Say whether AMX tiles multiply: the CPU has them and bfloat16 is wanted, `always` or by torch's switch."""
    return (always or conv_precision() == "bf16") and amx.has_amx()


def _summed(shape: tuple[int, int, int], starts: np.ndarray, add: Callable[..., None]) -> Tensor:
    """Return float32 `shape`, the sum of what add(starts, first, last, array) adds to an array for all blocks."""
    sums: list[np.ndarray] = []

    def work(first: int, last: int) -> None:
        part = np.zeros(shape, np.float32)
        add(starts, first, last, part)
        sums.append(part)

    split_work(starts.shape[1] - 1, work)
    total = torch.zeros(shape)
    for part in sums:
        total += torch.from_numpy(part)
    return total


def _arrays(epilogue: Epilogue, n_out: int) -> tuple:
    """Return the last arguments of `cpu_kernels.forward` and `amx.forward_amx`."""
    if epilogue.residual is not None and epilogue.residual.dtype != torch.float32:
        raise TypeError("the residual is float32")
    act, act16, act_column = _target(epilogue.act)
    extra, extra16, extra_column = _target(epilogue.extra)
    raw, raw16, raw_column = _target(epilogue.raw)
    return (
        _target(epilogue.residual)[0], raw, raw16, raw_column,
        act, act16, act_column, _vector(epilogue.act_scale), _vector(epilogue.act_shift),
        extra, extra16, extra_column, _vector(epilogue.extra_scale), _vector(epilogue.extra_shift), n_out,
    )  # fmt: skip


def _bits(tensor: Tensor) -> np.ndarray:
    return tensor.detach().view(torch.int16).numpy().view(np.uint16)


def _vector(tensor: Tensor | None) -> np.ndarray:
    return _NO_SCALE if tensor is None else tensor.detach().contiguous().numpy()


def _target(tensor: Tensor | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (float32 array, bfloat16 bits, first column) of a tensor that may be a column slice of a wider one."""
    if tensor is None:
        return _NOTHING, _NOTHING16, 0
    width = tensor.stride(0) if tensor.shape[0] > 1 else tensor.shape[1]
    offset = int(tensor.storage_offset())
    column = offset % width if width else 0
    whole = tensor.detach().as_strided((tensor.shape[0], width), (width, 1), offset - column)
    if tensor.dtype == torch.bfloat16:
        return _NOTHING, _bits(whole), column
    return whole.numpy(), _NOTHING16, column
