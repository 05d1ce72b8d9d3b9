"""A scan as a raw folder has it: its files and the layout that says how they are read."""

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np

from saymask.io.ply import read_ply
from saymask.io.scannet import RawScan, mesh_scan
from saymask.labels.tables import LabelTable, scannet20
from saymask.scan import Scan

LAYOUTS = (
    "scannet", "uniseg3d", "bqnet", "lground", "lground_instances", "less", "scannetpp", "s3dis", "replica",
    "arkitscenes",
)  # fmt: skip
"""Modules of this folder with `find(base)` and `read(source, table)`; of a scan in several the first counts."""


@dataclass(frozen=True)
class ScanSource:
    """Files of one scan."""

    name: str
    layout: str
    """One of `LAYOUTS`."""
    files: tuple[Path, ...]
    """The files that are read, the main one first."""

    def read(self, table: LabelTable) -> RawScan:
        """Read the scan; `table` maps category names to classes. InputError for broken files."""
        return import_module(f"saymask.data.prepare.layouts.{self.layout}").read(self, table)


@dataclass
class Found:
    """What a layout has in a folder."""

    scans: dict[str, ScanSource] = field(default_factory=dict)
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Splits that the folders themselves, or lists of this layout, tell."""
    incomplete: list[str] = field(default_factory=list)
    """Folders of scans without a file that must be there."""


def find_scans(base: Path, layout: str) -> Found:
    """Return the scans that lie in `base` in a layout; none where nothing looks like it."""
    return import_module(f"saymask.data.prepare.layouts.{layout}").find(base)


def names_by_class(instance: np.ndarray, nyu40: np.ndarray) -> dict[int, str]:
    """Return objectId → name of its class, by its first point; "object" for one of none of ScanNet's 20 classes.

    For layouts that keep no category of an object. `instance` int [N], -1 none; `nyu40` [N], 0 none.
    """
    known = {c.nyu40id: c.name for c in scannet20()}
    ids, first = np.unique(instance, return_index=True)
    return {int(i): known.get(int(nyu40[row]), "object") for i, row in zip(ids, first) if i >= 0}


def nyu40_of(semantic20: np.ndarray) -> np.ndarray:
    """Return the nyu40 ids uint8 [N] of classes 0..19, 0 for -1."""
    return np.array([*(c.nyu40id for c in scannet20()), 0], np.uint8)[semantic20]


def colored_mesh(source: ScanSource) -> Scan:
    """Return the scan of a mesh whose vertices have colours, without labels; InputError for a broken file."""
    path = source.files[0]
    return mesh_scan(read_ply(path), source.name, path.name)
