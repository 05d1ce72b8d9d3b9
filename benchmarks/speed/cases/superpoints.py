"""Superpoints: of meshes and of bare clouds.

Clouds are the surfaces of a furnished hall that is as dense as a room, whatever the number of points. Beside them
stands what a k-d tree of scipy needs on all cores to find 16 neighbours of each cell, which is one of their steps.
"""

import numpy as np
from scipy.spatial import KDTree

from benchmarks.speed.clock import profiled, turns
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.inputs import furnished_room, surfaces
from saymask.geometry.cloud_superpoints import cloud_superpoints
from saymask.geometry.superpoints import mesh_superpoints
from saymask.geometry.voxelize import voxelize

AIMS = {150_000: (0.35, 1.1), 1_500_000: (4.0, 15.4)}
"""Points -> the aim, and what it was before; s."""
ROUNDS = 3


def measure(effort: Effort) -> list[Figure]:
    """Return seconds of the mesh of a room, and of clouds."""
    room = furnished_room()
    assert room.faces is not None
    points, faces = room.points, room.faces
    mesh = turns({"mesh": lambda: mesh_superpoints(points, faces)}, effort.rounds(ROUNDS))["mesh"]
    figures = [Figure(f"mesh, {len(points):,} points", mesh.wall, cpu=mesh.cpu)]
    for n, (aim, before) in list(AIMS.items())[: 1 if effort.quick else None]:
        points, colors = surfaces(n)
        cells = voxelize(points, 0.02)
        sites = cells.mean(points).astype(np.float64)
        taken = turns(
            {
                "ours": lambda points=points, colors=colors: cloud_superpoints(points, colors=colors),
                "tree": lambda sites=sites: KDTree(sites).query(sites, 17, workers=-1),
            },
            effort.rounds(ROUNDS if n < 10**6 else 2),
        )
        ours, parts = taken["ours"], dict[str, float]()
        if ours.wall > aim:
            parts = profiled(lambda points=points, colors=colors: cloud_superpoints(points, colors=colors))
        figures.append(
            Figure(f"bare cloud, {n:,} points", ours.wall, cpu=ours.cpu, aim=aim, before=before,
                   peer=taken["tree"].wall, peer_of="k-d tree alone", parts=parts)
        )  # fmt: skip
    return figures
