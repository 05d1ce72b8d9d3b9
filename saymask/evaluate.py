"""Measure a checkpoint, or predictions that were made elsewhere, on prepared data with a named protocol."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.atomic import check_writable, write_text
from saymask.data.order import drop_unknown
from saymask.data.refer import ReferDataset, by_scene
from saymask.data.scenes import aligned_points, target_mask
from saymask.errors import InputError
from saymask.evaluate_scans import VERB_OF, evaluate_scans, table_of_scans
from saymask.metrics import Metric, Protocol, get_protocol, metric_for, select_points
from saymask.metrics.baselines import all_baselines
from saymask.metrics.predictions import (
    Predicted,
    check_export,
    is_predictions,
    predicted,
    save_predictions,
)
from saymask.metrics.referring import unite
from saymask.metrics.scoring import score_file, true_rows
from saymask.models.base import Model, Prediction
from saymask.pool import loaded, progress_bar

TASKS = ("refer", *VERB_OF)
DEFAULT_PROTOCOLS = {"refer": "less", "semantic": "scannet200", "instance": "scannet200"}


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
    device: str = "auto",
    json_path: str | Path | None = None,
    export: str | Path | None = None,
    allow_missing: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Return the metrics of `model` on a split of prepared data.

    `task` is one of `TASKS`: `refer` measures sentences, `semantic` and `instance` whole scans. Each has protocols of
    its own; without `protocol` that of `DEFAULT_PROTOCOLS`. `model` is a Model, a checkpoint, None for the embedded
    one, or predictions, which are scored without any model: for sentences a `.json`, a `.json.gz` or a folder that
    `export` wrote (`saymask.metrics.predictions`), for scans a folder of the benchmark's submission files. `source`
    names the sentences; without it those that the protocol is defined on.

    Scenes are shared out among `processes`; every annotation or scan counts once and sums run in a fixed order, so that
    the numbers do not depend on how many there are. `limit` takes that many annotations (or scans), evenly spread. The
    result holds `metrics` ({"overall", one per group of the protocol} -> n and means as shares 0..1), the same for each
    of the `baselines`, the protocol's name and what was measured; it is also written to `json_path`. `export` is where
    the predicted masks go: for sentences a name that ends in `.json` or `.json.gz` for one file, any other for a
    folder; for scans a folder of submission files.

    Raises InputError for an unknown protocol, task or split, a model that does not answer the task, a path that cannot
    be written, data that is not prepared, and predictions that lack annotations or scans (with `allow_missing` those
    are left out and counted as `missing`). An annotation whose scene or object is missing, and a scan without labels,
    is reported and counted as `left_out`.
    """
    if task not in TASKS:
        raise InputError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    if processes < 1 or (limit is not None and limit < 1):
        raise InputError(f"expected processes >= 1 and limit >= 1, got {processes} and {limit}")
    if json_path is not None:
        check_writable(json_path)
    began = time.monotonic()
    of_task: Callable[..., dict[str, Any]] = _evaluate_sentences
    if task != "refer":
        if source is not None:
            raise InputError(f"source: expected none for task {task!r}, which needs no sentences, got {source!r}")
        of_task = evaluate_scans
    found = of_task(
        model,
        data,
        task=task,
        protocol=DEFAULT_PROTOCOLS[task] if protocol is None else protocol,
        split=split,
        processes=processes,
        limit=limit,
        baselines=baselines,
        device=device,
        export=export,
        allow_missing=allow_missing,
        quiet=quiet,
        **({"source": source} if task == "refer" else {}),
    )
    result = {**found, "seconds": round(time.monotonic() - began, 3)}
    if json_path is not None:
        write_text(json_path, json.dumps(result, indent=2) + "\n")
    return result


def _evaluate_sentences(
    model: Model | str | Path | None,
    data: str | Path,
    *,
    task: str,
    protocol: str,
    split: str,
    source: str | None,
    processes: int,
    limit: int | None,
    baselines: bool,
    device: str,
    export: str | Path | None,
    allow_missing: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Return what `evaluate` returns for the task `refer`, without the seconds."""
    rule = get_protocol(protocol)
    if export is not None:
        check_export(export)
    source = rule.source if source is None else source
    items = ReferDataset(data, split, source=source, prepare=not_prepared, max_items=limit or 0, cache_scenes=1)
    said: list[str] = []
    left_out = drop_unknown(items, said.append)
    for line in said:
        print(line, file=sys.stderr)
    missing = 0
    if isinstance(model, str | Path) and is_predictions(model):
        if export is not None:
            raise InputError(f"{model} holds predictions already: export them from the model that made them")
        with progress_bar(f"score {Path(model).name}", len(items), quiet) as advance:
            metric, name, missing = score_file(model, items, protocol, allow_missing=allow_missing, advance=advance)
        if missing:
            print(f"{missing:,} annotations have no prediction and are left out", file=sys.stderr)
    else:
        kept: list[Predicted] | None = None if export is None else []
        metric, name = _measure_all(model, items, protocol, kept, processes, device, quiet)
        if export is not None:
            header = {"protocol": protocol, "source": source, "split": split, "model": name}
            save_predictions(export, kept or [], header)
    return {
        "model": name,
        "task": task,
        "protocol": protocol,
        "split": split,
        "source": source,
        "data": str(data),
        "annotations": len(items),
        "scenes": len(by_scene(items)),
        "left_out": left_out,
        "missing": missing,
        "metrics": metric.compute(),
        # Those baselines are true masks; rules that compare boxes have none.
        "baselines": all_baselines(items.data, items.annotations, protocol) if baselines and not rule.boxes else {},
    }


def _measure_all(
    model: Model | str | Path | None,
    items: ReferDataset,
    protocol: str,
    kept: list[Predicted] | None,
    processes: int,
    device: str,
    quiet: bool,
) -> tuple[Metric[Any], str]:
    """Return the metric over all of `items` and the model's name; add the predictions to `kept` if it is a list."""
    scenes, metric = by_scene(items), metric_for(protocol)
    with (
        loaded(model, device, processes) as ready,
        progress_bar(f"evaluate {ready.name}", len(items), quiet) as advance,
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
    rule, metric, rows = get_protocol(protocol), metric_for(protocol), by_scene(items)
    items.image_features, items.stretched = model.image_features, model.stretched_images
    for scene in scenes:
        scan = items.scan(scene)
        points = aligned_points(scan) if rule.boxes else None
        encoded = model.encode_batch(model.collate([model.prepare(scan)]).to(model.device))
        sentences = [items.annotations[row].sentence for row in rows[scene]]
        predictions: list[Prediction] = model.refer(encoded, sentences, count=rule.count)  # type: ignore[attr-defined]
        for row, prediction in zip(rows[scene], predictions, strict=True):
            annotation = items.annotations[row]
            logits = point_logits(prediction)
            masks, scores = answer(prediction, logits, rule, separate=rule.separate or kept is not None)
            metric.update(masks, true_rows(scan, annotation, rule), annotation, points=points)
            if kept is not None:
                # The folder form holds p > 0.5 (BQNet §6.1), unless the rule makes masks in a way of its own.
                union = unite(masks) if rule.fallback else logits > 0
                kept.append(predicted(annotation, masks, scores, union, target_mask(scan, annotation.object_ids)))
    return metric


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


COLUMNS = {
    "miou": "mIoU",
    "oiou": "overall IoU",
    "acc25": "Acc@0.25",
    "acc50": "Acc@0.5",
    "f1_25": "F1@0.25",
    "f1_50": "F1@0.5",
}


def print_table(result: dict[str, Any]) -> None:
    """Print a result of `evaluate` as a table on standard output; a group without annotations or classes has `-`."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 110)
    if result["task"] != "refer":
        table, lines = table_of_scans(result)
        console.print(table)
        for line in lines:
            console.print(line, highlight=False)
        return
    caption = f"{result['annotations']:,} annotations, {result['scenes']:,} scenes; numbers in %"
    if result.get("missing"):
        caption += f"; {result['missing']:,} annotations without a prediction are left out"
    table = Table(
        title=f"{result['task']} on {result['data']} {result['split']} · protocol {result['protocol']}",
        caption=caption,
    )
    table.add_column("")
    table.add_column("subset")
    keys = [key for key in COLUMNS if key in result["metrics"]["overall"]]
    if get_protocol(result["protocol"]).count == "any" and "oiou" in keys:
        keys.remove("oiou")  # a sentence without a target, answered rightly, has no points to add to it
    for name in ("n", *(COLUMNS[key] for key in keys)):
        table.add_column(name, justify="right")
    for name, metrics in {result["model"]: result["metrics"], **result["baselines"]}.items():
        for subset, values in metrics.items():
            if isinstance(values, dict):
                shares = (f"{100 * values[key]:.2f}" if values["n"] else "-" for key in keys)
                table.add_row(name, subset, f"{values['n']:,}", *shares)
        table.add_section()
    console.print(table)


def not_prepared(*_: Any, **__: Any) -> Any:
    """Stand where a dataset takes `prepare`: `measure` prepares scans itself, once per scene."""
    raise AssertionError("evaluation prepares scans itself, once per scene")
