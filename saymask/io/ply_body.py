"""The body of a PLY file: elements with numbers and lists, in ascii and binary, to arrays and back to bytes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.cloud import truncated

Lists = tuple[np.ndarray, np.ndarray]
"""Lengths int64 [n] and all entries in a row, in the type of the file."""


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


@dataclass
class Table:
    """The values of an element: its plain properties [n] and its lists, by name."""

    element: Element
    plain: dict[str, np.ndarray] = field(default_factory=dict)
    lists: dict[str, Lists] = field(default_factory=dict)


class Binary:
    """The body of a binary file, read element by element."""

    def __init__(self, path: Path, data: bytes, start: int, order: str) -> None:
        self.path, self.data, self.at, self.order = path, data, start, order

    def read(self, element: Element) -> Table:
        """Return the next element; raise InputError where the file ends too early."""
        names = [p.name for p in element.properties]
        if len(set(names)) != len(names):
            raise InputError(f"{self.path.name}: two properties of '{element.name}' share a name; export it again")
        if not element.n or not names:
            return _empty(element)
        return self._equal(element) or self._walked(element)

    def _equal(self, element: Element) -> Table | None:
        """Read rows whose lists all have the lengths of the first row (a triangle mesh); None where they differ."""
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        offset, lengths = self.at, {}
        for i, p in enumerate(element.properties):
            if not p.count:
                fields.append((f"v{i}", self.order + p.type))
                offset += np.dtype(p.type).itemsize
                continue
            size = np.dtype(p.count).itemsize
            if offset + size > len(self.data):
                return None
            length = int(np.frombuffer(self.data, self.order + p.count, 1, offset)[0])
            if length < 0 or length > len(self.data):
                return None
            lengths[i] = length
            fields += [(f"n{i}", self.order + p.count), (f"v{i}", self.order + p.type, (length,))]
            offset += size + length * np.dtype(p.type).itemsize
        kind = np.dtype(fields)
        have = (len(self.data) - self.at) // kind.itemsize
        if have < element.n:
            if element.plain:
                raise truncated(
                    self.path, f"{element.n:,} {element.name} rows of {kind.itemsize} bytes", f"only {have:,}"
                )
            return None
        table = np.frombuffer(self.data, kind, element.n, self.at)
        if not all((table[f"n{i}"] == length).all() for i, length in lengths.items()):
            return None
        self.at += element.n * kind.itemsize
        out = Table(element)
        for i, p in enumerate(element.properties):
            values = np.ascontiguousarray(table[f"v{i}"], np.dtype(p.type))
            if p.count:
                out.lists[p.name] = np.full(element.n, lengths[i], np.int64), values.ravel()
            else:
                out.plain[p.name] = values
        return out

    def _walked(self, element: Element) -> Table:
        """Walk through rows of varying size."""
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
        out = Table(element)
        for i, p in enumerate(element.properties):
            number = lengths[:, i]
            first = np.repeat(starts[:, i], number)
            where = first + _inside(number) * sizes[i]
            items = raw[where[:, None] + np.arange(sizes[i])].reshape(-1).view(self.order + p.type)
            items = items.astype(items.dtype.newbyteorder("="))
            if p.count:
                out.lists[p.name] = number, items
            else:
                out.plain[p.name] = items
        return out


class Ascii:
    """The body of an ascii file, one row per line."""

    def __init__(self, path: Path, data: bytes, start: int) -> None:
        self.path = path
        self.lines = [line for line in data[start:].splitlines() if line and not line.isspace()]
        self.at = 0
        self.first_line = data[:start].count(b"\n") + 1

    def _wrong(self, element: Element, row: int, expected: str, line: bytes) -> InputError:
        number = self.first_line + self.at - element.n + row
        shown = line[:60].decode("latin-1").strip()
        return InputError(f"{self.path.name}: line {number}: expected {expected}, got {shown!r}; export it again")

    def read(self, element: Element) -> Table:
        """Return the next element; raise InputError that names the line which is to blame."""
        if not element.n or not element.properties:
            return _empty(element)
        lines = self.lines[self.at : self.at + element.n]
        if len(lines) < element.n:
            raise truncated(self.path, f"{element.n:,} {element.name} lines", f"only {len(lines):,}")
        self.at += element.n
        return self._equal(element, lines) or self._walked(element, lines)

    def _equal(self, element: Element, lines: list[bytes]) -> Table | None:
        """Read rows that all have as many numbers as the first; None where they differ or are no numbers."""
        try:
            first = [float(word) for word in lines[0].split()]
            values = np.array(b" ".join(lines).split(), dtype=np.float64)
        except ValueError:
            return None
        columns: list[tuple[Property, int, int]] = []
        at, fixed = 0, {}
        for p in element.properties:
            length = 1
            if p.count:
                if at >= len(first) or not 0 <= first[at] <= len(first):
                    return None
                length = int(first[at])
                fixed[at] = length
                at += 1
            columns.append((p, at, length))
            at += length
        if at != len(first) or len(values) != at * len(lines) or any(len(line.split()) != at for line in lines):
            return None
        table = values.reshape(-1, at)
        if not all((table[:, k] == length).all() for k, length in fixed.items()):
            return None
        out = Table(element)
        for p, at, length in columns:
            part = _cast(table[:, at : at + length], p.type)
            if p.count:
                out.lists[p.name] = np.full(element.n, length, np.int64), part.ravel()
            else:
                out.plain[p.name] = part[:, 0]
        return out

    def _walked(self, element: Element, lines: list[bytes]) -> Table:
        plain: dict[str, list[float]] = {p.name: [] for p in element.properties if not p.count}
        lists: dict[str, tuple[list[int], list[float]]] = {p.name: ([], []) for p in element.properties if p.count}
        width = len(element.properties)
        whole = f"{width} numbers per {element.name}" if element.plain else f"one complete {element.name}"
        for row, line in enumerate(lines):
            words = line.split()
            try:
                numbers = [float(word) for word in words]
            except ValueError:
                raise self._wrong(element, row, "numbers", line) from None
            try:
                at = 0
                for p in element.properties:
                    if p.count:
                        length = int(numbers[at])
                        items = numbers[at + 1 : at + 1 + length]
                        if length < 0 or len(items) != length:
                            raise IndexError
                        lists[p.name][0].append(length)
                        lists[p.name][1].extend(items)
                        at += 1 + length
                    else:
                        plain[p.name].append(numbers[at])
                        at += 1
                if at < len(numbers) and element.plain:
                    raise IndexError
            except (ValueError, IndexError, OverflowError):
                raise self._wrong(element, row, whole, line) from None
        types = {p.name: p.type for p in element.properties}
        return Table(
            element,
            {name: _cast(np.array(values, np.float64), types[name]) for name, values in plain.items()},
            {n: (np.array(k, np.int64), _cast(np.array(v, np.float64), types[n])) for n, (k, v) in lists.items()},
        )


def _empty(element: Element) -> Table:
    nothing = np.zeros(0, np.int64)
    return Table(
        element,
        {p.name: np.zeros(element.n, p.type) for p in element.properties if not p.count},
        {p.name: (nothing, np.zeros(0, p.type)) for p in element.properties if p.count},
    )


def _cast(values: np.ndarray, kind: str) -> np.ndarray:
    if kind[0] != "f":
        values = np.nan_to_num(values, nan=0.0)
    return values.astype(kind)


def _inside(number: np.ndarray) -> np.ndarray:
    """Return 0, 1, … within each of the runs of the given lengths."""
    return np.arange(int(number.sum())) - np.repeat(np.cumsum(number) - number, number)


def encode(table: Table) -> bytes:
    """Return the rows of an element as binary little-endian bytes."""
    element = table.element
    if element.plain:
        rows = np.empty(element.n, np.dtype([(p.name, "<" + p.type) for p in element.properties]))
        for name, values in table.plain.items():
            rows[name] = values
        return rows.tobytes()
    size = np.zeros(element.n, np.int64)
    for p in element.properties:
        item = np.dtype(p.type).itemsize
        size += np.dtype(p.count).itemsize + table.lists[p.name][0] * item if p.count else item
    out = np.empty(int(size.sum()), np.uint8)
    at = np.cumsum(size) - size

    def put(where: np.ndarray, values: np.ndarray, kind: str) -> None:
        width = np.dtype(kind).itemsize
        raw = np.ascontiguousarray(values, "<" + kind).view(np.uint8).reshape(-1, width)
        for byte in range(width):
            out[where + byte] = raw[:, byte]

    for p in element.properties:
        width = np.dtype(p.type).itemsize
        if not p.count:
            put(at, table.plain[p.name], p.type)
            at = at + width
            continue
        number, values = table.lists[p.name]
        put(at, number, p.count)
        at = at + np.dtype(p.count).itemsize
        put(np.repeat(at, number) + _inside(number) * width, values, p.type)
        at = at + number * width
    return out.tobytes()
