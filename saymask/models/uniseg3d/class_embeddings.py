"""Class names as directions in the space of the sentences: the official file, or made from names and a text encoder.

Source: docs/systems/uniseg3d.md §2.9 (prompts and alternatives of the OMG-Seg lineage; the published file's own making
was not released).
"""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.errors import InputError
from saymask.io.pickles import read_pickle
from saymask.models.uniseg3d.config import CLASSES
from saymask.text.cache import CachedText
from saymask.text.encoder import TextEncoder, load_text_encoder

PROMPTS = (
    "a photo of a {}.",
    "This is a photo of a {}",
    "There is a {} in the scene",
    "There is the {} in the scene",
    "a photo of a {} in the scene",
    "a photo of a small {}.",
    "a photo of a medium {}.",
    "a photo of a large {}.",
    "This is a photo of a small {}.",
    "This is a photo of a medium {}.",
    "This is a photo of a large {}.",
    "There is a small {} in the scene.",
    "There is a medium {} in the scene.",
    "There is a large {} in the scene.",
)
"""Prompts around a class name; their features are averaged."""
LENGTH_TOLERANCE = 1e-3
"""Tolerance of the lengths of the official rows, which should be 1."""


def alternatives(name: str) -> tuple[str, ...]:
    """Return the ways to say a class: `door_or_gate`, `door/gate` and `Door,gate` all give door and gate.

    Raises InputError when there is no word in `name`.
    """
    parts = re.sub(r"_or_|/", ",", name).replace("_", " ").lower().split(",")
    found = tuple(dict.fromkeys(" ".join(part.split()) for part in parts if part.strip()))
    if not found:
        raise InputError(f"class name {name!r}: expected at least one word")
    return found


def make_class_embeddings(
    names: Sequence[str],
    encoder: str | TextEncoder | CachedText,
    prompts: Sequence[str] = (),
    *,
    batch_size: int = 64,
) -> Tensor:
    """Return float32 [C, K, W] on the CPU, rows of length 1: the K alternatives of each class, the first one repeated.

    `encoder` is a name for `load_text_encoder` or the encoder; W is its sentence width. Each `prompt` holds one `{}`
    for the name (() = `PROMPTS`); the normalised features of all prompts are averaged and normalised again. Raises
    InputError for no or empty names, a prompt without `{}`, or features that are not finite.
    """
    if isinstance(names, str) or not names:
        raise InputError(f"class names: expected a list with at least one name, got {names!r}")
    prompts = tuple(prompts) or PROMPTS
    if any(prompt.count("{}") != 1 for prompt in prompts):
        raise InputError(f"class prompts: expected texts with one {{}} for the name, got {list(prompts)}")
    ways = [alternatives(name) for name in names]
    if isinstance(encoder, str):
        encoder = load_text_encoder(encoder)
    said = list(dict.fromkeys(way for own in ways for way in own))
    texts = [prompt.replace("{}", way) for way in said for prompt in prompts]
    with torch.no_grad():
        parts = [encoder(texts[i : i + batch_size]).sentence for i in range(0, len(texts), batch_size)]
    features = F.normalize(torch.cat(parts).float().cpu(), dim=-1).unflatten(0, (len(said), len(prompts)))
    features = F.normalize(features.mean(1), dim=-1)
    if not bool(features.isfinite().all()):
        raise InputError(f"text encoder {encoder.name!r}: expected finite features of class names, got NaN or infinity")
    row = {way: index for index, way in enumerate(said)}
    most = max(map(len, ways))
    return features[torch.tensor([[row[way] for way in own + own[:1] * (most - len(own))] for own in ways])]


def load_class_embeddings(path: str | Path, *, text_width: int = 768) -> Tensor:
    """Read the official `scannet_cls_embedding.pth`: float32 [20, K, W] by ScanNet20's index, rows of length 1.

    No code of the file runs. Raises InputError for a file that is missing, damaged, of another shape, or whose rows are
    not of length 1.
    """
    content = read_pickle(path)
    if not isinstance(content, Tensor) or not _fits(content, text_width):
        got = f"{content.dtype} {list(content.shape)}" if isinstance(content, Tensor) else type(content).__name__
        raise InputError(f"{path}: expected class embeddings float [{CLASSES}, K, {text_width}] with K > 0, got {got}")
    embeddings = content.detach().float().contiguous()
    off = (embeddings.norm(dim=-1) - 1).abs().max()
    if not bool(off <= LENGTH_TOLERANCE):  # NaN is not, either
        raise InputError(f"{path}: expected rows of length 1, one is off by {float(off):.3g}; make the file again")
    return embeddings


def _fits(value: Tensor, width: int) -> bool:
    if value.ndim != 3 or not value.is_floating_point():
        return False
    return value.shape[0] == CLASSES and value.shape[1] > 0 and value.shape[2] == width
