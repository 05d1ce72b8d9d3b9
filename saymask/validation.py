"""What a model is measured on while it is trained, and the number that says which of its weights are the best."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from saymask import hub
from saymask.data.order import drop_missing, drop_unknown
from saymask.data.refer import ReferDataset, annotation_path, by_scene
from saymask.data.scans import ScanDataset
from saymask.data.scenes import read_manifest
from saymask.errors import InputError
from saymask.evaluate import measure, not_prepared
from saymask.evaluate_scans import VERB_OF, ScanTask, measure_scans, scan_metric
from saymask.metrics import get_protocol, metric_for
from saymask.models.base import Model, Preset, TrainConfig

VERBS: dict[str, str] = {"refer": "refer", **VERB_OF}
"""What a model must answer to be measured on a task."""
TITLES = {"miou": "mIoU", "miou_present": "mIoU", "ap": "AP", "f1_50": "F1@0.5"}
"""What the headline numbers are called."""


def check_task(preset: Preset) -> None:
    """Raise InputError when a preset's task or protocol does not exist, or its model cannot be measured on the task."""
    config = preset.train
    if config.task == "none":
        return
    if config.task not in VERBS:
        raise InputError(f"train.task: expected {', '.join(VERBS)} or none, got {config.task!r}")
    # A system that is not known either is named where the model is built.
    if preset.system in hub.SYSTEMS:
        verbs = hub._import(hub.SYSTEMS[preset.system]).answers(preset.model)
        if VERBS[config.task] not in verbs:
            raise InputError(
                f"train.task: {preset.name} answers {', '.join(verbs) or 'no verb'} and cannot be measured on task "
                f"{config.task!r}; choose another task, or none"
            )
    _empty_metric(config)


def headline(config: TrainConfig) -> tuple[str, str]:
    """Return the number of a result's `overall` that decides which weights are the best, and what it is called."""
    if config.task == "none":
        return "", ""
    key = _empty_metric(config).headline
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
    share, task = scans.names[rank::world], cast(ScanTask, config.task)
    return lambda model: measure_scans(model, scans, share, task, config.protocol, say=say).sync().compute()


def _no_split(say: Callable[[str], None]) -> None:
    say("there is no validation split: the last weights are kept, none are called best")


def _empty_metric(config: TrainConfig) -> Any:
    return metric_for(config.protocol) if config.task == "refer" else scan_metric(config.task, config.protocol)
