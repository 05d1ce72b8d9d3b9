"""Division of a large scan into windows of about a room's size, each seen with a margin of what lies around it.

A window is cut where the fewest superpoints lie across the cut: between rooms these are floors and ceilings, within a
room also furniture. Superpoints that are wider than the margin are split at the cuts, all others stay whole.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from saymask.geometry.extent import highest, lowest

MARGIN = 1.5
"""Metres around a window that it sees as well."""
SHARE = 0.75
"""Share of the largest undivided scan that a window is long and wide at most: two rooms side by side are no larger than
one large room, but in windows a cut is there to part them."""
STEP = 0.05
"""Metres between the cuts that are compared."""
SMALLEST = 4 * MARGIN
"""Metres; a window that is no wider is not cut for its number of superpoints: it would see little but margins."""
CELL = 0.05
"""Metres: points in cells of this size that touch are one surface."""
DOORWAY = 1.5
"""Metres; floors of windows that touch along more than that go on."""


@dataclass(frozen=True, eq=False)
class Windows:
    """W windows over S patches, which are superpoints or their pieces."""

    index: np.ndarray  # int64 [N] patch of each point, 0..S-1
    home: np.ndarray  # int64 [S] the one window that each patch belongs to
    seen: tuple[np.ndarray, ...]  # per window int64 [S_w], sorted: its patches and those in its margin
    points: tuple[np.ndarray, ...]  # per window int64 [N_w], sorted: the points of what it sees
    corners: np.ndarray  # float32 [W, 3]: lowest corner of what each sees, metres from that of the scan
    positions: np.ndarray  # float [N, 3], metres: of all points

    def __len__(self) -> int:
        return len(self.seen)

    @property
    def queries(self) -> tuple[np.ndarray, ...]:
        """Per window int64: the places in `seen` of the patches at home there."""
        return tuple(np.flatnonzero(self.home[rows] == number) for number, rows in enumerate(self.seen))

    @cached_property
    def seams(self) -> np.ndarray:
        """Two patches of different windows that touch, and the cell (x, y) of the plan where they do: int64 [K, 4]."""
        # Found when they are asked for: only prompts about floors and names need them.
        return _seams(self.positions, self.index, self.home)

    def floors(self, floor: np.ndarray) -> np.ndarray:
        """Return int64 [S], the number of each patch's floor from 0, given which patches are floor, bool [S].

        The floor of a window is one, and those of windows that touch along more than a `DOORWAY`.
        """
        from scipy.sparse import csr_array  # late: the settings of a model import this file
        from scipy.sparse.csgraph import connected_components

        count = len(self)
        a, b, *cells = self.seams[floor[self.seams[:, :2]].all(axis=1)].T
        pair = np.minimum(self.home[a], self.home[b]) * count + np.maximum(self.home[a], self.home[b])
        # A seam is as long as it is along x or along y, however ragged.
        width = np.zeros(count * count)
        for along in cells:
            pairs = np.unique(np.stack([pair, along], axis=1), axis=0)[:, 0]
            width = np.maximum(width, CELL * np.bincount(pairs, minlength=count * count))
        open_between = csr_array(width.reshape(count, count) > DOORWAY)
        return connected_components(open_between, directed=False)[1].astype(np.int64)[self.home]


def divide(points: np.ndarray, superpoints: np.ndarray, largest: float, most: int) -> Windows | None:
    """Return the windows of points float [N, 3] (metres, z up) with superpoints int [N]; None if one holds everything.

    largest: metres along x and y from which a scan is divided, into windows of at most `SHARE` of that without their
    margins; most: superpoints of a window.
    """
    index = np.unique(superpoints, return_inverse=True)[1].reshape(-1)
    plan = points[:, :2].astype(np.float64)
    size = int(index.max()) + 1
    if size <= most and (highest(plan) - lowest(plan)).max() <= largest:
        return None
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(size))
    low = np.minimum.reduceat(plan[order], starts)
    high = np.maximum.reduceat(plan[order], starts)
    wide = (high - low).max(axis=1) > MARGIN
    loose = np.flatnonzero(wide[index])  # points that may lie in another window than the rest of their superpoint
    window = np.empty(size + len(loose), np.int64)
    places = np.concatenate([(low + high) / 2, plan[loose]])
    places[:size][wide] = np.nan  # in no window as a whole
    for number, rows in enumerate(_cells(low, high, places, SHARE * largest, most)):
        window[rows] = number
    own = window[index]
    own[loose] = window[size:]
    keys, index = np.unique(index * (int(own.max()) + 1) + own, return_inverse=True)
    index = index.reshape(-1)
    # A window that was cut for superpoints which only reach into it has no patches.
    home = np.unique(keys % (int(own.max()) + 1), return_inverse=True)[1].reshape(-1)
    if not home.any():
        return None
    return with_margins(points, plan, index, home)


def _cells(low: np.ndarray, high: np.ndarray, places: np.ndarray, largest: float, most: int) -> Iterator[np.ndarray]:
    """Yield the rows of `places` [P, 2] in each window; low, high [S, 2]: the superpoints that are not to be cut."""
    everything = np.flatnonzero(~np.isnan(places[:, 0]))
    todo = [(np.full(2, -np.inf), np.full(2, np.inf), np.arange(len(low)), everything)]
    while todo:
        bottom, top, boxes, rows = todo.pop()
        first = np.maximum(low[boxes].min(axis=0), bottom)
        last = np.minimum(high[boxes].max(axis=0), top)
        size = last - first
        axis = int(size.argmax())
        if size[axis] <= largest and (len(boxes) <= most or size[axis] <= SMALLEST):
            yield rows
            continue
        cut = best_cut(low[boxes, axis], high[boxes, axis], first[axis], last[axis])
        below = places[rows, axis] < cut
        end, start = top.copy(), bottom.copy()
        end[axis] = start[axis] = cut
        for corners, reaches, inside in (
            ((start, top), high[boxes, axis] >= cut, ~below),
            ((bottom, end), low[boxes, axis] < cut, below),
        ):
            if reaches.any() and inside.any():
                todo.append((*corners, boxes[reaches], rows[inside]))


def best_cut(low: np.ndarray, high: np.ndarray, first: float, last: float) -> float:
    """Return the cut in the middle half of `first`..`last` that the fewest intervals low..high [K] lie across.

    Of equal ones it is in the middle of the widest run, between two rooms in the middle of the gap.
    """
    quarter = (last - first) / 4
    cuts = np.arange(first + quarter, last - quarter + STEP / 2, STEP)
    across = np.searchsorted(np.sort(low), cuts, "left") - np.searchsorted(np.sort(high), cuts, "right")
    fewest = np.flatnonzero(across == across.min())
    runs = np.split(fewest, np.flatnonzero(np.diff(fewest) > 1) + 1)
    longest = max(runs, key=len)
    return float(cuts[longest[len(longest) // 2]])


def with_margins(points: np.ndarray, plan: np.ndarray, index: np.ndarray, home: np.ndarray) -> Windows:
    """Return the windows of patches `index` [N], each at `home` [S] in one."""
    size = len(home)
    count = np.bincount(index, minlength=size)
    middle = np.stack([np.bincount(index, column, size) / count for column in plan.T], axis=1)
    order = np.argsort(index, kind="stable")
    ends = np.cumsum(count)
    seen, inside, corners = [], [], []
    for number in range(int(home.max()) + 1):
        own = middle[home == number]
        near = (middle >= own.min(axis=0) - MARGIN) & (middle <= own.max(axis=0) + MARGIN)
        rows = np.flatnonzero(near.all(axis=1))
        seen.append(rows)
        inside.append(np.sort(np.concatenate([order[ends[r] - count[r] : ends[r]] for r in rows])))
        corners.append(lowest(points[inside[-1]]))
    edges = (np.stack(corners) - lowest(points)).astype(np.float32)
    return Windows(index, home, tuple(seen), tuple(inside), edges, points)


def _seams(points: np.ndarray, index: np.ndarray, home: np.ndarray) -> np.ndarray:
    """Return the seams of patches `index` [N], each at `home` [S]."""
    # Where two windows touch their boxes do; a patch may be as large as a window, so its middle tells nothing.
    order = np.argsort(home[index], kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(home[index]))[:-1])
    low, high = (np.stack([end(points[part]) for part in parts]) for end in (lowest, highest))
    low, high = low - 2 * CELL, high + 2 * CELL
    found = []
    for number, part in enumerate(parts):
        touching = (low <= high[number]).all(axis=1) & (high >= low[number]).all(axis=1)
        touching[number] = False
        here = np.zeros(len(part), bool)
        for other in np.flatnonzero(touching):
            here |= ((points[part] >= low[other]) & (points[part] <= high[other])).all(axis=1)
        found.append(part[here])
    rows = np.concatenate(found)
    if not len(rows):
        return np.zeros((0, 4), np.int64)
    cells = np.floor((points[rows] - lowest(points[rows])) / CELL).astype(np.int64) + 1
    size = cells.max(axis=0) + 2
    own, patch = np.unique(np.stack([np.ravel_multi_index(tuple(cells.T), tuple(size)), index[rows]], 1), axis=0).T
    seams = []
    for step in itertools.product((0, 1), (-1, 0, 1), (-1, 0, 1)):
        if step < (0, 0, 0):
            continue
        beside = own + np.dot(step, [size[1] * size[2], size[2], 1])
        first, last = np.searchsorted(own, beside, "left"), np.searchsorted(own, beside, "right")
        a = np.repeat(np.arange(len(own)), last - first)
        b = np.arange(len(a)) - np.repeat(np.cumsum(last - first) - last, last - first)
        apart = home[patch[a]] != home[patch[b]]
        a, b = a[apart], b[apart]
        x, y, _ = np.unravel_index(own[a], tuple(size))
        seams.append(np.stack([patch[a], patch[b], x, y], axis=1))
    return np.unique(np.concatenate(seams), axis=0)
