"""A coloured mesh as GLB for the browser: colours as they are, without lamps, seen from both sides."""

import json
import struct

import numpy as np


def mesh_glb(points: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> bytes:
    """Return a GLB of points float32 [n, 3], faces int [F, 3] and colours uint8 [n, 3] (sRGB), unlit.

    Vertex colours are linear in glTF 2.0 (section 3.7.2.1), so they are stored with 16 bits.
    """
    share = colors.astype(np.float32) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    color = np.full((len(points), 4), 65535, np.uint16)
    color[:, :3] = np.rint(linear * 65535)
    blobs = [points.astype("<f4").tobytes(), color.astype("<u2").tobytes(), faces.astype("<u4").tobytes()]
    offsets = np.cumsum([0, *map(len, blobs)]).tolist()
    views = [
        {"buffer": 0, "byteOffset": offset, "byteLength": len(blob), "target": target}
        for offset, blob, target in zip(offsets[:-1], blobs, (34962, 34962, 34963), strict=True)
    ]
    kinds = [
        {"componentType": 5126, "type": "VEC3", "count": len(points)}
        | {"min": points.min(0).tolist(), "max": points.max(0).tolist()},
        {"componentType": 5123, "type": "VEC4", "count": len(points), "normalized": True},
        {"componentType": 5125, "type": "SCALAR", "count": faces.size},
    ]
    head = {
        "asset": {"version": "2.0", "generator": "saymask"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "buffers": [{"byteLength": offsets[-1]}],
        "bufferViews": views,
        "accessors": [{"bufferView": i, **kind} for i, kind in enumerate(kinds)],
        "materials": [{"doubleSided": True, "extensions": {"KHR_materials_unlit": {}}}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}, "indices": 2, "material": 0}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(blobs)  # of whole words: 12, 8 and 4 bytes a row
    total = 12 + 8 + len(text) + 8 + len(body)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, total),
            struct.pack("<I4s", len(text), b"JSON"), text,
            struct.pack("<I4s", len(body), b"BIN\0"), body,
        ]
    )  # fmt: skip
