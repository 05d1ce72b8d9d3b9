"""Memory of a training step: what the backward pass keeps of each voxel, and how many voxels a device has room for."""

import os
from dataclasses import replace

import numpy as np
import torch

from saymask.models.base import Model
from saymask.models.lground.batch import Sample

PIECE = 4000
"""Voxels of a scan that are measured on."""
COPIES = 4
"""Sizes of the weights that are needed at once: themselves, gradients, momentum, and one to spare."""
SHARE = 0.6
"""Share of the free memory for what the backward pass keeps; gradients of activations and work space need the rest."""


def piece_of(sample: Sample, count: int = PIECE) -> Sample:
    """Return a sample with the `count` voxels that are nearest to one in its middle, as dense as in the whole scan."""
    cells = sample.voxels.cells
    away = np.abs(cells - np.median(cells, axis=0)).sum(axis=1)
    centre = cells[away.argmin()]
    rows = np.sort(np.argsort(((cells - centre) ** 2).sum(axis=1), kind="stable")[:count])
    return replace(sample, voxels=sample.voxels.take(rows))


def bytes_per_voxel(model: Model, sample: Sample) -> float:
    """Return how many bytes the backward pass of a training step keeps per voxel; the model is left as it was."""
    weights = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    batch = model.collate([sample]).to(model.device)
    statistics = [(b, b.detach().clone()) for b in model.buffers()]
    mode = model.training
    model.train()
    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        losses = model.losses(batch)  # holds what is kept until all of it has been counted
    total = sum(kept.values())
    del losses
    model.train(mode)
    with torch.no_grad():
        for buffer, before in statistics:
            buffer.copy_(before)
    return total / len(sample.voxels)


def free_bytes() -> int:
    """Return the free memory of the GPU that training would use, of the machine where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def voxels_in(memory: float, model: Model, per_voxel: float) -> int:
    """Return how many voxels of a training batch fit into `memory` bytes beside the weights, 0 for none."""
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return max(0, int(SHARE * (memory - COPIES * weights) / per_voxel))
