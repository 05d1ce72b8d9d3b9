"""Plans of Res16UNet: channels and blocks of each stage, and the names of the published ones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from saymask.errors import InputError

REPEATS = {"14": (1,) * 8, "18": (2,) * 8, "34": (2, 3, 4, 6, 2, 2, 2, 2)}
"""Depth → blocks of each of the eight stages."""
PLANES = {
    "A": (32, 64, 128, 256, 256, 128, 64, 64),
    "B": (32, 64, 128, 256, 256, 128, 64, 32),
    "C": (32, 64, 128, 256, 256, 128, 96, 96),
    "CR": (32, 64, 128, 256, 256, 128, 96, 96),
    "D": (32, 64, 128, 256, 256, 256, 256, 512),
    "C100": (32, 64, 128, 256, 256, 128, 128, 100),
    "C200": (32, 64, 128, 256, 256, 128, 96, 200),
}
"""Name → channels of each of the eight stages, encoder first."""


@dataclass(frozen=True)
class Res16Plan:
    """The shape of a Res16UNet."""

    planes: tuple[int, ...] = PLANES["C"]
    """Channels of the eight stages; those of the last are the features'."""
    repeats: tuple[int, ...] = REPEATS["34"]
    """Blocks of the eight stages."""
    last_relu: bool = True
    """Whether the features are activated."""
    in_channels: int = 3
    stem: int = 32
    """Channels of the first convolution."""
    stem_size: int = 3
    """Its kernel size, odd."""

    def __post_init__(self) -> None:
        for name, values in (("planes", self.planes), ("repeats", self.repeats)):
            if len(values) != 8 or min(values) < 1:
                raise InputError(f"{name}: expected eight positive numbers, got {tuple(values)}")
        if self.in_channels < 1 or self.stem < 1 or self.stem_size < 1 or self.stem_size % 2 == 0:
            raise InputError(
                "expected positive channels and an odd kernel size of the first convolution, got "
                f"{self.in_channels}, {self.stem} and {self.stem_size}"
            )

    @property
    def features(self) -> int:
        """Channels of the features."""
        return self.planes[-1]


def res16_plan(name: str, *, instances: bool = False) -> Res16Plan:
    """Return a named plan: depth 14, 18 or 34 and one of `PLANES`, e.g. "34C", "34CR", "34D" or "14A".

    CR and D leave the features without the last ReLU; in the official copy for instance segmentation (`instances`) all
    have it. The published variants are 34A, B, C, CR, D, C100 and C200; other depths with these planes are cheaper and
    ours. Raises InputError for any other name. Source: docs/systems/lground.md §3.1.
    """
    match = re.fullmatch(r"(14|18|34)([A-D]R?\d*)", name)
    if match is None or match[2] not in PLANES:
        raise InputError(f"Res16UNet: expected one of 14, 18, 34 and one of {', '.join(PLANES)} (34D), got {name!r}")
    return Res16Plan(PLANES[match[2]], REPEATS[match[1]], last_relu=instances or match[2] not in ("CR", "D"))


def small_plan(planes: Sequence[int], repeats: int = 1, *, last_relu: bool = False, stem: int = 32) -> Res16Plan:
    """Return a plan with the same number of blocks on every stage, for small presets."""
    return Res16Plan(tuple(planes), (repeats,) * 8, last_relu=last_relu, stem=stem)
