"""Evaluation on whole scans: any task of `scan_tasks.SCAN_TASKS`, each scan encoded once.

What is asked of a scan is a list of `Wanted`, a task with a protocol each; the evaluation of one task and of all of
them, and the validation during training, go through `measure_scan`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.data.samples.order import drop_missing
from saymask.data.samples.scans import PreparedScans, ScanDataset
from saymask.data.scenes import read_manifest, scene_path
from saymask.errors import InputError, ProtocolError
from saymask.evaluation.request import Request
from saymask.evaluation.scan_tasks import SCAN_TASKS, ScanTask, has_labels
from saymask.evaluation.sentences import not_prepared, to_stderr
from saymask.evaluation.workers import Loaded, loaded, progress_bar
from saymask.metrics.interactive import InteractiveMetric
from saymask.metrics.semantic import SemanticMetric, SemanticRecord
from saymask.metrics.submission import add_scene, all_or_nothing, check_folder, is_submission
from saymask.models.base import Model

Key = tuple[str, str]
"""(task, protocol)."""


@dataclass(frozen=True)
class Wanted:
    """A task with a protocol."""

    task: ScanTask
    protocol: str

    @property
    def key(self) -> Key:
        """The names of both."""
        return self.task.name, self.protocol


@dataclass(frozen=True)
class Measured:
    """Result of measuring one scene; plain data that another process can send."""

    scene_id: str
    states: dict[Key, Mapping[Any, Any]] = field(default_factory=dict)
    """The state of the metric of each task that was measured."""
    not_finite: dict[Key, int] = field(default_factory=dict)
    """Points, masks or sentences with an answer that is no finite number."""
    unlabelled: tuple[Key, ...] = ()
    """Tasks and protocols for which the scene has no labels."""
    refused: dict[Key, str] = field(default_factory=dict)
    """Protocols that the model cannot be measured by, and why."""


def measure_tasks(
    model: Model,
    items: PreparedScans,
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
    model: Model, items: PreparedScans, scene_id: str, wanted: Sequence[Wanted], export: Path | None = None
) -> Measured:
    """Measure one scene, which is encoded once, and write its submission files to the folder `export`.

    The model never sees labels, and is not asked about a scene without them unless its answer is to be exported.
    """
    items.image_features, items.stretched = model.image_features, model.stretched_images
    scan = replace(items.scan(scene_id), name=scene_id)
    unlabelled = tuple(w.key for w in wanted if not has_labels(scan, w.task.labels(w.protocol)))
    result = Measured(scene_id, unlabelled=unlabelled)
    asked = [w for w in wanted if export is not None or w.key not in unlabelled]
    if not asked:
        return result
    try:
        with torch.inference_mode():
            view = model.prepare(replace(scan, labels={}))
            encoded = model.adapted(scan).encode_batch(model.collate([view]).to(model.device))
            for w in asked:
                metric = w.task.empty(w.protocol)
                measure = w.task.measure if export is None else partial(w.task.measure, folder=export)
                try:
                    result.not_finite[w.key] = measure(model, encoded, scan, metric)
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
        if w.task.verb not in verbs:
            raise InputError(
                f"{name} answers {', '.join(verbs)}; task {w.task.name!r} needs a model that answers {w.task.verb!r}"
            )


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
        say(f"{text} and are left out of the numbers: {_some(names)}")
    broken = {m.scene_id: count for m in measured if (count := m.not_finite.get(key, 0))}
    if broken:
        say(
            f"{sum(broken.values()):,} {task.broken}, the model's answer there is not a finite number: "
            f"{_some(list(broken))}; check the weights and the precision"
        )
    return len(names), sum(broken.values())


def _is_share() -> bool:
    """Return whether this is one of several processes, which may have got the scenes without labels."""
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def scans_of(request: Request) -> tuple[ScanDataset, int]:
    """Return the scans that are asked for, and how many of them are not prepared."""
    items = ScanDataset(request.data, request.split, prepare=not_prepared, max_items=request.limit or 0, cache_scenes=1)
    return items, drop_missing(items, to_stderr)


@contextmanager
def opened(
    model: Model | str | Path | None, request: Request, count: int
) -> Iterator[tuple[Loaded, Callable[[int], None]]]:
    """Yield a model that is ready to be measured and the function that moves the progress bar over `count` scans."""
    with (
        loaded(model, request.device, request.processes) as ready,
        progress_bar(f"evaluate {ready.name}", count, request.quiet) as advance,
    ):
        yield ready, advance


def outcome(measured: Sequence[Measured], wanted: Wanted) -> Any:
    """Return the metric of a task over what the scenes came to, in the order of their names."""
    metric = wanted.task.empty(wanted.protocol)
    for one in sorted(measured, key=lambda one: one.scene_id):
        metric.merge(one.states.get(wanted.key, {}))
    return metric


def tasks_of(request: Request) -> dict[str, ScanTask]:
    """Return the tasks on scans by name, as they are asked for."""
    if not request.click_distances:
        return SCAN_TASKS
    from saymask.metrics.clicks import DISTANCES

    click = SCAN_TASKS["interactive"]
    return {**SCAN_TASKS, click.name: replace(click, metric=partial(InteractiveMetric, distances=DISTANCES))}


def evaluate_scans(model: Model | str | Path, request: Request) -> dict[str, Any]:
    """Return what `saymask.evaluation.run.evaluate` returns for a task on whole scans, without the seconds.

    `metrics` is the result of the task's metric. `scans` counts those that were measured, `left_out` those without
    labels or that are not prepared, `missing` those that a submission folder has no file for, `not_finite` the points
    or masks of which the model said nothing usable. Without a protocol the first one that fits the model counts.
    """
    task = tasks_of(request)[request.task]
    wanted = [Wanted(task, p) for p in ((request.protocol,) if request.protocol else task.choice)]
    for w in wanted:
        task.empty(w.protocol)
    folder = None if request.export is None else check_folder(request.export)
    submission = Path(model) if isinstance(model, str | Path) and is_submission(model) else None
    if not task.exports and (submission or folder):
        able = ", ".join(t.name for t in SCAN_TASKS.values() if t.exports)
        raise InputError(
            f"task {task.name} has no files to score or to write; expected a checkpoint and no export, or task {able}"
        )
    items, not_there = scans_of(request)
    measured, missing = list[Measured](), 0
    if submission is not None:
        if folder is not None:
            raise InputError(f"{model} holds predictions already: export them from the model that made them")
        name, chosen = submission.name, wanted[0]
        with progress_bar(f"score {name}", len(items.names), request.quiet) as advance:
            measured, missing = score_folder(
                submission, items, items.names, chosen, allow_missing=request.allow_missing, advance=advance
            )
    else:
        with opened(model, request, len(items.names)) as (ready, advance), all_or_nothing(folder) as work:
            name = ready.name
            check_verbs(name, ready.verbs, wanted)
            keys, export = [w.key for w in wanted], None if work is None else str(work)
            for _, one in ready.each_scene(items.names, _scan_job, (request, keys, export)):
                measured.append(one)
                advance(1)
        chosen = fitting(wanted, measured)[0]
    unlabelled, broken = report(measured, chosen, may_be_empty=folder is not None, say=to_stderr)
    metric = outcome(measured, chosen)
    return {
        "model": name,
        "task": task.name,
        "protocol": chosen.protocol,
        "split": request.split,
        "data": str(request.data),
        "scans": len(metric.records),
        "left_out": unlabelled + not_there,
        "missing": missing,
        "not_finite": broken,
        "metrics": metric.compute(),
        "baselines": _baselines(request.data, metric) if request.baselines else {},
    }


def _scan_job(model: Model, request: Request, keys: Sequence[Key], export: str | None) -> Callable[[str], Measured]:
    items, tasks = ScanDataset(request.data, request.split, prepare=not_prepared, cache_scenes=1), tasks_of(request)
    wanted = [Wanted(tasks[task], protocol) for task, protocol in keys]
    folder = None if export is None else Path(export)
    return lambda scene: measure_scan(model, items, scene, wanted, folder)


def majority_class(metric: SemanticMetric, index: int) -> dict[str, Any]:
    """Return the result of saying class `index` at every point of the scenes that `metric` has counted."""
    other = SemanticMetric(metric.protocol.name)
    columns = len(metric.protocol.classes) + 1
    for scene, record in metric.records.items():
        rows, at = np.unique(record.cells // columns, return_inverse=True)
        counts = np.zeros(len(rows), np.int64)
        np.add.at(counts, at, record.counts)
        other.records[scene] = SemanticRecord((rows * columns + index).astype(np.int32), counts)
    return other.compute()


def _baselines(data: Path, metric: Any) -> dict[str, Any]:
    """Return what needs no model: the most frequent class of the training scans at every point; else nothing."""
    from saymask.data.class_frequencies import count_classes

    if not isinstance(metric, SemanticMetric) or not metric.records:
        return {}
    train = [s for s in read_manifest(data).get("splits", {}).get("train", []) if scene_path(data, s).is_file()]
    if not train:
        return {}
    try:
        frequencies = count_classes(data, train, labels=metric.protocol.label)
    except InputError as error:
        to_stderr(f"there is no baseline: {error}")
        return {}
    if not any(frequencies.points):
        return {}
    return {"majority class": majority_class(metric, int(np.argmax(frequencies.points)))}


def score_folder(
    folder: str | Path,
    items: PreparedScans,
    scenes: Sequence[str],
    wanted: Wanted,
    *,
    allow_missing: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[list[Measured], int]:
    """Return what a submission folder has for each of `scenes`, and for how many with labels it has no file.

    Those are an InputError, as in the benchmark, unless `allow_missing` leaves them out. A scene without labels needs
    no file and is not read.
    """
    folder, labels = Path(folder), wanted.task.labels(wanted.protocol)
    absent = {scene for scene in scenes if not (folder / f"{scene}.txt").is_file()}
    missing = [scene for scene in sorted(absent) if has_labels(items.scan(scene), labels)]
    if missing and (not allow_missing or len(absent) == len(scenes)):
        raise InputError(
            f"{folder}: expected a file <scene>.txt for each of {len(scenes):,} scans, {len(missing):,} have none: "
            f"{_some(missing)}; add them, or leave them out with allow_missing (--allow-missing)"
        )
    if missing:
        to_stderr(f"{len(missing):,} scans have no file in {folder.name} and are left out: {_some(missing)}")
    measured = []
    for scene in scenes:
        if scene not in missing:
            scan, metric = items.scan(scene), wanted.task.empty(wanted.protocol)
            if has_labels(scan, labels):
                add_scene(metric, folder, scene, scan.labels)
                measured.append(Measured(scene, {wanted.key: metric.state()}))
            else:
                measured.append(Measured(scene, unlabelled=(wanted.key,)))
        advance(1)
    return measured, len(missing)


def _some(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
