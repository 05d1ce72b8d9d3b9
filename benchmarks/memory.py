"""Memory of training: what a step keeps per voxel with each network of LGround, and how many voxels GPUs have room for.

    python -m benchmarks.memory DATA

DATA is a folder written by `saymask prepare`. What the backward pass keeps is counted, tensor by tensor, in one step on
a piece of its first training scan; the voxels of a memory are calculated from that (`saymask.models.lground.memory`).
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from saymask.data.samples.scans import split_scenes
from saymask.data.scenes import load_scene, scene_path
from saymask.hub import registry
from saymask.models.lground import LGround
from saymask.models.lground.memory import bytes_per_voxel, piece_of, voxels_in

PRESETS = (
    "lground.pretrain",
    "lground.scannet200-ce",
    "lground.scannet200-instances",
    "lground.pretrain-34c",
    "lground.scannet200-34c",
    "lground.rooms",
)
MEMORIES = (12, 24, 48, 80)
"""GB."""


def main(data: Path) -> None:
    """Print a row per preset."""
    scene = split_scenes(data, "train")[0]
    scan = load_scene(scene_path(data, scene))
    print("preset | weights, MB | kB per voxel | " + " | ".join(f"voxels in {m} GB" for m in MEMORIES))
    for name in PRESETS:
        config = registry.preset(name).model
        model = LGround(replace(config, encoder="none"))
        if config.text != "none":
            model.anchors.normal_()
        sample = model.prepare(scan, rng=np.random.RandomState(0))
        kept = bytes_per_voxel(model, piece_of(sample))
        weights = sum(p.numel() for p in model.parameters()) * 4 / 1e6
        fits = " | ".join(f"{voxels_in(m * 1e9, model, kept):,}" for m in MEMORIES)
        print(f"{name} | {weights:.0f} | {kept / 1e3:.1f} | {fits}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
