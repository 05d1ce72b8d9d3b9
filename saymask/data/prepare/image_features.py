"""2D features of prepared scenes: the frames of a scan through an image model, pooled to superpoints, kept on disk.

Made by `saymask prepare ... --image-features clip-vit-l14-336`. A scene goes over its frames twice: depth alone counts
how often each vertex was seen, then colour adds the features (see `saymask.geometry.projection`). Finished scenes are
kept, so an interrupted run goes on with the next one. In memory are a few frames and one map of weights each, whatever
the length of the recording.
"""

import errno
import hashlib
import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from saymask.data.image_store import (
    VERSION,
    ImageInfo,
    feature_path,
    read_image_info,
    save_image_features,
)
from saymask.data.scenes import load_scene, read_scene_info, scene_path
from saymask.errors import InputError
from saymask.io.frames import (
    EVERY,
    Frame,
    Frames,
    FrameSkipped,
    find_frames,
    frame_files,
    left_out,
    none_usable,
    open_frames,
)
from saymask.util.devices import device_named
from saymask.util.progress import bars

if TYPE_CHECKING:
    import torch

    from saymask.geometry.projection import ImagePooling, View
    from saymask.nn.clip_image import ImageEncoder

# With these a frame is whole, but shows nothing: a scan of such frames alone has features 0 and is no failure.
_HARMLESS = {"with an infinite pose", "without measured depth"}
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class ImageOptions:
    """Options of the 2D features."""

    name: str = "clip-vit-l14-336"
    """Name of the image model; features are kept under it."""
    weights: str = ""
    """Local folder with the model's weights; empty = found by name."""
    frames: Path | None = None
    """Folder with <scene>.sens or exported frames; None = beside the raw scans."""
    stretched: bool = False
    """Official behaviour: the map of the square crop is stretched over the whole frame, unseen points count as 0."""
    final_norm: bool = True
    """Patches after the image tower's last norm; else before it."""
    every: int = EVERY
    """Use the frames whose number is a multiple of this."""
    device: str = "auto"

    def check(self) -> None:
        """Raise InputError for options that cannot be used."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise InputError(
                f"image features: expected a name such as clip-vit-l14-336, got {self.name!r}; "
                "for weights in a local folder give the name and the folder (--image-weights)"
            )
        if self.every < 1:
            raise InputError(f"every: expected 1 or more, got {self.every}")
        if self.frames is not None and not self.frames.exists():
            raise InputError(f"{self.frames}: expected a folder with <scene>.sens or exported frames, it is not there")


@dataclass
class ImageReport:
    """Report on the 2D features."""

    done: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """Scenes whose features were up to date."""
    without_frames: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Scene → why its features could not be made."""


def locate_frames(scans: dict[str, Path], root: Path, frames: Path | None) -> dict[str, Path]:
    """Return scene → its `.sens` file or folder of frames, where there is one.

    Looked for in `frames`; without it in each scan's own folder and in `root`/frames. Raises InputError when no scene
    has any.
    """
    found = {}
    for name, folder in scans.items():
        path = find_frames(name, *([frames] if frames is not None else [folder, root / "frames"]))
        if path is not None:
            found[name] = path
    if not found:
        where = frames if frames is not None else f"the scan folders or {root / 'frames'}"
        raise InputError(
            f"no frames of any scan in {where}; expected <scan>.sens or <scan>/color, <scan>/depth and <scan>/pose "
            "(--frames says where they are)"
        )
    return found


def make_image_features(
    data: str | Path,
    frames: dict[str, Path],
    options: ImageOptions,
    *,
    encoder: "ImageEncoder | None" = None,
    workers: int = 1,
    quiet: bool = False,
    say: Callable[[str], None] = print,
) -> ImageReport:
    """Make the 2D features of prepared scenes (scene → frames) that are not up to date.

    `encoder` is loaded by name when it is needed. `workers` threads read frames and link pixels. What is wrong with a
    scene is kept in the report and the others go on; a full disk raises InputError.
    """
    options.check()
    data = Path(data)
    report = ImageReport()
    jobs: list[tuple[str, Path, str]] = []
    for name, path in frames.items():
        try:
            fingerprint = _fingerprint(data, name, path, options)
        except (InputError, OSError) as error:
            report.failures[name] = str(error)
            continue
        if is_current(feature_path(data, options.name, name, stretched=options.stretched), fingerprint):
            report.kept.append(name)
        else:
            jobs.append((name, path, fingerprint))
    if jobs and encoder is None:
        encoder = load_encoder(options)
    with _progress(len(jobs), quiet) as (scene_done, frame_done):
        for name, path, fingerprint in jobs:
            assert encoder is not None
            try:
                messages = _make_one(data, name, path, fingerprint, options, encoder, workers, frame_done)
            except InputError as error:
                report.failures[name] = str(error)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise InputError(
                        f"{data}: the disk is full after 2D features of {len(report.done):,} scenes; "
                        "free some space and run the same command again, finished scenes are kept"
                    ) from None
                report.failures[name] = f"{error.strerror or error}: {error.filename}"
            else:
                report.done.append(name)
                for message in messages:
                    say(f"{name}: {message}")
            scene_done()
    return report


def load_encoder(options: ImageOptions) -> "ImageEncoder":
    """Return the image model of the options, on its device."""
    from saymask.nn.clip_image import load_image_encoder

    device = device_named(options.device)
    return load_image_encoder(options.weights or options.name, final_norm=options.final_norm).to(device)


def _fingerprint(data: Path, name: str, path: Path, options: ImageOptions) -> str:
    facts: list[Any] = [VERSION, read_scene_info(scene_path(data, name)).fingerprint]
    facts += [options.name, options.stretched, options.final_norm, options.every]
    files = frame_files(path, every=options.every)
    if options.weights:
        files += sorted(p for p in Path(options.weights).expanduser().glob("*") if p.suffix in {".safetensors", ".bin"})
    facts += [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def is_current(path: Path, fingerprint: str) -> bool:
    """Say whether a file holds the features of a fingerprint."""
    if not path.is_file():
        return False
    try:
        return read_image_info(path).fingerprint == fingerprint
    except InputError:
        return False  # damaged or of another version: made anew


def _make_one(
    data: Path,
    name: str,
    path: Path,
    fingerprint: str,
    options: ImageOptions,
    encoder: "ImageEncoder",
    workers: int,
    frame_done: Callable[[int, int], None],
) -> list[str]:
    """Make and write the features of a scene; return what there is to say about it."""
    scene = scene_path(data, name)
    scan = load_scene(scene)
    if scan.superpoints is None:
        raise InputError(f"scene {name}: expected superpoints in {scene}, got none; prepare it again")
    with open_frames(path, every=options.every) as frames:
        pooled = pool_frames(
            scan.points,
            scan.superpoints,
            frames,
            encoder,
            stretched=options.stretched,
            workers=workers,
            frame_done=frame_done,
        )
        messages = list(frames.messages)
    messages += pooled.messages()
    info = ImageInfo(
        name=options.name,
        scene=name,
        scene_fingerprint=read_scene_info(scene).fingerprint,
        fingerprint=fingerprint,
        superpoints=pooled.features.shape[0],
        channels=pooled.features.shape[1],
        seen=int(pooled.seen.sum()),
        frames=pooled.frames,
        skipped=pooled.skipped,
        stretched=options.stretched,
        final_norm=options.final_norm,
    )
    save_image_features(feature_path(data, options.name, name, stretched=options.stretched), pooled.features, info)
    return messages


@dataclass(frozen=True)
class Pooled:
    """The 2D features of a scan."""

    features: np.ndarray  # float32 [S, C], 0 where no frame saw a superpoint
    seen: np.ndarray  # bool [S]
    frames: int
    """Frames that were used."""
    skipped: dict[str, int]
    """Reason → number of frames that were left out for it."""

    def messages(self) -> list[str]:
        """Return what a user should know about them."""
        lines = left_out(self.skipped, self.frames)
        if not self.seen.any():
            lines.append(
                "no frame sees any point of the scan: its 2D features are all 0; do scan and frames belong together?"
            )
        return lines


def pool_frames(
    points: np.ndarray,  # float32 [N, 3], the frame of the poses
    superpoints: np.ndarray,  # int [N], ids 0..S-1
    frames: Frames,
    encoder: "ImageEncoder",
    *,
    stretched: bool = False,
    workers: int = 1,
    frame_done: Callable[[int, int], None] = lambda done, total: None,
) -> Pooled:
    """Return the features of superpoints from the frames of a recording.

    Frames that cannot be used are counted in `skipped`; InputError when none is usable for another reason than lost
    tracking or empty depth. `frame_done(done, total)` is called as steps are done, two per frame.
    """
    from saymask.geometry.projection import ImagePooling

    pooling = ImagePooling(points, superpoints, grid=encoder.grid, stretched=stretched)
    skipped: Counter[str] = Counter()
    seeing: list[int] = []
    usable, steps, total = 0, 0, 2 * len(frames.numbers)

    def count(number: int) -> "np.ndarray | str":
        try:
            frame = frames.read(number)
        except FrameSkipped as reason:
            return str(reason)
        return pooling.count(_view(frame, frames, encoder, pooling))

    def weigh(number: int) -> "tuple[np.ndarray, torch.Tensor]":
        try:
            frame = frames.read(number)
        except FrameSkipped as reason:
            raise InputError(f"{frames.name}: frame {number} changed while it was in use, it is {reason} now") from None
        return pooling.weights(_view(frame, frames, encoder, pooling)), encoder.preprocess(frame.color)

    with ThreadPoolExecutor(workers) as pool:
        for number, result in zip(frames.numbers, _ahead(pool, count, frames.numbers, workers)):
            steps += 1
            if isinstance(result, str):
                skipped[result] += 1
            else:
                usable += 1
                if result.any():
                    seeing.append(number)
                pooling.add_counts(result)
            frame_done(steps, total)
        if not usable and not set(skipped) <= _HARMLESS:
            raise none_usable(frames, skipped)
        pooling.finish_counts()
        steps += len(frames.numbers) - len(seeing)
        for batch in _batches(_ahead(pool, weigh, seeing, workers), _batch_size(encoder)):
            import torch

            features = encoder(torch.stack([pixels for _, pixels in batch]))
            for (weights, _), maps in zip(batch, features):
                pooling.add(weights, maps)
            steps += len(batch)
            frame_done(steps, total)
    return Pooled(pooling.result(encoder.dim), pooling.seen, usable, dict(skipped))


def _view(frame: Frame, frames: Frames, encoder: "ImageEncoder", pooling: "ImagePooling") -> "View":
    from saymask.geometry.projection import make_view

    crop = None if pooling.stretched else encoder.crop(*frames.color_size)
    return make_view(frame.depth, frame.pose, frames.calibration, crop, encoder.grid)


def _batch_size(encoder: "ImageEncoder") -> int:
    return 8 if next(encoder.parameters()).is_cuda else 2


def _ahead(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield the results in order; a few items are worked on ahead of the one that is asked for."""
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[tuple[Callable[[], None], Callable[[int, int], None]]]:
    """Show a bar of scenes and one of the frames of the scene at work; yield the functions that move them."""
    if quiet or not total:
        yield lambda: None, lambda done, total: None
        return
    with bars() as bar:
        scenes = bar.add_task("image features, scenes", total=total, rate="")
        steps = bar.add_task("this scene, frames x 2", total=None, rate="")
        start, count = time.perf_counter(), 0

        def frame_done(done: int, of: int) -> None:
            nonlocal count
            count += 1
            bar.update(steps, completed=done, total=of, rate=f"{count / (time.perf_counter() - start):.1f}/s")

        yield lambda: bar.update(scenes, advance=1), frame_done
