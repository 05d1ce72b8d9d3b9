"""Prepared scans as a torch dataset, and the choice of those that training may use."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from cachetools import LRUCache
from torch.utils.data import Dataset

from saymask.data.scenes import load_scene, read_manifest, scene_path
from saymask.errors import InputError
from saymask.scan import Scan

T = TypeVar("T")


class PreparedScans(Dataset):
    """Base of the datasets over the scans of a split: a cache of scans, and a random generator per item."""

    def __init__(
        self,
        data: str | Path,
        split: str,
        *,
        prepare: Callable[..., Any],
        training: bool = False,
        seed: int = 42,
        cache_scenes: int = 64,
        image_features: str = "",
        stretched: bool = False,
    ) -> None:
        """`prepare` is a model's; `cache_scenes` scans stay in memory.

        `image_features` names the prepared 2D features that the scans bring along, `stretched` says how projected.
        """
        self.data = Path(data)
        self.split = split
        self.prepare = prepare
        self.training = training
        self.seed = seed
        self.image_features, self.stretched = image_features, stretched
        self._scans: LRUCache[str, Scan] = LRUCache(max(1, cache_scenes))
        # Shared memory: workers that live over several epochs see the epoch that the training process sets.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of this epoch."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        """The epoch set last."""
        return int(self._epoch)

    def generator(self, index: int) -> np.random.RandomState | None:
        """Return the generator of item `index` in the current epoch; None where nothing is to be random."""
        return item_generator(self.seed, self.epoch, index) if self.training else None

    def scan(self, scene_id: str) -> Scan:
        """Return a scan of this data, kept for the next call."""
        if scene_id not in self._scans:
            path = scene_path(self.data, scene_id)
            self._scans[scene_id] = load_scene(path, image_features=self.image_features, stretched=self.stretched)
        return self._scans[scene_id]


class ScanDataset(PreparedScans):
    """The scans of a split in the order of their names; item i is `prepare(scan, (), rng=)` of a model.

    `rng` is a legacy NumPy generator in training, None otherwise. The generator depends on (seed, epoch, i) alone, so
    that an epoch is the same on any number of workers and processes and after a resume; call `set_epoch` before each
    epoch.
    """

    def __init__(
        self,
        data: str | Path,
        split: str,
        *,
        prepare: Callable[..., Any],
        training: bool = False,
        seed: int = 42,
        scenes: str = "",
        max_items: int = 0,
        cache_scenes: int = 64,
        image_features: str = "",
        stretched: bool = False,
    ) -> None:
        """`scenes` restricts the split (see `chosen_scenes`); `max_items` keeps as many scans, evenly spaced (0 = all).

        The other arguments are those of `PreparedScans`. Raises InputError when there is no such split, or `scenes`
        means none of it.
        """
        super().__init__(
            data, split, prepare=prepare, training=training, seed=seed, cache_scenes=cache_scenes,
            image_features=image_features, stretched=stretched,
        )  # fmt: skip
        self.names: list[str] = evenly_spaced(chosen_scenes(data, split, scenes), max_items)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Any:
        return self.prepare(self.scan(self.names[index]), (), rng=self.generator(index))


def item_generator(seed: int, epoch: int, index: int) -> np.random.RandomState:
    """Return the generator of one item of one epoch, which depends on nothing else."""
    return np.random.RandomState(np.random.SeedSequence([seed, epoch, index]).generate_state(8))


def evenly_spaced(items: Sequence[T], count: int) -> list[T]:
    """Return `count` of the items in their order, evenly spaced; all of them for 0 or where there are fewer."""
    if not 0 < count < len(items):
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def parts_of(split: str) -> tuple[str, ...]:
    """Return the splits that a name means: itself, or train and val for `trainval`."""
    return ("train", "val") if split == "trainval" else (split,)


def split_scenes(data: str | Path, split: str) -> tuple[str, ...]:
    """Return the names of the scans of a split of a prepared folder, sorted; InputError names the splits there are.

    `trainval` are those of train and val together, as a model for the benchmark's hidden test scans is trained.
    """
    splits: dict[str, list[str]] = read_manifest(data).get("splits", {})
    if split == "trainval":
        return tuple(sorted({scene for part in parts_of(split) for scene in split_scenes(data, part)}))
    if not splits.get(split):
        there = ", ".join(name for name, scenes in splits.items() if scenes)
        raise InputError(f"{data}: expected scans of split {split!r}; its manifest.json has {there or 'no split'}")
    return tuple(sorted(set(splits[split])))


def chosen_scenes(data: str | Path, split: str, scenes: str = "") -> tuple[str, ...]:
    """Return the names of the scans of a split that `scenes` means, sorted.

    `scenes`: empty = all; a number above 0 and up to 1 = that share of them, the same ones each time and those of a
    smaller share among them (`annotated_scenes`); else a text file with their names (`read_scene_list`). Raises
    InputError for anything else.
    """
    known = split_scenes(data, split)
    if not scenes:
        return known
    try:
        share = float(scenes)
    except ValueError:
        if not Path(scenes).is_file():
            raise InputError(
                f"scenes: expected nothing (all scans), a share such as 0.05, or a text file with names of scans of "
                f"split {split!r}, one a line; got {scenes!r}"
            ) from None
        return tuple(sorted(read_scene_list(scenes, known)))
    return annotated_scenes(known, share)


def check_share(share: float, what: str) -> float:
    """Return `share`; raise InputError unless 0 < share <= 1."""
    if not 0 < share <= 1:
        raise InputError(f"{what}: expected a share above 0 and up to 1 (1 = all), got {share}")
    return share


def annotated_scenes(scenes: Sequence[str], share: float, *, seed: int = 42) -> tuple[str, ...]:
    """Return round(share · n) of n scenes, at least one, in their order; a smaller share is a part of a larger one.

    Training with few annotated scans (docs/systems/lground.md §2.3).
    """
    check_share(share, "annotated scenes")
    names = sorted(set(scenes))
    if not names:
        raise InputError("annotated scenes: expected at least one scene, got none")
    order = np.random.RandomState(seed).permutation(len(names))
    chosen = {names[i] for i in order[: max(1, round(share * len(names)))]}
    return tuple(name for name in dict.fromkeys(scenes) if name in chosen)


def read_scene_list(path: str | Path, known: Sequence[str]) -> tuple[str, ...]:
    """Return the scenes that a text file lists, one a line, as the data-efficient benchmark does it.

    A line may be a path (`train/scene0000_00.ply`). Raises InputError when the file cannot be read, is empty, or names
    a scene that is not among the `known`.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a text file with one scene a line: {error}") from None
    names = tuple(dict.fromkeys(Path(line).name.split(".")[0] for line in lines))
    unknown = sorted(set(names) - set(known))
    if not names or unknown:
        some = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        raise InputError(f"{path}: expected scenes of the training split, one a line; got {some or 'none'}")
    return names
