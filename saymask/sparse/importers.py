"""Weights of other sparse engines in the canonical layout [K, C_in, C_out] (K: x slowest, z fastest), and back."""

from torch import Tensor

from saymask.errors import InputError


def from_spconv2(weight: Tensor) -> Tensor:
    """Return the canonical form of a spconv 2.x weight [out, kx, ky, kz, in] (coordinates ordered batch, x, y, z).

    A 1x1x1 weight is read as its memory reinterpreted as [in, out], which is what every released spconv 2.x multiplies
    with although the declared shape says otherwise (docs/systems/less.md §A.4).
    """
    _check_five(weight, "spconv 2.x [out, kx, ky, kz, in]")
    out, kx, ky, kz, cin = weight.shape
    if kx * ky * kz == 1:
        return weight.reshape(1, cin, out)
    return weight.permute(1, 2, 3, 4, 0).reshape(kx * ky * kz, cin, out).contiguous()


def to_spconv2(weight: Tensor) -> Tensor:
    """Return a canonical weight [K, in, out] as spconv 2.x stores it; the inverse of `from_spconv2`."""
    k = cube_root(weight.shape[0])
    _, cin, out = weight.shape
    if k == 1:
        return weight.reshape(out, 1, 1, 1, cin)
    return weight.reshape(k, k, k, cin, out).permute(4, 0, 1, 2, 3).contiguous()


def from_spconv1(weight: Tensor) -> Tensor:
    """Return the canonical form of a spconv 1.x weight [kx, ky, kz, in, out]."""
    _check_five(weight, "spconv 1.x [kx, ky, kz, in, out]")
    return weight.reshape(-1, *weight.shape[3:])


def to_spconv1(weight: Tensor) -> Tensor:
    """Return a canonical weight [K, in, out] as spconv 1.x stores it."""
    k = cube_root(weight.shape[0])
    return weight.reshape(k, k, k, *weight.shape[1:])


def from_minkowski(weight: Tensor) -> Tensor:
    """Return the canonical form of a MinkowskiEngine 0.5 kernel [K, in, out] with x fastest ([in, out] for size 1)."""
    if weight.ndim == 2:
        return weight[None]
    return _reverse_axes(weight)


def to_minkowski(weight: Tensor) -> Tensor:
    """Return a canonical weight [K, in, out] as MinkowskiEngine 0.5 stores it ([in, out] for size 1)."""
    if weight.shape[0] == 1:
        return weight[0]
    return _reverse_axes(weight)


def cube_root(volume: int) -> int:
    """Return k with k³ = volume; raises InputError when there is none."""
    k = round(volume ** (1 / 3))
    if k**3 != volume:
        raise InputError(f"expected a cubic kernel volume (1, 8, 27, 125, ...), got {volume}")
    return k


def _reverse_axes(weight: Tensor) -> Tensor:
    if weight.ndim != 3:
        raise InputError(f"expected a kernel [K, in, out], got {list(weight.shape)}")
    k = cube_root(weight.shape[0])
    return weight.reshape(k, k, k, *weight.shape[1:]).permute(2, 1, 0, 3, 4).reshape(weight.shape).contiguous()


def _check_five(weight: Tensor, layout: str) -> None:
    if weight.ndim != 5:
        raise InputError(f"expected a {layout} weight with five axes, got {list(weight.shape)}")
