"""ScanNet++: `data/<scan>/scans/mesh_aligned_0.05.ply` with `segments.json` and `segments_anno.json`.

The mesh is axis-aligned. The lists `splits/nvs_sem_{train,val}.txt` say which scans a split has.

Source: the dataset's documentation, https://scannetpp.mlsg.cit.tum.de/scannetpp/documentation.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.categories import labels_of_objects
from saymask.data.prepare.layouts.source import Found, ScanSource, colored_mesh
from saymask.errors import InputError
from saymask.io.scannet import RawScan, group_of_points, read_groups, read_segments
from saymask.labels.tables import LabelTable

MESH, SEGMENTS, GROUPS = "mesh_aligned_0.05.ply", "segments.json", "segments_anno.json"


def find(base: Path) -> Found:
    """Return the scans of `base`."""
    found = Found()
    for path in sorted(base.glob(f"*/scans/{MESH}")):
        name = path.parent.parent.name
        files = (path.parent / part for part in (SEGMENTS, GROUPS))
        found.scans[name] = ScanSource(name, "scannetpp", (path, *(file for file in files if file.is_file())))
    if found.scans:
        for split in ("train", "val", "test"):
            for path in (folder / "splits" / f"{kind}_{split}.txt" for folder in (base, base.parent) for kind in KINDS):
                if path.is_file():
                    found.splits.setdefault(split, tuple(path.read_text(encoding="utf-8").split()))
    return found


KINDS = ("nvs_sem", "sem")
"""How the lists of splits begin."""


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan; objects without a group file are not known."""
    scan = colored_mesh(source)
    files = {path.name: path for path in source.files}
    if not {SEGMENTS, GROUPS} <= set(files):
        return RawScan(scan, {}, {}, ())
    segments, groups = read_segments(files[SEGMENTS]), read_groups(files[GROUPS])
    if len(segments) != len(scan):
        raise InputError(f"{files[SEGMENTS]}: expected {len(scan):,} segments, one per vertex, got {len(segments):,}")
    owner = group_of_points(segments, groups)
    labels, unknown = labels_of_objects([group.label for group in groups], owner, "scannetpp", table)
    labels["instance"] = np.array([*(group.object_id for group in groups), -1], np.int32)[owner]
    scan = replace(scan, labels=labels, superpoints=np.unique(segments, return_inverse=True)[1].astype(np.int32))
    return RawScan(scan, {group.object_id: group.label for group in groups}, {}, unknown)
