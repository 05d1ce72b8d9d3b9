"""Scans: a point cloud or mesh in metres with z up, and the way back to the points of its file."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saymask.errors import InputError

MIN_POINTS = 100
"""Fewer points than this are not a scan of anything."""
MAX_POINTS = 2_000_000
"""Larger clouds are thinned to voxels for the model; masks are spread back to every point."""


@dataclass(frozen=True, eq=False)
class Source:
    """The file a scan came from: its columns in their original order and the row of every original point."""

    path: str
    format: str
    """Suffix of the file without the dot, `scannet` for a raw ScanNet folder."""
    n_original: int
    index: np.ndarray  # int64 [n_original]: row of Scan.points, -1 = dropped (not finite)
    columns: dict[str, np.ndarray] = field(
        default_factory=dict
    )  # name -> [n_original], file order, file units and axes
    transform: np.ndarray = field(default_factory=lambda: np.eye(4))  # float64 [4, 4]: file coordinates -> Scan.points
    faces: np.ndarray | None = None  # int32 [F, 3] over the original points
    extra: dict[str, Any] = field(
        default_factory=dict
    )  # what the format needs to be written again (comments, LAS header)


@dataclass(frozen=True, eq=False)
class Scan:
    """Points in metres with z up, their colours, and what else is known about them."""

    points: np.ndarray  # float32 [N, 3] metres, z up, finite
    colors: np.ndarray  # uint8 [N, 3]; 128 where the file had none
    normals: np.ndarray | None = None  # float32 [N, 3]
    faces: np.ndarray | None = None  # int32 [F, 3]
    superpoints: np.ndarray | None = None  # int32 [N], ids 0..S-1
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    """Labels per point: `semantic20`, `semantic200` (-1 = none), `nyu40` (0 = none), `instance` (-1 = none); `novel`
    (-1 = none) where there are pseudo masks."""
    alignment: np.ndarray | None = None  # float64 [4, 4] ScanNet's axis alignment, NOT applied to points
    has_color: bool = True
    name: str = ""
    source: Source | None = None
    messages: tuple[str, ...] = ()
    """Messages from loading: units, axes, dropped points."""
    image_features: np.ndarray | None = None  # float32 [S, C]: 2D features, one row per superpoint id

    def __post_init__(self) -> None:
        n = len(self.points)
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise InputError(f"scan points: expected an array [N, 3], got {list(self.points.shape)}")
        arrays: dict[str, np.ndarray | None] = {
            "colors": self.colors, "normals": self.normals, "superpoints": self.superpoints, **self.labels,
        }  # fmt: skip
        for name, values in arrays.items():
            if values is not None and len(values) != n:
                raise InputError(
                    f"scan {self.name or 'points'}: {name} has {len(values):,} rows for {n:,} points; make them equal"
                )
        if self.image_features is not None and self.image_features.ndim != 2:
            raise InputError(
                f"scan {self.name or 'points'}: image_features: expected an array [superpoints, channels], "
                f"got {list(self.image_features.shape)}"
            )

    def __len__(self) -> int:
        return len(self.points)

    @property
    def n_original(self) -> int:
        """Points in the file the scan came from (of the scan itself where there is no file)."""
        return len(self) if self.source is None else self.source.n_original
