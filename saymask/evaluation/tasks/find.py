"""Task `find`: the points found for each name in a scan, or average precision of named masks.

| protocol | asked | counted |
|---|---|---|
| `scannet200`, `scannet` | each name that is in the scan, at the model's own threshold | `FindMetric` |
| `uniseg3d` | all 198 instance classes of ScanNet200; the best 600 pairs of mask and name | `OpenVocabularyMetric` |

The last one is that of the paper (docs/systems/uniseg3d.md §6.7) where there are posed frames of the scans
(`saymask.evaluation.tasks.find_by_frames`). Without them there are two differences: masks are named by the model's own
`find`, where the paper takes CLIP features of the frames, and the masks are those that `find` chooses from, objects
without doubles, wall and floor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch

from saymask.answers import Objects
from saymask.errors import InputError
from saymask.evaluation.tasks.task import NOTHING, Aside, Task
from saymask.metrics.find import FindMetric, names_in
from saymask.metrics.open_vocabulary import OpenVocabularyMetric
from saymask.models.contract import AnswersFind
from saymask.scan import Scan

FIND_PROTOCOLS = ("scannet200", "scannet", "uniseg3d")
TOP_PAIRS = 600
"""Pairs of mask and class that the published evaluation looks at (docs/systems/uniseg3d.md §6.7, step 2)."""
NAMES_AT_ONCE = 40
"""Names in a call of `find`, which holds a mask for each that fits: more would only take memory."""
NamesMetric = FindMetric | OpenVocabularyMetric


def find_metric(protocol: str) -> NamesMetric:
    """Return an empty metric of a protocol of the task `find`; InputError for another one."""
    if protocol not in FIND_PROTOCOLS:
        raise InputError(f"protocol: expected one of {', '.join(FIND_PROTOCOLS)}, got {protocol!r}")
    return OpenVocabularyMetric("uniseg3d") if protocol == "uniseg3d" else FindMetric(protocol)


def find_labels(protocol: str) -> tuple[str, ...]:
    """Return the labels that a scan must have to be measured by a protocol."""
    metric = find_metric(protocol)
    return (metric.protocol.label, *(("instance",) if isinstance(metric, OpenVocabularyMetric) else ()))


class Finding(AnswersFind, Protocol):
    """A model that finds what words name, and says what it was trained with and chooses from; see `Model`."""

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names that training never heard."""
        ...

    @property
    def has_proposals(self) -> bool:
        """Whether it names masks that are there before."""
        ...


@torch.inference_mode()
def measure_find(model: Finding, encoded: Any, scan: Scan, metric: NamesMetric, aside: Aside = NOTHING) -> int:
    """Ask for names, count what is found in `metric`; return how many masks have a score that is not finite.

    `encoded` is what `model.encode_batch` made of this scan. Such masks are left out. Names are asked together, which
    is the same as one by one (`Model.find`); `FindMetric` does not count a scan in which no name occurs. Raises
    InputError for a scan without labels (`find_labels`).
    """
    if isinstance(metric, FindMetric):
        return _names_of_scan(model, encoded, scan, metric)
    return _average_precision(model, encoded, scan, metric)


def _names_of_scan(model: Finding, encoded: Any, scan: Scan, metric: FindMetric) -> int:
    benchmark = metric.protocol
    truth = benchmark.indices(benchmark.true_classes(scan.labels))
    asked = names_in(truth)
    if not len(asked):
        return 0
    broken, masks, names, index = 0, list[np.ndarray](), list[np.ndarray](), np.zeros(0, np.int64)
    for part, found, wrong in _find(model, encoded, [benchmark.classes[i].name for i in asked], None):
        masks.append(found.masks)
        names.append(asked[part][found.classes])
        broken, index = broken + wrong, found.index
    metric.update(np.concatenate(masks), np.concatenate(names), truth, scan.name, index=index, held_out=model.held_out)
    return broken


def _average_precision(model: Finding, encoded: Any, scan: Scan, metric: OpenVocabularyMetric) -> int:
    benchmark = metric.protocol
    true = benchmark.true_instances(scan.labels)
    ids = np.array([c.id for c in benchmark.things], np.int64)
    # Masks that are there before anybody names them get every name. A model that makes its masks of what fits a word
    # would make one of everything.
    threshold = 0.0 if model.has_proposals else None
    broken, index = 0, np.zeros(0, np.int64)
    best: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for part, found, wrong in _find(model, encoded, [c.name for c in benchmark.things], threshold):
        best.append((found.masks, found.scores, ids[part][found.classes]))
        masks, scores, labels = (np.concatenate(column) for column in zip(*best, strict=True))
        # Of equal scores the first class: how many names are asked at once decides nothing.
        order = np.lexsort((labels, -scores))[:TOP_PAIRS]
        best = [(masks[order], scores[order], labels[order])]
        broken, index = broken + wrong, found.index
    masks, scores, labels = best[0]
    metric.update(masks, labels, scores, true, scan.name, index=index)
    return broken


def _find(
    model: Finding, encoded: Any, names: Sequence[str], threshold: float | None
) -> Iterator[tuple[slice, Objects, int]]:
    """Yield (part of the names, what is found for it with finite scores, how many masks have others)."""
    for start in range(0, len(names), NAMES_AT_ONCE):
        part = slice(start, start + NAMES_AT_ONCE)
        found = model.find(encoded, names[part], threshold=threshold)
        fine = np.isfinite(found.scores)
        kept = replace(found, masks=found.masks[fine], scores=found.scores[fine], classes=found.classes[fine])
        yield part, kept, int((~fine).sum())


FIND = Task(
    name="find",
    protocols=FIND_PROTOCOLS,
    labels=find_labels,
    metric=find_metric,
    measure=measure_find,
    figures=("miou", "ap"),
    columns={
        "miou": "mIoU", "acc25": "Acc@0.25", "acc50": "Acc@0.5", "answered": "answered", "chance": "chance",
        "ratio": "ratio", "ap": "AP", "ap50": "AP50", "ap25": "AP25", "recall": "recall",
    },
    counts="means over n names in scans (uniseg3d: over the n classes that occur)",
)  # fmt: skip
