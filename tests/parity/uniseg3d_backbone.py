"""UniSeg3D: points → voxels → sparse U-Net → superpoint features, plain, elastic and with odd extents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from saymask.sparse import SitePyramid, build_sites, pool_mean
from tests.parity import Check, case, placed
from tests.parity.backbones import every_path, filled_unet, traced

RTOL = 1e-4


def _scenes(data: dict[str, Any], name: str) -> list[np.ndarray]:
    """Arrays `name_0`, `name_1`, … (or the one called `name`)."""
    return [data[name]] if name in data else [data[f"{name}_{i}"] for i in range(sum(_numbered(k, name) for k in data))]


def _numbered(key: str, name: str) -> bool:
    return key.startswith(f"{name}_") and key[len(name) + 1 :].isdigit()


def _voxelise(clouds: list[np.ndarray], elastic: list[np.ndarray] | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return (voxels int32 [V, 4] sorted, their mean features [V, 6], point → voxel [N]).

    Source: docs/systems/uniseg3d.md §2.10.
    """
    cells, feats = [], []
    for scene, cloud in enumerate(clouds):
        xyz = cloud[:, :3]
        grid = (xyz - xyz.min(0)) / np.float32(0.02) if elastic is None else elastic[scene] - elastic[scene].min(0)
        rows = np.floor(grid).astype(np.int64)
        cells.append(np.concatenate([np.full((len(rows), 1), scene), rows], axis=1))
        feats.append(np.concatenate([cloud[:, 3:6], xyz - xyz.mean(0)], axis=1))
    voxels, index = np.unique(np.concatenate(cells), axis=0, return_inverse=True)
    index = placed(index.reshape(-1))
    values = placed(np.concatenate(feats).astype(np.float32))
    return placed(voxels.astype(np.int32)), pool_mean(values, index, len(voxels)), index


def _shape(voxels: Tensor) -> list[int]:
    return np.maximum(voxels.cpu().numpy()[:, 1:].max(0) + 1, 128).tolist()


def _pool(out: Tensor, point2voxel: Tensor, superpoints: Tensor) -> Tensor:
    return pool_mean(out[point2voxel], superpoints, int(superpoints.max()) + 1)


def _close(name: str, got: Any, expected: np.ndarray) -> Check:
    return Check(name, got, expected, 1e-5 * max(1.0, float(np.abs(expected).max())), RTOL)


@case("uniseg3d", "backbone")
def backbone(data: dict[str, Any], path: Path) -> Iterator[Check]:
    unet = filled_unet()
    clouds, superpoints = _scenes(data, "points"), _scenes(data, "superpoints")
    for prefix in ("", "elastic_"):
        voxels, feats, index = _voxelise(clouds, _scenes(data, "elastic_coords") if prefix else None)
        shape = _shape(voxels)
        yield Check(f"{prefix}voxel_coords", voxels, data[f"{prefix}voxel_coords"])
        yield Check(f"{prefix}point2voxel", index, data[f"{prefix}point2voxel"])
        yield Check(f"{prefix}spatial_shape", np.array(shape), data[f"{prefix}spatial_shape"])
        if not prefix:
            yield _close("voxel_feats", feats, data["voxel_feats"])
        pyramid = build_sites(voxels, 5, spatial_shape=shape)
        yield from _run(unet, data, prefix, feats, pyramid, index, superpoints, [len(c) for c in clouds])


def _run(
    unet: Any, data: dict[str, Any], prefix: str, feats: Tensor, pyramid: SitePyramid, index: Tensor,
    superpoints: list[np.ndarray], sizes: list[int],
) -> Iterator[Check]:  # fmt: skip
    back = pyramid.inverse
    got = traced(unet, feats[pyramid.order], pyramid)
    if not prefix:
        yield _close("input_conv_out", got["input_conv"][back], data["input_conv_out"])
        yield _close("unet_out", got["tail1"][back], data["unet_out"])
        yield _close("output_layer_out", got["output"][back], data["output_layer_out"])
        for l in range(5):
            tail = got[f"tail{l + 1}"]
            yield Check(f"unet_level{l}_n", np.int64(len(tail)), data[f"unet_level{l}_n"])
            yield _close(f"unet_level{l}_mean", tail.mean(0), data[f"unet_level{l}_mean"])
            if f"unet_level{l}_coords" in data:
                yield Check(f"unet_level{l}_coords", pyramid.levels[l].coords, data[f"unet_level{l}_coords"])
                yield _close(f"unet_level{l}_feats", tail, data[f"unet_level{l}_feats"])
    outputs = {"": got["output"]} | {
        f" ({n})": o for n, (o, _) in every_path(unet, feats[pyramid.order], pyramid).items()
    }
    for path_name, output in outputs.items():
        parts = output[back][index].split(sizes)
        for scene, part in enumerate(parts):
            ids = placed(superpoints[scene])
            pooled = pool_mean(part, ids, int(ids.max()) + 1)
            name = f"{prefix}sp_feats_{scene}"
            yield _close(name + path_name, pooled, data[name])


@case("uniseg3d", "backbone_odd")
def backbone_odd(data: dict[str, Any], path: Path) -> Iterator[Check]:
    unet = filled_unet()
    voxels, feats, index = _voxelise([data["points"]], [data["elastic_coords"]])
    yield Check("voxel_coords", voxels, data["voxel_coords"])
    shape = _shape(voxels)
    yield Check("spatial_shape", np.array(shape), data["spatial_shape"])
    pyramid = build_sites(voxels, 5, spatial_shape=shape)
    shapes = np.array([level.spatial_shape for level in pyramid.levels])
    yield Check("level_spatial_shapes", shapes, data["level_spatial_shapes"])
    yield Check("level_counts", np.array([len(level) for level in pyramid.levels]), data["level_counts"])
    yield Check("level1_coords", pyramid.levels[1].coords, data["level1_coords"])
    back = pyramid.inverse
    superpoints = placed(data["superpoints"])
    got = traced(unet, feats[pyramid.order], pyramid)
    yield _close("level1_feats", got["tail2"], data["level1_feats"])
    yield _close("unet_out", got["tail1"][back], data["unet_out"])
    yield _close("sp_feats", _pool(got["output"][back], index, superpoints), data["sp_feats"])
    for name, (output, tails) in every_path(unet, feats[pyramid.order], pyramid).items():
        yield _close(f"unet_out ({name})", tails[0][back], data["unet_out"])
        yield _close(f"sp_feats ({name})", _pool(output[back], index, superpoints), data["sp_feats"])
