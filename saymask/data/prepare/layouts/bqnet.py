"""Scans as BQNet's authors offer them without the meshes: `scannetv2/{train,val}/<scan>_refer.pth`.

Points lie about their mean; superpoints, classes of ScanNet20 and objects are in the file, categories are not.

Source: docs/systems/bqnet.md §2.2.
"""

from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.source import Found, ScanSource, names_by_class, nyu40_of
from saymask.errors import InputError
from saymask.io.scannet import RawScan
from saymask.labels.tables import LabelTable
from saymask.scan import Scan

END = "_refer.pth"


def find(base: Path) -> Found:
    """Return the scans of `base`: `_refer.pth` files in train/, val/ and test/."""
    found = Found()
    for split in ("train", "val", "test"):
        names = [path.name.removesuffix(END) for path in sorted((base / split).glob(f"[!.]*{END}"))]
        for name in names:
            found.scans.setdefault(name, ScanSource(name, "bqnet", (base / split / f"{name}{END}",)))
        if names:
            found.splits[split] = tuple(names)
    return found


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan with its superpoints."""
    points, colors, superpoints, classes, instance = read_refer_file(source.files[0])
    semantic = np.where((classes >= 0) & (classes < 20), classes, -1).astype(np.int16)
    labels = {"semantic20": semantic, "nyu40": nyu40_of(semantic), "instance": instance.astype(np.int32)}
    scan = Scan(
        points=points.astype(np.float32),
        colors=np.clip(np.rint((colors + 1) * 127.5), 0, 255).astype(np.uint8),
        superpoints=superpoints.astype(np.int32),
        labels=labels,
        name=source.name,
    )
    return RawScan(scan, names_by_class(labels["instance"], labels["nyu40"]), {}, ())


def read_refer_file(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return points [N, 3], colours [N, 3] in -1..1, superpoints, classes and objects [N] of a `_refer.pth` file."""
    from saymask.io.pickles import read_pickle  # with torch

    content = read_pickle(path)
    parts = [np.asarray(part) for part in content] if isinstance(content, tuple | list) else []
    shapes = [part.shape[1:] for part in parts]
    numbers = all(part.dtype.kind in "iuf" and len(part) == len(parts[0]) for part in parts)
    if shapes != [(3,), (3,), (), (), ()] or not numbers:
        raise InputError(f"{path}: expected points, colours, superpoints, classes and instances, got another file")
    coords, colors, superpoints, classes, instance = parts
    if superpoints.min(initial=0) < 0 or len(np.unique(superpoints)) != superpoints.max(initial=-1) + 1:
        raise InputError(f"{path}: expected superpoints 0, 1, 2, … without gaps")
    return coords, colors, superpoints, classes, instance
