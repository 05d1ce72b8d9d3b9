"""A model whose norms know the scan they are about to see: BatchNorm statistics re-estimated without labels.

Running statistics describe the scans of training. Where a scan looks otherwise (another sensor, another person's
furniture), features leave the range that the layers after a norm were trained on. `adapted` measures the statistics on
the scan itself and mixes them with the stored ones; weights stay as they are. Source of the idea: adaptive batch
normalisation (Li et al., 2016, arXiv 1603.04779); mixing as in Schneider et al. (NeurIPS 2020, arXiv 2006.16971).
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from saymask.errors import InputError
from saymask.scan import Scan

M = TypeVar("M", bound=nn.Module)
TURNS = 6
"""Views of the scan, turned about z, that the statistics are the mean of: walls meet the voxels at other angles."""
FIRST_TURN = 13.0
"""Degrees of the first one: square rooms lie along the voxels unturned."""
POINTS_AT_ONCE = 600_000
"""Points of the views that are seen together; more would only take memory."""


def turned_views(scan: Scan) -> Iterator[list[Scan]]:
    """Yield the scan turned about z by `TURNS` evenly spaced angles, in lists of what is seen together.

    Superpoints have to be given, so that all views share them.
    """
    together = int(np.clip(POINTS_AT_ONCE // max(1, len(scan)), 1, TURNS))
    views = []
    for angle in np.deg2rad(FIRST_TURN + 360.0 / TURNS * np.arange(TURNS)):
        normals = None if scan.normals is None else turned(scan.normals, angle)
        views.append(replace(scan, points=turned(scan.points, angle), normals=normals))
    for first in range(0, TURNS, together):
        yield views[first : first + together]


def turned(vectors: np.ndarray, angle: float) -> np.ndarray:
    """Return float32 [N, 3]: vectors turned counterclockwise about the z axis by `angle` radians."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y, z = np.asarray(vectors, np.float32).T
    return np.stack([c * x - s * y, s * x + c * y, z], axis=1)


def check_share(share: float) -> float:
    """Return the weight of a scan's own statistics; raise InputError unless it is a number from 0 to 1."""
    if isinstance(share, bool) or not isinstance(share, (int, float, np.number)) or not 0 <= share <= 1:
        raise InputError(f"adapt: expected a weight from 0 (stored statistics) to 1 (the scan's own), got {share!r}")
    return float(share)


@torch.no_grad()
def adapted(model: M, share: float, batches: Iterable[Any], see: Callable[[M, Any], object]) -> M:
    """Return `model` with norm statistics that are `share` those of `batches` and the rest the stored ones.

    `see(model, batch)` shows a batch to a model. The parts of the model that have BatchNorm are copied; their
    parameters and everything else are shared with `model`, which does not change: several threads may call this at the
    same time. Means and variances are mixed. InputError for a model none of whose norms sees anything.
    """
    copied = copy.copy(model)
    copied._modules = dict(model._modules)
    norms: list[tuple[_BatchNorm, _BatchNorm]] = []
    for name, part in model.named_children():
        if not any(isinstance(m, _BatchNorm) for m in part.modules()):
            continue
        own = copy.deepcopy(part, {id(p): p for p in part.parameters()})
        copied._modules[name] = own.train()
        pairs = zip(part.modules(), own.modules(), strict=True)
        norms += [(old, new) for old, new in pairs if isinstance(old, _BatchNorm) and isinstance(new, _BatchNorm)]
    momenta = [new.momentum for _, new in norms]
    for _, new in norms:
        new.reset_running_stats()
        new.momentum = None  # the running statistics are the plain mean over all batches
    for batch in batches:
        see(copied, batch)
    seen = False
    for (old, new), momentum in zip(norms, momenta, strict=True):
        new.momentum = momentum
        counted = new.num_batches_tracked is not None and bool(new.num_batches_tracked)
        seen |= counted
        for mixed, stored in ((new.running_mean, old.running_mean), (new.running_var, old.running_var)):
            if mixed is not None and stored is not None:
                mixed.copy_(stored.lerp(mixed, share) if counted else stored)
    if not seen:
        raise InputError("adapt: this model has no batch norms that see the scan before a prompt; leave adapt out")
    for name in copied._modules:
        part = copied._modules[name]
        if part is not None and part is not model._modules[name]:
            part.train(model.training)
    return copied
