"""Measurement of a model on scans: each is encoded once, then asked about every task that is wanted.

The evaluation of one task and of all of them, and the validation during training, go through `measure_scan`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from saymask.errors import InputError, ProtocolError
from saymask.evaluation.items import Items, to_stderr
from saymask.evaluation.request import ALL
from saymask.evaluation.tasks.task import PUBLISHED, Aside, Task
from saymask.metrics.predictions import Predicted
from saymask.models.base import Model
from saymask.util.words import some

PLAIN = "plain"
"""As a protocol of `all`: of each task the plain one that fits the model."""
Key = tuple[str, str]
"""(task, protocol)."""


@dataclass(frozen=True)
class Wanted:
    """A task with a protocol."""

    task: Task
    protocol: str

    @property
    def key(self) -> Key:
        """The names of both."""
        return self.task.name, self.protocol


@dataclass(frozen=True)
class Measured:
    """Measurement of one scene; plain data that another process can send."""

    scene_id: str
    states: dict[Key, Mapping[Any, Any]] = field(default_factory=dict)
    """The state of the metric of each task that was measured."""
    not_finite: dict[Key, int] = field(default_factory=dict)
    """Points, masks or sentences with an answer that is no finite number."""
    unlabelled: tuple[Key, ...] = ()
    """Tasks and protocols for which the scene has no labels."""
    refused: dict[Key, str] = field(default_factory=dict)
    """Protocols that the model cannot be measured by, and why."""
    predicted: list[Predicted] = field(default_factory=list)
    """Predictions for sentences, where they are kept."""
    scores: dict[tuple[str, int], float] = field(default_factory=dict)
    """The highest score of the masks of each sentence."""


def measure_tasks(
    model: Model,
    items: Items,
    scenes: Iterable[str],
    wanted: Sequence[Wanted],
    *,
    say: Callable[[str], None] = to_stderr,
) -> dict[Key, Any]:
    """Return the metric of each task over `scenes`; the model is used as it is: call `eval()` before.

    What the model answers is compared with the scan's labels, which the model does not see. Scenes without the labels
    of a task are left out of it; `say` tells how many these are, and where the model's answers were no finite numbers,
    which count as no answer. Of several protocols of a task those that the model cannot be measured by (other classes)
    stay empty.

    Raises InputError when the model does not answer a task or fits no protocol, and when none of the scenes has labels.
    One of several processes of torch.distributed raises nothing then (the others would wait for it), and no scenes at
    all give empty metrics: such a process has no share.
    """
    metrics = {w.key: w.task.empty(w.protocol) for w in wanted}
    check_verbs(model.title, model.verbs, wanted)
    measured = []
    for scene in scenes:
        result = measure_scan(model, items, scene, wanted)
        for key, state in result.states.items():
            metrics[key].merge(state)
        measured.append(replace(result, states={}))  # they are in the metrics
    # Without the labels of one task the others still count.
    nothing = not any(metric.records for metric in metrics.values())
    for w in fitting(wanted, measured):
        report(measured, w, may_be_empty=_is_share() or not nothing, say=say)
    return metrics


def measure_scan(
    model: Model,
    items: Items,
    scene_id: str,
    wanted: Sequence[Wanted],
    *,
    folder: Path | None = None,
    colored: bool = False,
    keep: bool = False,
) -> Measured:
    """Measure one scene, which is encoded once; write its submission files to `folder`, keep what is predicted.

    `colored` adds a PLY file coloured by the answer.

    The model never sees labels, and is not asked about a scene without them unless its answer is to be exported.
    """
    scans = items.scans
    scans.image_features, scans.stretched = model.image_features, model.stretched_images
    scan = replace(scans.scan(scene_id), name=scene_id)
    unlabelled = tuple(w.key for w in wanted if not w.task.labelled(scan, w.protocol))
    result = Measured(scene_id, unlabelled=unlabelled)
    exported = keep or folder is not None
    asked = [w for w in wanted if exported or w.key not in unlabelled]
    if not asked:
        return result
    kept = result.predicted if keep else None
    aside = Aside(items.annotations.get(scene_id, ()), folder, colored, kept, result.scores, answers={})
    try:
        with torch.inference_mode():
            view = model.prepare(replace(scan, labels={}))
            encoded = model.adapted(scan).encode_batch(model.collate([view]).to(model.device))
            for w in asked:
                metric = w.task.empty(w.protocol)
                try:
                    result.not_finite[w.key] = w.task.measure(model, encoded, scan, metric, aside)
                except ProtocolError as error:
                    result.refused[w.key] = str(error)
                    continue
                if w.key not in unlabelled:
                    result.states[w.key] = metric.state()
    except InputError as error:
        raise InputError(f"{scene_id}: {error}") from None
    return result


def fitting(wanted: Sequence[Wanted], measured: Sequence[Measured]) -> list[Wanted]:
    """Return what of `wanted` the model could be measured on; InputError, which tells why, when that is nothing."""
    refused = {key: why for one in measured for key, why in one.refused.items()}
    left = [w for w in wanted if w.key not in refused]
    if not left:
        raise InputError("; ".join(dict.fromkeys(refused.values())))
    return left


def check_verbs(name: str, verbs: Sequence[str], wanted: Sequence[Wanted]) -> None:
    """Raise InputError when a model does not answer what a task measures."""
    for w in wanted:
        if w.task.name not in verbs:
            raise InputError(f"{name} answers {', '.join(verbs)}; task {w.task.name!r} needs a model that answers it")


def report(
    measured: Sequence[Measured], wanted: Wanted, *, may_be_empty: bool, say: Callable[[str], None]
) -> tuple[int, int]:
    """Say what was left out; return how many scenes had no labels and how many answers were not finite.

    Raises InputError when none of the scenes had labels, unless that `may_be_empty`.
    """
    task, key = wanted.task, wanted.key
    names = [m.scene_id for m in measured if key in m.unlabelled]
    if names:
        label, *more = task.labels(wanted.protocol)
        text = f"{len(names):,} of {len(measured):,} scans have no labels {label!r}"
        text += " with instances" if "instance" in more else ""
        if len(names) == len(measured) and not may_be_empty:
            raise InputError(
                f"{text}: expected at least one to measure on; prepare the scans with their aggregation files and the "
                "label table, or choose another split"
            )
        say(f"{text} and are left out of the numbers: {some(names)}")
    broken = {m.scene_id: count for m in measured if (count := m.not_finite.get(key, 0))}
    if broken:
        say(
            f"{sum(broken.values()):,} {task.broken}, the model's answer there is not a finite number: "
            f"{some(list(broken))}; check the weights and the precision"
        )
    return len(names), sum(broken.values())


def _is_share() -> bool:
    """Return whether this is one of several processes, which may have got the scenes without labels."""
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def outcome(measured: Sequence[Measured], wanted: Wanted) -> Any:
    """Return the metric of a task over what the scenes came to, in the order of their names."""
    metric = wanted.task.empty(wanted.protocol)
    for one in sorted(measured, key=lambda one: one.scene_id):
        metric.merge(one.states.get(wanted.key, {}))
    return metric


def wanted_of(tasks: Mapping[str, Task], verbs: Sequence[str], protocol: str | None) -> list[Wanted]:
    """Return what is measured of a model that answers `verbs`.

    protocol: None for the plain and the published one of each task, `plain` for the plain one, else a protocol of which
    the tasks that have it are measured. Raises InputError when nothing is left.
    """
    known = dict.fromkeys(p for task in tasks.values() for p in task.protocols)
    if protocol is not None and protocol != PLAIN and protocol not in known:
        raise InputError(f"protocol: expected {PLAIN}, {', '.join(known)} or none for task {ALL}, got {protocol!r}")
    found = []
    for task in tasks.values():
        if task.name not in verbs:
            continue
        chosen = (protocol,) if protocol in task.protocols else ()
        if protocol is None or protocol == PLAIN:
            chosen = task.choice
        if protocol is None and PUBLISHED in task.protocols:
            chosen = (*chosen, PUBLISHED)
        found += [Wanted(task, p) for p in chosen]
    if not found:
        raise InputError(
            f"protocol {protocol}: expected a model that answers one of its tasks, got one that answers "
            f"{', '.join(verbs) or 'nothing'}"
        )
    return found


def refusals(
    wanted: Sequence[Wanted], measured: Sequence[Measured], results: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return {"task protocol": why the model was not measured}, without a choice of protocols of which one did fit."""
    why = {key: text for one in measured for key, text in one.refused.items()}
    return {
        " ".join(w.key): why[w.key]
        for w in wanted
        if w.key in why and not (w.protocol in w.task.choice and set(w.task.choice) & set(results.get(w.task.name, ())))
    }


def summary(metrics: Mapping[Key, Any], wanted: Sequence[Wanted], protocol: str) -> dict[str, Any]:
    """Return one result of several tasks: {"protocol", "overall": {n, mean}, one entry per task}.

    `mean` is that of the headline figures of the n tasks with a scan; the entry of a task is the `overall` of its
    result. Of several protocols of a task the first with a scan counts.
    """
    tasks: dict[str, Any] = {}
    figures = []
    for w in wanted:
        if w.task.name not in tasks and metrics[w.key].records:
            result = metrics[w.key].compute()
            tasks[w.task.name] = result["overall"]
            figures.append(result["overall"][w.task.figure(result)])
    mean = sum(figures) / len(figures) if figures else 0.0
    return {"protocol": protocol, "overall": {"n": len(figures), "mean": mean}, **tasks}
