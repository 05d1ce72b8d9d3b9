"""Measure a checkpoint, or predictions that were made elsewhere, on prepared data with a named protocol."""

import json
import time
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.evaluation.all_tasks import ALL, VERBS, evaluate_all
from saymask.evaluation.request import Request
from saymask.evaluation.scans import evaluate_scans
from saymask.evaluation.sentences import evaluate_sentences
from saymask.hub import checkpoints
from saymask.models.base import Model
from saymask.util.files import check_writable, write_text

TASKS = (*VERBS, ALL)


def evaluate(
    model: Model | str | Path | None,
    data: str | Path,
    *,
    task: str = "refer",
    protocol: str | None = None,
    split: str = "val",
    source: str | None = None,
    processes: int = 1,
    limit: int | None = None,
    baselines: bool = True,
    click_distances: bool = False,
    device: str = "auto",
    json_path: str | Path | None = None,
    export: str | Path | None = None,
    allow_missing: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Return the metrics of `model` on a split of prepared data.

    `task` is one of `TASKS`: `refer` measures sentences, `semantic`, `instance`, `panoptic`, `interactive` (one click
    on each object) and `find` (names) whole scans, `all` everything that the model answers while each scan is encoded
    once. Each task has protocols of its own; without `protocol` it is `less` for sentences and else the first plain one
    with the model's classes, and `all` takes the plain one and `uniseg3d` of each task side by side (a protocol then
    means all tasks that have it, `plain` the plain ones).

    `model` is a Model, a checkpoint, None for the embedded one, or predictions, which are scored without any model: for
    sentences a `.json`, a `.json.gz` or a folder that `export` wrote (`saymask.metrics.predictions`), for classes and
    instances a folder of the benchmark's submission files. `source` names the sentences; without it those that the
    protocol is defined on. With `click_distances` each object is clicked on at 0.1, 0.2, … 1.0 of its radius.

    Scenes are shared out among `processes`; every annotation or scan counts once and sums run in a fixed order, so that
    the numbers do not depend on how many there are. `limit` takes that many annotations (of `refer`) or scans, evenly
    spread. The result holds `metrics` ({"overall", one per group of the protocol} -> n and means as shares 0..1), the
    same for each of the `baselines`, the protocol's name and what was measured; that of `all` holds `results`
    ({task: {protocol: {"metrics", …}}}) and no baselines. It is also written to `json_path`. `export` is where the
    predicted masks go: for sentences a name that ends in `.json` or `.json.gz` for one file, any other for a folder;
    for classes and instances a folder of submission files.

    Raises InputError for an unknown protocol, task or split, a model that does not answer the task, a path that cannot
    be written, data that is not prepared, and predictions that lack annotations or scans (with `allow_missing` those
    are left out and counted as `missing`). An annotation whose scene or object is missing, and a scan without labels,
    is reported and counted as `left_out`.
    """
    if task not in TASKS:
        raise InputError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    if processes < 1 or (limit is not None and limit < 1):
        raise InputError(f"expected processes >= 1 and limit >= 1, got {processes} and {limit}")
    if source is not None and task not in ("refer", ALL):
        raise InputError(f"source: expected none for task {task!r}, which needs no sentences, got {source!r}")
    if click_distances and task != "interactive":
        raise InputError(f"click_distances: expected task 'interactive', which clicks, got {task!r}")
    if export is not None and task == ALL:
        raise InputError(f"export: expected none for task {ALL!r}, got {str(export)!r}; export one task at a time")
    if json_path is not None:
        check_writable(json_path)
    request = Request(
        data=Path(data),
        task=task,
        protocol=protocol,
        split=split,
        source=source,
        processes=processes,
        limit=limit,
        baselines=baselines,
        click_distances=click_distances,
        device=device,
        export=None if export is None else Path(export),
        allow_missing=allow_missing,
        quiet=quiet,
    )
    began = time.monotonic()
    if task == ALL:
        found = evaluate_all(model, request)
    else:
        one = checkpoints.default_for(VERBS[task]) if model is None else model
        found = evaluate_sentences(one, request) if task == "refer" else evaluate_scans(one, request)
    result = {**found, "seconds": round(time.monotonic() - began, 3)}
    if json_path is not None:
        write_text(json_path, json.dumps(result, indent=2) + "\n")
    return result
