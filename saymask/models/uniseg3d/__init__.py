"""UniSeg3D: six segmentation tasks in one model (NeurIPS 2024, arXiv 2407.03263)."""

from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.model import UniSeg3D

__all__ = ["UniSeg3D", "UniSeg3DConfig"]
