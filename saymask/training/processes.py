"""The processes that train together: who they are, how they are started, and that a folder belongs to one run."""

import os
import re
import socket
from collections.abc import Callable
from typing import Any

import torch

from saymask.errors import InputError
from saymask.util.cores import end_with_parent, environment_for


def this_rank() -> int:
    """Return the number of this process, as torchrun or SLURM gave it; 0 when it is the only one."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0)))


def world_size(devices: int) -> int:
    """Return how many processes there are: those of torchrun or SLURM, else one for each of `devices`."""
    return int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", devices)))


def started_outside() -> bool:
    """Return whether torchrun or SLURM started the processes."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_NTASKS", 1)) > 1


def accelerator_for(name: str, devices: int) -> str:
    """Return `cpu` or `gpu` for `auto` or one of the two; InputError for another name and for GPUs that are missing."""
    if name not in ("auto", "cpu", "gpu"):
        raise InputError(f"accelerator: expected auto, cpu or gpu, got {name!r}")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "gpu" and there < devices:
        raise InputError(f"accelerator gpu: expected {devices} CUDA device(s), this machine has {there}; use cpu")
    return "gpu" if there >= devices and name != "cpu" else "cpu"


def bare(error: InputError) -> InputError:
    """Return an error of a loading process without the report of its origin that torch puts around it."""
    parts = re.split(r"^(?:\S+\.)?(?:Input|Checkpoint|Protocol)Error: ", str(error), flags=re.MULTILINE)
    return InputError(parts[-1].strip()) if len(parts) > 1 and str(error).startswith("Caught ") else error


def spawn(run: Callable[[Any], None], job: Any, devices: int) -> None:
    """Call run(job) in `devices` processes on this machine and wait; an InputError of any of them becomes ours.

    InputError also when one of them is ended from outside: the others are stopped then.

    `run` is a function of a module, since the processes import it.
    """
    import torch.multiprocessing as mp
    from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    problems = mp.get_context("spawn").SimpleQueue()
    with environment_for(devices):
        children = start_processes(
            _process, (run, job, devices, port, problems), devices, join=False, start_method="spawn"
        )
    assert children is not None
    try:
        while not children.join():
            pass
    except ProcessRaisedException:
        if not problems.empty():
            raise InputError(problems.get()) from None
        raise
    except ProcessExitedException as error:
        how = error.signal_name or f"exit code {error.exit_code}"
        raise InputError(
            f"training process {error.error_index} of {devices} was ended from outside ({how}; out of memory?); "
            "run the same command again to go on from the last saved state"
        ) from None


def _process(number: int, run: Callable[[Any], None], job: Any, devices: int, port: int, problems: Any) -> None:
    end_with_parent()
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(devices), RANK=str(number),
        LOCAL_RANK=str(number), NODE_RANK="0",
    )  # fmt: skip
    try:
        run(job)
    except InputError as error:
        problems.put(str(error))
        raise
