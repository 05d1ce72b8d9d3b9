"""Class weights that follow from class frequencies (docs/systems/lground.md §2.9, §4.3).

The official weight files are read when they are given. The formulas behind them are unknown; what is computed here in
their place is ours.
"""

from pathlib import Path

import torch
from torch import Tensor

from saymask.data.class_frequencies import Frequencies
from saymask.errors import InputError
from saymask.io.pickles import read_pickle
from saymask.labels.tables import scannet200


def class_weights(frequencies: Frequencies) -> Tensor:
    """Return float32 [C]: weights of the focal loss proportional to 1 / log(1 + n), n the points of the class; ours.

    The mean over the classes that occur is 1. Classes without a point have weight 1: no voxel will ever use it, and the
    mean over all classes stays 1. The official file's formula is unknown (docs/systems/lground.md §4.3).
    """
    n = torch.tensor(frequencies.points, dtype=torch.float64)
    present = n > 0
    raw = torch.where(present, 1 / torch.log1p(n.clamp(min=1)), 0)
    return torch.where(present, raw * present.sum().clamp(min=1) / raw.sum().clamp(min=1e-300), 1).float()


def read_class_weights(path: str | Path, *, compat: bool = False) -> Tensor:
    """Return float32 [200] of the official `scannet200_category_weights.pkl`, a dictionary {raw id: weight}.

    Classes that it does not name have weight 1. Entries of ids outside the 200 are left out; with `compat` each of them
    overwrites the last class's weight, as in the official code (docs/systems/lground.md §7.5). Raises InputError for a
    file of another kind.
    """
    return _by_class(_read_weights(Path(path)), default=1.0, compat=compat).float()


def read_sampling_weights(path: str | Path | None = None) -> Tensor:
    """Return float64 [200] that sums to 1: how often each class is drawn for instance sampling.

    `path` is the official `tail_split_inst_sampling_weights.pkl`, {raw id: weight}; without it all classes are equal,
    as in the official code. Ids outside the 200 are left out; classes that the file does not name are not drawn.

    Source: docs/systems/lground.md §2.7.
    """
    if path is None:
        weights = torch.ones(len(scannet200()), dtype=torch.float64)
    else:
        weights = _by_class(_read_weights(Path(path)), default=0.0)
    if float(weights.sum()) <= 0:
        raise InputError(f"{path}: expected a weight above 0 for at least one class of ScanNet200, got none")
    return weights / weights.sum()


def _read_weights(path: Path) -> dict[int, float]:
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected a dictionary {{raw id: weight}}, got {type(content).__name__}")
    weights: dict[int, float] = {}
    for key, value in content.items():
        try:
            number, weight = int(key), float(value)
        except (TypeError, ValueError):
            raise InputError(f"{path}: expected raw ids with numbers, got {key!r}: {type(value).__name__}") from None
        if not 0 <= weight < float("inf"):
            raise InputError(f"{path}: expected weights of at least 0, got {weight} for the raw id {number}")
        weights[number] = weight
    return weights


def _by_class(weights: dict[int, float], *, default: float, compat: bool = False) -> Tensor:
    rows = {c.id: c.index for c in scannet200()}
    result = torch.full((len(rows),), default, dtype=torch.float64)
    for number, weight in weights.items():
        if number in rows or compat:
            result[rows.get(number, -1)] = weight
    return result
