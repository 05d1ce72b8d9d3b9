"""One click on each true object of a scan, and how well the masks that a model answers with cover these objects.

Protocols and numbers: `saymask.metrics.interactive`. Source: docs/systems/uniseg3d.md §2.6, §2.7b, §6.6.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from saymask.data.superpoint_truth import STUFF, labels_of, superpoint_truth
from saymask.errors import InputError
from saymask.evaluation.tasks.task import NOTHING, PUBLISHED, Aside, Task
from saymask.geometry.superpoints import superpoints_of
from saymask.geometry.votes import numbered, owners
from saymask.metrics.clicks import DISTANCES, RANDOM, agile_clicks, random_clicks, relative_clicks
from saymask.metrics.interactive import InteractiveMetric
from saymask.metrics.overlap import label_iou
from saymask.models.contract import AnswersClick
from saymask.scan import Scan

CLICK_LABELS = ("instance", "semantic20")
"""Labels that a scan needs to be measured."""
NOT_SURE = -1.0
"""Confidence of an answer that is no number: below every probability."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The I objects of a scan that are clicked on."""

    points: np.ndarray  # int64 [N]: object that a point belongs to, -1 none; clicks are put on these
    compared: np.ndarray  # int64 [N]: object of each point that a mask is compared with, -1 none
    classes: np.ndarray  # int64 [I]: thing class 0..17, -1 another object


class Clickable(AnswersClick, Protocol):
    """A model that answers clicks, and says of what class it takes the thing to be, or that it cannot."""

    def click_classes(self, encoded: Any, points: np.ndarray) -> np.ndarray:
        """Return float32 [K, 18]; see `Model.click_classes`."""
        ...


@torch.inference_mode()
def measure_clicks(
    model: Clickable, encoded: Any, scan: Scan, metric: InteractiveMetric, aside: Aside = NOTHING
) -> int:
    """Click on every object of a scan and count the masks in `metric`; return how many answers are not finite.

    `encoded` is what `model.encode_batch` made of this scan. The objects are clicked on once, deep inside, or at each
    of `metric.distances`; all clicks are one call of `model.click`, which answers each as if it were alone. An answer
    that is not finite counts as a mask without points, of the least confidence.

    Raises InputError for a scan without labels (`CLICK_LABELS`), ProtocolError for a protocol that needs the classes of
    clicks and a model that does not tell them.
    """
    found = targets(scan, voted=metric.protocol.voted)
    places, owners, distances = clicks_on(scan.points, found, metric.distances, scan.name)
    asked, rows = np.unique(places, return_inverse=True)
    # Also without a click: a model that does not fit the protocol is refused on every scan.
    probabilities = model.click_classes(encoded, asked) if metric.protocol.oracle else None
    if not len(places):
        metric.update(np.zeros(0), np.zeros(0), scan.name)
        return 0
    answer = model.click(encoded, asked)
    if probabilities is None:
        scores = answer.scores.detach().double().cpu().numpy()[rows]
    else:
        scores = probabilities[rows, found.classes[owners]].astype(np.float64)
    broken = answer.logits.isnan().any(1).cpu().numpy()[rows] | ~np.isfinite(scores)
    masks = (answer.logits.detach() > 0).cpu().numpy()
    try:
        iou = label_iou(masks, found.compared, len(found.classes), answer.index, epsilon=metric.protocol.epsilon)
    except InputError as error:
        raise InputError(f"{scan.name}: {error}") from None
    metric.update(
        np.where(broken, 0.0, iou[rows, owners]),
        np.where(broken, NOT_SURE, scores),
        scan.name,
        things=None if metric.protocol.voted else found.classes[owners] >= 0,
        distances=distances if metric.distances else None,
    )
    return int(broken.sum())


def targets(scan: Scan, *, voted: bool) -> Targets:
    """Return the objects of a scan with labels: all of them, or the things as UniSeg3D takes them with `voted`.

    An object is a thing when more than half of its points are of one of the 18 thing classes, and has the class of most
    of these. With `voted` it is what has points of a thing class, its class is that of the first of them
    (docs/systems/uniseg3d.md §Q20), and it is compared over superpoints. Raises InputError without the labels
    `instance` and `semantic20` (or `nyu40`).

    Source: docs/systems/uniseg3d.md §2.6.
    """
    semantic, instance = labels_of(scan)
    if voted:
        index = numbered(superpoints_of(scan))[1]
        truth = superpoint_truth(semantic, instance, index, int(index.max(initial=-1)) + 1)
        return Targets(truth.instance, owners(truth.masks)[index], truth.labels)
    points = np.full(len(instance), -1, np.int64)
    inside = instance >= 0
    names, points[inside] = numbered(instance[inside])
    kinds = int(semantic.max(initial=0)) + 1
    cells = points[inside] * (kinds + 1) + semantic[inside] + 1
    counts = np.bincount(cells, minlength=len(names) * (kinds + 1)).reshape(len(names), kinds + 1)
    things = counts[:, STUFF + 1 :]
    most = things.argmax(1) if things.shape[1] else np.zeros(len(names), np.int64)
    return Targets(points, points, np.where(2 * things.sum(1) > counts.sum(1), most, -1))


def clicks_on(
    points: np.ndarray,  # float32 [N, 3] metres
    found: Targets,
    distances: tuple[float, ...],
    name: str = "",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (point int64 [P], object int64 [P], distance float64 [P]) of the clicks of the evaluation.

    One per object and distance; without distances the benchmark's, of which an object that has no point of its own in
    any 5 cm cell has none, and the distance is NaN. The scan's `name` decides on the random ones.

    Source: docs/systems/uniseg3d.md §2.7b.
    """
    sets = [
        (r, random_clicks(found.points, name) if r == RANDOM else relative_clicks(points, found.points, r))
        for r in distances
    ]
    sets = sets or [(np.nan, agile_clicks(points, found.points))]
    places, owners = (np.concatenate([each[part] for _, each in sets]) for part in (0, 1))
    return places, owners, np.concatenate([np.full(len(each[0]), r) for r, each in sets])


CLICK = Task(
    name="click",
    protocols=("scannet", PUBLISHED),
    labels=lambda protocol: CLICK_LABELS,
    metric=InteractiveMetric,
    measure=measure_clicks,
    figures=("miou",),
    columns={
        "miou": "mIoU", "acc25": "Acc@0.25", "acc50": "Acc@0.5", "ap": "AP", "ap50": "AP50", "ap25": "AP25",
    },
    counts="means over n clicks",
    broken="clicks count as empty masks",
)  # fmt: skip


def at_distances(task: Task) -> Task:
    """Return the task with clicks at each of `DISTANCES` of an object's radius and anywhere, not one deep inside."""
    return replace(task, metric=partial(InteractiveMetric, distances=(*DISTANCES, RANDOM)))
