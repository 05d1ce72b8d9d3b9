"""Validation during training: the tasks that are measured, and the number that picks the best weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from saymask.data.samples.sentences import annotation_path
from saymask.data.scenes import read_manifest
from saymask.errors import InputError
from saymask.evaluation.items import load_items, source_of
from saymask.evaluation.measure import PLAIN, Wanted, measure_tasks, summary, wanted_of
from saymask.evaluation.request import ALL, Request
from saymask.evaluation.tasks.table import NAMES, TASKS
from saymask.evaluation.tasks.task import PUBLISHED
from saymask.hub import registry
from saymask.models.base import Model, Preset, TrainConfig

TITLES = {
    "miou": "mIoU",
    "miou_present": "mIoU",
    "ap": "AP",
    "pq": "PQ",
    "f1_50": "F1@0.5",
    "mean": "mean of the tasks",
}
"""Titles of the headline numbers."""


def check_task(preset: Preset) -> None:
    """Raise InputError when a preset's task or protocol does not exist, or its model cannot be measured on the task."""
    config = preset.train
    if config.task == "none":
        return
    if config.task not in NAMES:
        raise InputError(f"train.task: expected {', '.join(TASKS)}, {ALL} or none, got {config.task!r}")
    if config.task == ALL and config.protocol not in (PLAIN, PUBLISHED):
        raise InputError(f"train.protocol: task {ALL} expects {PLAIN} or {PUBLISHED}, got {config.protocol!r}")
    # A system that is not known either is named where the model is built.
    if preset.system in registry.SYSTEMS:
        verbs = registry.system_class(preset.system).answers(preset.model)
        if not verbs if config.task == ALL else config.task not in verbs:
            raise InputError(
                f"train.task: {preset.name} answers {', '.join(verbs) or 'no verb'} and cannot be measured on task "
                f"{config.task!r}; choose another task, or none"
            )
    headline(config)


def headline(config: TrainConfig) -> tuple[str, str]:
    """Return the number of a result's `overall` that decides which weights are the best, and what it is called.

    For task `all` it is the mean of the headline figures of the tasks.
    """
    if config.task == "none":
        return "", ""
    if config.task == ALL:
        key = "mean"
    else:
        key = TASKS[config.task].empty(config.protocol).headline
    return key, TITLES[key]


def validation(
    data: Path, config: TrainConfig, say: Callable[[str], None], *, rank: int = 0, world: int = 1
) -> Callable[[Model], dict[str, Any]] | None:
    """Return the function that measures a model on the validation split of the prepared folder `data`.

    None where nothing is to be measured, or there is no such split (which `say` tells). Each of `world` processes
    measures its share of the scans; all of them get the same result.
    """
    if config.task == "none":
        return None
    if config.split != "train":
        say("the validation scans are trained on: nothing is measured, the last weights are kept")
        return None
    task: Any = config.task  # one of NAMES: `check_task` has seen to it
    request = Request(data, task=task, protocol=config.protocol, limit=config.max_val or None)
    if config.task == "refer":
        there = annotation_path(data, source_of(request), "val").is_file()
    else:
        there = bool(read_manifest(data).get("splits", {}).get("val"))
    if not there:
        say("there is no validation split: the last weights are kept, none are called best")
        return None
    items = load_items(request, say)
    tasks = {name: task for name, task in TASKS.items() if name != "refer" or items.source}
    share = items.names[rank::world]

    def measured(model: Model) -> dict[str, Any]:
        if config.task == ALL:
            wanted = wanted_of(tasks, model.verbs, config.protocol)
        else:
            wanted = [Wanted(tasks[config.task], config.protocol)]
        # Every process gathers every metric, also those that stayed empty in its share: they wait for each other.
        metrics = {key: metric.sync() for key, metric in measure_tasks(model, items, share, wanted, say=say).items()}
        return summary(metrics, wanted, config.protocol) if config.task == ALL else metrics[wanted[0].key].compute()

    return measured
