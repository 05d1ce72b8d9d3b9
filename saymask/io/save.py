"""Writing masks beside the points they belong to: the file that came in, with columns added."""

import json
from collections.abc import Callable, Collection
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import COLOR_NAMES, pick, stack
from saymask.io.rle import decode_rle, encode_rle
from saymask.masks import Masks, check_format
from saymask.scan import Scan
from saymask.util.files import atomic_path, check_writable, parse_json, write_text

PAINT = np.array([[255, 40, 90], [0, 170, 255], [255, 180, 0], [120, 220, 0], [180, 80, 255], [0, 210, 180]], np.uint8)
"""Colours of `colored=True` for masks without labels, in turn."""
MESH = (".glb", ".obj")
RESERVED = ("mask_id", "mask_label", "mask_scores", "mask_names", "mask_labels")
"""Columns and arrays that are a result's, beside `mask_0`, `mask_1`, …"""


def check_out(scan: Scan, path: Path) -> None:
    """Raise InputError where masks over `scan` cannot be saved under the suffix of `path`."""
    if check_format(path).suffix.lower() in MESH:
        from saymask.io.mesh_masks import check_mesh

        check_mesh(scan, path.name)


def save_masks(masks: Masks, path: Path, *, colored: bool | None = None) -> Path:
    """Write masks; see `saymask.masks.Masks.save`."""
    writers: dict[str, Callable[[Masks, Path, bool], None]] = {
        ".ply": _write_ply, ".npz": _write_npz, ".las": _write_las, ".laz": _write_las,
    }  # fmt: skip
    check_out(masks.scan, path)
    suffix = path.suffix.lower()
    check_writable(path)
    try:
        if suffix in MESH:
            from saymask.io.save_mesh import write_glb, write_obj

            paint = None if colored is False else _paint(masks)
            if suffix == ".obj":
                write_obj(masks, path, paint)
            else:
                with atomic_path(path) as temporary:
                    write_glb(masks, temporary, paint)
        elif suffix == ".json":
            write_text(path, json.dumps(rle_form(masks), ensure_ascii=False) + "\n")
        else:
            with atomic_path(path) as temporary:
                writers[suffix](masks, temporary, bool(colored))
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; the old file, if any, is unchanged"
        ) from None
    return path


def mask_columns(masks: Masks, kept: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Return the columns that a result adds to a file whose own columns are called `kept`, each [n_original].

    `mask_0`, … uint8, one per mask, and `mask_id` int32: the best-scored mask of a point, -1 = none. Masks with labels
    also give `label` int32, the class id of that mask, 0 = none (`mask_label` where `label` is among `kept`); where
    they are disjoint, `mask_0`, … would say nothing more and are left out.
    """
    columns: dict[str, np.ndarray] = {}
    if masks.labels is None or not masks.disjoint:
        columns = {f"mask_{i}": masks.original(i).astype(np.uint8) for i in range(len(masks))}
    columns["mask_id"] = _in_file(masks, masks.best)
    if masks.labels is not None:
        name = "mask_label" if "label" in {k.lower() for k in kept} else "label"
        columns[name] = np.append(masks.labels, 0).astype(np.int32)[columns["mask_id"]]
    return columns


def _in_file(masks: Masks, best: np.ndarray) -> np.ndarray:
    """Bring the masks of scan points int32 [N] into the order of the file, -1 for dropped points."""
    source = masks.scan.source
    return best if source is None else np.append(best, np.int32(-1))[source.index]


def _taken_out(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Leave out what an earlier run added, whose file was loaded again."""
    ours = _ours(columns)
    return {k: v for k, v in columns.items() if k not in ours}


def _ours(columns: dict[str, np.ndarray]) -> set[str]:
    """Return the names of columns that an earlier run added."""
    ours = {k for k in columns if k in RESERVED or (k.startswith("mask_") and k[5:].isdigit())}
    beside = "mask_label" in columns  # then `label` was there before ours
    if "mask_id" in columns and not beside and _follows(columns.get("label"), columns["mask_id"]):
        ours.add("label")
    return ours


def _follows(label: np.ndarray | None, mask: np.ndarray) -> bool:
    """Say whether `label` [n] is the class of `mask` [n] and no column of the user's own.

    Ours has one value per mask and 0 outside, so 0 everywhere where nothing was found.
    """
    if label is None or label.dtype.kind not in "iu" or label.shape != mask.shape or not len(mask):
        return False
    at = np.asarray(mask, np.int64) + 1
    if at.min() < 0 or at.max() > len(at):
        return False
    of_mask = np.zeros(at.max() + 1, label.dtype)
    of_mask[at] = label
    return bool(of_mask[0] == 0 and (of_mask[at] == label).all())


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
    for name, values in sorted(columns.items(), key=lambda item: item[0] not in roles):  # x of the points comes first
        names = {"points": "xyz", "colors": ("red", "green", "blue"), "normals": ("nx", "ny", "nz")}.get(
            roles.get(name, "")
        )
        if names is not None:
            flat.update({part: values[:, i] for i, part in enumerate(names)})
            rest = values[:, 3:]
            flat.update({f"{name}_{i + 3}": rest[:, i] for i in range(rest.shape[1])})
        elif values.dtype.kind in "biuf":
            flat[name if name not in flat else f"{name}_column"] = values
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
    colors[chosen] = _paint(masks)[best[chosen]]
    names = pick(flat, COLOR_NAMES) or ()
    kept = {k: v for k, v in flat.items() if k not in names}
    return {**kept, **{c: colors[:, i] for i, c in enumerate(("red", "green", "blue"))}}


def _paint(masks: Masks) -> np.ndarray:
    """Return the strong colour of every mask, uint8 [M, 3]; masks with labels have those of their classes."""
    if masks.labels is None:
        return PAINT[np.arange(len(masks)) % len(PAINT)]
    from saymask.render.palette import mask_colors

    return np.rint(mask_colors(masks)).astype(np.uint8)


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

    flat = _flat(masks)
    added = mask_columns(masks, flat)
    if colored:
        flat = _painted(masks, flat, added["mask_id"])
    extra = {} if masks.scan.source is None else masks.scan.source.extra
    elements = extra.get("elements", ())
    faces = None if any(t.element.name in ("face", "faces", "tristrips") for t in elements) else _faces(masks)
    lists = extra.get("vertex_lists")
    write_ply(path, {**flat, **added}, faces, _comments(masks), lists=lists, elements=elements)


def _write_npz(masks: Masks, path: Path, colored: bool) -> None:
    from saymask.io.npz import write_npz

    del colored  # the arrays are read by programs, which want the colours as they were
    source = masks.scan.source
    old = source.extra.get("arrays", {}) if source is not None else {}
    arrays = {**_columns(masks), **_taken_out(old)}
    arrays.update(mask_columns(masks, arrays))
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
    flat = _flat(masks)
    axes = pick(flat, (("x", "y", "z"),)) or ()
    flat = {**dict(zip("xyz", map(flat.pop, axes))), **flat}  # "X" of another format is a dimension of its own in LAS
    added = mask_columns(masks, flat)
    points = stack(flat, ("x", "y", "z")).astype(np.float64)
    header = None if source is None else deepcopy(source.extra.get("header"))
    if source is not None and header is not None:
        for name in _ours(source.columns):
            header.remove_extra_dim(name)  # or the dimension would stay, filled with zeros
    if header is None or colored:
        best = added["mask_id"] if colored else np.full(len(points), -1, np.int32)
        if colored or masks.scan.has_color:
            flat = _painted(masks, flat, best)
    write_las(path, {**flat, **added}, points, header)


def rle_form(masks: Masks) -> dict[str, Any]:
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


def read_rle(scan: Scan, source: str | Path | dict[str, Any]) -> Masks:
    """Return masks from their JSON form; see `saymask.masks.Masks.from_json`."""
    where = "masks" if isinstance(source, dict) else Path(source).name
    if not isinstance(source, dict):
        try:
            source = parse_json(Path(source).read_bytes(), where)
        except OSError as error:
            raise InputError(f"{where}: expected a JSON file of masks, got {error}") from None
    if not isinstance(source, dict) or source.get("format") != "saymask-rle-1":
        raise InputError(f"{where}: expected masks as Masks.save writes them (saymask-rle-1), got something else")
    n = scan.n_original
    entries = source.get("masks")
    if source.get("points") != n or not isinstance(entries, list):
        got = source.get("points")
        raise InputError(
            f"{where}: expected masks over the {n:,} points of {scan.name or 'the scan'}, got {got!r}; "
            "load the scan that they were made on"
        )
    bits = np.zeros((len(entries), len(scan)), bool)
    try:
        for row, entry in zip(bits, entries):
            mask = decode_rle(entry["counts"], n)
            row[mask if scan.source is None else scan.source.index[mask & (scan.source.index >= 0)]] = True
        scores = np.array([float(e["score"]) for e in entries], np.float32)
        names = tuple(str(e["name"]) for e in entries)
        labels = np.array([int(e["label"]) for e in entries], np.int64) if entries and "label" in entries[0] else None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: expected name, score and counts of every mask, got {error}") from None
    return Masks.from_points(scan, bits, scores, names, labels=labels, message=str(source.get("message", "")))
