"""The bars of work that goes over many scenes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def scene_bars() -> "Progress":
    """Return bars on standard error with what is done, `rate` (a field of each task) and the time it takes."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
