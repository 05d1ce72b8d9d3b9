"""The verbs of a model in types: one Protocol per verb, which a system answers by having its method.

Each method gets what `Model.encode_batch` returned for one scan, and answers over that scan's support; several threads
may call at the same time. What is asked has been checked by `Scene`, which keeps answers and makes `Masks` of them.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from saymask.answers import VERBS, Classes, Objects, Prediction


@runtime_checkable
class AnswersRefer(Protocol):
    """A model that finds what sentences mean."""

    def refer(
        self, encoded: Any, sentences: Sequence[str], *, count: Literal["one", "any"] = "any"
    ) -> list[Prediction]:
        """Return one Prediction per sentence, with a row per object that it means; "one" asks for exactly one row.

        A `saymask.data.annotations.Sentence` is read as sentences of its source are read in training, a plain text as
        what a user typed.
        """
        ...


@runtime_checkable
class AnswersFind(Protocol):
    """A model that finds what words name."""

    def find(self, encoded: Any, names: Sequence[str], *, threshold: float | None = None) -> Objects:
        """Return what each of the names means, as if it were asked alone; None = the model's own threshold."""
        ...


@runtime_checkable
class AnswersClick(Protocol):
    """A model that finds what was clicked on."""

    def click(self, encoded: Any, points: np.ndarray) -> Prediction:
        """Return a row for each of `points`, int64 [K] rows of `Scan.points`, K ≥ 1, none twice.

        Row k of the logits [K, S] and scores [K] is the answer to click k alone. Clicks do not see each other, so one
        decoder pass takes all of them, and negative clicks, which ask the same, are combined with positive ones outside
        the model (`saymask.scene.to_masks.combine_clicks` compares logits of different clicks). A point without a
        support row (index -1) gets any row; it is refused afterwards.
        """
        ...


@runtime_checkable
class AnswersSemantic(Protocol):
    """A model that tells classes."""

    def semantic(self, encoded: Any, classes: str | Sequence[str] | None = None) -> Classes:
        """Return a class per support row: of the model's own, of a label set, or of the names given."""
        ...


@runtime_checkable
class AnswersInstances(Protocol):
    """A model that tells objects."""

    def instances(self, encoded: Any) -> Objects:
        """Return every object."""
        ...


@runtime_checkable
class AnswersPanoptic(Protocol):
    """A model that tells classes and objects at once."""

    def panoptic(self, encoded: Any) -> Objects:
        """Return disjoint masks: one per object, and one per class that is not counted in objects (walls, floor)."""
        ...


PROTOCOLS: dict[str, type] = dict(
    zip(
        VERBS,
        (AnswersRefer, AnswersFind, AnswersClick, AnswersSemantic, AnswersInstances, AnswersPanoptic),
        strict=True,
    )
)
"""Verb -> what a model must have to answer it."""


def answered_by(kind: type) -> tuple[str, ...]:
    """Return the verbs that a class has a method for."""
    return tuple(verb for verb, protocol in PROTOCOLS.items() if issubclass(kind, protocol))
