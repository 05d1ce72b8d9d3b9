"""Masks as meshes: GLB with a node and OBJ with a group per mask, the rest as it was, with its textures."""

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.io.mesh_masks import masked_surface
from saymask.io.surface import Material, Surface
from saymask.io.textures import CLAMP, MIRROR, REPEAT, Texture
from saymask.masks import Masks
from saymask.util.files import atomic_path, write_text

FILTERS = {REPEAT: 10497, CLAMP: 33071, MIRROR: 33648}


@dataclass
class Part:
    """The faces of one mask (or the rest) that share a material, with vertices of their own."""

    owner: int  # row of the masks, -1 = the rest
    material: int  # row of the surface's materials, -1 = none
    points: np.ndarray  # [V, 3] in the file's coordinates
    faces: np.ndarray  # int64 [F, 3]
    uv: np.ndarray | None  # float32 [V, 2], v upwards
    colors: np.ndarray | None  # uint8 [V, 3]


def mask_names(masks: Masks) -> list[str]:
    """Return a name for each mask, in one line and each different."""
    names: list[str] = []
    for i, name in enumerate(masks.names):
        plain = " ".join(name.split()) or f"mask {i}"
        same = sum(n == plain or n.rsplit(" ", 1)[0] == plain for n in names)
        names.append(f"{plain} {same + 1}" if plain in names else plain)
    return names


def write_glb(masks: Masks, path: Path, paint: np.ndarray | None) -> None:
    """Write a GLB (metres, y up): one node per mask, in the colours `paint` uint8 [M, 3] or with its own materials."""
    surface, owner = masked_surface(masks)
    scan = masks.scan
    matrix = np.eye(4) if scan.source is None else scan.source.transform
    upright = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) @ matrix[:3, :3], matrix[[0, 2, 1], 3] * [1, 1, -1]
    out = _Glb()
    known: dict[int, int] = {}
    names = [scan.name or "rest", *mask_names(masks)]
    primitives: dict[int, list[dict[str, Any]]] = {}
    for part in parts(surface, owner, paint is not None):
        points = (part.points.astype(np.float64) @ upright[0].T + upright[1]).astype(np.float32)
        attributes = {"POSITION": out.accessor(points, "VEC3", bounds=True)}
        if part.uv is not None:
            attributes["TEXCOORD_0"] = out.accessor(
                part.uv * np.array([1, -1], np.float32) + np.array([0, 1], np.float32), "VEC2"
            )
        if part.colors is not None:  # rows of four bytes: vertices must lie on multiples of four
            opaque = np.concatenate([part.colors, np.full((len(part.colors), 1), 255, np.uint8)], 1)
            attributes["COLOR_0"] = out.accessor(opaque, "VEC4", normalized=True)
        primitive = {"attributes": attributes, "indices": out.accessor(part.faces.astype(np.uint32).ravel(), "SCALAR")}
        if paint is not None and part.owner >= 0:
            primitive["material"] = out.material(names[part.owner + 1], paint[part.owner] / 255.0, None)
        elif part.material >= 0:
            if part.material not in known:
                known[part.material] = out.textured(surface, surface.materials[part.material], part.uv is not None)
            primitive["material"] = known[part.material]
        primitives.setdefault(part.owner, []).append(primitive)
    for i in range(-1, len(masks)):
        about = {} if i < 0 else {"mask": i, "score": round(float(masks.scores[i]), 6)}
        if i >= 0 and masks.labels is not None:
            about["label"] = int(masks.labels[i])
        out.node(names[i + 1], primitives.get(i), about)
    path.write_bytes(out.bytes())


def write_obj(masks: Masks, path: Path, paint: np.ndarray | None) -> None:
    """Write an OBJ in the file's coordinates, one group per mask, and beside it its MTL and images `<stem>_0.png`, …

    The images and the MTL are written first, so that a complete OBJ always finds them.
    """
    surface, owner = masked_surface(masks)
    names = [masks.scan.name or "rest", *mask_names(masks)]
    library = path.with_suffix(".mtl")
    lines = [f"# saymask: {len(masks)} masks", f"mtllib {library.name}"]
    shown: dict[str, list[str]] = {}
    vertex = corner = 0
    for part in sorted(parts(surface, owner, paint is not None), key=lambda p: p.owner):
        material = surface.materials[part.material] if part.material >= 0 else None
        name = f"{part.material}_{_word(material.name)}" if material is not None else "plain"
        if paint is not None and part.owner >= 0:
            name = _word(names[part.owner + 1])
            shown[name] = [f"newmtl {name}", "Kd {:.6f} {:.6f} {:.6f}".format(*(paint[part.owner] / 255.0))]
        elif name not in shown:
            shown[name] = _mtl(path, name, material, len(shown), part.uv is not None)
        lines += [f"o {names[part.owner + 1]}", f"g {names[part.owner + 1]}", f"usemtl {name}"]
        number = "{:.9g}" if part.points.dtype == np.float32 else "{!r}"
        row = " ".join(["v", *[number] * 3, *(["{:.6f}"] * 3 if part.colors is not None else [])])
        values = part.points if part.colors is None else np.concatenate([part.points, part.colors / 255.0], 1)
        lines += [row.format(*v) for v in values.tolist()]
        faces = part.faces + vertex + 1
        vertex += len(part.points)
        if part.uv is None:
            lines += ["f {} {} {}".format(*f) for f in faces.tolist()]
            continue
        lines += ["vt {:.7g} {:.7g}".format(*t) for t in part.uv.tolist()]
        coords = part.faces + corner + 1
        corner += len(part.uv)
        both = np.stack([faces, coords], 2).reshape(-1, 6)
        lines += ["f {}/{} {}/{} {}/{}".format(*f) for f in both.tolist()]
    write_text(library, "\n".join("\n".join(text) for text in shown.values()) + "\n")
    write_text(path, "\n".join(lines) + "\n")


def _word(name: str) -> str:
    """Return a name without spaces, at which many readers of MTL stop."""
    return "_".join(name.split())


def _mtl(path: Path, name: str, material: Material | None, number: int, textured: bool) -> list[str]:
    """Return the lines of a material, its image copied beside the OBJ."""
    color = np.ones(3) if material is None or material.color is None else material.color
    out = [f"newmtl {name}", "Kd {:.6f} {:.6f} {:.6f}".format(*color)]
    image = None if material is None or not textured else _encoded(material.texture)
    if image is not None:
        target = path.with_name(f"{path.stem}_{number}.{image[1]}")
        with atomic_path(target) as temporary:
            temporary.write_bytes(image[0])
        assert material is not None
        clamp = "-clamp on " if material.wrap[0] == CLAMP else ""
        out.append(f"map_Kd {clamp}{target.name}")
    return out


def parts(surface: Surface, owner: np.ndarray, painted: bool) -> Iterator[Part]:
    """Yield the faces by mask and material; of `painted` masks materials and colours do not matter."""
    material = np.full(len(surface.faces), -1) if surface.material is None else surface.material
    if painted:
        material = np.where(owner >= 0, -1, material)
    for mask, row in np.unique(np.stack([owner, material], 1), axis=0).tolist():
        faces = np.flatnonzero((owner == mask) & (material == row))
        plain = painted and mask >= 0
        described = surface.materials[row] if row >= 0 else Material()
        uv = colors = None
        if not plain and surface.uv is not None and described.texture is not None:
            uv = surface.uv[faces] * np.array(described.scale, np.float32) + np.array(described.offset, np.float32)
            uv = np.nan_to_num(uv).reshape(-1, 2)
        if not plain and (uv is None or described.multiplied):  # without multiplication the image alone is shown
            colors = _corner_colors(surface, faces, described)
        yield _part(mask, row, surface.points, surface.faces[faces], uv, colors)


def _corner_colors(surface: Surface, faces: np.ndarray, material: Material) -> np.ndarray | None:
    """Return the colours of the corners uint8 [3 F, 3] where vertices or faces have some."""
    values = np.full((len(faces), 3, 3), np.nan, np.float32)
    if surface.vertex_colors is not None:
        values = surface.vertex_colors[surface.faces[faces]]
    if surface.face_colors is not None:
        values = np.where(np.isnan(values), surface.face_colors[faces][:, None], values)
    if np.isnan(values).all():
        return None
    plain = 255.0 if material.multiplied or material.color is None else material.color * 255
    return np.clip(np.rint(np.where(np.isnan(values), plain, values)), 0, 255).astype(np.uint8).reshape(-1, 3)


def _part(
    owner: int, material: int, points: np.ndarray, faces: np.ndarray, uv: np.ndarray | None, colors: np.ndarray | None
) -> Part:
    """Return a part whose vertices are the different corners (place, image coordinates, colour) of its faces."""
    from saymask.io.kernels import first_rows

    flat = faces.ravel()
    keys = np.zeros((len(flat), 3), np.float32)
    keys[:, 0] = flat  # exact below 2**24
    if uv is not None:
        keys[:, 1:] = uv
    elif colors is not None:
        keys[:, 1] = colors.astype(np.int32) @ [65536, 256, 1]
    if len(points) < 2**24:
        first, place = first_rows(keys, len(keys))
    else:
        first = place = np.arange(len(flat))
    return Part(
        owner, material, points[flat[first]], place.reshape(-1, 3),
        None if uv is None else uv[first], None if colors is None else colors[first],
    )  # fmt: skip


def _encoded(texture: Texture | None) -> tuple[bytes, str] | None:
    """Return a texture as the bytes of a PNG or JPEG and its suffix; None where it cannot be read."""
    if texture is None:
        return None
    data = texture.data
    if isinstance(data, Path):
        try:
            data = data.read_bytes()
        except OSError:
            return None
    if isinstance(data, bytes):
        for start, suffix in ((b"\x89PNG", "png"), (b"\xff\xd8", "jpg")):
            if data.startswith(start):
                return data, suffix
    pixels = texture.load()
    if pixels is None:
        return None
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue(), "png"


class _Glb:
    """The JSON and the buffer of a GLB under construction (Khronos, "glTF 2.0 Specification", chapters 3 and 4)."""

    def __init__(self) -> None:
        self.json: dict[str, Any] = {"asset": {"version": "2.0", "generator": "saymask"}, "scene": 0}
        self.json.update({"scenes": [{"nodes": []}], "nodes": [], "meshes": [], "accessors": [], "bufferViews": []})
        self.chunks: list[bytes] = []
        self.size = 0

    def _add(self, kind: str, entry: dict[str, Any]) -> int:
        self.json.setdefault(kind, []).append(entry)
        return len(self.json[kind]) - 1

    def _view(self, data: bytes) -> int:
        row = self._add("bufferViews", {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)})
        self.chunks.append(data + b"\0" * (-len(data) % 4))
        self.size += len(self.chunks[-1])
        return row

    def accessor(self, values: np.ndarray, kind: str, *, bounds: bool = False, normalized: bool = False) -> int:
        component = {"f": 5126, "B": 5121, "I": 5125}[values.dtype.char]
        entry: dict[str, Any] = {"bufferView": self._view(np.ascontiguousarray(values).tobytes()), "type": kind}
        entry |= {"componentType": component, "count": len(values)}
        if bounds:
            entry |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        if normalized:
            entry["normalized"] = True
        return self._add("accessors", entry)

    def material(self, name: str, color: np.ndarray, texture: int | None) -> int:
        shown: dict[str, Any] = {"baseColorFactor": [*(float(c) for c in color), 1.0], "metallicFactor": 0.0}
        shown["roughnessFactor"] = 1.0
        if texture is not None:
            shown["baseColorTexture"] = {"index": texture}
        return self._add("materials", {"name": name, "pbrMetallicRoughness": shown, "doubleSided": True})

    def textured(self, surface: Surface, material: Material, mapped: bool) -> int:
        """Add a material of the surface with its image; return its row."""
        image = _encoded(material.texture) if mapped else None
        texture = None
        if image is not None:
            mime = {"png": "image/png", "jpg": "image/jpeg"}[image[1]]
            source = self._add("images", {"bufferView": self._view(image[0]), "mimeType": mime})
            wrap = {key: FILTERS[mode] for key, mode in zip(("wrapS", "wrapT"), material.wrap)}
            texture = self._add("textures", {"source": source, "sampler": self._add("samplers", wrap)})
        alone = not material.multiplied and (texture is not None or surface.vertex_colors is not None)
        color = np.ones(3) if material.color is None or alone else material.color
        return self.material(material.name or "material", color, texture)

    def node(self, name: str, primitives: list[dict[str, Any]] | None, about: dict[str, Any]) -> None:
        entry: dict[str, Any] = {"name": name}
        if about:
            entry["extras"] = about
        if primitives:
            entry["mesh"] = self._add("meshes", {"name": name, "primitives": primitives})
        self.json["scenes"][0]["nodes"].append(self._add("nodes", entry))

    def bytes(self) -> bytes:
        buffer = b"".join(self.chunks)
        self.json["buffers"] = [{"byteLength": len(buffer)}]
        text = json.dumps({k: v for k, v in self.json.items() if v != []}).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(buffer)
        head = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
        return head + text + struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
