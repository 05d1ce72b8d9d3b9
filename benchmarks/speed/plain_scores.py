"""Plain re-statement of the official scoring loops of ScanNet's benchmarks, which ours is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.metrics.benchmark import get_benchmark

SCENE = "scene0000_00"


@dataclass(frozen=True)
class Scene:
    """A scene and what was predicted for it."""

    truth: np.ndarray  # int64 [N]: class id * 1000 + instance, 0 none
    masks: np.ndarray  # bool [M, N]
    labels: np.ndarray  # int64 [M] class ids
    scores: np.ndarray  # float64 [M]


def make_scene(points: int, instances: int, masks: int, seed: int) -> Scene:
    """Draw true instances (half of the points belong to none) and masks: good, poor, doubled and misplaced ones."""
    rng = np.random.default_rng(seed)
    ids = rng.choice([c.id for c in get_benchmark("scannet200").things], size=max(1, instances // 3), replace=False)
    sizes = rng.dirichlet(np.ones(instances)) * points / 2
    truth = np.zeros(points, np.int64)
    ends = np.cumsum(np.append(rng.dirichlet(np.ones(instances)) * points / 2, 0))
    for i in range(instances):
        start = int(ends[i] - ends[0] + sizes[:i].sum())
        truth[start : start + int(sizes[i])] = rng.choice(ids) * 1000 + i + 1
    known = np.unique(truth[truth > 0])
    out, labels = np.zeros((masks, points), bool), np.zeros(masks, np.int64)
    for m in range(masks):
        target = rng.choice(known)
        inside = np.flatnonzero(truth == target)
        start, stop = inside[0], inside[-1] + 1
        shift = rng.normal(0, 0.25, 2) * (stop - start) * rng.choice([0.1, 1.0])
        low, high = np.clip([start + shift[0], stop + shift[1]], 0, points).astype(int)
        out[m, low:high] = rng.random(max(0, high - low)) < 0.97
        labels[m] = target // 1000 if rng.random() < 0.85 else rng.choice(ids)
    return Scene(truth, out, labels, np.round(rng.random(masks), 2))


def plain_intersections(scene: Scene, class_ids: Sequence[int], min_region: int) -> tuple[list[dict], list[dict]]:
    """Return true instances and predictions of a scene, linked both ways."""
    true = []
    for value in np.unique(scene.truth):
        if value != 0 and value // 1000 in class_ids:
            size = np.count_nonzero(scene.truth == value)
            true.append({"id": value, "class": value // 1000, "size": size, "predictions": []})
    void = ~np.isin(scene.truth // 1000, class_ids)
    predicted = []
    for mask, label, score in zip(scene.masks, scene.labels, scene.scores, strict=True):
        size = np.count_nonzero(mask)
        if label not in class_ids or size < min_region:
            continue
        prediction = {"class": label, "size": size, "score": float(score), "true": []}
        prediction["void"] = np.count_nonzero(mask & void)
        for instance in true:
            if instance["class"] == label:
                shared = np.count_nonzero(mask & (scene.truth == instance["id"]))
                if shared > 0:
                    iou = float(shared) / (size + instance["size"] - shared)
                    prediction["true"].append((instance, shared, iou))
                    instance["predictions"].append((prediction, iou))
        predicted.append(prediction)
    return true, predicted


def plain_ap(scenes: Sequence[Scene], class_ids: Sequence[int], min_region: int = 100) -> np.ndarray:
    """Return AP [classes, thresholds], NaN without a true instance, by the official loop.

    Source: docs/systems/lground.md §6.4.
    """
    thresholds = np.append(np.arange(0.5, 0.95, 0.05), 0.25)
    linked = [plain_intersections(scene, class_ids, min_region) for scene in scenes]
    ap = np.full((len(class_ids), len(thresholds)), np.nan)
    for t, threshold in enumerate(thresholds):
        visited: set[int] = set()
        for c, class_id in enumerate(class_ids):
            values, scores, missed, there = [], [], 0, False
            for true, predicted in linked:
                for instance in true:
                    if instance["class"] != class_id or instance["size"] < min_region:
                        continue
                    there, best = True, None
                    for prediction, iou in instance["predictions"]:
                        if id(prediction) in visited or iou <= threshold:
                            continue
                        if best is None:
                            best = prediction["score"]
                            visited.add(id(prediction))
                        else:
                            values.append(0)
                            scores.append(min(best, prediction["score"]))
                            best = max(best, prediction["score"])
                    if best is None:
                        missed += 1
                    else:
                        values.append(1)
                        scores.append(best)
                for prediction in predicted:
                    if prediction["class"] != class_id or any(iou > threshold for _, _, iou in prediction["true"]):
                        continue
                    ignored = prediction["void"]
                    ignored += sum(shared for i, shared, _ in prediction["true"] if i["size"] < min_region)
                    if float(ignored) / prediction["size"] <= threshold:
                        values.append(0)
                        scores.append(prediction["score"])
            if there:
                ap[c, t] = plain_integral(np.array(scores), np.array(values), missed) if scores else 0.0
    return ap


def plain_integral(scores: np.ndarray, values: np.ndarray, missed: int) -> float:
    """Return the area under the curve of precision over recall."""
    order = np.argsort(scores, kind="stable")
    scores, below = scores[order], np.append(np.cumsum(values[order]), 0)
    firsts = np.unique(scores, return_index=True)[1]
    total = int(values.sum())
    precision, recall = np.zeros(len(firsts) + 1), np.zeros(len(firsts) + 1)
    for i, j in enumerate(firsts):
        lost = below[j - 1]
        tp = total - lost
        fp, fn = len(scores) - j - tp, lost + missed
        precision[i], recall[i] = float(tp) / (tp + fp), float(tp) / (tp + fn)
    precision[-1], recall[-1] = 1.0, 0.0
    padded = np.append(np.append(recall[0], recall), 0.0)
    return float(np.dot(precision, np.convolve(padded, [-0.5, 0, 0.5], "valid")))


def plain_iou(predicted: np.ndarray, true: np.ndarray, class_ids: Sequence[int]) -> np.ndarray:
    """Return the IoU of each class, NaN where it is undefined, by the official loop over points.

    Source: docs/systems/lground.md §6.3.
    """
    unknown = max(class_ids) + 1
    confusion = np.zeros((unknown + 1, unknown + 1), np.int64)
    valid = set(class_ids)
    for t, p in zip(true.tolist(), predicted.tolist(), strict=True):
        if t in valid:
            confusion[t, p if p in valid else unknown] += 1
    iou = np.full(len(class_ids), np.nan)
    for c, class_id in enumerate(class_ids):
        tp = confusion[class_id, class_id]
        fn = confusion[class_id].sum() - tp
        fp = sum(confusion[other, class_id] for other in class_ids if other != class_id)
        if tp + fn + fp:
            iou[c] = float(tp) / (tp + fn + fp)
    return iou


def plain_ids(path: Path) -> np.ndarray:
    """Return the numbers of a text file, one per line."""
    return np.array(path.read_text().splitlines(), dtype=np.int64)


def plain_read(folder: Path, truth: np.ndarray) -> Scene:
    """Return the scene of a submission folder, read as the official script reads it."""
    masks, labels, scores = [], [], []
    for line in (folder / f"{SCENE}.txt").read_text().splitlines():
        name, label, score = line.split()
        masks.append(plain_ids(folder / name) != 0)
        labels.append(int(label))
        scores.append(float(score))
    return Scene(truth, np.stack(masks), np.array(labels), np.array(scores))
