"""The submission files of the ScanNet benchmarks: written, read, and scored without a model.

Semantic: FOLDER/<scene>.txt, one class id per line, in the order of the points. Instances: FOLDER/<scene>.txt, one line
"predicted_masks/<scene>_<NNN>.txt <class id> <score>" per mask; a mask file holds one number per line, 0 = outside
(docs/systems/lground.md §6.2, §6.3, §6.4, §6.5).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numba import njit

from saymask.data.scenes import load_scene, read_manifest, scene_path
from saymask.errors import InputError
from saymask.metrics.instance import InstanceMetric
from saymask.metrics.overlap import TrueInstances, read_true_instances
from saymask.metrics.semantic import SemanticMetric
from saymask.util.files import check_writable, file_name, write_text
from saymask.util.temporaries import temporary_folder

MASKS = "predicted_masks"


def list_path(folder: str | Path, scene_id: str) -> Path:
    """Return a scene's own file in a submission folder; InputError for an id that leads elsewhere."""
    return Path(folder) / f"{file_name(scene_id, 'scene')}.txt"


def write_semantic(folder: str | Path, scene_id: str, ids: np.ndarray) -> Path:
    """Write the class ids int [N] of a scene (0 = none), replacing an existing file as a whole; return the path."""
    ids = np.asarray(ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InputError(f"{scene_id}: expected one class id per point, int [N], got {ids.dtype} {list(ids.shape)}")
    used, rows = np.unique(ids, return_inverse=True)
    lines = [f"{i}\n" for i in used.tolist()]
    path = list_path(folder, scene_id)
    write_text(path, "".join([lines[row] for row in rows.tolist()]))
    return path


def write_instances(
    folder: str | Path,
    scene_id: str,
    masks: np.ndarray,  # bool [M, N] over the points; or [M, S] over the rows of `index`
    labels: np.ndarray,  # int [M] class ids
    scores: np.ndarray,  # float [M]
    *,
    index: np.ndarray | None = None,  # int [N]: row of each point, -1 none
    decimals: int | None = None,
) -> Path:
    """Write the masks of a scene and return the path of its list.

    Scores are written so that reading gives the same number, or with `decimals` (the published code: 4, which makes
    ties). The list is removed first and appears again, at once, when all masks are there: a reader meets the masks of
    one run or no list. Masks of an earlier, longer list are removed.
    """
    folder, masks = Path(folder), np.asarray(masks)
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if masks.ndim != 2 or masks.dtype != np.bool_ or labels.shape != (len(masks),) or scores.shape != (len(masks),):
        raise InputError(
            f"{scene_id}: expected masks bool [M, N] with M labels and M scores, got {masks.dtype} "
            f"{list(masks.shape)}, {list(labels.shape)} and {list(scores.shape)}"
        )
    if not np.isfinite(scores).all():
        raise InputError(f"{scene_id}: expected finite scores, got {scores[~np.isfinite(scores)][0]}")
    path = list_path(folder, scene_id)
    path.unlink(missing_ok=True)
    old = {p for p in (folder / MASKS).glob(f"{scene_id}_*.txt") if p.stem[len(scene_id) + 1 :].isdigit()}
    lines = []
    (folder / MASKS).mkdir(parents=True, exist_ok=True)
    for number, (mask, label, score) in enumerate(zip(masks, labels.tolist(), scores.tolist(), strict=True)):
        points = mask if index is None else np.append(mask, False)[index]
        name = f"{MASKS}/{scene_id}_{number:03d}.txt"
        # Not one by one through a temporary file: without the list nobody reads them, and waiting for the disk a
        # hundred times takes seconds.
        (folder / name).write_bytes(_mask_text(points))
        lines.append(f"{name} {label} {score if decimals is None else f'{score:.{decimals}f}'}\n")
        old.discard(folder / name)
    for stale in old:
        stale.unlink(missing_ok=True)
    write_text(path, "".join(lines))
    return path


def _mask_text(mask: np.ndarray) -> bytes:
    text = np.empty((len(mask), 2), np.uint8)
    text[:, 0] = mask
    text[:, 0] += ord("0")
    text[:, 1] = ord("\n")
    return text.tobytes()


@dataclass(frozen=True)
class ListedMask:
    """A line of a scene's list of masks."""

    path: Path
    label: int
    score: float


def read_ids(path: str | Path) -> np.ndarray:
    """Return the whole numbers int64 [N] of a text file with one per line (predictions, or the benchmark's truth).

    Raises InputError, naming the line, for anything else than one whole number.
    """
    raw = np.frombuffer(_read(Path(path)), np.uint8)
    values, count, wrong = _parse_ids(raw)
    if wrong:
        line = raw.tobytes().split(b"\n")[count].decode("utf-8", "replace").strip()
        raise InputError(f"{path}, line {count + 1}: expected one whole number, got {line[:40]!r}")
    return values[:count].copy()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


@njit(cache=True, nogil=True)
def _parse_ids(raw):
    """Return (values, how many lines were read, whether the next line is wrong); blanks around a number are fine."""
    # A number and its line end take two bytes at least.
    values = np.empty(raw.size // 2 + 1, np.int64)
    count, at, size = 0, 0, raw.size
    while at < size:
        while at < size and (raw[at] == 32 or raw[at] == 9 or raw[at] == 13):
            at += 1
        negative = at < size and raw[at] == 45
        if negative or (at < size and raw[at] == 43):
            at += 1
        value, first = 0, at
        while at < size and 48 <= raw[at] <= 57:
            value = value * 10 + (raw[at] - 48)
            at += 1
        # 18 digits always fit into 64 bits.
        if at == first or at - first > 18:
            return values, count, True
        while at < size and (raw[at] == 32 or raw[at] == 9 or raw[at] == 13):
            at += 1
        if at < size and raw[at] != 10:
            return values, count, True
        at += 1
        values[count] = -value if negative else value
        count += 1
    return values, count, False


def read_list(path: str | Path) -> list[ListedMask]:
    """Return the masks that the list of a scene names, in its order.

    Raises InputError for a line that is not "path, class id, score", for a path outside the folder and for a mask that
    is listed twice.
    """
    path = Path(path)
    masks: dict[str, ListedMask] = {}
    for number, line in enumerate(_read(path).decode("utf-8", "replace").splitlines(), start=1):
        fields = line.split()
        try:
            name, label, score = fields[0], float(fields[1]), float(fields[2])
        except (IndexError, ValueError):
            name, label, score = "", 0.5, 0.0
        if len(fields) != 3 or not (label.is_integer() and abs(label) < 2**31) or not np.isfinite(score):
            raise InputError(f"{path}, line {number}: expected 'mask file, class id, score', got {line[:80]!r}")
        file = os.path.normpath(name)
        if os.path.isabs(file) or file.startswith("..") or "\0" in file:
            raise InputError(f"{path}, line {number}: expected a mask file inside the folder, got {name}")
        if file in masks:
            raise InputError(f"{path}, line {number}: {name} is listed twice; every mask needs a file of its own")
        masks[file] = ListedMask(path.parent / file, int(label), score)
    return list(masks.values())


def count_listed(masks: Sequence[ListedMask], truth: TrueInstances) -> np.ndarray:
    """Return int64 [M, 1 + G]: the points that each mask file shares with the void and the true instances."""
    width = len(truth.ids) + 1
    counts = np.zeros((len(masks), width), np.int64)
    for row, mask in zip(counts, masks, strict=True):
        raw = np.frombuffer(_read(mask.path), np.uint8)
        points = len(truth.slots)
        if raw.size == 2 * points and _count_mask_text(raw, raw[: raw.size // 8 * 8].view(np.uint64), truth.slots, row):
            continue
        # Not the plain form that everybody writes: read it as any numbers.
        values = read_ids(mask.path)
        if len(values) != points:
            raise InputError(f"{mask.path}: expected one line for each of {points:,} points, got {len(values):,}")
        row[:] = np.bincount(truth.slots[values != 0], minlength=width)
    return counts


# Four lines "0" and four lines "1", as one number each (any byte order: the text is read the same way).
_ZEROS = np.frombuffer(b"0\n0\n0\n0\n", np.uint64)[0]
_ONES = np.frombuffer(b"1\n1\n1\n1\n", np.uint64)[0]


@njit(cache=True, nogil=True)
def _count_mask_text(raw, words, slots, row):
    """Add the points of a mask file of the form digit, line end, ... to `row`; return False if it has another form."""
    for w in range(words.size):
        if words[w] == _ZEROS:
            continue
        if words[w] == _ONES:
            for p in range(4 * w, 4 * w + 4):
                row[slots[p]] += 1
            continue
        for p in range(4 * w, 4 * w + 4):
            if raw[2 * p] < 48 or raw[2 * p] > 57 or raw[2 * p + 1] != 10:
                return False
            if raw[2 * p] != 48:
                row[slots[p]] += 1
    for p in range(4 * words.size, slots.size):
        if raw[2 * p] < 48 or raw[2 * p] > 57 or raw[2 * p + 1] != 10:
            return False
        if raw[2 * p] != 48:
            row[slots[p]] += 1
    return True


def add_semantic_file(metric: SemanticMetric, path: str | Path, truth: np.ndarray, scene_id: str) -> None:
    """Count the file of a scene against its true class ids int [N]."""
    ids = read_ids(path)
    if len(ids) != len(truth):
        raise InputError(f"{path}: expected one line for each of {len(truth):,} points, got {len(ids):,}")
    metric.update(ids, truth, scene_id)


def add_instance_file(metric: InstanceMetric, path: str | Path, truth: np.ndarray, scene_id: str) -> None:
    """Count the list of a scene against int [N] values class id * 1000 + instance."""
    masks = read_list(path)
    found = read_true_instances(truth, np.array([c.id for c in metric.protocol.things]))
    labels = np.array([m.label for m in masks], np.int64)
    scores = np.array([m.score for m in masks], np.float64)
    metric.update_counts(count_listed(masks, found), labels, scores, found, scene_id)


def add_scene(
    metric: SemanticMetric | InstanceMetric, folder: str | Path, scene_id: str, labels: Mapping[str, np.ndarray]
) -> None:
    """Count a scene of a submission folder against the labels of the prepared scene."""
    path, benchmark = list_path(folder, scene_id), metric.protocol
    if isinstance(metric, SemanticMetric):
        add_semantic_file(metric, path, benchmark.true_classes(labels), scene_id)
    else:
        add_instance_file(metric, path, benchmark.true_instances(labels), scene_id)


def score_submission(
    folder: str | Path,
    data: str | Path,
    *,
    task: Literal["semantic", "instances"],
    protocol: str = "scannet200",
    split: str = "val",
    scenes: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Return the scores of a submission folder against prepared data: the result of the task's metric.

    Counted are the scenes of `split`, or `scenes`. Raises InputError when one of them has no file, as the benchmark
    does, or when the data has no labels of the protocol.
    """
    if task not in ("semantic", "instances"):
        raise InputError(f"task: expected semantic or instances, got {task!r}")
    folder, metric = Path(folder), SemanticMetric(protocol) if task == "semantic" else InstanceMetric(protocol)
    chosen = _scenes_of(data, split) if scenes is None else list(scenes)
    missing = [s for s in chosen if not list_path(folder, s).is_file()]
    if missing:
        raise InputError(
            f"{folder}: expected a file <scene>.txt for each of {len(chosen)} scenes, {len(missing)} are missing: "
            f"{', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}"
        )
    for scene_id in chosen:
        add_scene(metric, folder, scene_id, load_scene(scene_path(data, scene_id)).labels)
    return metric.compute()


def _scenes_of(data: str | Path, split: str) -> list[str]:
    splits = read_manifest(data)["splits"]
    if split not in splits:
        raise InputError(f"{data}: expected a split of {', '.join(splits) or 'none'}, got {split!r}")
    return list(splits[split])


def is_submission(path: str | Path) -> bool:
    """Return whether a path looks like a folder of submission files: a folder without a checkpoint."""
    path = Path(path)
    return path.is_dir() and not any(path.glob("*.safetensors"))


def check_folder(export: str | Path) -> Path:
    """Return the path of a folder that submission files can be written to; InputError before the work if not."""
    export = Path(export)
    if export.suffix in {".json", ".gz", ".zip", ".npz", ".txt", ".csv"} or export.is_file():
        raise InputError(f"cannot export to {export}: expected a folder for one file <scene>.txt per scan")
    full = [p.name for p in export.glob("*") if p.suffix in (".txt", ".safetensors") or p.name == MASKS]
    if full:
        raise InputError(
            f"cannot export to {export}: it already has {', '.join(sorted(full)[:3])}; choose another folder"
        )
    check_writable(export / "scene.txt")
    return export


@contextmanager
def all_or_nothing(export: Path | None) -> Iterator[Path | None]:
    """Yield a folder inside `export` whose files move up to it when the block ends without an error."""
    if export is None:
        yield None
        return
    export.mkdir(parents=True, exist_ok=True)
    with temporary_folder(export) as work:
        yield work
        # The lists last: a reader meets no list whose masks are still to come.
        for path in sorted(work.iterdir(), key=lambda p: p.is_file()):
            os.replace(path, export / path.name)
