"""Measure a checkpoint on prepared data with a named protocol."""

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
from saymask.data.refer import ReferDataset
from saymask.data.scenes import target_mask
from saymask.errors import InputError
from saymask.metrics.baselines import all_baselines
from saymask.metrics.referring import ReferMetric, get_protocol
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
    source: str = "scanrefer",
    processes: int = 1,
    limit: int | None = None,
    baselines: bool = True,
    device: str = "auto",
    json_path: str | Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Return the metrics of `model` (a Model, a checkpoint, or None for the embedded one) on a split of prepared data.

    Scenes are shared out among `processes`; every annotation counts once and sums run in a fixed order, so that the
    numbers do not depend on how many there are. `limit` takes that many annotations, evenly spread. The result holds
    `metrics` ({"overall", "unique", "multiple"} -> n, miou, oiou, acc25, acc50 as shares 0..1), the same for each of
    the `baselines`, the protocol's name and what was measured; it is also written to `json_path`.

    Raises InputError for an unknown protocol, task or split, a model that does not answer the task, a path that cannot
    be written, and data that is not prepared; an annotation whose scene or object is missing is reported and counted.
    """
    if task not in TASKS:
        raise InputError(f"task: expected one of {', '.join(TASKS)}, got {task!r}")
    rule = get_protocol(protocol)
    if processes < 1 or (limit is not None and limit < 1):
        raise InputError(f"expected processes >= 1 and limit >= 1, got {processes} and {limit}")
    if json_path is not None:
        check_writable(json_path)
    began = time.monotonic()
    items = ReferDataset(data, split, source=source, prepare=not_prepared, max_items=limit or 0, cache_scenes=1)
    said: list[str] = []
    left_out = drop_unknown(items, said.append)
    for line in said:
        print(line, file=sys.stderr)
    scenes = by_scene(items)
    metric = ReferMetric(protocol)
    with _loaded(model, device, processes) as loaded, _bar(f"evaluate {loaded.name}", len(items), quiet) as advance:
        if task not in loaded.verbs:
            raise InputError(f"{loaded.name} answers {', '.join(loaded.verbs)}; it cannot be measured on {task}")
        if isinstance(loaded.model, Model):
            for scene in scenes:
                metric.merge(measure(loaded.model, items, [scene], protocol).state())
                advance(len(scenes[scene]))
        else:
            work = (str(data), split, source, limit or 0, protocol)
            for scene, state in _in_processes(loaded, device, processes, work, list(scenes)):
                metric.merge(state)
                advance(len(scenes[scene]))
    result: dict[str, Any] = {
        "model": loaded.name,
        "task": task,
        "protocol": protocol,
        "split": split,
        "source": source,
        "data": str(data),
        "annotations": len(items),
        "scenes": len(scenes),
        "left_out": left_out,
        "metrics": metric.compute(),
        # Those baselines are true masks; rules that compare boxes have none.
        "baselines": all_baselines(items.data, items.annotations, protocol) if baselines and not rule.boxes else {},
        "seconds": round(time.monotonic() - began, 3),
    }
    if json_path is not None:
        write_text(json_path, json.dumps(result, indent=2) + "\n")
    return result


def by_scene(items: ReferDataset) -> dict[str, list[int]]:
    """Return the rows of the annotations of each scene, scenes in the order of their names."""
    scenes: dict[str, list[int]] = {}
    for row, annotation in enumerate(items.annotations):
        scenes.setdefault(annotation.scene_id, []).append(row)
    return dict(sorted(scenes.items()))


@torch.inference_mode()
def measure(model: Model, items: ReferDataset, scenes: Iterable[str], protocol: str) -> ReferMetric:
    """Return the metric over the annotations of `scenes`; each scene is encoded once for all its sentences.

    The model is used as it is: call `eval()` before.
    """
    metric, rows = ReferMetric(protocol), by_scene(items)
    for scene in scenes:
        scan = items.scan(scene)
        encoded = model.encode_batch(model.collate([model.prepare(scan)]).to(model.device))
        sentences = [items.annotations[row].sentence for row in rows[scene]]
        predictions: list[Prediction] = model.refer(encoded, sentences)  # type: ignore[attr-defined]
        for row, prediction in zip(rows[scene], predictions, strict=True):
            annotation = items.annotations[row]
            target = target_mask(scan, annotation.object_ids)
            metric.update(point_logits(prediction), target, annotation, points=scan.points)
    return metric


def point_logits(prediction: Prediction) -> np.ndarray:
    """Return one logit per point, float32 [N]: the highest of all masks; -inf where a point has no support row."""
    logits = prediction.logits.detach().float().cpu().numpy()
    rows = logits.max(0) if len(logits) else np.full(logits.shape[1], -np.inf, np.float32)
    index = np.asarray(prediction.index)
    return np.where(index >= 0, rows[index], -np.inf).astype(np.float32)


def print_table(result: dict[str, Any]) -> None:
    """Print a result of `evaluate` as a table on standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{result['task']} on {result['data']} {result['split']} · protocol {result['protocol']}",
        caption=f"{result['annotations']:,} annotations, {result['scenes']:,} scenes; mIoU and Acc in %",
    )
    table.add_column("")
    table.add_column("subset")
    for name in ("n", "mIoU", "overall IoU", "Acc@0.25", "Acc@0.5"):
        table.add_column(name, justify="right")
    for name, metrics in {result["model"]: result["metrics"], **result["baselines"]}.items():
        for subset, values in metrics.items():
            if isinstance(values, dict) and values["n"]:
                shares = (f"{100 * values[key]:.2f}" for key in ("miou", "oiou", "acc25", "acc50"))
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


_worker: tuple[Model, ReferDataset, str] | None = None


def _in_processes(
    loaded: _Loaded, device: str, processes: int, work: tuple[str, str, str, int, str], scenes: list[str]
) -> Iterator[tuple[str, Any]]:
    """Yield (scene, metric state) as processes finish scenes."""
    # Spawned, not forked: a process that has run OpenMP or CUDA cannot be forked safely.
    context = multiprocessing.get_context("spawn")
    assert loaded.path is not None
    counter = context.Value("i", 0)
    start = (counter, loaded.path, device, processes, work, dict(hub.SYSTEMS), dict(hub.PRESETS))
    with ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=start) as pool:
        with environment_for(processes):
            futures = {pool.submit(_measure_scene, scene): scene for scene in scenes}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker(
    counter: Any,
    path: str,
    device: str,
    processes: int,
    work: tuple[str, str, str, int, str],
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
    data, split, source, limit, protocol = work
    items = ReferDataset(data, split, source=source, prepare=not_prepared, max_items=limit, cache_scenes=1)
    drop_unknown(items, lambda _: None)
    _worker = hub.load_model(path, device=device), items, protocol


def _measure_scene(scene: str) -> Any:
    assert _worker is not None
    model, items, protocol = _worker
    return measure(model, items, [scene], protocol).state()


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
