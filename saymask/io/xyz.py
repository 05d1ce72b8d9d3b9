"""Points as text: XYZ, PTS, CSV, TXT; separator, header line and the meaning of the columns are found out."""

import re
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import Cloud, read_bytes, recognise

AXES = (("x", "y", "z"), ("x_", "y_", "z_"), ("x[m]", "y[m]", "z[m]"), ("px", "py", "pz"), ("pos_x", "pos_y", "pos_z"))
COLORS = ("red", "green", "blue")
NORMALS = ("nx", "ny", "nz")


def read_text(path: Path) -> Cloud:
    """Read numbers in lines, `x y z [r g b] [intensity …]` or as a header line names them.

    Raises InputError that names the line where the number of columns changes or something is not a number.
    """
    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
    names, first, separator = _opening(path, lines)
    values = _numbers(path, lines, first, separator)
    width = values.shape[1]
    if names is not None and len(names) != width:
        raise InputError(
            f"{path.name}: line {first + 1}: expected {len(names)} columns as the header names them, got {width}; "
            "make header and rows agree"
        )
    if width < 3:
        raise InputError(f"{path.name}: expected at least three columns x y z, got {width}; check the separator")
    if names is None:
        names = _guess(values)
    lower = [name.lower() for name in names]
    axes = next((group for group in AXES if all(a in lower for a in group)), None)
    if axes is None:
        raise InputError(
            f"{path.name}: expected columns named x, y, z, got {', '.join(names)}; rename them in the header line"
        )
    columns: dict[str, np.ndarray] = {}
    for name, column in zip(names, values.T):
        key = name if name not in columns else f"{name}_{len(columns)}"
        columns[key] = _tidy(key, column)
    points = np.stack([values[:, lower.index(a)] for a in axes], 1)
    if axes != AXES[0]:  # what is saved must have x, y, z under their own names
        for a, b in zip(axes, "xyz"):
            columns = {(b if key.lower() == a else key): v for key, v in columns.items()}
    else:
        columns = {(key.lower() if key.lower() in "xyz" else key): v for key, v in columns.items()}
    return recognise(Cloud(path.suffix.lower().lstrip("."), points, columns))


def _opening(path: Path, lines: list[str]) -> tuple[list[str] | None, int, str | None]:
    """Return the columns' names if there is a header, the first line of numbers, the separator (None = blanks)."""
    header: list[str] | None = None
    for i, line in enumerate(lines[:1000]):
        text = line.strip()
        if not text:
            continue
        comment = re.match(r"(#+|//|;;|%)\s*", text)
        content = text[comment.end() :] if comment else text
        separator = _separator(content)
        words = _split(content, separator)
        if comment:
            if _looks_like_names(words):
                header = words
            continue
        if all(_number(w, separator) for w in words):
            if len(words) == 1 and words[0].isdigit() and header is None:
                continue  # PTS opens with the number of points
            return header, i, separator
        if _looks_like_names(words) or header is None:
            if not _looks_like_names(words):
                raise InputError(
                    f"{path.name}: line {i + 1}: expected numbers or column names with x, y, z, got {text[:60]!r}; "
                    "check that this is a point file"
                )
            header = words
            continue
        raise InputError(f"{path.name}: line {i + 1}: expected numbers, got {text[:60]!r}")
    raise InputError(f"{path.name}: expected lines of numbers x y z, got none in {min(len(lines), 1000)} lines")


def _looks_like_names(words: list[str]) -> bool:
    lower = [w.lower() for w in words]
    return any(all(a in lower for a in group) for group in AXES) or (
        len(words) >= 3 and all(re.fullmatch(r"[A-Za-z_][\w\[\]./%-]*", w) for w in words)
    )


def _separator(text: str) -> str | None:
    for candidate in (";", "\t", ","):
        if candidate in text and len([w for w in text.split(candidate) if w.strip()]) >= 2:
            return candidate
    return None


def _split(text: str, separator: str | None) -> list[str]:
    words = [w.strip().strip('"') for w in text.split(separator)]
    return words[:-1] if words and words[-1] == "" else words


def _number(word: str, separator: str | None) -> bool:
    try:
        float(word.replace(",", ".") if separator == ";" else word)
    except ValueError:
        return False
    return True


def _numbers(path: Path, lines: list[str], first: int, separator: str | None) -> np.ndarray:
    """Parse all lines from `first` on, float64 [n, width]."""
    body = "\n".join(lines[first:])
    if separator == ";":
        body = body.replace(",", ".")
    if separator is not None:
        body = body.replace(separator, " ")
    try:
        flat = np.array(body.split(), np.float64)
        width = len(_split(lines[first], separator))
        counts = {len(line.split()) for line in body.splitlines()} - {0}
        if counts == {width} and len(flat) % width == 0:
            return flat.reshape(-1, width)
    except ValueError:
        pass  # the slow way below finds the line that is to blame, or the comment lines to pass over
    rows: list[list[float]] = []
    width = 0
    for i, line in enumerate(lines[first:], first + 1):
        text = line.strip()
        if not text or text.startswith(("#", "//", "%")):
            continue
        words = _split(text, separator)
        if not all(_number(w, separator) for w in words):
            bad = next(w for w in words if not _number(w, separator))
            raise InputError(f"{path.name}: line {i}: expected numbers, got {bad[:40]!r}; correct or remove the line")
        width = width or len(words)
        if len(words) != width:
            raise InputError(
                f"{path.name}: line {i}: expected {width} columns like the lines before, got {len(words)}; "
                "correct or remove the line"
            )
        rows.append([float(w.replace(",", ".") if separator == ";" else w) for w in words])
    return np.array(rows, np.float64)


def _guess(values: np.ndarray) -> list[str]:
    """Name columns without a header from their ranges: colours are 0..255 (or 0..1), normals have length one."""
    width = values.shape[1]
    names = ["x", "y", "z"]
    at = 3
    while at < width:
        three = values[:, at : at + 3]
        if (
            three.shape[1] == 3
            and COLORS[0] not in names
            and _is_color(three)
            and not (width - at == 4 and _is_color(values[:, at + 1 : at + 4]) and not _whole(three[:, 0]))
        ):
            names += COLORS
        elif three.shape[1] == 3 and NORMALS[0] not in names and _is_normal(three):
            names += NORMALS
        else:
            names.append("intensity" if "intensity" not in names else f"value_{at}")
            at += 1
            continue
        at += 3
    return names


def _whole(values: np.ndarray) -> bool:
    return bool(np.all(values == np.rint(values)))


def _is_color(three: np.ndarray) -> bool:
    known = three[np.isfinite(three).all(1)]
    if not len(known) or known.min() < 0 or known.max() > 255:
        return False
    return known.max() <= 1.0 or _whole(known)


def _is_normal(three: np.ndarray) -> bool:
    length = np.linalg.norm(three[np.isfinite(three).all(1)], axis=1)
    return bool(len(length) and np.all((np.abs(length - 1) < 0.02) | (length == 0)) and length.any())


def _tidy(name: str, values: np.ndarray) -> np.ndarray:
    """Keep colours and labels as whole numbers where they are, the rest as float64."""
    lower = name.lower()
    if lower in ("x", "y", "z") or not np.isfinite(values).all() or not _whole(values):
        return values
    if lower in (*COLORS, "r", "g", "b") and values.min() >= 0 and values.max() <= 255 and values.max() > 1:
        return values.astype(np.uint8)
    if np.abs(values).max(initial=0) < 2**31 and lower not in NORMALS:
        return values.astype(np.int32)
    return values
