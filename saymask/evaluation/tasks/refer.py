"""Task `refer`: sentences, with a mask per sentence, or per object that it means (`saymask.metrics.protocols`)."""

from typing import Any

import numpy as np

from saymask.answers import Prediction
from saymask.data.scenes import target_mask
from saymask.evaluation.items import Items
from saymask.evaluation.tasks.task import PUBLISHED, Aside, Task
from saymask.metrics import PROTOCOLS, Metric, Protocol, get_protocol, metric_for, select_points
from saymask.metrics.baselines import all_baselines
from saymask.metrics.predictions import predicted
from saymask.metrics.referring import unite
from saymask.metrics.scoring import SentenceTruth
from saymask.models.contract import AnswersRefer
from saymask.scan import Scan

DEFAULT = "3dres"
"""The mask is what the model says, without a rule about its size: the same wherever sentences are measured."""


def measure_sentences(
    model: AnswersRefer,
    encoded: Any,
    scan: Scan,
    metric: Metric[Any],
    aside: Aside,
) -> int:
    """Count the annotations of an encoded scan; return for how many the answer was no number.

    What the model predicts is added to `aside.kept` if that is a list; a scan without labels is only predicted.
    """
    kept = aside.kept
    rule = metric.protocol
    truth = SentenceTruth(scan, rule) if REFER.labelled(scan, rule.name) else None
    # An export holds all sentences, whatever the protocol counts.
    asked = [a for a in aside.annotations if kept is not None or (truth is not None and truth.counts(a))]
    if not asked:
        return 0
    said: dict[tuple[str, int], Prediction] = aside.once(("refer", rule.count), dict)
    if new := [a for a in asked if a.key not in said]:
        predictions = model.refer(encoded, [a.asked for a in new], count=rule.count)
        said.update(zip((a.key for a in new), predictions, strict=True))
    broken = 0
    for annotation in asked:
        prediction = said[annotation.key]
        logits = point_logits(prediction)
        broken += bool(np.isnan(logits).any())
        masks, scores = answer(prediction, logits, rule, separate=rule.separate or kept is not None)
        aside.scores[annotation.key] = max(scores, default=prediction.best or 0.0)
        if truth is not None and truth.counts(annotation):
            sp_iou = truth.superpoint_iou(unite(masks), annotation)
            metric.update(masks, truth.rows(annotation), annotation, points=truth.points, sp_iou=sp_iou)
        if kept is not None:
            # The folder form holds p > 0.5 (docs/systems/bqnet.md §6.1), unless the rule makes masks in a way of its
            # own.
            union = unite(masks) if rule.fallback else logits > 0
            true = np.zeros(len(scan), bool) if truth is None else target_mask(scan, annotation.object_ids)
            kept.append(predicted(annotation, masks, scores, union, true))
    return broken


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
    last = np.full((*rows.shape[:-1], 1), missing, rows.dtype)  # which is row -1
    return np.concatenate([rows, last], axis=-1).take(index, axis=-1)


def _baselines(items: Items, metric: Metric[Any]) -> dict[str, Any]:
    """Return the true points of objects as answers; none for a protocol that compares something else."""
    if not metric.protocol.masks:
        return {}
    annotations = [a for scene in items.annotations.values() for a in scene]
    return all_baselines(items.scans.data, annotations, metric.protocol.name)


REFER = Task(
    name="refer",
    protocols=(DEFAULT, *(p for p in PROTOCOLS if p not in (DEFAULT, PUBLISHED)), PUBLISHED),
    labels=lambda protocol: ("semantic20", "instance") if get_protocol(protocol).voted else ("instance",),
    metric=metric_for,
    measure=measure_sentences,
    figures=("miou", "f1_50"),
    columns={
        "miou": "mIoU", "oiou": "oIoU", "acc25": "Acc@0.25", "acc50": "Acc@0.5", "f1_25": "F1@0.25",
        "f1_50": "F1@0.5", "spmiou": "spmIoU", "spacc25": "spAcc@0.25", "spacc50": "spAcc@0.5",
    },
    counts="means over n sentences",
    broken="sentences have no mask",
    needs_some=False,
    exports="sentences",
    baselines=_baselines,
)  # fmt: skip
