"""LESS: a sentence to one mask, in a single stage (arXiv 2410.13294)."""

from saymask.models.less.batch import Batch, Sample
from saymask.models.less.config import LessConfig, compat
from saymask.models.less.model import Encoded, Less
from saymask.models.less.presets import rooms, scanrefer, scanrefer_2024_10

__all__ = [
    "Batch", "Encoded", "Less", "LessConfig", "Sample", "compat", "rooms", "scanrefer", "scanrefer_2024_10",
]  # fmt: skip
