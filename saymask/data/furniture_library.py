"""Furniture models of others as coloured points and meshes: for the training view that exchanges furniture, and for
rooms (`saymask rooms --furniture`).

    python -m saymask.data.furniture_library OUT.npz --sweethome3d /usr/share/sweethome3d/furniture --categories FILE
                                             [--glb FOLDER]

Reads the libraries of Debian's package sweethome3d-furniture (CC0 and CC-BY 3.0 models; `categories` is a JSON list of
its models with class, size and axes) and a folder of CC0 models in GLB with a list of its own, samples every surface at
2 cm with texture colours, divides it into superpoints as a bare cloud, and makes a mesh with vertices 2.5 cm apart.
Nothing of the models becomes part of saymask.
"""

import argparse
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.geometry.sampling import spread_over_triangles
from saymask.geometry.voxelize import unique_cells

SPACING = 0.02
"""Metres between points."""
LONGEST_EDGE, CELL = 0.035, 0.025
"""Metres: of the triangles of a mesh before their corners are merged, and of the cells in which they are."""
DENSER = 3.0
"""Points that are drawn for each that is kept."""
LARGEST = 3.5
"""Metres: larger models are no furniture of a room."""
GLB_UNIT = 0.5
"""Metres per unit of the GLB models."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles with colours: at the corners, or in a texture."""

    corners: np.ndarray  # float64 [F, 3, 3]
    colors: np.ndarray  # float64 [F, 3, 3] red, green, blue of each corner in 0..255
    uv: np.ndarray  # float64 [F, 3, 2]
    texture: np.ndarray  # int64 [F]: row of `images`, -1 none
    images: list[np.ndarray]  # uint8 [H, W, 3]


Found = tuple[str, str, Surface, np.ndarray]
"""A model: class, name, surface, and width, depth and height in metres."""


def sample(surface: Surface, size: Sequence[float] | np.ndarray, rng: np.random.RandomState) -> tuple[np.ndarray, ...]:
    """Return points float32 [N, 3] in a box of `size` metres that stands on the origin, normals and colours [N, 3]."""
    flat = surface.corners.reshape(-1, 3)
    low, span = flat.min(axis=0), np.maximum(np.ptp(flat, axis=0), 1e-9)
    corners = (surface.corners - low) / span * size - np.array([size[0] / 2, size[1] / 2, 0])
    chosen, weights = spread_over_triangles(corners, DENSER / SPACING**2, rng)
    points = (corners[chosen] * weights).sum(axis=1)
    kept = np.sort(unique_cells(np.floor((points - points.min(axis=0)) / SPACING).astype(np.int64))[2])
    chosen, weights, points = chosen[kept], weights[kept], points[kept]
    a, b, c = np.moveaxis(corners[chosen], 1, 0)
    cross = np.cross(b - a, c - a)
    normals = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-12)
    return points.astype(np.float32), normals.astype(np.float32), _paint(surface, chosen, weights)


def _paint(surface: Surface, chosen: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the colours uint8 [N, 3] at points of the triangles `chosen` [N], by barycentric weights [N, 3, 1]."""
    colors = (surface.colors[chosen] * weights).sum(axis=1)
    uv = (surface.uv[chosen] * weights).sum(axis=1)
    for number, image in enumerate(surface.images):
        rows = surface.texture[chosen] == number
        x = (np.mod(uv[rows, 0], 1) * (image.shape[1] - 1)).astype(int)
        y = ((1 - np.mod(uv[rows, 1], 1)) * (image.shape[0] - 1)).astype(int)
        colors[rows] = image[y, x]
    return np.clip(colors, 0, 255).astype(np.uint8)


def mesh(surface: Surface, size: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices float32 [V, 3] at least a cell apart, placed as by `sample`,
    their colours and faces uint16 [F, 3].

    Long edges are halved until none is left; then the corners of a cell become one place, with a
    vertex for every main direction of the faces there, so that the two sides of a thin board stay apart.
    """
    flat = surface.corners.reshape(-1, 3)
    low, span = flat.min(axis=0), np.maximum(np.ptp(flat, axis=0), 1e-9)
    corners = (surface.corners - low) / span * size - np.array([size[0] / 2, size[1] / 2, 0])
    chosen, weights = np.arange(len(corners)), np.broadcast_to(np.eye(3), (len(corners), 3, 3))
    while True:  # weights [F, 3, 3]: each new corner as a mix of the corners of its first triangle
        places = weights @ corners[chosen]
        edges = np.linalg.norm(places - np.roll(places, -1, axis=1), axis=2)
        side = edges.argmax(axis=1)
        long = edges.max(axis=1) > LONGEST_EDGE
        if not long.any():
            break
        a, b, c = (weights[long, (side[long] + k) % 3] for k in range(3))
        half = (a + b) / 2
        weights = np.concatenate([weights[~long], np.stack([a, half, c], 1), np.stack([half, b, c], 1)])
        chosen = np.concatenate([chosen[~long], chosen[long], chosen[long]])
    normals = np.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0])
    axis = np.abs(normals).argmax(axis=1)
    direction = 2 * axis + (normals[np.arange(len(axis)), axis] > 0)
    points = places.reshape(-1, 3)
    cells = np.floor((points - points.min(axis=0)) / CELL).astype(np.int64)
    cell = unique_cells(cells)[1]
    count = np.bincount(cell)
    middle = np.stack([np.bincount(cell, points[:, k]) / count for k in range(3)], axis=1)
    found, first, vertex = np.unique(cell * 6 + np.repeat(direction, 3), return_index=True, return_inverse=True)
    faces = vertex.reshape(-1, 3)
    real = np.sort(cell.reshape(-1, 3), axis=1)
    faces = faces[(np.diff(real, axis=1) > 0).all(axis=1)]  # all others have shrunk to a line
    faces = faces[np.unique(np.sort(faces, axis=1), axis=0, return_index=True)[1]]
    used, faces = np.unique(faces, return_inverse=True)
    colors = _paint(surface, np.repeat(chosen, 3)[first], weights.reshape(-1, 3)[first][:, :, None])
    return middle[found // 6][used].astype(np.float32), colors[used], faces.reshape(-1, 3).astype(np.uint16)


def read_obj(archive: zipfile.ZipFile, path: str) -> Surface:
    """Return the triangles of a Wavefront OBJ inside a library, y up turned into z up."""
    folder = PurePosixPath(path).parent
    vertices, coordinates = list[tuple[float, ...]](), list[tuple[float, ...]]()
    materials: dict[str, tuple[np.ndarray, int]] = {"": (np.full(3, 200.0), -1)}
    images: list[np.ndarray] = []
    faces, marks, kinds, current = list[list[int]](), list[list[int]](), list[str](), ""
    for line in archive.read(path).decode("latin1").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "v":
            vertices.append(tuple(float(x) for x in rest.split()[:3]))
        elif word == "vt":
            coordinates.append(tuple(float(x) for x in rest.split()[:2]))
        elif word == "usemtl":
            current = rest.strip()
        elif word == "mtllib":
            _read_materials(archive, folder, rest.strip(), materials, images)
        elif word == "f":
            corners = [corner.split("/") for corner in rest.split()]
            own = [int(c[0]) - 1 if int(c[0]) > 0 else len(vertices) + int(c[0]) for c in corners]
            mark = [_texture_row(c, len(coordinates)) for c in corners]
            for k in range(1, len(own) - 1):
                faces.append([own[0], own[k], own[k + 1]])
                marks.append([mark[0], mark[k], mark[k + 1]])
                kinds.append(current)
    if not faces:
        raise InputError(f"{path}: expected an OBJ with faces, got none")
    place = np.array(vertices)[:, [0, 2, 1]] * [1, -1, 1]
    uv = np.array([*coordinates, (0.0, 0.0)])[np.array(marks)]
    look = [materials.get(kind, materials[""]) for kind in kinds]
    colors = np.repeat(np.stack([color for color, _ in look])[:, None], 3, axis=1)
    return Surface(place[np.array(faces)], colors, uv, np.array([image for _, image in look]), images)


def _texture_row(corner: list[str], count: int) -> int:
    if len(corner) < 2 or not corner[1]:
        return -1
    row = int(corner[1])
    return row - 1 if row > 0 else count + row


def _read_materials(
    archive: zipfile.ZipFile, folder: PurePosixPath, name: str, materials: dict[str, tuple[np.ndarray, int]],
    images: list[np.ndarray],
) -> None:  # fmt: skip
    from PIL import Image

    inside = {entry.lower(): entry for entry in archive.namelist()}
    found = inside.get(str(folder / name).lower())
    current = ""
    for line in archive.read(found).decode("latin1").splitlines() if found else ():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            current = rest.strip()
            materials[current] = (np.full(3, 200.0), -1)
        elif word == "Kd":
            materials[current] = (255 * np.array([float(x) for x in rest.split()[:3]]), materials[current][1])
        elif word == "map_Kd":
            file = inside.get(str(folder / rest.split()[-1].replace("\\", "/")).lower())
            if file:
                with Image.open(io.BytesIO(archive.read(file))) as image:
                    images.append(np.asarray(image.convert("RGB")))
                materials[current] = (materials[current][0], len(images) - 1)


def sweethome3d(folder: Path, categories: Path) -> Iterator[Found]:
    """Yield the models that a list of categories says are usable."""
    archives: dict[str, zipfile.ZipFile] = {}
    for model in json.loads(categories.read_text(encoding="utf-8"))["models"]:
        size = np.array(model["size_cm"]) / 100  # width, depth, height
        if model["use"] != "ok" or model["up"] != "y" or max(size) > LARGEST:
            continue
        archive = archives.setdefault(model["library"], zipfile.ZipFile(folder / model["library"]))
        try:
            yield model["label"], f"{model['library']}:{model['id']}", read_obj(archive, model["path"]), size
        except (KeyError, ValueError, IndexError, OSError) as error:
            print(f"left out: {model['id']}: {error}", file=sys.stderr)


def glb_models(folder: Path) -> Iterator[Found]:
    """Yield the models of a folder of GLB files; its categories.json says what each file shows."""
    import trimesh

    listed = json.loads((folder / "categories.json").read_text(encoding="utf-8"))["models"]
    for model in listed:
        scene: Any = trimesh.load(folder / model["file"], force="scene")
        corners, colors = [], []
        for part in scene.dump():
            place = np.asarray(part.triangles, float)[:, :, [0, 2, 1]] * [1, -1, 1] * GLB_UNIT
            paint = getattr(getattr(part.visual, "material", None), "main_color", None)
            rgb = np.full(3, 160.0) if paint is None else np.asarray(paint, float)[:3]
            corners.append(place)
            colors.append(np.broadcast_to(rgb, place.shape))
        if not corners:
            continue
        all_corners = np.concatenate(corners)
        none = np.zeros((len(all_corners), 3, 2)), np.full(len(all_corners), -1)
        size = np.ptp(all_corners.reshape(-1, 3), axis=0)
        if 0.2 < max(size) < LARGEST:
            surface = Surface(all_corners, np.concatenate(colors), *none, [])
            yield model["label"], model["file"], surface, size


def write_library(models: Iterator[Found], wanted: set[str], out: Path) -> int:
    """Write the models of the `wanted` classes to an NPZ file; return how many."""
    from saymask.geometry.cloud_superpoints import cloud_superpoints

    kinds, names, points, colors, segments, meshes = list[str](), list[str](), [], [], [], []
    rng = np.random.RandomState(0)
    for kind, name, surface, size in models:
        if kind not in wanted:
            continue
        place, normals, paint = sample(surface, size, rng)
        made = mesh(surface, size)
        if len(place) < 200 or len(made[0]) >= 2**16:
            continue
        meshes.append(made)
        kinds.append(kind)
        names.append(name)
        points.append(place)
        colors.append(paint)
        segments.append(cloud_superpoints(place, normals, paint))
    if not kinds:
        raise InputError(f"{out}: expected models of {', '.join(sorted(wanted))}, found none")
    start = np.cumsum([0, *(len(p) for p in points)])
    vertices, paints, faces = zip(*meshes, strict=True)
    np.savez_compressed(
        out, kinds=np.array(kinds), names=np.array(names), start=start, points=np.concatenate(points),
        colors=np.concatenate(colors), segments=np.concatenate(segments),
        vertices=np.concatenate(vertices), vertex_colors=np.concatenate(paints), faces=np.concatenate(faces),
        vertex_start=np.cumsum([0, *map(len, vertices)]), face_start=np.cumsum([0, *map(len, faces)]),
    )  # fmt: skip
    return len(kinds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a library from the command line."""
    from saymask.labels.tables import scannet200

    parser = argparse.ArgumentParser(prog="python -m saymask.data.furniture_library")
    parser.add_argument("out", type=Path)
    parser.add_argument("--sweethome3d", type=Path, default=Path("/usr/share/sweethome3d/furniture"))
    parser.add_argument("--categories", type=Path, required=True)
    parser.add_argument("--glb", type=Path)
    options = parser.parse_args(arguments)

    def models() -> Iterator[Found]:
        yield from sweethome3d(options.sweethome3d, options.categories)
        if options.glb:
            yield from glb_models(options.glb)

    wanted = {c.name for c in scannet200()}
    print(f"{write_library(models(), wanted, options.out)} models in {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
