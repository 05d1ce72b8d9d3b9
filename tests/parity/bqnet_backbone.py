"""BQNet: voxel features → U-Net levels → superpoint features and positions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from saymask.sparse import build_sites, pool_mean
from tests.parity import Check, case, placed
from tests.parity.backbones import every_path, filled_unet, traced


@case("bqnet", "backbone")
def backbone(data: dict[str, Any], path: Path) -> Iterator[Check]:
    unet = filled_unet()
    index = placed(data["p2v_map"]).long()
    superpoints = placed(data["superpoints"])
    count = int(superpoints.max()) + 1
    coords = placed(data["voxel_coords"])
    feats = pool_mean(placed(data["feats6"]), index, len(coords))
    yield Check("voxel_feats", feats, data["voxel_feats"], 1e-6, 1e-5)
    pyramid = build_sites(coords, 5, spatial_shape=data["spatial_shape"].tolist())
    got = traced(unet, feats[pyramid.order], pyramid)
    back = pyramid.inverse
    for name, array in (("input_conv", "input_conv"), ("block0_full_res", "first_block"), ("unet_out", "tail1")):
        yield Check(name, got[array][back], data[name], 1e-4)
    yield Check("output_layer", got["output"][back], data["output_layer"], 1e-4)
    for level in range(5):  # level 0 is the coarsest; rows are matched by coordinates
        sites = pyramid.levels[4 - level]
        rows = np.lexsort(data[f"level{level}_coords"].T[::-1])
        yield Check(f"level{level}_coords", sites.coords, data[f"level{level}_coords"][rows])
        yield Check(f"level{level}_shape", np.array(sites.spatial_shape), data[f"level{level}_shape"])
        yield Check(f"level{level}_feats", got[f"tail{5 - level}"], data[f"level{level}_feats"][rows], 1e-4)

    def pooled(output: Tensor) -> Tensor:
        return pool_mean(output[back][index], superpoints, count)

    yield Check("sp_feats", pooled(got["output"]), data["sp_feats"], 1e-4)
    for name, (output, tails) in every_path(unet, feats[pyramid.order], pyramid).items():
        yield Check(f"sp_feats ({name})", pooled(output), data["sp_feats"], 1e-4)
        yield Check(f"unet_out ({name})", tails[0][back], data["unet_out"], 1e-4)
