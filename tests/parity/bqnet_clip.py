"""BQNet: features of image patches on points and superpoints, by the official rule."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.geometry.camera import Calibration
from saymask.geometry.projection import ImagePooling, make_view
from tests.parity import Check, case


@case("bqnet", "clip_projection")
def clip_projection(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    calibration = Calibration(golden["intrinsic_depth"])
    points, superpoints = golden["scene_points"], golden["superpoint"]
    views, tokens = [], []
    for number in sorted(int(name.removeprefix("depth_")) for name in golden if name.startswith("depth_")):
        tokens.append(torch.from_numpy(golden[f"tokens_{number}"][0]))
        side = round(len(tokens[-1]) ** 0.5)
        depth = golden[f"depth_{number}"].astype(np.float32) / np.float32(1000)
        views.append(make_view(depth, golden[f"pose_{number}"].astype(np.float64), calibration, None, (side, side)))
    # Every point as its own superpoint gives the features of points.
    for name, group in (("point_feat", np.arange(len(points))), ("superpoint_feat", superpoints)):
        pooling = ImagePooling(points, group, grid=(side, side), stretched=True)
        for view in views:
            pooling.add_counts(pooling.count(view))
        pooling.finish_counts()
        for view, features in zip(views, tokens):
            pooling.add(pooling.weights(view), features)
        if name == "point_feat":
            yield Check("point_hits", pooling.hits, golden["point_hits"])
        yield Check(name, pooling.result(golden[name].shape[1]), golden[name], 1e-4, 1e-4)
