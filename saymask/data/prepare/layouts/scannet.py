"""ScanNet's own files, a folder per scan or all scans of a split flat in one folder.

Flat folders `train/` and `val/` are what BQNet's preparation leaves behind (docs/systems/bqnet.md §2.1).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.source import Found, ScanSource, colored_mesh
from saymask.errors import InputError
from saymask.io.ply import read_ply
from saymask.io.scannet import (
    AGGREGATION,
    LABELS,
    MESH,
    SEGMENTS,
    RawScan,
    drop_doubled,
    is_scan_folder,
    label_points,
    read_alignment,
    read_groups,
    read_segments,
)
from saymask.labels.tables import LabelTable, packaged_label_table
from saymask.scan import Scan

PARTS = (MESH, SEGMENTS, AGGREGATION, LABELS, ".txt")
"""Ends of the names of the files that are read."""


def find(base: Path) -> Found:
    """Return the scans of `base`: in scans/ and scans_test/, in folders of `base`, flat in train/, val/ and test/."""
    found = Found()
    for parent in (base / "scans", base / "scans_test", base):
        for folder in _folders(parent):
            if is_scan_folder(folder):
                found.scans.setdefault(folder.name, _in_folder(folder))
            elif parent is not base and folder.name not in found.scans:
                found.incomplete.append(folder.name)
    if is_scan_folder(base):
        flat = sorted(base.glob(f"[!.]*{MESH}"))
        if len(flat) == 1:
            found.scans.setdefault(base.name, _in_folder(base))
    for split in ("train", "val", "test"):
        names = [p.name.removesuffix(MESH) for p in sorted((base / split).glob(f"[!.]*{MESH}"))]
        found.scans.pop(split, None)
        for name in names:
            found.scans.setdefault(name, ScanSource(name, "scannet", _existing(base / split, name)))
        if names:
            found.splits[split] = tuple(names)
    return found


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith(".")) if parent.is_dir() else []


def _in_folder(folder: Path) -> ScanSource:
    meshes = sorted(p.name.removesuffix(MESH) for p in folder.glob(f"[!.]*{MESH}"))
    name = folder.name if folder.name in meshes or len(meshes) != 1 else meshes[0]
    return ScanSource(folder.name, "scannet", _existing(folder, name))


def _existing(folder: Path, name: str) -> tuple[Path, ...]:
    mesh, *others = (folder / f"{name}{part}" for part in PARTS)
    return (mesh, *(path for path in others if path.is_file()))


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan; every vertex is kept in file order, the axis alignment is not applied.

    Superpoints are the segments of `segs.json`. Without an aggregation the classes are those of `labels.ply`, and so
    are those of categories that `table` does not know where it is only the packaged one.
    """
    mesh, *others = source.files
    files = {part: path for path in others for part in PARTS if path.name == mesh.name.removesuffix(MESH) + part}
    scan = replace(colored_mesh(source), alignment=read_alignment(files[".txt"]) if ".txt" in files else None)
    if SEGMENTS not in files:
        return RawScan(_with_label_mesh(scan, files, table), {}, {}, ())
    segments = read_segments(files[SEGMENTS])
    if len(segments) != len(scan):
        raise InputError(
            f"scan {source.name}: expected one segment per point ({len(scan):,}), got {len(segments):,} in "
            f"{files[SEGMENTS].name}; both files must come from the same scan"
        )
    scan = replace(scan, superpoints=np.unique(segments, return_inverse=True)[1].astype(np.int32))
    if AGGREGATION not in files:
        return RawScan(_with_label_mesh(scan, files, table), {}, {}, ())
    groups, aliases = drop_doubled(read_groups(files[AGGREGATION]))
    labels, unknown = label_points(segments, groups, table)
    scan = replace(scan, labels=labels)
    if unknown and table.source == packaged_label_table().source:
        scan, unknown = _with_label_mesh(scan, files, table), () if LABELS in files else unknown
    return RawScan(scan, {g.object_id: g.label for g in groups}, aliases, unknown)


def _with_label_mesh(scan: Scan, files: dict[str, Path], table: LabelTable) -> Scan:
    """Return the scan with the classes of `labels.ply` at points that have none; as it is without that file."""
    if LABELS not in files:
        return scan
    columns = read_ply(files[LABELS]).columns
    given = columns.get("label", np.zeros(0)).astype(np.int64)
    if len(given) != len(scan):
        raise InputError(
            f"scan {scan.name}: expected a column label for {len(scan):,} vertices in {files[LABELS].name}, got "
            f"{len(given):,}"
        )
    given = np.where((given < 0) | (given > 40), 0, given).astype(np.uint8)
    nyu40 = np.where(scan.labels["nyu40"] > 0, scan.labels["nyu40"], given) if "nyu40" in scan.labels else given
    return replace(scan, labels={**scan.labels, "nyu40": nyu40, "semantic20": table.semantic20(nyu40)})
