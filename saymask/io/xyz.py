"""Points as text: XYZ, PTS, CSV, TXT; what the columns mean is read from their names, or found from their values."""

import re
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import finite_rows
from saymask.io.cloud import COLOR_NAMES, Cloud, read_bytes, recognise
from saymask.io.text_table import read_table

AXES = (
    ("x", "y", "z"), ("x_", "y_", "z_"), ("px", "py", "pz"), ("pos_x", "pos_y", "pos_z"), ("posx", "posy", "posz"),
    ("points:0", "points:1", "points:2"), ("points_0", "points_1", "points_2"), ("point_x", "point_y", "point_z"),
    ("coord_x", "coord_y", "coord_z"), ("coordx", "coordy", "coordz"), ("cartesianx", "cartesiany", "cartesianz"),
    ("x_coord", "y_coord", "z_coord"), ("easting", "northing", "elevation"), ("easting", "northing", "height"),
)  # fmt: skip
COLORS = ("red", "green", "blue")
NORMALS = ("nx", "ny", "nz")
_SAMPLE = 20_000


def read_text(path: Path) -> Cloud:
    """Read numbers in lines, `x y z [r g b] [intensity …]` or as a header line names them.

    Raises InputError that names the line where the number of columns changes or something is not a number.
    """
    table = read_table(path, _decoded(read_bytes(path)), _looks_like_names)
    width = len(table.columns)
    names = table.names
    if names is not None and len(names) != width:
        raise InputError(
            f"{path.name}: line {table.first + 1}: expected {len(names)} columns as the header names them, "
            f"got {width}; make header and rows agree"
        )
    if width < 3:
        raise InputError(f"{path.name}: expected at least three columns x y z, got {width}; check the separator")
    suffix = path.suffix.lower().lstrip(".")
    messages: list[str] = []
    if names is None:
        names = _guess(table.columns, suffix, messages)
    names = _filled(names, table.columns)
    plain = [_plain(name) for name in names]
    axes = next((group for group in AXES if all(a in plain for a in group)), None)
    if axes is None:
        raise InputError(
            f"{path.name}: expected columns named x, y, z, got {', '.join(names)}; rename them in the header line"
        )
    columns: dict[str, np.ndarray] = {}
    for name, word, values in zip(names, plain, table.columns):
        key = "xyz"[axes.index(word)] if word in axes else name  # what is saved must have x, y, z under their own names
        key = key if key not in columns else f"{key}_{len(columns)}"
        columns[key] = values if values.dtype.kind == "U" else _tidy(key, values)
    points = []
    for axis in "xyz":
        values = columns[axis]
        if values.dtype.kind == "U":
            raise InputError(
                f"{path.name}: line {table.first + 1}: expected numbers as {axis}, got {str(values[0])[:40]!r}"
            )
        points.append(values.astype(np.float64))
    if table.setup is not None and "scan" not in columns:
        columns["scan"] = table.setup
        messages.append(f"{int(table.setup.max()) + 1} set-ups in one file: their number is kept as the column scan")
    words = [name for name, values in columns.items() if values.dtype.kind == "U"]
    if words:
        messages.append(f"{', '.join(words)}: columns of words are kept in .npz results and left out of .ply and .las")
    return recognise(Cloud(suffix, np.stack(points, 1), columns, messages=messages))


def _decoded(data: bytes) -> str:
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass
    return data.decode("latin-1")


def _plain(name: str) -> str:
    """Return a column's name as it is compared: lower case, without a unit in brackets."""
    return re.sub(r"\s*[\[(][^\])]*[\])]\s*$", "", name.strip().lower())


def _looks_like_names(words: list[str]) -> bool:
    plain = [_plain(w) for w in words]
    if any(all(a in plain for a in group) for group in AXES):
        return True
    return len(words) >= 3 and all(re.fullmatch(r"[A-Za-z_][\w\[\]()./%:# -]*", w) or not w for w in words)


def _filled(names: list[str], columns: list[np.ndarray]) -> list[str]:
    """Name columns without a name: pandas writes its index so."""
    out: list[str] = []
    for i, name in enumerate(names):
        if name.strip():
            out.append(name.strip())
            continue
        values = columns[i]
        counted = values.dtype.kind == "f" and np.array_equal(values, np.arange(len(values)))
        key = "index" if i == 0 and counted else f"column_{i + 1}"
        out.append(key if key not in names else f"column_{i + 1}")
    return out


def _guess(columns: list[np.ndarray], suffix: str, messages: list[str]) -> list[str]:
    """Name columns without a header from their values: colours are 0..255 (or 0..1), normals have length one."""
    step = max(1, len(columns[0]) // _SAMPLE)
    text = [c.dtype.kind == "U" for c in columns]
    values = np.stack([np.full(len(c[::step]), np.nan) if t else c[::step] for c, t in zip(columns, text)], 1)
    width = values.shape[1]
    names = ["x", "y", "z"]
    at = 3
    while at < width:
        three = values[:, at : at + 3]
        whole = three.shape[1] == 3 and not any(text[at : at + 3])
        if whole and COLORS[0] not in names and _is_color(three) and not _one_later(values, at, suffix):
            names += COLORS
        elif whole and NORMALS[0] not in names and _is_normal(three):
            names += NORMALS
        else:
            word = "label" if text[at] else "intensity"
            names.append(word if word not in names else f"value_{at}")
            at += 1
            continue
        at += 3
    if "intensity" in names and COLORS[0] in names and abs(names.index("intensity") - names.index("red")) in (1, 3):
        where = "before" if names.index("intensity") < names.index("red") else "after"
        messages.append(f"no header: the columns are taken as x, y, z, colours and an intensity {where} them")
    return names


def _one_later(values: np.ndarray, at: int, suffix: str) -> bool:
    """Say whether the colours begin one column further on, behind an intensity.

    PTS has them there. Elsewhere both may be whole numbers 0..255: red, green and blue of a room go up and down
    together, an intensity of a scanner less so.
    """
    later = values[:, at + 1 : at + 4]
    if later.shape[1] < 3 or not _is_color(later):
        return False
    first = values[:, at]
    if not _whole(first) and _whole(later[finite_rows(later)]):
        return True
    if suffix == "pts":
        return True
    rest = values.shape[1] - at
    if rest != 4:
        return rest > 4 and _alike(later) > _alike(values[:, at : at + 3]) + 0.3
    return _alike(later) > _alike(values[:, at : at + 3]) + 0.1


def _alike(three: np.ndarray) -> float:
    """Return the least correlation between neighbouring columns; constant ones count as alike."""
    good = three[finite_rows(three)]
    if len(good) < 10:
        return 0.0
    spread = good.std(0)
    pairs = [
        float(np.corrcoef(good[:, i], good[:, i + 1])[0, 1]) if spread[i] > 0 and spread[i + 1] > 0 else 0.5
        for i in range(2)
    ]
    return min(pairs)


def _whole(values: np.ndarray) -> bool:
    return bool(np.all(values == np.rint(values)))


def _is_color(three: np.ndarray) -> bool:
    known = three[finite_rows(three)]
    if not len(known) or known.min() < 0 or known.max() > 255:
        return False
    return known.max() <= 1.0 or _whole(known)


def _is_normal(three: np.ndarray) -> bool:
    length = np.linalg.norm(three[finite_rows(three)], axis=1)
    return bool(len(length) and np.all((np.abs(length - 1) < 0.02) | (length == 0)) and length.any())


def _tidy(name: str, values: np.ndarray) -> np.ndarray:
    """Keep colours and labels as whole numbers where they are, the rest as float64."""
    lower = name.lower()
    if lower in ("x", "y", "z") or not np.isfinite(values).all() or not _whole(values):
        return values
    colors = {n for group in COLOR_NAMES for n in group if not n.endswith("f")}
    if lower in colors and values.min() >= 0 and values.max() <= 255 and values.max() > 1:
        return values.astype(np.uint8)
    if np.abs(values).max(initial=0) < 2**31 and lower not in NORMALS and lower not in ("rf", "gf", "bf"):
        return values.astype(np.int32)
    return values
