"""Scans as LESS preprocesses them: `scannet_data/<scan>_aligned_vert.npy` with `_sem_label.npy` and `_ins_label.npy`.

Points are axis-aligned; classes are nyu40 ids, objects are their `objectId` + 1, 0 = none. There are neither faces nor
categories of objects. Without labels (a test scan) a scan has none.

Source: docs/systems/less.md §2.2.
"""

from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.source import Found, ScanSource, names_by_class
from saymask.errors import InputError
from saymask.io.scannet import RawScan
from saymask.labels.tables import LabelTable
from saymask.scan import Scan

POINTS, CLASSES, OBJECTS = "_aligned_vert.npy", "_sem_label.npy", "_ins_label.npy"


def find(base: Path) -> Found:
    """Return the scans of `base`/scannet_data."""
    found = Found()
    for path in sorted((base / "scannet_data").glob(f"[!.]*{POINTS}")):
        name = path.name.removesuffix(POINTS)
        labels = [path.with_name(name + end) for end in (CLASSES, OBJECTS)]
        found.scans[name] = ScanSource(name, "less", (path, *(each for each in labels if each.is_file())))
    return found


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan; InputError for broken files and for classes without objects or objects without classes."""
    path, *labels = source.files
    values = _array(path, "f", 2)
    if values.shape[1] < 6:
        raise InputError(f"{path}: expected rows of x, y, z, r, g, b and normals, got {values.shape[1]} numbers each")
    scan = Scan(
        points=values[:, :3].astype(np.float32),
        colors=np.clip(np.rint(values[:, 3:6]), 0, 255).astype(np.uint8),
        name=source.name,
    )
    if not labels:
        return RawScan(scan, {}, {}, ())
    if len(labels) != 2:
        raise InputError(f"{path.parent}: expected {source.name}{CLASSES} and {source.name}{OBJECTS}, one is missing")
    nyu40, objects = (_array(each, "iu", 1) for each in labels)
    if not len(nyu40) == len(objects) == len(scan):
        raise InputError(f"{labels[0]}: expected a class and an object for each of {len(scan):,} points")
    instance = objects.astype(np.int32) - 1
    nyu40 = nyu40.astype(np.uint8)
    scan.labels.update(semantic20=table.semantic20(nyu40), nyu40=nyu40, instance=instance)
    return RawScan(scan, names_by_class(instance, nyu40), {}, ())


def _array(path: Path, kinds: str, dimensions: int) -> np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected an array as np.save writes it: {error}") from None
    if values.dtype.kind not in kinds or values.ndim != dimensions:
        raise InputError(f"{path}: expected an array of {dimensions} axes, got {values.dtype} {list(values.shape)}")
    return np.array(values)
