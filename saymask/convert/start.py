"""The initial weights of a training: from a checkpoint of ours, or from an official file, of which a part is enough."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saymask.hub.checkpoints import check_start, load_part, stored_state
from saymask.hub.headers import PICKLES
from saymask.io.pickles import read_foreign, state_dict_of
from saymask.models.bqnet import official as bqnet
from saymask.models.bqnet.decoder import Decoder as BQNetDecoder
from saymask.models.importing import fit, from_spconv, names_of_parts, part_of, spconv_shape
from saymask.models.less import Less
from saymask.models.less import official as less
from saymask.models.lground import official as lground
from saymask.models.uniseg3d import official as uniseg3d
from saymask.models.uniseg3d.decoder import Decoder as UniSeg3DDecoder
from saymask.nn.res16unet.network import Res16UNet
from saymask.nn.unet.network import SparseUNet

PARTS: Mapping[type[nn.Module], Callable[[Any], Mapping[str, str]]] = {
    Less: less.official_names,
    SparseUNet: SparseUNet.official_keys,
    UniSeg3DDecoder: uniseg3d.decoder_names,
    BQNetDecoder: bqnet.decoder_names,
    Res16UNet: lground.official_names,
}
"""Modules that official files have tensors for, and their names there."""


def start_from(model: nn.Module, source: str | Path, leave_out: Sequence[str] = ()) -> str:
    """Give `model` the initial weights that `source` has for it; return a line that says how much.

    source: name or path of a checkpoint, or an official file (`.pth`, `.ckpt`), which is read without running its code:
    a whole checkpoint, or a backbone alone such as SPFormer's `sp_unet_backbone.pth` and UniSeg3D's
    `sstnet_scannet.pth`. Our names that start with one of `leave_out` stay as they are. Raises CheckpointError when
    nothing fits, and, with the names, when a tensor has another shape than the model's.
    """
    path = Path(source)
    if path.suffix in PICKLES and path.is_file():
        return _from_official(model, path, tuple(leave_out))
    return load_part(model, source, leave_out)


def _from_official(model: nn.Module, path: Path, leave_out: tuple[str, ...]) -> str:
    content, _ = read_foreign(path)
    state, own = state_dict_of(content), stored_state(model)
    res16, net = part_of(model, Res16UNet)
    unet, sparse = part_of(model, SparseUNet)
    if net is not None:
        state = lground.plain_state(state)
    layout = bqnet.layout_of(state)

    def ours(name: str, value: Tensor) -> Tensor | None:
        if net is not None and name.startswith(res16):
            return lground.from_official(name.removeprefix(res16), value)
        return from_spconv(name, value, layout) if sparse is not None and name.startswith(unet) else value

    def theirs(name: str, shape: Sequence[int]) -> list[int]:
        if net is not None and name.startswith(res16):
            return lground.official_shape(name.removeprefix(res16), shape)
        return spconv_shape(name, shape, layout) if sparse is not None and name.startswith(unet) else list(shape)

    names = {name: key for name, key in names_of_parts(model, PARTS).items() if name in own}
    names = {name: key for name, key in names.items() if key in state and not name.startswith(leave_out)}
    found, report = fit(own, names, state, ours=ours, theirs=theirs)
    check_start(path, len(names), report.wrong_shape, len(state))
    with torch.no_grad():
        for name, value in found.items():
            own[name].copy_(value)
    line = f"{len(found)} of {len(own)} tensors start from the official file {path}"
    rest = [key for key in report.unexpected if not key.startswith(uniseg3d.TOWER)]
    return line + (f"; {len(rest)} of its tensors are not used, such as {rest[0]}" if rest else "")
