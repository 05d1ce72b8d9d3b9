"""Progress of a training: a bar on standard error."""

import logging
import sys
import time
import warnings
from collections import deque

from rich.console import Console
from rich.progress import Progress, TaskID

from saymask.util.progress import bars


class ProgressLine:
    """A live bar with loss and samples/s on a terminal, a line every half minute elsewhere, nothing when `quiet`."""

    def __init__(self, title: str, *, quiet: bool = False, every_seconds: float = 30.0) -> None:
        self.title, self.quiet, self.every = title, quiet, every_seconds
        self.console = Console(file=sys.stderr, quiet=quiet)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._times: deque[tuple[float, int]] = deque(maxlen=50)
        self._loss = float("nan")
        self._printed = 0.0
        self.total = 0

    @property
    def rate(self) -> float:
        """Samples per second over the last steps, of all processes."""
        if len(self._times) < 2:
            return 0.0
        seconds = self._times[-1][0] - self._times[0][0]
        return sum(n for _, n in list(self._times)[1:]) / seconds if seconds > 0 else 0.0

    def start(self, done: int, total: int) -> None:
        """Begin to show `total` steps of which `done` are done."""
        self.total = total
        self._printed = time.monotonic()
        if not self.quiet and self.console.is_terminal:
            note = "loss {task.fields[loss]:.4f}  {task.fields[rate]:.1f} samples/s"
            self._bar = bars(note, console=self.console)
            self._task = self._bar.add_task(self.title, total=total, completed=done, loss=float("nan"), rate=0.0)
            self._bar.start()

    def step(self, done: int, terms: dict[str, float], samples: int, epoch: int) -> None:
        """Show that `done` steps are done; the loss shown is a running mean."""
        loss, now = terms["loss"], time.monotonic()
        self._loss = loss if self._loss != self._loss else 0.95 * self._loss + 0.05 * loss
        self._times.append((now, samples))
        if self._bar is not None:
            text = f"{self.title} epoch {epoch}"
            self._bar.update(self._task, completed=done, loss=self._loss, rate=self.rate, description=text)
        elif now - self._printed >= self.every:
            self._printed = now
            self.say(f"epoch {epoch} step {done}/{self.total} loss {self._loss:.4f} {self.rate:.1f} samples/s")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(f"{self.title}: {text}", highlight=False, soft_wrap=True, markup=False)

    def stop(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def quieten() -> None:
    """Switch off Lightning's hints about its own defaults, which mean nothing to users of `saymask train`."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for text in (
        "does not have many workers",
        "in eval mode at the start",
        "broadcast_buffers",
        "isinstance.treespec",
        "persistent_workers",
    ):
        warnings.filterwarnings("ignore", message=f".*{text}.*")
