"""Small recordings for tests: cameras in a room, written as `.sens` or as exported frames."""

import io
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

DEPTH_SIZE = (64, 48)
COLOR_SIZE = (96, 72)


def intrinsics(size: tuple[int, int], focal: float = 0.9) -> np.ndarray:
    """A camera with its principal point in the middle; `focal` in widths."""
    matrix = np.eye(4)
    matrix[0, 0] = matrix[1, 1] = focal * size[0]
    matrix[:2, 2] = (np.array(size) - 1) / 2
    return matrix


@dataclass
class Recording:
    """Frames 0, 1, 2, … of a camera pair."""

    depth: list[np.ndarray]  # uint16 [H, W] millimetres
    color: list[np.ndarray]  # uint8 [h, w, 3]
    pose: list[np.ndarray]  # float64 [4, 4]
    depth_intrinsics: np.ndarray = field(default_factory=lambda: intrinsics(DEPTH_SIZE))
    color_intrinsics: np.ndarray = field(default_factory=lambda: intrinsics(COLOR_SIZE))
    depth_extrinsics: np.ndarray = field(default_factory=lambda: np.eye(4))
    color_extrinsics: np.ndarray = field(default_factory=lambda: np.eye(4))

    @property
    def depth_size(self) -> tuple[int, int]:
        return self.depth[0].shape[1], self.depth[0].shape[0]

    @property
    def color_size(self) -> tuple[int, int]:
        return self.color[0].shape[1], self.color[0].shape[0]


def camera_pose(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Camera to world of a camera at `position` that looks at `target`: x right, y down, z forward."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def see(points: np.ndarray, pose: np.ndarray, camera: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth uint16 [H, W] in millimetres of a cloud: the nearest point in each pixel, 0 where there is none."""
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    local = local[local[:, 2] > 0.1]
    column, row = (np.round(camera[a, a] * local[:, a] / local[:, 2] + camera[a, 2]).astype(int) for a in (0, 1))
    inside = (column >= 0) & (column < size[0]) & (row >= 0) & (row < size[1])
    depth = np.full(size[::-1], np.inf)
    np.minimum.at(depth, (row[inside], column[inside]), local[inside, 2])
    return np.where(np.isfinite(depth), np.round(depth * 1000), 0).astype(np.uint16)


def record(points: np.ndarray, frames: int = 21, seed: int = 0) -> Recording:
    """A walk around in the middle of a cloud, looking at its sides; every colour image is another smooth pattern."""
    rng = np.random.default_rng(seed)
    middle, low, high = points.mean(axis=0), points.min(axis=0), points.max(axis=0)
    recording = Recording([], [], [])
    for i in range(frames):
        angle = 2 * np.pi * i / frames
        position = middle + 0.4 * (high - middle) * np.array([0, 0, 1])
        target = middle + 0.5 * (high - low) * [np.cos(angle), np.sin(angle), -0.4]
        pose = camera_pose(position, target)
        recording.pose.append(pose)
        recording.depth.append(see(points, pose, recording.depth_intrinsics, DEPTH_SIZE))
        small = rng.integers(0, 256, (4, 5, 3)).astype(np.uint8)
        recording.color.append(np.asarray(Image.fromarray(small).resize(COLOR_SIZE, Image.Resampling.BICUBIC)))
    return recording


def jpeg(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def write_sens(
    path: Path,
    recording: Recording,
    *,
    version: int = 4,
    color_format: int = 2,
    depth_format: int = 1,
    shift: float = 1000.0,
    frames: int | None = None,
) -> None:
    """Write version 4 of ScanNet's format; `frames` is what the header says (default: the truth)."""
    name = b"a sensor"
    parts = [struct.pack("<IQ", version, len(name)), name]
    for matrix in (
        recording.color_intrinsics,
        recording.color_extrinsics,
        recording.depth_intrinsics,
        recording.depth_extrinsics,
    ):
        parts.append(matrix.astype("<f4").tobytes())
    parts.append(struct.pack("<2i", color_format, depth_format))
    parts.append(struct.pack("<4I", *recording.color_size, *recording.depth_size))
    parts.append(struct.pack("<fQ", shift, len(recording.depth) if frames is None else frames))
    for i, (depth, color, pose) in enumerate(zip(recording.depth, recording.color, recording.pose)):
        color_bytes = jpeg(color) if color_format == 2 else color.tobytes()
        depth_bytes = depth.astype("<u2").tobytes()
        if depth_format == 1:
            depth_bytes = zlib.compress(depth_bytes)
        parts.append(pose.astype("<f4").tobytes())
        parts.append(struct.pack("<4Q", 1000 * i, 1000 * i + 3, len(color_bytes), len(depth_bytes)))
        parts += [color_bytes, depth_bytes]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(parts))


def matrix_text(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(f"{v:.6f}" for v in row) for row in matrix) + "\n"


def write_folder(folder: Path, recording: Recording, *, every: int = 10) -> None:
    """Export as ScanNet's own reader does: color/0.jpg, depth/0.png, pose/0.txt, intrinsic/*.txt."""
    for name in ("color", "depth", "pose", "intrinsic"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(0, len(recording.depth), every):
        (folder / "color" / f"{i}.jpg").write_bytes(jpeg(recording.color[i]))
        Image.fromarray(recording.depth[i]).save(folder / "depth" / f"{i}.png")
        (folder / "pose" / f"{i}.txt").write_text(matrix_text(recording.pose[i]))
    for kind in ("depth", "color"):
        for part in ("intrinsic", "extrinsic"):
            matrix = getattr(recording, f"{kind}_{part}s")
            (folder / "intrinsic" / f"{part}_{kind}.txt").write_text(matrix_text(matrix))
