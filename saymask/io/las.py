"""LAS and LAZ (ASPRS), all dimensions kept; needs the extra `las` (laspy with the lazrs decompressor)."""

import re
import struct
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import finite_rows
from saymask.io.cloud import Cloud, missing_extra, truncated
from saymask.io.color_range import to_uint8

SIZES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)
"""Bytes of a record in each point format."""
MOST_COMPRESSED = 60
"""Points per byte that LAZ can reach (equal ones); a header that claims more is damaged."""


def read_las(path: Path) -> Cloud:
    """Read LAS or LAZ; x, y, z come scaled in float64. Raises InputError for damaged files."""
    try:
        import laspy
    except ImportError:
        raise missing_extra(path, "laspy", "las") from None
    try:
        _check_header(path)
        with laspy.open(path) as reader:
            expected = reader.header.point_count
            if reader.header.are_points_compressed and not _check_chunks(path, reader.header):
                reader.laz_backend = laspy.LazBackend.Lazrs
            data = reader.read()
    except InputError:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # laspy, lazrs and struct raise a dozen types; a panic of lazrs is no Exception
        raise truncated(
            path,
            "a readable LAS/LAZ file",
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no points'}",
        ) from None
    if len(data.points) != expected:
        raise truncated(path, f"{expected:,} points", f"only {len(data.points):,}")
    columns: dict[str, np.ndarray] = {axis: np.asarray(data[axis], np.float64) for axis in "xyz"}
    for name in data.point_format.dimension_names:
        if name not in ("X", "Y", "Z"):
            columns[name] = np.array(data[name])
    points = np.stack([columns[axis] for axis in "xyz"], 1)
    colors = None
    if "red" in columns:
        rgb = np.stack([columns[c] for c in ("red", "green", "blue")], 1)
        if rgb.any():  # formats with colour are often written without any
            colors = to_uint8(rgb)
    unit = _linear_unit(data.header)
    return Cloud("las", points, columns, colors=colors, unit=unit, up="z", extra={"header": data.header})


def _linear_unit(header: Any) -> str:
    """Return the unit that the coordinate system in a LAS header states, metres where it states none.

    WKT names the factor of its unit of length; GeoTIFF keys have it under ProjLinearUnitsGeoKey (3076).
    """
    for record in header.vlrs:
        if hasattr(record, "geo_keys"):
            codes = {key.id: key.value_offset for key in record.geo_keys}
            if codes.get(3076) in (9002, 9003):
                return "ft"
        for factor in re.findall(r'UNIT\[\s*"[^"]*"\s*,\s*([0-9.eE+-]+)', str(getattr(record, "string", ""))):
            with suppress(ValueError):
                if 0.3047 < float(factor) < 0.3049:  # international and US survey foot; degrees are 0.01745
                    return "ft"
    return "m"


def _fits(dimension: "laspy.DimensionInfo", values: np.ndarray) -> bool:  # type: ignore[name-defined]  # noqa: F821
    """Say whether a column of another format can be what LAS calls by its name."""
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        return False
    if str(dimension.kind).endswith("FloatingPoint"):
        return True
    whole = values.dtype.kind != "f"
    return whole and (not len(values) or dimension.min <= int(values.min()) <= int(values.max()) <= dimension.max)


def _dimension_name(name: str, taken: Collection[str]) -> str:
    """Return a name of at most 32 bytes that is like `name` and not taken, without what LAS cuts it at."""
    plain = "".join(c for c in name if c.isprintable()).strip() or "column"
    short, number = plain.encode()[:32].decode(errors="ignore"), 1
    while short in taken:
        number += 1
        short = f"{plain.encode()[:28].decode(errors='ignore')}_{number}"
    return short


def _check_header(path: Path) -> None:
    """Compare the header with the file before a compiled reader believes it and reserves memory for it."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(375)
    if head[:4] != b"LASF":
        raise InputError(
            f"{path.name}: expected a LAS/LAZ file starting with 'LASF', got something else; check the suffix"
        )
    if len(head) < 227:
        raise truncated(path, "a LAS header of 227 bytes", f"{len(head)}")
    major, minor = head[24], head[25]
    length, start, records, kind, width, count = struct.unpack_from("<HIIBHI", head, 94)
    if (major, minor) >= (1, 4) and len(head) >= 255:
        count = max(count, struct.unpack_from("<Q", head, 247)[0])
    if major != 1 or minor > 4 or not 227 <= length <= start <= size:
        raise truncated(
            path, "a LAS 1.0 to 1.4 header that fits the file", f"version {major}.{minor}, points at {start:,}"
        )
    if records * 54 > start - length:
        raise truncated(path, f"{records:,} variable length records before byte {start:,}", "too little room for them")
    if (kind & 63) > 10 or width < SIZES[kind & 63]:
        raise truncated(path, f"records of point format {kind & 63}", f"{width} bytes each")
    most = (size - start) * MOST_COMPRESSED if kind & 192 else (size - start) // width
    if count > most:
        raise truncated(
            path, f"{count:,} points as the header says", f"{size - start:,} bytes, at most {most:,} points"
        )
    if (major, minor) >= (1, 4) and len(head) >= 247:
        at, extended = struct.unpack_from("<QI", head, 235)
        if extended and at + 60 * extended > size:
            raise truncated(path, f"{extended:,} extended records from byte {at:,} on", f"{size:,} bytes")
    numbers = np.frombuffer(head, "<f8", 6, 131)
    if not np.isfinite(numbers).all() or (numbers[:3] == 0).any():
        raise truncated(path, "finite scales other than 0 in the header", str(numbers[:3].tolist()))


def _check_chunks(path: Path, header: "laspy.LasHeader") -> bool:  # type: ignore[name-defined]  # noqa: F821
    """Compare the tables of a LAZ with the file: its decoder reserves what they claim, and ends the process.

    Return whether several chunks can be decoded at once, for which the decoder reserves them whole.
    """
    try:
        import lazrs
    except ImportError:
        raise missing_extra(path, "lazrs", "las") from None
    record: bytes = header.vlrs[header.vlrs.index("LasZipVlr")].record_data
    start, size, count = header.offset_to_point_data, path.stat().st_size, header.point_count
    vlr = lazrs.LazVlr(record)  # pyright: ignore[reportAttributeAccessIssue] - a compiled module
    width = vlr.item_size()
    if record[0] not in (2, 3) or width != header.point_format.size:
        raise truncated(path, f"LAZ in chunks of points of {header.point_format.size} bytes", f"{width} bytes")
    with open(path, "rb") as file:

        def numbers(at: int, layout: str) -> tuple[int, ...]:
            file.seek(at)
            data = file.read(struct.calcsize(layout))
            if at < start or len(data) < struct.calcsize(layout):
                raise truncated(path, "the tables of a LAZ file within it", f"one at byte {at:,}")
            return struct.unpack(layout, data)

        table = numbers(start, "<q")[0]
        if table == -1:  # written to a stream, which puts the place at the end
            table = numbers(size - 8, "<q")[0]
        chunks = numbers(table, "<II")[1] if table > start else -1
        if not 0 <= chunks * width <= size:
            raise truncated(path, "a table of chunks that fits the file", f"{chunks:,} chunks from byte {table:,} on")
        file.seek(start)
        listed = lazrs.read_chunk_table(file, vlr)  # pyright: ignore[reportAttributeAccessIssue]
        at = start + 8
        if sum(n for n, _ in listed) < count or sum(n for _, n in listed) > table - at:
            raise truncated(path, f"chunks of {count:,} points within {table - at:,} bytes", "others")
        if record[0] == 3:  # every chunk says how long the layers of its points are
            layers = _layers(record)
            for _, length in listed:
                sizes = numbers(at + width, f"<{1 + layers}I")
                if sum(sizes[1:]) + width + 4 * len(sizes) > length:
                    raise truncated(path, f"layers within a chunk of {length:,} bytes", f"{sum(sizes[1:]):,} bytes")
                at += length
    return all(n <= count for n, _ in listed)


def _layers(record: bytes) -> int:
    """Return how many layers a chunk has, from the items of a LAZ record: type, size and version of each."""
    items = [struct.unpack_from("<HH", record, at) for at in range(34, len(record) - 5, 6)]
    return sum({10: 9, 11: 1, 12: 2, 13: 1, 14: size}.get(kind, 0) for kind, size in items)


def write_las(path: Path, columns: dict[str, np.ndarray], points: np.ndarray, header: object | None = None) -> None:
    """Write columns (each [n]) as LAS, compressed where the suffix is .laz; `points` are float64 [n, 3].

    With the `header` of a LAS file its point format, scale, offset and records are kept, and only columns that it does
    not know become extra dimensions. Names are cut to the 32 bytes that LAS allows.
    """
    try:
        import laspy
    except ImportError:
        raise missing_extra(path, "laspy", "las") from None
    given = isinstance(header, laspy.LasHeader)
    if isinstance(header, laspy.LasHeader):
        old = header
        header = laspy.LasHeader(version=old.version, point_format=old.point_format)
        header.scales, header.offsets, header.vlrs = old.scales, old.offsets, old.vlrs
        header.system_identifier = old.system_identifier
        header.global_encoding.wkt = old.global_encoding.wkt
    else:
        header = laspy.LasHeader(version="1.4", point_format=7)
        finite = points[finite_rows(points)]
        header.offsets = np.floor(finite.min(0)) if len(finite) else np.zeros(3)
        span = float(np.ptp(finite, axis=0).max()) if len(finite) else 1.0
        header.scales = np.full(3, max(1e-4, span / 2e9))
    known = {
        name for name in header.point_format.dimension_names
        if given or (name in columns and _fits(header.point_format.dimension_by_name(name), columns[name]))
    }  # fmt: skip
    extra: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        if name in known or name in ("x", "y", "z"):
            continue
        if values.dtype == np.bool_:
            values = values.astype(np.uint8)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.dtype.kind not in "iuf" or values.ndim > 2 or (values.ndim == 2 and not 2 <= values.shape[1] <= 3):
            continue  # LAS has no type for it
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        extra[_dimension_name(name, {*extra, *header.point_format.dimension_names})] = values
    for name, values in extra.items():
        kind = values.dtype.str[1:] if values.ndim == 1 else f"{values.shape[1]}{values.dtype.str[1:]}"
        header.add_extra_dim(laspy.ExtraBytesParams(name=name, type=kind))
    data = laspy.LasData(header)
    whole = finite_rows(points)[:, None]
    safe = np.where(whole, points, header.offsets)  # LAS holds integers, it cannot say NaN
    data.x, data.y, data.z = safe[:, 0], safe[:, 1], safe[:, 2]
    for name, values in columns.items():
        if name in known and name not in ("X", "Y", "Z"):
            if name in ("red", "green", "blue") and values.dtype == np.uint8:
                values = values.astype(np.uint16) * 257
            data[name] = values
    for name, values in extra.items():
        data[name] = values
    compress = path.suffix.lower() == ".laz"
    # names in a header should be ASCII, and are not always: letters that are none are left as they came
    options: dict[str, Any] = {"encoding_errors": "ignore"}
    with laspy.open(path, mode="w", header=header, do_compress=compress, **options) as writer:
        writer.write_points(data.points)
