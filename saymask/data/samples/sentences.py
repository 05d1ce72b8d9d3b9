"""Sentences over prepared scans as a torch dataset."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import BOTH, SOURCES, Annotation, load_annotations
from saymask.data.samples.scans import PreparedScans, evenly_spaced, parts_of
from saymask.data.scenes import target_mask
from saymask.errors import InputError


class ReferDataset(PreparedScans):
    """Annotations of a split; item i is `prepare(scan, [annotation], rng=)` of a model.

    `rng` is a legacy NumPy generator in training, None otherwise. The generator depends on
    (seed, epoch, i) alone, so that an epoch is the same on any number of workers and processes and after a resume;
    call `set_epoch` before each epoch.
    """

    def __init__(
        self,
        data: str | Path,
        split: str,
        *,
        source: str = "scanrefer",
        prepare: Callable[..., Any],
        training: bool = False,
        seed: int = 42,
        max_items: int = 0,
        cache_scenes: int = 64,
        image_features: str = "",
        stretched: bool = False,
    ) -> None:
        """`max_items` keeps that many annotations, evenly spaced (0 = all); the rest are those of `PreparedScans`."""
        super().__init__(
            data, split, prepare=prepare, training=training, seed=seed, cache_scenes=cache_scenes,
            image_features=image_features, stretched=stretched,
        )  # fmt: skip
        self.source = source
        self.annotations: list[Annotation] = evenly_spaced(load_split(data, split, source=source), max_items)

    def __len__(self) -> int:
        return len(self.annotations)

    def target(self, index: int) -> np.ndarray:
        """Return the true mask of annotation `index`, bool [N]."""
        annotation = self.annotations[index]
        return target_mask(self.scan(annotation.scene_id), annotation.object_ids)

    def __getitem__(self, index: int) -> Any:
        annotation = self.annotations[index]
        return self.prepare(self.scan(annotation.scene_id), [annotation], rng=self.generator(index))


def by_scene(items: ReferDataset) -> dict[str, list[int]]:
    """Return the rows of the annotations of each scene, scenes in the order of their names."""
    scenes: dict[str, list[int]] = {}
    for row, annotation in enumerate(items.annotations):
        scenes.setdefault(annotation.scene_id, []).append(row)
    return dict(sorted(scenes.items()))


def annotation_path(data: str | Path, source: str, split: str) -> Path:
    """Return the annotation file of a split in a prepared folder."""
    return Path(data) / "annotations" / f"{source}_{split}.json"


def sources_of(source: str) -> tuple[str, ...]:
    """Return the annotation sources that a name means: itself, or `BOTH` for `both`."""
    if source not in (*SOURCES, "both"):
        raise InputError(f"source: expected {', '.join(SOURCES)} or both, got {source!r}")
    return BOTH if source == "both" else (source,)


def load_split(data: str | Path, split: str, *, source: str = "scanrefer") -> list[Annotation]:
    """Return the annotations of a split of a prepared folder; InputError names the splits that are there.

    With `both`, those of Multi3DRefer come after those of ScanRefer and are numbered on from them in each scene.
    """
    annotations: list[Annotation] = []
    for name in sources_of(source):
        last = Counter(a.scene_id for a in annotations)
        found = [a for part in parts_of(split) for a in _load_one(Path(data), part, name)]
        annotations += [replace(a, ann_id=a.ann_id + last[a.scene_id]) for a in found]
    return annotations


def _load_one(data: Path, split: str, source: str) -> list[Annotation]:
    path = annotation_path(data, source, split)
    if not path.is_file():
        there = sorted(p.stem for p in path.parent.glob("*.json") if not p.name.startswith((".", "programs")))
        raise InputError(
            f"{path}: expected annotations of split {split!r}; "
            + (f"this folder has {', '.join(there)}" if there else "this folder has none: run `saymask prepare` first")
        )
    programs = path.parent / f"programs_{split}.json"
    return load_annotations(path, source=source, programs=programs if programs.is_file() else None)
