"""Checkpoints of the official BQNet: names, what in them is never used, and loading.

Source: docs/systems/bqnet.md §3.5 (released state dict).
"""

import re
from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from saymask.models.bqnet.decoder import Decoder
from saymask.models.importing import Layout, Report, fit, from_spconv, names_of_parts, part_of, renamed, spconv_shape
from saymask.nn.unet.network import SparseUNet

UNUSED = (
    r"dec\.lqg\.|dec\.sem_cls_heads?\.|dec\.indi_norm\.|dec\.(lia|ila|qia|qla)_layers\.\d+\.norm\."
    r"|criterion\.loss_weight$|text_encoder\."
)
"""Official keys of tensors that reach no output of this model, or come from elsewhere (the frozen text encoder)."""
BACKBONE = r"input_conv\.|unet\.|output_layer\."
"""Official keys of the backbone."""
_LAYER = {
    "text_self": "lla_layers",
    "text_scan": "lia_layers",
    "scan_text": "ila_layers",
    "text_ffn": "lia_ffn_layers",
    "scan_ffn": "ila_ffn_layers",
    "query_scan": "qia_layers",
    "query_text": "qla_layers",
    "query_self": "qqa_layers",
    "query_space": "scg",
    "query_ffn": "qqa_ffn_layers",
}
_PATTERNS = (
    (r"text_input\.0\.(.*)", r"lang_proj.\1"),
    (r"text_input\.1\.(.*)", r"lang_norm.\1"),
    (r"scan_input\.points\.(.*)", r"input_proj.\1"),
    (r"scan_input\.image\.(.*)", r"input_proj_2d.\1"),
    (r"scan_input\.norm\.(.*)", r"sum_norm.\1"),
    (r"mask_features\.(.*)", r"x_mask.\1"),
    (r"seed_context\.value\.(.*)", r"scg_head.glu_p.\1"),
    (r"seed_context\.gate\.(.*)", r"scg_head.glu_g.\1"),
    (r"seed_context\.(.*)", r"scg_head.\1"),
    (r"selection\.seed_proj\.(.*)", r"sampling_module.camap.query_proj.\1"),
    (r"selection\.text_proj\.(.*)", r"sampling_module.camap.key_proj.\1"),
    (r"query_input\.(.*)", r"query_generator.\1"),
    (r"shared_norm\.(.*)", r"norm_qqa.\1"),
    (r"offset_norm\.(.*)", r"query_norm.\1"),
    (r"heads\.norm\.(.*)", r"out_norm.\1"),
    (r"heads\.score\.(.*)", r"out_score.\1"),
    (r"heads\.indicator\.(.*)", r"indi_embedding.\1"),
    (r"heads\.query_proj\.(.*)", r"contrastive_align_projection_vision.\1"),
    (r"heads\.text_proj\.(.*)", r"contrastive_align_projection_text.\1"),
)


def official_name(name: str) -> str:
    """Return the official key of a parameter of `Decoder`; KeyError for any other name."""
    if match := re.fullmatch(r"layers\.(\d+)\.(\w+)\.(.*)", name):
        part, rest = _LAYER[match[2]], match[3]
        return f"dec.{part}.{match[1]}.{rest.replace('net.2.', 'net.3.') if part.endswith('ffn_layers') else rest}"
    if match := re.fullmatch(r"offset\.(\d+)\.(.*)", name):
        return f"dec.offset.layers.{int(match[1]) // 2}.{match[2]}"
    return "dec." + renamed(name, _PATTERNS)


def decoder_names(decoder: Decoder) -> dict[str, str]:
    """Return our state-dict name → official key of what a decoder shares with the official one (not CFNet's parts)."""
    return {name: official_name(name) for name in decoder.state_dict() if not name.startswith("focus.")}


def load_official(
    model: nn.Module, state: Mapping[str, Tensor], *, title: str = "the checkpoint does not fit this BQNet"
) -> Report:
    """Load an official state dict into the decoder and the backbone of `model` (or into a bare `Decoder`).

    `model` is any module with one `Decoder` and at most one `SparseUNet` inside; without a backbone, the backbone's
    keys count as unused. A leading `module.` of the keys is dropped. Parameters that the official model does not have
    (CFNet's) stay as they are. Raises CheckpointError, and leaves the model as it was, that starts with `title` and
    lists each tensor that is missing, unexpected or of another shape.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    at, unet = part_of(model, SparseUNet)
    loaded, report = fit(
        model.state_dict(),
        official_names(model),
        state,
        unused=UNUSED if unet is not None else f"{UNUSED}|{BACKBONE}",
        ours=lambda name, value: from_spconv(name, value) if name.startswith(at) else value,
        theirs=lambda name, shape: spconv_shape(name, shape) if name.startswith(at) else list(shape),
    )
    report.check(title)
    model.load_state_dict(loaded, strict=False)
    return report


def official_names(model: nn.Module) -> dict[str, str]:
    """Return our state-dict name → official key of what `model` (as `load_official` takes it) has officially."""
    return names_of_parts(model, {Decoder: decoder_names, SparseUNet: SparseUNet.official_keys})


def load_backbone(
    unet: SparseUNet, state: Mapping[str, Tensor], *, title: str = "the checkpoint does not fit this backbone"
) -> Report:
    """Load a file with nothing but a backbone, of either spconv, into `unet`; raises as `load_official`."""
    layout = layout_of(state)
    loaded, report = fit(
        unet.state_dict(),
        unet.official_keys(),
        state,
        ours=partial(from_spconv, layout=layout),
        theirs=partial(spconv_shape, layout=layout),
    )
    report.check(title)
    unet.load_state_dict(loaded)
    return report


def layout_of(state: Mapping[str, Tensor]) -> Layout:
    """Return the spconv whose order the first convolution's axes have: 1 is [3, 3, 3, in, out]."""
    first = state.get("input_conv.0.weight")
    return "spconv1" if first is not None and first.shape[:3] == (3, 3, 3) else "spconv2"
