"""OBJ (Wavefront): vertices in the order of the file, faces with the texture coordinates and material of each corner.

Source: Wavefront, "Advanced Visualizer Manual", appendix B (Object files).
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.beside import find_beside
from saymask.io.cloud import read_bytes, truncated
from saymask.io.mtl import read_mtl
from saymask.io.polygons import triangulate
from saymask.io.surface import Material, Surface


@dataclass
class _Lines:
    """The lines of a file by kind, and where the material and the group change."""

    v: list[bytes] = field(default_factory=list)
    vt: list[bytes] = field(default_factory=list)
    f: list[bytes] = field(default_factory=list)
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)  # face with negative indices -> v and vt before it
    materials: list[tuple[int, str]] = field(default_factory=list)  # from this face on
    groups: list[tuple[int, str]] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)


def read_obj(path: Path) -> Surface:
    """Read an OBJ file; one without faces gives points. Raises InputError for damaged files."""
    data = read_bytes(path)
    if not re.search(rb"(?m)^\s*v\s", data):
        raise InputError(f"{path.name}: expected an OBJ file with 'v x y z' lines, got none; check the suffix")
    if b"\\\n" in data or b"\\\r\n" in data:
        data = data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
    lines = _sort(data)
    table = _table(path, "v", lines.v, 3)
    coords = _table(path, "vt", lines.vt, 1)
    points = table[:, :3]
    colors = table[:, -3:] if table.shape[1] in (6, 7) else None
    counts, corners = _corners(path, lines)
    for k, size, what in ((0, len(points), "vertices"), (1, len(coords), "texture coordinates")):
        column = corners[:, k]
        if len(column) and (column.max() >= size or column.min() < (0 if k == 0 else -1)):
            raise truncated(path, f"indices of {size:,} {what}", f"{column.max() + 1:,}")
    triangles = triangulate(counts, np.arange(len(corners)))
    face_of = np.repeat(np.arange(len(counts)), counts)[triangles[:, 0]]
    surface = Surface(points, corners[triangles, 0])
    head = re.findall(rb"(?m)^\s*#(.*)", data[:5000])
    surface.comments = b"\n".join(head).decode("latin-1")
    if colors is not None:
        top = float(np.nanmax(colors, initial=0))
        surface.vertex_colors = (colors * (255.0 if top <= 1.0 else 1.0)).astype(np.float32)
    if len(coords):
        pairs = np.full((len(coords) + 1, 2), np.nan, np.float32)  # the last row is that of corners without one
        pairs[:-1, : min(2, coords.shape[1])] = coords[:, :2]
        if coords.shape[1] == 1:
            pairs[:-1, 1] = 0
        surface.uv = pairs[corners[triangles, 1]]
    if len(lines.groups) > 1:
        surface.part = _runs(lines.groups, len(counts))[0][face_of]
    _attach(path, surface, lines, face_of, len(counts))
    return surface


def _sort(data: bytes) -> _Lines:
    out = _Lines()
    names = (b"usemtl", b"mtllib")
    for line in data.splitlines():
        head = line[:2]
        if head == b"v ":
            out.v.append(line[2:])
        elif head == b"vt":
            out.vt.append(line[2:])
        elif head == b"f ":
            if b"-" in line:
                out.seen[len(out.f)] = len(out.v), len(out.vt)
            out.f.append(line[2:])
        elif head in (b"vn", b"# ", b""):
            continue
        else:
            key, _, rest = line.strip().replace(b"\t", b" ").partition(b" ")
            if key == b"v":
                out.v.append(rest)
            elif key == b"vt":
                out.vt.append(rest)
            elif key == b"f":
                if b"-" in rest:
                    out.seen[len(out.f)] = len(out.v), len(out.vt)
                out.f.append(rest)
            elif key in (b"o", b"g"):
                out.groups.append((len(out.f), rest.strip().decode("utf-8", "replace")))
            elif key in names:
                text = _decoded(rest.strip())
                if key == b"mtllib":
                    out.libraries.append(text)
                else:
                    out.materials.append((len(out.f), text))
    return out


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _table(path: Path, key: str, rows: list[bytes], least: int) -> np.ndarray:
    """Return the numbers of lines of one kind, float64 [n, width]; shorter lines are filled up with NaN."""
    if not rows:
        return np.zeros((0, 3))
    if any(b"#" in row for row in rows):
        rows = [row.split(b"#")[0] for row in rows]
    width = len(rows[0].split())
    text = b"\n".join(rows)
    if width >= least and re.fullmatch(rb"[-+.\deE\s]*", text):
        try:
            flat = np.fromstring(text.decode("ascii"), sep=" ")
        except ValueError:  # the slow way finds the line that is to blame
            flat = np.zeros(0)
        if len(flat) == width * len(rows) and len(rows[-1].split()) == width:
            return flat.reshape(-1, width)
    table = np.full((len(rows), max(8 if key == "v" else 3, width)), np.nan)
    wide = least
    for i, row in enumerate(rows):
        words = row.split()
        try:
            values = [float(word) for word in words[: table.shape[1]]]
            if len(values) < least:
                raise ValueError
        except ValueError:
            raise truncated(
                path, f"{key} line {i + 1:,} with {least} numbers", repr(row[:40].decode("latin-1"))
            ) from None
        table[i, : len(values)] = values
        wide = max(wide, len(values))
    return table[:, :wide]


def _corners(path: Path, lines: _Lines) -> tuple[np.ndarray, np.ndarray]:
    """Return corners per face [n] and, for all of them in a row, vertex and texture rows from 0 (-1 = none), [C, 2]."""
    rows = lines.f
    if not rows:
        return np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
    text = b"\n".join(rows)
    if not lines.seen and re.fullmatch(rb"[\d/\s]*", text):
        counts = np.fromiter((len(row.split()) for row in rows), np.int64, len(rows))
        slashes = rows[0].split()[0].count(b"/") if rows[0].split() else 0
        try:
            flat = np.fromstring(text.replace(b"//", b" 0 ").replace(b"/", b" ").decode("ascii"), np.int64, sep=" ")
        except ValueError:
            flat = np.zeros(0, np.int64)
        total = int(counts.sum())
        if text.count(b"/") == slashes * total and len(flat) == (slashes + 1) * total:
            table = flat.reshape(total, slashes + 1) - 1
            none = np.full(total, -1, np.int64)
            return counts, np.stack([table[:, 0], table[:, 1] if slashes else none], 1)
    counts, corners = np.zeros(len(rows), np.int64), []
    for i, row in enumerate(rows):
        before = lines.seen.get(i, (0, 0))
        try:
            for word in row.split(b"#")[0].split():
                numbers = [int(part) if part else 0 for part in word.split(b"/")[:2]]
                numbers = (*numbers, 0)[:2]
                if max(map(abs, numbers)) > 2**40:
                    raise ValueError
                corners.append([v - 1 if v > 0 else b + v if v < 0 else -1 for v, b in zip(numbers, before)])
                counts[i] += 1
        except ValueError:
            raise truncated(path, f"face {i + 1:,} with whole numbers", repr(row[:40].decode("latin-1"))) from None
    table = np.array(corners, np.int64).reshape(-1, 2)
    if len(table) and table[:, 1].min() < -1:
        raise truncated(path, "indices of texture coordinates", f"{table[:, 1].min()}")
    return counts, table


def _runs(changes: list[tuple[int, str]], n: int) -> tuple[np.ndarray, list[str]]:
    """Return the row of the name in force at each of n faces, int32 [n] (-1 before the first), and the names."""
    names = list(dict.fromkeys(name for _, name in changes))
    rank = {name: i for i, name in enumerate(names)}
    starts = np.array([start for start, _ in changes] + [n])
    values = np.array([rank[name] for _, name in changes], np.int32)
    return np.concatenate([np.full(starts[0], -1, np.int32), np.repeat(values, np.diff(starts))]), names


def _attach(path: Path, surface: Surface, lines: _Lines, face_of: np.ndarray, n: int) -> None:
    """Give the faces their materials from the MTL files, and say which are not there."""
    library, missing = _library(path, lines.libraries, surface.messages)
    changes = lines.materials
    if not changes and len(library) == 1:
        changes = [(0, next(iter(library)))]
    if not changes or not n:
        return
    rows, names = _runs(changes, n)
    surface.material = rows[face_of]
    surface.materials = [library.get(name, Material(name)) for name in names]
    if missing:
        surface.messages.append(
            f"the material file {', '.join(missing)} is not beside the OBJ: its colours and textures are unknown; "
            "copy it there"
        )
    unknown = sorted({name for name in names if name not in library})
    if unknown and not missing:
        shown = ", ".join(unknown[:3])
        surface.messages.append(f"materials that no MTL file describes: {shown}; their surfaces have no colour")


def _library(path: Path, libraries: list[str], messages: list[str]) -> tuple[dict[str, Material], list[str]]:
    """Return the materials of all MTL files by name, and the files that are not there."""
    found: dict[str, Material] = {}
    missing: list[str] = []
    for text in dict.fromkeys(libraries):
        whole = find_beside(path.parent, text)  # a name with spaces, before several names
        for name in [text] if whole is not None else text.split():
            file = find_beside(path.parent, name)
            if file is None:
                missing.append(re.split(r"[\\/]", name)[-1])
            else:
                found.update({k: v for k, v in read_mtl(file).items() if k not in found})
    own = find_beside(path.parent, path.stem + ".mtl")
    if not found and own is not None:  # files that were renamed together
        found = read_mtl(own)
        if found and missing:
            messages.append(f"{own.name} is taken in place of {', '.join(missing)}")
            missing = []
    return found, missing
