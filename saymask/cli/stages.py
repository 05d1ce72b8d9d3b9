"""Stages of a command: what it is doing is said on standard error, and how long each took."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from time import perf_counter
from typing import Any

WORDS = {
    "room": "making a room",
    "model": "loading the model",
    "load": "reading the scan",
    "frames": "looking through the frames",
    "superpoints": "cutting the scan into patches",
    "adapt": "getting used to the scan",
    "prepare": "preparing the scan for the model",
    "encode": "encoding the scan",
    "save": "writing the result",
    "picture": "drawing the picture",
    "turntable": "drawing it from all sides",
}
"""Stage -> what is said while it lasts; others are prompts."""
COMPILING = (
    "compiling kernels for this machine, which is kept for the next time (`saymask doctor --warm`: all at once) …"
)


class Stages:
    """The stages of one command: a line that changes in a terminal, a line per stage in a pipe.

    `seconds` holds what each stage took, in the order in which they began.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self._quiet, self._live, self._shown = quiet, sys.stderr.isatty(), 0
        self._compiled = False

    def begin(self, stage: str) -> None:
        """Say that a stage begins."""
        global _speaking
        _speaking = self
        if events := sys.modules.get("numba.core.event"):  # nothing is loaded for this; kernels come after the model
            _listen(events)
        if self._quiet:
            return
        text = f"{WORDS.get(stage, f'answering ({stage})')} …"
        if not self._live:
            print(text, file=sys.stderr, flush=True)
            return
        print("\r" + text.ljust(self._shown), end="", file=sys.stderr, flush=True)
        self._shown = len(text)

    def compiling(self) -> None:
        """Say once that kernels are compiled, which the first run on a machine waits for."""
        if not (self._quiet or self._compiled):
            self._compiled = True
            self.clear()
            print(COMPILING, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line that changes, before other output."""
        global _speaking
        _speaking = None
        if self._shown:
            print("\r" + " " * self._shown + "\r", end="", file=sys.stderr, flush=True)
            self._shown = 0

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Say that a stage begins, and note how long the block takes."""
        self.begin(stage)
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = perf_counter() - start

    def summary(self) -> str:
        """Return all seconds in one line."""
        return "seconds  " + "  ".join(f"{stage} {value:.2f}" for stage, value in self.seconds.items())


_speaking: Stages | None = None
"""The command whose stage lasts."""


@cache
def _listen(events: Any) -> None:
    """Let the stages that last be told when numba compiles; once in the life of this process."""

    class Compilations(events.Listener):
        def on_start(self, event: object) -> None:
            if _speaking is not None:
                _speaking.compiling()

        def on_end(self, event: object) -> None:
            pass

    events.register("numba:compile", Compilations())
