"""LESS: point operators and mesh superpoints against the official results."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.geometry.elastic import elastic_distortion
from saymask.geometry.neighbours import ball_query, bfs_cluster
from saymask.geometry.pooling import scatter_max, scatter_mean, section_max, section_mean, section_min
from saymask.geometry.superpoints import mesh_superpoints
from saymask.geometry.voxelize import first_appearance, mean_by_index
from tests.parity import Check, case, placed

TIGHT = {"atol": 2e-5, "rtol": 1e-5}


@case("less", "ops")
def ops(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    coords, input_map, output_map = first_appearance(golden["vox.coords"])
    yield Check("vox.voxel_coords", coords, golden["vox.voxel_coords"])
    yield Check("vox.input_map", input_map, golden["vox.input_map"])
    yield Check("vox.output_map", output_map, golden["vox.output_map"])
    count = len(coords)
    feats = placed(golden["vox.feats"]).requires_grad_()
    index = placed(input_map).long()
    mean = scatter_mean(feats, index, count)
    yield Check("vox.mean", mean, golden["vox.mean"], **TIGHT)
    yield Check("vox.mean (numpy)", mean_by_index(golden["vox.feats"], input_map, count), golden["vox.mean"], **TIGHT)
    total = placed(torch.zeros(count, feats.shape[1])).index_add(0, index, feats.detach())
    yield Check("vox.sum", total, golden["vox.sum"], **TIGHT)
    mean.backward(placed(golden["vox.grad_out"]))
    yield Check("vox.grad_feats_mean", feats.grad, golden["vox.grad_feats_mean"], **TIGHT)

    rows, offsets = placed(golden["vox.feats"]), placed(golden["sec.offsets"])
    rows = rows[: int(offsets[-1])]
    yield Check("sec.mean", section_mean(rows, offsets), golden["sec.mean"], **TIGHT)
    yield Check("sec.min", section_min(rows, offsets), golden["sec.min"])
    yield Check("sec.max", section_max(rows, offsets), golden["sec.max"])

    points, superpoints = placed(golden["vox.feats"]), placed(golden["pool.superpoints"])
    yield Check("pool.mean", scatter_mean(points, superpoints), golden["pool.mean"], **TIGHT)
    yield Check("pool.max", scatter_max(points, superpoints), golden["pool.max"])

    near, start_len = ball_query(golden["bfs.xyz"], golden["bfs.batch_idxs"], float(golden["bfs.radius"]))
    yield Check("bfs.ball_idx", near, golden["bfs.ball_idx"])
    yield Check("bfs.start_len", start_len, golden["bfs.start_len"])
    clusters, bounds = bfs_cluster(golden["bfs.labels"], near, start_len, int(golden["bfs.threshold"]))
    yield Check("bfs.cluster_idxs", clusters, golden["bfs.cluster_idxs"])
    yield Check("bfs.cluster_offsets", bounds, golden["bfs.cluster_offsets"])

    rng = np.random.RandomState(int(golden["elastic.np_seed"]))
    once = elastic_distortion(golden["elastic.xyz_f64"], 6, 40, rng)
    yield Check("elastic.after_6_40_f64", once, golden["elastic.after_6_40_f64"], atol=1e-9)
    twice = elastic_distortion(once, 20, 160, rng)
    yield Check("elastic.after_20_160_f64", twice, golden["elastic.after_20_160_f64"], atol=1e-9)


def by_appearance(labels: np.ndarray) -> np.ndarray:
    """Return labels numbered by first appearance: equal exactly when the partitions are."""
    return first_appearance(np.asarray(labels)[:, None])[1]


@case("less", "superpoints")
def superpoints(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    found = mesh_superpoints(
        golden["vertices"],
        golden["faces"],
        k_threshold=float(golden["kThresh"]),
        min_vertices=int(golden["segMinVerts"]),
    )
    for name in ("segIndices", "compact"):
        yield Check(f"{name} (as a partition)", by_appearance(found), by_appearance(golden[name]))
    yield Check("ids are 0..S-1", np.unique(found), np.arange(golden["compact"].max() + 1))
