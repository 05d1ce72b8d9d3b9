"""Checkpoints of the official projects to saymask's own: read without running their code, loaded strictly."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from saymask.errors import CheckpointError, InputError
from saymask.util.files import check_writable

SYSTEMS = ("less", "bqnet", "lground", "uniseg3d")
"""Systems whose official checkpoints can be converted."""
_CHOICES = {
    "preset": ("bqnet", "lground"),
    "projections": ("less",),
    "anchors": ("lground",),
    "class_embeddings": ("uniseg3d",),
}
"""Choice → systems that know it."""


def convert(
    system: str,
    path: str | Path,
    out: str | Path,
    *,
    preset: str | None = None,
    projections: str | Path | None = None,
    anchors: str | Path | None = None,
    class_embeddings: str | Path | None = None,
    text_encoder: str | None = None,
    keep_tower: bool = True,
    card: dict[str, Any] | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Turn the official checkpoint `path` of `system` into a saymask checkpoint `out` (`.safetensors`); return `out`.

    LESS: the five word projections are in no official checkpoint, so `projections` must say where they come from:
    `rebuild` (draw them again as the official trainer did under seed 42) or a file that holds them.

    BQNet: `preset` is `bqnet.res` or `bqnet.gres`; without it the file's name decides. The weights of the frozen text
    encoder are not stored; they are compared with those here, and the result is reported. A file with nothing but a
    backbone (SPFormer's `sp_unet_backbone.pth`) becomes a `bqnet-backbone`, a start for training
    (`saymask train bqnet.res --train.init OUT`).

    LGround: Lightning's `.ckpt` or a `.pth` with a state dict. The tensors say which network it is and which `preset`
    its heads belong to; one that fits them can be named. The text anchors that a pre-trained network was pulled to are
    in no checkpoint: `anchors` is the official `clip_feats_scannet_200.pkl` or a file of `saymask anchors`, or
    `text_encoder` makes them; without either the network is a start for training.

    UniSeg3D: the mmengine file `model_best.pth` or `model_best_2.pth`. The class embeddings are in no checkpoint:
    `class_embeddings` is the official `scannet_cls_embedding.pth`, else the text encoder makes them where there is one.
    The frozen text tower of the file goes into the checkpoint unless `keep_tower` is False.

    `text_encoder` is a local folder with the system's text encoder where the hub cannot be reached (for LESS the
    tokenizer and the configuration count, the weights come from the checkpoint); where the file has one as well, the
    two are compared. The folder's name is not written: whoever loads the checkpoint has the encoder by its name or
    gives the folder again (`load_model(text_encoder=...)`). `card` adds to the card of the
    checkpoint or replaces entries of it. `report` gets one line per remark.

    Raises InputError for an unknown system or a missing or useless choice, CheckpointError when tensors are missing,
    unexpected or of another shape (all are listed).
    """
    if system not in SYSTEMS:
        raise InputError(f"cannot convert {system!r}: expected one of {', '.join(SYSTEMS)}")
    out = check_writable(out)
    if out.suffix != ".safetensors":
        raise InputError(f"cannot write a checkpoint to {out}: expected a name that ends in .safetensors")
    if system == "less" and projections is None:
        raise InputError(
            "an official LESS checkpoint lacks its five word projections: say projections='rebuild' (draw them again "
            "under the trainer's seed 42) or give a file that holds them"
        )
    choices = {"preset": preset, "projections": projections, "anchors": anchors, "class_embeddings": class_embeddings}
    for name, value in choices.items():
        if value is not None and system not in _CHOICES[name]:
            raise InputError(f"{name} is a choice for {' and '.join(_CHOICES[name])}; leave it out for {system}")
    if not Path(path).is_file():
        raise CheckpointError(f"there is no checkpoint file {path}; check the path")
    from saymask.io.pickles import read_foreign, state_dict_of

    content, refused = read_foreign(path)
    if refused:
        report(f"ignored {len(refused)} classes in {Path(path).name}: {', '.join(refused)}")
    state, path, card = state_dict_of(content), Path(path), card or {}
    if system == "less":
        from saymask.convert.less import convert_less

        return convert_less(state, path, out, str(projections), text_encoder, card, report)
    if system == "lground":
        from saymask.convert.lground import convert_lground

        return convert_lground(state, content, path, out, preset, anchors, text_encoder, card, report)
    if system == "uniseg3d":
        from saymask.convert.uniseg3d import convert_uniseg3d

        return convert_uniseg3d(state, content, path, out, class_embeddings, text_encoder, keep_tower, card, report)
    from saymask.convert.bqnet import convert_backbone, convert_bqnet, is_backbone

    if is_backbone(state):
        if preset is not None or text_encoder is not None:
            raise InputError(f"{path} holds nothing but a backbone: leave out preset and text_encoder")
        return convert_backbone(state, path, out, card, report)
    return convert_bqnet(state, content, path, out, preset, text_encoder, card, report)
