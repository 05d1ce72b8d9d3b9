"""Processes that torch.distributed joins measure what one does, to the last digit, uneven shares included."""

import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from saymask.hub.checkpoints import load_model
from saymask.models.base import TrainConfig
from saymask.training.validation import validation
from tests.faults.jobs import JOBS, register
from tests.models import toy_model

CONFIG = TrainConfig(task="refer", protocol="scanrefer")


def measure(source: Path, rank: int = 0, world: int = 1) -> dict:
    measured = validation(source / "data", CONFIG, print, rank=rank, world=world)
    assert measured is not None
    return measured(load_model(source / "toy.safetensors", "cpu"))


def one_rank(source: Path, rank: int, world: int, answers) -> None:
    """Do what a process of torchrun does."""
    import torch.distributed as dist

    torch.set_num_threads(1)
    register()
    dist.init_process_group("gloo", init_method=f"file://{source}/meet{world}", rank=rank, world_size=world)
    answers.put(measure(source, rank, world))
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs fork servers")
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_equal_one_process(world, tmp_path, monkeypatch):
    toy_model.register(monkeypatch)
    JOBS["evaluate"].make(tmp_path)  # three scans to measure: 2 and 1, or 1, 1, 1 and none
    alone = measure(tmp_path)
    assert 0 < alone["overall"]["miou"] < 1
    start = multiprocessing.get_context("forkserver")
    answers = start.Queue()
    processes = [start.Process(target=one_rank, args=(tmp_path, rank, world, answers)) for rank in range(world)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=250) for _ in processes]
    for process in processes:
        process.join()
    assert found == [alone] * world
