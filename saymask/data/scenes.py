"""Prepared data, as `saymask prepare` writes it: a safetensors file per scan, the annotations and a manifest."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.image_store import load_with_info, prepare_command
from saymask.errors import InputError
from saymask.geometry.affine import moved
from saymask.scan import Scan
from saymask.util.checksums import checksum
from saymask.util.files import atomic_path, file_name, parse_object, read_json

VERSION = 1
"""Number of the file format; scenes written with another number are prepared again."""

NOVEL = "novel"
"""Label of scans that were prepared with pseudo masks: number of the mask at each point, -1 none."""
_DTYPES = {
    "points": np.float32,
    "colors": np.uint8,
    "normals": np.float32,
    "faces": np.int32,
    "superpoints": np.int32,
    "semantic20": np.int16,
    "semantic200": np.int16,
    "nyu40": np.uint8,
    "instance": np.int32,
    NOVEL: np.int32,
    "alignment": np.float64,
    "novel_masks": np.bool_,
}
_ROWS = {"points": (3,), "colors": (3,), "normals": (3,), "faces": (3,), "alignment": (4,), "novel_masks": None}
"""Shape of a row; None = of any width."""
_RANGES = {"semantic20": (-1, 19), "semantic200": (-1, 199), "instance": (-1, 2**31 - 2), "superpoints": (0, 2**28)}
_HEADER = "saymask_scene"
_FIELDS: dict[str, type] = {
    "name": str, "version": int, "fingerprint": str, "objects": dict, "aliases": dict, "sizes": dict, "points": int,
    "superpoints": int, "has_color": bool,
}  # fmt: skip
_LABELS = ("semantic20", "semantic200", "nyu40", "instance", NOVEL)


@dataclass(frozen=True)
class SceneInfo:
    """The header of a prepared scene."""

    name: str
    version: int
    fingerprint: str
    """Sizes and times of the source files and the options, to know whether the scene is still up to date."""
    objects: dict[int, str]
    """objectId → raw category of every annotated object."""
    aliases: dict[int, int]
    """objectId of a doubled group → the id that owns its points."""
    sizes: dict[int, int]
    """objectId → number of points, for objects that have any."""
    points: int
    superpoints: int


def scene_path(data: str | Path, scene_id: str) -> Path:
    """Return the file of a scene in a prepared folder."""
    return Path(data) / "scenes" / f"{file_name(scene_id, 'scene')}.safetensors"


def save_scene(
    path: str | Path,
    scan: Scan,
    *,
    objects: dict[int, str],
    aliases: dict[int, int] | None = None,
    fingerprint: str = "",
) -> None:
    """Write a scan as a prepared scene, atomically. Points stay in the scan's frame; `alignment` is kept beside."""
    from safetensors.numpy import save_file

    values = {
        "points": scan.points,
        "colors": scan.colors,
        "normals": scan.normals,
        "faces": scan.faces,
        "superpoints": scan.superpoints,
        "alignment": scan.alignment,
        "novel_masks": scan.novel_masks,
        **{name: scan.labels[name] for name in _LABELS if name in scan.labels},
    }
    tensors = {k: np.ascontiguousarray(v, dtype=_DTYPES[k]) for k, v in values.items() if v is not None}
    instance = scan.labels.get("instance", np.zeros(0, np.int32))
    ids, counts = np.unique(instance[instance >= 0], return_counts=True)
    header = {
        "name": scan.name,
        "version": VERSION,
        "fingerprint": fingerprint,
        "objects": objects,
        "aliases": aliases or {},
        "sizes": dict(zip(ids.tolist(), counts.tolist())),
        "points": len(scan),
        "superpoints": 0 if scan.superpoints is None else int(scan.superpoints.max(initial=-1)) + 1,
        "has_color": scan.has_color,
    }
    # One entry only: safetensors writes several in an order that changes from run to run.
    text = json.dumps(header, ensure_ascii=False)
    metadata = {_HEADER: json.dumps({**header, "checksum": checksum(tensors, text)}, ensure_ascii=False)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_scene_info(path: str | Path) -> SceneInfo:
    """Return the header of a prepared scene without reading its points."""
    header = _open(Path(path), tensors=False)[0]
    return SceneInfo(
        name=header["name"],
        version=header["version"],
        fingerprint=header["fingerprint"],
        objects=_by_id(path, header["objects"], str),
        aliases=_by_id(path, header["aliases"], int),
        sizes=_by_id(path, header["sizes"], int),
        points=header["points"],
        superpoints=header["superpoints"],
    )


def _by_id(path: str | Path, values: dict[str, Any], kind: type) -> dict[int, Any]:
    if not all(re.fullmatch(r"-?\d{1,18}", key) and type(value) is kind for key, value in values.items()):
        raise InputError(f"{path}: expected objects by their number, got {values!r:.80}; prepare it again")
    return {int(key): value for key, value in values.items()}


def load_scene(path: str | Path, image_features: str = "", *, stretched: bool = False) -> Scan:
    """Return a prepared scene as a Scan (points in the raw frame, every vertex kept).

    With `image_features`, a name such as `clip-vit-l14-336`, the scan has the 2D features made for it; InputError that
    names the command which makes them when there are none, the scene has changed since, or they were not projected by
    the rule that is wanted (`stretched`: the official one).
    """
    path = Path(path)
    header, tensors = _open(path, tensors=True)
    if header["version"] != VERSION:
        raise InputError(
            f"{path}: expected scene format {VERSION}, got {header['version']}; run `saymask prepare` again"
        )
    return Scan(
        points=tensors["points"],
        colors=tensors["colors"],
        normals=tensors.get("normals"),
        faces=tensors.get("faces"),
        superpoints=tensors.get("superpoints"),
        labels={name: tensors[name] for name in _LABELS if name in tensors},
        alignment=tensors.get("alignment"),
        novel_masks=tensors.get("novel_masks"),
        has_color=header["has_color"],
        name=header["name"],
        image_features=_image_features(path, header, image_features, stretched) if image_features else None,
    )


def _image_features(path: Path, header: dict[str, Any], name: str, stretched: bool) -> np.ndarray:
    features, info = load_with_info(path.parent.parent, path.stem, name, stretched=stretched)
    if info.scene_fingerprint != header["fingerprint"] or len(features) != header["superpoints"]:
        raise InputError(
            f"scene {path.stem}: its 2D features {name!r} were made before the scene was prepared as it is now "
            f"({len(features):,} and {header['superpoints']:,} superpoints); "
            f"make them again with {prepare_command(name, stretched=stretched)}"
        )
    return features


def _open(path: Path, *, tensors: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: there is no such prepared scene; run `saymask prepare RAW --out DATA` first")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            values = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: expected a safetensors file: {error}; delete it and prepare again") from None
    if _HEADER not in metadata:
        raise InputError(f"{path}: expected a scene written by `saymask prepare`, got another safetensors file")
    header = parse_object(metadata[_HEADER], path, **_FIELDS)
    _check_arrays(path, values)
    known = header.pop("checksum", None)  # scenes that were prepared before there was one have none
    if tensors and known and known != checksum(values, json.dumps(header, ensure_ascii=False)):
        raise InputError(f"{path} is damaged: its content does not have the checksum in its header; prepare it again")
    if tensors and not {"points", "colors"} <= set(values):
        raise InputError(f"{path}: expected points and colours, got {', '.join(values) or 'nothing'}; prepare it again")
    return header, values


def read_scene_arrays(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """Return those of the named arrays that a prepared scene has; the others stay on the disk. InputError as above."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            there = set(file.keys())
            values = {name: file.get_tensor(name) for name in names if name in there}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: expected a safetensors file: {error}; delete it and prepare again") from None
    _check_arrays(Path(path), values)
    return values


def _check_arrays(path: Path, values: dict[str, np.ndarray]) -> None:
    """Raise InputError for arrays of another type or shape than is written, and for labels out of range."""
    for name, array in values.items():
        wanted = _DTYPES.get(name)
        row = _ROWS.get(name, ())
        fits = array.ndim == 2 if row is None else array.shape[1:] == row
        if wanted is not None and (array.dtype != wanted or not fits):
            raise InputError(f"{path}: expected {name} as {np.dtype(wanted)}, got {array.dtype} {list(array.shape)}")
        low, high = _RANGES.get(name, (0, 0))
        if name in _RANGES and len(array) and not low <= int(array.min()) <= int(array.max()) <= high:
            raise InputError(
                f"{path}: expected {name} in {low}..{high}, got {array.min()}..{array.max()}; prepare again"
            )


def aligned_points(scan: Scan) -> np.ndarray:
    """Return the points moved by the axis alignment: computed in float64, returned as float32 [N, 3].

    Source: docs/systems/less.md §2.2, step 2.
    """
    if scan.alignment is None:
        return scan.points
    return align(scan.points, scan.alignment)


def align(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return float32 points [N, 3] moved by a 4x4 matrix in float64."""
    return moved(points, matrix).astype(np.float32)


def target_mask(scan: Scan, object_ids: tuple[int, ...]) -> np.ndarray:
    """Return bool [N]: the points of the objects (ScanNet objectIds)."""
    if "instance" not in scan.labels:
        raise InputError(f"scan {scan.name}: expected instance labels, got none; prepare it with its aggregation file")
    return np.isin(scan.labels["instance"], np.asarray(object_ids, dtype=np.int64))


def read_manifest(data: str | Path) -> dict[str, Any]:
    """Return the manifest of a prepared folder: version, scenes, splits, annotation counts."""
    path = Path(data) / "manifest.json"
    if not path.is_file():
        raise InputError(f"{data}: expected a prepared folder with a manifest.json; run `saymask prepare` first")
    manifest = read_json(path)
    splits = manifest.get("splits", {}) if isinstance(manifest, dict) else None
    if not isinstance(splits, dict) or not all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in splits.values()
    ):
        raise InputError(f"{path}: expected an object with splits, lists of names; run `saymask prepare` again")
    return manifest
