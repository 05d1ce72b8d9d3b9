"""The epilogue of a convolution: what is written of its sums while they are at hand."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Epilogue:
    """Epilogue of a convolution: raw sums plus `residual`, and up to two activated copies relu(raw · scale + shift).

    Targets are [n_out, C] in the type of the activations or float32, and may be column slices of wider tensors; a
    target may be the residual itself, whose rows are read before they are written.
    """

    raw: Tensor | None = None
    residual: Tensor | None = None
    act: Tensor | None = None
    act_scale: Tensor | None = None
    act_shift: Tensor | None = None
    extra: Tensor | None = None
    extra_scale: Tensor | None = None
    extra_shift: Tensor | None = None
