"""Pseudo masks of prepared scans: objects that nobody annotated, found by another method.

UniSeg3D trains on masks that SAM3D found in the RGB-D frames, beside the annotated objects. A folder holds one file per
scan, which becomes the scan's label `novel`; masks of annotated objects are left out only when the model reads it.

Source: docs/systems/uniseg3d.md §2.3.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.io.npz import read_arrays

SUFFIXES = (".npy", ".npz", ".pth", ".pt", ".pkl")
"""Files that are read; of several for one scan the first of this list counts."""
_NAMES = ("novel", "labels", "label", "instance", "instances", "group_ids", "masks", "ins")
"""Names under which an archive or dictionary may hold the array."""


def find_pseudo_masks(folder: str | Path, scans: Iterable[str]) -> dict[str, Path]:
    """Return scan → its file in `folder`: `<scan>.npy`, `.npz`, `.pth`, `.pt` or `.pkl`.

    Scans without one are left out. Raises InputError for a folder that is not there, or has a file of no scan.
    """
    folder, scans = Path(folder), list(scans)
    if not folder.is_dir():
        raise InputError(f"pseudo masks: expected a folder with a file per scan, got {folder}, which is none")
    found = {}
    for name in scans:
        path = next((p for p in (folder / f"{name}{suffix}" for suffix in SUFFIXES) if p.is_file()), None)
        if path is not None:
            found[name] = path
    if not found:
        some = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
        raise InputError(
            f"pseudo masks: expected files <scan>{', <scan>'.join(SUFFIXES)} in {folder}, such as "
            f"{next(iter(scans), 'scene0000_00')}{SUFFIXES[0]}; got {', '.join(some[:3]) or 'an empty folder'}"
        )
    return found


def read_pseudo_masks(path: str | Path, points: int) -> np.ndarray:
    """Return int32 [N], the number 0, 1, … of the pseudo mask that each of N `points` belongs to, -1 none.

    The file holds whole numbers [N], of which negative ones are none (SAM3D's output), or masks [J, N] of bool or 0
    and 1; as an array, or in an archive or dictionary as its only array or under a usual name (`labels`, `masks`,
    `ins`, …). Where masks overlap a point belongs to the smallest. PyTorch files and pickles may hold numbers only; no
    code in them runs. Raises InputError for anything else, and for another number of points.
    """
    path = Path(path)
    values = _array(_content(path), path)
    if values.ndim == 2 and values.dtype.kind in "iu":
        rows, columns = values.shape
        if columns == 1 or (rows == 1 and not _bits(values)):  # labels as a column or a row
            values = values.reshape(-1)
    if values.ndim == 1 and values.dtype.kind in "iu":
        if len(values) != points:
            raise _wrong(path, values, points)
        numbers = np.where(values < 0, -1, values.astype(np.int64))
    elif values.ndim == 2 and (values.dtype == np.bool_ or (values.dtype.kind in "iu" and _bits(values))):
        if values.shape[-1] != points:
            raise _wrong(path, values, points)
        numbers = _smallest(values.astype(bool))
    else:
        raise _wrong(path, values, points)
    # Dense numbers: those of the file may have gaps, and be as large as a hash.
    ids = np.unique(numbers[numbers >= 0])
    return np.where(numbers < 0, -1, np.searchsorted(ids, numbers)).astype(np.int32)


def _wrong(path: Path, values: np.ndarray, points: int) -> InputError:
    hint = "are they of another scan, or of other points than the scan's vertices?"
    if values.ndim == 2 and len(values) == points:
        hint = "turn the array round"
    return InputError(
        f"{path}: expected whole numbers [{points}], one per point of the scan, or masks bool [J, {points}]; got "
        f"{values.dtype} {list(values.shape)}; {hint}"
    )


def _bits(values: np.ndarray) -> bool:
    return bool(values.min(initial=0) >= 0 and values.max(initial=0) <= 1)


def _smallest(masks: np.ndarray) -> np.ndarray:
    """Return int64 [N], the row of the smallest of the masks bool [J, N] that hold each point, -1 none."""
    numbers = np.full(masks.shape[1], -1, np.int64)
    for row in np.argsort(-masks.sum(axis=1), kind="stable"):
        numbers[masks[row]] = row
    return numbers


def _content(path: Path) -> Any:
    if path.suffix not in (".npy", ".npz"):
        from saymask.io.pickles import read_pickle

        return read_pickle(path)
    try:
        arrays = read_arrays(path)
        return arrays["points"] if path.suffix == ".npy" else arrays
    except (InputError, OSError, KeyError) as error:
        raise InputError(f"{path}: expected a NumPy file with plain numbers ({error}); save it again") from None


def _array(content: Any, path: Path) -> np.ndarray:
    """Return the array of a file's content: itself, or that of a dictionary with a usual name or its only one."""
    if isinstance(content, dict):
        arrays = {str(key): value for key, value in content.items() if hasattr(value, "shape")}
        name = next((n for n in _NAMES if n in arrays), next(iter(arrays)) if len(arrays) == 1 else None)
        if name is None:
            raise InputError(
                f"{path}: expected one array of labels or masks, or one named {', '.join(_NAMES)}; got "
                f"{', '.join(arrays) or 'none'}"
            )
        content = arrays[name]
    if hasattr(content, "detach"):
        content = content.detach().cpu().numpy()
    values = np.asarray(content)
    if values.dtype.kind not in "biu":
        raise InputError(f"{path}: expected whole numbers or bool, got {values.dtype}; save it again as int32")
    return values
