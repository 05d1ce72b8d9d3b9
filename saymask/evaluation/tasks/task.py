"""A row of the table of tasks: what it needs of a model and a scan, what is counted, and how the numbers are shown.

Whoever measures (`saymask.evaluation.measure`) knows no task by name. Plain protocols compare at points with the labels
of the scan and know no right answer; `uniseg3d` counts as the evaluation of UniSeg3D does
(docs/systems/uniseg3d.md §6.6).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from saymask.answers import Classes, Objects
from saymask.data.annotations import Annotation
from saymask.errors import InputError, ProtocolError
from saymask.evaluation.items import Items
from saymask.metrics.benchmark import NO_CLASS, Benchmark
from saymask.metrics.predictions import Predicted
from saymask.scan import Scan

Answer = TypeVar("Answer")
PUBLISHED = "uniseg3d"
"""The protocol of UniSeg3D's published numbers; every other one is plain."""


@dataclass(frozen=True)
class Aside:
    """Sentences that a task gets beside the scan, and places for its answers beside the metric."""

    annotations: Sequence[Annotation] = ()
    """The sentences about the scan."""
    folder: Path | None = None
    """Folder for the scan's submission files; None = nowhere."""
    colored: bool = False
    """Whether that folder also gets the scan as a PLY file, coloured by the answer."""
    kept: list[Predicted] | None = None
    """Gets the predictions of the sentences; None = they are not kept."""
    scores: dict[tuple[str, int], float] = field(default_factory=dict)
    """Gets the highest score of the masks of each sentence, by annotation."""
    answers: dict[Hashable, Any] | None = None
    """Gets what the model has answered about the scan, so that several protocols ask once; None = it is not kept."""

    def once(self, asked: Hashable, answer: Callable[[], Answer]) -> Answer:
        """Return what `answer` returned when this was first called with `asked`."""
        if self.answers is None:
            return answer()
        if asked not in self.answers:
            self.answers[asked] = answer()
        return self.answers[asked]


NOTHING = Aside()


@dataclass(frozen=True)
class Task:
    """Something that a model is measured on, scan by scan: a row of `saymask.evaluation.tasks.table.TASKS`."""

    name: str
    """The verb that the model must answer."""
    protocols: tuple[str, ...]
    """The most usual one first."""
    labels: Callable[[str], tuple[str, ...]]
    """Protocol -> labels that a scan needs; some point must have one of the first kind."""
    metric: Callable[[str], Any]
    """Protocol -> an empty metric; InputError for an unknown protocol."""
    measure: Callable[..., int]
    """(model, encoded, scan, metric, Aside) -> how many answers were no finite numbers: ask the model about an encoded
    scan (which has its labels) and count the answers."""
    figures: tuple[str, ...]
    """The number of a result's `overall` that stands for the task; of several names the first that is there."""
    columns: Mapping[str, str]
    """Number of a group -> its title in a table; numbers that a protocol does not have are not shown."""
    counts: str
    """Things that `n` counts, for the caption of a table."""
    broken: str = "masks are left out"
    """Treatment of an answer that is no number, for a message."""
    own_classes: bool = False
    """The answers are of the model's own classes, which not every protocol has."""
    needs_some: bool = True
    """Some point must have a label; otherwise it is enough that there are labels."""
    exports: Literal["", "scans", "sentences"] = ""
    """Answers can be written as, and scored from, files: the benchmark's submission files of each scan, or the
    predictions of all sentences."""
    baselines: Callable[[Items, Any], dict[str, Any]] = lambda items, metric: {}
    """(what was measured, metric) -> the results of what needs no model."""

    @property
    def plain(self) -> tuple[str, ...]:
        """The protocols that compare at points and know no right answer."""
        return tuple(p for p in self.protocols if p != PUBLISHED)

    @property
    def choice(self) -> tuple[str, ...]:
        """The plain protocols of which, without a wish, the first that fits the model is taken."""
        return self.plain if self.own_classes else self.plain[:1]

    def figure(self, metrics: Mapping[str, Any]) -> str:
        """Return the name of the number that stands for the task in a result."""
        return next(name for name in self.figures if name in metrics["overall"])

    def empty(self, protocol: str) -> Any:
        """Return an empty metric; InputError for a protocol that the task does not have."""
        if protocol not in self.protocols:
            raise InputError(
                f"protocol: expected one of {', '.join(self.protocols)}, got {protocol!r} for task {self.name}"
            )
        return self.metric(protocol)

    def labelled(self, scan: Scan, protocol: str) -> bool:
        """Return whether a scan has the labels that a protocol needs."""
        labels = self.labels(protocol)
        return has_labels(scan, labels) if self.needs_some else set(labels) <= scan.labels.keys()


def has_labels(scan: Scan, labels: tuple[str, ...]) -> bool:
    """Return whether a scan has all of `labels`, the first of them at some point."""
    return set(labels) <= scan.labels.keys() and bool((scan.labels[labels[0]] != NO_CLASS).any())


def check_answer(answer: Classes | Objects, scan: Scan, benchmark: Benchmark) -> None:
    """Raise InputError for an answer that is not over the scan's points, ProtocolError for one with other classes."""
    if answer.index.shape != (len(scan),):
        raise InputError(
            f"{scan.name}: expected an answer for each of {len(scan):,} points, got {list(answer.index.shape)}"
        )
    # Names as well: the same number means other things in two benchmarks (2 is chair in one, floor in the other).
    known = {c.id: c.name for c in benchmark.classes}
    strange = [(i, name) for i, name in zip(answer.ids, answer.names, strict=True) if known.get(i) != name]
    if strange:
        some = ", ".join(f"{i} {name!r}" for i, name in strange[:3])
        raise ProtocolError(
            f"protocol {benchmark.name}: expected a model with the {len(known)} classes of this benchmark "
            f"({benchmark.classes[0].id} {benchmark.classes[0].name!r}, …), got {len(answer.ids)} classes, "
            f"{len(strange)} of them unknown to it: {some}; choose the protocol that the model was trained for"
        )
