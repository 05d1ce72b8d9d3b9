"""Writing masks beside the points they belong to: the file that came in, with columns added."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from saymask.atomic import atomic_path, check_writable, write_text
from saymask.errors import InputError
from saymask.io.cloud import COLOR_NAMES, pick
from saymask.io.rle import encode_rle
from saymask.masks import Masks, check_format

PAINT = np.array([[255, 40, 90], [0, 170, 255], [255, 180, 0], [120, 220, 0], [180, 80, 255], [0, 210, 180]], np.uint8)
"""Colours of `colored=True`, in turn."""


def save_masks(masks: Masks, path: Path, *, colored: bool = False) -> Path:
    """Write masks; see `saymask.masks.Masks.save`."""
    writers: dict[str, Callable[[Masks, Path, bool], None]] = {
        ".ply": _write_ply, ".npz": _write_npz, ".las": _write_las, ".laz": _write_las,
    }  # fmt: skip
    suffix = check_format(path).suffix.lower()
    check_writable(path)
    try:
        if suffix == ".json":
            write_text(path, json.dumps(_rle(masks), ensure_ascii=False) + "\n")
        else:
            with atomic_path(path) as temporary:
                writers[suffix](masks, temporary, colored)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; the old file, if any, is unchanged"
        ) from None
    return path


def mask_columns(masks: Masks) -> dict[str, np.ndarray]:
    """Return `mask_0`, … uint8 [n_original] and `mask_id` int32: the best-scored mask of a point, -1 = none."""
    columns: dict[str, np.ndarray] = {}
    best = np.full(masks.scan.n_original, -1, np.int32)
    for i in np.argsort(masks.scores, kind="stable"):
        best[masks.original(int(i))] = i
    for i in range(len(masks)):
        columns[f"mask_{i}"] = masks.original(i).astype(np.uint8)
    columns["mask_id"] = best
    return columns


def _taken_out(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Leave out mask columns of an earlier run, whose file was loaded again."""
    return {k: v for k, v in columns.items() if k != "mask_id" and not (k.startswith("mask_") and k[5:].isdigit())}


def _columns(masks: Masks) -> dict[str, np.ndarray]:
    """Return the input's columns as they were read, or those of a scan that came from no file."""
    scan = masks.scan
    if scan.source is not None and scan.source.columns:
        return _taken_out(scan.source.columns)
    points = scan.points if scan.source is None else _spread(scan.points, scan.source.index)
    colors = scan.colors if scan.source is None else _spread(scan.colors, scan.source.index)
    columns = {axis: points[:, i] for i, axis in enumerate("xyz")}
    if scan.normals is not None:
        normals = scan.normals if scan.source is None else _spread(scan.normals, scan.source.index)
        columns.update({axis: normals[:, i] for i, axis in enumerate(("nx", "ny", "nz"))})
    if scan.has_color:
        columns.update({c: colors[:, i] for i, c in enumerate(("red", "green", "blue"))})
    for name, values in scan.labels.items():
        columns[name] = values if scan.source is None else _spread(values, scan.source.index)
    return columns


def _spread(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Bring values of scan points into the order of the file; dropped points get NaN or 0."""
    out = values[np.maximum(index, 0)]
    out[index < 0] = np.nan if out.dtype.kind == "f" else 0
    return out


def _flat(masks: Masks) -> dict[str, np.ndarray]:
    """Return columns that PLY and LAS can hold: x, y, z and colours by name instead of arrays [n, 3], numbers only."""
    columns = _columns(masks)
    roles = masks.scan.source.extra.get("roles", {}) if masks.scan.source is not None else {}
    flat: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        names = {"points": "xyz", "colors": ("red", "green", "blue"), "normals": ("nx", "ny", "nz")}.get(
            roles.get(name, "")
        )
        if names is not None:
            flat.update({part: values[:, i] for i, part in enumerate(names)})
            rest = values[:, 3:]
            flat.update({f"{name}_{i + 3}": rest[:, i] for i in range(rest.shape[1])})
        elif values.dtype.kind in "biuf":
            flat[name] = values
    return flat


def _file_colors(masks: Masks) -> np.ndarray:
    scan = masks.scan
    if scan.source is None:
        return scan.colors
    colors = scan.colors[np.maximum(scan.source.index, 0)]
    colors[scan.source.index < 0] = 128
    return colors


def _painted(masks: Masks, flat: dict[str, np.ndarray], best: np.ndarray) -> dict[str, np.ndarray]:
    """Replace the colours by the points' own with the masked ones in strong colours."""
    colors = _file_colors(masks).copy()
    chosen = best >= 0
    colors[chosen] = PAINT[best[chosen] % len(PAINT)]
    names = pick(flat, COLOR_NAMES) or ()
    kept = {k: v for k, v in flat.items() if k not in names}
    return {**kept, **{c: colors[:, i] for i, c in enumerate(("red", "green", "blue"))}}


def _comments(masks: Masks) -> list[str]:
    """Say in words which column is which mask."""
    old = masks.scan.source.extra.get("comments", []) if masks.scan.source is not None else []
    lines = [line for line in old if not line.startswith("saymask ")]
    for i, name in enumerate(masks.names):
        label = "" if masks.labels is None else f" label={int(masks.labels[i])}"
        one_line = " ".join(name.split())
        lines.append(f"saymask mask_{i} score={float(masks.scores[i]):.6f}{label} name={one_line}")
    return lines


def _faces(masks: Masks) -> np.ndarray | None:
    source = masks.scan.source
    return source.faces if source is not None and source.columns else masks.scan.faces if source is None else None


def _write_ply(masks: Masks, path: Path, colored: bool) -> None:
    from saymask.io.ply import write_ply

    added = mask_columns(masks)
    flat = _flat(masks)
    if colored:
        flat = _painted(masks, flat, added["mask_id"])
    write_ply(path, {**flat, **added}, _faces(masks), _comments(masks))


def _write_npz(masks: Masks, path: Path, colored: bool) -> None:
    from saymask.io.npz import write_npz

    del colored  # the arrays are read by programs, which want the colours as they were
    source = masks.scan.source
    arrays = {
        **_columns(masks),
        **(source.extra.get("arrays", {}) if source is not None else {}),
        **mask_columns(masks),
    }
    faces = _faces(masks)
    if faces is not None and not any(k.lower() in ("faces", "triangles", "face") for k in arrays):
        arrays["faces"] = faces
    arrays["mask_scores"] = masks.scores.astype(np.float32)
    arrays["mask_names"] = np.array(masks.names, dtype=np.str_)
    if masks.labels is not None:
        arrays["mask_labels"] = np.asarray(masks.labels)
    write_npz(path, arrays)


def _write_las(masks: Masks, path: Path, colored: bool) -> None:
    from saymask.io.las import write_las

    source = masks.scan.source
    flat, added = _flat(masks), mask_columns(masks)
    points = np.stack([flat[axis] for axis in "xyz"], 1).astype(np.float64)
    header = source.extra.get("header") if source is not None else None
    if header is None or colored:
        best = added["mask_id"] if colored else np.full(len(points), -1, np.int32)
        if colored or masks.scan.has_color:
            flat = _painted(masks, flat, best)
    write_las(path, {**flat, **added}, points, header)


def _rle(masks: Masks) -> dict[str, object]:
    """Return the JSON form: `counts` are run lengths over the file's points in order, zeros first (see `rle`)."""
    summary = masks.to_json()
    source = masks.scan.source
    for i, entry in enumerate(summary["masks"]):
        entry["counts"] = encode_rle(masks.original(i))
    return {
        "format": "saymask-rle-1",
        **summary,
        "file": "" if source is None else Path(source.path).name,
        "transform": np.eye(4).tolist() if source is None else source.transform.tolist(),
    }
