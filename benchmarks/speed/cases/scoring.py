"""Scoring: the metrics of a scene beside a plain re-statement of the official loop.

One scene of 150,000 points with 30 true and 100 predicted instances of ScanNet200, from memory, over superpoints and
from the submission's text files, and the same points as a semantic prediction. Both sides must give the same numbers to
the last digit, else the case fails. They run on one thread each; the other's time is CPU seconds, as ours.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.speed.clock import turns
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.plain_scores import SCENE, Scene, make_scene, plain_ap, plain_ids, plain_iou, plain_read
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.instance import InstanceMetric
from saymask.metrics.semantic import SemanticMetric
from saymask.metrics.submission import add_instance_file, add_semantic_file, write_instances, write_semantic


def instances(scene: Scene, masks: np.ndarray, index: np.ndarray | None = None) -> np.ndarray:
    """Return AP [classes, thresholds] of a scene's masks over points, or over superpoints with their `index`."""
    metric = InstanceMetric("scannet200")
    metric.update(masks, scene.labels, scene.scores, scene.truth, SCENE, index=index)
    metric.compute()
    return metric.average_precision()


def instance_files(folder: Path, truth: np.ndarray) -> np.ndarray:
    """Return AP [classes, thresholds] of a submission folder."""
    metric = InstanceMetric("scannet200")
    add_instance_file(metric, folder / f"{SCENE}.txt", truth, SCENE)
    metric.compute()
    return metric.average_precision()


def semantic(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the IoU of each class."""
    metric = SemanticMetric("scannet200")
    metric.update(predicted, true, SCENE)
    metric.compute()
    return metric.iou()


def semantic_file(path: Path, true: np.ndarray) -> np.ndarray:
    """Return the IoU of each class of a submission file."""
    metric = SemanticMetric("scannet200")
    add_semantic_file(metric, path, true, SCENE)
    metric.compute()
    return metric.iou()


def measure(effort: Effort) -> list[Figure]:
    """Return CPU seconds of both sides; RuntimeError where their numbers differ."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = sides(15_000 if effort.quick else 150_000, 30, 100, Path(folder))
        for name, (ours, plain) in pairs.items():
            if not np.array_equal(ours(), plain(), equal_nan=True):
                raise RuntimeError(f"{name}: the numbers differ from those of the plain loop")
        jobs = {(name, i): job for name, pair in pairs.items() for i, job in enumerate(pair)}
        taken = turns({f"{name} {i}": job for (name, i), job in jobs.items()}, effort.rounds(3))
    return [Figure(name, taken[f"{name} 0"].cpu, peer=taken[f"{name} 1"].cpu, peer_of="plain loop") for name in pairs]


def sides(
    points: int, instances_: int, masks: int, folder: Path
) -> dict[str, tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]]:
    """Return by name ours and the plain one."""
    benchmark = get_benchmark("scannet200")
    things, classes = [c.id for c in benchmark.things], [c.id for c in benchmark.classes]
    scene = make_scene(points, instances_, masks, seed=0)
    write_instances(folder / "instance", SCENE, scene.masks, scene.labels, scene.scores)
    # Superpoints of 64 points; a mask over them is that of their first points.
    index = np.arange(points) // 64
    support = scene.masks[:, ::64].copy()
    spread = Scene(scene.truth, np.ascontiguousarray(support[:, index]), scene.labels, scene.scores)
    rng = np.random.default_rng(1)
    true = scene.truth // 1000
    predicted = np.where(rng.random(points) < 0.7, true, rng.choice([*classes, 0, 5000], points))
    file = write_semantic(folder / "semantic", SCENE, predicted)
    return {
        "instances from memory": (lambda: instances(scene, scene.masks), lambda: plain_ap([scene], things)),
        "instances over superpoints": (lambda: instances(scene, support, index), lambda: plain_ap([spread], things)),
        "instances from files": (
            lambda: instance_files(folder / "instance", scene.truth),
            lambda: plain_ap([plain_read(folder / "instance", scene.truth)], things),
        ),
        "classes from memory": (lambda: semantic(predicted, true), lambda: plain_iou(predicted, true, classes)),
        "classes from a file": (
            lambda: semantic_file(file, true),
            lambda: plain_iou(plain_ids(file), true, classes),
        ),
    }
