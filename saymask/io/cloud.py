"""Result of every reader, and the recognition of colours, normals and labels among the columns of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saymask.errors import InputError
from saymask.io.color_range import to_uint8

if TYPE_CHECKING:
    from saymask.io.surface import Surface

COLOR_NAMES = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("colorred", "colorgreen", "colorblue"),
    ("color_red", "color_green", "color_blue"),
    ("rf", "gf", "bf"),  # CloudCompare's colours in 0..1
    ("rgb:0", "rgb:1", "rgb:2"),  # ParaView
    ("rgb_0", "rgb_1", "rgb_2"),
    ("rgba:0", "rgba:1", "rgba:2"),
    ("rgba_0", "rgba_1", "rgba_2"),
    ("colors:0", "colors:1", "colors:2"),
    ("colors_0", "colors_1", "colors_2"),
    ("color:0", "color:1", "color:2"),
    ("color_0", "color_1", "color_2"),
    ("color_r", "color_g", "color_b"),
    ("colorr", "colorg", "colorb"),
    ("scalar_r", "scalar_g", "scalar_b"),
)
NORMAL_NAMES = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz"))
LABEL_TYPES = {
    "semantic20": np.int16,
    "semantic200": np.int16,
    "nyu40": np.int16,
    "instance": np.int32,
}
"""Columns under these names become `Scan.labels`; every other column is only kept for saving."""


@dataclass
class Cloud:
    """A file's points as they were written: file units, file axes, file order, nothing dropped."""

    format: str
    points: np.ndarray  # float32 or float64 [n, 3]
    columns: dict[str, np.ndarray]  # name -> [n] or [n, k], order of the file
    colors: np.ndarray | None = None  # uint8 [n, 3]
    normals: np.ndarray | None = None  # float32 [n, 3]
    faces: np.ndarray | None = None  # int32 [F, 3]
    extra: dict[str, Any] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    unit: str | None = None
    """The unit that the format itself fixes ("m" for E57, GLB and LAS), None where files differ."""
    up: str | None = None
    """The up axis that the format itself fixes ("y" for GLB), None where files differ."""
    sampled: bool = False
    """The points were taken from the surface of a mesh, they are not its vertices."""
    surface: "Surface | None" = None
    """The mesh with its materials, from which samples get their colours."""
    loose: bool = False
    """Few of the points belong to a face: the faces are kept for saving and say nothing about the rest."""
    settled: bool = False
    """It is decided whether the points are samples, vertices, or a cloud, and what the surface says has been said."""


def truncated(path: Path, expected: str, got: str) -> InputError:
    """Return the error for a file that ends too early or is damaged."""
    return InputError(
        f"{path.name}: expected {expected}, got {got}; the file is cut off or damaged, copy or export it again"
    )


def read_bytes(path: Path) -> bytes:
    """Return the content of a file; raise InputError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        ) from None


def pick(columns: Mapping[str, np.ndarray], candidates: tuple[tuple[str, ...], ...]) -> tuple[str, ...] | None:
    """Return the columns' own names of the first candidate group that is wholly there (case does not matter)."""
    lower = {name.lower(): name for name in columns}
    for group in candidates:
        if all(name in lower for name in group):
            return tuple(lower[name] for name in group)
    return None


def stack(columns: Mapping[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    """Return columns side by side, [n, len(names)], in their common type."""
    first = columns[names[0]]
    kind = np.result_type(*(columns[name].dtype for name in names)).newbyteorder("=")
    out = np.empty((len(first), len(names)), kind)
    for i, name in enumerate(names):
        out[:, i] = columns[name]
    return out


def recognise(cloud: Cloud) -> Cloud:
    """Fill colours and normals of a cloud from its columns' names, unless the reader did; return it."""
    plain = {name: v for name, v in cloud.columns.items() if v.ndim == 1 and v.dtype.kind in "biuf"}
    if cloud.colors is None:
        names = pick(plain, COLOR_NAMES)
        if names:
            cloud.colors = to_uint8(stack(cloud.columns, names), cloud.messages)
        elif names := pick(plain, (("f_dc_0", "f_dc_1", "f_dc_2"),)):
            # Gaussian splats store the constant spherical harmonic, whose basis value is 1 / (2 sqrt(pi))
            base = stack(cloud.columns, names) * 0.28209479177387814 + 0.5
            cloud.colors = to_uint8(np.clip(base, 0.0, 1.0))
    if cloud.normals is None:
        names = pick(plain, NORMAL_NAMES)
        if names:
            normals = stack(cloud.columns, names).astype(np.float32)
            if np.any(normals):  # splat exporters write zeros
                cloud.normals = normals
    return cloud


def missing_extra(path: Path, package: str, extra: str) -> InputError:
    """Return the error for a format whose optional package is not installed."""
    return InputError(
        f"{path.name}: reading this format needs {package}; install it with: pip install 'saymask[{extra}]'"
    )
