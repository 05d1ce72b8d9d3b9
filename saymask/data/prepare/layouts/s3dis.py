"""S3DIS, version 1.2: `Area_<n>/<room>/Annotations/<class>_<n>.txt` with x y z r g b per line, a file per object.

Scans are named `Area_1_office_1`. Area 5 is the validation split, as most publications have it.

Source: Armeni et al., 3D Semantic Parsing of Large-Scale Indoor Spaces, CVPR 2016, and the files' own notes.
"""

import re
from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.categories import labels_of_objects
from saymask.data.prepare.layouts.source import Found, ScanSource
from saymask.errors import InputError
from saymask.io.scannet import RawScan
from saymask.labels.tables import LabelTable
from saymask.scan import Scan

VALIDATION = "Area_5"
_STRAY = re.compile(rb"[^0-9eE.+\-\s]")
"""One published file has a byte among its numbers that is none; it stands for a blank."""


def find(base: Path) -> Found:
    """Return the rooms of `base` that have annotations."""
    found = Found()
    for folder in sorted(base.glob("Area_*/*/Annotations")):
        files = tuple(sorted(folder.glob("[!.]*.txt")))
        area, room = folder.parent.parent.name, folder.parent.name
        if files:
            name = f"{area}_{room}"
            found.scans[name] = ScanSource(name, "s3dis", files)
            split = "val" if area == VALIDATION else "train"
            found.splits[split] = (*found.splits.get(split, ()), name)
    return found


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a room: the points of its objects one after the other."""
    parts = [_read_object(path) for path in source.files]
    names = [path.stem.rpartition("_")[0] or path.stem for path in source.files]
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    values = np.concatenate(parts)
    labels, unknown = labels_of_objects(names, owner, "s3dis", table)
    scan = Scan(
        points=values[:, :3].astype(np.float32),
        colors=np.clip(values[:, 3:], 0, 255).astype(np.uint8),
        labels=labels,
        name=source.name,
    )
    return RawScan(scan, dict(enumerate(names)), {}, unknown)


def _read_object(path: Path) -> np.ndarray:
    """Return float64 [n, 6] of a file."""
    numbers = _STRAY.sub(b" ", path.read_bytes()).split()
    try:
        values = np.array(numbers, np.float64)
    except ValueError as error:
        raise InputError(f"{path}: expected numbers x y z r g b in each line: {error}") from None
    if not len(values) or len(values) % 6 or not np.isfinite(values).all():
        raise InputError(f"{path}: expected six numbers in each line, x y z r g b, got {len(values):,} in all")
    return values.reshape(-1, 6)
