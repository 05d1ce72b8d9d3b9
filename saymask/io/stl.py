"""STL: triangles without shared vertices; the colours that VisCAM and Magics put into the attribute bytes.

Source: 3D Systems, "StereoLithography Interface Specification"; colours as their exporters write them.
"""

import re
import struct
from pathlib import Path

import numpy as np

from saymask.io.cloud import read_bytes, truncated
from saymask.io.surface import Surface

ROW = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(path: Path) -> Surface:
    """Read a binary or text STL; vertices are numbered triangle by triangle. Raises InputError for damaged files."""
    data = read_bytes(path)
    n = struct.unpack_from("<I", data, 80)[0] if len(data) >= 84 else 0
    text = re.match(rb"\s*solid\b[^\0]*?facet", data[:2000])
    if text and len(data) != 84 + 50 * n:  # binary files may begin with `solid` as well
        return _text(path, data)
    if len(data) < 84 or len(data) < 84 + 50 * n:
        raise truncated(path, f"{n:,} triangles in {84 + 50 * n:,} bytes", f"{len(data):,} bytes")
    table = np.frombuffer(data, ROW, n, 84)
    points = table["corners"].reshape(-1, 3).astype(np.float32)
    surface = Surface(points, np.arange(3 * n).reshape(-1, 3))
    surface.comments = data[:80].decode("latin-1")
    surface.face_colors = _colors(data[:80], table["attribute"])
    return surface


def _colors(head: bytes, attribute: np.ndarray) -> np.ndarray | None:
    """Return 5-bit colours of the faces as 0..255, float32 [F, 3], NaN where a face has none; None without any."""
    at = head.find(b"COLOR=")
    parts = [(attribute >> shift & 31).astype(np.float32) * np.float32(255 / 31) for shift in (0, 5, 10)]
    marked = attribute & 0x8000 != 0
    if at >= 0 and at + 10 <= len(head):  # Magics: red in the low bits, a set bit 15 means the colour of the object
        out = np.stack(parts, 1)
        out[marked] = np.frombuffer(head, np.uint8, 3, at + 6)
        return out
    if not marked.any():
        return None
    out = np.stack(parts[::-1], 1)  # VisCAM: blue in the low bits, a set bit 15 means that there is a colour
    out[~marked] = np.nan
    return out


def _text(path: Path, data: bytes) -> Surface:
    tail = data[-200:].lower()
    if b"endsolid" not in tail and b"end solid" not in tail:
        raise truncated(path, "an STL text closed by 'endsolid'", "none at the end")
    rows = re.findall(rb"(?i)vertex\s+(\S+)\s+(\S+)\s+(\S+)", data)
    try:
        points = np.array(rows, np.float64).reshape(-1, 3)
    except ValueError as error:
        raise truncated(path, "vertices of three numbers", str(error)[:80]) from None
    if not len(points) or len(points) % 3:
        raise truncated(path, "three vertices per facet", f"{len(points):,} vertices")
    return Surface(points, np.arange(len(points)).reshape(-1, 3))
