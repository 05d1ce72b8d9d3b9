"""Features of points from the frames that show them (docs/systems/uniseg3d.md §6.7, step 1)."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saymask.errors import InputError
from saymask.geometry.camera import pose_points
from saymask.io.frames import Frames, FrameSkipped, left_out, none_usable
from saymask.masks import Masks
from saymask.scan import Scan
from saymask.scene.open_vocabulary.encoder import PairEncoder, unit
from saymask.scene.open_vocabulary.image_masks import MaskFolder, projected_masks
from saymask.scene.open_vocabulary.visible import visible_points

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class PointFeatures:
    """Features of N points from frames: a point's is the sum of those of all image regions that cover it.

    Kept as the regions and which points they cover, since hundreds of channels for each point would not fit.
    """

    regions: np.ndarray  # float32 [C, D] of length 1
    cover: "csr_matrix"  # float32 [N, C], 1 where a region covers a point
    lengths: np.ndarray  # float32 [N] length of each point's feature, 0 = no region covers it
    frames: int
    """Frames that were used."""
    skipped: dict[str, int]
    """Reason → number of frames that were left out for it."""

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def seen(self) -> np.ndarray:
        """Bool [N]: points that have a feature."""
        return self.lengths > 0

    def of(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return float32 [n, D], the features of points, of length 1; 0 for points that no region covers."""
        return (self.cover[rows] @ self.regions) / np.maximum(self.lengths[rows], 1e-12)[:, None]

    def cosines(self, texts: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        """Return float32 [n, T], the cosine of points with texts float32 [T, D] of length 1."""
        return (self.cover[rows] @ (self.regions @ texts.T)) / np.maximum(self.lengths[rows], 1e-12)[:, None]

    def messages(self) -> list[str]:
        """Return what a user should know."""
        lines = left_out(self.skipped, self.frames)
        share = 100 * float(self.seen.mean()) if len(self) else 0.0
        lines.append(f"{len(self.regions):,} image regions of {self.frames:,} frames cover {share:.0f} % of the points")
        if not self.seen.any():
            lines.append("no frame shows any mask: nothing can be named; do scan and frames belong together?")
        return lines


def point_features(
    scan: Scan,
    frames: Frames,
    masks: Masks | MaskFolder,
    encoder: PairEncoder,
    *,
    done: Callable[[int, int], None] = lambda frame, total: None,
) -> PointFeatures:
    """Return features of the points of a scan from its frames.

    masks: what is cut out of each frame: masks in the frames (`MaskFolder`), or masks of the scan, of which each frame
    shows a part. Every visible point gets the features of all regions that cover its pixel. Frames that cannot be used
    are counted; InputError when none can, when masks are of another scan, or of no frame. `done(frame, total)` is
    called after each frame.
    """
    if isinstance(masks, MaskFolder):
        masks.check(frames.numbers)
    elif len(masks.scan) != len(scan):
        raise InputError(f"masks: expected those of this scan of {len(scan):,} points, got of {len(masks.scan):,}")
    points = pose_points(scan)
    covered: list[np.ndarray] = []
    regions: list[np.ndarray] = []
    skipped: Counter[str] = Counter()
    used = 0
    for i, number in enumerate(frames.numbers):
        try:
            frame = frames.read(number)
            visible = visible_points(points, frame, frames.calibration)
        except FrameSkipped as reason:
            skipped[str(reason)] += 1
        else:
            used += 1
            size = frames.color_size
            found = (
                masks.masks(number, size) if isinstance(masks, MaskFolder) else projected_masks(masks, visible, size)
            )
            hits = [(mask, visible.rows[mask.covers(visible.pixels)]) for mask in found]
            hits = [(mask, rows) for mask, rows in hits if len(rows)]  # others would change no point
            if hits:
                regions.append(unit(encoder.images([mask.crop(frame.color) for mask, _ in hits])))
                covered += [rows for _, rows in hits]
        done(i + 1, len(frames.numbers))
    if not used:
        raise none_usable(frames, skipped)
    return _assembled(len(scan), regions, covered, used, dict(skipped))


def _assembled(
    n: int, regions: list[np.ndarray], covered: list[np.ndarray], frames: int, skipped: dict[str, int]
) -> PointFeatures:
    from scipy.sparse import csc_matrix, csr_matrix

    features = np.concatenate(regions) if regions else np.zeros((0, 1), np.float32)
    ends = np.cumsum([0, *(len(rows) for rows in covered)])
    rows = np.concatenate([np.zeros(0, np.int64), *covered])
    cover = csr_matrix(csc_matrix((np.ones(len(rows), np.float32), rows, ends), shape=(n, len(covered))))
    lengths = np.zeros(n, np.float32)
    for start in range(0, n, _CHUNK):
        lengths[start : start + _CHUNK] = np.linalg.norm(cover[start : start + _CHUNK] @ features, axis=1)
    return PointFeatures(features, cover, lengths, frames, skipped)
