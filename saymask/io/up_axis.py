"""Detection of the up axis from the planes of a cloud, so that every scan ends with z up and a level floor."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from saymask.errors import InputError

AXES = {
    "x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0),
    "-x": (-1.0, 0.0, 0.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0),
}  # fmt: skip
WEIGHTS = np.array([1.5, 3.0, 0.4, 0.6])
"""Of the four signs of a floor: its share of the surface, low things, faces that look up, a flat room."""
_LEVEL = np.cos(np.deg2rad(2.0))
"""A floor closer to an axis than this is left as it is: files that are right already are not touched."""


@dataclass(frozen=True)
class Up:
    """The direction that is up in the file, unit length [3], and what to say about it ("" for z)."""

    direction: np.ndarray
    message: str


def rotation_to_z(up: np.ndarray) -> np.ndarray:
    """Return the proper rotation float64 [3, 3] that turns the direction `up` to +z by the shortest way.

    For the six axes this is a quarter or half turn about a coordinate axis, exact in floating point.
    """
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    z = np.array([0.0, 0.0, 1.0])
    cos = float(up @ z)
    if cos < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])  # half a turn about x
    v = np.cross(up, z)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cos)


def find_up(
    points: np.ndarray,
    *,
    up: str | None = None,
    faces: np.ndarray | None = None,
    normals: np.ndarray | None = None,
    fixed: str | None = None,
    camera: bool = False,
) -> Up:
    """Return which way is up in `points` [n, 3] (metres, finite).

    `up` is the user's word and taken as it is. Otherwise the file format's axis `fixed` or the best of the directions
    in which large planes face: a floor is large, has (nearly) nothing below it, most of the furniture is near it, and
    it faces an axis of the file (z before y before x) or, in a single camera view (`camera`, or all points inside a
    cone at the origin), it is within 50 degrees of the camera's own up. Raises InputError for an unknown `up`.
    """
    if up is not None:
        if up not in AXES:
            raise InputError(f"up: expected one of {', '.join(AXES)}, got {up!r}")
        return Up(np.array(AXES[up]), "" if up == "z" else f"up axis {up} as given: rotated so that z is up")
    if fixed is not None:
        return Up(
            np.array(AXES[fixed]),
            "" if fixed == "z" else f"up axis {fixed} (the format says so): rotated so that z is up",
        )
    patches = _patches(points, faces, normals)
    view = _camera_up(points, camera)
    if patches is None:
        guess = view or "z"
        return Up(np.array(AXES[guess]), f"up axis {guess} assumed (no planes found); pass up= to override")
    best, score = np.array(AXES[view or "z"]), -np.inf
    directions = _directions(patches)
    loose = _loose(patches, directions)
    for direction in directions:
        for sign in (1.0, -1.0):
            value = _score(sign * direction, patches, loose, view)
            if value > score:
                best, score = sign * direction, value
    name = max(AXES, key=lambda a: float(best @ np.array(AXES[a])))
    cos = float(best @ np.array(AXES[name]))
    if cos >= _LEVEL:
        best = np.array(AXES[name])
        said = (
            ""
            if name == "z"
            else f"up axis {name} found from the largest level plane: rotated so that z is up; pass up= to override"
        )
        return Up(best, said)
    tilt = np.rad2deg(np.arccos(min(cos, 1.0)))
    return Up(
        best,
        f"up axis {name} tilted by {tilt:.0f}° found from the floor plane: rotated so that z is up; "
        "pass up= to override",
    )


@dataclass(frozen=True)
class _Patches:
    """Flat spots of the surface, one per 5 cm cell, so that counts measure area and not density."""

    centers: np.ndarray  # float64 [k, 3]
    normals: np.ndarray  # float64 [k, 3]; the sign means something only if `oriented`
    cloud: np.ndarray  # float64 [c, 3]: all cells, flat or not
    oriented: bool

    @cached_property
    def widest(self) -> float:
        """Largest extent along an axis, metres."""
        return float((self.cloud.max(0) - self.cloud.min(0)).max())


def _thin(points: np.ndarray, size: float) -> np.ndarray:
    """Return the row of one point per cell, int64 [c]."""
    cells = np.floor((points - points.min(0)) / size).astype(np.int64)
    top = cells.max(0) + 1
    return np.unique((cells[:, 0] * top[1] + cells[:, 1]) * top[2] + cells[:, 2], return_index=True)[1]


def _patches(points: np.ndarray, faces: np.ndarray | None, normals: np.ndarray | None) -> _Patches | None:
    """Return up to some thousand flat spots with their normals; None when there are hardly any."""
    step = max(1, len(points) // 25_000)
    some = points[::step].astype(np.float64)
    span = float(np.ptp(some, axis=0).max())
    rows = _thin(some, max(0.05, span / 150))
    cloud = some[rows]
    if normals is not None:
        n = normals[::step][rows].astype(np.float64)
        length = np.linalg.norm(n, axis=1)
        good = np.isfinite(length) & (length > 0.5)
        return _Patches(cloud[good], n[good] / length[good, None], cloud, False) if good.sum() >= 50 else None
    if faces is not None and len(faces) >= 100:
        chosen = faces[:: max(1, len(faces) // 40_000)]
        a, b, c = (points[chosen[:, i]].astype(np.float64) for i in range(3))
        cross = np.cross(b - a, c - a)
        length = np.linalg.norm(cross, axis=1)
        good = length > 0
        centers, n = ((a + b + c) / 3)[good], cross[good] / length[good, None]
        rows = _thin(centers, max(0.05, span / 150))
        return _Patches(centers[rows], n[rows], cloud, True) if len(rows) >= 50 else None
    from scipy.spatial import KDTree

    k = min(12, len(some))
    queries = cloud[:: max(1, len(cloud) // 2500)]
    _, near = KDTree(some).query(queries, k=k)
    around = some[near] - some[near].mean(1, keepdims=True)
    values, vectors = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
    flat = (values[:, 0] < 0.04 * values[:, 1] + 1e-12) & (values[:, 1] > 0.05 * values[:, 2])
    if flat.sum() < 50:
        return None
    return _Patches(queries[flat], vectors[flat, :, 0], cloud, False)


def _directions(patches: _Patches) -> list[np.ndarray]:
    """Return the directions that many normals share (within 8 degrees), the three axes first, each of unit length."""
    n = patches.normals
    tried = n[:: max(1, len(n) // 100)]
    votes = (np.abs(n @ tried.T) > np.cos(np.deg2rad(8))).astype(np.float32)
    found: list[np.ndarray] = [np.array(AXES[a]) for a in "zyx"]
    left = np.ones(len(n), bool)
    for _ in range(6):
        count = left.astype(np.float32) @ votes
        best = int(count.argmax())
        if count[best] < 0.02 * len(n):
            break
        mode = tried[best]
        for _ in range(3):  # the mean of the normals around the mode, with their signs brought together
            dots = n @ mode
            near = np.abs(dots) > np.cos(np.deg2rad(8))
            mode = (n[near] * np.sign(dots[near])[:, None]).sum(0)
            mode /= np.linalg.norm(mode)
        found.append(mode)
        left &= np.abs(n @ mode) <= np.cos(np.deg2rad(12))
    return found


def _camera_up(points: np.ndarray, camera: bool) -> str | None:
    """Return the axis that is up for the camera if the cloud is one camera's view from the origin, else None.

    Optical frames look along +z with y down, graphics frames along -z with y up, robot frames along +x with z up.
    """
    some = points[:: max(1, len(points) // 5000)].astype(np.float64)
    distance = np.linalg.norm(some, axis=1)
    if np.quantile(distance, 0.01) < 0.15:
        return None
    for axis, sign, name in ((2, 1.0, "-y"), (2, -1.0, "y"), (0, 1.0, "z")):
        ahead = sign * some[:, axis]
        inside = ahead > 0.6 * distance
        if inside.mean() > 0.995 and (camera or np.quantile(ahead, 0.01) > 0.25):
            return name
    return None


def _loose(patches: _Patches, directions: list[np.ndarray]) -> np.ndarray:
    """Return which cells belong to no large plane (floor, wall, ceiling), bool [c]: furniture and small things."""
    loose = np.ones(len(patches.cloud), bool)
    for direction in directions:
        aligned = np.abs(patches.normals @ direction) > np.cos(np.deg2rad(10))
        if not aligned.any():
            continue
        height = patches.centers[aligned] @ direction
        count, edges = np.histogram(height, bins=max(1, int(np.ceil(np.ptp(height) / 0.06))))
        every = patches.cloud @ direction
        for i in np.flatnonzero(count > 0.035 * len(patches.centers)):
            loose &= (every < edges[i] - 0.05) | (every > edges[i + 1] + 0.05)
    return loose


def _score(up: np.ndarray, patches: _Patches, loose: np.ndarray, view: str | None) -> float:
    """Return how well `up` explains the cloud; comparable between directions of one cloud."""
    height = patches.centers @ up
    all_heights = patches.cloud @ up
    facing = patches.normals @ up
    level = np.abs(facing) > np.cos(np.deg2rad(10))
    ordered = np.sort(all_heights)
    low, high = (float(ordered[int(share * (len(ordered) - 1))]) for share in (0.002, 0.998))
    bins = max(1, int(np.ceil((high - low) / 0.06)))
    floor, base = 0.0, low
    if level.any():
        count, edges = np.histogram(height[level], bins=bins + 2, range=(low - 0.06, high + 0.06))
        two = count[:-1] + count[1:]  # a plane may sit on the border of two bins
        # the floor: the largest plane with next to nothing below it
        below = np.searchsorted(ordered, edges[: len(two)]) / len(ordered)
        value = two * np.maximum(0.0, 1 - below / 0.08)
        at = int(value.argmax())
        floor, base = float(value[at]) / len(height), float(edges[at])
    # a camera (at the origin) looks down on the floor or table, which is most of what it sees; low things say little
    seen = 0.0
    if view is not None:
        seen = 3.0 * floor - (2.0 if base > 0.05 else 0.0)
    span = max(high - base, 1e-6)
    # things stand on the floor: what is neither floor nor wall nor ceiling is mostly low
    things = np.clip((all_heights[loose] - base) / span, 0, 1)
    low_things = 0.5 - float(things.mean()) if len(things) > 20 else 0.0
    # tables, seats and shelves are seen from above: with known orientation of faces they tell up from down
    inner = level & (height > base + 0.12 * span) & (height < base + 0.88 * span)
    shown = float(np.sign(facing[inner]).mean()) * min(1.0, 5 * float(inner.mean())) if inner.any() else 0.0
    # rooms are wider than high
    flat = 1 - min(1.0, span / patches.widest)
    return float(WEIGHTS @ np.array([floor, low_things, shown * patches.oriented, flat])) + _prior(up, view) + seen


def _prior(up: np.ndarray, view: str | None) -> float:
    """Return what is known before looking: camera frames may be tilted, files of rooms face an axis."""
    if view is not None:
        cos = float(up @ np.array(AXES[view]))
        if cos < np.cos(np.deg2rad(100)):  # nobody holds a camera upside down
            return -10.0
        return 1.0 if cos > np.cos(np.deg2rad(50)) else 0.0
    weights = {"z": 0.45, "y": 0.25, "-y": 0.2, "-z": 0.1, "x": 0.0, "-x": 0.0}
    name = max(AXES, key=lambda a: float(up @ np.array(AXES[a])))
    cos = float(up @ np.array(AXES[name]))
    if cos >= _LEVEL:
        return weights[name]
    return weights[name] - 0.25 - 0.01 * float(np.rad2deg(np.arccos(cos)))
