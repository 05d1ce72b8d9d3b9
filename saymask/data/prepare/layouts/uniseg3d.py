"""Scans as UniSeg3D preprocesses them: a `<scan>.bin` in each of four folders.

Source: docs/systems/uniseg3d.md §2.1, §2.2.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.data.annotations import Annotation
from saymask.data.prepare.layouts.source import Found, ScanSource, names_by_class
from saymask.data.prepare.layouts.uniseg3d_infos import Info
from saymask.errors import InputError
from saymask.io.scannet import RawScan
from saymask.labels.tables import LabelTable, packaged_label_table
from saymask.scan import Scan

FOLDERS = {"points": "points", "superpoints": "super_points", "instance": "instance_mask", "semantic": "semantic_mask"}
"""Content of a `.bin` file → its folder."""


@dataclass(frozen=True, eq=False)
class OfficialScene:
    """A scene of the official data in this project's terms."""

    scan: Scan
    """With superpoints and the labels `nyu40`, `semantic20` and `instance` (objectId)."""
    annotations: tuple[Annotation, ...]
    """One per sentence, in the file's order; that of the published validation."""
    info: Info

    @property
    def tokens(self) -> np.ndarray:
        """int64 [T, 77]: the published token ids of the annotations."""
        return np.concatenate([np.zeros((0, 77), np.int64), *(t.tokens for t in self.info.texts)])


def find(base: Path) -> Found:
    """Return the scans of `base` that have points and superpoints."""
    found = Found()
    for path in sorted((base / "points").glob("[!.]*.bin")):
        files = [base / folder / path.name for folder in FOLDERS.values()]
        if files[1].is_file():
            there = tuple(file for file in files if file.is_file())
            found.scans[path.stem] = ScanSource(path.stem, "uniseg3d", there)
        else:
            found.incomplete.append(path.stem)
    return found


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan with its superpoints; a test scan has no labels."""
    folders = {path.parent.name: path for path in source.files}
    scan = _scan(source.name, {what: folders[sub] for what, sub in FOLDERS.items() if sub in folders})
    names = names_by_class(scan.labels["instance"], scan.labels["nyu40"]) if scan.labels else {}
    return RawScan(scan, names, {}, ())


def load_official_scene(info: Info, folder: str | Path) -> OfficialScene:
    """Return the scene of an entry; `folder` holds `points`, `instance_mask`, `semantic_mask` and `super_points`.

    Raises InputError for files that are missing or do not fit each other, and for prompts that do not fit the scene.
    """
    scan = _scan(info.name, {what: Path(folder) / sub / info.files[what] for what, sub in FOLDERS.items()})
    assert scan.superpoints is not None
    size = int(scan.superpoints.max(initial=-1)) + 1
    if info.novel is not None and info.novel.shape[1] != size:
        raise InputError(
            f"{info.name}: expected pseudo masks over {size} superpoints, got {info.novel.shape[1]}; "
            "the infos file and super_points are not of one version"
        )
    for text in info.texts:
        if text.points is not None and len(text.points) and text.points.max() >= len(scan):
            raise InputError(f"{info.name}: object {text.object_id}: expected points below {len(scan)}, got more")
    sentences = [(t.object_id, s) for t in info.texts for s in t.sentences]
    annotations = tuple(Annotation(info.name, (i,), n, s, s) for n, (i, s) in enumerate(sentences))
    return OfficialScene(scan, annotations, info)


def _scan(name: str, paths: dict[str, Path]) -> Scan:
    """Return the scan of the files of `FOLDERS`; without both masks it has no labels."""
    points = _numbers(paths["points"], np.float32)
    if len(points) % 6 or not np.isfinite(points).all():
        raise InputError(
            f"{paths['points']}: expected finite rows of 6 float32, got {len(points)} numbers; copy it again"
        )
    points = points.reshape(-1, 6)
    labels: dict[str, np.ndarray] = {}
    if {"instance", "semantic"} <= set(paths):
        nyu40, owner = (_ids(paths[what], len(points)) for what in ("semantic", "instance"))
        labels = {
            "nyu40": nyu40.astype(np.int16),
            "semantic20": packaged_label_table().semantic20(nyu40),
            "instance": (owner - 1).astype(np.int32),
        }
    return Scan(
        points=points[:, :3].copy(),
        colors=points[:, 3:].round().clip(0, 255).astype(np.uint8),
        superpoints=read_superpoints(paths["superpoints"], len(points)),
        labels=labels,
        name=name,
    )


def read_superpoints(path: Path, points: int) -> np.ndarray:
    """Return the superpoints int32 [N] of a file in `super_points/`; InputError for another number of `points`."""
    return _ids(path, points).astype(np.int32)


def _numbers(path: Path, dtype: type) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected the official data's folders beside the infos file")
    width = np.dtype(dtype).itemsize
    if path.stat().st_size % width:
        raise InputError(f"{path}: expected numbers of {width} bytes, got {path.stat().st_size} bytes; copy it again")
    return np.fromfile(path, dtype)


def _ids(path: Path, n: int) -> np.ndarray:
    values = _numbers(path, np.int64)
    if len(values) != n or values.min(initial=0) < 0 or values.max(initial=0) > np.iinfo(np.int32).max:
        raise InputError(f"{path}: expected {n} ids from 0, one per point, got {len(values)} numbers; copy it again")
    return values
