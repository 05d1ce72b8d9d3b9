"""Answers of models over their support, which `saymask.scene.to_masks` turns into masks over points; and the verbs."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

VERBS = ("refer", "find", "click", "semantic", "instances", "panoptic")


@dataclass(frozen=True)
class Prediction:
    """Masks over a support (sites or superpoints) and the way from support rows to the scan's points."""

    logits: Tensor  # float [M, S], a support row belongs to mask m where its logit is > 0 (the model's own threshold)
    scores: Tensor  # float [M] in 0..1
    index: np.ndarray  # int64 [N]: support row of every point of the scan
    best: float | None = None
    """Highest probability of any candidate, also of those that became no mask; None where a model has no such value."""
    calibrated: bool = False
    """Whether the scores are probabilities of being right (IoU over 0.5)."""


@dataclass(frozen=True, eq=False)
class Classes:
    """A class for every row of the support: what `semantic` answers."""

    classes: np.ndarray  # int64 [S]: index into `names`, -1 none
    probabilities: np.ndarray  # float32 [S] in 0..1, of that class
    index: np.ndarray  # int64 [N]: support row of every point of the scan, -1 none
    names: tuple[str, ...]  # C
    ids: tuple[int, ...]  # C: values in a benchmark's files; 1..C for classes that the user named


@dataclass(frozen=True, eq=False)
class Objects:
    """Masks with a class each, best score first: what `instances`, `find` and `panoptic` answer."""

    masks: np.ndarray  # bool [M, S]
    scores: np.ndarray  # float32 [M] in 0..1
    classes: np.ndarray  # int64 [M]: index into `names`
    index: np.ndarray  # int64 [N]: support row of every point of the scan, -1 none
    names: tuple[str, ...]  # C: classes, or the words that were asked for
    ids: tuple[int, ...]  # C: values in a benchmark's files; 1..C for words
    best: tuple[float, ...] = ()  # per name the highest score of anything, also below the threshold; () = not known
