"""The result of a prompt: masks over a scan's points, kept as bits over the model's support until asked for points."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.scan import Scan


@dataclass(frozen=True, eq=False, repr=False)
class Masks:
    """M masks over the points of a scan, with scores, names and labels; empty when nothing fits the prompt."""

    scan: Scan
    support: np.ndarray  # bool [M, S]: mask bits over the support rows (superpoints or sites)
    index: np.ndarray  # int64 [N]: support row of each point of the scan, -1 = none
    scores: np.ndarray  # float32 [M], 0..1
    names: tuple[str, ...]  # M: the sentence or the class name
    labels: np.ndarray | None = None  # int [M] class ids; words and classes that the user named count from 1
    message: str = ""
    """Message for the user, e.g. `no object fits: …`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if self.support.ndim != 2 or self.support.dtype != np.bool_:
            raise InputError(f"masks: expected bits bool [M, S], got {self.support.dtype} {list(self.support.shape)}")
        m, s = self.support.shape
        if len(self.index) != len(self.scan):
            raise InputError(f"masks: index has {len(self.index):,} rows for {len(self.scan):,} points of the scan")
        if len(self.index) and (self.index.max() >= s or self.index.min() < -1):
            raise InputError(f"masks: index must lie in -1..{s - 1}, got {self.index.min()}..{self.index.max()}")
        for what, n in (("scores", len(self.scores)), ("names", len(self.names))):
            if n != m:
                raise InputError(f"masks: {n} {what} for {m} masks; they must be equal")
        if self.labels is not None and len(self.labels) != m:
            raise InputError(f"masks: {len(self.labels)} labels for {m} masks; they must be equal")

    def __len__(self) -> int:
        return len(self.support)

    def __iter__(self) -> Iterator[Masks]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray) -> Masks:
        """Return some of the masks, in the order asked for: by number, slice, list of numbers, or bits bool [M]."""
        if isinstance(rows, int | np.integer):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"mask {rows} of {len(self)}")
            rows = [int(rows)]
        chosen = np.arange(len(self))[np.asarray(rows, int) if isinstance(rows, list | tuple) and not rows else rows]
        return replace(
            self,
            support=self.support[chosen],
            scores=self.scores[chosen],
            names=tuple(self.names[i] for i in chosen),
            labels=None if self.labels is None else np.asarray(self.labels)[chosen],
        )

    def filter(self, *, score: float = 0.0, name: str | None = None, label: int | None = None) -> Masks:
        """Return the masks of at least `score`, of that name (case does not matter) and of that class id.

        Raises InputError for a class id where masks have none.
        """
        keep = np.asarray(self.scores) >= score
        if name is not None:
            keep &= np.array([n.lower() == name.lower() for n in self.names], bool)
        if label is not None:
            if self.labels is None:
                raise InputError("filter by label: expected masks with labels, got none; filter by name")
            keep &= np.asarray(self.labels) == label
        return self[keep]

    def __repr__(self) -> str:
        lines = [f"Masks({len(self)} over {len(self.scan):,} points of {_short(self.scan.name) or 'a scan'})"]
        if len(self):
            shown = [f"{i} {_short(n, 24)} {s:.2f}" for i, (n, s) in enumerate(zip(self.names[:4], self.scores))]
            lines.append("  " + ", ".join(shown) + (f", … {len(self) - 4} more" if len(self) > 4 else ""))
        if self.message:
            lines.append(f"  {_short(self.message, 110)}")
        return "\n".join(lines)

    @cached_property
    def _picture(self) -> bytes:
        from saymask.render.picture import draw

        out = io.BytesIO()
        draw(self.scan, self).save(out, "PNG")
        return out.getvalue()

    def _repr_png_(self) -> bytes:
        return self._picture

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{i}</td><td>{html.escape(n)}</td><td>{s:.2f}</td><td>{self.count(i):,}</td></tr>"
            for i, (n, s) in enumerate(zip(self.names[:20], self.scores))
        )
        rest = f"<p>… {len(self) - 20} more</p>" if len(self) > 20 else ""
        said = f"<p>{html.escape(self.message)}</p>" if self.message else ""
        image = base64.b64encode(self._picture).decode("ascii")
        return (
            f'<img src="data:image/png;base64,{image}" style="max-width: 100%"/>{said}'
            f"<table><tr><th></th><th>name</th><th>score</th><th>points</th></tr>{rows}</table>{rest}"
        )

    @classmethod
    def from_json(cls, scan: Scan, source: str | Path | dict[str, Any]) -> Masks:
        """Return the masks that `save("….json")` or `to_dict` wrote, over the same scan.

        Raises InputError for another format or a scan with another number of points.
        """
        from saymask.io.save import read_rle

        return read_rle(scan, source)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, as `save("….json")` writes it: `to_json` with run lengths `counts`."""
        from saymask.io.save import rle_form

        return rle_form(self)

    @classmethod
    def from_points(
        cls, scan: Scan, points: np.ndarray, scores: np.ndarray | None = None, names: tuple[str, ...] = (), **more: Any
    ) -> Masks:
        """Build masks from bits over the points, `points` bool [M, N]; scores default to 1."""
        points = np.atleast_2d(np.asarray(points, bool))
        n = len(points)
        return cls(
            scan=scan,
            support=points,
            index=np.arange(len(scan), dtype=np.int64),
            scores=np.ones(n, np.float32) if scores is None else np.asarray(scores, np.float32),
            names=tuple(names) or ("",) * n,
            **more,
        )

    def points(self, i: int) -> np.ndarray:
        """Return mask i over the scan's points, bool [N]."""
        return _spread(self.support[i], self.index)

    @property
    def dense(self) -> np.ndarray:
        """All masks over the scan's points, bool [M, N]."""
        return _spread(self.support, self.index)

    def original(self, i: int) -> np.ndarray:
        """Return mask i over the points of the original file, bool [n_original]; dropped points are False."""
        points = self.points(i)
        return points if self.scan.source is None else _spread(points, self.scan.source.index)

    def count(self, i: int) -> int:
        """Return how many points of the scan mask i holds."""
        return int(np.count_nonzero(self.points(i)))

    def box(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and largest corner of mask i, float32 [3] metres each (zeros for an empty mask)."""
        return self._box(self.points(i))

    def centroid(self, i: int) -> np.ndarray:
        """Return the mean of the points of mask i, float32 [3] metres (zeros for an empty mask)."""
        chosen = self.scan.points[self.points(i)]
        return chosen.mean(0, dtype=np.float64).astype(np.float32) if len(chosen) else np.zeros(3, np.float32)

    def oriented_box(self, i: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the smallest upright box of mask i: centre, size (float32 [3], metres), turn about z in radians."""
        chosen = self.scan.points[self.points(i)].astype(np.float64)
        if not len(chosen):
            return np.zeros(3, np.float32), np.zeros(3, np.float32), 0.0
        angle, low, high = _smallest_rectangle(chosen[:, :2])
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = (low + high) / 2
        bottom, top = chosen[:, 2].min(), chosen[:, 2].max()
        center = np.array([x * cos - y * sin, x * sin + y * cos, (bottom + top) / 2], np.float32)
        return center, np.array([*(high - low), top - bottom], np.float32), angle

    def _box(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.scan.points[points]
        if not len(chosen):
            return np.zeros(3, np.float32), np.zeros(3, np.float32)
        return chosen.min(0), chosen.max(0)

    def union(self) -> np.ndarray:
        """Return the points that any mask holds, bool [N]."""
        return _spread(np.asarray(self.support.any(0)), self.index)

    @property
    def best(self) -> np.ndarray:
        """The best-scored mask of every point of the scan, int32 [N], -1 = none."""
        rows = np.full(self.support.shape[1] + 1, -1, np.int32)  # the last row is that of points without one
        for i in np.argsort(self.scores, kind="stable"):
            rows[:-1][self.support[i]] = i
        return rows[self.index]

    @property
    def disjoint(self) -> bool:
        """True if no point of the scan lies in two masks."""
        doubled = np.count_nonzero(self.support, axis=0) > 1
        return not (doubled.any() and doubled[self.index[self.index >= 0]].any())

    def to_json(self) -> dict[str, Any]:
        """Return the masks as JSON values: one entry per mask with score, points of the file, and box in metres."""
        masks, source = [], self.scan.source
        # how many points of the file each point of the scan stands for
        weight = None if source is None else np.bincount(source.index[source.index >= 0], minlength=len(self.scan))
        for i in range(len(self)):
            points = self.points(i)
            low, high = self._box(points)
            entry: dict[str, Any] = {
                "name": self.names[i],
                "score": round(float(self.scores[i]), 6),
                "points": int(np.count_nonzero(points) if weight is None else weight[points].sum()),
                "box_min": [round(float(v), 4) for v in low],
                "box_max": [round(float(v), 4) for v in high],
            }
            if self.labels is not None:
                entry["label"] = int(self.labels[i])
            masks.append(entry)
        return {"scan": self.scan.name, "points": self.scan.n_original, "message": self.message, "masks": masks}

    def save(self, path: str | Path, *, colored: bool | None = None) -> Path:
        """Write the input's points in their original order with all attributes plus mask columns; return the path.

        The suffix chooses the format: .ply, .npz, .las, .laz (columns `mask_0`, `mask_1`, … uint8 and `mask_id` int32,
        the best-scored mask of the point or -1) or .json (run lengths, no points). Masks with labels give a column
        `label` int32 as well, the class id of that mask or 0 (`mask_label` where the input has a `label` of its own);
        where no point lies in two of them, these two columns say everything and `mask_0`, … are left out. Columns
        `mask_…` of an earlier result are replaced.

        Scans with faces also go to .glb (metres, y up) and .obj (the file's coordinates; with .mtl and images beside
        it): a node or group for each mask under its name, a face in the best-scored mask that it belongs to, the rest
        with its own materials and images.

        `colored` paints the masked points or faces, which loses their own colours: meshes unless it is False, PLY and
        LAS only where it is True. An existing file is replaced only when the new one is complete.
        Raises InputError when the path cannot be written, the suffix is unknown, or a mesh is asked of a cloud.
        """
        from saymask.io.save import save_masks

        return save_masks(self, Path(path), colored=colored)

    def show(self, *, title: str = "", picture: bool = False) -> None:
        """Open the page on the scan with the masks marked (`saymask view`; inside the cell of a notebook).

        A script waits until the page is closed. With `picture`, and where viser is not installed, it is a picture.
        """
        if not picture and find_spec("viser") is not None:
            from saymask.viewer.show import show

            return show(self.scan, masks=self, title=title)
        from saymask.render.picture import draw

        image = draw(self.scan, self, title=title)
        try:
            from IPython.core.getipython import get_ipython
            from IPython.display import display
        except ImportError:
            image.show()
            return
        if get_ipython() is None:
            image.show()
        else:
            display(image)


FORMATS = (".ply", ".npz", ".las", ".laz", ".json", ".glb", ".obj")
"""Suffixes that `Masks.save` knows."""


def check_format(path: str | Path) -> Path:
    """Return `path` if masks can be saved under its suffix; raise InputError otherwise, before any long work."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"cannot save {path.name}: expected a suffix of {', '.join(FORMATS)}, got {path.suffix or 'none'}"
        )
    return path


def _short(text: str, width: int = 40) -> str:
    """Return text in one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _smallest_rectangle(plan: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return angle, low [2] and high [2] of the smallest rectangle around [n, 2], in its own axes.

    One side lies on an edge of the convex hull (Freeman and Shapira, 1975).
    """
    from scipy.spatial import ConvexHull, QhullError

    angles = np.zeros(1)
    if len(plan) > 2:
        try:
            plan = plan[ConvexHull(plan).vertices]
            edges = np.roll(plan, -1, 0) - plan
            angles = np.unique(np.round(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2), 9))
        except QhullError:  # all on one line
            line = plan - plan.mean(0)
            direction = np.linalg.svd(line[:: max(1, len(line) // 1000)], full_matrices=False)[2][0]
            angles = np.arctan2(direction[1:], direction[:1])
    best = None
    for angle in angles:
        turned = plan @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        low, high = turned.min(0), turned.max(0)
        area = float(np.prod(high - low))
        if best is None or area < best[0] - 1e-12:
            best = area, float(angle), low, high
    assert best is not None
    return best[1:]


def _spread(rows: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Spread bits over support rows [..., S] to points by `index` [N]; points without a row are False."""
    if not rows.shape[-1]:
        return np.zeros((*rows.shape[:-1], len(index)), bool)
    out = rows[..., index]
    missing = index < 0
    if missing.any():
        out[..., missing] = False
    return out
