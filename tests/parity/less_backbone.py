"""LESS: the plain sparse U-Net and the list of its official tensors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.nn.unet.network import SparseUNet
from saymask.sparse import build_sites, cpu_has_bf16, inference_precision
from saymask.sparse.importers import to_spconv2
from tests.parity import Check, case, fill_tensor, placed
from tests.parity.backbones import every_path, filled_unet, official_shapes, traced


@case("less", "keys_backbone_spformer")
def keys(data: dict[str, Any], path: Path) -> Iterator[Check]:
    shapes = official_shapes(SparseUNet())
    yield Check("names", np.array(sorted(shapes)), np.array(sorted(data)))
    for name, shape in data.items():
        yield Check(name, np.array(shapes.get(name, ()), dtype=np.int64), np.array(shape, dtype=np.int64))


@case("less", "backbone")
def backbone(data: dict[str, Any], path: Path) -> Iterator[Check]:
    unet = filled_unet()
    coords, feats = placed(data["voxel_coords"]), placed(data["voxel_feats"])
    for run in ("big", "tight"):
        pyramid = build_sites(coords, 5, spatial_shape=data[f"{run}.spatial_shape"].tolist())
        back = pyramid.inverse
        got = traced(unet, feats[pyramid.order], pyramid)
        for l in range(1, 6):
            yield Check(f"{run}.shape{l}", np.array(pyramid.levels[l - 1].spatial_shape), data[f"{run}.shape{l}"])
            if l > 1:
                yield Check(f"{run}.coords{l}", pyramid.levels[l - 1].coords, data[f"{run}.coords{l}"])
        yield Check(f"{run}.output", got["output"][back], data[f"{run}.output"], 1e-4)
        yield Check(f"{run}.deconv1", got["up1"][back], data[f"{run}.deconv1"], 1e-4)
        if run == "big":
            yield Check("big.input_conv", got["input_conv"][back], data["big.input_conv"], 2e-5, 1e-5)
            yield Check("big.head1", got["head1"][back], data["big.head1"], 1e-4)
            for l in range(2, 6):
                yield Check(f"big.head{l}", got[f"head{l}"], data[f"big.head{l}"], 1e-4)
                yield Check(f"big.tail{l}", got[f"tail{l}"], data[f"big.tail{l}"], 1e-4)
        for name, (output, tails) in every_path(unet, feats[pyramid.order], pyramid).items():
            yield Check(f"{run}.output ({name})", output[back], data[f"{run}.output"], 1e-4)
            if run == "big":
                for l in range(2, 6):
                    yield Check(f"big.tail{l} ({name})", tails[l - 1], data[f"big.tail{l}"], 1e-4)
        fast = "bf16" if cpu_has_bf16() else "fp32"
        with torch.no_grad(), inference_precision(fast) as dtype:
            low = unet(feats[pyramid.order], pyramid).float()[back]
        expected = placed(data[f"{run}.output"])
        # bfloat16 has 8 bits: 0.4 % per rounding; the float32 residual path keeps the whole net within 1 %
        limit = 0.01 if dtype == torch.bfloat16 else 1e-4
        yield Check(f"{run}.output relative error in {dtype}", (low - expected).norm() / expected.norm(), 0.0, limit)
    pyramid = build_sites(coords, 5, spatial_shape=[128] * 3)
    out = unet(feats[pyramid.order], pyramid)[pyramid.inverse]
    loss = (out * placed(fill_tensor("probe", tuple(out.shape)))).sum()
    loss.backward()
    yield Check("grad.loss", loss, data["grad.loss"], 1e-4, 1e-3)
    names = {theirs: ours for ours, theirs in unet.official_keys().items()}
    gradients = {name: parameter.grad for name, parameter in unet.named_parameters()}
    norms = np.array([gradients[names[name]].norm().item() for name in data["grad.names"].tolist()])
    yield Check("grad.norms", norms, data["grad.norms"], 0.0, 1e-3)
    full = to_spconv2(gradients["input_conv.weight"])
    yield Check("grad.input_conv.0.weight", full, data["grad.input_conv.0.weight"], 1e-4, 1e-3)
    unet = filled_unet().train()
    with torch.no_grad():
        out = unet(feats[pyramid.order], pyramid)[pyramid.inverse]
    norm = "train.output_layer.0"
    yield Check("train.output", out, data["train.output"], 1e-4)
    yield Check("train.running_mean", unet.output_norm.running_mean, data[f"{norm}.running_mean"], 1e-5, 1e-4)
    yield Check("train.running_var", unet.output_norm.running_var, data[f"{norm}.running_var"], 1e-5, 1e-4)
