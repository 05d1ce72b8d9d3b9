"""The numbers of a glTF: buffers, buffer views, accessors (sparse and normalized too), Draco-compressed primitives.

Source: Khronos, "glTF 2.0 Specification", sections 3.6 and 4; KHR_draco_mesh_compression; KHR_mesh_quantization.
"""

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.io.beside import find_beside
from saymask.io.cloud import read_bytes, truncated

TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
MOST_EMPTY = 2_000_000
"""Entries of an accessor without data, all zero but for sparse ones."""
SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
DRACO_TYPES = {"POSITION": 0, "NORMAL": 1, "COLOR": 2, "TEXCOORD": 3}
COMPRESSED = ("EXT_meshopt_compression", "KHR_meshopt_compression", "MESHOPT_compression")


class GltfData:
    """A parsed glTF or GLB file; every access is checked and raises InputError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = memoryview(read_bytes(path))  # whose parts are no copies
        self.size = len(data)
        """Bytes of the file, of the buffers that were read, and of what Draco made of them."""
        self.binary = memoryview(b"")
        if path.suffix.lower() == ".glb" or data[:4] == b"glTF":
            data = self._chunks(data)
        try:
            self.json: dict[str, Any] = json.loads(bytes(data).decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise truncated(path, "a glTF text (JSON)", str(error)[:100]) from None
        if not isinstance(self.json, dict):
            raise self.wrong("a JSON object", type(self.json).__name__)
        self._buffers: dict[int, memoryview] = {}
        self._check_version()
        self._draco: dict[int, tuple[list[Any], np.ndarray | None]] = {}

    def _check_version(self) -> None:
        asset = self.json.get("asset")
        version = str(asset.get("version", "")) if isinstance(asset, dict) else ""
        if version.startswith("1"):
            raise InputError(f"{self.path.name}: expected glTF 2.0, got version {version}; convert it to glTF 2.0")
        required = self.json.get("extensionsRequired")
        for name in required if isinstance(required, list) else []:
            if name in COMPRESSED:
                raise self.meshopt()

    def meshopt(self) -> InputError:
        """Return the error for meshopt compression."""
        return InputError(
            f"{self.path.name}: the file is compressed with meshopt (gltfpack -c), which is not read; "
            "export it again without compression, or run gltfpack without -c on the original"
        )

    def _chunks(self, data: memoryview) -> memoryview:
        if data[:4] != b"glTF":
            raise InputError(
                f"{self.path.name}: expected a GLB file starting with 'glTF', got {bytes(data[:4])!r}; check the suffix"
            )
        if len(data) < 20:
            raise truncated(self.path, "a GLB header of 20 bytes", f"{len(data):,}")
        length = struct.unpack_from("<I", data, 8)[0]
        if len(data) < length:
            raise truncated(self.path, f"{length:,} bytes as the header says", f"{len(data):,}")
        at, text = 12, memoryview(b"")
        while at + 8 <= len(data):
            size, kind = struct.unpack_from("<I4s", data, at)
            chunk = data[at + 8 : at + 8 + size]
            if kind == b"JSON" and not text:
                text = chunk
            elif kind == b"BIN\0" and not self.binary:
                self.binary = chunk
            at += 8 + size
        return text

    def wrong(self, expected: str, got: object) -> InputError:
        """Return the error for a file that breaks the format's rules."""
        return truncated(self.path, expected, str(got)[:80])

    def item(self, kind: str, index: object) -> dict[str, Any]:
        """Return entry `index` of a top-level list such as `nodes`."""
        entries = self.json.get(kind)
        if (
            not isinstance(entries, list)
            or not isinstance(index, int)
            or not 0 <= index < len(entries)
            or not isinstance(entries[index], dict)
        ):
            raise self.wrong(f"an entry {index} of '{kind}'", len(entries) if isinstance(entries, list) else "none")
        return entries[index]

    def number(self, owner: dict[str, Any], key: str, default: int | None = None) -> int:
        """Return a count, an offset or an index of `owner`."""
        value = owner.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.wrong(f"a whole number as {key!r}", value)
        return value

    def uri(self, uri: object) -> bytes | Path | None:
        """Return what a URI holds (data:) or the file beside this one, None where that is missing."""
        if not isinstance(uri, str):
            raise self.wrong("a text as 'uri'", uri)
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            try:
                return base64.b64decode(body) if head.endswith(";base64") else body.encode("latin-1")
            except (binascii.Error, UnicodeEncodeError) as error:
                raise self.wrong("a data URI", error) from None
        return find_beside(self.path.parent, uri)

    def buffer(self, index: int) -> memoryview:
        """Return the bytes of a buffer."""
        if index not in self._buffers:
            entry = self.item("buffers", index)
            if "uri" not in entry:
                if index:
                    raise self.meshopt() if "extensions" in entry else self.wrong("a 'uri' of the buffer", "none")
                self._buffers[index] = self.binary
            else:
                found = self.uri(entry["uri"])
                if found is None:
                    raise InputError(
                        f"{self.path.name}: expected the buffer {entry['uri']!r} beside it, got no such file; "
                        "copy it there or export one .glb"
                    )
                self._buffers[index] = memoryview(read_bytes(found) if isinstance(found, Path) else found)
                self.size += len(self._buffers[index])
        return self._buffers[index]

    def view(self, index: object) -> tuple[memoryview, int]:
        """Return the bytes of a buffer view and its stride (0 = tightly packed)."""
        entry = self.item("bufferViews", index)
        extensions = entry.get("extensions")
        if isinstance(extensions, dict) and any(name in extensions for name in COMPRESSED):
            raise self.meshopt()
        data = self.buffer(self.number(entry, "buffer"))
        start, size = self.number(entry, "byteOffset", 0), self.number(entry, "byteLength")
        if start + size > len(data):
            raise self.wrong(f"{start + size:,} bytes in the buffer", f"{len(data):,}")
        return data[start : start + size], self.number(entry, "byteStride", 0)

    def _items(self, view: object, start: int, kind: str, n: int, width: int) -> np.ndarray:
        data, stride = self.view(view)
        size = np.dtype(kind).itemsize * width
        stride = stride or size
        if n and (stride < size or start + stride * (n - 1) + size > len(data)):
            raise self.wrong(f"{n:,} entries of {stride} bytes", f"{len(data) - start:,} bytes")
        if not n:
            return np.zeros((0, width), kind)
        if stride == size:
            return np.frombuffer(data, kind, n * width, start).reshape(n, width)
        out = np.ndarray((n, width), kind, data, start, (stride, np.dtype(kind).itemsize))
        return np.ascontiguousarray(out)

    def accessor(self, index: object) -> np.ndarray:
        """Return the values of an accessor [n, width]; normalized ones as float32 in 0..1 or −1..1."""
        entry = self.item("accessors", index)
        kind = self._kind(entry)
        width = SIZES.get(str(entry.get("type")))
        if kind is None or width is None:
            raise self.wrong("a known componentType and type", (entry.get("componentType"), entry.get("type")))
        n = self.number(entry, "count")
        if "bufferView" in entry:
            values = self._items(entry["bufferView"], self.number(entry, "byteOffset", 0), kind, n, width)
        else:
            if n > MOST_EMPTY:
                raise self.wrong("an accessor of the file's size", f"{n:,} entries without data")
            values = np.zeros((n, width), kind)
        sparse = entry.get("sparse")
        if isinstance(sparse, dict):
            values = self._sparse(values, sparse, kind)
        return normalized(values) if entry.get("normalized") is True else values

    @staticmethod
    def _kind(entry: dict[str, Any]) -> str | None:
        code = entry.get("componentType")
        return TYPES.get(code) if isinstance(code, int) else None

    def _sparse(self, values: np.ndarray, sparse: dict[str, Any], kind: str) -> np.ndarray:
        n = self.number(sparse, "count")
        where, what = sparse.get("indices"), sparse.get("values")
        if not isinstance(where, dict) or not isinstance(what, dict) or (kind_of_rows := self._kind(where)) is None:
            raise self.wrong("indices and values of a sparse accessor", "something else")
        rows = self._items(where.get("bufferView"), self.number(where, "byteOffset", 0), kind_of_rows, n, 1)
        rows = rows[:, 0].astype(np.int64)
        if n and (rows.max() >= len(values) or rows.min() < 0):
            raise self.wrong(f"sparse indices below {len(values):,}", f"{rows.max():,}")
        values = values.copy()
        values[rows] = self._items(what.get("bufferView"), self.number(what, "byteOffset", 0), kind, n, values.shape[1])
        return values

    def draco(self, extension: dict[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Return the attributes of a Draco-compressed primitive by name, and its indices."""
        try:
            import DracoPy
        except ImportError:
            raise InputError(
                f"{self.path.name}: the mesh is compressed with Draco, which needs DracoPy: pip install "
                "'saymask[draco]'; or export it again without compression (Blender, 'gltf-pipeline')"
            ) from None
        view = extension.get("bufferView")
        data, _ = self.view(view)
        assert isinstance(view, int)
        if view not in self._draco:  # once, however many primitives name it
            try:
                decoded = DracoPy.decode(bytes(data))
                attributes = list(decoded.attributes)
            except Exception as error:  # the compiled decoder raises its own types
                raise self.wrong("a readable Draco buffer", error) from None
            faces = getattr(decoded, "faces", None)
            corners = None if faces is None or not len(faces) else np.asarray(faces, np.int64).ravel()
            self._draco[view] = attributes, corners
            self.size += sum(np.asarray(a["data"]).nbytes for a in attributes) + (
                0 if corners is None else len(corners)
            )
        attributes, corners = self._draco[view]
        names = extension.get("attributes")
        values: dict[str, np.ndarray] = {}
        for name, i in names.items() if isinstance(names, dict) else ():
            kind, _, number = str(name).partition("_")
            alike = [a for a in attributes if int(a["attribute_type"]) == DRACO_TYPES.get(kind, -1)]
            found = next((a for a in attributes if a["unique_id"] == i), None)
            if alike and all(found is not a for a in alike):  # some exporters number them in their own order
                found = alike[int(number)] if number.isdecimal() and int(number) < len(alike) else alike[0]
            if found is not None:
                values[str(name)] = np.asarray(found["data"]).reshape(len(found["data"]), -1)
        return values, corners


def normalized(values: np.ndarray) -> np.ndarray:
    """Return whole numbers as float32 fractions of their type's largest value (specification 3.6.2.2)."""
    if values.dtype.kind == "f":
        return values
    top = np.iinfo(values.dtype).max
    return np.maximum(values.astype(np.float32) / np.float32(top), -1.0)
