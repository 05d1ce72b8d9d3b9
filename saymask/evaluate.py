"""Measure a checkpoint, or predictions that were made elsewhere, on prepared data with a named protocol."""

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask import hub
from saymask.atomic import check_writable, write_text
from saymask.data.order import drop_unknown
from saymask.data.refer import ReferDataset, by_scene
from saymask.data.scenes import aligned_points, target_mask
from saymask.errors import InputError
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
from saymask.threads import environment_for, limit_threads

TASKS = ("refer",)


def evaluate(
    model: Model | str | Path | None,
    data: str | Path,
    *,
    task: str = "refer",
    protocol: str = "less",
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

    `model` is a Model, a checkpoint, None for the embedded one, or predictions: a `.json`, a `.json.gz` or a folder
    that `export` wrote (`saymask.metrics.predictions`); these are scored without any model. `source` names the
    sentences; without it those that the protocol is defined on.

    Scenes are shared out among `processes`; every annotation counts once and sums run in a fixed order, so that the
    numbers do not depend on how many there are. `limit` takes that many annotations, evenly spread. The result holds
    `metrics` ({"overall", one per group of the protocol} -> n and means as shares 0..1), the same for each of the
    `baselines`, the protocol's name and what was measured; it is also written to `json_path`. `export` is where the
    predicted masks go: a name that ends in `.json` or `.json.gz` for one file, any other for a folder.

    Raises InputError for an unknown protocol, task or split, a model that does not answer the task, a path that cannot
    be written, data that is not prepared, and predictions that lack annotations (with `allow_missing` those are left
    out and counted as `missing`); an annotation whose scene or object is missing is reported and counted.
    """
    if task not in TASKS:
        raise InputError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    rule = get_protocol(protocol)
    if processes < 1 or (limit is not None and limit < 1):
        raise InputError(f"expected processes >= 1 and limit >= 1, got {processes} and {limit}")
    if json_path is not None:
        check_writable(json_path)
    if export is not None:
        check_export(export)
    source = rule.source if source is None else source
    began = time.monotonic()
    items = ReferDataset(data, split, source=source, prepare=not_prepared, max_items=limit or 0, cache_scenes=1)
    said: list[str] = []
    left_out = drop_unknown(items, said.append)
    for line in said:
        print(line, file=sys.stderr)
    missing = 0
    if isinstance(model, str | Path) and is_predictions(model):
        if export is not None:
            raise InputError(f"{model} holds predictions already: export them from the model that made them")
        with _bar(f"score {Path(model).name}", len(items), quiet) as advance:
            metric, name, missing = score_file(model, items, protocol, allow_missing=allow_missing, advance=advance)
        if missing:
            print(f"{missing:,} annotations have no prediction and are left out", file=sys.stderr)
    else:
        kept: list[Predicted] | None = None if export is None else []
        metric, name = _measure_all(model, items, task, protocol, kept, processes, device, quiet)
        if export is not None:
            header = {"protocol": protocol, "source": source, "split": split, "model": name}
            save_predictions(export, kept or [], header)
    result: dict[str, Any] = {
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
        "seconds": round(time.monotonic() - began, 3),
    }
    if json_path is not None:
        write_text(json_path, json.dumps(result, indent=2) + "\n")
    return result


def _measure_all(
    model: Model | str | Path | None,
    items: ReferDataset,
    task: str,
    protocol: str,
    kept: list[Predicted] | None,
    processes: int,
    device: str,
    quiet: bool,
) -> tuple[Metric[Any], str]:
    """Return the metric over all of `items` and the model's name; add the predictions to `kept` if it is a list."""
    scenes, metric = by_scene(items), metric_for(protocol)
    with _loaded(model, device, processes) as loaded, _bar(f"evaluate {loaded.name}", len(items), quiet) as advance:
        if task not in loaded.verbs:
            raise InputError(f"{loaded.name} answers {', '.join(loaded.verbs)}; it cannot be measured on {task}")
        if isinstance(loaded.model, Model):
            for scene in scenes:
                metric.merge(measure(loaded.model, items, [scene], protocol, kept=kept).state())
                advance(len(scenes[scene]))
        else:
            for scene, state, found in _in_processes(loaded, device, processes, items, protocol, kept is not None):
                metric.merge(state)
                if kept is not None:
                    kept += found
                advance(len(scenes[scene]))
        return metric, loaded.name


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
    """Print a result of `evaluate` as a table on standard output; a group without annotations has `-`."""
    from rich.console import Console
    from rich.table import Table

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
    Console(width=None if sys.stdout.isatty() else 110).print(table)


class _Loaded:
    """A model to measure: in this process, or as a checkpoint that other processes load."""

    def __init__(self, name: str, verbs: tuple[str, ...], model: Model | None, path: str | None) -> None:
        self.name, self.verbs, self.model, self.path = name, verbs, model, path


@contextmanager
def _loaded(model: Model | str | Path | None, device: str, processes: int) -> Iterator[_Loaded]:
    if isinstance(model, Model):
        name = str(getattr(model, "card", {}).get("name", model.system))
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            if processes == 1:
                yield _Loaded(name, model.verbs, model, None)
            else:
                with tempfile.TemporaryDirectory(prefix="saymask-") as folder:
                    path = hub.save_checkpoint(model, Path(folder) / "model.safetensors")
                    yield _Loaded(name, model.verbs, None, str(path))
        finally:
            for module, mode in modes:
                module.training = mode
        return
    # Also with several processes: what is wrong with the checkpoint is said here, once.
    own = hub.load_model(model, device=device if processes == 1 else "cpu")
    name = str(own.card.get("name", own.system))
    yield _Loaded(name, own.verbs, own if processes == 1 else None, str(own.card["path"]))


_Work = tuple[str, str, str, list[tuple[str, int]], str, bool]
_worker: tuple[Model, ReferDataset, str, bool] | None = None


def _in_processes(
    loaded: _Loaded, device: str, processes: int, items: ReferDataset, protocol: str, keep: bool
) -> Iterator[tuple[str, Any, list[Predicted]]]:
    """Yield (scene, metric state, predictions if they are to be kept) as processes finish scenes."""
    # Spawned, not forked: a process that has run OpenMP or CUDA cannot be forked safely.
    context = multiprocessing.get_context("spawn")
    assert loaded.path is not None
    counter = context.Value("i", 0)
    chosen = [annotation.key for annotation in items.annotations]
    work: _Work = (str(items.data), items.split, items.source, chosen, protocol, keep)
    start = (counter, loaded.path, device, processes, work, dict(hub.SYSTEMS), dict(hub.PRESETS))
    with ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=start) as pool:
        with environment_for(processes):
            futures = {pool.submit(_measure_scene, scene): scene for scene in by_scene(items)}
        try:
            for future in as_completed(futures):
                yield futures[future], *future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker(
    counter: Any,
    path: str,
    device: str,
    processes: int,
    work: _Work,
    systems: dict[str, str],
    presets: dict[str, str],
) -> None:
    global _worker
    with counter.get_lock():
        number, counter.value = counter.value, counter.value + 1
    hub.SYSTEMS.update(systems)
    hub.PRESETS.update(presets)
    limit_threads(processes)
    if device in ("auto", "cuda") and torch.cuda.is_available():
        device = f"cuda:{number % torch.cuda.device_count()}"
    data, split, source, keys, protocol, keep = work
    items = ReferDataset(data, split, source=source, prepare=not_prepared, cache_scenes=1)
    chosen = set(keys)
    items.annotations = [annotation for annotation in items.annotations if annotation.key in chosen]
    _worker = hub.load_model(path, device=device), items, protocol, keep


def _measure_scene(scene: str) -> tuple[Any, list[Predicted]]:
    assert _worker is not None
    model, items, protocol, keep = _worker
    kept: list[Predicted] | None = [] if keep else None
    return measure(model, items, [scene], protocol, kept=kept).state(), kept or []


def not_prepared(*_: Any, **__: Any) -> Any:
    """Stand where a dataset takes `prepare`: `measure` prepares scans itself, once per scene."""
    raise AssertionError("evaluation prepares scans itself, once per scene")


@contextmanager
def _bar(title: str, total: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr, quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)

        def advance(count: int) -> None:
            progress.advance(task, count)

        yield advance
