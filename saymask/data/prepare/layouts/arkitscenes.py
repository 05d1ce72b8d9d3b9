"""ARKitScenes, 3DOD: `{Training,Validation}/<scan>/<scan>_3dod_mesh.ply` and `<scan>_3dod_annotation.json`.

Objects are annotated as oriented boxes: a point belongs to the smallest box that it lies in.

Source: Baruch et al., ARKitScenes, NeurIPS 2021 Datasets and Benchmarks, and the dataset's DATA.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.prepare.layouts.categories import labels_of_objects
from saymask.data.prepare.layouts.source import Found, ScanSource, colored_mesh
from saymask.errors import InputError
from saymask.io.scannet import RawScan
from saymask.labels.tables import LabelTable
from saymask.util.files import read_json

FOLDERS = {"Training": "train", "Validation": "val"}
"""Folder → split."""
MESH, BOXES = "_3dod_mesh.ply", "_3dod_annotation.json"


@dataclass(frozen=True, eq=False)
class Box:
    """An oriented box around an object."""

    label: str
    center: np.ndarray  # float64 [3] metres
    sizes: np.ndarray  # float64 [3] edges along the axes
    axes: np.ndarray  # float64 [3, 3] unit vectors, a row each


def find(base: Path) -> Found:
    """Return the scans of `base`, or of its folder 3dod."""
    found = Found()
    for place in (base, base / "3dod"):
        for folder, split in FOLDERS.items():
            for path in sorted((place / folder).glob(f"*/*{MESH}")):
                name = path.parent.name
                boxes = path.parent / f"{path.name.removesuffix(MESH)}{BOXES}"
                found.scans[name] = ScanSource(name, "arkitscenes", (path, boxes) if boxes.is_file() else (path,))
                found.splits[split] = (*found.splits.get(split, ()), name)
    return found


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan; without boxes it has no labels."""
    scan = colored_mesh(source)
    if len(source.files) == 1:
        return RawScan(scan, {}, {}, ())
    boxes = read_boxes(source.files[1])
    owner = np.full(len(scan), -1, np.int64)
    for row in sorted(range(len(boxes)), key=lambda i: -float(np.prod(boxes[i].sizes))):
        owner[inside(scan.points, boxes[row])] = row
    labels, unknown = labels_of_objects([box.label for box in boxes], owner, "arkitscenes", table)
    return RawScan(replace(scan, labels=labels), {i: box.label for i, box in enumerate(boxes)}, {}, unknown)


def inside(points: np.ndarray, box: Box) -> np.ndarray:
    """Return bool [N]: which points lie in the box."""
    return np.all(np.abs((points - box.center) @ box.axes.T) <= box.sizes / 2, axis=1)


def read_boxes(path: Path) -> list[Box]:
    """Return the boxes of a scan."""
    content = read_json(path)
    entries = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(entries, list):
        raise InputError(f"{path}: expected an object with a list data of annotated objects")
    return [_box(entry, path, number) for number, entry in enumerate(entries)]


def _box(entry: Any, path: Path, number: int) -> Box:
    try:
        given = entry["segments"]["obbAligned"]
        center, sizes, axes = (np.array(given[k], np.float64) for k in ("centroid", "axesLengths", "normalizedAxes"))
        return Box(str(entry["label"]), center.reshape(3), sizes.reshape(3), axes.reshape(3, 3))
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: object {number}: expected a label and obbAligned with centroid, axesLengths and normalizedAxes"
        ) from None
