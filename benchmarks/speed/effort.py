"""Effort of a run: how much is measured, and where inputs are kept."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Effort:
    """How much a case measures."""

    folder: Path
    """For inputs that are made once and kept."""
    quick: bool = False
    """Small inputs and few rounds: whether everything works, not how fast it is."""

    def rounds(self, full: int) -> int:
        """Return how often something is repeated."""
        return 1 if self.quick else full
