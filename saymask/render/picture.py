"""A picture of a scan with the masks marked: seen from above at an angle, ceiling and near walls cut away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from saymask.errors import InputError
from saymask.masks import Masks
from saymask.render.labels import Click, draw_clicks, write_names
from saymask.render.legend import Panel, caption
from saymask.render.palette import HIGHLIGHT, mask_colors, of_benchmark
from saymask.render.raster import Camera, close_holes, halved, look_at, shade, splat
from saymask.render.visible_points import VisiblePoints, loose
from saymask.scan import LUMINANCE, Scan
from saymask.util.files import atomic_path, check_picture

MOST_IN_BAR = 3
"""Classes that are named in the bar; more of them get a panel beside the picture."""
BACKGROUND = np.array([250, 250, 252], np.float32)
VIEWS = {"front": -90.0, "right": 0.0, "back": 90.0, "left": 180.0}
"""Azimuths of the camera in degrees."""


def render(
    scan: Scan,
    masks: Masks | None,
    path: str | Path,
    *,
    size: tuple[int, int] = (1280, 960),
    view: str = "auto",
    title: str = "",
    clicks: Sequence[Click] = (),
) -> None:
    """Write a PNG of `size` (width, height) with the masked points in strong colours; see `draw`.

    Raises InputError when `path` cannot be written or is not a .png.
    """
    path = check_picture(path)
    write_png(draw(scan, masks, size=size, view=view, title=title, clicks=clicks), path)


def write_png(image: Image.Image, path: str | Path) -> None:
    """Write an image; packed so that it takes little time and little more room."""
    with atomic_path(path) as temporary:
        image.save(temporary, "PNG", compress_level=3)


def draw(
    scan: Scan,
    masks: Masks | None = None,
    *,
    size: tuple[int, int] = (1280, 960),
    view: str = "auto",
    title: str = "",
    clicks: Sequence[Click] = (),
) -> Image.Image:
    """Return the picture of a scan.

    `view` is `auto` (the side from which most of the masks can be seen; the sensor's own place for a single view),
    `front`, `back`, `left`, `right` (camera on the -y, +y, -x, +x side), `top`, or `camera`. Masked points hidden
    behind others shine through faintly; small masks are shown again enlarged in a corner. `title` is the caption,
    the masks' first name by default.

    Masks with labels have the benchmark's colours of their classes, objects of one class in different shades. More
    than three classes are listed beside the picture, the largest first. A result that says what all the scan is
    (`semantic`, `instances`) is cut open like the scan itself, so that the room can be seen from inside; objects have
    their names on them. `clicks` are places in metres that were clicked, and whether on the object or off it.

    Raises InputError for another view, and for a size below 160 × 120 or above 64 megapixels.
    """
    if view not in (*VIEWS, "auto", "top", "camera"):
        raise InputError(f"view: expected one of auto, top, camera, {', '.join(VIEWS)}, got {view!r}")
    if size[0] < 160 or size[1] < 120 or size[0] * size[1] > 64_000_000:
        raise InputError(f"picture size: expected 160x120 up to 64 megapixels, got {size[0]}x{size[1]}")
    drawing = Drawing.of(scan, masks, size, title)
    return drawing.image(drawing.camera(view), clicks)


@dataclass(frozen=True)
class Drawing:
    """All of a picture but the camera."""

    scan: Scan
    masks: Masks | None
    size: tuple[int, int]
    title: str
    marks: "Marks"
    visible: VisiblePoints
    bar: int
    """Pixels of the bar at the top."""
    panel: Panel | None

    @classmethod
    def of(cls, scan: Scan, masks: Masks | None, size: tuple[int, int], title: str) -> "Drawing":
        """Return what is to be drawn of a scan; see `draw`."""
        title = title or (masks.names[0] if masks is not None and len(masks) and len(set(masks.names)) == 1 else "")
        owner = np.full(len(scan), -1, np.int32) if masks is None else masks.best
        marks = Marks.of(masks, owner)
        bar = max(44, size[1] // 16) if title or (masks is not None) else 0
        panel = Panel.of(scan, masks, size, bar) if masks is not None and _many(masks) else None
        return cls(scan, masks, size, title, marks, _visible(scan, owner, marks), bar, panel)

    @property
    def canvas(self) -> tuple[int, int]:
        """Width and height in pixels of what the camera sees."""
        return self.size[0] - (self.panel.width if self.panel else 0), self.size[1] - self.bar

    def camera(self, view: str = "auto") -> Camera:
        """Return the camera of a view (see `draw`)."""
        return _camera(self.visible, self.canvas, view, self.marks)

    def image(self, camera: Camera, clicks: Sequence[Click] = (), *, inset: bool = True) -> Image.Image:
        """Return the picture that a camera takes; with `inset` small masks are shown again, enlarged, in a corner."""
        picture, owner = _shade(self.visible, camera, self.canvas, self.marks)
        image = Image.new("RGB", self.size, (255, 255, 255))
        image.paste(Image.fromarray(picture), (0, self.bar))
        if self.marks.everything and self.masks is not None and len(self.masks) > len(set(self.masks.names)):
            write_names(image, owner, self.masks, self.bar)
        if inset and (self.visible.owner >= 0).any() and not self.marks.everything:
            _inset(image, self.visible, camera, self.canvas, self.bar, self.marks)
        draw_clicks(image, clicks, camera, self.canvas, self.bar)
        if self.panel is not None:
            self.panel.draw(image, self.bar)
        if self.bar:
            many = self.masks is not None and _many(self.masks)
            caption(image, self.scan, self.masks, self.title, self.bar, many=many)
        return image


@dataclass(frozen=True)
class Marks:
    """Style in which masks are marked."""

    colors: np.ndarray  # float32 [M, 3]
    everything: bool
    """The masks say what all the scan is, not where one thing is: they are cut away with the ceiling and the near
    walls, and nothing shines through anything."""

    @classmethod
    def of(cls, masks: Masks | None, owner: np.ndarray) -> "Marks":
        """Return how `masks`, of which each point has the one in `owner` int32 [N], are marked."""
        if masks is None:
            return cls(HIGHLIGHT[:0], False)
        covering = masks.labels is not None and float((owner >= 0).mean()) > 0.5
        broad = covering or (_many(masks) and of_benchmark(masks))
        return cls(mask_colors(masks), broad)


def _many(masks: Masks) -> bool:
    """Say whether masks are of more classes than the bar can name."""
    return masks.labels is not None and len(np.unique(masks.labels)) > MOST_IN_BAR


def _visible(scan: Scan, owner: np.ndarray, marks: Marks) -> VisiblePoints:
    """Return what is drawn of a scan."""
    if not marks.everything:
        return VisiblePoints.of(scan, owner)
    # `VisiblePoints` keeps masked points wherever they are; numbered below -1 they are cut like all others.
    visible = VisiblePoints.of(scan, -2 - owner)
    return replace(visible, owner=-2 - visible.owner)


def _camera(visible: VisiblePoints, canvas: tuple[int, int], view: str, marks: Marks) -> Camera:
    """Return the camera of a view; `auto` tries eight sides on a small picture and takes the one that shows most."""
    if view == "camera" or (view == "auto" and visible.eye is not None):
        if visible.eye is None:
            raise InputError(
                "view 'camera': expected a scan taken from one place, got one without a known sensor position"
            )
        return _from_sensor(visible, canvas)
    if view == "top":
        return _frame(visible, canvas, -90.0, 89.0)
    if view in VIEWS:
        return _frame(visible, canvas, VIEWS[view], 48.0)
    small = (canvas[0] // 6, canvas[1] // 6)
    chosen = np.flatnonzero((visible.owner >= 0) & (not marks.everything))
    some = np.unique(np.concatenate([np.arange(0, len(visible.points), max(1, len(visible.points) // 60_000)), chosen]))
    thin = visible.part(some)
    best, most = VIEWS["front"], -1.0
    for azimuth in np.arange(-67.5, 292.5, 45.0):
        camera = _frame(thin, small, float(azimuth), 48.0)
        index, _ = _paint(thin, camera, small, 1.0, marks)
        seen = index >= 0
        value = float(seen.mean())
        if len(chosen):
            value = 0.2 * value + 100 * float((thin.owner[index[seen]] >= 0).sum()) / seen.size
        if value > most:
            best, most = float(azimuth), value
    return _frame(visible, canvas, best, 48.0)


def _frame(visible: VisiblePoints, canvas: tuple[int, int], azimuth: float, elevation: float) -> Camera:
    """Return the camera on a side of the scan, at the distance where everything fits into the canvas."""
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    back = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    some = visible.points[:: max(1, len(visible.points) // 20_000)].astype(np.float64)
    return look_at(some, back, canvas, fill=0.96)


def _from_sensor(visible: VisiblePoints, canvas: tuple[int, int]) -> Camera:
    """Return the camera a little above the sensor, looking at the middle of what it saw."""
    assert visible.eye is not None
    some = visible.points[:: max(1, len(visible.points) // 20_000)].astype(np.float64)
    back = visible.eye - np.median(some, axis=0)
    back /= np.linalg.norm(back)
    back[2] = max(back[2], 0.0) + 0.15
    return look_at(some, back / np.linalg.norm(back), canvas, fill=0.98)


def _paint(
    visible: VisiblePoints,
    camera: Camera,
    canvas: tuple[int, int],
    scale: float,
    marks: Marks,
    only: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Splat the points (without near walls, or `only` some rows); return each pixel's point int32 [h, w] and depth."""
    rows = np.flatnonzero(~_near_wall(visible, camera, marks)) if only is None else only
    return splat(
        camera,
        visible.points,
        visible.normals,
        visible.radius,
        int(canvas[0] * scale),
        int(canvas[1] * scale),
        scale,
        rows=rows.astype(np.int32),
    )


def _near_wall(visible: VisiblePoints, camera: Camera, marks: Marks) -> np.ndarray:
    """Return which points belong to walls between the camera and the room, bool [n]; masked points never do
    unless everything is masked.

    What hung on such a wall goes with it: small parts that nothing holds any more.
    """
    if visible.plan is None or np.linalg.norm(camera.back[:2]) < 0.2:
        return np.zeros(len(visible.points), bool)
    near = visible.plan.near(camera.back[:2])
    near[~near] = loose(visible.points[~near])
    return near if marks.everything else near & (visible.owner < 0)


def _shade(
    visible: VisiblePoints, camera: Camera, canvas: tuple[int, int], marks: Marks
) -> tuple[np.ndarray, np.ndarray]:
    """Return the picture uint8 [h, w, 3], drawn at twice the size, lit, outlined, and brought down, and the mask int32
    [h, w] that each pixel shows, -1 = none.
    """
    index, depth = _paint(visible, camera, canvas, 2.0, marks)
    close_holes(index, depth, _reach(visible, camera))
    base = visible.colors.astype(np.float32)
    grey = base @ LUMINANCE
    base = 28 + (0.65 * base + 0.35 * grey[:, None]) * (227 / 255)  # calm, and dark rooms stay readable
    rows = np.flatnonzero(visible.owner >= 0)
    # a little of the object's own brightness is kept, so that its form can still be read
    own = np.clip(0.8 + 0.4 * grey[rows] / 255.0, 0.8, 1.1)
    base[rows] = marks.colors[visible.owner[rows]] * own[:, None]
    sun = camera.back + 0.3 * camera.up - 0.3 * camera.right
    sun = (sun / np.linalg.norm(sun)).astype(np.float32)
    strong = np.zeros(len(base), bool) if marks.everything else visible.owner >= 0
    picture = shade(index, depth, base, visible.normals, strong, camera.back.astype(np.float32), sun)
    picture[index < 0] = BACKGROUND
    if marks.everything:
        _borders(picture, np.where(index >= 0, visible.owner[index], -2))
    elif len(rows):
        _outline(visible, camera, canvas, picture, index, marks)
    small = halved(picture)
    h, w, _ = small.shape
    index = index[0 : 2 * h : 2, 0 : 2 * w : 2]
    return small, np.where(index >= 0, visible.owner[index], np.int32(-1))


def _reach(visible: VisiblePoints, camera: Camera) -> int:
    """Return how many pixels a hole between neighbouring points may be wide."""
    far = float(np.median((camera.eye - visible.points[:: max(1, len(visible.points) // 1000)]) @ camera.back))
    return int(np.clip(2.0 * 1.6 * np.quantile(visible.radius, 0.9) * camera.focal / max(far, 0.1), 5, 24))


def _borders(picture: np.ndarray, owner: np.ndarray) -> None:
    """Draw a thin dark line where one mask ends and another begins, in place; `owner` int [h, w], -2 = empty."""
    line = np.zeros(owner.shape, bool)
    for axis in (0, 1):
        a, b = (slice(None), slice(1, None)), (slice(None), slice(None, -1))
        a, b = (a, b) if axis else (a[::-1], b[::-1])
        line[a] |= (owner[a] != owner[b]) & (owner[a] > -2) & (owner[b] > -2)
    wide = np.asarray(ndimage.binary_dilation(line, np.ones((2, 2))), bool)
    picture[wide] *= 0.55


def _outline(
    visible: VisiblePoints,
    camera: Camera,
    canvas: tuple[int, int],
    picture: np.ndarray,
    index: np.ndarray,
    marks: Marks,
) -> None:
    """Draw a line round every mask and let its hidden parts shine through, in place."""
    owner = np.where(index >= 0, visible.owner[index], -1)
    behind, depth = _paint(visible, camera, canvas, 2.0, marks, np.flatnonzero(visible.owner >= 0))
    close_holes(behind, depth, _reach(visible, camera))
    where = np.argwhere((behind >= 0) | (owner >= 0))
    if not len(where):
        return
    pad = 10
    (top, left), (bottom, right) = np.maximum(where.min(0) - pad, 0), where.max(0) + pad + 1
    area = (slice(top, bottom), slice(left, right))
    owner, behind, view = owner[area], behind[area], picture[area]
    hidden = (behind >= 0) & (owner < 0)
    ghost = visible.owner[behind]
    view[hidden] = 0.7 * view[hidden] + 0.3 * marks.colors[ghost[hidden]]
    whole = np.where(owner >= 0, owner, np.where(hidden, ghost, -1))
    for i, box in enumerate(ndimage.find_objects(whole + 1)):
        if box is None:
            continue
        near = tuple(slice(max(s.start - pad, 0), s.stop + pad) for s in box)
        labelled = np.asarray(ndimage.label(whole[near] == i)[0], np.int64)  # type: ignore[index]
        large = np.bincount(labelled.ravel()) >= 150  # single stray points get no line
        large[0] = False
        if not large.any():
            continue
        away = ndimage.distance_transform_edt(~large[labelled])
        assert isinstance(away, np.ndarray)
        free = (away > 0) & (owner[near] < 0)
        line = view[near]
        line[free & (away <= 6.5)] = 255.0
        line[free & (away <= 3.5)] = marks.colors[i] * 0.55


def _inset(
    image: Image.Image, visible: VisiblePoints, camera: Camera, canvas: tuple[int, int], bar: int, marks: Marks
) -> None:
    """Show small masks again, enlarged, in the emptiest corner."""
    chosen = visible.points[visible.owner >= 0].astype(np.float64)
    x, y = camera.project(chosen, canvas)
    low = np.array([np.quantile(x, 0.01), np.quantile(y, 0.01)])
    high = np.array([np.quantile(x, 0.99), np.quantile(y, 0.99)])
    if max((high[0] - low[0]) / canvas[0], (high[1] - low[1]) / canvas[1]) > 0.16:
        return
    box = (int(canvas[0] * 0.31), int(canvas[1] * 0.36))
    middle = np.median(chosen, axis=0)
    radius = max(0.45, 1.5 * float(np.quantile(np.linalg.norm(chosen - middle, axis=1), 0.98)))
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], np.float64)
    close = look_at(middle + corners * radius / 3**0.5, camera.back, box, fill=0.98)
    # what stands between the closer camera and the object would fill the small picture
    ahead = (visible.points - middle) @ close.back.astype(np.float32)
    rows = np.flatnonzero((ahead < 1.5 * radius) | (visible.owner >= 0))
    small = Image.fromarray(_shade(visible.part(rows), close, box, marks)[0])
    pixels = np.asarray(image)[bar:]
    gap = 14
    places = [
        (canvas[0] - box[0] - gap, gap),
        (gap, gap),
        (canvas[0] - box[0] - gap, canvas[1] - box[1] - gap),
        (gap, canvas[1] - box[1] - gap),
    ]
    inside = (x.mean(), y.mean())

    def busy(at: tuple[int, int]) -> float:
        area = pixels[at[1] : at[1] + box[1], at[0] : at[0] + box[0]]
        covers = at[0] - 30 < inside[0] < at[0] + box[0] + 30 and at[1] - 30 < inside[1] < at[1] + box[1] + 30
        return float((np.abs(area.astype(np.float32) - BACKGROUND).sum(-1) > 12).mean()) + 10 * covers

    at = min(places, key=busy)
    color = tuple(int(v) for v in marks.colors[int(visible.owner.max())])
    pen = ImageDraw.Draw(image)
    pad = 12
    frame = (low[0] - pad, low[1] - pad + bar, high[0] + pad, high[1] + pad + bar)
    pen.rectangle(frame, outline=color, width=3)
    center = (at[0] + box[0] / 2, at[1] + box[1] / 2 + bar)
    edge = (min(max(center[0], frame[0]), frame[2]), min(max(center[1], frame[1]), frame[3]))
    pen.line([edge, center], fill=color, width=2)
    image.paste(small, (at[0], at[1] + bar))
    pen.rectangle((at[0] - 3, at[1] + bar - 3, at[0] + box[0] + 2, at[1] + bar + box[1] + 2), outline=color, width=3)
