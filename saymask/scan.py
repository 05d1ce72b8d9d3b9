"""Scans: a point cloud or mesh in metres with z up, and the way back to the points of its file."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saymask.errors import InputError

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the brightness of a colour (ITU-R BT.601)."""
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


@dataclass(frozen=True, eq=False, repr=False)
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
    novel_masks: np.ndarray | None = None  # bool [J, S]: pseudo masks over superpoint ids, may overlap

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

        self._check_arrays()

    def _check_arrays(self) -> None:
        """Raise InputError for arrays of another kind than a scan has; `from_arrays` converts them."""
        where, advice = f"scan {self.name or 'points'}", "use Scan.from_arrays, which converts and checks"
        if self.points.dtype.kind != "f":
            raise InputError(f"{where}: expected points as floats in metres, got {self.points.dtype}; {advice}")
        if self.colors.dtype != np.uint8 or self.colors.ndim != 2 or self.colors.shape[1] != 3:
            got = f"{self.colors.dtype} {list(self.colors.shape)}"
            raise InputError(f"{where}: expected colors as uint8 [N, 3], got {got}; {advice}")
        if not np.isfinite(self.points).all():
            raise InputError(f"{where}: expected finite points, got NaN or infinite ones; {advice}")
        faces = self.faces
        if faces is not None and len(faces) and (faces.min() < 0 or faces.max() >= len(self.points)):
            raise InputError(f"{where}: expected faces within 0..{len(self.points) - 1}, got {faces.max()}")

    @classmethod
    def from_arrays(
        cls, points: Any, colors: Any = None, *, normals: Any = None, faces: Any = None, unit: str | None = None,
        up: str | None = None, name: str = "", **columns: Any,
    ) -> "Scan":  # fmt: skip
        """Return a scan of arrays, lists or tensors with all the care that files get.

        points [n, 3] in any number type (NaN rows are dropped, their masks are empty); colors [n, 3] as bytes, 16-bit,
        0..1, −1..1 or 0..255; normals [n, 3]; faces [F, 3]; further arrays per point are kept for `Masks.save`. `unit`
        and `up` as for `load_scan`, found out where they are not given; what was done is in `messages`.
        Raises InputError for shapes that do not fit, fewer than 100 points, and what is no room.
        """
        from saymask.io.arrays import scan_from_arrays

        return scan_from_arrays(
            points, colors, normals=normals, faces=faces, unit=unit, up=up, name=name, **columns
        )  # fmt: skip

    @classmethod
    def from_trimesh(cls, mesh: Any, *, unit: str | None = None, up: str | None = None, name: str = "") -> "Scan":
        """Return a scan of a trimesh Trimesh, PointCloud or Scene, in the colours of its vertices or textures."""
        from saymask.io.arrays import scan_from_trimesh

        return scan_from_trimesh(mesh, unit=unit, up=up, name=name)

    @classmethod
    def from_open3d(cls, geometry: Any, *, unit: str | None = None, up: str | None = None, name: str = "") -> "Scan":
        """Return a scan of an Open3D PointCloud or TriangleMesh (legacy or tensor)."""
        from saymask.io.arrays import scan_from_open3d

        return scan_from_open3d(geometry, unit=unit, up=up, name=name)

    def to_trimesh(self) -> Any:
        """Return a trimesh Trimesh, or a PointCloud where there are no faces; metres, z up."""
        from saymask.io.arrays import scan_to_trimesh

        return scan_to_trimesh(self)

    def to_open3d(self) -> Any:
        """Return an Open3D TriangleMesh, or a PointCloud where there are no faces; metres, z up."""
        from saymask.io.arrays import scan_to_open3d

        return scan_to_open3d(self)

    def __repr__(self) -> str:
        size = np.ptp(self.points, axis=0) if len(self) else np.zeros(3)
        parts = [f"{len(self):,} points", " × ".join(f"{v:.1f}" for v in size) + " m"]
        parts += ["colours" if self.has_color else "no colours"]
        parts += [f"{len(self.faces):,} faces"] if self.faces is not None else []
        parts += [f"labels {', '.join(self.labels)}"] if self.labels else []
        return f"Scan({self.name or 'unnamed'}: {', '.join(parts)})"

    def __len__(self) -> int:
        return len(self.points)

    @property
    def n_original(self) -> int:
        """Points in the file the scan came from (of the scan itself where there is no file)."""
        return len(self) if self.source is None else self.source.n_original

    @property
    def is_generated(self) -> bool:
        """Whether the file says that it is a room of `saymask rooms`."""
        return self.source is not None and "saymask rooms" in self.source.extra.get("comments", ())
