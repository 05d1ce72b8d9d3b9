"""Order of the training samples: a function of (seed, epoch, step, rank) alone, so a run can be resumed."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from saymask.data.annotations import Annotation
from saymask.data.samples.scans import ScanDataset, item_generator
from saymask.data.samples.sentences import ReferDataset, by_scene
from saymask.data.scenes import read_scene_info, scene_path
from saymask.errors import InputError
from saymask.util.words import some

Key = tuple[int, int]
"""(epoch, index of the sample)."""


class BatchOrder:
    """Batches of one process from step `start` to step `total`, as lists of (epoch, index).

    Every epoch (counted from 1) is one permutation of all samples; each step takes `per_step` of them in order:
    `accumulate` batches of `batch_size` for each of `world` processes, of which process `rank` gets its share. The rest
    that fills no step is left out of this epoch, or with `drop_last=False` is a smaller step, shared out evenly; where
    it has fewer samples than batches, first ones of the epoch come once more. Since nothing depends on what was drawn
    before, a run that resumes at a step sees what it would have seen.
    """

    def __init__(
        self,
        count: int,
        *,
        batch_size: int,
        epochs: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        max_steps: int = 0,
        accumulate: int = 1,
        drop_last: bool = True,
    ) -> None:
        self.count, self.batch_size, self.seed, self.rank, self.world = count, batch_size, seed, rank, world
        self.accumulate = accumulate
        self.per_step = batch_size * accumulate * world
        self.steps_per_epoch = count // self.per_step if drop_last else -(-count // self.per_step)
        if self.steps_per_epoch == 0:
            raise InputError(
                f"{count} training samples do not fill one step of {self.per_step} ({batch_size} x {accumulate} on "
                f"{world} process(es)); use more data, a smaller train.batch_size or train.accumulate, fewer devices, "
                "or train.drop_last=False"
            )
        self.total = self.steps_per_epoch * epochs
        if max_steps:
            self.total = min(self.total, max_steps)
        self.start = 0

    def __len__(self) -> int:
        return max(0, self.total - self.start) * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, order = 0, np.empty(0, np.int64)
        for step in range(self.start, self.total):
            if self.epoch(step) != epoch:
                epoch = self.epoch(step)
                order = np.random.default_rng([self.seed, epoch]).permutation(self.count)
            first = step % self.steps_per_epoch * self.per_step
            taken = order[first : first + self.per_step]
            batches = self.accumulate * self.world
            if len(taken) < batches:
                taken = np.concatenate([taken, np.resize(order, batches - len(taken))])
            for part in np.array_split(taken, batches)[self.rank :: self.world]:
                yield [(epoch, int(index)) for index in part]

    def samples(self, step: int) -> int:
        """Return how many samples of the epoch `step` takes, all processes together."""
        return min(self.per_step, self.count - step % self.steps_per_epoch * self.per_step)

    def seen(self, steps: int) -> int:
        """Return how many samples the first `steps` steps take, all processes together."""
        epochs, rest = divmod(steps, self.steps_per_epoch)
        return epochs * min(self.count, self.steps_per_epoch * self.per_step) + rest * self.per_step

    def epoch(self, step: int) -> int:
        """Return the epoch of a step, counted from 1."""
        return step // self.steps_per_epoch + 1

    def ends_epoch(self, done: int) -> bool:
        """Return whether an epoch is complete after `done` steps."""
        return done % self.steps_per_epoch == 0


class TrainingItems(Dataset):
    """Prepared training samples by (epoch, index): a scan and up to `sentences` of its annotations, or a scan alone.

    The sentences of a scan are cut into chunks in their order; the chunks stay the same in all epochs
    (docs/systems/bqnet.md §2.5). The random generator comes from (seed, epoch, index) of the request itself, not from a
    setting of the dataset, so workers can fetch the next epoch's first items while the last ones of this epoch are
    still in use.
    """

    def __init__(self, data: ReferDataset | ScanDataset, sentences: int = 1, scans: Iterable[str] = ()) -> None:
        """`sentences` 0 = one sample per scan with all of its sentences; `scans` are then samples even without any."""
        self.data = data
        self.chunks: list[tuple[str, list[Annotation]]]
        if isinstance(data, ScanDataset):
            self.chunks = [(name, []) for name in data.names]
        elif sentences == 0:
            rows = by_scene(data)
            self.chunks = [(s, [data.annotations[i] for i in rows.get(s, ())]) for s in sorted({*rows, *scans})]
        else:
            self.chunks = [
                (scene, [data.annotations[row] for row in rows[first : first + sentences]])
                for scene, rows in by_scene(data).items()
                for first in range(0, len(rows), sentences)
            ]

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scans, each once."""
        return tuple(dict.fromkeys(scene for scene, _ in self.chunks))

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, key: Key) -> Any:
        epoch, index = key
        scene, annotations = self.chunks[index]
        return self.data.prepare(self.data.scan(scene), annotations, rng=item_generator(self.data.seed, epoch, index))


def keep_scenes(data: ReferDataset, scenes: Iterable[str]) -> None:
    """Remove the annotations of other scans from `data`; raise InputError when none is left."""
    kept, chosen = data.annotations, set(scenes)
    data.annotations = [a for a in kept if a.scene_id in chosen]
    if not data.annotations:
        raise InputError(f"{data.data}: none of the {len(kept)} {data.split} annotations is about the chosen scans")


def drop_missing(data: ScanDataset, say: Callable[[str], None]) -> int:
    """Remove scans without a file from `data`; say how many, return the count."""
    missing = [name for name in data.names if not scene_path(data.data, name).is_file()]
    if missing:
        say(f"{len(missing)} {data.split} scans left out, they are not prepared: {some(missing)}")
        data.names = [name for name in data.names if name not in missing]
    if not data.names:
        raise InputError(f"{data.data}: none of the {data.split} scans is there; run `saymask prepare` again")
    return len(missing)


def drop_unknown(data: ReferDataset, say: Callable[[str], None], *, hidden: bool = False) -> int:
    """Remove annotations that name a missing scene or object from `data`; say how many, return the count.

    hidden: keep those about scans without any object, whose labels are hidden as those of a benchmark's test scans.
    """
    objects: dict[str, set[int] | None] = {}
    unknown: set[str] = set()
    for scene in {a.scene_id for a in data.annotations}:
        path = scene_path(data.data, scene)
        if path.is_file():
            info = read_scene_info(path)
            objects[scene] = set(info.objects) | set(info.aliases)
            if hidden and not objects[scene]:
                unknown.add(scene)
        else:
            objects[scene] = None
    kept, no_scene, no_object = [], [], []
    for annotation in data.annotations:
        known = objects[annotation.scene_id]
        if known is None:
            no_scene.append(annotation.scene_id)
        elif annotation.scene_id not in unknown and not set(annotation.object_ids) <= known:
            no_object.append(f"{annotation.scene_id}/{annotation.ann_id}")
        else:
            kept.append(annotation)
    if no_scene:
        say(f"{len(no_scene)} {data.split} annotations left out, their scene is not prepared: {some(no_scene)}")
    if no_object:
        say(f"{len(no_object)} {data.split} annotations left out, their object is not in the scene: {some(no_object)}")
    data.annotations = kept
    if not kept:
        raise InputError(f"{data.data}: none of the {data.split} annotations names a scene and object that are there")
    return len(no_scene) + len(no_object)
