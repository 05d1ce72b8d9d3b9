"""Checkpoints of the official BQNet: names, what in them is never used, and loading.

Source: specification of BQNet §3.5 (released state dict).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from saymask.errors import CheckpointError, InputError
from saymask.models.bqnet.decoder import Decoder
from saymask.nn.sparse_unet import SparseUNet

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
    for pattern, replacement in _PATTERNS:
        if re.fullmatch(pattern, name):
            return "dec." + re.sub(pattern, replacement, name)
    raise KeyError(name)


def decoder_names(decoder: Decoder) -> dict[str, str]:
    """Return our state-dict name → official key of what a decoder shares with the official one (not CFNet's parts)."""
    return {name: official_name(name) for name in decoder.state_dict() if not name.startswith("focus.")}


@dataclass(frozen=True)
class Report:
    """What became of the keys of an official checkpoint."""

    used: tuple[str, ...]
    unused: tuple[str, ...]
    """Known keys that nothing here needs."""


def load_official(model: nn.Module, state: Mapping[str, Tensor]) -> Report:
    """Load an official state dict into the decoder and the backbone of `model` (or into a bare `Decoder`).

    `model` is any module with one `Decoder` and at most one `SparseUNet` inside; without a backbone, the backbone's
    keys count as unused. A leading `module.` of the keys is dropped. Parameters that the official model does not have
    (CFNet's) stay as they are. Raises CheckpointError, and leaves the decoder as it was, that lists each tensor that is
    missing, unexpected or of another shape.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    decoder = next(module for module in model.modules() if isinstance(module, Decoder))
    unet = next((module for module in model.modules() if isinstance(module, SparseUNet)), None)
    names, own = decoder_names(decoder), decoder.state_dict()
    used = {*names.values(), *(unet.official_keys().values() if unet is not None else ())}
    unused = re.compile(UNUSED if unet is not None else f"{UNUSED}|{BACKBONE}")
    problems = [f"{key}: missing" for key in sorted(used) if key not in state]
    problems += [f"{key}: unexpected" for key in state if key not in used and not unused.match(key)]
    problems += [
        f"{key}: expected {list(own[name].shape)}, got {list(state[key].shape)}"
        for name, key in names.items()
        if key in state and state[key].shape != own[name].shape
    ]
    if problems:
        raise CheckpointError(
            f"the checkpoint does not fit this BQNet: expected {len(used)} tensors, {len(problems)} do not fit: "
            + "; ".join(problems)
        )
    if unet is not None:
        try:
            unet.load_official(state)
        except InputError as error:
            raise CheckpointError(str(error)) from error
    decoder.load_state_dict({name: state[key] for name, key in names.items()}, strict=False)
    return Report(tuple(key for key in state if key in used), tuple(key for key in state if key not in used))
