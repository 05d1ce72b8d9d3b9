"""LGround: voxels of evaluation, the augmentation chain, colour conversions, and tail-instance insertion."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saymask.labels.tables import scannet200
from saymask.models.lground.insert import Insertion, TailBank, insert
from saymask.models.lground.transform import (
    Augmentation,
    Cloud,
    Draws,
    Similarity,
    auto_contrast,
    distort_twice,
    flip,
    hsv_to_rgb,
    jitter_colors,
    official_draws,
    rgb_to_hsv,
    similarity,
    translate_colors,
    voxelise,
)
from tests.parity import Check, case

VOXEL = 0.02
"""Metres; the files do not hold it."""
COLOR = {"atol": 1e-4}
"""Colours are 0..255."""
INDEX = {c.id: c.index for c in scannet200()}


def _cloud(points: np.ndarray, colors: np.ndarray, labels: np.ndarray) -> Cloud:
    return Cloud(points, colors, labels.astype(np.int64), np.full(len(points), -1))


@case("lground", "data_pipeline")
def data_pipeline(data: dict[str, Any], path: Path) -> Iterator[Check]:
    cloud = _cloud(data["points"], data["colors"], data["labels"])
    plain = similarity(VOXEL)
    seen = voxelise(cloud, plain.turn @ plain.scale)
    for name, values in (("coords", seen.cells), ("colors", seen.colors), ("labels", seen.labels)):
        yield Check(f"eval_{name}", values, data[f"eval_{name}"])

    augment, draw = Augmentation(), official_draws(int(data["seed"]))
    yield Check("elastic_points", distort_twice(cloud.points, augment, draw), data["elastic_points"], 1e-5)
    found = similarity(VOXEL, augment, draw.numpy)
    yield Check("aug_M_v", found.scale, data["aug_M_v"], 1e-9)
    yield Check("aug_M_r", found.turn, data["aug_M_r"], 1e-9)
    # From the stored points on: another SciPy may round a point across a voxel's border.
    bent = _cloud(data["elastic_points"], cloud.colors, data["labels"])
    seen = voxelise(bent, data["aug_M_r"] @ data["aug_M_v"])
    yield Check("aug_vox_coords", seen.cells, data["aug_vox_coords"])
    yield Check("aug_vox_labels", seen.labels, data["aug_vox_labels"])
    yield Check("aug_flip_coords", flip(seen.cells, augment.flip, draw.python), data["aug_flip_coords"])
    colors = auto_contrast(seen.colors, augment.contrast, draw.python)
    yield Check("aug_colors_after_autocontrast", colors, data["aug_colors_after_autocontrast"], **COLOR)
    colors = translate_colors(colors, augment.translation, augment.translation_ratio, draw)
    yield Check("aug_colors_after_translation", colors, data["aug_colors_after_translation"], **COLOR)
    colors = jitter_colors(colors, augment.jitter, augment.jitter_std, draw)
    yield Check("aug_colors_after_jitter", colors, data["aug_colors_after_jitter"], **COLOR)

    source = random.Random(int(data["autocontrast_only_pyseed"]))
    stretched = auto_contrast(cloud.colors.astype(np.float32), augment.contrast, source)
    yield Check("autocontrast_only_colors", stretched, data["autocontrast_only_colors"], **COLOR)
    hsv = rgb_to_hsv(cloud.colors[: len(data["hsv_200"])])
    yield Check("hsv_200", hsv, data["hsv_200"], 1e-9)
    yield Check("hsv_back_200", hsv_to_rgb(data["hsv_200"]), data["hsv_back_200"])


@case("lground", "instance_sampling")
def instance_sampling(data: dict[str, Any], path: Path) -> Iterator[Check]:
    augment, draw = Augmentation(), official_draws(int(data["seed"]))
    space = similarity(VOXEL, augment, draw.numpy)
    yield Check("M_v", space.scale, data["M_v"], 1e-9)
    yield Check("M_r", space.turn, data["M_r"], 1e-9)
    scene = voxelise(_cloud(data["points"], data["colors"], data["labels"]), data["M_v"])
    yield Check("scene_coords", scene.cells, data["scene_coords"])

    objects: dict[int, list[Cloud]] = {}
    for found in (re.fullmatch(r"inst_(\d+)_points", name) for name in data):
        if found:
            raw = int(found[1])
            points = data[f"inst_{raw}_points"]
            cloud = _cloud(points, data[f"inst_{raw}_colors"], np.full(len(points), raw))
            objects[INDEX[raw]] = [cloud]
    bank = TailBank(objects, data["weights"])
    source = _Recorded(draw.python)
    out = insert(
        scene,
        Similarity(data["M_v"], data["M_r"]),
        bank,
        data["bbs"],
        voxel_size=VOXEL,
        augment=augment,
        draw=Draws(source, draw.numpy),
        options=Insertion(compat=True),
    )
    yield Check("randint_draws", np.array(source.seen), data["randint_draws"])
    for name, values in (("coords", out.cells), ("colors", out.colors), ("labels", out.labels)):
        yield Check(f"out_{name}", values, data[f"out_{name}"])


class _Recorded(random.Random):
    """A generator in another's state that remembers what `randint` drew."""

    def __init__(self, source: random.Random) -> None:
        super().__init__()
        self.setstate(source.getstate())
        self.seen: list[tuple[int, int, int]] = []

    def randint(self, a: int, b: int) -> int:
        value = super().randint(a, b)
        self.seen.append((a, b, value))
        return value
