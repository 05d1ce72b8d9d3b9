"""What the backbone cases of several systems share: filled weights and a run that shows every intermediate array."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saymask.nn.unet.network import SparseUNet
from saymask.sparse import SitePyramid, use_backend
from tests.parity import fill_state, placed


def official_shapes(unet: SparseUNet, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Official name → official shape, as spconv 2.x stores it."""
    shapes: dict[str, tuple[int, ...]] = {}
    state = unet.state_dict()
    for ours, theirs in unet.official_keys().items():
        value = state[ours]
        if ours.endswith("shortcut.weight"):
            shapes[prefix + theirs] = (value.shape[0], 1, 1, 1, value.shape[1])
        elif value.ndim == 3:
            k = round(value.shape[0] ** (1 / 3))
            shapes[prefix + theirs] = (value.shape[2], k, k, k, value.shape[1])
        else:
            shapes[prefix + theirs] = tuple(value.shape)
    return shapes


def filled_unet() -> SparseUNet:
    """The backbone of all published models with the golden weights, in eval mode."""
    unet = SparseUNet()
    unet.load_official(fill_state(official_shapes(unet)))
    return placed(unet.eval())


def traced(unet: SparseUNet, feats: Tensor, pyramid: SitePyramid) -> dict[str, Any]:
    """Run layer by layer (hooks keep the fused path away); return input_conv, head{l}, tail{l}, up{l}, output."""
    seen: dict[str, Any] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.__setitem__(name, output)

    hooks = [unet.input_conv.register_forward_hook(keep("input_conv"))]
    hooks.append(unet.levels[0].blocks[0].register_forward_hook(keep("first_block")))
    for index, level in enumerate(unet.levels, start=1):
        hooks.append(level.blocks[-1].register_forward_hook(keep(f"head{index}")))
        if level.has_coarser:
            hooks.append(level.up.register_forward_hook(keep(f"up{index}")))
    with torch.no_grad():
        seen["output"], tails = unet(feats, pyramid, return_levels=True)
    for hook in hooks:
        hook.remove()
    return seen | {f"tail{index}": tail for index, tail in enumerate(tails, start=1)}


def every_path(unet: SparseUNet, feats: Tensor, pyramid: SitePyramid) -> dict[str, tuple[Tensor, list[Tensor]]]:
    """Run the fused path, the same through `at_level`, and the torch twin; return name → (output, level outputs)."""
    result = {}
    with torch.no_grad():
        result["fused"] = unet(feats, pyramid, return_levels=True)
        result["fused.at_level"] = unet(feats, pyramid, lambda level, x: x, return_levels=True)
        with use_backend("torch"):
            result["twin"] = unet(feats, pyramid, return_levels=True)
    return result
