"""Detection of the up axis from the planes of a cloud, so that every scan ends with z up and a level floor."""

from dataclasses import dataclass

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import highest, lowest
from saymask.io.planes import AXES, Patches, cells, find_directions, find_loose, find_patches

WEIGHTS = np.array([4.6, 2.1, 3.7, 1.6, 4.1, 2.5, 17.0, 1.2])
"""Of the signs of a floor, in the order of `_signs`: log-odds, from a logistic regression over the directions of
generated training rooms in the orientations of `benchmarks/up_axis.py`, which measures them on others."""
OBJECT = 2.5
"""Metres; what is smaller in all directions is a thing and no room."""
_TOLERANCE = 2.0
"""Degrees; a floor closer to an axis than this is left as it is: files that are right already are not touched."""


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
    v = np.cross(up, z)
    sin = float(np.linalg.norm(v))
    if sin < 1e-12:
        return np.diag([1.0, -1.0, -1.0]) if cos < 0 else np.eye(3)  # half a turn about x, or none
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    axis = cross / sin  # 1 + cos in place of sin² / (1 - cos) would have no digits left near half a turn
    return np.eye(3) + cross + (1 - cos) * (axis @ axis)


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
    in which large planes face: a floor is large, has (nearly) nothing below it, most of the furniture is near it, the
    room is as high as rooms are, and an axis of the file is likelier than a tilted one (z before y before x). In a
    single camera view (`camera`, or all points inside a cone at the origin) the floor is within 50 degrees of the
    camera's own up. A single thing, smaller than `OBJECT`, stands on one of the six axes. Raises InputError for an
    unknown `up`.
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
    view = _camera_up(points, camera)
    if view is None and float((highest(points) - lowest(points)).max()) < OBJECT:
        return _object_up(points)
    patches = find_patches(points, faces, normals)
    if patches is None:
        guess = view or "z"
        return Up(np.array(AXES[guess]), f"up axis {guess} assumed (no planes found); pass up= to override")
    directions = find_directions(patches)
    loose = find_loose(patches, directions)
    signed = [sign * direction for direction in directions for sign in (1.0, -1.0)]
    scores = [_score(direction, patches, loose, directions, view) for direction in signed]
    best = signed[int(np.argmax(scores))]
    name = max(AXES, key=lambda a: float(best @ np.array(AXES[a])))
    cos = float(best @ np.array(AXES[name]))
    if cos >= np.cos(np.deg2rad(_TOLERANCE)):
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


def _object_up(points: np.ndarray) -> Up:
    """Return the axis of the file that is up for a single thing: it stands on a wide base and is open below.

    The weights are log-odds, fitted like `WEIGHTS`; the first number of each axis is what is known before looking.
    """
    some = points[:: max(1, len(points) // 25_000)].astype(np.float64)
    cloud = some[cells(some, 0.05)]
    scores = {}
    for name, known in {"z": 3.0, "y": 2.0, "-y": 0.5, "-z": -1.0, "x": -2.0, "-x": -2.0}.items():
        up = np.array(AXES[name])
        height, plan = cloud @ up, cloud[:, up == 0]
        low, high = np.quantile(height, [0.005, 0.995])
        slab = 0.06 * (high - low) + 0.01
        bottom, top = height < low + slab, height > high - slab
        base = _area(plan[bottom]) / max(_area(plan), 1e-9)
        closed = min(10 * bottom.mean(), 1.0) - min(10 * top.mean(), 1.0)
        middle = (height.mean() - low) / max(high - low, 1e-6)
        scores[name] = known + 5.0 * base - 2.1 * closed + 7.2 * (middle - 0.5)
    name = max(scores, key=scores.__getitem__)
    said = f"up axis {name} found from how the object stands: rotated so that z is up; pass up= to override"
    return Up(np.array(AXES[name]), "" if name == "z" else said)


def _area(plan: np.ndarray) -> float:
    """Return the area of the convex hull of points [n, 2], 0 where they lie on a line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(plan).volume)
    except (QhullError, ValueError):  # ValueError: fewer points than a triangle has
        return 0.0


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
        if inside.mean() > 0.995 and (camera or (np.quantile(ahead, 0.01) > 0.25 and _one_depth(some, distance))):
            return name
    return None


def _one_depth(points: np.ndarray, distance: np.ndarray) -> bool:
    """Say whether rays from the origin meet one surface each; seen from outside, a room has one wall behind the other.

    The ranges of distance within directions 2 degrees wide are compared.
    """
    place = np.round(points / distance[:, None] / np.deg2rad(2.0)).astype(np.int64)
    _, ray = np.unique(place, axis=0, return_inverse=True)
    ray = ray.ravel()
    near, far = np.full(ray.max() + 1, np.inf), np.zeros(ray.max() + 1)
    np.minimum.at(near, ray, distance)
    np.maximum.at(far, ray, distance)
    several = np.bincount(ray) > 2
    return not several.any() or float(np.median(far[several] / near[several])) < 1.25


def _score(
    up: np.ndarray, patches: Patches, loose: np.ndarray, directions: list[np.ndarray], view: str | None
) -> float:
    """Return how likely `up` is, as log-odds: what the cloud shows and what is known before looking."""
    signs, base = _signs(up, patches, loose, directions)
    score = float(WEIGHTS @ signs) + _prior(up, view)
    if view is None and not signs[1] and up[2] < np.cos(np.deg2rad(_TOLERANCE)):
        score -= 3.0  # nothing level that could be a floor: a reason to leave the file as it is
    if view is not None:
        # a camera (at the origin) looks down on the floor or table, which is most of what it sees
        score += 7.5 * signs[0] - (5.0 if base > 0.05 else 0.0)
    return score


def _signs(
    up: np.ndarray, patches: Patches, loose: np.ndarray, directions: list[np.ndarray]
) -> tuple[np.ndarray, float]:
    """Return the signs that `up` is up, float64 [8], and the height of what would be the floor."""
    height = patches.centers @ up
    every = patches.cloud @ up
    facing = patches.normals @ up
    level = np.abs(facing) > np.cos(np.deg2rad(10))
    ordered = np.sort(every)
    low, high = (float(ordered[int(share * (len(ordered) - 1))]) for share in (0.002, 0.998))
    floor, base = 0.0, low
    if level.any():
        bins = max(1, int(np.ceil((high - low) / 0.06)))
        count, edges = np.histogram(height[level], bins=bins + 2, range=(low - 0.06, high + 0.06))
        two = count[:-1] + count[1:]  # a plane may sit on the border of two bins
        # the floor: the largest plane with next to nothing below it
        below = np.searchsorted(ordered, edges[: len(two)]) / len(ordered)
        value = two * np.maximum(0.0, 1 - below / 0.08)
        at = int(value.argmax())
        floor, base = float(value[at]) / len(height), float(edges[at])
    span = max(high - base, 1e-6)
    # things stand on the floor: what is neither floor nor wall nor ceiling is mostly low
    above = every[loose] - base
    low_things = near_floor = 0.0
    if len(above) > 20:
        low_things = 0.5 - float(np.clip(above / span, 0, 1).mean())
        near_floor = float((above < 0.9).mean() - (above > span - 0.9).mean())
    # things that face no wall are turned about the vertical: their sides are still upright
    turned = np.ones(len(facing), bool)
    for direction in directions[:3]:
        turned &= np.abs(patches.normals @ direction) < np.cos(np.deg2rad(25))
    upright = 0.0
    if turned.sum() > 20:
        share = float((np.abs(facing[turned]) < np.sin(np.deg2rad(10))).mean())
        upright = (share - np.sin(np.deg2rad(10))) * min(1.0, 10 * float(turned.mean()))  # without what chance gives
    if floor < 0.05:  # a hilly or wavy surface is upright to some side as well
        upright = min(upright, 0.0)
    # tables, seats and shelves are seen from above: with known orientation of faces they tell up from down
    inner = level & (height > base + 0.12 * span) & (height < base + 0.88 * span)
    shown = float(np.sign(facing[inner]).mean()) * min(1.0, 5 * float(inner.mean())) if inner.any() else 0.0
    flat = 1 - min(1.0, span / patches.widest)  # rooms are wider than high
    storey = float(np.exp(-0.5 * (np.log(span / 2.6) / 0.25) ** 2))  # and as high as people build them
    signs = [floor, floor > 0.05, low_things, near_floor, flat, storey, upright, shown * patches.oriented]
    return np.array(signs, np.float64), base


def _prior(up: np.ndarray, view: str | None) -> float:
    """Return what is known before looking, as log-odds.

    Cameras are held upright, and a scan in the frame of its first camera (y down, or y up in graphics) is tilted as
    that one was; files of rooms face an axis; some are levelled badly.
    """
    if view is not None:
        cos = float(up @ np.array(AXES[view]))
        if cos < np.cos(np.deg2rad(100)):  # nobody holds a camera upside down
            return -25.0
        return 2.5 if cos > np.cos(np.deg2rad(50)) else 0.0
    degrees = {name: float(np.rad2deg(np.arccos(np.clip(up @ np.array(AXES[name]), -1, 1)))) for name in AXES}
    name = min(degrees, key=degrees.__getitem__)
    if degrees[name] <= _TOLERANCE:
        return {"z": 1.5, "y": 0.7, "-y": 0.6, "-z": -0.5, "x": -1.0, "-x": -1.0}[name]
    if degrees["z"] < 15 or degrees["-y"] < 50:
        return -0.3
    return -0.8 if degrees["y"] < 50 else -1.5
