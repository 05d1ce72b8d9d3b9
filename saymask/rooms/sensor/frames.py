"""Depth and colour frames as a cheap depth camera in a moving hand takes them of a room's surfaces.

Depth is wrong as structured light is: by noise that grows with the square of the distance and is alike in neighbouring
pixels, by a distortion of the lens, in steps of disparity; it is missing at grazing angles, on dark, shiny and glass
surfaces and beyond the range, and mixed at edges. Colour has the camera's exposure, white balance, contrast, vignetting
and motion blur. Everything after the pose uses plain arithmetic, so that frames are the same on every machine.
"""

from dataclasses import dataclass

import numba
import numpy as np

from saymask.geometry.rasterize import camera_points, interpolate, rasterize
from saymask.rooms.sensor.capture import Frames
from saymask.rooms.sensor.surface import Surface
from saymask.rooms.sensor.walk import drifted
from saymask.scan import LUMINANCE


@dataclass(frozen=True)
class Camera:
    """A depth camera with its faults; a range is drawn from uniformly, once per scan."""

    width: int = 320
    height: int = 240
    field: float = 60.0
    """Horizontal field of view, degrees."""
    nearest: float = 0.4
    reach: tuple[float, float] = (2.3, 3.6)
    """Metres between which depth is measured."""
    noise: float = 0.0012
    """Deviation of what neighbouring pixels have in common, metres at one metre."""
    fine: float = 0.0012
    """Deviation of what each pixel has alone, metres at one metre."""
    distortion: float = 0.002
    """Deviation of the error of the lens, a share of the distance, the same in all frames of a scan."""
    window: float = 0.5
    """Width of the windows that are matched, degrees: most of what is narrower is lost."""
    step: float = 0.0008
    """Step of 1 / depth, per metre."""
    drift: float = 0.006
    drift_turn: float = 0.6
    """Deviation of the error of tracked poses, metres and degrees."""
    gamma: tuple[float, float] = (0.6, 1.0)
    """Share of the square in the tone curve: contrast."""
    exposure: tuple[float, float] = (92.0, 132.0)
    """Mean brightness that automatic exposure aims at, 0..255."""
    flicker: float = 0.06
    """Deviation of a frame's exposure, a share."""
    saturation: tuple[float, float] = (0.75, 1.25)
    """Distance of colours from grey, a share."""
    warmth: tuple[float, float] = (0.01, 0.08)
    """Excess of red and lack of blue, a share."""
    vignette: float = 0.2
    """Share of the light that is lost in the corners."""
    blur: int = 4
    """Most pixels of motion blur."""


def take(surface: Surface, poses: np.ndarray, camera: Camera, rng: np.random.RandomState) -> Frames:
    """Return the frames that a camera takes at `poses`, float64 [K, 4, 4] camera to scan."""
    h, w = camera.height, camera.width
    focal = round(w / 2 / float(np.tan(np.radians(camera.field / 2))), 3)
    intrinsics = np.array([focal, focal, (w - 1) / 2, (h - 1) / 2])
    cell = max(4, w // 32)
    reach = float(rng.uniform(*camera.reach))
    lens = 1 + camera.distortion * _field(rng, h, w, w // 4)
    look = tuple(rng.uniform(*span) for span in (camera.gamma, camera.exposure, camera.warmth, camera.saturation))
    y, x = np.mgrid[:h, :w].astype(np.float32)
    corner = ((x - w / 2) ** 2 + (y - h / 2) ** 2) / ((w / 2) ** 2 + (h / 2) ** 2)
    dim = (1 - camera.vignette * corner)[..., None].astype(np.float32)
    values = np.concatenate([surface.colors, surface.bumps[:, None]], axis=1).astype(np.float32)
    count = len(poses)
    depths, colors = np.zeros((count, h, w), np.uint16), np.zeros((count, h, w, 3), np.uint8)
    objects = np.full((count, h, w), -1, np.int32)
    for i, pose in enumerate(poses):
        points = camera_points(surface.points, pose)
        exact, triangle = rasterize(points, surface.faces, intrinsics, w, h, np.float32(2 * reach))
        shown = interpolate(points, surface.faces, values, exact, triangle, intrinsics)
        slant = _incidence(points, surface.faces, exact, triangle, intrinsics)
        there = triangle >= 0
        objects[i][there] = surface.objects[surface.faces[triangle[there], 0]]
        shade = shown[..., :3] @ LUMINANCE
        shiny = surface.shiny[objects[i]] & there
        depths[i] = _measured(
            exact + shown[..., 3] * exact * exact, slant, shade, shiny, lens, cell, reach, camera, rng
        )
        colors[i] = _photograph(shown[..., :3], there, dim, look, camera, rng)
    return Frames(depths, colors, objects, drifted(poses, camera.drift, camera.drift_turn, rng), intrinsics)


def _measured(exact, slant, shade, shiny, lens, cell, reach, camera: Camera, rng) -> np.ndarray:
    """Return measured depth, uint16 [H, W] millimetres."""
    h, w = exact.shape
    window = round(camera.window / camera.field * w)
    depth = _mixed_edges(exact, rng.random_sample((h, w)), window)
    noise = camera.noise * _field(rng, h, w, cell) + camera.fine * rng.standard_normal((h, w))
    z = depth.astype(np.float64) * lens
    z += noise * z * z
    inverse = np.round(1 / np.maximum(z, 0.1) / camera.step) * camera.step
    z = 1 / np.maximum(inverse, camera.step)
    # Chance of a return, compared with noise that is alike in neighbouring pixels: what is lost, is lost in patches.
    lost = np.clip((0.3 - slant) / 0.22, 0, 1) + np.clip((36 - shade) / 30, 0, 0.7) + 0.55 * shiny
    lost += np.clip((z / reach - 0.6) / 0.4, 0, 1) * 0.8
    patch = 0.5 + 0.25 * _field(rng, h, w, cell)
    good = (depth > 0) & (z > camera.nearest) & (z < reach) & (patch > lost)
    return np.where(good, np.round(1000 * z), 0).astype(np.uint16)


def _photograph(shown, there, dim, look, camera: Camera, rng) -> np.ndarray:
    """Return the colour image, uint8 [H, W, 3]."""
    tone, aim, warm, saturation = look
    light = (shown / 255).astype(np.float64)
    grey = light.mean(axis=2, keepdims=True)
    light = grey + saturation * (light - grey)
    light = light * (1 - tone) + light * light * tone
    mean = round(float(255 * light[there].mean()), 3) if there.any() else 128.0
    gain = np.sqrt(np.sqrt((aim / max(mean, 20.0)) ** 3 * aim / 115)) * (1 + camera.flicker * rng.standard_normal())
    balance = np.array([1 + warm, 1.0, 1 - warm]) + 0.025 * rng.standard_normal(3)
    if there.any():  # half of what would make the mean grey
        tint = light[there].mean(axis=0) + 0.05
        balance *= np.sqrt(np.round(tint.mean() / tint, 4))
    length = rng.randint(0, camera.blur + 1)
    picture = 255 * (light + 0.04) * balance * gain * dim
    if length:
        picture = _blurred(picture, length, rng.rand() < 0.7)
    picture += 3 * rng.standard_normal(picture.shape[:2])[..., None]
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def _blurred(picture: np.ndarray, length: int, across: bool) -> np.ndarray:
    """Return the mean of the picture and `length` copies that are shifted by one pixel each."""
    out = picture.copy()
    for k in range(1, length + 1):
        if across:
            out[:, k:] += picture[:, :-k]
            out[:, :k] += picture[:, :1]
        else:
            out[k:] += picture[:-k]
            out[:k] += picture[:1]
    return out / (length + 1)


def _field(rng: np.random.RandomState, height: int, width: int, cell: int) -> np.ndarray:
    """Return float64 [H, W] noise of deviation about 1, alike over `cell` pixels."""
    return _upsampled(rng.standard_normal((height // cell + 2, width // cell + 2)), height, width, cell) * 1.5


@numba.njit(cache=True, nogil=True)
def _upsampled(grid, height, width, cell):
    out = np.empty((height, width))
    for y in range(height):
        j, t = y // cell, (y % cell) / cell
        for x in range(width):
            i, s = x // cell, (x % cell) / cell
            low = grid[j, i] * (1 - s) + grid[j, i + 1] * s
            out[y, x] = low * (1 - t) + (grid[j + 1, i] * (1 - s) + grid[j + 1, i + 1] * s) * t
    return out


@numba.njit(cache=True, nogil=True)
def _mixed_edges(depth, chance, window):
    """Return depth as windows of so many pixels measure it.

    Some pixels at edges lie between the near and the far side, some are missing; most of what is narrower is lost.
    """
    out = depth.copy()
    for y in range(1, depth.shape[0] - 1):
        for x in range(1, depth.shape[1] - 1):
            d = depth[y, x]
            if d == 0:
                continue
            far = max(depth[y, x - 1], depth[y, x + 1], depth[y - 1, x], depth[y + 1, x])
            left = right = 1
            while left < window and x - left > 0 and depth[y, x - left] <= d * 1.04:
                left += 1
            while right < window and x + right < depth.shape[1] - 1 and depth[y, x + right] <= d * 1.04:
                right += 1
            if left + right <= window and chance[y, x] > 0.2:
                out[y, x] = 0
                continue
            if far > d * 1.04:
                if chance[y, x] < 0.1:
                    out[y, x] = d + (far - d) * chance[y, x] * 10
                elif chance[y, x] < 0.3:
                    out[y, x] = 0
    return out


@numba.njit(cache=True, nogil=True)
def _incidence(points, faces, depth, triangle, intrinsics):
    """Return the cosine between ray and surface of every pixel, float32 [H, W]; 0 where there is nothing."""
    out = np.zeros(depth.shape, np.float32)
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            f = triangle[y, x]
            if f < 0:
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            ex, ey, ez = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
            gx, gy, gz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
            nx, ny, nz = ey * gz - ez * gy, ez * gx - ex * gz, ex * gy - ey * gx
            rx, ry = (x - intrinsics[2]) / intrinsics[0], (y - intrinsics[3]) / intrinsics[1]
            length = np.sqrt((nx * nx + ny * ny + nz * nz) * (rx * rx + ry * ry + 1))
            if length > 0:
                out[y, x] = abs(nx * rx + ny * ry + nz) / length
    return out
