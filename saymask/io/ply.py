"""PLY (Stanford polygon file), ascii and binary of both byte orders, every vertex property kept in its own type.

Source: Greg Turk, "The PLY Polygon File Format", 1994.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import Cloud, read_bytes, recognise, stack, truncated
from saymask.io.polygons import split_strips, triangulate

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
NAMES = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}


@dataclass(frozen=True)
class Property:
    """One property of an element; `count` is the type of a list's length, empty for a plain number."""

    name: str
    type: str
    count: str = ""


@dataclass
class Element:
    """One element of the header: its name, how many there are, and what each holds."""

    name: str
    n: int
    properties: list[Property]

    @property
    def plain(self) -> bool:
        """Whether every row has the same size."""
        return not any(p.count for p in self.properties)


def read_ply(path: Path) -> Cloud:
    """Read a PLY file; polygons are split into triangles. Raises InputError for anything that is not a whole PLY."""
    data = read_bytes(path)
    order, elements, comments, start = _header(path, data)
    body: _Ascii | _Binary = _Ascii(path, data, start) if order == "" else _Binary(path, data, start, order)
    columns: dict[str, np.ndarray] = {}
    faces = None
    for element in elements:
        if element.name == "vertex":
            columns = body.rows(element)
        elif element.name in ("face", "tristrips") and (name := _corner_list(element)):
            counts, corners = body.lists(element, name)
            faces = triangulate(counts, corners) if element.name == "face" else split_strips(counts, corners)
        else:
            body.skip(element)
    missing = [name for name in "xyz" if name not in columns]
    if missing:
        raise InputError(
            f"{path.name}: expected vertex properties x, y, z, got {', '.join(columns) or 'none'}; "
            f"{', '.join(missing)} missing"
        )
    n = len(columns["x"])
    if faces is not None:
        if len(faces) and (faces.min() < 0 or faces.max() >= n):
            raise InputError(
                f"{path.name}: expected face indices 0..{n - 1}, got {faces.min()}..{faces.max()}; "
                "the faces belong to another file"
            )
        faces = faces.astype(np.int32) if len(faces) else None
    points = stack(columns, ("x", "y", "z"))
    if points.dtype.kind != "f":
        points = points.astype(np.float64)
    cloud = Cloud("ply", points, columns, faces=faces, extra={"comments": comments})
    return recognise(cloud)


def _header(path: Path, data: bytes) -> tuple[str, list[Element], list[str], int]:
    """Return byte order (`<`, `>` or empty for ascii), elements, comments, and where the body starts."""
    if not re.match(rb"ply\s", data):
        raise InputError(f"{path.name}: expected a PLY file starting with 'ply', got {data[:8]!r}; check the suffix")
    end = re.search(rb"(?:^|[\r\n])end_header[ \t]*(?:\r\n|\n|\r)", data[:1_000_000])
    if end is None:
        raise truncated(path, "a PLY header closed by 'end_header'", f"{len(data):,} bytes without one")
    order: str | None = None
    elements: list[Element] = []
    comments: list[str] = []
    for line in data[: end.start()].decode("utf-8", errors="replace").splitlines()[1:]:
        words = line.split()
        try:
            match words:
                case ["format", kind, *_]:
                    order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[kind]
                case ["comment" | "obj_info", *_]:
                    comments.append(line.strip().split(" ", 1)[-1])
                case ["element", name, n]:
                    elements.append(Element(name, int(n), []))
                    if int(n) < 0:
                        raise ValueError
                case ["property", "list", count, kind, name]:
                    elements[-1].properties.append(Property(name, TYPES[kind], TYPES[count]))
                case ["property", kind, name]:
                    elements[-1].properties.append(Property(name, TYPES[kind]))
                case []:
                    pass
                case _:
                    raise ValueError
        except (KeyError, ValueError, IndexError):
            raise InputError(
                f"{path.name}: cannot understand the PLY header line {line.strip()!r}; export it again"
            ) from None
    if order is None or not any(e.name == "vertex" for e in elements):
        raise InputError(
            f"{path.name}: expected a PLY header with 'format' and 'element vertex', got neither or one of them"
        )
    return order, elements, comments, end.end()


def _corner_list(element: Element) -> str | None:
    lists = [p.name for p in element.properties if p.count]
    named = [name for name in lists if name in ("vertex_indices", "vertex_index")]
    return next(iter(named or lists), None)


class _Binary:
    """The body of a binary file, read element by element."""

    def __init__(self, path: Path, data: bytes, start: int, order: str) -> None:
        self.path, self.data, self.at, self.order = path, data, start, order

    def _dtype(self, element: Element) -> np.dtype:
        names = [p.name for p in element.properties]
        if len(set(names)) != len(names):
            raise InputError(f"{self.path.name}: two properties of '{element.name}' share a name; export it again")
        return np.dtype([(p.name, self.order + p.type) for p in element.properties])

    def rows(self, element: Element) -> dict[str, np.ndarray]:
        """Return the plain properties of the next element (its lists are passed over)."""
        if not element.plain:
            return self._walked(element)[0]
        kind = self._dtype(element)
        have = (len(self.data) - self.at) // max(kind.itemsize, 1)
        if have < element.n:
            raise truncated(self.path, f"{element.n:,} {element.name} rows of {kind.itemsize} bytes", f"only {have:,}")
        table = np.frombuffer(self.data, kind, element.n, self.at)
        self.at += element.n * kind.itemsize
        return {name: np.ascontiguousarray(table[name], kind[name].newbyteorder("=")) for name in kind.names or ()}

    def lists(self, element: Element, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return lengths [n] and all entries of one list property, one after the other."""
        fast = self._equal_lists(element, name)
        return fast if fast is not None else self._walked(element)[1][name]

    def _equal_lists(self, element: Element, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Read lists that all have the length of the first (a triangle mesh); None where they differ."""
        if element.n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        if [p.name for p in element.properties if p.count] != [name]:
            return None
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        offset, length = self.at, 0
        for i, p in enumerate(element.properties):
            if not p.count:
                fields.append((f"f{i}", self.order + p.type))
                offset += np.dtype(p.type).itemsize
                continue
            size = np.dtype(p.count).itemsize
            if offset + size > len(self.data):
                return None
            length = int(np.frombuffer(self.data, self.order + p.count, 1, offset)[0])
            fields += [("length", self.order + p.count), ("items", self.order + p.type, (length,))]
        kind = np.dtype(fields)
        if length <= 0 or self.at + element.n * kind.itemsize > len(self.data):
            return None
        table = np.frombuffer(self.data, kind, element.n, self.at)
        if not (table["length"] == length).all():
            return None
        self.at += element.n * kind.itemsize
        return np.full(element.n, length, np.int64), table["items"].astype(np.int64).ravel()

    def _walked(self, element: Element) -> tuple[dict[str, np.ndarray], dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Walk through rows of varying size; return plain columns and, per list property, lengths and entries."""
        from saymask.io.kernels import walk_rows

        sizes = np.array([np.dtype(p.type).itemsize for p in element.properties], np.int64)
        counts = np.array([np.dtype(p.count).itemsize if p.count else 0 for p in element.properties], np.int64)
        raw = np.frombuffer(self.data, np.uint8)
        if element.n * int(np.where(counts > 0, counts, sizes).sum()) > len(raw) - self.at:
            raise truncated(self.path, f"{element.n:,} {element.name} rows", f"{len(raw) - self.at:,} bytes")
        starts, lengths, end = walk_rows(raw, self.at, element.n, sizes, counts, self.order == ">")
        if end < 0:
            raise truncated(self.path, f"{element.n:,} {element.name} rows", f"the end of the file after {-end - 1:,}")
        self.at = int(end)
        plain: dict[str, np.ndarray] = {}
        lists: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for i, p in enumerate(element.properties):
            number = lengths[:, i]
            first = np.repeat(starts[:, i], number)
            inside = np.arange(len(first)) - np.repeat(np.cumsum(number) - number, number)
            where = first + inside * sizes[i]
            items = raw[where[:, None] + np.arange(sizes[i])].reshape(-1).view(self.order + p.type)
            items = items.astype(items.dtype.newbyteorder("="))
            if p.count:
                lists[p.name] = (number, items.astype(np.int64))
            else:
                plain[p.name] = items
        return plain, lists

    def skip(self, element: Element) -> None:
        """Pass over an element."""
        if element.properties and element.n:
            self.rows(element)


class _Ascii:
    """The body of an ascii file, one row per line."""

    def __init__(self, path: Path, data: bytes, start: int) -> None:
        self.path = path
        self.lines = [line for line in data[start:].splitlines() if line and not line.isspace()]
        self.at = 0
        self.first_line = data[:start].count(b"\n") + 1

    def _take(self, element: Element) -> list[bytes]:
        lines = self.lines[self.at : self.at + element.n]
        if len(lines) < element.n:
            raise truncated(self.path, f"{element.n:,} {element.name} lines", f"only {len(lines):,}")
        self.at += element.n
        return lines

    def _wrong(self, element: Element, row: int, expected: str, line: bytes) -> InputError:
        number = self.first_line + self.at - element.n + row
        shown = line[:60].decode("latin-1").strip()
        return InputError(f"{self.path.name}: line {number}: expected {expected}, got {shown!r}; export it again")

    def _numbers(self, element: Element, lines: list[bytes], row_of: np.ndarray | None = None) -> np.ndarray:
        tokens = b" ".join(lines).split()
        try:
            return np.array(tokens, dtype=np.float64)
        except ValueError:
            for row, line in enumerate(lines):
                for word in line.split():
                    try:
                        float(word)
                    except ValueError:
                        raise self._wrong(element, row, "numbers", line) from None
            raise

    def rows(self, element: Element) -> dict[str, np.ndarray]:
        """Return the plain properties of the next element (its lists are passed over)."""
        if not element.plain:
            return self._walked(element)[0]
        lines = self._take(element)
        width = len(element.properties)
        values = self._numbers(element, lines)
        if len(values) != element.n * width or any(len(line.split()) != width for line in lines):
            row = next(i for i, line in enumerate(lines) if len(line.split()) != width)
            raise self._wrong(element, row, f"{width} numbers per {element.name}", lines[row])
        table = values.reshape(element.n, width)
        return {p.name: _cast(table[:, i], p.type) for i, p in enumerate(element.properties)}

    def lists(self, element: Element, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return lengths [n] and all entries of one list property, one after the other."""
        if len(element.properties) == 1:
            at = self.at
            lines = self._take(element)
            values = self._numbers(element, lines)
            if element.n and len(values) % element.n == 0:
                table = values.reshape(element.n, -1)
                length = table.shape[1] - 1
                if (table[:, 0] == length).all():
                    return np.full(element.n, length, np.int64), table[:, 1:].astype(np.int64).ravel()
            self.at = at
        return self._walked(element)[1][name]

    def _walked(self, element: Element) -> tuple[dict[str, np.ndarray], dict[str, tuple[np.ndarray, np.ndarray]]]:
        lines = self._take(element)
        plain: dict[str, list[float]] = {p.name: [] for p in element.properties if not p.count}
        lists: dict[str, tuple[list[int], list[float]]] = {p.name: ([], []) for p in element.properties if p.count}
        for row, line in enumerate(lines):
            try:
                words = [float(word) for word in line.split()]
                at = 0
                for p in element.properties:
                    if p.count:
                        length = int(words[at])
                        items = words[at + 1 : at + 1 + length]
                        if len(items) != length:
                            raise IndexError
                        lists[p.name][0].append(length)
                        lists[p.name][1].extend(items)
                        at += 1 + length
                    else:
                        plain[p.name].append(words[at])
                        at += 1
            except (ValueError, IndexError):
                raise self._wrong(element, row, f"one complete {element.name}", line) from None
        types = {p.name: p.type for p in element.properties}
        return (
            {name: _cast(np.array(values, np.float64), types[name]) for name, values in plain.items()},
            {name: (np.array(n, np.int64), np.array(v, np.float64).astype(np.int64)) for name, (n, v) in lists.items()},
        )

    def skip(self, element: Element) -> None:
        """Pass over an element."""
        self._take(element)


def _cast(values: np.ndarray, kind: str) -> np.ndarray:
    if kind[0] != "f":
        values = np.nan_to_num(values, nan=0.0)
    return values.astype(kind)


def write_ply(
    path: Path,
    columns: Mapping[str, np.ndarray],
    faces: np.ndarray | None = None,
    comments: Sequence[str] = (),
) -> None:
    """Write per-vertex columns (each [n]) and faces int [F, 3] as a binary little-endian PLY.

    64-bit integers are written as double, bool as uchar; a column [n, k] becomes k properties `name_0` … .
    """
    flat: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        parts = (
            {name: values}
            if values.ndim == 1
            else {f"{name}_{i}": v for i, v in enumerate(values.reshape(len(values), -1).T)}
        )
        for key, part in parts.items():
            flat[re.sub(r"\s+", "_", key)] = part
    table = np.empty(
        len(next(iter(flat.values()), ())), np.dtype([(name, "<" + _ply_type(values)) for name, values in flat.items()])
    )
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment {line}" for text in comments for line in text.splitlines()]
    lines += [f"element vertex {len(table)}"]
    for name, values in flat.items():
        table[name] = values
        lines.append(f"property {NAMES[_ply_type(values)]} {name}")
    if faces is not None:
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    with open(path, "wb") as file:
        file.write(("\n".join([*lines, "end_header"]) + "\n").encode("utf-8"))
        file.flush()
        table.tofile(file)
        if faces is not None:
            rows = np.empty(len(faces), np.dtype([("n", "u1"), ("corners", "<i4", (3,))]))
            rows["n"], rows["corners"] = 3, faces
            rows.tofile(file)


def _ply_type(values: np.ndarray) -> str:
    kind = values.dtype
    if kind == np.bool_:
        return "u1"
    if kind == np.float16:
        return "f4"
    name = kind.str[1:]
    if name in NAMES:
        return name
    if kind.kind in "iuf":
        return "f8"
    raise InputError(f"cannot write a column of type {kind} to PLY; use .npz")
