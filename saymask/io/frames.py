"""The frames of an RGB-D recording, from a `.sens` file or from a folder into which one was exported."""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.geometry.camera import Calibration
from saymask.io.calibration import (
    between,
    checked_intrinsics,
    fit_intrinsics,
    read_calibration,
    read_numbers,
    size_text,
)
from saymask.io.images import read_image, read_rgb
from saymask.io.sens import SensFile

EVERY = 10
"""The published features use every tenth frame (docs/systems/bqnet.md §2.3)."""
_COLOR = ("color", "colour", "rgb", "image", "images")
_SUFFIXES = {"color": (".jpg", ".jpeg", ".png"), "depth": (".png", ".pgm", ".tif", ".tiff"), "pose": (".txt",)}


class FrameSkipped(Exception):
    """A frame that cannot be used; its text completes the words "frames left out: 3 ..."."""


def left_out(skipped: Mapping[str, int], used: int) -> list[str]:
    """Return a line about skipped frames (reason -> how many) beside `used` ones, or none without any."""
    count = sum(skipped.values())
    return [f"{count:,} of {used + count:,} frames left out: {_reasons(skipped)}"] if count else []


def none_usable(frames: "Frames", skipped: Mapping[str, int]) -> InputError:
    """Return the error that says why no frame of a recording can be used."""
    return InputError(f"{frames.name}: none of {len(frames.numbers):,} frames can be used: {_reasons(skipped)}")


def _reasons(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in sorted(skipped.items()))


@dataclass(frozen=True)
class Frame:
    """One usable frame."""

    depth: np.ndarray  # float32 [H, W] metres, 0 = not measured
    pose: np.ndarray  # float64 [4, 4], camera to scan, finite
    color: np.ndarray  # uint8 [h, w, 3]


class Frames(ABC):
    """The frames of one recording. `numbers` are those to use; `messages` say what is odd about it."""

    name: str
    numbers: list[int]
    calibration: Calibration
    """For images of `color_size` and `depth_size`."""
    color_size: tuple[int, int]
    """Width and height; frames of another size are skipped."""
    depth_size: tuple[int, int]
    messages: tuple[str, ...] = ()

    @abstractmethod
    def pose(self, number: int) -> np.ndarray:
        """Return float64 [4, 4]; raises FrameSkipped where there is none."""

    @abstractmethod
    def depth(self, number: int) -> np.ndarray:
        """Return float32 [H, W] metres; raises FrameSkipped where there is none."""

    @abstractmethod
    def color(self, number: int) -> np.ndarray:
        """Return uint8 [h, w, 3]; raises FrameSkipped where there is none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of open files."""

    def __enter__(self) -> "Frames":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, number: int) -> Frame:
        """Return a whole frame; raises FrameSkipped when any part of it is missing, damaged or of another size.

        Tracking that was lost (a pose that is not finite) and depth without any measurement count as well.
        """
        pose = self.pose(number)
        if not np.isfinite(pose).all():
            raise FrameSkipped("with an infinite pose")
        depth = self.depth(number)
        if depth.shape != self.depth_size[::-1]:
            raise FrameSkipped("with depth of another size")
        if not (depth > 0).any():
            raise FrameSkipped("without measured depth")
        color = self.color(number)
        if color.shape[:2] != self.color_size[::-1]:
            raise FrameSkipped("with a colour image of another size")
        return Frame(depth, pose, color)


def find_frames(name: str, *folders: Path) -> Path | None:
    """Return where the frames of scan `name` are: `<name>.sens` or an exported folder in one of `folders`.

    Tried in each folder: `<name>.sens`, `<name>/<name>.sens`, `<name>/`, `<name>/frames/`, `frames/`, the folder itself
    when it bears the scan's name.
    """
    for folder in folders:
        if folder.is_file() and folder.name == f"{name}.sens":
            return folder
        for sens in (folder / f"{name}.sens", folder / name / f"{name}.sens"):
            if sens.is_file():
                return sens
        candidates = [folder / name, folder / name / "frames"]
        if folder.name == name:
            candidates += [folder, folder / "frames"]
        for candidate in candidates:
            if _Layout.of(candidate) is not None:
                return candidate
    return None


def open_frames(path: str | Path, *, every: int = EVERY) -> Frames:
    """Open a `.sens` file or a folder of exported frames; frame numbers that `every` divides are used.

    Raises InputError for what is neither, or has no frame.
    """
    path = Path(path)
    if every < 1:
        raise InputError(f"every: expected 1 or more, got {every}")
    if path.is_dir():
        return FolderFrames(path, every=every)
    if path.suffix != ".sens":
        raise InputError(f"{path}: expected a .sens file or a folder with color/, depth/ and pose/")
    return SensFrames(path, every=every)


def frame_files(path: str | Path, *, every: int = EVERY) -> list[Path]:
    """Return the files that the frames of a `.sens` file or folder are read from, without opening any image."""
    path = Path(path)
    layout = _Layout.of(path)
    if layout is None:
        return [path]
    paths = layout.numbered(every, path)[0]
    return [*read_calibration(path)[2], *(file for files in paths.values() for file in files.values())]


class SensFrames(Frames):
    """The frames of a `.sens` file."""

    def __init__(self, path: Path, *, every: int = EVERY) -> None:
        self._file = SensFile(path)
        self.name = path.stem
        self.messages = self._file.messages
        self.numbers = list(range(0, len(self._file), every))
        header = self._file.header
        self.color_size, self.depth_size = header.color_size, header.depth_size
        self.calibration = Calibration(
            checked_intrinsics(header.depth_intrinsics, str(path)),
            checked_intrinsics(header.color_intrinsics, str(path)),
            between(header.depth_extrinsics, header.color_extrinsics, str(path)),
        )

    def pose(self, number: int) -> np.ndarray:
        """Return float64 [4, 4]."""
        return self._file.pose(number)

    def depth(self, number: int) -> np.ndarray:
        """Return float32 [H, W] metres."""
        try:
            return self._file.depth(number)
        except InputError as error:
            raise FrameSkipped("with damaged depth") from error

    def color(self, number: int) -> np.ndarray:
        """Return uint8 [h, w, 3]."""
        try:
            return self._file.color(number)
        except InputError as error:
            raise FrameSkipped("with a damaged colour image") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class _Layout:
    """Where a folder keeps its frames: a folder per kind, or all kinds in one with the kind in the name."""

    color: Path
    depth: Path
    pose: Path
    mixed: bool = False
    """Names such as frame-000010.color.jpg."""

    @classmethod
    def of(cls, folder: Path) -> "_Layout | None":
        color = next((folder / name for name in _COLOR if (folder / name).is_dir()), None)
        pose = next((folder / name for name in ("pose", "poses") if (folder / name).is_dir()), None)
        if color is not None and pose is not None and (folder / "depth").is_dir():
            return cls(color, folder / "depth", pose)
        if folder.is_dir() and any(folder.glob("frame-*.pose.txt")):
            return cls(folder, folder, folder, mixed=True)
        return None

    def files(self, kind: str) -> dict[str, Path]:
        """Return stem → file of a kind."""
        found = {}
        folder: Path = getattr(self, kind)
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.suffix.lower() not in _SUFFIXES[kind]:
                continue
            stem = path.stem
            if self.mixed:
                stem, _, said = stem.rpartition(".")
                if said != kind:
                    continue
            found.setdefault(stem, path)
        return found

    def numbered(self, every: int, folder: Path) -> tuple[dict[str, dict[int, Path]], list[int], list[str]]:
        """Return kind → frame number → file of the frames to use, their numbers, and what to say about the choice."""
        stems = {kind: self.files(kind) for kind in _SUFFIXES}
        number, messages = _chosen(set().union(*stems.values()), every, folder)
        # color/10.jpg and depth/000010.png belong together.
        paths = {
            kind: {number[stem]: path for stem, path in files.items() if stem in number}
            for kind, files in stems.items()
        }
        return paths, sorted(set(number.values())), messages


class FolderFrames(Frames):
    """Frames exported into a folder: `color/`, `depth/` (16-bit, millimetres), `pose/` and the intrinsics as text.

    Also read: `rgb/` or `images/` and `poses/`; all files in one folder as `frame-000010.color.jpg`; intrinsics beside
    the folders, in `intrinsic/` or `intrinsics/`, or in `_info.txt`. Intrinsics for ScanNet's native image sizes are
    scaled to smaller exports.
    """

    def __init__(self, folder: Path, *, every: int = EVERY) -> None:
        layout = _Layout.of(folder)
        if layout is None:
            raise InputError(f"{folder}: expected folders color/, depth/ and pose/ with the exported frames")
        self.name = folder.name
        self._folder = folder
        self._paths, self.numbers, messages = layout.numbered(every, folder)
        self._shift, raw, _ = read_calibration(folder)
        self.color_size = self._common_size("color")
        self.depth_size = self._common_size("depth")
        self.calibration, scaled = self._calibrate(raw)
        self.messages = (*messages, *scaled)

    def pose(self, number: int) -> np.ndarray:
        """Return float64 [4, 4]."""
        path = self._path("pose", number, "without a pose")
        values = read_numbers(path)
        if len(values) != 16:
            raise FrameSkipped("with a damaged pose")
        return values.reshape(4, 4)

    def depth(self, number: int) -> np.ndarray:
        """Return float32 [H, W] metres."""
        path = self._path("depth", number, "without depth")
        try:
            values, mode = read_image(path, str(path))
        except (InputError, OSError) as error:
            raise FrameSkipped("with damaged depth") from error
        # Eight bits per pixel is a picture of depth, not depth: the whole export is of no use.
        if values.ndim != 2 or values.dtype.itemsize < 2 or values.dtype.kind not in "ui":
            raise InputError(f"{path}: expected a 16-bit depth image in millimetres, got mode {mode}")
        return values.astype(np.float32) / np.float32(self._shift)

    def color(self, number: int) -> np.ndarray:
        """Return uint8 [h, w, 3]."""
        path = self._path("color", number, "without a colour image")
        try:
            return read_rgb(path, str(path))
        except InputError as error:
            raise FrameSkipped("with a damaged colour image") from error

    def close(self) -> None:
        """Nothing stays open between reads."""

    def _path(self, kind: str, number: int, missing: str) -> Path:
        path = self._paths[kind].get(number)
        if path is None:
            raise FrameSkipped(missing)
        return path

    def _common_size(self, kind: str) -> tuple[int, int]:
        """Return the size that most images have."""
        from PIL import Image

        sizes: Counter[tuple[int, int]] = Counter()
        for path in self._paths[kind].values():
            try:
                with Image.open(path) as image:
                    sizes[image.size] += 1
            except (OSError, ValueError, SyntaxError):
                continue  # counted when the frame is read
        if not sizes:
            raise InputError(
                f"{self._folder}: expected {kind} images of {len(self.numbers):,} frames, none can be read"
            )
        return sizes.most_common(1)[0][0]

    def _calibrate(self, raw: dict[str, np.ndarray]) -> tuple[Calibration, list[str]]:
        messages: list[str] = []
        depth = fit_intrinsics(raw["depth"], self.depth_size, f"{self._folder}: depth", messages)
        move = between(
            raw.get("depth_extrinsics", np.eye(4)), raw.get("color_extrinsics", np.eye(4)), str(self._folder)
        )
        if "color" in raw:
            color = fit_intrinsics(raw["color"], self.color_size, f"{self._folder}: colour", messages)
            return Calibration(depth, color, move), messages
        ratios = [size[0] / size[1] for size in (self.color_size, self.depth_size)]
        if abs(ratios[0] / ratios[1] - 1) > 0.05:
            raise InputError(
                f"{self._folder}: colour images of {size_text(self.color_size)} do not cover depth of "
                f"{size_text(self.depth_size)}; add intrinsic/intrinsic_color.txt"
            )
        messages.append("no colour intrinsics: colour and depth are taken to see the same field of view")
        return Calibration(depth), messages


def _chosen(stems: set[str], every: int, folder: Path) -> tuple[dict[str, int], list[str]]:
    """Return stem → frame number of the frames to use, and what to say about the choice."""
    if not stems:
        raise InputError(f"{folder}: expected frames in color/, depth/ and pose/, found none")
    matches = {stem: re.search(r"(\d+)$", stem) for stem in stems}
    found = {stem: int(match.group(1)) for stem, match in matches.items() if match is not None}
    if len(found) < len(stems):
        ordered = {stem: i for i, stem in enumerate(sorted(stems)) if i % every == 0}
        return ordered, [f"frames are not numbered: 1 of {every} is used, in the order of their names"]
    chosen = {stem: number for stem, number in found.items() if number % every == 0}
    if not chosen:
        return found, [f"no frame number is a multiple of {every}: all {len(set(found.values())):,} are used"]
    return chosen, []
