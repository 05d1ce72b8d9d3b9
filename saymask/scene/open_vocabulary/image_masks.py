"""Masks in frames: those that another program found, read from a folder, or 3D masks as a frame shows them.

A folder holds one file per frame, named by the frame's number (`120.png`, `frame-000120.npz`):

- `.png` (one channel, 8 or 16 bits, or a palette): the number of the object at each pixel, 0 = none;
- `.npz` with `masks` bool [J, h, w], or the same as run lengths: `counts`, the runs of all masks one after the other,
  each mask row by row and beginning with a run of zeros; `lengths` [J], how many runs a mask has; `size` (h, w);
- in an `.npz` also `boxes` [J, 4] (left, top, right, bottom in pixels, right and bottom not included) where the box
  that a detector gave is not the smallest one around the mask.

A frame without a file shows nothing. Masks of another size than the colour image are scaled to it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.io.images import read_image
from saymask.io.npz import read_arrays
from saymask.io.rle import decode_rle
from saymask.masks import Masks
from saymask.scene.open_vocabulary.visible import Visible

LARGEST = 0.85
"""Boxes of a detector that fill more than this share of the image are left out (docs/systems/uniseg3d.md §6.7)."""
SMALLEST = 2
"""Boxes have at least this many pixels on both sides; the published step drops those of one pixel."""
FEWEST = 10
"""A 3D mask is looked at in a frame that shows at least this many of its points."""
REACH = 0.05
"""A pixel belongs to the visible point that is nearest in the image, if that is at most so far away, metres."""


@dataclass(frozen=True, eq=False)
class ImageMask:
    """A mask in a frame, within its box."""

    top: int
    left: int
    bits: np.ndarray  # bool [h, w] of the box

    def covers(self, pixels: np.ndarray) -> np.ndarray:
        """Return bool [P], which pixels (row, column) int [P, 2] lie in the mask."""
        row, column = pixels[:, 0] - self.top, pixels[:, 1] - self.left
        inside = (row >= 0) & (row < self.bits.shape[0]) & (column >= 0) & (column < self.bits.shape[1])
        inside[inside] = self.bits[row[inside], column[inside]]
        return inside

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Return the box of an image uint8 [H, W, 3], the background in it half as bright.

        Source: docs/systems/uniseg3d.md §6.7.
        """
        height, width = self.bits.shape
        part = image[self.top : self.top + height, self.left : self.left + width].copy()
        part[~self.bits] //= 2
        return part


def projected_masks(masks: Masks, visible: Visible, size: tuple[int, int]) -> Iterator[ImageMask]:
    """Yield 3D masks as a frame of `size` (width, height) shows them, those with enough visible points.

    A pixel belongs to the mask of the visible point that is nearest to it in the image; the box is that of the mask's
    points.
    """
    own = masks.index[visible.rows]
    member = masks.support[:, own] & (own >= 0)  # bool [M, P]
    chosen = np.flatnonzero(member.sum(axis=1) >= FEWEST)
    if not len(chosen):
        return
    near = _nearest(visible, size)
    for row in chosen:
        pixels = visible.pixels[member[row]]
        top, left = pixels.min(axis=0)
        bottom, right = pixels.max(axis=0) + 1
        if min(bottom - top, right - left) < SMALLEST:
            continue
        part = near[top:bottom, left:right]
        yield ImageMask(int(top), int(left), np.append(member[row], False)[part])


def _nearest(visible: Visible, size: tuple[int, int]) -> np.ndarray:
    """Return int64 [h, w], the place in `visible` of the point nearest to each pixel, -1 for none within reach."""
    from scipy.ndimage import distance_transform_edt

    owner = np.full(size[::-1], -1, np.int64)
    order = np.argsort(-visible.depth, kind="stable")  # of several points in a pixel the one in front stays
    owner[visible.pixels[order, 0], visible.pixels[order, 1]] = order
    found: Any = distance_transform_edt(owner < 0, return_indices=True)
    distance, (rows, columns) = found
    near = owner[rows, columns]
    return np.where(distance * visible.depth[near] <= REACH * visible.focal, near, -1)


class MaskFolder:
    """The masks that another program found in the frames of a recording (see the module for the files)."""

    def __init__(self, folder: str | Path) -> None:
        """Raise InputError for a folder without a file that is named by a frame's number."""
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError(f"image masks: expected a folder with a file per frame, got {folder}, which is none")
        self._paths: dict[int, Path] = {}
        for path in sorted(self.folder.iterdir()):
            number = re.search(r"(\d+)$", path.stem)
            if path.suffix.lower() in (".png", ".npz") and number is not None and not path.name.startswith("."):
                other = self._paths.setdefault(int(number[1]), path)
                if other is not path:
                    raise InputError(f"image masks: {other.name} and {path.name} are of one frame; keep one of them")
        if not self._paths:
            raise InputError(f"{folder}: expected masks named by the number of their frame, such as 120.png or 120.npz")

    def check(self, numbers: list[int]) -> None:
        """Raise InputError when no file belongs to any of the frames `numbers`."""
        if not self._paths.keys() & set(numbers):
            some = ", ".join(p.name for p in list(self._paths.values())[:3])
            raise InputError(
                f"{self.folder}: expected masks of frames such as {', '.join(map(str, numbers[:3]))}, got {some}; "
                "name each file by its frame's number"
            )

    def masks(self, number: int, size: tuple[int, int]) -> list[ImageMask]:
        """Return the masks of a frame whose colour image has `size` (width, height); none where there is no file.

        Masks that fill nearly the whole image are left out, and so are those of a pixel's width.
        """
        path = self._paths.get(number)
        if path is None:
            return []
        masks, boxes = (_read_png(path), None) if path.suffix.lower() == ".png" else _read_npz(path)
        found = []
        for i, mask in enumerate(masks):
            rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
            if not len(rows):
                continue
            box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if boxes is None else boxes[i]
            found.append(_scaled(mask, box, size))
        width, height = size
        return [
            m
            for m in found
            if min(m.bits.shape) >= SMALLEST and m.bits.size <= LARGEST * width * height and m.bits.any()
        ]


def _scaled(mask: np.ndarray, box: np.ndarray | tuple[int, int, int, int], size: tuple[int, int]) -> ImageMask:
    """Return the part of a mask bool [h, w] inside a box in pixels of the mask, scaled to an image of `size`."""
    scale = np.array([size[0] / mask.shape[1], size[1] / mask.shape[0]] * 2)
    limits = np.array([*size, *size])
    left, top, right, bottom = np.clip(np.rint(np.asarray(box) * scale), 0, limits).astype(np.int64)
    rows = ((np.arange(top, bottom) + 0.5) / scale[1]).astype(np.int64)
    columns = ((np.arange(left, right) + 0.5) / scale[0]).astype(np.int64)
    return ImageMask(int(top), int(left), mask[np.ix_(rows, columns)])


def _read_png(path: Path) -> list[np.ndarray]:
    try:
        numbers, mode = read_image(path, path.name)
    except (InputError, OSError) as error:
        raise InputError(f"{path}: expected a PNG with the number of the object at each pixel: {error}") from None
    if numbers.ndim != 2:
        raise InputError(
            f"{path}: expected one channel with the number of the object at each pixel (0 = none), got mode {mode}; "
            "colours are no numbers"
        )
    numbers = numbers.astype(np.int64)
    return [numbers == i for i in np.unique(numbers[numbers > 0])]


def _read_npz(path: Path) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Return masks bool [J, h, w] and, where the file has them, boxes [J, 4]."""
    try:
        arrays = read_arrays(path)
    except (InputError, OSError) as error:
        raise InputError(f"{path}: expected an .npz of plain arrays ({error}); save it again") from None
    if "masks" in arrays:
        stack = arrays["masks"]
        if stack.ndim != 3 or stack.dtype.kind not in "bu" or stack.max(initial=0) > 1:
            raise InputError(f"{path}: expected masks bool [J, h, w], got {stack.dtype} {list(stack.shape)}")
        masks = list(stack.astype(bool))
    elif {"counts", "lengths", "size"} <= arrays.keys():
        masks = _decoded(path, arrays["counts"], arrays["lengths"], arrays["size"])
    else:
        raise InputError(
            f"{path}: expected `masks`, or `counts`, `lengths` and `size` for run lengths, got "
            f"{', '.join(arrays) or 'nothing'}"
        )
    boxes = arrays.get("boxes")
    if boxes is not None and (boxes.shape != (len(masks), 4) or not np.isfinite(boxes).all()):
        raise InputError(f"{path}: expected finite boxes [{len(masks)}, 4], got {list(boxes.shape)}")
    return masks, boxes


def _decoded(path: Path, counts: np.ndarray, lengths: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
    if any(a.ndim != 1 or a.dtype.kind not in "iu" for a in (counts, lengths, size)) or len(size) != 2:
        raise InputError(f"{path}: expected whole numbers counts [R], lengths [J] and size (h, w)")
    if lengths.sum() != len(counts):
        raise InputError(f"{path}: expected {lengths.sum():,} run lengths, as `lengths` says, got {len(counts):,}")
    high, wide = (int(n) for n in size)
    try:
        parts = np.split(counts, np.cumsum(lengths)[:-1]) if len(lengths) else []
        return [decode_rle(part.astype(np.int64).tolist(), high * wide).reshape(high, wide) for part in parts]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
