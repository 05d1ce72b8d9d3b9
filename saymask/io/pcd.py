"""PCD (Point Cloud Library), ascii, binary and binary_compressed, with colours packed into one number.

Source: "The PCD (Point Cloud Data) file format", Point Cloud Library documentation.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import Cloud, read_bytes, recognise, stack, truncated


@dataclass(frozen=True)
class _Field:
    name: str
    type: str
    count: int


def read_pcd(path: Path) -> Cloud:
    """Read a PCD file; a packed `rgb` becomes columns red, green, blue. Raises InputError for damaged files."""
    data = read_bytes(path)
    header, start = _header(path, data)
    fields = _fields(path, header)
    n = _number(path, header)
    kind = header.get("DATA", ["?"])[0].lower()
    if kind == "ascii":
        raw = _ascii(path, data[start:], fields, n)
    elif kind == "binary":
        raw = _binary(path, data, start, fields, n)
    elif kind == "binary_compressed":
        raw = _compressed(path, data, start, fields, n)
    else:
        raise InputError(
            f"{path.name}: expected DATA ascii, binary or binary_compressed, got {kind!r}; export it again"
        )
    columns: dict[str, np.ndarray] = {}
    for field, values in raw.items():
        name = field.lower() if field.lower() in ("x", "y", "z", "rgb", "rgba") else field
        if name in ("rgb", "rgba") and values.ndim == 1 and values.dtype.itemsize == 4:
            packed = values.view(np.uint32)
            for shift, part in ((16, "red"), (8, "green"), (0, "blue")):
                columns[part] = (packed >> shift & 255).astype(np.uint8)
            if name == "rgba":
                columns["alpha"] = (packed >> 24).astype(np.uint8)
        else:
            columns[name] = values
    missing = [name for name in "xyz" if name not in columns]
    if missing:
        raise InputError(f"{path.name}: expected fields x, y, z, got {', '.join(raw)}; {', '.join(missing)} missing")
    points = stack(columns, ("x", "y", "z"))
    extra = {"width": _integer(header, "WIDTH", n), "height": _integer(header, "HEIGHT", 1)}
    return recognise(
        Cloud("pcd", points if points.dtype.kind == "f" else points.astype(np.float64), columns, extra=extra)
    )


def _header(path: Path, data: bytes) -> tuple[dict[str, list[str]], int]:
    end = re.search(rb"(?:^|\n)DATA[ \t]+\S+[ \t]*\r?\n", data[:100_000])
    if end is None:
        raise truncated(path, "a PCD header closed by 'DATA …'", f"{len(data):,} bytes without one")
    header: dict[str, list[str]] = {}
    for line in data[: end.end()].decode("latin-1").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            header[words[0].upper()] = words[1:]
    return header, end.end()


def _fields(path: Path, header: dict[str, list[str]]) -> list[_Field]:
    names = header.get("FIELDS") or header.get("COLUMNS") or []
    sizes, types = header.get("SIZE", []), header.get("TYPE", [])
    counts = header.get("COUNT") or ["1"] * len(names)
    if not names or not len(names) == len(sizes) == len(types) == len(counts):
        raise InputError(
            f"{path.name}: expected FIELDS, SIZE, TYPE and COUNT of equal length, "
            f"got {len(names)}, {len(sizes)}, {len(types)}, {len(counts)}; export it again"
        )
    fields = []
    for name, size, kind, count in zip(names, sizes, types, counts):
        code = kind.lower() + size
        if code not in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8") or not _is_count(count):
            raise InputError(
                f"{path.name}: field {name!r}: unknown type {kind} of {size} bytes × {count}; export it again"
            )
        fields.append(_Field(name, "<" + code, int(count)))
    if sum(f.count for f in fields) > 10_000:
        raise InputError(f"{path.name}: expected a few numbers per point, got {sum(f.count for f in fields):,}")
    return fields


def _integer(header: dict[str, list[str]], key: str, default: int) -> int:
    value = (header.get(key) or [""])[0]
    return int(value) if _is_count(value) else default


def _is_count(word: str) -> bool:
    return re.fullmatch(r"\d{1,12}", word, re.ASCII) is not None


def _number(path: Path, header: dict[str, list[str]]) -> int:
    n = _integer(header, "POINTS", -1)
    if n < 0:
        width = _integer(header, "WIDTH", -1)
        if width < 0:
            raise InputError(f"{path.name}: expected a PCD header with POINTS or WIDTH, got neither; export it again")
        n = width * _integer(header, "HEIGHT", 1)
    return n


def _dtype(fields: list[_Field]) -> np.dtype:
    return np.dtype([(f"f{i}", f.type, (f.count,)) for i, f in enumerate(fields)])


def _named(fields: list[_Field], parts: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Name the fields' values; `_` is padding, one value per point loses its second axis."""
    return {
        f.name: np.ascontiguousarray(v[:, 0] if f.count == 1 else v) for f, v in zip(fields, parts) if f.name != "_"
    }


def _ascii(path: Path, body: bytes, fields: list[_Field], n: int) -> dict[str, np.ndarray]:
    lines = [line for line in body.splitlines() if line and not line.isspace()]
    if len(lines) < n:
        raise truncated(path, f"{n:,} point lines", f"only {len(lines):,}")
    lines = lines[:n]
    width = sum(f.count for f in fields)
    for row, line in enumerate(lines):
        if len(line.split()) != width:
            raise InputError(
                f"{path.name}: point {row + 1}: expected {width} numbers, got {len(line.split())}; export it again"
            )
    try:
        table = np.array(b" ".join(lines).split(), np.float64).reshape(n, width)
    except ValueError as error:
        raise InputError(f"{path.name}: expected numbers, got something else ({error}); export it again") from None
    parts, at = [], 0
    for f in fields:
        values = table[:, at : at + f.count]
        at += f.count
        if f.name.lower() in ("rgb", "rgba") and f.type == "<f4" and np.nanmax(np.abs(values), initial=0) >= 1.0:
            values = np.nan_to_num(values).astype(np.uint32)  # some writers print the packed integer under TYPE F
        elif f.type[1] != "f":
            values = np.nan_to_num(values).astype(f.type)
        else:
            values = values.astype(f.type)
        parts.append(values)
    return _named(fields, parts)


def _binary(path: Path, data: bytes, start: int, fields: list[_Field], n: int) -> dict[str, np.ndarray]:
    kind = _dtype(fields)
    have = (len(data) - start) // max(kind.itemsize, 1)
    if have < n:
        raise truncated(path, f"{n:,} points of {kind.itemsize} bytes", f"only {have:,}")
    table = np.frombuffer(data, kind, n, start)
    return _named(fields, [table[name] for name in kind.names or ()])


def _compressed(path: Path, data: bytes, start: int, fields: list[_Field], n: int) -> dict[str, np.ndarray]:
    from saymask.io.kernels import lzf_decompress

    if len(data) < start + 8:
        raise truncated(path, "the sizes of the compressed data", f"{len(data) - start} bytes")
    packed, size = (int(v) for v in np.frombuffer(data, "<u4", 2, start))
    need = n * _dtype(fields).itemsize
    if size != need:
        raise truncated(path, f"{need:,} bytes for {n:,} points", f"{size:,} announced")
    if len(data) < start + 8 + packed:
        raise truncated(path, f"{packed:,} compressed bytes", f"only {len(data) - start - 8:,}")
    if packed == 0 and size:
        raise truncated(path, f"{size:,} bytes of points", "no compressed data")
    raw, got = lzf_decompress(np.frombuffer(data, np.uint8, packed, start + 8), size)
    if got != size:
        raise truncated(path, f"{size:,} decompressed bytes", f"{got:,}")
    parts, at = [], 0
    for f in fields:  # all values of one field, then all of the next
        width = np.dtype(f.type).itemsize * f.count * n
        parts.append(raw[at : at + width].view(f.type).reshape(n, f.count))
        at += width
    return _named(fields, parts)
