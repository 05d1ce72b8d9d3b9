"""Class frequencies: how often each class occurs in prepared scenes, counted once and kept beside the data."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.scenes import read_manifest, read_scene_arrays, read_scene_info, scene_path
from saymask.errors import InputError
from saymask.labels.tables import scannet20, scannet200
from saymask.util.files import check_writable, write_text

CLASSES = {"semantic200": scannet200, "semantic20": scannet20}
"""Label of a prepared scene → its classes."""
_VERSION = 1


@dataclass(frozen=True)
class Frequencies:
    """How often each of C classes occurs in a set of prepared scenes."""

    labels: str
    """Which labels were counted: semantic200 or semantic20."""
    points: tuple[int, ...]
    """Labelled points (mesh vertices) per class."""
    objects: tuple[int, ...]
    """Objects per class; the class of an object is that of most of its labelled points."""
    scenes: tuple[int, ...]
    """Scenes in which the class has at least one point."""
    unlabelled: int
    """Points without a class."""
    counted: int
    """Scenes that were counted."""
    left_out: tuple[str, ...]
    """Scenes without these labels."""

    def absent(self) -> tuple[str, ...]:
        """Return the names of the classes without a single point."""
        return tuple(c.name for c, n in zip(CLASSES[self.labels](), self.points) if n == 0)


def count_classes(
    data: str | Path,
    scenes: str | Sequence[str] = "train",
    *,
    labels: str = "semantic200",
    cache: bool = True,
) -> Frequencies:
    """Count the classes in prepared scenes: those of a split of the prepared folder `data`, or the ones listed.

    The result is kept in DATA/class_frequencies and read again as long as no scene has changed. Scenes without these
    labels are left out and listed. Raises InputError when a scene is not prepared, none has labels, or the split is
    unknown.
    """
    if labels not in CLASSES:
        raise InputError(f"class frequencies: expected labels {' or '.join(CLASSES)}, got {labels!r}")
    names = _scene_names(Path(data), scenes)
    fingerprint = _fingerprint(Path(data), names, labels)
    path = Path(data) / "class_frequencies" / f"{labels}-{fingerprint[:16]}.json"
    if cache and (known := _read_cache(path, fingerprint)) is not None:
        return known
    found = _count(Path(data), names, labels)
    if cache:
        try:
            write_text(check_writable(path), json.dumps({"fingerprint": fingerprint, **asdict(found)}))
        except (InputError, OSError) as error:
            warnings.warn(f"class frequencies are counted again next time: {error}", stacklevel=2)
    return found


def _scene_names(data: Path, scenes: str | Sequence[str]) -> list[str]:
    if isinstance(scenes, str):
        splits: dict[str, Any] = read_manifest(data)["splits"]
        if scenes not in splits:
            raise InputError(f"{data}: expected a split of {', '.join(sorted(splits)) or 'none'}, got {scenes!r}")
        scenes = splits[scenes]
    names = sorted(set(scenes))
    if not names:
        raise InputError(f"{data}: class frequencies need at least one scene, got none")
    return names


def _fingerprint(data: Path, names: list[str], labels: str) -> str:
    digest = hashlib.sha256(f"{_VERSION}:{labels}".encode())
    for name in names:
        path = scene_path(data, name)
        info = read_scene_info(path)
        state = path.stat()
        digest.update(f":{name}:{info.version}:{info.fingerprint}:{state.st_size}:{state.st_mtime_ns}".encode())
    return digest.hexdigest()


def _read_cache(path: Path, fingerprint: str) -> Frequencies | None:
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("fingerprint") == fingerprint:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return Frequencies(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        warnings.warn(f"{path} is damaged ({error}) and is made again", stacklevel=3)
    return None


def _count(data: Path, names: list[str], labels: str) -> Frequencies:
    size = len(CLASSES[labels]())
    points, objects, scenes = (np.zeros(size, np.int64) for _ in range(3))
    unlabelled, left_out = 0, []
    for name in names:
        stored = read_scene_arrays(scene_path(data, name), labels, "instance")
        if labels not in stored:
            left_out.append(name)
            continue
        semantic = stored[labels].astype(np.int64)
        instance = stored["instance"].astype(np.int64) if "instance" in stored else None
        valid = semantic >= 0
        here = np.bincount(semantic[valid], minlength=size)
        points += here
        scenes += here > 0
        unlabelled += int(len(semantic) - valid.sum())
        if instance is not None:
            objects += _object_classes(semantic, instance, size)
    if len(left_out) == len(names):
        raise InputError(f"{data}: none of {len(names)} scenes has the labels {labels}; prepare scenes with labels")
    return Frequencies(
        labels,
        tuple(points.tolist()),
        tuple(objects.tolist()),
        tuple(scenes.tolist()),
        unlabelled,
        len(names) - len(left_out),
        tuple(left_out),
    )


def _object_classes(semantic: np.ndarray, instance: np.ndarray, size: int) -> np.ndarray:
    """Return int64 [C]: how many objects have most of their labelled points in each class (ties: the lower class)."""
    valid = (semantic >= 0) & (instance >= 0)
    ids, rows = np.unique(instance[valid], return_inverse=True)
    table = np.bincount(rows * size + semantic[valid], minlength=len(ids) * size).reshape(len(ids), size)
    return np.bincount(table.argmax(1), minlength=size)
