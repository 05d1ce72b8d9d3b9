"""Training: samples per second of the presets for Rooms.

`saymask train PRESET --devices 2` on eight rooms, with the preset's batch and precision; the first step, which
compiles, does not count. Where the aim is missed, the seconds of a step are those of one process alone.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.speed.clock import apart, timed
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.inputs import prepared_rooms

BEFORE = {"uniseg3d.rooms": 0.85, "bqnet.rooms": 0.55, "lground.rooms": 1.7}
GAIN = 2.0
"""The aim, over what it was before."""
STEPS, PROCESSES = 4, 2


def rate(preset: str, data: str, steps: int, processes: int) -> float:
    """Return the samples per second of a short training."""
    from saymask.training.run import train

    with TemporaryDirectory() as folder:
        train(preset, data, folder, devices=processes, max_steps=steps, log_every=1, save_minutes=0, quiet=True)
        with open(Path(folder) / "metrics.csv", newline="", encoding="utf-8") as file:
            found = [row["samples_per_second"] for row in csv.DictReader(file) if row.get("samples_per_second")]
    return float(found[-1])


def parts(preset: str, data: str) -> dict[str, float]:
    """Return the seconds of a step's parts, the shortest of some steps in this process alone."""
    import torch

    from saymask.hub.registry import build

    taken: dict[str, list[float]] = {}

    def clock(owner: Any, name: str, title: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def run(*arguments: Any, **options: Any) -> Any:
            result: list[Any] = []
            taken.setdefault(title, []).append(timed(lambda: result.append(real(*arguments, **options))).wall)
            return result[0]

        setattr(owner, name, run)

    clock(type(build(preset)), "losses", "forward")
    clock(torch.Tensor, "backward", "backward")
    clock(torch.nn.utils, "get_total_norm", "norm of the gradients")
    rate(preset, data, 2, 1)
    return {title: min(seconds) for title, seconds in taken.items()}


def measure(effort: Effort) -> list[Figure]:
    """Return samples per second of each preset."""
    data = str(prepared_rooms(effort.folder / "training", {"train": 8, "val": 1}))
    figures = []
    for preset, before in list(BEFORE.items())[-1 if effort.quick else 0 :]:
        found = apart(rate, preset, data, 2 if effort.quick else STEPS, PROCESSES)
        missed = found < GAIN * before
        figures.append(
            Figure(preset, found, "/s", aim=GAIN * before, before=before,
                   parts=apart(parts, preset, data) if missed else {})
        )  # fmt: skip
    return figures
