"""Inference of `Res16UNet` on the CPU and in Triton: norms, activations and residual sums inside the convolutions.

A BatchNorm after which nothing is added becomes the convolution's epilogue; one before a residual sum goes into the
weights (scale) and the epilogue (shift). Activations are float32, or a half type between float32 sums and residuals.
"""

from collections.abc import Iterator
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from saymask.nn.res16unet.blocks import BasicBlock, LevelBlocks
from saymask.nn.res16unet.plan import Res16Plan
from saymask.sparse.backends.epilogue import Epilogue
from saymask.sparse.backends.select import backend_for, backend_name, inference_dtype
from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import Level, SitePyramid


class Layers(Protocol):
    """The layers of a `Res16UNet`, as they are run here."""

    plan: Res16Plan
    training: bool
    input_conv: SparseConv
    input_norm: nn.BatchNorm1d
    classifier: nn.Linear | None

    def modules(self) -> Iterator[nn.Module]:
        """Yield all modules, the network itself first."""
        ...

    @property
    def encoder_stages(self) -> list[LevelBlocks]:
        """The stages on the way down, finest first."""
        ...

    @property
    def decoder_stages(self) -> list[LevelBlocks]:
        """The stages on the way up, coarsest first."""
        ...


_folded: "WeakKeyDictionary[nn.Module, tuple[tuple, np.ndarray | Tensor]]" = WeakKeyDictionary()
"""Convolution → (state of the tensors it was made of, packed weight with the following norm's scale)."""


def fused_dtype(net: Layers, feats: Tensor) -> torch.dtype | None:
    """Return the activations' type of the fused path, or None where the layers have to be run one by one."""
    if net.training or torch.is_grad_enabled() or feats.dtype != torch.float32:
        return None
    if net.input_conv.weight.dtype != torch.float32 or backend_name(feats) == "torch":
        return None
    for module in net.modules():
        if isinstance(module, nn.SyncBatchNorm):
            return None
        if module is not net and (module._forward_hooks or module._forward_pre_hooks):
            return None  # somebody wants to see the layers
    # The CPU's bfloat16 kernel reads channels in pairs.
    paired = all(width % 2 == 0 for width in (net.plan.stem, *net.plan.planes))
    return inference_dtype(feats.device.type) if paired else torch.float32


def fused_forward(
    net: Layers,
    feats: Tensor,  # float32 [V, C_in]
    pyramid: SitePyramid,
    dtype: torch.dtype,
    keep_features: bool,
) -> tuple[Tensor | None, Tensor | None]:
    """Return (features float32 [V, P] or None, logits float32 [V, classes] or None) of `Res16UNet` in eval mode.

    `dtype` (float32, or a half type that the backend takes) is the type of the activations; the first convolution and
    the classifier on kept features always work in float32. Without `keep_features` the features have the activations'
    type and are dropped.
    """
    with torch.autocast(feats.device.type, enabled=False):
        features = _features(net, feats, pyramid, dtype, torch.float32 if keep_features else dtype)
        logits = None if net.classifier is None else _classify(net.classifier, features, pyramid.levels[0])
    return features if keep_features else None, logits


def _features(net: Layers, feats: Tensor, pyramid: SitePyramid, dtype: torch.dtype, out: torch.dtype) -> Tensor:
    sites = pyramid.levels
    x = feats.new_empty((len(feats), net.plan.stem), dtype=dtype)
    subm = sites[0].kernel_map(net.plan.stem_size)
    _conv(net.input_conv, feats, subm, act=x, affine=_affine(net.input_norm))
    skips = []
    for index, stage in enumerate(net.encoder_stages):
        skips.append(x)
        x = _descend(stage, x, sites[index], sites[index + 1], dtype)
    for index, stage in zip((3, 2, 1, 0), net.decoder_stages):
        x = _ascend(stage, x, skips.pop(), sites[index], dtype, dtype if index else out)
    return x


def _descend(stage: LevelBlocks, x: Tensor, fine: Level, coarse: Level, dtype: torch.dtype) -> Tensor:
    blocks = stage.block_modules
    act = x.new_empty((len(coarse), stage.conv.weight.shape[2]), dtype=dtype)
    residual = None  # what the first block adds: its own input, in float32
    if blocks[0].shortcut is None:
        residual = act if dtype == torch.float32 else torch.empty_like(act, dtype=torch.float32)
    copy = residual if residual is not act else None
    _conv(stage.conv, x, fine.down, act=act, affine=_affine(stage.norm), extra=copy)
    return _blocks(blocks, [act], residual, coarse, dtype, dtype)


def _ascend(stage: LevelBlocks, x: Tensor, skip: Tensor, sites: Level, dtype: torch.dtype, out: torch.dtype) -> Tensor:
    width = stage.conv.weight.shape[2]
    joined = x.new_empty((len(sites), width + skip.shape[1]), dtype=dtype)
    joined[:, width:] = skip
    _conv(stage.conv, x, sites.up, act=joined[:, :width], affine=_affine(stage.norm))
    held = [joined]
    del joined
    return _blocks(stage.block_modules, held, None, sites, dtype, out)


def _blocks(
    blocks: list[BasicBlock], held: list[Tensor], residual: Tensor | None, sites: Level, dtype: torch.dtype,
    out: torch.dtype,
) -> Tensor:  # fmt: skip
    """Run residual blocks on the activated features in `held` (a list that is emptied, so that no caller keeps them).

    residual: the same in float32 where the first block adds its input. Overwrites both. Returns type `out`.
    """
    act, hidden = held.pop(), None
    for i, block in enumerate(blocks):
        last = i + 1 == len(blocks)
        channels = block.conv1.weight.shape[2]
        if hidden is None:
            hidden = act.new_empty((len(act), channels), dtype=dtype)
        _conv(block.conv1, act, sites.kernel_map(), act=hidden, affine=_affine(block.norm1))
        scale, shift = _affine(block.norm2)
        if block.shortcut is not None and block.shortcut_norm is not None:
            more, rest = _affine(block.shortcut_norm)
            residual = act.new_empty((len(act), channels), dtype=torch.float32)
            _conv(block.shortcut, act, sites.kernel_map(1), raw=residual, scale=more)
            shift = shift + rest
            act = residual if dtype == torch.float32 else act.new_empty((len(act), channels), dtype=dtype)
        assert residual is not None
        # A row's residual is read before the row is written: targets may be the residual itself.
        target = residual if (out if last else dtype) == torch.float32 else act
        if not block.relu:
            residual += shift
            _conv(block.conv2, hidden, sites.kernel_map(), residual=residual, raw=target, scale=scale)
        else:
            copy = residual if target is not residual and not last else None
            affine = (torch.ones_like(shift), shift)
            _conv(
                block.conv2, hidden, sites.kernel_map(), residual=residual, act=target, affine=affine, extra=copy,
                scale=scale,
            )  # fmt: skip
        act = target
    return act


def _classify(classifier: nn.Linear, features: Tensor, sites: Level) -> Tensor:
    if features.dtype == torch.float32:
        return torch.addmm(classifier.bias, features, classifier.weight.T)
    logits = features.new_empty((len(features), classifier.out_features), dtype=torch.float32)
    _conv(classifier, features, sites.kernel_map(1), raw=logits)
    return logits.add_(classifier.bias)


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Return an evaluating BatchNorm as (scale, shift)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _conv(
    module: SparseConv | nn.Linear,
    x: Tensor,
    kernel_map: KernelMap,
    *,
    scale: Tensor | None = None,  # [C_out], multiplied into the weight
    residual: Tensor | None = None,
    raw: Tensor | None = None,
    act: Tensor | None = None,
    affine: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0)),  # of both act and extra
    extra: Tensor | None = None,
) -> None:
    if isinstance(module, SparseConv) and scale is None:
        packed, channels = module.packed(x.dtype), module.weight.shape[2]
    else:
        packed, channels = _packed(module, scale, x.dtype)
    backend_for(x).run(x, packed, channels, kernel_map, Epilogue(raw, residual, act, *affine, extra, *affine))


def _packed(
    module: SparseConv | nn.Linear, scale: Tensor | None, dtype: torch.dtype
) -> tuple[np.ndarray | Tensor, int]:
    """Return the packed weight with `scale` multiplied in, made anew when either has changed, and its channels."""
    weight = module.weight if isinstance(module, SparseConv) else module.weight.T[None]
    pack = backend_for(weight).pack_weight
    if weight.device.type != "cpu":  # whose values are not known here without waiting for them
        return pack(weight if scale is None else weight * scale, dtype), weight.shape[2]
    given = None if scale is None else scale.numpy().tobytes()
    state = (module.weight.data_ptr(), module.weight._version, given, dtype, backend_name(weight))
    known = _folded.get(module)
    if known is None or known[0] != state:
        known = (state, pack(weight if scale is None else weight * scale, dtype))
        _folded[module] = known
    return known[1], weight.shape[2]
