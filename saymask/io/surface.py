"""Triangles with materials: the colour of any place on them, and what is said about colours that are not there."""

from dataclasses import dataclass, field

import numpy as np

from saymask.geometry.extent import finite_rows
from saymask.io.textures import REPEAT, Texture, lookup


@dataclass(frozen=True)
class Material:
    """What a face looks like, as far as its colour goes."""

    name: str = ""
    color: np.ndarray | None = None  # float64 [3], 0..1: base colour; None where the file gives none
    texture: Texture | None = None
    missing: str = ""
    """The image that the material names and that is not there."""
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    wrap: tuple[str, str] = (REPEAT, REPEAT)
    multiplied: bool = False
    """glTF multiplies image, base colour and vertex colours; elsewhere the image alone is what was captured."""


@dataclass
class Surface:
    """A mesh in file units and axes with all that its colours come from."""

    points: np.ndarray  # float32 or float64 [V, 3]
    faces: np.ndarray  # int64 [F, 3]
    uv: np.ndarray | None = None  # float32 [F, 3, 2]: texture coordinates of the corners, v upwards; NaN = none
    material: np.ndarray | None = None  # int32 [F]: row of materials, -1 = none
    materials: list[Material] = field(default_factory=list)
    vertex_colors: np.ndarray | None = None  # float32 [V, 3], 0..255; NaN = none
    face_colors: np.ndarray | None = None  # float32 [F, 3], 0..255; NaN = none
    part: np.ndarray | None = None  # int32 [F]: object or group of the face
    messages: list[str] = field(default_factory=list)
    comments: str = ""
    """Text at the beginning of the file, which may name the unit."""
    images: dict[str, np.ndarray | None] = field(default_factory=dict)
    """Decoded images by name, one at a time: textures of a building do not fit into memory together."""

    def select(self, faces: np.ndarray) -> "Surface":
        """Return the surface with some of its faces, by rows or bits."""

        def pick(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[faces]

        return Surface(
            self.points, self.faces[faces], pick(self.uv), pick(self.material), self.materials, self.vertex_colors,
            pick(self.face_colors), pick(self.part), self.messages,
        )  # fmt: skip

    def paint(self, face: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return colours uint8 [n, 3] at places (faces [n], barycentric weights [n, 3]), and which are known.

        Image, else vertex colours, else the face's colour, else the material's base colour; glTF multiplies.
        """
        n = len(face)
        values = np.full((n, 3), np.nan, np.float32)
        if self.vertex_colors is not None:
            corners = self.vertex_colors[self.faces[face]]
            values = np.einsum("nkc,nk->nc", corners, weights.astype(np.float32))
        if self.face_colors is not None:
            values = np.where(np.isnan(values), self.face_colors[face], values)
        if self.material is not None:
            self._paint_materials(values, face, weights)
        known = finite_rows(values)
        return np.where(known[:, None], np.clip(np.rint(values), 0, 255), 128).astype(np.uint8), known

    def _paint_materials(self, values: np.ndarray, face: np.ndarray, weights: np.ndarray) -> None:
        """Put what the materials say into `values` float32 [n, 3]."""
        assert self.material is not None
        owner = self.material[face]
        order = np.argsort(owner, kind="stable")
        ends = np.flatnonzero(np.diff(owner[order], append=-2))
        for start, end in zip(np.append(0, ends[:-1] + 1), ends + 1):
            rows = order[start:end]
            if not len(rows) or owner[rows[0]] < 0:
                continue
            material = self.materials[owner[rows[0]]]
            image = self._image(material)
            here = values[rows]
            blank = np.isnan(here[:, :1])
            color = None if material.color is None else (material.color * 255).astype(np.float32)
            if image is not None and self.uv is not None:
                uv = np.einsum("nkc,nk->nc", self.uv[face[rows]], weights[rows].astype(np.float32))
                uv = uv * np.array(material.scale, np.float32) + np.array(material.offset, np.float32)
                pixels = lookup(image, uv, material.wrap).astype(np.float32)
                pixels[np.isnan(uv).any(1)] = np.nan
                if material.multiplied:
                    pixels *= np.float32(1) if color is None else color / 255
                    pixels *= np.where(blank, 1.0, here / 255)
                here = np.where(np.isnan(pixels), here, pixels)
            elif material.multiplied and color is not None:
                here = np.where(blank, np.nan if material.missing else color, here * color / 255)
            elif color is not None and not material.missing:
                here = np.where(blank, color, here)
            values[rows] = here

    def _image(self, material: Material) -> np.ndarray | None:
        if material.texture is None:
            return None
        name = material.texture.name
        if name not in self.images:
            self.images.clear()
            image = material.texture.load()
            self.images[name] = image
            if image is None:
                kind = f" ({material.texture.kind})" if material.texture.kind else ""
                said = (
                    f"the texture {name}{kind} cannot be read: its surfaces have no colour; convert it to PNG or JPEG"
                )
                if said not in self.messages:
                    self.messages.append(said)
        return self.images[name]

    def paint_vertices(self) -> tuple[np.ndarray, np.ndarray]:
        """Return colours uint8 [V, 3] of the vertices, each as the first face that has it, and which are known."""
        n = len(self.points)
        colors, known = np.full((n, 3), 128, np.uint8), np.zeros(n, bool)
        if self.vertex_colors is not None:
            known = finite_rows(self.vertex_colors)
            colors[known] = np.clip(np.rint(self.vertex_colors[known]), 0, 255)
        if self.material is None and self.face_colors is None:
            return colors, known
        corner = np.full(n, -1, np.int64)
        flat = self.faces.ravel()
        corner[flat[::-1]] = np.arange(len(flat))[::-1]
        used = np.flatnonzero(corner >= 0)
        weights = np.eye(3, dtype=np.float32)[corner[used] % 3]
        colors[used], known[used] = self.paint(corner[used] // 3, weights)
        return colors, known

    def said(self) -> list[str]:
        """Return what must be said about the materials in use: missing images, base colours without images."""
        out = list(self.messages)
        if self.material is None or not len(self.material):
            return out
        number = np.bincount(self.material[self.material >= 0], minlength=len(self.materials))
        used = [m for m, n in zip(self.materials, number) if n]
        missing = sorted({m.missing for m in used if m.missing})
        if missing:
            out.append(
                f"{_listed(missing)} not found beside the file: the surfaces that have them are without colour; "
                "copy the images there"
            )
        plain = [m for m in used if m.texture is None and not m.missing and m.color is not None]
        if plain and self.vertex_colors is None and self.face_colors is None:
            out.append(
                f"{len(plain)} of {len(used)} materials {'has' if len(plain) == 1 else 'have'} no image: "
                "their base colour is used"
            )
        return out


@dataclass
class Piece:
    """One of the meshes that make up a surface, placed where it belongs."""

    points: np.ndarray  # float64 [V, 3]
    faces: np.ndarray  # int64 [F, 3]
    colors: np.ndarray | None  # float32 [V, 3], 0..255
    uv: np.ndarray | None  # float32 [V, 2], v upwards
    material: int  # row of the materials, -1 = none


def join(pieces: list[Piece], materials: list[Material], messages: list[str]) -> Surface:
    """Return the meshes of a scene as one surface."""
    starts = np.cumsum([0] + [len(p.points) for p in pieces])
    counts = [len(p.faces) for p in pieces]
    out = Surface(
        _together([p.points for p in pieces]),
        _together([p.faces + start if start else p.faces for p, start in zip(pieces, starts)]),
        materials=materials,
        messages=messages,
    )
    if any(p.material >= 0 for p in pieces):
        out.material = np.repeat(np.array([p.material for p in pieces], np.int32), counts)
    if any(p.uv is not None for p in pieces):
        out.uv = _together(
            [np.full((len(p.faces), 3, 2), np.nan, np.float32) if p.uv is None else p.uv[p.faces] for p in pieces]
        )
    if any(p.colors is not None for p in pieces):
        out.vertex_colors = _together(
            [np.full((len(p.points), 3), np.nan, np.float32) if p.colors is None else p.colors for p in pieces]
        ).astype(np.float32, copy=False)
    if len(pieces) > 1:
        out.part = np.repeat(np.arange(len(pieces), dtype=np.int32), counts)
    return out


def _together(parts: list[np.ndarray]) -> np.ndarray:
    """Return the rows of all parts; of a single one, no copy."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"texture {shown}" if len(names) == 1 else f"{len(names)} textures ({shown})"
