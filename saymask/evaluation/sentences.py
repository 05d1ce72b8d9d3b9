"""Task `refer`: measure a model's answers to sentences with a named protocol."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.answers import Prediction
from saymask.data.annotations import Annotation
from saymask.data.samples.order import drop_unknown
from saymask.data.samples.sentences import ReferDataset, by_scene
from saymask.data.scenes import target_mask
from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.scan_tasks import PUBLISHED, ScanTask
from saymask.evaluation.workers import loaded, progress_bar
from saymask.metrics import Metric, Protocol, get_protocol, metric_for, select_points
from saymask.metrics.baselines import all_baselines
from saymask.metrics.predictions import Predicted, check_export, is_predictions, predicted, save_predictions
from saymask.metrics.referring import unite
from saymask.metrics.scoring import SentenceTruth, score_file
from saymask.models.base import Model
from saymask.models.contract import AnswersRefer
from saymask.scan import Scan

COLUMNS = {
    "miou": "mIoU",
    "oiou": "overall IoU",
    "acc25": "Acc@0.25",
    "acc50": "Acc@0.5",
    "f1_25": "F1@0.25",
    "f1_50": "F1@0.5",
}
DEFAULT_PROTOCOL = "less"
PLAIN_PROTOCOL = "3dres"
"""Beside other tasks: the mask is what the model says, without a rule about its size."""


def evaluate_sentences(model: Model | str | Path, request: Request) -> dict[str, Any]:
    """Return what `saymask.evaluation.run.evaluate` returns for the task `refer`, without the seconds.

    `annotations` counts the sentences that there are, `metrics` those that the protocol counts.
    """
    protocol = request.protocol or DEFAULT_PROTOCOL
    rule = get_protocol(protocol)
    if request.export is not None:
        check_export(request.export)
    source = request.source or rule.source
    items = ReferDataset(
        request.data, request.split, source=source, prepare=not_prepared, max_items=request.limit or 0, cache_scenes=1
    )
    left_out = drop_unknown(items, to_stderr)
    missing = 0
    if isinstance(model, str | Path) and is_predictions(model):
        if request.export is not None:
            raise InputError(f"{model} holds predictions already: export them from the model that made them")
        with progress_bar(f"score {Path(model).name}", len(items), request.quiet) as advance:
            allow = request.allow_missing
            metric, name, missing = score_file(model, items, protocol, allow_missing=allow, advance=advance)
        if missing:
            to_stderr(f"{missing:,} annotations have no prediction and are left out")
    else:
        kept: list[Predicted] | None = None if request.export is None else []
        metric, name = _measure_all(model, items, protocol, kept, request)
        if request.export is not None:
            header = {"protocol": protocol, "source": source, "split": request.split, "model": name}
            save_predictions(request.export, kept or [], header)
    return {
        "model": name,
        "task": "refer",
        "protocol": protocol,
        "split": request.split,
        "source": source,
        "data": str(request.data),
        "annotations": len(items),
        "scenes": len(by_scene(items)),
        "left_out": left_out,
        "missing": missing,
        "metrics": metric.compute(),
        # Those baselines are the true points of objects.
        "baselines": all_baselines(items.data, items.annotations, protocol) if request.baselines and rule.masks else {},
    }


def _measure_all(
    model: Model | str | Path,
    items: ReferDataset,
    protocol: str,
    kept: list[Predicted] | None,
    request: Request,
) -> tuple[Metric[Any], str]:
    """Return the metric over all of `items` and the model's name; add the predictions to `kept` if it is a list."""
    scenes, metric = by_scene(items), metric_for(protocol)
    with (
        loaded(model, request.device, request.processes) as ready,
        progress_bar(f"evaluate {ready.name}", len(items), request.quiet) as advance,
    ):
        if "refer" not in ready.verbs:
            raise InputError(f"{ready.name} answers {', '.join(ready.verbs)}; it cannot be measured on refer")
        chosen = items if ready.model is not None else _Chosen(items)
        for scene, (state, found) in ready.each_scene(scenes, _sentence_job, (chosen, protocol, kept is not None)):
            metric.merge(state)
            if kept is not None:
                kept += found
            advance(len(scenes[scene]))
        return metric, ready.name


class _Chosen:
    """The sentences of a dataset by name, in place of the dataset itself where they are sent to another process."""

    def __init__(self, items: ReferDataset) -> None:
        self.data, self.split, self.source = str(items.data), items.split, items.source
        self.keys = {annotation.key for annotation in items.annotations}

    def load(self) -> ReferDataset:
        items = ReferDataset(self.data, self.split, source=self.source, prepare=not_prepared, cache_scenes=1)
        items.annotations = [annotation for annotation in items.annotations if annotation.key in self.keys]
        return items


def _sentence_job(
    model: Model, chosen: ReferDataset | _Chosen, protocol: str, keep: bool
) -> Callable[[str], tuple[Any, list[Predicted]]]:
    """Return the function from a scene to (metric state, predictions if they are kept) of its chosen sentences."""
    items = chosen.load() if isinstance(chosen, _Chosen) else chosen

    def job(scene: str) -> tuple[Any, list[Predicted]]:
        kept: list[Predicted] | None = [] if keep else None
        return measure(model, items, [scene], protocol, kept=kept).state(), kept or []

    return job


@torch.inference_mode()
def measure(
    model: Model, items: ReferDataset, scenes: Iterable[str], protocol: str, *, kept: list[Predicted] | None = None
) -> Metric[Any]:
    """Return the metric over the annotations of `scenes`; each scene is encoded once for all its sentences.

    The model is used as it is: call `eval()` before. What it predicts is added to `kept` if that is a list.
    """
    metric, rows = metric_for(protocol), by_scene(items)
    items.image_features, items.stretched = model.image_features, model.stretched_images
    for scene in scenes:
        scan = items.scan(scene)
        view = model.prepare(replace(scan, labels={}))
        encoded = model.adapted(scan).encode_batch(model.collate([view]).to(model.device))
        asked = [items.annotations[row] for row in rows[scene]]
        measure_sentences(model, encoded, scan, metric, annotations=asked, kept=kept)
    return metric


def measure_sentences(
    model: AnswersRefer,
    encoded: Any,
    scan: Scan,
    metric: Metric[Any],
    *,
    annotations: Sequence[Annotation],
    kept: list[Predicted] | None = None,
) -> int:
    """Count the `annotations` of an encoded scan (with labels); return for how many the answer was no number.

    What the model predicts is added to `kept` if that is a list.
    """
    rule = metric.protocol
    truth = SentenceTruth(scan, rule)
    # An export holds all sentences, whatever the protocol counts.
    asked = [a for a in annotations if kept is not None or truth.counts(a)]
    if not asked:
        return 0
    predictions = model.refer(encoded, [annotation.asked for annotation in asked], count=rule.count)
    broken = 0
    for annotation, prediction in zip(asked, predictions, strict=True):
        logits = point_logits(prediction)
        broken += bool(np.isnan(logits).any())
        masks, scores = answer(prediction, logits, rule, separate=rule.separate or kept is not None)
        if truth.counts(annotation):
            metric.update(masks, truth.rows(annotation), annotation, points=truth.points)
        if kept is not None:
            # The folder form holds p > 0.5 (docs/systems/bqnet.md §6.1), unless the rule makes masks in a way of its
            # own.
            union = unite(masks) if rule.fallback else logits > 0
            kept.append(predicted(annotation, masks, scores, union, target_mask(scan, annotation.object_ids)))
    return broken


def sentence_task(annotations: Mapping[str, Sequence[Annotation]]) -> ScanTask:
    """Return the task `refer` as one of those on scans: all sentences of a scan (by its name), which may be none."""

    def measure(model: AnswersRefer, encoded: Any, scan: Scan, metric: Metric[Any]) -> int:
        return measure_sentences(model, encoded, scan, metric, annotations=annotations.get(scan.name, ()))

    return ScanTask(
        name="refer",
        verb="refer",
        protocols=(PLAIN_PROTOCOL, PUBLISHED),
        labels=lambda protocol: ("instance", "semantic20") if protocol == PUBLISHED else ("instance",),
        metric=metric_for,
        measure=measure,
        figures=("miou",),
        columns=COLUMNS,
        counts="means over n sentences",
        broken="sentences have no mask",
    )


def point_logits(prediction: Prediction) -> np.ndarray:
    """Return one logit per point, float32 [N]: the highest of all masks; -inf where a point has no support row."""
    logits = prediction.logits.detach().float().cpu().numpy()
    rows = logits.max(0) if len(logits) else np.full(logits.shape[1], -np.inf, np.float32)
    return _spread(rows, prediction.index, -np.inf).astype(np.float32)


def answer(
    prediction: Prediction,
    logits: np.ndarray,  # float32 [N]: what `point_logits` gives for it
    rule: Protocol,
    *,
    separate: bool = True,
) -> tuple[np.ndarray, list[float]]:
    """Return the masks as a protocol takes them, bool [M, N], and their scores; no mask = no target.

    Their union is the protocol's mask of the sentence. With `separate` there is one mask per predicted object that has
    a point, where the protocol lets a sentence mean several; otherwise one mask for all.
    """
    union = select_points(logits, rule.name)
    values = prediction.scores.detach().float().cpu().numpy()
    if not union.any():
        return np.zeros((0, len(union)), bool), []
    if len(values) == 1 or rule.count == "one" or not separate:
        return union[None], [float(values.max(initial=0.0))]
    rows = prediction.logits.detach().float().cpu().numpy()
    masks = _spread(rows >= 0 if rule.ties else rows > 0, prediction.index, False)
    there = masks.any(1)
    return masks[there], values[there].tolist()


def _spread(rows: np.ndarray, index: np.ndarray, missing: Any) -> np.ndarray:
    """Spread values of support rows [..., S] to points by `index` [N]; points without a row get `missing`."""
    index = np.asarray(index)
    if not rows.shape[-1]:
        return np.full((*rows.shape[:-1], len(index)), missing, rows.dtype)
    return np.where(index >= 0, rows[..., index], missing)


def not_prepared(*_: Any, **__: Any) -> Any:
    """Stand where a dataset takes `prepare`: evaluation prepares scans itself, once per scene."""
    raise AssertionError("evaluation prepares scans itself, once per scene")


def to_stderr(line: str) -> None:
    """Print a line for the user, apart from the numbers."""
    print(line, file=sys.stderr)
