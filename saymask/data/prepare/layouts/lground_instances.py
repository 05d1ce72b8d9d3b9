"""Scans as the instance segmentation of LGround preprocesses them: `<scan>.pth`, in one folder.

A file is a tuple of points (not axis-aligned), colours, raw ScanNet ids and objects (running number + 1, 0 = none).

Source: docs/systems/lground.md §5.
"""

import re
from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.lground import labelled_by_ids
from saymask.data.prepare.layouts.source import Found, ScanSource
from saymask.errors import InputError
from saymask.io.color_range import to_uint8
from saymask.io.scannet import RawScan
from saymask.labels.tables import LabelTable
from saymask.scan import Scan

_NAME = re.compile(r"scene\d{4}_\d\d")


def find(base: Path) -> Found:
    """Return the scans of `base`: files named like ScanNet's scans, if the first of them holds four parts."""
    paths = [path for path in sorted(base.glob("scene*.pth")) if _NAME.fullmatch(path.stem)]
    try:
        if paths:
            _parts(paths[0])
    except InputError:
        paths = []  # files of another program, such as 2D features
    return Found({path.stem: ScanSource(path.stem, "lground_instances", (path,)) for path in paths})


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan; InputError for another file."""
    points, colors, ids, objects = _parts(source.files[0])
    scan = Scan(points=points.astype(np.float32), colors=to_uint8(colors), name=source.name)
    return labelled_by_ids(scan, np.maximum(ids.astype(np.int64), 0), objects.astype(np.int32) - 1, table)


def _parts(path: Path) -> list[np.ndarray]:
    from saymask.io.pickles import read_pickle  # with torch

    content = read_pickle(path)
    parts = [np.asarray(part) for part in content] if isinstance(content, tuple | list) else []
    shapes = [part.shape[1:] for part in parts]
    numbers = all(part.dtype.kind in "iuf" and len(part) == len(parts[0]) for part in parts)
    if shapes != [(3,), (3,), (), ()] or not numbers:
        raise InputError(f"{path}: expected points, colours, classes and objects, got another file")
    return parts
