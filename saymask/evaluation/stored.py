"""Predictions that were made elsewhere, scored without any model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saymask.data.samples.sentences import ReferDataset
from saymask.errors import InputError
from saymask.evaluation.items import Items, grouped, to_stderr
from saymask.evaluation.measure import Measured, Wanted, some
from saymask.metrics.predictions import is_predictions
from saymask.metrics.scoring import score_file
from saymask.metrics.submission import add_scene, is_submission, list_path


@dataclass(frozen=True)
class Scored:
    """Measurement of stored predictions."""

    name: str
    """Name of the model that made them, where they say so; else of the file."""
    items: Items
    """Items that there are predictions for."""
    measured: list[Measured]
    missing: int
    """Sentences or scans that there are no predictions for."""


def stored_path(model: Any, wanted: Wanted) -> Path | None:
    """Return the path of stored predictions of a task; None for a model or a checkpoint."""
    if not isinstance(model, str | Path):
        return None
    there = is_predictions(model) if wanted.task.exports == "sentences" else is_submission(model)
    return Path(model) if there else None


def score_stored(
    path: Path, items: Items, wanted: Wanted, *, allow_missing: bool, advance: Callable[[int], None]
) -> Scored:
    """Return what the predictions in `path` come to; InputError for missing ones, unless they may be left out."""
    if wanted.task.exports == "scans":
        measured, missing = score_folder(path, items, wanted, allow_missing=allow_missing, advance=advance)
        return Scored(path.name, items, measured, missing)
    sentences = items.scans
    assert isinstance(sentences, ReferDataset)
    metric, name, missing, found = score_file(
        path, sentences, wanted.protocol, allow_missing=allow_missing, advance=advance
    )
    if missing:
        to_stderr(f"{missing:,} annotations have no prediction and are left out")
    left = grouped(sentences)
    kept = Items(sentences, list(left), items.left_out, items.source, left)
    # A file may count annotations in a way of its own.
    predicted = [replace(entry, scene_id=scene, ann_id=number) for (scene, number), entry in found.items()]
    return Scored(name, kept, [Measured("", {wanted.key: metric.state()}, predicted=predicted)], missing)


def score_folder(
    folder: str | Path,
    items: Items,
    wanted: Wanted,
    *,
    allow_missing: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[list[Measured], int]:
    """Return what a submission folder has for each scan, and for how many with labels it has no file.

    Those are an InputError, as in the benchmark, unless `allow_missing` leaves them out. A scene without labels needs
    no file and is not read.
    """
    folder, scenes = Path(folder), items.names

    def labelled(scene: str) -> bool:
        return wanted.task.labelled(items.scans.scan(scene), wanted.protocol)

    absent = {scene for scene in scenes if not list_path(folder, scene).is_file()}
    missing = [scene for scene in sorted(absent) if labelled(scene)]
    if missing and (not allow_missing or len(absent) == len(scenes)):
        raise InputError(
            f"{folder}: expected a file <scene>.txt for each of {len(scenes):,} scans, {len(missing):,} have none: "
            f"{some(missing)}; add them, or leave them out with allow_missing (--allow-missing)"
        )
    if missing:
        to_stderr(f"{len(missing):,} scans have no file in {folder.name} and are left out: {some(missing)}")
    measured = []
    for scene in scenes:
        if scene not in missing:
            if labelled(scene):
                metric = wanted.task.empty(wanted.protocol)
                add_scene(metric, folder, scene, items.scans.scan(scene).labels)
                measured.append(Measured(scene, {wanted.key: metric.state()}))
            else:
                measured.append(Measured(scene, unlabelled=(wanted.key,)))
        advance(1)
    return measured, len(missing)
