"""Language-grounded ScanNet200 segmentation (ECCV 2022) and its long-tail follow-up: docs/systems/lground.md."""

from saymask.models.lground.config import LGroundConfig
from saymask.models.lground.model import LGround

__all__ = ["LGround", "LGroundConfig"]
