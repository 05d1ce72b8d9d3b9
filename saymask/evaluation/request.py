"""Request: the options of an evaluation apart from the model, handed on as one object."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """The options of `saymask.evaluation.run.evaluate`, which explains them."""

    data: Path
    task: str
    protocol: str | None = None
    split: str = "val"
    source: str | None = None
    processes: int = 1
    limit: int | None = None
    baselines: bool = True
    click_distances: bool = False
    device: str = "auto"
    export: Path | None = None
    allow_missing: bool = False
    quiet: bool = False
