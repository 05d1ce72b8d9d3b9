"""Checkpoints of the official UniSeg3D: names, what is left out, loading; and the text tower that they carry.

Source: docs/systems/uniseg3d.md §3.5 (released state dict).
"""

from collections.abc import Mapping

from torch import Tensor, nn

from saymask.errors import CheckpointError
from saymask.models.importing import Report, fit, from_spconv, names_of_parts, part_of, renamed, spconv_shape
from saymask.models.uniseg3d.decoder import Decoder
from saymask.nn.unet.network import SparseUNet

TOWER = "lang.text_encoder."
"""Start of the official keys of the frozen text tower, which `load_official` leaves out (`text_tower` has it)."""
_UNUSED = r"lang\.text_encoder\."
_BACKBONE = r"input_conv\.|unet\.|output_layer\."
_LAYER = {"cross": "cross_attn_layers", "among": "self_attn_layers", "ffn": "ffn_layers"}
_PATTERNS = (
    (r"kinds\.(.*)", r"type_embedding.\1"),
    (r"sentence\.0\.(.*)", r"lang.Mlp.fc1.\1"),
    (r"sentence\.2\.(.*)", r"lang.Mlp.fc2.\1"),
    (r"scan_input\.(.*)", r"decoder.input_proj.\1"),
    (r"mask_features\.(.*)", r"decoder.x_mask.\1"),
    (r"query_input\.(.*)", r"decoder.query_proj.\1"),
    *((rf"layers\.(\d+)\.{ours}\.(attn\..*|norm\..*|net\.0\..*)", rf"decoder.{t}.\1.\2") for ours, t in _LAYER.items()),
    (r"layers\.(\d+)\.ffn\.net\.2\.(.*)", r"decoder.ffn_layers.\1.net.3.\2"),
    (r"heads\.norm\.(.*)", r"decoder.out_norm.\1"),
    (r"heads\.things\.pooled\.(.*)", r"decoder.mask_pooling_proj.\1"),
    (r"heads\.things\.embed\.(.*)", r"decoder.cls_proj.\1"),
    (r"heads\.semantic\.pooled\.(.*)", r"decoder.mask_pooling_proj_sem.\1"),
    (r"heads\.semantic\.embed\.(.*)", r"decoder.cls_proj_sem.\1"),
    (r"heads\.iou\.(.*)", r"pred_iou_proj.\1"),
    (r"contrast_scale", r"criterion.contrastive_criterion.logit_scale"),
)
_TOWER_NAMES = (
    (r"text_pe", "positional_embedding"),
    (r"text_proj", "text_projection"),
    (r"text_(token_embedding\.weight|ln_final\..*|transformer\..*)", r"\1"),
)


def official_name(name: str) -> str:
    """Return the official key of a parameter of `Decoder`; KeyError for any other name."""
    return renamed(name, _PATTERNS)


def decoder_names(decoder: Decoder) -> dict[str, str]:
    """Return our state-dict name → official key of a decoder."""
    return {name: official_name(name) for name in decoder.state_dict()}


def official_names(model: nn.Module) -> dict[str, str]:
    """Return our state-dict name → official key of what `model` (as `load_official` takes it) has officially."""
    return names_of_parts(model, {Decoder: decoder_names, SparseUNet: SparseUNet.official_keys})


def load_official(
    model: nn.Module, state: Mapping[str, Tensor], *, title: str = "the checkpoint does not fit this UniSeg3D"
) -> Report:
    """Load an official state dict into the decoder and the backbone of `model` (or into a bare `Decoder`).

    `model` is any module with one `Decoder` and at most one `SparseUNet` inside; without a backbone, the backbone's
    keys count as unused, and the text tower's always do. A leading `module.` of the keys is dropped. Class embeddings
    are in no official checkpoint. Raises CheckpointError, and leaves the model as it was, that starts with `title` and
    lists each tensor that is missing, unexpected or of another shape.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    at, unet = part_of(model, SparseUNet)

    def of_backbone(name: str) -> bool:
        return unet is not None and name.startswith(at)

    loaded, report = fit(
        model.state_dict(),
        official_names(model),
        state,
        unused=_UNUSED if unet is not None else f"{_UNUSED}|{_BACKBONE}",
        ours=lambda name, value: from_spconv(name, value) if of_backbone(name) else value,
        theirs=lambda name, shape: spconv_shape(name, shape) if of_backbone(name) else list(shape),
    )
    report.check(title)
    model.load_state_dict(loaded, strict=False)
    return report


def text_tower(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the text tower of an official state dict under OpenCLIP's names, for `text.clip_text.clip_text_model`.

    The causal mask is left out. Raises CheckpointError when there is no text tower or a key of it is unknown.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    tower = {key.removeprefix(TOWER): value for key, value in state.items() if key.startswith(TOWER)}
    tower.pop("text_attn_mask", None)
    if not tower:
        raise CheckpointError(f"expected a checkpoint with a text tower ({TOWER}...), got none of its tensors")
    try:
        return {renamed(key, _TOWER_NAMES): value for key, value in tower.items()}
    except KeyError as error:
        raise CheckpointError(f"text tower of the checkpoint: {TOWER}{error.args[0]}: unexpected") from error
