"""Inputs of a model: a scan or a prepared scene, with 2D features of its frames where the model takes them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.prepare.image_features import ImageOptions, load_encoder, pool_frames
from saymask.data.scenes import load_scene
from saymask.errors import InputError
from saymask.geometry.camera import pose_points
from saymask.io.frames import EVERY, find_frames, open_frames
from saymask.models.base import Model
from saymask.scan import Scan

PREPARED = ".safetensors"
"""Suffix of prepared scenes, DATA/scenes/<id>.safetensors."""


def load_for(model: Model, path: Any, *, unit: str | None = None, up: str | None = None) -> Scan:
    """Return the scan at `path` (whatever `load_scan` takes), or a prepared scene with the 2D features for `model`."""
    if isinstance(path, str | Path) and Path(path).suffix == PREPARED:
        return load_scene(path, model.image_features, stretched=model.stretched_images)
    from saymask.io.load import load_scan

    return load_scan(path, unit=unit, up=up)


def check_images(model: Model, *, given: bool, frames: bool) -> None:
    """Raise InputError for a model that takes 2D features and gets none, and for frames that a model has no use for.

    given: whether the scan brings features along; frames: whether there are frames to make them of.
    """
    if model.image_features and not (given or frames):
        raise InputError(
            f"{model.title} takes 2D features {model.image_features} of the scan's frames: give the frames "
            "(--frames FOLDER|FILE.sens), or ask about a prepared scene that has them (DATA/scenes/<id>.safetensors)"
        )
    if frames and not model.image_features:
        raise InputError(f"{model.title} takes no 2D features: leave --frames out")


def with_frames(
    scan: Scan,
    model: Model,
    frames: str | Path,
    *,
    image_encoder: str | Path | None = None,
    every: int = EVERY,
    done: Callable[[int, int], None] = lambda step, steps: None,
    say: Callable[[str], None] = print,
) -> Scan:
    """Return the scan with superpoints and the 2D features that `model` takes, made of the frames that show it.

    frames: a `.sens` file or a folder with color/, depth/ and pose/, or one that holds such for several scans by name;
    poses are in metres, along the axes of the scan's file. image_encoder: local folder with the image model's weights.
    `done(step, steps)` is called as frames are gone through, `say` gets a line per remark. Raises InputError as
    `check_images`, for frames that cannot be used, and without the image model's weights.
    """
    check_images(model, given=False, frames=True)
    options = ImageOptions(
        model.image_features,
        weights="" if image_encoder is None else str(image_encoder),
        frames=Path(frames),
        stretched=model.stretched_images,
        every=every,
        device=str(model.device),
    )
    options.check()
    if scan.superpoints is None:
        from saymask.geometry.superpoints import superpoints_of  # with its compiled kernels

        scan = replace(scan, superpoints=superpoints_of(scan))
    assert scan.superpoints is not None
    encoder = load_encoder(options)
    with open_frames(find_frames(scan.name, Path(frames)) or frames, every=every) as recording:
        points = pose_points(scan).astype(np.float32)
        pooled = pool_frames(points, scan.superpoints, recording, encoder, stretched=options.stretched, frame_done=done)
        for line in (*recording.messages, *pooled.messages()):
            say(line)
    return replace(scan, image_features=pooled.features)
