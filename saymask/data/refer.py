"""Sentences over prepared scans as a torch dataset."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from saymask.data.annotations import SOURCES, Annotation, load_annotations
from saymask.data.scenes import load_scene, scene_path, target_mask
from saymask.errors import InputError
from saymask.scan import Scan


class ReferDataset(Dataset):
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
        """`max_items` keeps that many annotations, evenly spread (0 = all); `cache_scenes` scans stay in memory.

        `image_features` names the prepared 2D features that the scans bring along, `stretched` says how projected.
        """
        self.data = Path(data)
        self.split = split
        self.prepare = prepare
        self.training = training
        self.seed = seed
        self.cache_scenes = max(1, cache_scenes)
        self.image_features, self.stretched = image_features, stretched
        self.source = source
        self.annotations: list[Annotation] = load_split(self.data, split, source=source)
        if 0 < max_items < len(self.annotations):
            rows = np.linspace(0, len(self.annotations) - 1, max_items).round().astype(int)
            self.annotations = [self.annotations[i] for i in rows]
        self._scans: OrderedDict[str, Scan] = OrderedDict()
        # Shared memory: workers that live over several epochs see the epoch that the training process sets.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.annotations)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of this epoch."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        """The epoch set last."""
        return int(self._epoch)

    def generator(self, index: int) -> np.random.RandomState:
        """Return the generator of item `index` in the current epoch."""
        return item_generator(self.seed, self.epoch, index)

    def scan(self, scene_id: str) -> Scan:
        """Return a scan of this data, kept for the next call."""
        if scene_id in self._scans:
            self._scans.move_to_end(scene_id)
            return self._scans[scene_id]
        scan = load_scene(scene_path(self.data, scene_id), image_features=self.image_features, stretched=self.stretched)
        self._scans[scene_id] = scan
        if len(self._scans) > self.cache_scenes:
            self._scans.popitem(last=False)
        return scan

    def target(self, index: int) -> np.ndarray:
        """Return the true mask of annotation `index`, bool [N]."""
        annotation = self.annotations[index]
        return target_mask(self.scan(annotation.scene_id), annotation.object_ids)

    def __getitem__(self, index: int) -> Any:
        annotation = self.annotations[index]
        rng = self.generator(index) if self.training else None
        return self.prepare(self.scan(annotation.scene_id), [annotation], rng=rng)


def item_generator(seed: int, epoch: int, index: int) -> np.random.RandomState:
    """Return the generator of one item of one epoch, which depends on nothing else."""
    return np.random.RandomState(np.random.SeedSequence([seed, epoch, index]).generate_state(8))


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
    """Return the annotation sources that a name means: itself, or all of them for `both`."""
    if source not in (*SOURCES, "both"):
        raise InputError(f"source: expected {', '.join(SOURCES)} or both, got {source!r}")
    return SOURCES if source == "both" else (source,)


def load_split(data: str | Path, split: str, *, source: str = "scanrefer") -> list[Annotation]:
    """Return the annotations of a split of a prepared folder; InputError names the splits that are there.

    With `both`, those of Multi3DRefer come after those of ScanRefer and are numbered on from them in each scene.
    """
    annotations: list[Annotation] = []
    for name in sources_of(source):
        last = Counter(a.scene_id for a in annotations)
        annotations += [replace(a, ann_id=a.ann_id + last[a.scene_id]) for a in _load_one(Path(data), split, name)]
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
