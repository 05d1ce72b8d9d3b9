"""Validation during training: the tasks that are measured, and the number that picks the best weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from saymask.data.samples.order import drop_missing, drop_unknown
from saymask.data.samples.scans import ScanDataset
from saymask.data.samples.sentences import ReferDataset, annotation_path, by_scene
from saymask.data.scenes import read_manifest
from saymask.errors import InputError
from saymask.evaluation.all_tasks import ALL, PLAIN, VERBS, all_tasks, summary, wanted_of
from saymask.evaluation.scan_tasks import PUBLISHED, SCAN_TASKS
from saymask.evaluation.scans import Wanted, measure_tasks
from saymask.evaluation.sentences import measure, not_prepared
from saymask.hub import registry
from saymask.metrics import get_protocol, metric_for
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
    if config.task not in (*VERBS, ALL):
        raise InputError(f"train.task: expected {', '.join(VERBS)}, {ALL} or none, got {config.task!r}")
    if config.task == ALL and config.protocol not in (PLAIN, PUBLISHED):
        raise InputError(f"train.protocol: task {ALL} expects {PLAIN} or {PUBLISHED}, got {config.protocol!r}")
    # A system that is not known either is named where the model is built.
    if preset.system in registry.SYSTEMS:
        verbs = registry.system_class(preset.system).answers(preset.model)
        if not verbs if config.task == ALL else VERBS[config.task] not in verbs:
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
    elif config.task == "refer":
        key = metric_for(config.protocol).headline
    else:
        key = SCAN_TASKS[config.task].empty(config.protocol).headline
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
    if config.task == "refer":
        source = get_protocol(config.protocol).source
        if not annotation_path(data, source, "val").is_file():
            return _no_split(say)
        items = ReferDataset(data, "val", source=source, prepare=not_prepared, max_items=config.max_val, cache_scenes=1)
        drop_unknown(items, say)
        share = list(by_scene(items))[rank::world]
        return lambda model: measure(model, items, share, config.protocol).sync().compute()
    if not read_manifest(data).get("splits", {}).get("val"):
        return _no_split(say)
    scans = ScanDataset(data, "val", prepare=not_prepared, max_items=config.max_val, cache_scenes=1)
    drop_missing(scans, say)
    share, tasks = scans.names[rank::world], all_tasks(data, "val", say=say) if config.task == ALL else SCAN_TASKS

    def measured(model: Model) -> dict[str, Any]:
        if config.task == ALL:
            wanted = wanted_of(tasks, model.verbs, config.protocol)
        else:
            wanted = [Wanted(tasks[config.task], config.protocol)]
        # Every process gathers every metric, also those that stayed empty in its share: they wait for each other.
        metrics = {key: metric.sync() for key, metric in measure_tasks(model, scans, share, wanted, say=say).items()}
        return summary(metrics, wanted, config.protocol) if config.task == ALL else metrics[wanted[0].key].compute()

    return measured


def _no_split(say: Callable[[str], None]) -> None:
    say("there is no validation split: the last weights are kept, none are called best")
