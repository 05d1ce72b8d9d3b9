"""Furniture models of others that stand in the place of parametric ones (`saymask rooms --furniture`).

The file is made by `saymask.data.furniture_library`. A layout asks for a model of a design's category that can be
stretched to the design's size, and places it as it would place the design.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.rooms.colors import PALETTE, WORDS, shade_of
from saymask.rooms.furniture.design import Model, Surface
from saymask.rooms.furniture.parts import Part

ALIKE: dict[str, tuple[str, ...]] = {
    "bookshelf": ("shelf",), "shelf": ("bookshelf",), "cabinet": ("dresser",), "dresser": ("cabinet",),
    "dining table": ("table",), "table": ("dining table",), "end table": ("nightstand",), "potted plant": ("plant",),
    "sofa chair": ("armchair",), "armchair": ("sofa chair",), "closet": ("wardrobe",), "counter": ("kitchen counter",),
    "oven": ("stove",), "trash bin": ("trash can",), "bin": ("trash can",), "luggage": ("suitcase",),
    "water bottle": ("bottle",), "bathroom counter": ("bathroom vanity",),
}  # fmt: skip
"""Categories whose models may stand for a category, beyond its own."""
MOST_STRETCH = 1.5
"""A model is taken where its width, depth and height over the design's differ by no more than this factor, …"""
MOST_SCALE = 1.6
"""… and none of them by more than this."""
FLAT = frozenset({"table", "desk", "dining table", "coffee table", "end table", "nightstand", "dresser", "cabinet",
                  "tv stand", "counter", "kitchen counter", "bathroom vanity", "stand", "file cabinet"})  # fmt: skip
"""Categories on whose models things may stand."""
SLICES = (3, 3, 5)
"""Pieces along x, y and z for whose boxes a model is tested against other things."""


@dataclass(frozen=True, eq=False)
class Library:
    """M models as meshes."""

    kinds: np.ndarray  # str [M]
    meshes: tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]  # vertices [V, 3], colours uint8 [V, 3], faces [F, 3]
    sizes: np.ndarray  # float64 [M, 3] width, depth, height

    def instead(self, model: Model, rng: np.random.RandomState) -> Model:
        """Return a model of the library of the size of `model`, or `model` itself where none fits."""
        if model.shape in ("round", "oval", "l-shaped"):  # layouts and sentences speak of these outlines
            return model
        kinds = (model.category, *ALIKE.get(model.category, ()))
        stretch = np.asarray(model.size) / self.sizes
        low, high = stretch.min(axis=1), stretch.max(axis=1)
        fits = np.isin(self.kinds, kinds) & (high / low < MOST_STRETCH) & (high < MOST_SCALE) & (low > 1 / MOST_SCALE)
        options = np.flatnonzero(fits)
        if not len(options):
            return model
        return self._placed(int(options[rng.randint(len(options))]), model, rng)

    def _placed(self, number: int, model: Model, rng: np.random.RandomState) -> Model:
        vertices, colors, faces = self.meshes[number]
        size = np.asarray(model.size)
        middle = np.array([0.0, 0.0, size[2] / 2])
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        local = ((vertices - low) / np.maximum(high - low, 1e-6) - 0.5) * size
        paint = colors.astype(np.float64)
        if rng.random_sample() < 0.4:  # all its colours move towards another one
            target = np.array(shade_of(rng, WORDS[rng.randint(len(PALETTE))]), dtype=np.float64)
            paint = np.clip(paint * 0.35 + (target - paint.mean(axis=0) * 0.35), 0, 255)
        part = Part("mesh", model.size, middle, np.eye(3), np.round(paint), mesh=(local, faces.astype(np.int32)))
        standing = local + middle
        tops = _tops(standing, size) if model.category in FLAT else ()
        return replace(
            model, parts=(part,), boxes=_boxes(standing, size), tops=tops, color=None, material=None, shape=None
        )


def _boxes(vertices: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the boxes of the vertices in each cell of a coarse grid, float64 [boxes, 6]."""
    cells = np.minimum((vertices / size + [0.5, 0.5, 0.0]) * SLICES, np.subtract(SLICES, 1)).astype(int)
    number = (cells[:, 0] * SLICES[1] + cells[:, 1]) * SLICES[2] + cells[:, 2]
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    low, high = (f.reduceat(vertices[order], starts, axis=0) for f in (np.minimum, np.maximum))
    return np.concatenate([low, high], axis=1)


def _tops(vertices: np.ndarray, size: np.ndarray) -> tuple[Surface, ...]:
    """Return the surface on top of a table or cabinet; none where the highest part is no flat top."""
    top = vertices[vertices[:, 2] > size[2] - 0.03]
    cells = np.unique(np.floor(top[:, :2] / 0.05).astype(int), axis=0)
    if len(cells) * 0.05**2 < 0.6 * size[0] * size[1]:
        return ()
    x, y = size[0] / 2 - 0.05, size[1] / 2 - 0.05
    return (Surface(-x, -y, x, y, float(size[2])),) if min(x, y) > 0.05 else ()


@lru_cache(maxsize=1)
def read_library(path: str) -> Library:
    """Return the models of a file; InputError for a file that has none."""
    try:
        with np.load(Path(path)) as file:
            kinds, vertices, colors, faces = (file[name] for name in ("kinds", "vertices", "vertex_colors", "faces"))
            v, f = file["vertex_start"], file["face_start"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: expected a furniture library with meshes ({error}); make one with "
            "python -m saymask.data.furniture_library"
        ) from None
    meshes = tuple(
        (vertices[v[i] : v[i + 1]].astype(np.float64), colors[v[i] : v[i + 1]], faces[f[i] : f[i + 1]])
        for i in range(len(kinds))
    )
    return Library(kinds, meshes, np.stack([np.maximum(np.ptp(mesh[0], axis=0), 0.01) for mesh in meshes]))
