"""The part of a surface that a camera carried through a room has seen, by depth buffers over a few voxels.

A hand-held scan is what some dozen views saw: walls up to where the camera was pitched, furniture from the side one
walked along, nothing behind it. `handheld_views` draws such views, `seen` says which points they see. An approximation
of a depth sensor for hundreds of thousands of points within a tenth of a second: angles are divided into pixels of
1.4 degrees, voxels of 5 cm hide each other.
"""

from dataclasses import dataclass

import numba
import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import lowest
from saymask.geometry.voxelize import unique_cells

CELL = 0.05
"""Edge of the voxels that hide each other, metres."""
PIXEL = 1.4
"""Width of a pixel of the depth buffer, degrees."""
TRIES = 8
"""Places that are tried for each that keeps its clearance."""
TOLERANCE = 0.12
"""So far behind the nearest surface, in metres, a voxel is still seen: slanted surfaces hide no voxel of their own."""


@dataclass(frozen=True, eq=False)
class Views:
    """K camera views; angles in degrees, yaw counterclockwise from the x axis, pitch upwards from the horizon."""

    eyes: np.ndarray  # float32 [K, 3] metres
    yaw: np.ndarray  # float32 [K]
    pitch: np.ndarray  # float32 [K]
    width: float = 60.0
    """Horizontal field of view."""
    height: float = 48.0
    """Vertical field of view."""
    reach: float = 4.0
    """Distance up to which something is seen, metres."""

    def __len__(self) -> int:
        return len(self.eyes)


@dataclass(frozen=True)
class Handheld:
    """The habits of a person who scans a room; a range is drawn from uniformly, once per scan or per view."""

    views: tuple[int, int] = (10, 44)
    """Fewest and most views of a scan."""
    middle: float = 0.5
    """Share of the plan's length and width, around its middle, where one stands."""
    eye: tuple[float, float] = (1.1, 1.7)
    """Height above the floor, metres; per view."""
    pitch: tuple[float, float] = (-43.0, -9.0)
    """Degrees above the horizon; per scan: some scan the floor, others the walls."""
    wobble: float = 8.0
    """Degrees by which the pitch of single views differs from that of the scan (standard deviation)."""
    width: float = 60.0
    height: float = 48.0
    reach: tuple[float, float] = (2.5, 4.5)
    """Range of the sensor, metres; per scan."""
    clearance: float = 0.0
    """Metres between an eye and the nearest point: nobody stands in a cupboard. 0 = not looked at, which is quicker."""


def handheld_views(points: np.ndarray, rng: np.random.RandomState, habits: Handheld | None = None) -> Views:
    """Return random views of a scan with points float [N, 3] (metres, z up); the same generator gives the same views.

    The plan is the box between the 2nd and 98th percentile of x and y, the floor the 1st percentile of z.
    """
    habits = Handheld() if habits is None else habits
    _check(points)
    low, high = np.percentile(points[:, :2], [2, 98], axis=0)
    floor = np.percentile(points[:, 2], 1)
    count = int(rng.randint(habits.views[0], habits.views[1] + 1))
    middle, half = (low + high) / 2, (high - low) * habits.middle / 2
    pitch, reach = rng.uniform(*habits.pitch), rng.uniform(*habits.reach)
    drawn = count * (TRIES if habits.clearance else 1)
    eyes = np.empty((drawn, 3), np.float32)
    eyes[:, :2] = middle + half * rng.uniform(-1, 1, (drawn, 2))
    eyes[:, 2] = floor + rng.uniform(*habits.eye, drawn)
    if habits.clearance:
        eyes = _freest(eyes, points, habits.clearance, count)
    yaw = rng.uniform(-180, 180, count)
    pitches = np.clip(pitch + habits.wobble * rng.standard_normal(count), -85, 85)
    return Views(eyes, yaw.astype(np.float32), pitches.astype(np.float32), habits.width, habits.height, float(reach))


def _freest(eyes: np.ndarray, points: np.ndarray, clearance: float, count: int) -> np.ndarray:
    """Return the first `count` eyes that keep the clearance; where there are too few, those farthest from a point."""
    from scipy.spatial import KDTree

    cells = np.unique(np.floor(points / CELL).astype(np.int64), axis=0)
    away = np.minimum(KDTree((cells + 0.5) * CELL).query(eyes, distance_upper_bound=clearance)[0], clearance)
    return eyes[np.sort(np.argsort(-away, kind="stable")[:count])]


def seen(points: np.ndarray, views: Views, *, cell: float = CELL, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return bool [N]: the points float [N, 3] (metres) that any view sees.

    A voxel of edge `cell` is seen whole or not at all: if it is in the field of view, within reach, and at most
    `tolerance` metres behind what is nearest in its pixel. Raises InputError for no points or views that do not fit.
    """
    _check(points)
    if views.eyes.ndim != 2 or views.eyes.shape[1] != 3 or not len(views.eyes) == len(views.yaw) == len(views.pitch):
        raise InputError(
            f"views: expected eyes [K, 3], yaw [K] and pitch [K], got {list(views.eyes.shape)}, "
            f"{list(np.shape(views.yaw))} and {list(np.shape(views.pitch))}"
        )
    low = lowest(points)
    cells, index, _ = unique_cells(np.floor((points - low) / cell).astype(np.int64))
    places = ((cells + 0.5) * cell + low).astype(np.float32)
    hit = np.zeros(len(places), np.bool_)
    for eye, yaw, pitch in zip(views.eyes, views.yaw, views.pitch, strict=True):
        _look(
            places, np.asarray(eye, np.float32), float(yaw), float(pitch), views.width / 2, views.height / 2,
            views.reach, PIXEL, cell, tolerance, hit,
        )  # fmt: skip
    return hit[index]


def _check(points: np.ndarray) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise InputError(f"points: expected [N, 3] with N > 0, got {list(points.shape)}")


@numba.njit(cache=True, nogil=True)
def _look(places, eye, yaw, pitch, half_width, half_height, reach, pixel, cell, tolerance, hit):
    """Mark in `hit` the places that one view sees; they are turned so that the view looks along the x axis."""
    degrees = 180.0 / np.pi
    # Most places are out of view, which needs no angles to be seen; with a margin, so that angles decide at the rim.
    aside = np.tan(half_width / degrees) * 1.001 if half_width < 80 else np.inf
    above = np.tan(half_height / degrees) * 1.001 if half_height < 80 else np.inf
    cy, sy = np.cos(yaw / degrees), np.sin(yaw / degrees)
    cp, sp = np.cos(pitch / degrees), np.sin(pitch / degrees)
    columns, rows = int(2 * half_width / pixel) + 1, int(2 * half_height / pixel) + 1
    nearest = np.full((columns, rows), np.float32(1e9))
    n = places.shape[0]
    found = np.empty(n, np.int32)
    across, up, away = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    count = 0
    for i in range(n):
        x, y, z = places[i, 0] - eye[0], places[i, 1] - eye[1], places[i, 2] - eye[2]
        ahead, side = cy * x + sy * y, cy * y - sy * x
        forward, upward = cp * ahead + sp * z, cp * z - sp * ahead
        if forward <= 0 or abs(side) > aside * forward:
            continue
        level = np.sqrt(forward * forward + side * side)
        if abs(upward) > above * level:
            continue
        distance = np.sqrt(x * x + y * y + z * z)
        if distance > reach or distance < 1e-3:
            continue
        a = np.arctan2(side, forward) * degrees
        e = np.arctan2(upward, level) * degrees
        if a < -half_width or a > half_width or e < -half_height or e > half_height:
            continue
        found[count], across[count], up[count], away[count] = i, a + half_width, e + half_height, distance
        count += 1
        # A near voxel covers several pixels: those that its cube surely hides.
        radius = 0.4 * cell / distance * degrees
        left, low = max(0.0, a + half_width - radius), max(0.0, e + half_height - radius)
        right, high = a + half_width + radius, e + half_height + radius
        for c in range(int(left / pixel), min(columns - 1, int(right / pixel)) + 1):
            for r in range(int(low / pixel), min(rows - 1, int(high / pixel)) + 1):
                if distance < nearest[c, r]:
                    nearest[c, r] = distance
    for k in range(count):
        c, r = min(columns - 1, int(across[k] / pixel)), min(rows - 1, int(up[k] / pixel))
        if away[k] <= nearest[c, r] + tolerance:
            hit[found[k]] = True
