"""Official checkpoints of LGround: network and stage are told by the tensors, missing text anchors are added."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from saymask.data.class_frequencies import CLASSES
from saymask.errors import CheckpointError, InputError
from saymask.hub.checkpoints import save_checkpoint
from saymask.hub.registry import preset as preset_named
from saymask.models.lground import LGround, LGroundConfig
from saymask.models.lground.anchors import OFFICIAL, Anchors, load_anchors, make_anchors
from saymask.models.lground.official import PROJECTION, load_official, network_of, plain_state, plan_name
from saymask.nn.res16unet.plan import Res16Plan
from saymask.text import TextEncoder, load_text_encoder
from saymask.text.weights import SOURCES

PRESETS = (
    "lground.pretrain",
    "lground.scannet200-ce",
    "lground.scannet200-focal",
    "lground.scannet200-finetune",
    "lground.scannet200-5pct",
    "lground.scannet200-instances",
)
"""Presets that an official checkpoint can belong to; of those whose heads fit, the first is taken."""
LABELS: dict[int, Literal["semantic200", "semantic20"]] = {200: "semantic200", 20: "semantic20"}
"""Outputs of a classifier → labels of its classes."""
TEXT_WIDTH = 512
"""Channels of the text features that networks without a projection were trained against (CLIP ViT-B/32)."""
_LIGHTNING = "pytorch-lightning_version"


@dataclass(frozen=True)
class _Found:
    """Network that the tensors of a checkpoint describe."""

    plan: Res16Plan
    classes: int
    offsets: bool
    projection: int
    ambiguous: bool
    """Whether 34C and 34CR cannot be told apart."""

    def __str__(self) -> str:
        heads = [f"a classifier of {self.classes} classes"] if self.classes else ["no classifier"]
        heads += ["offsets"] if self.offsets else []
        heads += [f"a projection of {self.projection}-wide anchors"] if self.projection else []
        return f"Res16UNet{plan_name(self.plan)} with {', '.join(heads)}"


def convert_lground(
    state: dict[str, Tensor],
    content: dict[str, Any],
    path: Path,
    out: Path,
    preset: str | None,
    anchors: str | Path | None,
    text_encoder: str | None,
    card: dict[str, Any],
    report: Callable[[str], None],
) -> Path:
    """Write the checkpoint `out` of an official state dict; choices and errors as `saymask.convert.convert` says."""
    found = _found(state, path)
    preset = _preset(found, preset, path)
    config = _config(found, preset)
    if config.text == "none" and (anchors is not None or text_encoder is not None):
        raise InputError(
            f"{path} has a classifier, so nothing compares its features with text: leave out --anchors and "
            "--text-encoder"
        )
    names = tuple(c.name for c in CLASSES[config.view.labels]())
    encoder = None
    if text_encoder is not None:  # a name stands for itself, a folder holds what the preset names
        encoder = load_text_encoder(text_encoder if text_encoder in SOURCES else config.encoder, text_encoder)
    chosen = _anchors(anchors, encoder, names)
    if chosen is not None and chosen.encoder != OFFICIAL:
        config = replace(config, encoder=chosen.encoder)
    model = LGround(config)
    if chosen is not None:
        try:
            model.set_anchors(chosen)
        except InputError as error:
            raise InputError(f"{anchors or text_encoder}: {error}") from None
    plain = plain_state(state)
    extra = [key for key in plain if key.startswith(PROJECTION) and config.text != "anchors"]
    fitting = {key: value for key, value in plain.items() if key not in extra}
    result = load_official(model.network, fitting, title=f"{path} does not fit")
    report(f"{found}: {len(result.used)} tensors loaded as {preset}")
    groups = Counter(key.split(".")[0] for key in (*result.unused, *extra))
    if groups:
        report("left out: " + ", ".join(f"{name} ({count})" for name, count in groups.items()))
    for line in _remarks(found, config, chosen, lightning=_LIGHTNING in content, out=out):
        report(line)
    own = {
        "name": f"lground.{path.stem}",
        "preset": preset,
        "system": "lground",
        "source": f"official checkpoint {path.name}",
        "network": str(found),
        "official": {name: content[name] for name in ("epoch", "global_step") if isinstance(content.get(name), int)},
        "verbs": list(model.verbs),
    }
    if config.text != "none":
        made = "" if chosen is None else f"of {chosen.encoder}" if anchors is None else Path(anchors).name
        own["anchors"] = made or "none yet"
    return save_checkpoint(model, out, own | card)


def _found(state: dict[str, Tensor], path: Path) -> _Found:
    with torch.device("meta"):
        net = network_of(state)
    plan, classes = net.plan, net.classifier.out_features if net.classifier is not None else 0
    offsets, projection = net.offset_out is not None, net.projection.in_features if net.projection is not None else 0
    if plan.in_channels != 3:
        raise CheckpointError(f"{path}: expected a network of 3 input channels (colours), got {plan.in_channels}")
    if classes and classes not in LABELS:
        raise CheckpointError(
            f"{path}: expected a classifier of 200 or 20 classes (ScanNet200, ScanNet), got {classes}"
        )
    if offsets and not classes:
        raise CheckpointError(f"{path}: expected a classifier beside the offset head (final.kernel), got none")
    ambiguous = plan.last_relu and not offsets and plan_name(plan).endswith("C")
    if ambiguous and "34cr" in path.stem.lower():
        plan = replace(plan, last_relu=False)
    return _Found(plan, classes, offsets, projection, ambiguous)


def _preset(found: _Found, wanted: str | None, path: Path) -> str:
    """Return the preset of the heads that were found; InputError when `wanted` has others."""
    heads = (found.classes > 0, found.offsets)
    fitting = [
        name for name in PRESETS if (preset_named(name).model.classifier, preset_named(name).model.offsets) == heads
    ]
    if wanted is not None and wanted not in fitting:
        raise InputError(f"preset: {path.name} holds a {found}: expected {' or '.join(fitting)}, got {wanted!r}")
    return wanted or fitting[0]


def _config(found: _Found, preset: str) -> LGroundConfig:
    """Return the preset's configuration with the network, the labels and the text head that were found."""
    base: LGroundConfig = preset_named(preset).model
    if found.classes:
        view = replace(base.view, labels=LABELS[found.classes])
        return replace(base, network=found.plan, view=view, text="none")
    if found.projection:
        return replace(base, network=found.plan, text="anchors", text_width=found.projection)
    return replace(base, network=found.plan, text="features", text_width=found.plan.features)


def _anchors(path: str | Path | None, encoder: TextEncoder | None, names: tuple[str, ...]) -> Anchors | None:
    """Return the anchors of a file, else those that the encoder makes; InputError when the two do not belong together.

    None without either.
    """
    if path is None:
        return None if encoder is None else make_anchors(names, encoder)
    anchors = load_anchors(path, names)
    if encoder is not None and anchors.fingerprint not in ("", encoder.fingerprint):
        raise InputError(
            f"{path} holds anchors of text encoder {anchors.encoder!r} ({anchors.fingerprint[:12]}…), not of "
            f"the one given ({encoder.fingerprint[:12]}…): give the encoder that made them, or leave one of them out"
        )
    return anchors


def _remarks(
    found: _Found, config: LGroundConfig, anchors: Anchors | None, *, lightning: bool, out: Path
) -> Iterator[str]:
    """Yield remarks on facts that no tensor tells and the user must know."""
    if found.ambiguous and found.plan.last_relu:
        yield (
            "34C and 34CR have the same tensors: taken as 34C, whose features end in a ReLU (with 34CR in the file's "
            "name it would be taken as 34CR, where they do not)"
        )
    elif found.ambiguous:
        yield "34C and 34CR have the same tensors: the file's name says 34CR, whose features end without a ReLU"
    if not lightning:
        yield (
            "kernels are read in the order of MinkowskiEngine 0.5, with which LGround was trained; a file of 0.4 looks "
            "alike but has another order: check the metrics of the converted model"
        )
    if config.text == "none" or anchors is not None:
        return
    if config.text == "features" and config.text_width != TEXT_WIDTH:
        yield (
            f"features of {config.text_width} channels without a projection cannot be compared with text: this is a "
            f"start for training (--train.init {out}), it answers nothing by itself"
        )
    else:
        yield (
            f"the text anchors are not in the file: this is a start for training (--train.init {out}) and gives "
            "features, but semantic and find need anchors: convert again with --anchors (the official "
            "clip_feats_scannet_200.pkl, or a file of `saymask anchors`) or with --text-encoder, which makes them"
        )
