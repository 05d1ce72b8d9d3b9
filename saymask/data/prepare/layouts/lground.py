"""Scans as Language-Grounded Segmentation preprocesses them: `train/<scan>.ply` with a class and an object per point.

The points are axis-aligned already; there are neither faces nor superpoints. Object 0 and "not annotated" are the same
number in these files: a point of object 0 counts as annotated where it has a class.

Source: docs/systems/lground.md §2.2.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.source import Found, ScanSource
from saymask.io.ply import read_ply
from saymask.io.scannet import MESH, RawScan, mesh_scan
from saymask.labels.tables import LabelTable
from saymask.scan import Scan

COLUMNS = {"label", "instance_id"}


def find(base: Path) -> Found:
    """Return the scans of `base`: PLY files with a column `label` in train/, val/ and test/."""
    found = Found()
    for split in ("train", "val", "test"):
        for path in sorted((base / split).glob("[!.]*.ply")):
            if not path.name.endswith(MESH) and _is_labelled(path):
                found.scans.setdefault(path.stem, ScanSource(path.stem, "lground", (path,)))
    return found


def _is_labelled(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(2048).partition(b"end_header")[0]
    return header.startswith(b"ply") and (b" label" in header or path.parent.name == "test")


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan; one without labels (a test scan) has none."""
    path = source.files[0]
    cloud = read_ply(path)
    scan, columns = mesh_scan(cloud, source.name, path.name), cloud.columns
    if not set(columns) >= COLUMNS:
        return RawScan(scan, {}, {}, ())
    ids, objects = columns["label"].astype(np.int64), columns["instance_id"].astype(np.int32)
    return labelled_by_ids(scan, ids, np.where((objects == 0) & (ids == 0), -1, objects).astype(np.int32), table)


def labelled_by_ids(scan: Scan, ids: np.ndarray, instance: np.ndarray, table: LabelTable) -> RawScan:
    """Return a scan with the labels that raw ScanNet ids int64 [N] (0 none) give; instance: int32 [N], -1 none."""
    rows = {row.id: (name, row.nyu40id) for name, row in reversed(table.rows.items()) if row.id}
    kinds, place = np.unique(ids, return_inverse=True)
    nyu40 = np.array([rows.get(int(i), ("", 0))[1] for i in kinds], np.uint8)[place]
    labels = {
        "semantic20": table.semantic20(nyu40),
        "semantic200": table.semantic200(ids),
        "nyu40": nyu40,
        "instance": instance,
    }
    numbers, first = np.unique(instance, return_index=True)
    names = {int(i): rows.get(int(ids[row]), ("object", 0))[0] for i, row in zip(numbers, first, strict=True) if i >= 0}
    return RawScan(replace(scan, labels=labels), names, {}, ())
