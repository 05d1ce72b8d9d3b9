"""Measure a checkpoint, or predictions that were made elsewhere, on prepared data with a named protocol."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from saymask.data.annotations import Annotation
from saymask.data.image_store import check_image_features
from saymask.data.samples.sentences import load_split
from saymask.errors import InputError
from saymask.evaluation.items import Items, load_items, source_of, to_stderr
from saymask.evaluation.measure import (
    Key,
    Measured,
    Wanted,
    check_verbs,
    fitting,
    measure_scan,
    outcome,
    refusals,
    report,
    wanted_of,
)
from saymask.evaluation.pictures import write_pictures
from saymask.evaluation.request import ALL, Request
from saymask.evaluation.rows import Row, class_means, click_rows, sentence_rows, write_rows
from saymask.evaluation.stored import score_stored, stored_path
from saymask.evaluation.tasks.find_by_frames import check_frames
from saymask.evaluation.tasks.table import NAMES, TASKS, tasks_of
from saymask.evaluation.workers import Loaded, loaded, progress_bar
from saymask.hub import headers
from saymask.metrics.predictions import check_export, save_predictions
from saymask.metrics.scanrefer_submission import write_submission
from saymask.metrics.scoring import file_numbers
from saymask.metrics.submission import all_or_nothing, check_folder
from saymask.models.base import Model
from saymask.scan import Scan
from saymask.util.files import write_text
from saymask.util.provenance import provenance


def evaluate(model: Model | str | Path | None, request: Request) -> dict[str, Any]:
    """Return the metrics of `model` on a split of prepared data; `Request` says what is asked.

    `model` is a Model, a checkpoint, None for the embedded one, or predictions, which are scored without any model: for
    sentences a `.json`, a `.json.gz` or a folder that `export` wrote (`saymask.metrics.predictions`), for classes and
    instances a folder of the benchmark's submission files.

    Every annotation or scan counts once and sums run in a fixed order, so that the numbers do not depend on how many
    processes there are. The result holds `metrics` ({"overall", one per group of the protocol} -> n and means as shares
    0..1), the same for each of the `baselines`, the protocol's name and what was measured; that of `all` holds
    `results` ({task: {protocol: {"metrics", …}}}) and no baselines.

    Raises InputError for an unknown protocol, task or split, a model that does not answer the task, a path that cannot
    be written, data that is not prepared, and predictions that lack annotations or scans. An annotation whose scene or
    object is missing, and a scan without labels, is reported and counted as `left_out`.
    """
    if request.task not in NAMES:
        raise InputError(f"task: expected one of {', '.join(NAMES)}, got {request.task!r}")
    request.check()
    began = time.monotonic()
    rows: list[Row] = []
    found = evaluate_all(model, request) if request.task == ALL else evaluate_one(model, request, rows)
    result = {**found, "seconds": round(time.monotonic() - began, 3)}
    if request.rows is not None:
        write_rows(request.rows, rows)
    if request.json is not None:
        whole = {**result, "provenance": provenance(data=request.data, checkpoint=_file(model, request)), "rows": rows}
        write_text(request.json, json.dumps(whole, indent=2) + "\n")
    return result


def _file(model: Model | str | Path | None, request: Request) -> Path | None:
    """Return the file that the model or the predictions were read from; None for a model that was built here."""
    if isinstance(model, Model):
        return Path(model.card["path"]) if "path" in model.card else None
    if model is None:
        model = headers.DEFAULT if request.task == ALL else headers.default_for(request.task)
    return Path(model) if Path(model).exists() else headers.find_checkpoint(model)


def evaluate_one(model: Model | str | Path | None, request: Request, rows: list[Row] | None = None) -> dict[str, Any]:
    """Return what `evaluate` returns for one task, without the seconds; `rows` gets the single results.

    `scans` counts those that were measured (for sentences `annotations` and `scenes` what there is), `left_out` what
    has no labels or is not prepared, `missing` what stored predictions have nothing for, `not_finite` the answers that
    were no numbers. Without a protocol the first one that fits the model counts.
    """
    task = tasks_of(request)[request.task]
    wanted = [Wanted(task, p) for p in ((request.protocol,) if request.protocol else task.choice)]
    for w in wanted:
        task.empty(w.protocol)
    model = headers.default_for(task.name) if model is None else model
    path = stored_path(model, wanted[0])
    if not task.exports and (path or request.export):
        able = ", ".join(t.name for t in TASKS.values() if t.exports == "scans")
        raise InputError(
            f"task {task.name} has no files to score or to write; expected a checkpoint and no export, or task {able}"
        )
    if request.export is not None:
        (check_export if task.exports == "sentences" else check_folder)(request.export)
    if path is not None and request.export is not None:
        raise InputError(f"{model} holds predictions already: export them from the model that made them")
    # What a protocol is defined on decides which sentences are asked.
    items = load_items(replace(request, protocol=wanted[0].protocol))
    measured, missing = list[Measured](), 0
    if path is not None:
        chosen = wanted[0]
        with progress_bar(f"score {path.name}", len(items.names), request.quiet) as advance:
            scored = score_stored(path, items, chosen, allow_missing=request.allow_missing, advance=advance)
        name, items, measured, missing = scored.name, scored.items, scored.measured, scored.missing
    else:
        keep = task.exports == "sentences" and (request.keeps_answers or request.pictures is not None)
        folder = request.export if task.exports == "scans" else None
        with opened(model, request, items) as (ready, advance), all_or_nothing(folder) as work:
            name = ready.name
            check_verbs(name, ready.verbs, wanted)
            for one in measured_by(ready, request, items, wanted, folder=work, keep=keep):
                measured.append(one)
                advance(1)
        chosen = fitting(wanted, measured)[0]
    predicted = [entry for one in measured for entry in one.predicted]
    if path is None and request.submission is not None:
        write_submission(request.submission, predicted, *_asked(items, request))
    if task.exports == "sentences" and request.export is not None:
        header = {"protocol": chosen.protocol, "source": items.source, "split": request.split, "model": name}
        save_predictions(request.export, predicted, header)
    unlabelled, broken = report(measured, chosen, may_be_empty=request.keeps_answers, say=to_stderr)
    metric = outcome(measured, chosen)
    counted: dict[str, Any] = {"scans": len(metric.records)}
    annotations = [a for scene in items.annotations.values() for a in scene]
    if rows is not None and task.name == "refer":
        scores = {key: score for one in measured for key, score in one.scores.items()}
        rows += sentence_rows(metric, annotations, scores)
    elif rows is not None and task.name == "click":
        rows += click_rows(metric)
    if request.pictures is not None:
        write_pictures(request.pictures, items, metric, predicted, most=request.most_pictures, worst=request.worst)
    if items.source:
        sentences = sum(len(a) for a in items.annotations.values())
        counted = {"source": items.source, "annotations": sentences, "scenes": len(items.names)}
    return {
        "model": name,
        "task": task.name,
        "protocol": chosen.protocol,
        "split": request.split,
        **({"settings": request.changes()} if request.settings else {}),
        "data": str(request.data),
        **counted,
        "left_out": unlabelled + items.left_out,
        "missing": missing,
        "not_finite": broken,
        "metrics": metric.compute(),
        **({"classes": class_means(metric, annotations)} if task.name == "refer" else {}),
        "baselines": task.baselines(items, metric) if request.baselines and metric.records else {},
    }


def _asked(
    items: Items, request: Request
) -> tuple[dict[tuple[str, int], tuple[Annotation, int | None]], Callable[[str], Scan]]:
    """Return the annotations of the split with their numbers in its file, and the function that reads a scan."""
    listed = load_split(request.data, request.split, source=items.source)
    numbers = file_numbers(request.data, request.split, items.source)
    return {a.key: (a, number) for a, number in zip(listed, numbers, strict=True)}, items.scans.scan


def evaluate_all(model: Model | str | Path | None, request: Request) -> dict[str, Any]:
    """Return what `evaluate` returns for the task `all`, without the seconds.

    `results` holds {task: {protocol: {"scans", "left_out", "not_finite", "metrics"}}} of each task that the model
    answers and the data has labels for, `refused` what does not fit the model (a protocol with other classes) and why.
    """
    said: set[str] = set()

    def say(line: str) -> None:
        if line not in said:  # protocols of several tasks need the same labels
            said.add(line)
            to_stderr(line)

    items, tasks = load_items(request, say), dict(tasks_of(request))
    if not items.source:
        del tasks["refer"]
    with opened(model, request, items) as (ready, advance):
        wanted = wanted_of(tasks, ready.verbs, request.protocol)
        measured = []
        for one in measured_by(ready, request, items, wanted):
            measured.append(one)
            advance(1)
        name = ready.name
    results: dict[str, dict[str, Any]] = {}
    for w in fitting(wanted, measured):
        unlabelled, broken = report(measured, w, may_be_empty=True, say=say)
        if unlabelled < len(measured):
            results.setdefault(w.task.name, {})[w.protocol] = {
                "scans": len(measured) - unlabelled,
                "left_out": unlabelled,
                "not_finite": broken,
                "metrics": outcome(measured, w).compute(),
            }
    if not results:
        raise InputError(f"{request.data}: expected scans with labels to measure on, got none; choose another split")
    return {
        "model": name,
        "task": ALL,
        "split": request.split,
        "source": source_of(request),
        "data": str(request.data),
        "scans": len(measured),
        "left_out": items.left_out,
        "results": results,
        "refused": refusals(wanted, measured, results),
    }


@contextmanager
def opened(
    model: Model | str | Path | None, request: Request, items: Items
) -> Iterator[tuple[Loaded, Callable[[int], None]]]:
    """Yield a model that is ready to be measured and the function that moves the progress bar over the scans."""
    with loaded(model, request.device, request.processes, request.text_encoder, request.changes()) as ready:
        if name := ready.image_features:
            check_image_features(request.data, items.names, name, stretched=ready.stretched_images)
        check_frames(request, items.names)
        with progress_bar(f"evaluate {ready.name}", len(items.names), request.quiet) as advance:
            yield ready, advance


def measured_by(
    ready: Loaded,
    request: Request,
    items: Items,
    wanted: Sequence[Wanted],
    *,
    folder: Path | None = None,
    keep: bool = False,
) -> Iterator[Measured]:
    """Yield what each scan comes to; other processes read the scans and sentences again instead of being sent them."""
    keys = [w.key for w in wanted]
    # The protocol decides on the sentences.
    request = replace(request, protocol=wanted[0].protocol) if request.task == "refer" else request
    arguments = (request, keys, folder, keep, items if ready.model is not None else None)
    for _, one in ready.each_scene(items.names, _job, arguments):
        yield one


def _job(
    model: Model, request: Request, keys: Sequence[Key], folder: Path | None, keep: bool, items: Items | None
) -> Callable[[str], Measured]:
    tasks, known = tasks_of(request), load_items(request, lambda line: None) if items is None else items
    wanted = [Wanted(tasks[task], protocol) for task, protocol in keys]
    return lambda scene: measure_scan(model, known, scene, wanted, folder=folder, colored=request.colored, keep=keep)
