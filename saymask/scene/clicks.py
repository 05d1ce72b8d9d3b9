"""Clicks on a scan: checked, brought to its nearest points, and collected in a session."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import finite_rows
from saymask.masks import Masks
from saymask.scan import Scan

FARTHEST = 0.5
"""Metres from the nearest point of the scan within which a click is taken."""
MOST_CLICKS = 1000
"""Clicks in one question: each is a row of logits over the whole scan."""
_FAR_OUTSIDE = 1e9  # metres; beyond it squared distances are of no use

Places = np.ndarray | Sequence[float] | Sequence[Sequence[float]] | Sequence[np.ndarray]
"""One place (x, y, z) or several [K, 3]: metres, z up, in the scan's own frame."""


@dataclass(frozen=True, eq=False)
class ClickPrompt:
    """K ≥ 1 clicks, each on an object or (negative) on what does not belong to it."""

    places: np.ndarray  # float64 [K, 3] metres
    positive: np.ndarray  # bool [K]
    objects: np.ndarray  # int64 [K] numbers from 0; each has a positive click


def check_clicks(
    places: Places,
    positive: bool | Sequence[bool] | np.ndarray | None,
    objects: int | Sequence[int] | np.ndarray | None,
) -> ClickPrompt:
    """Return clicks in one form: without `positive` all are positive, without `objects` each is an object of its own.

    A single value of `positive` or `objects` holds for all clicks. Raises InputError for no click, too many of them,
    places that are not three finite numbers, lists of another length, and an object without a positive click.
    """
    checked = check_places(places)
    count = len(checked)
    chosen = np.ones(count, bool) if positive is None else _per_click(positive, count, "positive", "True or False")
    if chosen.dtype != bool:
        if not np.isin(chosen, (0, 1)).all():
            raise InputError(f"positive: expected True or False per click, got {positive!r:.80}")
        chosen = chosen.astype(bool)
    numbers = np.arange(count) if objects is None else _per_click(objects, count, "objects", "an object's number")
    if numbers.dtype == bool or (numbers < 0).any():
        raise InputError(f"objects: expected whole numbers from 0, got {objects!r:.80}")
    for number in np.unique(numbers):
        if not chosen[numbers == number].any():
            hint = "; pass objects=0 when all clicks are about one object" if objects is None and count > 1 else ""
            raise InputError(
                f"clicks: expected a positive click on every object, got only negative ones for object {number}; "
                f"click on the object first{hint}"
            )
    return ClickPrompt(checked, chosen, numbers.astype(np.int64))


def check_places(places: Places) -> np.ndarray:
    """Return float64 [K, 3] places in metres, K of 1 to 1,000; raise InputError for anything else."""
    expected = "clicks: expected places (x, y, z) in metres, three finite numbers per click"
    try:
        values = np.asarray(places)
    except (TypeError, ValueError, RuntimeError):  # rows of unequal length; a tensor that numpy cannot take
        raise InputError(f"{expected}, got {_short(places)}") from None
    if values.size == 0 and values.dtype.kind in "iuf":
        raise InputError("clicks: expected at least one place (x, y, z) in metres, got none")
    if values.dtype.kind not in "iuf":
        raise InputError(f"{expected}, got {_short(places)}")
    values = np.atleast_2d(values).astype(np.float64)
    if values.ndim != 2 or values.shape[1] != 3:
        raise InputError(f"{expected}, got an array of shape {list(np.shape(places))}")
    if len(values) > MOST_CLICKS:
        raise InputError(f"clicks: expected at most {MOST_CLICKS:,} at once, got {len(values):,}; ask in parts")
    if not np.isfinite(values).all():
        bad = values[~finite_rows(values)][0]
        raise InputError(f"{expected}, got ({', '.join(f'{v:g}' for v in bad)})")
    return values


def _per_click(values: Any, count: int, what: str, expected: str) -> np.ndarray:
    """Return one bool or whole number per click from one for all or a list of them."""
    found = np.asarray(values) if np.ndim(values) == 0 or len(values) == count else None
    if found is None or found.ndim > 1:
        got = f"{len(values):,}" if np.ndim(values) else _short(values)
        raise InputError(f"{what}: expected {expected} for each of {count:,} clicks, or one for all, got {got}")
    if found.dtype.kind not in "biu":
        raise InputError(f"{what}: expected {expected} for each click, got {_short(values)}")
    return np.broadcast_to(found, count)


class NearestPoint:
    """Finds the point of a scan that a click means; its tree is built at the first question, once for all threads."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._lock = threading.Lock()
        self._tree: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy or a pickle is made: its tree is built again when it is needed."""
        return NearestPoint, (self._scan,)

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Return int64 [K], for each of `places` float64 [K, 3] its nearest point.

        Raises InputError, with the distance and that point, for a place more than 0.5 m from all points.
        """
        tree = self._grown()
        _, nearest = tree.query(np.clip(places, -_FAR_OUTSIDE, _FAR_OUTSIDE), workers=1)
        nearest = np.asarray(nearest, np.int64)
        for place, point in zip(places, self._scan.points[nearest].astype(np.float64), strict=True):
            away = math.dist(place, point)
            if away > FARTHEST:
                # Rounded up: what is too far must not read as if it were not.
                distance = f"{math.ceil(away * 100) / 100:,.2f}" if away < _FAR_OUTSIDE else f"{away:.3g}"
                raise InputError(
                    f"click {shown(place)}: expected a place on the scan, got one {distance} m away from its nearest "
                    f"point {shown(point)}, {FARTHEST} m at most; {self._hint(place)}"
                )
        return nearest

    def _grown(self) -> Any:
        with self._lock:
            if self._tree is None:
                from scipy.spatial import KDTree

                # As in `saymask.geometry.neighbours`: builds faster, and does not degenerate on walls.
                points = self._scan.points.astype(np.float64)
                self._tree = KDTree(points, balanced_tree=False, compact_nodes=False)
            return self._tree

    def _hint(self, place: np.ndarray) -> str:
        """Say what to give instead: the same place in the scan's frame where it was given in that of the file."""
        frame = "give metres in the scan's own frame, z up"
        source = self._scan.source
        if source is None or np.abs(place).max() > _FAR_OUTSIDE or np.array_equal(source.transform, np.eye(4)):
            return frame
        moved = source.transform[:3, :3] @ place + source.transform[:3, 3]
        distance, _ = self._grown().query(moved)
        return frame + (f" (in the file's frame it would be {shown(moved)} there)" if distance <= FARTHEST else "")


def shown(place: np.ndarray) -> str:
    """Return a place as messages show it, to the centimetre."""
    return "(" + ", ".join(f"{v:.2f}" if abs(v) < _FAR_OUTSIDE else f"{v:.3g}" for v in place) + ")"


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


class Clickable(Protocol):
    """A scene that answers clicks."""

    scan: Scan

    def click(self, points: Places, *, positive: Sequence[bool], objects: Sequence[int]) -> Masks:
        """Return one mask per object that was clicked on; see `Scene.click`."""
        ...


class Clicks:
    """Clicks on a scene, one after the other, with the masks of all of them after each; several threads may click.

    A click that is refused (InputError) is not kept.
    """

    def __init__(self, scene: Clickable) -> None:
        self._scene = scene
        self._clicks: list[tuple[np.ndarray, bool, int]] = []
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._clicks)

    def add(self, point: np.ndarray | Sequence[float], positive: bool = True, object: int = 0) -> Masks:
        """Click at `point` and return one mask per object clicked on, in order of their numbers.

        point: float [3] (x, y, z) in metres, z up. positive: whether the point belongs to the object. Raises InputError
        as `Scene.click` does.
        """
        prompt = check_clicks([point], [True], [object])  # type: ignore[list-item]  # refuses several points
        if not isinstance(positive, (bool, np.bool_)):
            raise InputError(f"positive: expected True or False, got {positive!r:.80}")
        with self._lock:
            clicks = [*self._clicks, (prompt.places[0], bool(positive), int(prompt.objects[0]))]
            masks = self._answer(clicks)
            self._clicks = clicks
            return masks

    def undo(self) -> Masks:
        """Take the latest click back and return the masks of the others; raise InputError when there is none."""
        with self._lock:
            if not self._clicks:
                raise InputError("undo: expected a click to take back, got none; add one first")
            masks = self._answer(self._clicks[:-1])
            self._clicks = self._clicks[:-1]
            return masks

    def reset(self) -> None:
        """Take all clicks back."""
        with self._lock:
            self._clicks = []

    def _answer(self, clicks: list[tuple[np.ndarray, bool, int]]) -> Masks:
        if not clicks:
            scan = self._scene.scan
            return Masks.from_points(scan, np.zeros((0, len(scan)), bool), message="no click yet")
        places, positive, objects = zip(*clicks, strict=True)
        return self._scene.click(np.stack(places), positive=positive, objects=objects)
