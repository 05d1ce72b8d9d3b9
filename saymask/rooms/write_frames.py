"""Writing the frames of a recording as ScanNet's exporter lays them out."""

from pathlib import Path

import numpy as np

from saymask.rooms.sensor.capture import Frames

EVERY = 10
"""Frames are numbered as if each were the tenth of a recording, as readers of exports expect."""
QUALITY = 90


def write_frames(folder: Path, frames: Frames) -> None:
    """Write color/N.jpg, depth/N.png (16 bits, millimetres), pose/N.txt and intrinsic/*.txt into a folder."""
    from PIL import Image

    for name in ("color", "depth", "pose", "intrinsic"):
        (folder / name).mkdir()
    for i, pose in enumerate(frames.poses):
        number = EVERY * i
        Image.fromarray(frames.color[i]).save(folder / "color" / f"{number}.jpg", quality=QUALITY)
        Image.fromarray(frames.depth[i]).save(folder / "depth" / f"{number}.png", compress_level=3)
        _write_matrix(folder / "pose" / f"{number}.txt", pose)
    fx, fy, cx, cy = frames.intrinsics
    matrix = np.array([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    for kind in ("color", "depth"):  # one camera takes both
        _write_matrix(folder / "intrinsic" / f"intrinsic_{kind}.txt", matrix)
        _write_matrix(folder / "intrinsic" / f"extrinsic_{kind}.txt", np.eye(4))


def _write_matrix(path: Path, matrix: np.ndarray) -> None:
    path.write_text("\n".join(" ".join(f"{v:.6f}" for v in row) for row in matrix) + "\n", encoding="ascii")
