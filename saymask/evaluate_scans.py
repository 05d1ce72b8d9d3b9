"""Measure what a model says about whole scans, semantic classes or instances, by the rules of a ScanNet benchmark."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from saymask import hub
from saymask.data.order import drop_missing
from saymask.data.scans import PreparedScans, ScanDataset
from saymask.data.scenes import read_manifest, scene_path
from saymask.errors import InputError
from saymask.metrics.benchmark import NO_CLASS, Benchmark, get_benchmark
from saymask.metrics.instance import InstanceMetric
from saymask.metrics.semantic import SemanticMetric, SemanticRecord
from saymask.metrics.submission import (
    add_scene,
    all_or_nothing,
    check_folder,
    is_submission,
    write_instances,
    write_semantic,
)
from saymask.models.base import Classes, Model, Objects
from saymask.pool import loaded, progress_bar
from saymask.scan import Scan

ScanTask = Literal["semantic", "instance"]
VERB_OF = {"semantic": "semantic", "instance": "instances"}
"""The verb that a model must answer for a task."""
ScanMetric = SemanticMetric | InstanceMetric


def scan_metric(task: str, protocol: str) -> ScanMetric:
    """Return an empty metric of a task; InputError for an unknown task or protocol."""
    if task not in VERB_OF:
        raise InputError(f"task: expected {' or '.join(VERB_OF)}, got {task!r}")
    return SemanticMetric(protocol) if task == "semantic" else InstanceMetric(protocol)


@dataclass(frozen=True)
class Measured:
    """What the measurement of one scene came to; plain data that another process can send."""

    scene_id: str
    state: dict[str, Any]
    """The state of the metric: empty for a scene without labels."""
    not_finite: int
    """Points (semantic) or masks (instance) with a probability or score that is no finite number."""


def measure_scans(
    model: Model,
    items: PreparedScans,
    scenes: Iterable[str],
    task: ScanTask,
    protocol: str = "scannet200",
    *,
    export: Path | None = None,
    on_scene: Callable[[str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> ScanMetric:
    """Return the metric over the points of `scenes`; the model is used as it is: call `eval()` before.

    `protocol` is `scannet200` or `scannet`. What the model answers is compared at every point of the scan with the
    scan's labels, which the model does not see. `export` is a folder for the benchmark's submission files; `on_scene`
    is called with the name of each scene that is done. Scenes without labels of the protocol are left out (but
    exported); `say` (by default: print on standard error) tells how many these are, and where the model's answers were
    no finite numbers. Such points count as points without a class, such masks are left out.

    Raises InputError when the model does not answer the task or answers with classes of another label set, and when
    none of the scenes has labels and nothing is exported. One of several processes of torch.distributed raises nothing
    then (the others would wait for it), and no scenes at all give an empty metric: such a process has no share.
    """
    metric = scan_metric(task, protocol)
    check_verb(str(getattr(model, "card", {}).get("name", model.system)), model.verbs, task)
    measured = []
    for scene in scenes:
        result = measure_scan(model, items, scene, task, protocol, export)
        metric.merge(result.state)
        measured.append(result)
        if on_scene is not None:
            on_scene(scene)
    report(measured, task, protocol, may_be_empty=export is not None or _is_share(), say=say or _to_stderr)
    return metric


def evaluate_scans(
    model: Model | str | Path | None,
    data: str | Path,
    *,
    task: str,
    protocol: str,
    split: str,
    processes: int,
    limit: int | None,
    baselines: bool,
    device: str,
    export: str | Path | None,
    allow_missing: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Return what `saymask.evaluate.evaluate` returns for the tasks on whole scans, without the seconds.

    `metrics` is the result of the task's metric: {"protocol", "overall", "head", "common", "tail", per class}. `scans`
    counts those that were measured, `left_out` those without labels or that are not prepared, `missing` those that a
    submission folder has no file for, `not_finite` the points or masks of which the model said nothing usable.
    """
    metric = scan_metric(task, protocol)
    folder = None if export is None else check_folder(export)
    items = ScanDataset(data, split, prepare=_not_prepared, max_items=limit or 0, cache_scenes=1)
    not_there, scenes = drop_missing(items, _to_stderr), items.names
    measured, missing = list[Measured](), 0
    if model is None:
        model = hub.default_for(VERB_OF[task])
    if isinstance(model, str | Path) and is_submission(model):
        if export is not None:
            raise InputError(f"{model} holds predictions already: export them from the model that made them")
        name = Path(model).name
        with progress_bar(f"score {name}", len(scenes), quiet) as advance:
            measured, missing = score_folder(
                model, items, scenes, task, protocol, allow_missing=allow_missing, advance=advance
            )
    else:
        with (
            loaded(model, device, processes) as ready,
            progress_bar(f"evaluate {ready.name}", len(scenes), quiet) as advance,
            all_or_nothing(folder) as work,
        ):
            name = ready.name
            check_verb(name, ready.verbs, task)
            arguments = (str(data), split, task, protocol, None if work is None else str(work))
            for _, one in ready.each_scene(scenes, _scan_job, arguments):
                measured.append(one)
                advance(1)
    measured.sort(key=lambda one: one.scene_id)
    metric.merge(*(one.state for one in measured))
    unlabelled, broken = report(measured, task, protocol, may_be_empty=export is not None, say=_to_stderr)
    return {
        "model": name,
        "task": task,
        "protocol": protocol,
        "split": split,
        "data": str(data),
        "scans": len(metric.records),
        "left_out": unlabelled + not_there,
        "missing": missing,
        "not_finite": broken,
        "metrics": metric.compute(),
        "baselines": _baselines(Path(data), metric) if baselines else {},
    }


def _scan_job(
    model: Model, data: str, split: str, task: str, protocol: str, export: str | None
) -> Callable[[str], Measured]:
    items = ScanDataset(data, split, prepare=_not_prepared, cache_scenes=1)
    folder = None if export is None else Path(export)
    return lambda scene: measure_scan(model, items, scene, task, protocol, folder)


def _not_prepared(*_: Any, **__: Any) -> Any:
    """Stand where a dataset takes `prepare`: `measure_scan` prepares scans itself."""
    raise AssertionError("evaluation prepares scans itself, once per scene")


def measure_scan(
    model: Model, items: PreparedScans, scene_id: str, task: str, protocol: str, export: Path | None
) -> Measured:
    """Measure one scene and write its submission files to the folder `export`.

    The model never sees labels, and is not asked about a scene without them unless its answer is to be exported.
    """
    items.image_features, items.stretched = model.image_features, model.stretched_images
    scan, metric = items.scan(scene_id), scan_metric(task, protocol)
    labelled = has_labels(scan, task, metric.protocol)
    if not labelled and export is None:
        return Measured(scene_id, {}, 0)
    unseen = replace(scan, labels={})
    try:
        with torch.inference_mode():
            encoded = model.encode_batch(model.collate([model.prepare(unseen)]).to(model.device))
            answer: Classes | Objects = getattr(model, VERB_OF[task])(encoded)
    except InputError as error:
        raise InputError(f"{scene_id}: {error}") from None
    _check_answer(answer, scan, metric.protocol)
    if isinstance(metric, SemanticMetric):
        assert isinstance(answer, Classes)
        ids, broken = point_classes(answer)
        if labelled:
            metric.update(ids, metric.protocol.true_classes(scan.labels), scene_id)
        if export is not None:
            write_semantic(export, scene_id, ids)
        return Measured(scene_id, metric.state(), broken)
    assert isinstance(answer, Objects)
    fine = np.isfinite(answer.scores)
    masks, scores = answer.masks[fine], answer.scores[fine]
    labels = np.asarray(answer.ids, np.int64)[answer.classes[fine]]
    if labelled:
        true = metric.protocol.true_instances(scan.labels)
        metric.update(masks, labels, scores, true, scene_id, index=answer.index)
    if export is not None:
        write_instances(export, scene_id, masks, labels, scores, index=answer.index)
    return Measured(scene_id, metric.state(), int((~fine).sum()))


def point_classes(answer: Classes) -> tuple[np.ndarray, int]:
    """Return the class id of each point, int64 [N] (0 none), and at how many points the probability is not finite.

    A class that was chosen among numbers that are none was not chosen: such points have none.
    """
    fine = np.isfinite(answer.probabilities)
    rows = np.append(np.asarray(answer.ids, np.int64), 0)[np.where(fine, answer.classes, NO_CLASS)]
    # Row -1, a point without support, is the entry that is appended.
    return np.append(rows, 0)[answer.index], int(np.count_nonzero(np.append(~fine, False)[answer.index]))


def has_labels(scan: Scan, task: str, benchmark: Benchmark) -> bool:
    """Return whether a scan has labels that the task can be measured with: some point of a class of the benchmark."""
    wanted = {benchmark.label} | ({"instance"} if task == "instance" else set())
    return wanted <= scan.labels.keys() and bool((scan.labels[benchmark.label] != NO_CLASS).any())


def check_verb(name: str, verbs: Sequence[str], task: str) -> None:
    """Raise InputError when a model does not answer what a task measures."""
    if VERB_OF[task] not in verbs:
        raise InputError(
            f"{name} answers {', '.join(verbs)}; task {task!r} needs a model that answers {VERB_OF[task]!r}"
        )


def _check_answer(answer: Classes | Objects, scan: Scan, benchmark: Benchmark) -> None:
    if answer.index.shape != (len(scan),):
        raise InputError(
            f"{scan.name}: expected an answer for each of {len(scan):,} points, got {list(answer.index.shape)}"
        )
    # Names as well: the same number means other things in two benchmarks (2 is chair in one, floor in the other).
    known = {c.id: c.name for c in benchmark.classes}
    strange = [(i, name) for i, name in zip(answer.ids, answer.names, strict=True) if known.get(i) != name]
    if strange:
        some = ", ".join(f"{i} {name!r}" for i, name in strange[:3])
        raise InputError(
            f"protocol {benchmark.name}: expected a model with the {len(known)} classes of this benchmark "
            f"({benchmark.classes[0].id} {benchmark.classes[0].name!r}, …), got {len(answer.ids)} classes, "
            f"{len(strange)} of them unknown to it: {some}; choose the protocol that the model was trained for"
        )


def report(
    measured: Sequence[Measured], task: str, protocol: str, *, may_be_empty: bool, say: Callable[[str], None]
) -> tuple[int, int]:
    """Say what was left out; return how many scenes had no labels and how many answers were not finite.

    Raises InputError when none of the scenes had labels, unless that `may_be_empty`.
    """
    names = [m.scene_id for m in measured if not m.state]
    if names:
        label = get_benchmark(protocol).label
        text = f"{len(names):,} of {len(measured):,} scans have no labels {label!r}"
        text += " with instances" if task == "instance" else ""
        if len(names) == len(measured) and not may_be_empty:
            raise InputError(
                f"{text}: expected at least one to measure on; prepare the scans with their aggregation files and the "
                "label table, or choose another split"
            )
        say(f"{text} and are left out of the numbers: {_some(names)}")
    broken = {m.scene_id: m.not_finite for m in measured if m.not_finite}
    if broken:
        what = "points have no class" if task == "semantic" else "masks are left out"
        say(
            f"{sum(broken.values()):,} {what}, the model's answer there is not a finite number: "
            f"{_some(list(broken))}; check the weights and the precision"
        )
    return len(names), sum(broken.values())


def _is_share() -> bool:
    """Return whether this is one of several processes, which may have got the scenes without labels."""
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


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


def _baselines(data: Path, metric: ScanMetric) -> dict[str, Any]:
    """Return what needs no model: the most frequent class of the training scans at every point; for instances none."""
    from saymask.models.lground.frequency import count_classes

    train = [s for s in read_manifest(data).get("splits", {}).get("train", []) if scene_path(data, s).is_file()]
    if not isinstance(metric, SemanticMetric) or not metric.records or not train:
        return {}
    try:
        frequencies = count_classes(data, train, labels=metric.protocol.label)
    except InputError as error:
        _to_stderr(f"there is no baseline: {error}")
        return {}
    if not any(frequencies.points):
        return {}
    return {"majority class": majority_class(metric, int(np.argmax(frequencies.points)))}


def score_folder(
    folder: str | Path,
    items: PreparedScans,
    scenes: Sequence[str],
    task: str,
    protocol: str,
    *,
    allow_missing: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[list[Measured], int]:
    """Return what a submission folder has for each of `scenes`, and for how many with labels it has no file.

    Those are an InputError, as in the benchmark, unless `allow_missing` leaves them out. A scene without labels needs
    no file and is not read.
    """
    folder, benchmark = Path(folder), get_benchmark(protocol)
    absent = {scene for scene in scenes if not (folder / f"{scene}.txt").is_file()}
    missing = [scene for scene in sorted(absent) if has_labels(items.scan(scene), task, benchmark)]
    if missing and (not allow_missing or len(absent) == len(scenes)):
        raise InputError(
            f"{folder}: expected a file <scene>.txt for each of {len(scenes):,} scans, {len(missing):,} have none: "
            f"{_some(missing)}; add them, or leave them out with allow_missing (--allow-missing)"
        )
    if missing:
        _to_stderr(f"{len(missing):,} scans have no file in {folder.name} and are left out: {_some(missing)}")
    measured = []
    for scene in scenes:
        if scene not in missing:
            scan, metric = items.scan(scene), scan_metric(task, protocol)
            if has_labels(scan, task, benchmark):
                add_scene(metric, folder, scene, scan.labels)
            measured.append(Measured(scene, metric.state(), 0))
        advance(1)
    return measured, len(missing)


COLUMNS = {
    "semantic": {"miou_present": "mIoU", "miou_all": "mIoU, absent = 0", "acc": "accuracy"},
    "instance": {"ap": "AP", "ap50": "AP50", "ap25": "AP25"},
}


def table_of_scans(result: dict[str, Any]) -> tuple[Any, list[str]]:
    """Return a result as a table of rich, and lines to print below it: the classes with the best and worst numbers."""
    from rich.table import Table

    task, numbers = result["task"], result["metrics"]
    caption = f"{result['scans']:,} scans; numbers in %, means over the n classes that occur"
    if task == "semantic":
        caption += "; absent = 0: over all classes of the protocol"
    for key, what in (
        ("left_out", "scans without labels are left out"),
        ("missing", "scans without a prediction are left out"),
        ("not_finite", f"{'points' if task == 'semantic' else 'masks'} without a finite answer"),
    ):
        if result[key]:
            caption += f"; {result[key]:,} {what}"
    title = f"{task} on {result['data']} {result['split']} · protocol {result['protocol']}"
    table = Table(title=title, caption=caption)
    table.add_column("")
    table.add_column("subset")
    for name in ("n", *COLUMNS[task].values()):
        table.add_column(name, justify="right")
    for name, metrics in {result["model"]: numbers, **result["baselines"]}.items():
        for subset in ("overall", "head", "common", "tail"):
            if values := metrics.get(subset):
                shares = (f"{100 * values[k]:.2f}" if values["n"] and k in values else "-" for k in COLUMNS[task])
                table.add_row(name, subset, f"{values['n']:,}", *shares)
        table.add_section()
    measure = "IoU" if task == "semantic" else "AP"
    classes = sorted(numbers[measure.lower()].items(), key=lambda pair: (-pair[1], pair[0]))
    if len(classes) <= 6:
        parts = [("classes", classes)] if classes else []
    else:
        parts = [("best classes", classes[:3]), ("worst classes", classes[-3:])]
    return table, [f"{what} ({measure}): " + ", ".join(f"{c} {100 * v:.1f}" for c, v in rows) for what, rows in parts]


def _some(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)
