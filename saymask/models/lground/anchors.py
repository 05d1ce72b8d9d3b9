"""Text anchors of class names, computed by one function and kept as safetensors (docs/systems/lground.md §2.9, §4.1).

The published anchors are the features of bare class names (no template) by the text encoder of CLIP ViT-B/32.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.errors import InputError
from saymask.io.pickles import read_pickle
from saymask.labels.tables import scannet200
from saymask.text.cache import CachedText
from saymask.text.encoder import TextEncoder, TextFeatures, load_text_encoder
from saymask.text.weights import portable_name
from saymask.util.files import atomic_path, check_writable, parse_object

ENCODER = "clip-vit-b32"
"""Encoder of the published anchors; `minilm` works without a network."""
BARE = ("{}",)
"""The name and nothing else."""
ATTRIBUTES = (
    "",
    "A red ",
    "A green ",
    "A blue ",
    "A yellow ",
    "A dark ",
    "A bright ",
    "A big ",
    "A small ",
)
"""Prefixes of a name, by attribute id: none, four colours, darker, brighter, enlarged, shrunk.

Source: docs/systems/lground.md §2.8.
"""
OFFICIAL = "official file"
"""`Anchors.encoder` of anchors that were read from the official pickle."""
_HEADER = "saymask_anchors"
_VERSION = 1


@dataclass(frozen=True, eq=False)
class Anchors:
    """The text features of C class names."""

    features: Tensor
    """float32 [C, D] or, with attributes, [C, A, D] (column 0: the plain name); not normalised."""
    names: tuple[str, ...]
    encoder: str
    """Name of the text encoder."""
    fingerprint: str
    """Of the encoder's weights and tokenizer; empty for anchors of the official file."""
    templates: tuple[str, ...] = BARE
    attributes: tuple[str, ...] = ("",)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def dim(self) -> int:
        """Return D, the width that voxel features must have."""
        return self.features.shape[-1]

    @property
    def plain(self) -> Tensor:
        """Return float32 [C, D]: the anchors without attributes."""
        return self.features if self.features.ndim == 2 else self.features[:, 0]

    def select(self, names: Sequence[str]) -> "Anchors":
        """Return the anchors of `names` in that order; InputError that lists the names which are not there."""
        rows = {name: row for row, name in enumerate(self.names)}
        missing = [name for name in names if name not in rows]
        if missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise InputError(f"anchors: expected one for every class, none for {shown}; make them for these names")
        return replace(self, features=self.features[[rows[name] for name in names]], names=tuple(names))


def scannet200_names() -> tuple[str, ...]:
    """Return the names of ScanNet200's classes by index, as the anchors are made from."""
    return tuple(c.name for c in scannet200())


def make_anchors(
    names: Sequence[str],
    encoder: str | TextEncoder | CachedText = ENCODER,
    *,
    templates: Sequence[str] = BARE,
    attributes: Sequence[str] = ("",),
    batch_size: int = 64,
) -> Anchors:
    """Encode class names with a frozen text encoder (a name for `load_text_encoder`, or the encoder).

    A template holds one `{}` for the name; of several, the normalised features are averaged. `attributes` are put
    before the name (`ATTRIBUTES` for those of the paper) and give features [C, A, D]; the first must be empty, since
    column 0 is the plain name. Raises InputError for no names, an empty or double name, or a template without `{}`.
    """
    names = _checked_names(names)
    if not templates or any(t.count("{}") != 1 for t in templates):
        raise InputError(f"templates: expected texts with one {{}} for the name, got {list(templates)}")
    if not attributes or attributes[0] != "":
        raise InputError(f"attributes: expected the first to be empty (the plain name), got {list(attributes)}")
    if isinstance(encoder, str):
        encoder = load_text_encoder(encoder)
    texts = [t.replace("{}", a + n) for n in names for a in attributes for t in templates]
    features = _sentences(encoder, texts, batch_size).reshape(len(names), len(attributes), len(templates), -1)
    features = features[:, :, 0] if len(templates) == 1 else F.normalize(features, dim=-1).mean(2)
    if not bool(features.isfinite().all()):
        raise InputError(f"text encoder {encoder.name!r}: expected finite features of class names, got NaN or infinity")
    return Anchors(
        (features[:, 0] if len(attributes) == 1 else features).contiguous(),
        names,
        encoder.name,
        encoder.fingerprint,
        tuple(templates),
        tuple(attributes),
    )


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InputError("class names: expected a list of names, got one text; write [name]")
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"class names: expected text, got {name!r}")
        if name in seen:
            raise InputError(f"class names: expected different names, got {name!r} twice")
        seen.add(name)
    if not seen:
        raise InputError("class names: expected at least one, got none")
    return tuple(names)


def _sentences(encoder: Callable[[list[str]], TextFeatures], texts: list[str], batch_size: int) -> Tensor:
    with torch.no_grad():
        parts = [encoder(texts[i : i + batch_size]).sentence for i in range(0, len(texts), batch_size)]
    return torch.cat(parts).float().cpu()


def save_anchors(path: str | Path, anchors: Anchors) -> Path:
    """Write anchors as safetensors, atomically; names, encoder and fingerprint are in its metadata."""
    from safetensors.torch import save_file

    path = check_writable(path)
    if path.suffix != ".safetensors":
        raise InputError(f"cannot write anchors to {path}: expected a name that ends in .safetensors")
    header = {
        "version": _VERSION,
        "names": anchors.names,
        "encoder": portable_name(anchors.encoder),
        "fingerprint": anchors.fingerprint,
        "templates": anchors.templates,
        "attributes": anchors.attributes,
    }
    metadata = {_HEADER: json.dumps(header, ensure_ascii=False)}
    with atomic_path(path) as temporary:
        save_file({"anchors": anchors.features.contiguous()}, temporary, metadata=metadata)
    return path


def load_anchors(path: str | Path, names: Sequence[str] | None = None) -> Anchors:
    """Read anchors that `save_anchors` wrote, or the official `clip_feats_scannet_200.pkl`.

    With `names` the result has exactly these, in this order. The official file has no names: its rows are ScanNet200's
    classes by index. Raises InputError for a file that is missing, damaged or of another kind, or lacks a name.
    """
    path = Path(path)
    anchors = _read_own(path) if path.suffix == ".safetensors" else _read_official(path)
    if not bool(anchors.features.isfinite().all()):
        raise InputError(f"{path}: expected finite anchors, got NaN or infinity; make or download them again")
    return anchors if names is None else anchors.select(names)


def _read_own(path: Path) -> Anchors:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: there is no such file of anchors; make it with make_anchors and save_anchors")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _HEADER not in metadata:
                raise InputError(f"{path}: expected anchors written by saymask, got another safetensors file")
            header = parse_object(
                metadata[_HEADER], path, version=int, names=list, encoder=str, fingerprint=str, templates=list,
                attributes=list,
            )  # fmt: skip
            if header["version"] != _VERSION:
                raise InputError(f"{path}: expected anchors of format {_VERSION}, got {header['version']}; make them")
            features = file.get_tensor("anchors")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: expected a safetensors file of anchors: {error}; make it again") from None
    texts = {key: tuple(header[key]) for key in ("names", "templates", "attributes")}
    rows = (len(texts["names"]),) if features.ndim == 2 else (len(texts["names"]), len(texts["attributes"]))
    if not all(isinstance(t, str) for values in texts.values() for t in values) or features.shape[:-1] != rows:
        raise InputError(f"{path}: expected one row of features per name, got {list(features.shape)}; make it again")
    return Anchors(features.float(), encoder=header["encoder"], fingerprint=header["fingerprint"], **texts)


def _read_official(path: Path) -> Anchors:
    features = read_pickle(path)
    names = scannet200_names()
    attributes = len(ATTRIBUTES)
    if not isinstance(features, Tensor) or not (
        (features.ndim == 2 and len(features) == len(names))
        or (features.ndim == 3 and features.shape[:2] == (len(names), attributes))
    ):
        got = list(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise InputError(
            f"{path}: expected a tensor of anchors [{len(names)}, D] or [{len(names)}, {attributes}, D], got {got}"
        )
    return Anchors(
        features.detach().float().contiguous(),
        names,
        OFFICIAL,
        "",
        attributes=ATTRIBUTES if features.ndim == 3 else ("",),
    )
