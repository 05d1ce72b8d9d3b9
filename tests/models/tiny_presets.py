"""Every preset at a size that trains in a moment: its own configuration, with few channels, layers and voxels."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from saymask.hub.registry import preset, system_class
from saymask.models.base import Model
from saymask.models.bqnet import BQNetConfig, PretrainConfig
from saymask.models.less import LessConfig
from saymask.models.lground import LGroundConfig
from saymask.models.lground.anchors import make_anchors
from saymask.models.uniseg3d import UniSeg3DConfig
from saymask.nn.res16unet.plan import small_plan
from saymask.scan import Scan
from tests.models.fakes import WordHash, small_scan

TEXT_WIDTH = 8
IMAGE_WIDTH = 6
CLASSES20, CLASSES200 = (4, 2, 6, 19, 1), (0, 3, 50, 180, 2)
"""ScanNet20 and ScanNet200 classes of a small scan's boxes, and at last of its floor."""


def shrunk(config: Any) -> Any:
    """Return a system's configuration with small sizes and everything else as it is."""
    match config:
        case LessConfig():
            return replace(
                config, voxel_size=0.1, widths=(8, 12, 16), text_width=TEXT_WIDTH, decoder_width=16, ffn_width=24,
                queries=5, sample_points=1500,
            )  # fmt: skip
        case PretrainConfig():
            return replace(config, model=shrunk(config.model))
        case BQNetConfig():
            return replace(
                config, voxel_size=0.1, widths=(8, 12, 16), block_reps=1, text_width=TEXT_WIDTH,
                image_width=IMAGE_WIDTH, width=16, heads=2, layers=2, ffn_width=24, projection=8, seeds=20, queries=6,
                parser="rules", smallest_mask=1,
            )  # fmt: skip
        case LGroundConfig():
            plan = small_plan((8, 8, 12, 12, 12, 8, 8, 8), stem=8, last_relu=config.network.last_relu)
            clustering = replace(config.clustering, radius=2.0, min_points=2, propose_points=3)
            view = replace(config.view, voxel_size=0.05)
            return replace(config, network=plan, view=view, text_width=TEXT_WIDTH, clustering=clustering)
        case UniSeg3DConfig():
            return replace(
                config, voxel_size=0.1, widths=(8, 12), block_reps=1, text_width=TEXT_WIDTH, width=16, heads=2,
                layers=2, ffn_width=24, fewest_points=5, class_prompts=("{}",), agnostic_threshold=0.0,
            )  # fmt: skip
    raise AssertionError(f"add the sizes of a tiny {type(config).__name__} here")


def encoder(name: str = "") -> WordHash:
    """Return the stand-in for any text encoder."""
    return WordHash(TEXT_WIDTH)


def tiny(name: str, seed: int = 0) -> Model:
    """Return a preset's tiny model with random weights, ready to train or to answer, in eval mode."""
    torch.manual_seed(seed)
    chosen = preset(name)
    kind: Any = system_class(chosen.system)
    config = shrunk(chosen.model)
    model: Model = kind(config) if isinstance(config, PretrainConfig) else kind(config, text_encoder=encoder())
    if isinstance(config, LGroundConfig) and config.text != "none":
        model.set_anchors(make_anchors([c.name for c in model.classes], model.text_encoder()))
    if isinstance(config, UniSeg3DConfig):
        model.begin_training(None, (), lambda line: None)
        # Fresh IoU heads say about 0: nothing would be confident.
        torch.nn.init.constant_(model.decoder.heads.iou[-1].bias, 0.9)
    model.card = {"name": name, "preset": name, "system": chosen.system, "verbs": list(model.verbs)}
    return model.eval()


def scan_of(seed: int = 0, points: int = 1500) -> Scan:
    """Return a small scan with all that any preset takes: superpoints, labels of both class sets, 2D features."""
    scan = small_scan(seed, points)
    instance, superpoints = scan.labels["instance"], scan.superpoints
    assert superpoints is not None
    features = np.random.RandomState(seed).standard_normal((int(superpoints.max()) + 1, IMAGE_WIDTH))
    labels = {
        "instance": instance,
        "semantic20": np.array(CLASSES20, np.int16)[instance],
        "semantic200": np.array(CLASSES200, np.int16)[instance],
    }
    return replace(scan, labels=labels, image_features=features.astype(np.float32))
