"""Scans as UniSeg3D preprocesses them, and its lists of sentences and pseudo masks.

`points/`, `instance_mask/`, `semantic_mask/` and `super_points/` hold a `<scan>.bin` each; `uniseg3d_infos_train.pkl`
and `uniseg3d_infos_val.pkl` say which scans a split has, and what is asked about them.

Source: docs/systems/uniseg3d.md §2.1, §2.2, §2.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.prepare.layouts.source import Found, ScanSource, names_by_class, semantic20_of
from saymask.data.superpoint_truth import STUFF, THINGS
from saymask.errors import InputError
from saymask.io.scannet import RawScan
from saymask.labels.tables import LabelTable, scannet20
from saymask.scan import Scan

FOLDERS = ("points", "super_points", "instance_mask", "semantic_mask")
INFOS = "uniseg3d_infos_{}.pkl"


def find(base: Path) -> Found:
    """Return the scans of `base` that have points and superpoints; the lists of infos are read for the splits."""
    found = Found()
    for path in sorted((base / "points").glob("[!.]*.bin")):
        files = [base / folder / path.name for folder in FOLDERS]
        if files[1].is_file():
            there = tuple(file for file in files if file.is_file())
            found.scans[path.stem] = ScanSource(path.stem, "uniseg3d", there)
        else:
            found.incomplete.append(path.stem)
    return found


def read(source: ScanSource, table: LabelTable) -> RawScan:
    """Read a scan with its superpoints; a test scan has no labels."""
    files = {path.parent.name: path for path in source.files}
    values = _numbers(files["points"], np.float32).reshape(-1, 6)
    superpoints = read_superpoints(files["super_points"], len(values))
    labels: dict[str, np.ndarray] = {}
    if {"instance_mask", "semantic_mask"} <= set(files):
        instance, nyu40 = (_column(files[name], len(values)) for name in ("instance_mask", "semantic_mask"))
        nyu40 = np.where((nyu40 < 0) | (nyu40 > 40), 0, nyu40).astype(np.uint8)
        labels = {"nyu40": nyu40, "semantic20": semantic20_of(nyu40), "instance": (instance - 1).astype(np.int32)}
    scan = Scan(
        points=np.ascontiguousarray(values[:, :3]),
        colors=np.clip(np.rint(values[:, 3:]), 0, 255).astype(np.uint8),
        superpoints=superpoints,
        labels=labels,
        name=source.name,
    )
    return RawScan(scan, names_by_class(labels["instance"], labels["nyu40"]) if labels else {}, {}, ())


def read_superpoints(path: Path, points: int) -> np.ndarray:
    """Return the superpoints int32 [N] of a file in `super_points/`; InputError for another number of `points`."""
    return _column(path, points).astype(np.int32)


def _column(path: Path, points: int) -> np.ndarray:
    values = _numbers(path, np.int64)
    if len(values) != points:
        raise InputError(f"{path}: expected {points:,} whole numbers, one per point, got {len(values):,}")
    return values


def _numbers(path: Path, kind: type) -> np.ndarray:
    content = path.read_bytes()
    width = np.dtype(kind).itemsize * (6 if kind is np.float32 else 1)
    if not content or len(content) % width:
        raise InputError(
            f"{path}: expected {np.dtype(kind)} values in rows of {width} bytes, got {len(content):,} bytes"
        )
    return np.frombuffer(content, kind)


@dataclass(frozen=True, eq=False)
class Infos:
    """What a list of infos says about its scans."""

    scans: tuple[str, ...]
    sentences: list[dict[str, Any]]
    """Entries as ScanRefer has them."""
    pseudo_masks: dict[str, np.ndarray]  # scan -> bool [J, S] over superpoints, may overlap


def read_infos(path: Path) -> Infos:
    """Read `uniseg3d_infos_<split>.pkl` without running code in it; InputError for another file."""
    from saymask.io.pickles import read_pickle  # with torch

    content = read_pickle(path)
    entries = content.get("data_list") if isinstance(content, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"{path}: expected an object with a data_list, got another file; download it again")
    names, sentences, masks = [], [], {}
    for number, entry in enumerate(entries):
        points = entry.get("lidar_points")
        file = points.get("lidar_path") if isinstance(points, Mapping) else None
        if not isinstance(file, str):
            raise InputError(f"{path}: entry {number}: expected lidar_points with a lidar_path, got {points!r:.60}")
        name = Path(file).stem
        names.append(name)
        sentences += _sentences(name, entry.get("text_info") or {}, path)
        if entry.get("sam3d_pseudo_sp_masks") is not None:
            values = np.asarray(entry["sam3d_pseudo_sp_masks"])
            if values.ndim != 2 or values.dtype.kind not in "biu":
                raise InputError(
                    f"{path}: {name}: expected sam3d_pseudo_sp_masks bool [J, superpoints], got {values.dtype} "
                    f"{list(values.shape)}"
                )
            masks[name] = values.astype(bool)
    return Infos(tuple(names), sentences, masks)


def _sentences(name: str, about: Any, path: Path) -> list[dict[str, Any]]:
    """Return the sentences of a scan, {object id: {"text": [...], "label_id": class}}, as ScanRefer has them."""
    things = [c.name for c in scannet20()][STUFF : STUFF + THINGS]
    entries = []
    for object_id, said in dict(about).items():
        texts = said.get("text") if isinstance(said, Mapping) else None
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InputError(
                f"{path}: {name}, object {object_id}: expected a list text of sentences, got {texts!r:.60}"
            )
        label = int(said.get("label_id", THINGS - 1))
        for number, text in enumerate(texts):
            entries.append(
                {
                    "scene_id": name,
                    "object_id": str(object_id),
                    "object_name": things[label].replace(" ", "_") if 0 <= label < THINGS else "object",
                    "ann_id": str(number),
                    "description": text,
                }
            )
    return entries
