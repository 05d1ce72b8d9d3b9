"""A room with coloured boxes, and frames of it whose pictures show what is there: the right answers are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from saymask.masks import Masks
from saymask.scan import Scan
from tests.data.fake_frames import COLOR_SIZE, DEPTH_SIZE, Recording, camera_pose, write_folder

COLORS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "grey": (110, 110, 110)}
BOXES = {"red": (0.6, 0.6), "green": (2.2, 0.7), "blue": (1.4, 2.2)}
"""Colour -> where its box stands; each is 0.6 m wide, deep and high, in a room of 3 x 3 m."""
SIDE = 0.6


@dataclass(frozen=True)
class Room:
    scan: Scan
    owner: np.ndarray  # int [N]: place in COLORS
    masks: Masks  # the three boxes, then the floor


def make_room(spacing: float = 0.03) -> Room:
    """The points of the floor and of the boxes' sides and tops."""
    line = np.arange(0, 3, spacing)
    floor = np.stack([*np.meshgrid(line, line), np.zeros((len(line), len(line)))], axis=-1).reshape(-1, 3)
    under = np.zeros(len(floor), bool)
    parts, owners = [], []
    for i, (x, y) in enumerate(BOXES.values()):
        under |= (floor[:, 0] >= x) & (floor[:, 0] <= x + SIDE) & (floor[:, 1] >= y) & (floor[:, 1] <= y + SIDE)
        edge = np.arange(0, SIDE + 1e-6, spacing)
        u, v = (a.ravel() for a in np.meshgrid(edge, edge))
        full = np.full_like(u, SIDE)
        sides = [(u, v, full), (u, 0 * u, v), (u, full, v), (0 * u, u, v), (full, u, v)]
        box = np.unique(np.concatenate([np.stack(side, axis=1) for side in sides]).round(6), axis=0)
        parts.append(box + np.array([x, y, 0]))
        owners.append(np.full(len(box), i))
    parts.append(floor[~under])
    owners.append(np.full((~under).sum(), len(BOXES)))
    points, owner = np.concatenate(parts).astype(np.float32), np.concatenate(owners)
    scan = Scan(points, np.array(list(COLORS.values()), np.uint8)[owner], name="coloured")
    return Room(scan, owner, Masks.from_points(scan, owner == np.arange(len(COLORS))[:, None]))


def cast(pose: np.ndarray, camera: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Depth float [H, W] along the camera's axis and what is seen, int [H, W], by rays against the boxes and floor."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    local = np.stack(
        [(columns - camera[0, 2]) / camera[0, 0], (rows - camera[1, 2]) / camera[1, 1], np.ones(columns.shape)], axis=-1
    )
    ray, start = local @ pose[:3, :3].T, pose[:3, 3]
    with np.errstate(divide="ignore"):
        ground = -start[2] / ray[..., 2]
    x, y = (start[a] + ground * ray[..., a] for a in (0, 1))
    on_floor = (ground > 0) & (x >= 0) & (x <= 3) & (y >= 0) & (y <= 3)
    depth, seen = np.where(on_floor, ground, np.inf), np.where(on_floor, len(BOXES), -1)
    for i, corner in enumerate(BOXES.values()):
        low = np.array([*corner, 0.0])
        with np.errstate(divide="ignore"):
            enter, leave = (low - start) / ray, (low + SIDE - start) / ray
        near = np.minimum(enter, leave).max(axis=-1)
        far = np.maximum(enter, leave).min(axis=-1)
        hit = (near < far) & (near > 0) & (near < depth)
        depth, seen = np.where(hit, near, depth), np.where(hit, i, seen)
    return depth, seen


def record_room(frames: int = 8) -> tuple[Recording, list[np.ndarray]]:
    """A walk around the room, and what each pixel of each colour image shows, int [h, w], -1 = nothing."""
    recording = Recording([], [], [])
    # The colour camera sits 5 cm beside the depth camera and sees a wider field.
    recording.color_extrinsics[0, 3] = 0.05
    recording.color_intrinsics[0, 0] = recording.color_intrinsics[1, 1] = 0.75 * COLOR_SIZE[0]
    owners = []
    paint = np.array([*COLORS.values(), (250, 250, 250)], np.uint8)
    for i in range(frames):
        angle = 2 * np.pi * i / frames
        pose = camera_pose(
            np.array([1.5 + 2.6 * np.cos(angle), 1.5 + 2.6 * np.sin(angle), 1.9]), np.array([1.5, 1.5, 0.2])
        )
        depth, _ = cast(pose, recording.depth_intrinsics, DEPTH_SIZE)
        _, seen = cast(pose @ recording.color_extrinsics, recording.color_intrinsics, COLOR_SIZE)
        recording.pose.append(pose)
        recording.depth.append(np.where(np.isfinite(depth), np.round(depth * 1000), 0).astype(np.uint16))
        recording.color.append(paint[seen])
        owners.append(seen)
    return recording, owners


def write_room(folder: Path, frames: int = 8) -> list[np.ndarray]:
    """Export frames 0, 1, 2, … of the room; return what each pixel shows."""
    recording, owners = record_room(frames)
    write_folder(folder, recording, every=1)
    return owners


def write_masks(folder: Path, owners: list[np.ndarray]) -> Path:
    """Write what each pixel shows as the PNG of another program: 1, 2, 3, … for what is there, 0 for nothing."""
    folder.mkdir()
    for i, owner in enumerate(owners):
        Image.fromarray((owner + 1).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


class ColourEncoder:
    """A pair of encoders that can be followed: the feature of an image is how often each colour is in it, at its full
    brightness (the background is half as bright); that of a word its own colour."""

    def __init__(self) -> None:
        self.crops: list[np.ndarray] = []

    def images(self, crops):
        self.crops += crops
        known = np.array(list(COLORS.values()), float)
        out = np.zeros((len(crops), len(COLORS) + 1), np.float32)
        for row, crop in zip(out, crops):
            distance = np.linalg.norm(crop.reshape(-1, 1, 3) - known, axis=2)
            near = distance.min(axis=1) < 40
            row[:-1] = np.bincount(distance.argmin(axis=1)[near], minlength=len(COLORS))
            row[-1] = 1e-3
        return out

    def texts(self, texts):
        names = list(COLORS)
        out = np.zeros((len(texts), len(COLORS) + 1), np.float32)
        for row, text in zip(out, texts):
            row[names.index(text) if text in names else -1] = 2.0  # lengths do not count
        return out
