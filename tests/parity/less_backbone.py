"""LESS: the plain sparse U-Net and the list of its official tensors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.nn.sparse_unet import SparseUNet
from saymask.sparse import build_sites
from tests.parity import Check, case, fill_state, fill_tensor


def _shapes(unet: SparseUNet) -> dict[str, tuple[int, ...]]:
    """Official name → official shape, as spconv 2.x stores it."""
    shapes: dict[str, tuple[int, ...]] = {}
    state = unet.state_dict()
    for ours, theirs in unet.official_keys().items():
        value = state[ours]
        if ours.endswith("shortcut.weight"):
            shapes[theirs] = (value.shape[0], 1, 1, 1, value.shape[1])
        elif value.ndim == 3:
            k = round(value.shape[0] ** (1 / 3))
            shapes[theirs] = (value.shape[2], k, k, k, value.shape[1])
        else:
            shapes[theirs] = tuple(value.shape)
    return shapes


def _filled() -> SparseUNet:
    unet = SparseUNet()
    unet.load_official(fill_state(_shapes(unet)))
    return unet.eval()


@case("less", "keys_backbone_spformer")
def keys(data: dict[str, Any], path: Path) -> Iterator[Check]:
    shapes = _shapes(SparseUNet())
    yield Check("names", np.array(sorted(shapes)), np.array(sorted(data)))
    for name, shape in data.items():
        yield Check(name, np.array(shapes.get(name, ()), dtype=np.int64), np.array(shape, dtype=np.int64))


@case("less", "backbone")
def backbone(data: dict[str, Any], path: Path) -> Iterator[Check]:
    unet = _filled()
    coords = torch.from_numpy(data["voxel_coords"])
    feats = torch.from_numpy(data["voxel_feats"])
    heads: dict[int, torch.Tensor] = {}
    deconv: list[torch.Tensor] = []
    for index, level in enumerate(unet.levels):
        level.blocks[-1].register_forward_hook(lambda m, i, o, index=index: heads.__setitem__(index, o))
    unet.levels[0].up.register_forward_hook(lambda m, i, o: deconv.append(o))
    for run in ("big", "tight"):
        shape = data[f"{run}.spatial_shape"].tolist()
        pyramid = build_sites(coords, 5, spatial_shape=shape)
        back = pyramid.inverse
        deconv.clear()
        first = []
        with torch.no_grad():
            out, levels = unet(
                feats[pyramid.order], pyramid, lambda i, x, first=first: (first.append(x), x)[1], return_levels=True
            )
        for l in range(1, 6):
            yield Check(f"{run}.shape{l}", np.array(pyramid.levels[l - 1].spatial_shape), data[f"{run}.shape{l}"])
            if l > 1:
                yield Check(f"{run}.coords{l}", pyramid.levels[l - 1].coords, data[f"{run}.coords{l}"])
        yield Check(f"{run}.output", out[back], data[f"{run}.output"], 1e-4)
        yield Check(f"{run}.deconv1", deconv[0][back], data[f"{run}.deconv1"], 1e-4)
        if run == "big":
            yield Check("big.input_conv", first[0][back], data["big.input_conv"], 2e-5, 1e-5)
            for l in range(1, 6):
                rows = back if l == 1 else slice(None)
                yield Check(f"big.head{l}", heads[l - 1][rows], data[f"big.head{l}"], 1e-4)
                if l > 1:
                    yield Check(f"big.tail{l}", levels[l - 1], data[f"big.tail{l}"], 1e-4)
    pyramid = build_sites(coords, 5, spatial_shape=[128] * 3)
    out = unet(feats[pyramid.order], pyramid)[pyramid.inverse]
    loss = (out * torch.from_numpy(fill_tensor("probe", tuple(out.shape)))).sum()
    loss.backward()
    yield Check("grad.loss", loss, data["grad.loss"], 1e-4, 1e-3)
    names = {theirs: ours for ours, theirs in unet.official_keys().items()}
    gradients = {name: parameter.grad for name, parameter in unet.named_parameters()}
    norms = np.array([gradients[names[name]].norm().item() for name in data["grad.names"].tolist()])
    yield Check("grad.norms", norms, data["grad.norms"], 0.0, 1e-3)
    from saymask.sparse.importers import to_spconv2

    full = to_spconv2(gradients["input_conv.weight"])
    yield Check("grad.input_conv.0.weight", full, data["grad.input_conv.0.weight"], 1e-4, 1e-3)
    unet = _filled().train()
    with torch.no_grad():
        out = unet(feats[pyramid.order], pyramid)[pyramid.inverse]
    yield Check("train.output", out, data["train.output"], 1e-4)
    yield Check("train.running_mean", unet.output_norm.running_mean, data["train.output_layer.0.running_mean"], 1e-5, 1e-4)
    yield Check("train.running_var", unet.output_norm.running_var, data["train.output_layer.0.running_var"], 1e-5, 1e-4)
