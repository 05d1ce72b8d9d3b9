"""LGround: the networks with their intermediate arrays, losses, gradients and BatchNorm statistics; their key lists."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saymask.models.lground.losses.classification import cross_entropy
from saymask.models.lground.losses.offsets import instance_centers, offset_losses, offset_targets
from saymask.models.lground.official import load_official, official_name, official_state
from saymask.nn.res16unet.network import Res16UNet, res16unet
from saymask.sparse import SitePyramid, build_sites, use_backend
from tests.parity import Check, case, fill_state, placed

NETWORK = 1e-4
"""Absolute tolerance of a network's output."""
GRADIENT = {"atol": 1e-10, "rtol": 1e-3}


def filled(name: str, *, instances: bool = False, classes: int = 200) -> Res16UNet:
    """Return a network with the golden weights of its official tensors, in eval mode."""
    with torch.device("meta"):
        net = res16unet(name, classes, instances=instances)
    shapes = {key: tuple(value.shape) for key, value in official_state(net).items()}
    net = net.to_empty(device="cpu")
    load_official(net, fill_state(shapes))
    return placed(net.eval())


def _traced(net: Res16UNet, feats: Tensor, pyramid: SitePyramid) -> dict[str, tuple[int, Tensor]]:
    """Run layer by layer; return level and output of what the golden files call conv0p1s1, convtr4p16s2, block1..8."""
    seen: dict[str, tuple[int, Tensor]] = {}

    def keep(name: str, level: int) -> Callable[..., None]:
        return lambda module, inputs, output: seen.__setitem__(name, (level, output.clone()))

    modules: dict[str, tuple[int, nn.Module]] = {"conv0p1s1": (0, net.input_conv)}
    for i, stage in enumerate(net.encoder_stages):
        modules |= {f"conv{i + 1}p{2**i}s2": (i + 1, stage.conv), f"block{i + 1}": (i + 1, stage)}
    for i, stage in enumerate(net.decoder_stages):
        modules |= {f"convtr{i + 4}p{2 ** (4 - i)}s2": (3 - i, stage.conv), f"block{i + 5}": (3 - i, stage)}
    hooks = [module.register_forward_hook(keep(name, level)) for name, (level, module) in modules.items()]
    with torch.no_grad():
        net(feats, pyramid)
    for hook in hooks:
        hook.remove()
    return seen


def _intermediates(data: dict[str, Any], net: Res16UNet, feats: Tensor, pyramid: SitePyramid) -> Iterator[Check]:
    seen = _traced(net, feats, pyramid)
    for name in sorted(key.removesuffix("_coords") for key in data if key.endswith("_coords")):
        level, values = seen[name]
        lattice = pyramid.levels[level].coords * placed([1, *[2**level] * 3])  # official ones are not divided
        yield Check(f"{name}_coords", lattice, data[f"{name}_coords"])
        expected = data[f"{name}_feats"]
        yield Check(f"{name}_feats", values[: len(expected)], expected, NETWORK)


def _outputs(
    data: dict[str, Any], net: Res16UNet, feats: Tensor, pyramid: SitePyramid, names: dict[str, str]
) -> Iterator[Check]:
    """Compare every output on the fused path and on the readable reference; names: golden name → field."""
    back = pyramid.inverse
    for path in ("fused", "twin"):
        with torch.no_grad(), use_backend("auto" if path == "fused" else "torch"):
            found = net(feats, pyramid)
            short = net(feats, pyramid, features=False) if found.logits is not None else None
        for name, field in names.items():
            expected = data[name]
            yield Check(f"{name} ({path})", getattr(found, field)[back][: len(expected)], expected, NETWORK)
        if short is not None:
            yield Check(f"logits alone ({path})", short.logits[back], data["logits"], NETWORK)


def _gradients(data: dict[str, Any], net: Res16UNet, loss: Tensor) -> Iterator[Check]:
    net.zero_grad()
    loss.backward()
    norms = {official_name(name): p.grad.norm() for name, p in net.named_parameters() if p.grad is not None}
    for key in sorted(key for key in data if key.startswith("gradnorm/")):
        yield Check(key, norms[key.removeprefix("gradnorm/")], data[key], **GRADIENT)


def _semantic(data: dict[str, Any], variant: str) -> Iterator[Check]:
    net = filled(variant, classes=data["logits"].shape[1])
    pyramid = build_sites(placed(data["coords"]), 5)
    feats, target = placed(data["feats"])[pyramid.order], placed(data["target"]).long()
    back = pyramid.inverse
    yield from _intermediates(data, net, feats, pyramid)
    fields = {
        name: "logits" if name == "logits" else "features" for name in data if name.startswith(("log", "feature"))
    }
    yield from _outputs(data, net, feats, pyramid, fields)
    logits = net(feats, pyramid).logits[back]
    yield Check("logits (with gradients)", logits, data["logits"], NETWORK)
    loss = F.cross_entropy(logits, target, ignore_index=-1)
    yield Check("ce_loss_mean", loss, data["ce_loss_mean"], 1e-5, 1e-4)
    own = cross_entropy(logits, target).sum() / (target >= 0).sum()
    yield Check("ce_loss_mean (the stage's own)", own, data["ce_loss_mean"], 1e-5, 1e-4)
    yield from _gradients(data, net, loss)
    net.train()
    with torch.no_grad():
        logits = net(feats, pyramid).logits[back]
    yield Check(
        "train_ce_loss_mean", F.cross_entropy(logits, target, ignore_index=-1), data["train_ce_loss_mean"], 1e-4, 1e-4
    )
    buffers = {official_name(name): value for name, value in net.named_buffers()}
    for key in sorted(key for key in data if key.startswith("train_") and key.endswith(("_mean", "_var"))):
        if key != "train_ce_loss_mean":
            yield Check(key, buffers[key.removeprefix("train_")], data[key], 1e-5, 1e-4)


@case("lground", "res16unet34c")
def res16unet34c(data: dict[str, Any], path: Path) -> Iterator[Check]:
    yield from _semantic(data, "34C")


@case("lground", "res16unet34d")
def res16unet34d(data: dict[str, Any], path: Path) -> Iterator[Check]:
    yield from _semantic(data, "34D")


@case("lground", "res16unet34cr_proj")
def res16unet34cr_proj(data: dict[str, Any], path: Path) -> Iterator[Check]:
    net = filled("34CR_Proj", classes=0)
    pyramid = build_sites(placed(data["coords"]), 5)
    feats = placed(data["feats"])[pyramid.order]
    yield from _outputs(data, net, feats, pyramid, {"features": "features"})
    with torch.no_grad():
        projected = net.project(placed(data["anchors"]))
    yield Check("projected_anchors", projected, data["projected_anchors"], NETWORK)
    assert "final" in str(data["key_note"])
    yield Check("key_note: tensors called final", sum(k.startswith("final") for k in official_state(net)), 0)


def _instances(data: dict[str, Any], variant: str) -> Iterator[Check]:
    net = filled(variant, instances=True, classes=data["logits"].shape[1])
    coords, target = placed(data["coords"]), placed(data["target"]).long()
    instances, centers = placed(data["instance_ids"]), placed(data["centers"])
    pyramid = build_sites(coords, 5)
    feats, back = placed(data["feats"])[pyramid.order], pyramid.inverse
    yield from _outputs(data, net, feats, pyramid, {"offsets": "offsets", "logits": "logits"})
    valid = instances >= 0
    yield Check("centers", instance_centers(coords, instances)[valid], centers[valid], 1e-5, 1e-6)
    found = net(feats, pyramid)
    yield Check("features: smallest", found.features.min() >= 0, np.array(True))
    semantic = F.cross_entropy(found.logits[back], target, ignore_index=-1)
    wanted = offset_targets(coords, centers, float(data["voxel_size"]))
    norm, direction = offset_losses(found.offsets[back], wanted, instances)
    for name, value in (
        ("semantic_loss", semantic),
        ("offset_norm_loss", norm),
        ("offset_dir_loss", direction),
        ("total_loss", semantic + norm + direction),
    ):
        yield Check(name, value, data[name], 1e-5, 1e-4)
    yield from _gradients(data, net, semantic + norm + direction)


@case("lground", "insseg_res16unet34c")
def insseg_res16unet34c(data: dict[str, Any], path: Path) -> Iterator[Check]:
    yield from _instances(data, "34C")


@case("lground", "insseg_res16unet34d")
def insseg_res16unet34d(data: dict[str, Any], path: Path) -> Iterator[Check]:
    yield from _instances(data, "34D")


@case("lground", "keys", "keys_34C", "keys_34CR_Proj", "keys_insseg_34C", "keys_insseg_34D")
def keys(data: dict[str, Any], path: Path) -> Iterator[Check]:
    """Names and shapes of the official state dicts."""
    name = path.stem.removeprefix("keys").removeprefix("_") or "34D"
    instances = name.startswith("insseg_")
    with torch.device("meta"):
        state = official_state(res16unet(name.removeprefix("insseg_"), instances=instances))
    yield Check("names", sorted(state), sorted(data))
    for key in sorted(set(state) & set(data)):
        yield Check(key, list(state[key].shape), data[key])
