"""Meshes as points: vertices in file order, or samples of large triangles, in the colours of their materials."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import finite_rows
from saymask.io.cloud import Cloud, read_bytes, truncated
from saymask.io.color_range import to_uint8
from saymask.io.mesh_sampling import SPACING, is_sparse, sample_surface
from saymask.io.surface import Surface
from saymask.io.units import metres_per_unit, stated_unit

COLORS = ("red", "green", "blue")
NORMALS = ("nx", "ny", "nz")
FEW_FACES = 0.5
"""Where the faces use a smaller share of the vertices than this, the points are a cloud with a few faces in it."""


def read_mesh(path: Path, scale: float | None = None) -> Cloud:
    """Read OBJ, GLB/GLTF, STL or OFF as points: its vertices, or samples 2 cm apart where the triangles are large.

    `scale` is metres per file unit; None means that the extent decides (`saymask.io.units.metres_per_unit`). Vertices
    keep the order of the file. Raises InputError for damaged files and for those that hold neither faces nor points.
    """
    suffix = path.suffix.lower().lstrip(".")
    surface = _reader(suffix)(path)
    gltf = suffix in ("glb", "gltf")
    unit = "m" if gltf else stated_unit(surface.comments, surface.points)
    cloud = surface_cloud(suffix, surface, unit=unit, up="y" if gltf else None)
    if scale is None:
        scale = metres_per_unit(path, cloud.points, unit=cloud.unit)[0]
    return sample_cloud(cloud, scale)


def _reader(suffix: str) -> Callable[[Path], Surface]:
    if suffix == "obj":
        from saymask.io.obj import read_obj as reader
    elif suffix in ("glb", "gltf"):
        from saymask.io.gltf import read_gltf as reader
    elif suffix == "stl":
        from saymask.io.stl import read_stl as reader
    else:
        reader = _read_off
    return reader


def _read_off(path: Path) -> Surface:
    """Read OFF and COFF through trimesh."""
    import trimesh

    read_bytes(path)
    try:
        mesh: Any = trimesh.load_mesh(path, process=False, maintain_order=True)
        surface = Surface(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64))
        kind = mesh.visual.kind
        if kind == "vertex":
            surface.vertex_colors = to_uint8(np.asarray(mesh.visual.vertex_colors)).astype(np.float32)
        elif kind == "face":
            surface.face_colors = to_uint8(np.asarray(mesh.visual.face_colors)).astype(np.float32)
    except Exception as error:  # trimesh raises many types for damaged files
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise truncated(path, "a readable OFF file", f"{type(error).__name__}: {reason[:100]}") from None
    if not len(surface.faces):
        raise InputError(
            f"{path.name}: expected a mesh with triangles, got none; export the scan with its faces or as PLY"
        )
    return surface


def surface_cloud(format: str, surface: Surface, unit: str | None = None, up: str | None = None) -> Cloud:
    """Return the vertices of a surface as a cloud with their colours; the surface stays with it for sampling."""
    good = finite_rows(surface.points)
    if not good.all():
        surface = surface.select(np.asarray(good[surface.faces].all(1)))
    points, faces = surface.points, surface.faces
    columns: dict[str, np.ndarray] = {axis: points[:, i] for i, axis in enumerate("xyz")}
    cloud = Cloud(format, points, columns, unit=unit, up=up, surface=surface)
    cloud.faces = faces.astype(np.int32) if len(faces) else None
    colors, known = surface.paint_vertices()
    _color(cloud, colors, known)
    if surface.part is not None and len(faces):
        part = np.full(len(points), -1, np.int32)
        part[faces[::-1].ravel()] = np.repeat(surface.part[::-1], 3)
        columns["part"] = part
    return cloud


def _color(cloud: Cloud, colors: np.ndarray, known: np.ndarray) -> None:
    """Give a cloud its colours, unless none is known or all are one grey that materials have by default."""
    surface = cloud.surface
    if surface is None or not known.any():
        return
    first = colors[known.argmax()]
    if surface.vertex_colors is None and int(np.ptp(first)) <= 2 and (colors[known] == first).all():
        cloud.messages.append(f"all materials have the same grey {tuple(int(v) for v in first)}: taken as no colour")
        return
    cloud.colors = colors
    cloud.columns.update({c: colors[:, i] for i, c in enumerate(COLORS)})
    if not known.all():
        cloud.messages.append(f"{(~known).mean():.0%} of the points have no colour in the file: they are grey")


def _said(cloud: Cloud) -> list[str]:
    return [] if cloud.surface is None else cloud.surface.messages


def _is_cloud(points: np.ndarray, faces: np.ndarray) -> bool:
    used = np.zeros(len(points), bool)
    used[faces.ravel()] = True
    return float(used.mean()) < FEW_FACES and len(points) >= 100


def sample_cloud(cloud: Cloud, scale: float) -> Cloud:
    """Return a mesh's cloud sampled 2 cm apart where its triangles are large, else with its vertices as points.

    A cloud with a few faces in it stays a cloud: the faces are kept for saving, and it is said.
    """
    if cloud.settled or cloud.faces is None:
        return replace(cloud, settled=True, messages=[*cloud.messages, *_said(cloud)]) if not cloud.settled else cloud
    surface = cloud.surface or Surface(cloud.points, cloud.faces.astype(np.int64))
    finite = finite_rows(surface.points)
    ok = np.ones(len(surface.faces), bool) if finite.all() else np.asarray(finite[surface.faces].all(1))
    faces = surface.faces if ok.all() else surface.faces[ok]
    if not len(faces):
        return replace(cloud, settled=True)
    if _is_cloud(surface.points, faces):
        said = f"{len(faces):,} faces use few of the {len(cloud.points):,} points: taken as a cloud, the faces are kept"
        return replace(cloud, loose=True, settled=True, messages=[*cloud.messages, said])
    if not is_sparse(surface.points, faces, SPACING / scale):
        extra = cloud.extra if cloud.surface is None else {**cloud.extra, "surface": surface}
        return replace(cloud, settled=True, extra=extra, messages=[*cloud.messages, *surface.said()])
    return _sampled(cloud, surface, ok, scale)


def _sampled(cloud: Cloud, surface: Surface, ok: np.ndarray, scale: float) -> Cloud:
    """Return samples of the surface with what its nearest vertices say in their columns."""
    faces = surface.faces[ok]
    samples = sample_surface(surface.points, faces, SPACING / scale)
    rows = np.flatnonzero(ok)[samples.face]
    nearest = faces[samples.face, samples.weights.argmax(1)]
    columns: dict[str, np.ndarray] = {axis: samples.points[:, i] for i, axis in enumerate("xyz")}
    columns.update({axis: samples.normals[:, i] for i, axis in enumerate(NORMALS)})
    own = cloud.surface is None
    for name, values in cloud.columns.items():
        if name not in columns and (own or name not in (*COLORS, "part")):
            columns[name] = values[nearest]
    out = Cloud(
        cloud.format, samples.points, columns, None, samples.normals, unit=cloud.unit, up=cloud.up,
        sampled=True, settled=True,
        messages=[m for m in cloud.messages if "no colour" not in m] if cloud.surface else list(cloud.messages),
    )  # fmt: skip
    unused = len(cloud.points) - len(np.unique(faces))
    out.messages.append(
        f"the mesh has {len(cloud.points):,} vertices and large triangles: sampled {len(samples.points):,} points "
        f"{samples.spacing * scale * 100:.1f} cm apart on its surface; results are saved for these points"
    )
    if unused > 0.01 * len(cloud.points):
        out.messages.append(f"{unused:,} points belong to no face: left out")
    if own:
        if cloud.colors is not None:
            mixed = (samples.weights[:, :, None] * cloud.colors[faces[samples.face]]).sum(1)
            colors = np.rint(mixed).astype(np.uint8)
            out.colors = colors
            columns.update({c: colors[:, i] for i, c in enumerate(COLORS)})
            surface.vertex_colors = cloud.colors.astype(np.float32)
    else:
        colors, known = surface.paint(rows, samples.weights)
        out.surface = surface
        _color(out, colors, known)
        out.messages += [m for m in surface.said() if m not in out.messages]
        out.surface = None
        if surface.part is not None:
            columns["part"] = surface.part[rows]
    columns["face"] = rows.astype(np.int32)
    out.extra = {"surface": surface, "sampled_face": rows}  # for the masks on its triangles
    return out
