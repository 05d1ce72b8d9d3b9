"""Materials of a glTF: base colour and image, specular-glossiness, texture transforms, samplers.

Source: Khronos, "glTF 2.0 Specification", section 3.9; KHR_texture_transform; KHR_materials_pbrSpecularGlossiness.
"""

from typing import Any

import numpy as np

from saymask.io.gltf_data import GltfData
from saymask.io.surface import Material
from saymask.io.textures import CLAMP, MIRROR, REPEAT, Texture

WRAP = {33071: CLAMP, 33648: MIRROR, 10497: REPEAT}
SOURCES = ("EXT_texture_webp", "EXT_texture_avif", "KHR_texture_basisu", "MSFT_texture_dds")
"""Extensions under which a texture names another image than its plain `source`."""


def read_material(data: GltfData, index: int) -> tuple[Material, int, np.ndarray]:
    """Return a material, the set of texture coordinates it uses, and their transform float64 [3, 3] (v downwards)."""
    entry = data.item("materials", index)
    name = str(entry.get("name") or f"material {index}")
    shiny = _extension(entry, "KHR_materials_pbrSpecularGlossiness")
    plain = entry.get("pbrMetallicRoughness")
    plain = plain if isinstance(plain, dict) else {}
    if shiny is not None and "baseColorTexture" not in plain:
        factor, info = shiny.get("diffuseFactor"), shiny.get("diffuseTexture")
    else:
        factor, info = plain.get("baseColorFactor"), plain.get("baseColorTexture")
    if info is None and "emissiveTexture" in entry:  # scans whose light is baked in
        factor, info = entry.get("emissiveFactor"), entry["emissiveTexture"]
    color = np.ones(3)
    if factor is not None:
        if (
            not isinstance(factor, list)
            or len(factor) < 3
            or not all(isinstance(v, int | float) and -1e9 < v < 1e9 for v in factor)
        ):
            raise data.wrong("a colour factor of numbers", factor)
        color = np.clip(np.array(factor[:3], np.float64), 0, 1)
    if info is None:
        return Material(name, color, multiplied=True), 0, np.eye(3)
    if not isinstance(info, dict):
        raise data.wrong("a texture's description", info)
    moved = _extension(info, "KHR_texture_transform") or {}
    uv_set = data.number(moved, "texCoord", data.number(info, "texCoord", 0))
    texture = data.item("textures", info.get("index"))
    image, missing = _image(data, texture)
    wrap = (REPEAT, REPEAT)
    if "sampler" in texture:
        sampler = data.item("samplers", texture["sampler"])
        wrap = (WRAP.get(sampler.get("wrapS", 10497), REPEAT), WRAP.get(sampler.get("wrapT", 10497), REPEAT))
    material = Material(name, color, image, missing, wrap=wrap, multiplied=True)
    return material, uv_set, _transform(data, moved)


def _extension(entry: dict[str, Any], name: str) -> dict[str, Any] | None:
    extensions = entry.get("extensions")
    found = extensions.get(name) if isinstance(extensions, dict) else None
    return found if isinstance(found, dict) else None


def _image(data: GltfData, texture: dict[str, Any]) -> tuple[Texture | None, str]:
    """Return the image of a texture, or None and its name where it is missing."""
    sources = [e["source"] for name in SOURCES if (e := _extension(texture, name)) is not None and "source" in e]
    source = texture.get("source", sources[0] if sources else None)
    if source is None:
        return None, "an image of unknown kind"
    entry = data.item("images", source)
    name = str(entry.get("name") or f"image {source}")
    if "bufferView" in entry:
        return Texture(f"{name} ({source})", bytes(data.view(entry["bufferView"])[0])), ""
    uri = entry.get("uri")
    found = data.uri(uri)
    if found is None:
        return None, str(uri)
    return Texture(f"{name} ({source})" if isinstance(found, bytes) else str(found), found), ""


def _transform(data: GltfData, moved: dict[str, Any]) -> np.ndarray:
    """Return translation · rotation · scale of texture coordinates, float64 [3, 3]."""
    try:
        ox, oy = (float(v) for v in moved.get("offset", (0, 0)))
        sx, sy = (float(v) for v in moved.get("scale", (1, 1)))
        angle = float(moved.get("rotation", 0))
    except (TypeError, ValueError, OverflowError) as error:
        raise data.wrong("offset, scale and rotation of a texture", error) from None
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos * sx, sin * sy, ox], [-sin * sx, cos * sy, oy], [0, 0, 1]])
