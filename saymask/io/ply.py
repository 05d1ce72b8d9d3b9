"""PLY (Stanford polygon file), ascii and binary of both byte orders, every property and element kept in its own type.

Source: Greg Turk, "The PLY Polygon File Format", 1994; textures as MeshLab writes them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.io.beside import find_beside
from saymask.io.cloud import COLOR_NAMES, Cloud, pick, read_bytes, recognise, stack, truncated
from saymask.io.color_range import to_uint8
from saymask.io.ply_body import Ascii, Binary, Element, Property, Table, encode
from saymask.io.polygons import split_strips, triangulate
from saymask.io.surface import Material, Surface
from saymask.io.textures import Texture
from saymask.io.units import stated_unit

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "bool": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "int64": "i8", "long": "i8", "uint64": "u8",
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
WEDGE_NAMES = ("texcoord", "texcoords", "texture_coordinates")
OURS = "saymask mask_"
VERTEX = ("vertex", "vertices", "point", "points")
UV_NAMES = (
    ("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"),
    ("tex_u", "tex_v"), ("texu", "texv"),
)  # fmt: skip


def read_ply(path: Path) -> Cloud:
    """Read a PLY file; polygons are split into triangles. Raises InputError for anything that is not a whole PLY."""
    data = read_bytes(path)
    order, elements, comments, start = _header(path, data)
    body = Ascii(path, data, start) if order == "" else Binary(path, data, start, order)
    tables = [body.read(element) for element in elements]
    vertex = next(t for t in tables if t.element.name in VERTEX)
    others = [t for t in tables if t is not vertex]
    columns = {(k.lower() if k in ("X", "Y", "Z") else k): v for k, v in vertex.plain.items()}
    missing = [name for name in "xyz" if name not in columns]
    if missing:
        if "packed_position" in columns:
            raise InputError(
                f"{path.name}: expected points, got compressed Gaussian splats (SuperSplat), which are not read; "
                "export them as uncompressed PLY, or convert with 'splat-transform in.compressed.ply out.ply'"
            )
        raise InputError(
            f"{path.name}: expected vertex properties x, y, z, got {', '.join(columns) or 'none'}; "
            f"{', '.join(missing)} missing"
        )
    points = stack(columns, ("x", "y", "z"))
    if points.dtype.kind != "f":
        points = points.astype(np.float64)
    cloud = Cloud("ply", points, columns, extra={"comments": comments, "elements": others})
    cloud.unit = stated_unit("\n".join(c for c in comments if not c.startswith("saymask ")), points)
    if vertex.lists:
        cloud.extra["vertex_lists"] = {p: vertex.lists[p.name] for p in vertex.element.properties if p.count}
    recognise(cloud)
    if "f_dc_0" in columns:
        from saymask.io.splats import without_floaters

        without_floaters(cloud)
    _add_faces(path, cloud, others, comments)
    return cloud


def _add_faces(path: Path, cloud: Cloud, tables: list[Table], comments: list[str]) -> None:
    """Give the cloud its triangles, and the surface that textures and face colours make of them."""
    n = len(cloud.points)
    for table in tables:
        name = _corner_list(table.element)
        if table.element.name not in ("face", "faces", "tristrips") or name is None:
            continue
        counts, corners = table.lists[name]
        corners = corners.astype(np.int64)
        if table.element.name == "tristrips":
            faces = split_strips(counts, corners)
            triangles = None
        else:
            triangles = triangulate(counts, np.arange(len(corners)))
            faces = corners[triangles]
        if len(faces) and (faces.min() < 0 or faces.max() >= n):
            raise InputError(
                f"{path.name}: expected face indices 0..{n - 1}, got {faces.min()}..{faces.max()}; "
                "the faces belong to another file"
            )
        if not len(faces):
            return
        cloud.faces = faces.astype(np.int32)
        if triangles is not None:
            face_of = np.repeat(np.arange(len(counts)), counts)[triangles[:, 0]]
            surface = _surface(path, cloud, table, counts, triangles, face_of, comments)
            if surface is not None:
                cloud.surface = surface
                colors, known = surface.paint_vertices()
                cloud.colors = colors if known.any() else None
        return


def _surface(
    path: Path,
    cloud: Cloud,
    table: Table,
    counts: np.ndarray,
    triangles: np.ndarray,
    face_of: np.ndarray,
    comments: list[str],
) -> Surface | None:
    """Return the triangles [F, 3] with their textures or face colours; None where the vertices say all."""
    assert cloud.faces is not None
    out = Surface(cloud.points, cloud.faces.astype(np.int64))
    if cloud.colors is not None:
        out.vertex_colors = cloud.colors.astype(np.float32)
    colors = pick(table.plain, COLOR_NAMES)
    if colors is not None and cloud.colors is None:
        out.face_colors = to_uint8(stack(table.plain, colors)).astype(np.float32)[face_of]
    files = [m.group(1).strip() for c in comments if (m := re.match(r"(?i)texturefile\s+(.+)", c))]
    wedge = next((v for k, v in table.lists.items() if k.lower() in WEDGE_NAMES), None)
    vertex_uv = pick(cloud.columns, UV_NAMES)
    if files and wedge is not None and (wedge[0] == 2 * counts).all():
        out.uv = wedge[1].reshape(-1, 2)[triangles].astype(np.float32)
    elif files and vertex_uv is not None:
        out.uv = stack(cloud.columns, vertex_uv).astype(np.float32)[cloud.faces]
    elif files:
        cloud.messages.append(f"the texture {files[0]} is named but there are no texture coordinates: it is not used")
    if out.uv is not None:
        out.materials = [_material(path, name) for name in files]
        number = next((v for k, v in table.plain.items() if k.lower() in ("texnumber", "texture_number")), None)
        which = np.zeros(len(counts), np.int32) if number is None else number.astype(np.int32)
        which[(which < 0) | (which >= len(files))] = -1
        out.material = which[face_of]
    return out if out.uv is not None or out.face_colors is not None else None


def _material(path: Path, name: str) -> Material:
    file = find_beside(path.parent, name)
    if file is None:
        return Material(name, missing=re.split(r"[\\/]", name)[-1])
    return Material(name, None, Texture(str(file), file))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


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
    for line in _text(data[: end.start()]).splitlines()[1:]:
        words = line.split()
        try:
            match words:
                case ["format", kind, *_]:
                    order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[kind]
                case ["comment" | "obj_info", *_]:
                    text = line.strip().split(" ", 1)[-1]
                    if text.startswith(OURS) and text.isascii():
                        text = text.encode("ascii").decode("unicode_escape", "replace")
                    comments.append(text)
                case ["element", name, n]:
                    elements.append(Element(name, int(n), []))
                    if int(n) < 0:
                        raise ValueError
                case ["property", "list", count, kind, name]:
                    elements[-1].properties.append(Property(name, TYPES[kind.lower()], TYPES[count.lower()]))
                case ["property", kind, name]:
                    elements[-1].properties.append(Property(name, TYPES[kind.lower()]))
                case []:
                    pass
                case _:
                    raise ValueError
        except (KeyError, ValueError, IndexError):
            raise InputError(
                f"{path.name}: cannot understand the PLY header line {line.strip()!r}; export it again"
            ) from None
    if order is None or not any(e.name in VERTEX for e in elements):
        raise InputError(
            f"{path.name}: expected a PLY header with 'format' and 'element vertex', got neither or one of them"
        )
    return order, elements, comments, end.end()


def _corner_list(element: Element) -> str | None:
    lists = [p.name for p in element.properties if p.count]
    named = [name for name in lists if name in ("vertex_indices", "vertex_index")]
    return next(iter(named or lists), None)


def write_ply(
    path: Path,
    columns: Mapping[str, np.ndarray],
    faces: np.ndarray | None = None,
    comments: Sequence[str] = (),
    *,
    lists: Mapping[Property, tuple[np.ndarray, np.ndarray]] | None = None,
    elements: Sequence[Table] = (),
) -> None:
    """Write per-vertex columns (each [n]) and faces int [F, 3] as a binary little-endian PLY.

    64-bit integers are written as double, bool as uchar; a column [n, k] becomes k properties `name_0` … . `lists` are
    list properties of the vertices, `elements` further elements as they were read. The header is ASCII, as the format
    asks and other readers insist: other letters are written as `\\xe4` or `\\u6905`.
    """
    flat: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        parts = (
            {name: values}
            if values.ndim == 1
            else {f"{name}_{i}": v for i, v in enumerate(values.reshape(len(values), -1).T)}
        )
        for key, part in parts.items():
            flat[_property_name(key, flat)] = part
    n = len(next(iter(flat.values()), ()))
    kinds = {name: _ply_type(values) for name, values in flat.items()}
    vertex = Table(Element("vertex", n, [Property(name, kind) for name, kind in kinds.items()]), flat)
    for p, values in (lists or {}).items():
        vertex.element.properties.append(p)
        vertex.lists[p.name] = values
    tables = [vertex]
    if faces is not None:
        corners = (np.full(len(faces), 3, np.int64), np.asarray(faces, np.int32).ravel())
        element = Element("face", len(faces), [Property("vertex_indices", "i4", "u1")])
        tables.append(Table(element, {}, {"vertex_indices": corners}))
    tables += [_writable(t) for t in elements]
    lines = ["ply", "format binary_little_endian 1.0"]
    for text in comments:
        # ours are written so that they can be read back; the backslashes of others may be paths
        text = text.encode("unicode_escape").decode("ascii") if text.startswith(OURS) else text
        lines += [f"comment {line}" for line in text.splitlines()]
    for table in tables:
        lines.append(f"element {table.element.name} {table.element.n}")
        for p in table.element.properties:
            lines.append(f"property {f'list {NAMES[p.count]} ' if p.count else ''}{NAMES[p.type]} {p.name}")
    with open(path, "wb") as file:
        file.write(("\n".join([*lines, "end_header"]) + "\n").encode("ascii", "backslashreplace"))
        for table in tables:
            file.write(encode(table))


def _property_name(name: str, taken: Mapping[str, object]) -> str:
    """Return a name that a PLY header can hold: ASCII, one word, unlike the others."""
    word = re.sub(r"\s+", "_", name.strip()).encode("ascii", "backslashreplace").decode("ascii").replace("\\", "_")
    word = word or "column"
    unique, i = word, 1
    while unique in taken:
        unique, i = f"{word}_{i}", i + 1
    return unique


def _writable(table: Table) -> Table:
    """Return an element whose types every PLY reader knows: 64-bit integers become double."""
    if all(p.type in NAMES and (not p.count or p.count in NAMES) for p in table.element.properties):
        return table
    wide = [
        Property(p.name, p.type if p.type in NAMES else "f8", "u4" if p.count and p.count not in NAMES else p.count)
        for p in table.element.properties
    ]
    return Table(Element(table.element.name, table.element.n, wide), table.plain, table.lists)


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
