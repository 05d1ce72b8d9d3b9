"""The ideal sensor: it samples every surface at about 2 cm and drops what no camera could see.

Seen means: in a cube map of depth around one of several points at head height, the vertex is not behind anything. The
result is shaded (lamp light, daylight, dark corners), and vertices and colours get a little noise.
"""

from typing import Any

import numpy as np

from saymask.rooms import colors, textures
from saymask.rooms.furniture.parts import rotation
from saymask.rooms.light import light
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture

STEP = 0.0235  # metres between vertices on ordinary surfaces
PIXELS = 288  # of a cube map's side
NOISE = 0.002  # metres along the normal, standard deviation


def ideal(mesh: RoomMesh) -> Capture:
    """Return the points that the ideal sensor sees, a pure function of the room; about one second."""
    version, seed, split, index = mesh.seed
    rng = np.random.RandomState(np.array([version, seed, split, index, 1], dtype=np.uint32))
    points, faces, objects, paint, two_sided = _surfaces(mesh, rng)
    normals = _normals(points, faces)
    keep = _visible(mesh, points, normals, two_sided, rng)
    faces = faces[keep[faces].any(axis=1)]
    used = np.zeros(len(points), dtype=bool)
    used[faces] = True
    faces = (np.cumsum(used) - 1)[faces].astype(np.int32)
    points, objects, paint, normals = points[used], objects[used], paint[used], normals[used]
    shade = (
        _light(mesh, points, normals, two_sided[used], rng)[:, None]
        if version == 1
        else light(mesh, points, normals, two_sided[used], rng)
    )
    tint = np.array([1 + mesh.style.warmth, 1.0, 1 - mesh.style.warmth]) * mesh.style.light
    paint = paint * shade * tint + rng.normal(0, 3.0, (len(points), 1)) + rng.normal(0, 1.5, (len(points), 3))
    rgba = np.full((len(points), 4), 255, dtype=np.uint8)
    rgba[:, :3] = np.clip(np.round(paint), 0, 255)
    points = points + normals * rng.normal(0, NOISE, (len(points), 1)) + rng.normal(0, NOISE / 2, points.shape)
    c, s = np.cos(-mesh.alignment), np.sin(-mesh.alignment)
    raw = np.stack([c * points[:, 0] - s * points[:, 1], s * points[:, 0] + c * points[:, 1], points[:, 2]], axis=1)
    # Rounded to 0.01 mm: the last bits of sine and cosine differ from machine to machine, files must not.
    return Capture(np.round(raw, 5).astype(np.float32), rgba, faces, objects.astype(np.int32))


def seen_things(mesh: RoomMesh, capture: Capture, least: int = 50) -> list[int]:
    """Return the objectIds of the things of which at least `least` vertices were seen: enough to speak of them."""
    counts = np.bincount(capture.objects, minlength=len(mesh.bodies))
    return [thing.id for thing in mesh.room.things if counts[thing.id] >= least]


def _surfaces(mesh: RoomMesh, rng: np.random.RandomState):
    """Tessellate everything: points [n, 3], faces [m, 3], object [n], unlit colour [n, 3], two-sided flag [n]."""
    points, faces, objects, paint, two_sided = [], [], [], [], []
    start = 0
    things = len(mesh.room.things)
    width = max(p[0] for p in mesh.room.floor)
    depth = max(p[1] for p in mesh.room.floor)
    paint_part = _painter(mesh, rng)
    coarse = STEP * (1.0 if width * depth < 22 else 1.15 if width * depth < 34 else 1.3)
    for body in mesh.bodies:
        turn, move = rotation(z=body.yaw), np.array([body.x, body.y, body.z])
        step = STEP if body.id < things else coarse
        for part in body.parts:
            local, part_faces, own = part.tessellate(step)
            where = local @ turn.T + move
            if body.id >= things:
                part_faces = _uncovered(mesh, body.id, where, part_faces)
            tint = paint_part(body.label, part.texture, part.color, own, np.asarray(part.size), rng)
            points.append(where)
            faces.append(part_faces + start)
            objects.append(np.full(len(where), body.id))
            paint.append(tint)
            two_sided.append(np.full(len(where), part.two_sided))
            start += len(where)
    return tuple(np.concatenate(x) for x in (points, faces, objects, paint, two_sided))


def _painter(mesh: RoomMesh, rng: np.random.RandomState):
    """Return how parts are painted in rooms of this version: of label, texture, colour, places, size and generator."""
    if mesh.seed[0] == 1:
        return lambda label, *part: colors.texture_colors(*part)
    finish = {("wall", "plain"): textures.wall_finish(rng, mesh.room.kind), ("floor", "fabric"): "carpet"}

    def paint(label: str | None, texture: str, *part: Any) -> np.ndarray:
        return textures.painted(finish.get((str(label), texture), texture), *part)

    return paint


def _uncovered(mesh: RoomMesh, id: int, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the faces of a piece of the shell that no door, window, picture or rug covers."""
    for piece, (x, y, hx, hy, z0, z1), yaw in mesh.covers:
        if piece != id or not len(faces):
            continue
        middle = points[faces].mean(axis=1)
        c, s = np.cos(yaw), np.sin(yaw)
        u = c * (middle[:, 0] - x) + s * (middle[:, 1] - y)
        v = -s * (middle[:, 0] - x) + c * (middle[:, 1] - y)
        inside = (np.abs(u) < hx) & (np.abs(v) < hy) & (middle[:, 2] > z0) & (middle[:, 2] < z1)
        faces = faces[~inside]
    return faces


def _normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return area-weighted vertex normals, float64 [n, 3]."""
    a, b, c = points[faces[:, 0]], points[faces[:, 1]], points[faces[:, 2]]
    normal = np.cross(b - a, c - a)
    out = np.empty_like(points)
    flat = faces.ravel()
    for axis in range(3):
        out[:, axis] = np.bincount(flat, weights=np.repeat(normal[:, axis], 3), minlength=len(points))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def cameras(mesh: RoomMesh, rng: np.random.RandomState, most: int = 10) -> np.ndarray:
    """Return view points at 1.3 to 1.9 m that are 0.25 m away from everything, spread over the floor; [k, 3]."""
    width = max(p[0] for p in mesh.room.floor)
    depth = max(p[1] for p in mesh.room.floor)
    floor = np.array(mesh.room.floor)
    candidates = rng.uniform([0.3, 0.3, 1.3], [width - 0.3, depth - 0.3, 1.9], (400, 3))
    x, y = candidates[:, 0], candidates[:, 1]
    inside = np.zeros(len(candidates), dtype=bool)
    for (x0, y0), (x1, y1) in zip(floor, np.roll(floor, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    free = inside
    for thing in mesh.room.things:
        c, s = np.cos(thing.yaw), np.sin(thing.yaw)
        u = np.abs(c * (x - thing.center[0]) + s * (y - thing.center[1]))
        v = np.abs(-s * (x - thing.center[0]) + c * (y - thing.center[1]))
        high = np.abs(candidates[:, 2] - thing.center[2])
        w, d, h = thing.size
        free = free & ~((u < w / 2 + 0.25) & (v < d / 2 + 0.25) & (high < h / 2 + 0.25))
    candidates = candidates[free] if free.any() else np.array([[width / 2, depth / 2, 1.6]])
    chosen = [0]
    nearest = np.linalg.norm(candidates[:, :2] - candidates[0, :2], axis=1)
    while len(chosen) < min(most, len(candidates)):  # farthest first
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(candidates[:, :2] - candidates[chosen[-1], :2], axis=1))
    return candidates[chosen]


def _visible(mesh: RoomMesh, points, normals, two_sided, rng) -> np.ndarray:
    """Return which vertices some camera sees, bool [n]."""
    from saymask.rooms.sensor.visibility import see

    seen = np.zeros(len(points), dtype=np.bool_)
    floats = points.astype(np.float32), normals.astype(np.float32)
    for camera in cameras(mesh, rng):
        see(*floats, two_sided, camera.astype(np.float32), PIXELS, np.float32(STEP * 0.75), seen)
    return seen


def _light(mesh: RoomMesh, points, normals, two_sided, rng) -> np.ndarray:
    """Return the brightness of every vertex, 0.62 .. 1.1 with the median near 0.95.

    A lamp under the ceiling, light from one side of the sky, and darkness where other surfaces are near.
    """
    from scipy.ndimage import map_coordinates, uniform_filter

    width = max(p[0] for p in mesh.room.floor)
    depth = max(p[1] for p in mesh.room.floor)
    lamp = np.array([width * rng.uniform(0.35, 0.65), depth * rng.uniform(0.35, 0.65), mesh.room.height - 0.15])
    toward = lamp - points
    distance = np.linalg.norm(toward, axis=1)
    lambert = np.einsum("ij,ij->i", normals, toward) / np.maximum(distance, 0.2)
    lambert = np.where(two_sided, np.abs(lambert), np.maximum(lambert, 0))
    lamp_light = lambert / (1 + 0.05 * distance**2)
    side = rng.uniform(0, 2 * np.pi)
    sky = 0.5 + 0.5 * (normals @ np.array([0.5 * np.cos(side), 0.5 * np.sin(side), 0.85]) / 1.1)
    cell = 0.08
    low = points.min(axis=0) - 0.4
    index = ((points - low) / cell).astype(int)
    shape = tuple(((points.max(axis=0) + 0.4 - low) / cell).astype(int) + 1)
    filled = np.zeros(shape, dtype=np.float32)
    filled[tuple(index.T)] = 1.0
    blurred = uniform_filter(filled, 5)
    ahead = (points + normals * 0.2 - low) / cell - 0.5
    dark = map_coordinates(blurred, ahead.T, order=1, mode="nearest")
    light = (0.66 + 0.26 * lamp_light + 0.2 * sky) * (1.0 - 0.55 * np.clip(dark - 0.1, 0, 0.55))
    return np.clip(light * (0.95 / np.median(light)), 0.62, 1.1)
