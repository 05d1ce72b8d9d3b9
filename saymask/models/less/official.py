"""Checkpoints of the official LESS trainer: their keys, their missing word projections, and the report of a load.

Source: the released code's state dict (docs/systems/less.md §3.6) and its initialisation order
(docs/systems/less.md §7.1).
"""

import math
import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from saymask.errors import CheckpointError
from saymask.models.importing import Report, fit, from_spconv, renamed

if TYPE_CHECKING:
    from saymask.models.less.model import Less

PROJECTION_PREFIX = "word_fuse_layer.word_fuse_layer_{width}"
"""Key prefix given here to the word projections, which the official state dict lacks; width is that of the level."""
OFFICIAL_WIDTHS = (32, 64, 96, 128, 160)
DEAD = re.compile(r"query_decoder\.(cross_attn_layers\.\d+\.norm|out_cls|out_score)\.|language_encoder\.pooler\.")
"""Official parameters that reach no output: accepted and left out."""
_PATTERNS = (
    (r"text_encoder\.model\.(.*)", r"language_encoder.\1"),
    (r"sentence_projection\.(.*)", r"sentense_output_layer.\1"),
    (r"query_decoder\.queries", r"query_decoder.query.weight"),
    (r"query_decoder\.mask_proj\.(.*)", r"query_decoder.x_mask.\1"),
    (r"query_decoder\.layers\.(\d+)\.cross\.(.*)", r"query_decoder.cross_attn_layers.\1.attn.\2"),
    (r"query_decoder\.layers\.(\d+)\.self_attn\.(.*)", r"query_decoder.self_attn_layers.\1.attn.\2"),
    (r"query_decoder\.layers\.(\d+)\.self_norm\.(.*)", r"query_decoder.self_attn_layers.\1.norm.\2"),
    (r"query_decoder\.layers\.(\d+)\.ffn\.0\.(.*)", r"query_decoder.ffn_layers.\1.net.0.\2"),
    (r"query_decoder\.layers\.(\d+)\.ffn\.2\.(.*)", r"query_decoder.ffn_layers.\1.net.3.\2"),
    (r"query_decoder\.layers\.(\d+)\.ffn_norm\.(.*)", r"query_decoder.ffn_layers.\1.norm.\2"),
    (r"(query_decoder\.(?:input_proj|out_norm)\..*)", r"\1"),
)


def official_name(name: str) -> str:
    """Return the official key of one of this model's parameters outside the U-Net; KeyError for any other name."""
    if match := re.fullmatch(r"word_projections\.(\d+)\.(.*)", name):
        return f"{PROJECTION_PREFIX.format(width=OFFICIAL_WIDTHS[int(match[1])])}.{match[2]}"
    if match := re.fullmatch(r"word_attention\.(\d+)\.(.*)", name):
        rest = re.sub(r"^mlp\.", "mlp.0.", match[2])
        return f"unet{'.u' * int(match[1])}.pwca.{rest}"
    return renamed(name, _PATTERNS)


def official_names(model: "Less") -> dict[str, str]:
    """Return our state-dict name → official key of every tensor of `model` (word projections under pseudo-keys)."""
    backbone = model.unet.official_keys()
    return {
        name: backbone[name.removeprefix("unet.")] if name.startswith("unet.") else official_name(name)
        for name in model.state_dict()
    }


def load_official(model: "Less", state: dict[str, Tensor], *, projections: dict[str, Tensor]) -> Report:
    """Load an official state dict, strictly, with word projections given apart (keys as `PROJECTION_PREFIX`).

    Raises CheckpointError that lists every key that is missing, unexpected, or of another shape, and loads nothing.
    """
    loaded, report = fit(
        model.state_dict(),
        official_names(model),
        {**state, **projections},
        unused=DEAD,
        ours=from_spconv,
        theirs=lambda name, shape: f"a tensor for {list(shape)}",
    )
    report.check(f"the checkpoint does not fit {model.system}")
    model.load_state_dict(loaded)
    return report


def rebuild_projections(seed: int = 42) -> dict[str, Tensor]:
    """Return the word projections as the official trainer drew them under `torch.manual_seed(seed)` on the CPU.

    They are in no official checkpoint. The draws before theirs are repeated in the official order: input convolution;
    per level encoder blocks, word attention, down convolution, the deeper level, up convolution, decoder blocks; the
    text encoder's pooler; then the projections (docs/systems/less.md §7.1). Whether the authors' version of torch drew
    the same numbers is not known. The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _draw_conv(6, 32, 3)
        _draw_level(0)
        torch.empty(768, 768).normal_(0.0, 0.02)
        tensors = {}
        for width in OFFICIAL_WIDTHS:
            prefix = PROJECTION_PREFIX.format(width=width)
            module = nn.Sequential(nn.Linear(768, 768), nn.ReLU(), nn.Dropout(0.15), nn.Linear(768, width))
            tensors |= {f"{prefix}.{name}": value for name, value in module.state_dict().items()}
    return tensors


def projections_in(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the word projections among `state` under `PROJECTION_PREFIX`; CheckpointError unless all 20 are there.

    Names end in `word_fuse_layer_{32,64,96,128,160}.{0,3}.{weight,bias}`; what comes before does not matter.
    """
    found = {}
    for key, value in state.items():
        if match := re.search(r"word_fuse_layer_(\d+)\.([03])\.(weight|bias)$", key):
            found[f"{PROJECTION_PREFIX.format(width=match[1])}.{match[2]}.{match[3]}"] = value
    if len(found) != 4 * len(OFFICIAL_WIDTHS):
        raise CheckpointError(f"expected {4 * len(OFFICIAL_WIDTHS)} tensors of word projections, got {len(found)}")
    return found


def _draw_conv(inputs: int, outputs: int, size: int) -> None:
    nn.init.kaiming_uniform_(torch.empty(outputs, size**3 * inputs), a=math.sqrt(5))


def _draw_block(inputs: int, outputs: int) -> None:
    if inputs != outputs:
        _draw_conv(inputs, outputs, 1)
    _draw_conv(inputs, outputs, 3)
    _draw_conv(outputs, outputs, 3)


def _draw_level(level: int) -> None:
    width = OFFICIAL_WIDTHS[level]
    for _ in range(2):
        _draw_block(width, width)
    attention, mlp = nn.MultiheadAttention(width, 1), nn.Linear(width, width)
    for parameter in [*attention.parameters(), *mlp.parameters()]:
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    if level + 1 == len(OFFICIAL_WIDTHS):
        return
    coarser = OFFICIAL_WIDTHS[level + 1]
    _draw_conv(width, coarser, 2)
    _draw_level(level + 1)
    _draw_conv(coarser, width, 2)
    _draw_block(2 * width, width)
    _draw_block(width, width)
