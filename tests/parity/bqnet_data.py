"""BQNet: the transforms of points, labels of superpoints, voxels of a batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saymask.geometry.elastic import elastic_distortion
from saymask.geometry.voxelize import first_appearance, mean_by_index
from saymask.models.bqnet.labels import gt_pmask, gt_spmask, histogram, sp_ins_label
from saymask.models.bqnet.transform import axis_matrix, view
from saymask.nn.superpoints import superpoint_scan
from tests.parity import Check, case

POINTS = {"atol": 1e-4, "rtol": 1e-6}
"""Voxel positions reach hundreds; metres are held to the digits of float32."""
METRES = {"atol": 1e-6, "rtol": 1e-6}


@case("bqnet", "data")
def data(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    yield from _transforms(golden)
    yield from _elastic(golden)
    yield from _labels(golden)
    yield from _voxels(golden)


def _transforms(golden: dict[str, Any]) -> Iterator[Check]:
    xyz, rgb, superpoint = golden["xyz_f64"], golden["rgb_f64"], golden["superpoint"]
    test = view(xyz, rgb)
    yield Check("test_voxel", test.cells, golden["test_voxel"])
    scan = superpoint_scan(test.cells, np.concatenate([rgb, xyz], axis=1), xyz, superpoint)
    yield Check("test_sp", scan.index, golden["test_sp"])
    yield Check("test_unique", np.unique(superpoint), golden["test_unique"])
    seed = int(golden["train_seed"])
    train = view(xyz, rgb, np.random.RandomState(seed))
    yield Check("train_xyz_scaled", train.scaled, golden["train_xyz_scaled"], **POINTS)
    yield Check("train_xyz_middle", train.positions, golden["train_xyz_middle"], **METRES)
    yield Check("train_rgb", train.colors, golden["train_rgb"], **METRES)
    yield Check("train_voxel", train.cells, golden["train_voxel"])
    yield Check("aug_only", xyz @ axis_matrix(np.random.RandomState(seed + 1)), golden["aug_only"], **METRES)


def _elastic(golden: dict[str, Any]) -> Iterator[Check]:
    # The files name granularity and magnitude; seeds follow in this order.
    names = sorted((n for n in golden if n.startswith("elastic_")), key=lambda n: int(n.split("_")[1]))
    for step, name in enumerate(names, start=2):
        granularity, magnitude = (float(part) for part in name.split("_")[1:])
        rng = np.random.RandomState(int(golden["train_seed"]) + step)
        yield Check(
            name, elastic_distortion(50 * golden["xyz_f64"], granularity, magnitude, rng), golden[name], **POINTS
        )


def _labels(golden: dict[str, Any]) -> Iterator[Check]:
    instance = golden["instance"]
    counts = histogram(instance, golden["test_sp"])
    yield Check("sp_ins_label", sp_ins_label(counts), golden["sp_ins_label"])
    for name in sorted(n.removesuffix("_objects") for n in golden if n.endswith("_objects")):
        objects = golden[f"{name}_objects"].tolist()
        yield Check(f"{name}_pmask", gt_pmask(instance, objects), golden[f"{name}_pmask"])
        yield Check(f"{name}_spmask", gt_spmask(counts, objects), golden[f"{name}_spmask"])


def _voxels(golden: dict[str, Any]) -> Iterator[Check]:
    coords, feats = golden["vox_coords"], golden["vox_feats"]
    cells, voxel, points = first_appearance(coords)
    yield Check("vox_out_coords", cells, golden["vox_out_coords"])
    yield Check("vox_p2v", voxel, golden["vox_p2v"])
    yield Check("vox_v2p", points, golden["vox_v2p"])
    means = mean_by_index(feats, voxel, len(cells))
    yield Check("vox_out_feats", means, golden["vox_out_feats"], **METRES)
    # The product's own voxels are sorted, scan by scan; their features are the same means.
    for scene in np.unique(coords[:, 0]):
        rows, mine = coords[:, 0] == scene, np.flatnonzero(cells[:, 0] == scene)
        scan = superpoint_scan(coords[rows, 1:], feats[rows], feats[rows, 3:], np.zeros(rows.sum(), np.int64))
        order = mine[np.lexsort(cells[mine, 1:].T[::-1])]
        yield Check(f"cells of scan {scene}", scan.cells, golden["vox_out_coords"][order, 1:])
        yield Check(f"features of scan {scene}", scan.features, golden["vox_out_feats"][order], **METRES)
