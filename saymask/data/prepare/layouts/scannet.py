"""ScanNet's own files, a folder per scan or all scans of a split flat in one folder.

Flat folders `train/` and `val/` are what BQNet's preparation leaves behind (docs/systems/bqnet.md §2.1).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from saymask.data.prepare.layouts.source import Found, ScanSource
from saymask.io.scannet import MESH, RawScan, is_scan_folder, read_label_mesh, read_scan_files, scan_files
from saymask.labels.tables import LabelTable, packaged_label_table


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
    return tuple(scan_files(folder, name).existing())


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan as `read_scan_files` does.

    Categories that `table` does not know, where it is only the packaged one, have the classes of `labels.ply`.
    """
    mesh = source.files[0]
    files = scan_files(mesh.parent, mesh.name.removesuffix(MESH))
    raw = read_scan_files(files, table)
    scan = replace(raw.scan, name=source.name)
    if raw.unknown_labels and files.labels is not None and table.source == packaged_label_table().source:
        nyu40 = np.where(scan.labels["nyu40"] > 0, scan.labels["nyu40"], read_label_mesh(files, len(scan)))
        scan = replace(scan, labels={**scan.labels, "nyu40": nyu40, "semantic20": table.semantic20(nyu40)})
        return replace(raw, scan=scan, unknown_labels=())
    return replace(raw, scan=scan)
