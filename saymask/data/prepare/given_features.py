"""2D features that BQNet's authors offer, `<scan>.pth`, with the superpoints they belong to, `<scan>_refer.pth`.

Source: docs/systems/bqnet.md §2.2, §2.3.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.data.image_store import ImageInfo, feature_path, save_image_features
from saymask.data.prepare.image_features import ImageReport, is_current
from saymask.data.prepare.layouts.bqnet import read_refer_file
from saymask.data.prepare.layouts.source import ScanSource
from saymask.data.scenes import read_scene_info, scene_path
from saymask.errors import InputError

NAME = "clip-vit-l14-336"
"""The image model that they were made with."""
TOLERANCE = 1e-3
"""Metres that a vertex of the two files may be apart."""


@dataclass(frozen=True)
class GivenFeatures:
    """Files of one scan."""

    features: Path
    points: Path


def find_given(folder: str | Path, root: Path, scans: Mapping[str, ScanSource]) -> dict[str, GivenFeatures]:
    """Return scan → its files: `<scan>.pth` in `folder`, `<scan>_refer.pth` there or where the authors' scripts put it.

    Scans without both are left out; InputError when none has them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"--image-features-from: expected a folder with <scan>.pth, got {folder}, which is none")
    beside = [folder, *(base / split for base in (root / "scannetv2", root) for split in ("train", "val"))]
    found, lonely = {}, []
    for name, scan in scans.items():
        features = folder / f"{name}.pth"
        if not features.is_file():
            continue
        places = (place / f"{name}_refer.pth" for place in (*beside, scan.files[0].parent))
        points = next((path for path in places if path.is_file()), None)
        if points is None:
            lonely.append(name)
        else:
            found[name] = GivenFeatures(features, points)
    if not found:
        what = (
            f"{lonely[0]}.pth is there, but not {lonely[0]}_refer.pth, which says what its rows belong to: put those "
            f"files beside it or into {root / 'scannetv2'}/train and val"
            if lonely
            else f"none of a scan in {root}"
        )
        raise InputError(f"{folder}: expected 2D features <scan>.pth and superpoints <scan>_refer.pth; {what}")
    return found


def given_superpoints(path: Path, points: np.ndarray) -> np.ndarray:
    """Return the superpoints int32 [N] of a `_refer.pth` file; InputError unless it is about the same `points`."""
    coords, _, superpoints, *_ = read_refer_file(path)
    if coords.shape != points.shape:
        raise InputError(f"{path}: expected {len(points):,} points as in the mesh, got {len(superpoints):,}")
    apart = np.abs(coords - (points - points.mean(0, dtype=np.float64))).max(initial=0.0)
    if not apart <= TOLERANCE:
        raise InputError(f"{path}: expected the points of the mesh about their mean, they are {apart:.3f} m apart")
    return superpoints.astype(np.int32)


def take_given(data: Path, given: dict[str, GivenFeatures]) -> ImageReport:
    """Write the features of prepared scenes that are not up to date; what is wrong with one is kept in the report."""
    report = ImageReport()
    for name, files in given.items():
        path = feature_path(data, NAME, name, stretched=True)
        info = read_scene_info(scene_path(data, name))
        state = files.features.stat()
        facts = [info.fingerprint, files.features.name, state.st_size, state.st_mtime_ns]
        fingerprint = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        if is_current(path, fingerprint):
            report.kept.append(name)
            continue
        try:
            features = _features(files.features, info.superpoints or 0)
        except InputError as error:
            report.failures[name] = str(error)
            continue
        made = ImageInfo(
            name=NAME,
            scene=name,
            scene_fingerprint=info.fingerprint,
            fingerprint=fingerprint,
            superpoints=features.shape[0],
            channels=features.shape[1],
            seen=int(features.any(1).sum()),
            frames=0,  # not known
            skipped={},
            stretched=True,
            final_norm=True,
        )
        save_image_features(path, features, made)
        report.done.append(name)
    return report


def _features(path: Path, superpoints: int) -> np.ndarray:
    """Return float32 [S, C] of a file; InputError for another number of rows."""
    from saymask.io.pickles import read_pickle  # with torch

    values = np.asarray(read_pickle(path))
    if values.ndim != 2 or values.dtype.kind != "f" or len(values) != superpoints:
        raise InputError(f"{path}: expected features [{superpoints:,} superpoints, C], got {list(values.shape)}")
    if not np.isfinite(values).all():
        raise InputError(f"{path}: expected finite features, got NaN or infinity; download it again")
    return values.astype(np.float32)
