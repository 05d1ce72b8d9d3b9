"""Named evaluation rules (their names are printed with every number).

| name | sentences | a point belongs to the mask | what is counted |
|---|---|---|---|
| `less` | ScanRefer | p > 0.5; with fewer than 100 such points also the 5,000 most probable | IoU > t |
| `3dres` | ScanRefer | p >= 0.5 | IoU > t |
| `scanrefer` | ScanRefer | p > 0.5 | IoU >= t, mask IoU |
| `scanrefer-box` | ScanRefer | p > 0.5 | IoU >= t, IoU of the masks' axis-aligned boxes |
| `3dgres` | Multi3DRefer | p >= 0.5, of any object; no target when fewer than 50 points have p > 0.5 | IoU > t |
| `multi3drefer-f1` | Multi3DRefer | p > 0.5, every object by itself | F1 of boxes matched at IoU >= t |
| `referit3d` | Nr3D or Sr3D | p > 0.5 | IoU >= t, mask IoU, of the object's points; no boxes or objects are given |
| `uniseg3d` | ScanRefer, of ScanNet20's things | as the model says (UniSeg3D: p > 0.4) | IoU > t with superpoints |

`uniseg3d` compares with the superpoints of which more than half belongs to the object, and has no groups. p is the
model's own: a logit above 0 is what the model takes for a part of the mask.

Sources: docs/systems/less.md §6, §B.7, docs/systems/bqnet.md §6.2, §6.3, §6.4 and docs/systems/uniseg3d.md §2.7a, §6.6.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saymask.data.annotations import EVAL_TYPES, REFERIT3D_GROUPS, Annotation
from saymask.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """A named evaluation rule."""

    name: str
    inclusive: bool
    """Acc@t and F1@t count IoU >= t instead of > t."""
    source: Literal["scanrefer", "multi3drefer", "nr3d"] = "scanrefer"
    """The sentences that it is defined on, `nr3d` standing for `sr3d` as well; they are grouped by unique/multiple, by
    `EVAL_TYPES` or by `REFERIT3D_GROUPS`."""
    count: Literal["one", "any"] = "one"
    """Number of objects that a sentence means: exactly one, or any number including none."""
    ties: bool = False
    """A point of p = 0.5 belongs to the mask."""
    minimum: int = 0
    """With fewer points of p > 0.5 nothing is predicted."""
    fallback: bool = False
    """Fill masks of fewer than 100 points with the 5,000 most probable ones."""
    boxes: bool = False
    """Compare axis-aligned boxes instead of points."""
    separate: bool = False
    """Compare the predicted objects one by one instead of their union."""
    voted: bool = False
    """The truth is by majority of each superpoint, and only sentences about things of ScanNet20 count."""
    epsilon: float = 0.0
    """Added to the union."""

    @property
    def masks(self) -> bool:
        """Whether the true masks are the points of objects; otherwise boxes, or superpoints."""
        return not (self.boxes or self.voted)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that a result is split into, beside `overall`."""
        if self.voted:
            return ()
        if self.source == "nr3d":
            return REFERIT3D_GROUPS
        return EVAL_TYPES if self.source == "multi3drefer" else ("unique", "multiple")

    def group(self, annotation: Annotation) -> str:
        """Return the group of an annotation, "" when it has none, two of ReferIt3D with a blank between.

        Raises InputError for an annotation that the rule cannot count.
        """
        if self.source == "nr3d":
            if not set(annotation.eval_type.split()) & set(REFERIT3D_GROUPS):
                raise InputError(
                    f"{annotation.scene_id}/{annotation.ann_id}: protocol {self.name} expects sentences of Nr3D or "
                    f"Sr3D with their groups, got {annotation.eval_type!r}; use --source nr3d or sr3d"
                )
            return annotation.eval_type
        if self.source == "multi3drefer":
            if annotation.eval_type not in EVAL_TYPES:
                raise InputError(
                    f"{annotation.scene_id}/{annotation.ann_id}: protocol {self.name} expects an eval_type of "
                    f"{', '.join(EVAL_TYPES)}, got {annotation.eval_type!r}; use sentences of Multi3DRefer"
                )
            return annotation.eval_type
        return "" if annotation.multiple is None else "multiple" if annotation.multiple else "unique"

    def wants_nothing(self, annotation: Annotation) -> bool:
        """Return whether the right answer under this rule is "no target"."""
        return self.source == "multi3drefer" and self.group(annotation).startswith("zt")


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("less", inclusive=False, fallback=True),
        Protocol("3dres", inclusive=False, ties=True, epsilon=1e-6),
        Protocol("scanrefer", inclusive=True),
        Protocol("scanrefer-box", inclusive=True, boxes=True, epsilon=1e-8),
        Protocol(
            "3dgres", inclusive=False, source="multi3drefer", count="any", ties=True, minimum=50, epsilon=1e-6
        ),
        Protocol("referit3d", inclusive=True, source="nr3d"),
        Protocol("multi3drefer-f1", inclusive=True, source="multi3drefer", count="any", boxes=True, separate=True),
        Protocol("uniseg3d", inclusive=False, voted=True, epsilon=1e-8),
    )
}  # fmt: skip
FALLBACK_BELOW = 100
FALLBACK_POINTS = 5_000


def get_protocol(name: str) -> Protocol:
    """Return a protocol by name."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {name!r}")
    return PROTOCOLS[name]


def select_points(
    logits: np.ndarray,  # float [N], or bool [N]: a mask that somebody else made
    protocol: str = "less",
) -> np.ndarray:
    """Return the mask (bool [N]) that a protocol makes of logits; p = sigmoid(logit), so p > 0.5 is logit > 0.

    The fallback of `less` adds the 5,000 points of highest logit (all points if there are fewer; never one of -inf,
    which no prediction speaks of). The mask of `3dgres` is empty when the rule says "no target"; that is all that is
    done to a mask that is bool already.
    """
    rule = get_protocol(protocol)
    logits = np.asarray(logits)
    if logits.dtype == bool:
        mask, positive = logits, int(np.count_nonzero(logits))
    else:
        mask = logits >= 0 if rule.ties else logits > 0
        positive = int(np.count_nonzero(logits > 0))
        if rule.fallback and positive < FALLBACK_BELOW:
            count = min(FALLBACK_POINTS, len(logits))
            chosen = np.argpartition(-logits, count - 1)[:count] if count else np.zeros(0, np.int64)
            mask = mask.copy()
            mask[chosen[logits[chosen] > -np.inf]] = True
    return mask if positive >= rule.minimum else np.zeros_like(mask)
