"""Every task that a model answers, measured in one pass: each scan is encoded once, then asked about everything."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from saymask.data.samples.order import drop_unknown
from saymask.data.samples.scans import ScanDataset
from saymask.data.samples.sentences import ReferDataset, annotation_path, by_scene, sources_of
from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.scan_tasks import PUBLISHED, SCAN_TASKS, ScanTask
from saymask.evaluation.scans import Key, Measured, Wanted, fitting, measure_scan, opened, outcome, report, scans_of
from saymask.evaluation.sentences import not_prepared, sentence_task, to_stderr
from saymask.models.base import Model

PLAIN = "plain"
"""Protocol of `all`: for each task the plain protocol that fits the model."""
ALL = "all"
VERBS = {"refer": "refer", **{task.name: task.verb for task in SCAN_TASKS.values()}}
"""Verb that a model must answer to be measured on a task, by the name of the task."""
SOURCE = "scanrefer"
"""Source of the sentences."""


def all_tasks(
    data: Path, split: str, source: str | None = None, *, say: Callable[[str], None] = lambda line: None
) -> dict[str, ScanTask]:
    """Return every task that this data allows, by name; `say` tells why there are no sentences."""
    names = sources_of(SOURCE if source is None else source)
    missing = [path for name in names if not (path := annotation_path(data, name, split)).is_file()]
    if missing:
        say(f"refer is left out: there are no sentences {missing[0].name}")
        return dict(SCAN_TASKS)
    items = ReferDataset(data, split, source=source or SOURCE, prepare=not_prepared)
    drop_unknown(items, say)
    rows = by_scene(items)
    return {"refer": sentence_task({s: [items.annotations[r] for r in rows[s]] for s in rows}), **SCAN_TASKS}


def wanted_of(tasks: Mapping[str, ScanTask], verbs: Sequence[str], protocol: str | None) -> list[Wanted]:
    """Return what is measured of a model that answers `verbs`.

    protocol: None for the plain and the published one of each task, `plain` for the plain one, else a protocol of which
    the tasks that have it are measured. Raises InputError when nothing is left.
    """
    known = dict.fromkeys(p for task in tasks.values() for p in task.protocols)
    if protocol is not None and protocol != PLAIN and protocol not in known:
        raise InputError(f"protocol: expected {PLAIN}, {', '.join(known)} or none for task {ALL}, got {protocol!r}")
    found = []
    for task in tasks.values():
        if task.verb not in verbs:
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


def evaluate_all(model: Model | str | Path | None, request: Request) -> dict[str, Any]:
    """Return what `saymask.evaluation.run.evaluate` returns for the task `all`, without the seconds.

    `results` holds {task: {protocol: {"scans", "left_out", "not_finite", "metrics"}}} of each task that the model
    answers and the data has labels for, `refused` what does not fit the model (a protocol with other classes) and why.
    """
    items, not_there = scans_of(request)
    tasks = all_tasks(request.data, request.split, request.source, say=to_stderr)
    measured: list[Measured] = []
    with opened(model, request, len(items.names)) as (ready, advance):
        wanted = wanted_of(tasks, ready.verbs, request.protocol)
        for _, one in ready.each_scene(items.names, _job, (request, [w.key for w in wanted])):
            measured.append(one)
            advance(1)
        name = ready.name
    said: set[str] = set()

    def say(line: str) -> None:
        if line not in said:  # protocols of several tasks need the same labels
            said.add(line)
            to_stderr(line)

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
        "source": request.source or SOURCE,
        "data": str(request.data),
        "scans": len(measured),
        "left_out": not_there,
        "results": results,
        "refused": refusals(wanted, measured, results),
    }


def refusals(
    wanted: Sequence[Wanted], measured: Sequence[Measured], results: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return {"task protocol": why it was refused}; left out where an alternative protocol fitted the model."""
    why = {key: text for one in measured for key, text in one.refused.items()}
    return {
        " ".join(w.key): why[w.key]
        for w in wanted
        if w.key in why and not (w.protocol in w.task.choice and set(w.task.choice) & set(results.get(w.task.name, ())))
    }


def _job(model: Model, request: Request, keys: Sequence[Key]) -> Callable[[str], Measured]:
    items = ScanDataset(request.data, request.split, prepare=not_prepared, cache_scenes=1)
    tasks = all_tasks(request.data, request.split, request.source)
    wanted = [Wanted(tasks[task], protocol) for task, protocol in keys]
    return lambda scene: measure_scan(model, items, scene, wanted)


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
