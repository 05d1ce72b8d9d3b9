"""A generated room as a hand-held sensor would have captured it: the degrading training view.

Ideal rooms are complete, flat and evenly lit; a real scan shows what a camera saw, bent by fusion errors, in the tones
of the camera. `degraded` takes a labelled scan with its sentences and returns such a view of both. Superpoints, labels
and faces stay those of the points that are left; sentences stay true (`still_true`). Nothing is mirrored, since
sentences speak of left and right.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from saymask.data.annotations import Annotation
from saymask.data.samples.exchange import exchanged, read_library, room_axes
from saymask.data.samples.panels import with_panels
from saymask.data.samples.sheets import with_sheets
from saymask.errors import InputError
from saymask.geometry.extent import highest, lowest
from saymask.geometry.faces import faces_left
from saymask.geometry.smooth_noise import smooth_noise
from saymask.geometry.superpoints import mesh_superpoints
from saymask.geometry.visibility import Handheld, handheld_views, seen
from saymask.geometry.votes import vote
from saymask.scan import LUMINANCE, Scan

FEWEST = 2000
"""A view that leaves fewer points than this is no scan of a room: the step is left out."""


@dataclass(frozen=True)
class Degradation:
    """Switches of the degrading view; shares are probabilities per sample, ranges are drawn from uniformly."""

    share: float = 0.0
    """Samples that are degraded at all; 0 = off."""
    library: str = ""
    """File with furniture of others (`saymask.data.furniture_library`); without it nothing is exchanged."""
    exchange: float = 0.6
    """Samples in which furniture is exchanged for that of the library (`saymask.data.samples.exchange`)."""
    exchange_objects: float = 0.7
    """Objects of such a sample that are, where a model fits."""
    sheets: float = 0.0
    """Put up to three more walls, curtains and windows into the room (`saymask.data.samples.sheets`)."""
    panels: float = 0.0
    """Paint up to four rectangles of the walls in another colour (`saymask.data.samples.panels`)."""
    crop: float = 0.7
    """Keep what some views of a hand-held camera saw (`saymask.geometry.visibility`)."""
    views: tuple[int, int] = (10, 44)
    reach: tuple[float, float] = (2.5, 4.5)
    pitch: tuple[float, float] = (-43.0, -9.0)
    cut: float = 0.5
    """Cut off everything above a height."""
    cut_height: tuple[float, float] = (1.5, 2.4)
    """Metres above the floor."""
    holes: float = 0.3
    """Tear holes of some decimetres, as dark and shiny surfaces do."""
    hole_share: float = 0.12
    """Largest share of the points that holes take."""
    bumps: float = 0.8
    """Displace the points smoothly."""
    bump_size: float = 0.012
    """Largest deviation of the displacement, metres."""
    bump_spacing: tuple[float, float] = (0.06, 0.2)
    """Metres over which the displacement is correlated."""
    resegment: float = 0.3
    """Make the superpoints of the bumpy mesh, where the scan has faces, instead of keeping those of the ideal one."""
    scale: tuple[float, float] = (0.92, 1.08)
    """Factor on each axis of its own: furniture of other proportions."""
    tone: float = 0.9
    """Change saturation, brightness and contrast, and add smooth brightness."""
    grey: float = 0.1
    """Take all colour away."""
    saturation: tuple[float, float] = (0.8, 2.5)
    luminance: tuple[float, float] = (70.0, 165.0)
    """Mean brightness, 0..255, towards which the scan's is moved by a random share of the way."""
    contrast: tuple[float, float] = (0.8, 1.4)
    uneven: tuple[float, float] = (5.0, 25.0)
    """Deviation of the smooth brightness, in 0..255."""
    uneven_spacing: tuple[float, float] = (0.1, 0.4)
    """Metres over which it is correlated."""
    cast: float = 8.0
    """Standard deviation of a shift of each channel, in 0..255."""
    least_part: float = 0.15
    """Share of its points that an object must keep for a sentence about it to stay."""
    least_points: int = 30
    """Points that it must keep for that."""

    def __post_init__(self) -> None:
        for name in (
            "share",
            "exchange",
            "exchange_objects",
            "sheets",
            "panels",
            "crop",
            "cut",
            "holes",
            "bumps",
            "resegment",
            "tone",
            "grey",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"degrade.{name}: expected a probability from 0 to 1, got {getattr(self, name)}")
        if not 0 <= self.hole_share < 1 or not self.bump_size >= 0:
            raise InputError(
                f"degrade: expected 0 <= hole_share < 1 and bump_size >= 0, got {self.hole_share}, {self.bump_size}"
            )


def degraded(
    scan: Scan, annotations: Sequence[Annotation], rng: np.random.RandomState, switches: Degradation
) -> tuple[Scan, list[Annotation]]:
    """Return a degraded view of a scan (metres, z up) and those of its sentences that are still true of it.

    Of all samples `switches.share` are changed, the others returned as they are. The scan given is not modified; the
    same generator gives the same view. 2D features of superpoints stay valid only without `resegment`.
    """
    if rng.rand() >= switches.share or not len(scan):
        return scan, list(annotations)
    if switches.library and rng.rand() < switches.exchange:
        scan, others = exchanged(scan, read_library(switches.library), switches.exchange_objects, rng)
        annotations = [a for a in annotations if not (others.intersection(a.object_ids) and says_shape(a.description))]
    if switches.sheets and rng.rand() < switches.sheets:
        scan, kinds = with_sheets(scan, room_axes(scan), rng.randint(1, 4), rng)
        words = " ".join(f"{kind} {kind}s" for kind in kinds)
        annotations = [a for a in annotations if not _says(a.description, words)]
    if switches.panels and rng.rand() < switches.panels:
        scan = with_panels(scan, room_axes(scan), rng.randint(1, 5), rng)
    keep = _kept(scan.points, rng, switches)
    points, segments = scan.points[keep], None if scan.superpoints is None else scan.superpoints[keep]
    faces = None if scan.faces is None else faces_left(scan.faces, keep)
    if rng.rand() < switches.bumps:
        points = points + _bumps(points, rng, switches)
        again = rng.rand() < switches.resegment
        if again and faces is not None and len(faces) and scan.image_features is None:
            segments = _segments(points, faces, segments)
    # About the middle of the floor, so that the scan stays where it is.
    middle = np.append((lowest(points[:, :2]) + highest(points[:, :2])) / 2, points[:, 2].min())
    points = ((points - middle) * rng.uniform(*switches.scale, 3) + middle).astype(np.float32)
    colors, grey = scan.colors[keep], False
    if rng.rand() < switches.tone:
        colors, grey = _toned(points, colors, rng, switches)
    view = replace(
        scan, points=points, colors=colors, normals=None, faces=faces, superpoints=segments,
        labels={name: values[keep] for name, values in scan.labels.items()}, source=None,
        novel_masks=_masks_left(scan, keep, segments),
    )  # fmt: skip
    return view, still_true(annotations, scan, view, grey=grey, switches=switches)


def _masks_left(scan: Scan, keep: np.ndarray, superpoints: np.ndarray | None) -> np.ndarray | None:
    """Return the scan's pseudo masks over the `superpoints` [n] of the points `keep` [n], by majority of the points."""
    if scan.novel_masks is None or scan.superpoints is None or superpoints is None:
        return None
    # Furniture and sheets that were put in have superpoints behind those of the masks.
    more = int(scan.superpoints.max(initial=-1)) + 1 - scan.novel_masks.shape[1]
    masks = np.pad(scan.novel_masks, ((0, 0), (0, max(0, more))))
    return vote(masks[:, scan.superpoints[keep]], superpoints, int(superpoints.max(initial=-1)) + 1)


def still_true(
    annotations: Sequence[Annotation], whole: Scan, view: Scan, *, grey: bool = False, switches: Degradation
) -> list[Annotation]:
    """Return the sentences about `whole` that are true of its `view` and can be understood from it.

    A sentence goes when one of the objects that it means has lost too much (`least_part`, `least_points`): "both
    chairs" is not true of one. A sentence about nothing stays, since what is not there is not in a part of it either,
    and so does one whose landmark ("beside the window") is gone: it still means the same object, as people's sentences
    about half-captured rooms do. In a `grey` view sentences that say a colour go.
    """
    if "instance" not in whole.labels:
        return list(annotations)
    before = dict(zip(*np.unique(whole.labels["instance"], return_counts=True), strict=True))
    after = dict(zip(*np.unique(view.labels["instance"], return_counts=True), strict=True))

    def there(object_id: int) -> bool:
        had = before.get(object_id, 0)
        least = min(had, max(switches.least_points, switches.least_part * had))
        return after.get(object_id, 0) >= max(1, least)

    kept = [a for a in annotations if all(there(i) for i in a.object_ids)]
    return [a for a in kept if not says_color(a.description)] if grey else kept


_SHAPES = (
    "round square rectangular oval l shaped corner bunk single double king long short tall narrow wide thin thick "
    "drawers doors legs wheels armrests seater open closed canopy sectional folding swivel"
)
_COLORS = (
    "white black grey gray red green blue yellow orange brown beige pink purple violet turquoise cyan cream tan "
    "golden silver dark light bright pale colored coloured colorful"
)


def says_color(sentence: str) -> bool:
    """Return whether a sentence says a colour or a shade."""
    return _says(sentence, _COLORS)


def says_shape(sentence: str) -> bool:
    """Return whether a sentence says something of a shape or of parts that another design need not have."""
    return _says(sentence, _SHAPES)


def _says(sentence: str, words: str) -> bool:
    return not set(words.split()).isdisjoint(re.findall("[a-z]+", sentence.lower()))


def _kept(points: np.ndarray, rng: np.random.RandomState, switches: Degradation) -> np.ndarray:
    """Return bool [N]: the points that are left after views, cut and holes."""
    keep = np.ones(len(points), bool)

    def without(found: np.ndarray) -> np.ndarray:
        return keep & found if (keep & found).sum() >= min(FEWEST, len(points)) else keep

    if rng.rand() < switches.crop:
        habits = Handheld(views=switches.views, pitch=switches.pitch, reach=switches.reach)
        keep = without(seen(points, handheld_views(points, rng, habits)))
    if rng.rand() < switches.cut:
        height = rng.uniform(*switches.cut_height)
        keep = without(points[:, 2] - np.percentile(points[:, 2], 1) < height)
    if rng.rand() < switches.holes:
        field = smooth_noise(points, rng.uniform(0.15, 0.5), 1, rng)[:, 0]
        keep = without(field < np.quantile(field, 1 - rng.uniform(0, switches.hole_share)))
    return keep


def _bumps(points: np.ndarray, rng: np.random.RandomState, switches: Degradation) -> np.ndarray:
    """Return float32 [N, 3]: a smooth displacement in metres."""
    size = rng.uniform(0, switches.bump_size)
    return smooth_noise(points, rng.uniform(*switches.bump_spacing), 3, rng) * np.float32(size)


def _segments(points: np.ndarray, faces: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    """Return int32 [N] superpoints of a mesh; points without a face stay with those of their old superpoint."""
    found = mesh_superpoints(points, faces)
    loose = np.ones(len(points), bool)
    loose[faces.reshape(-1)] = False
    if before is not None:
        found = np.where(loose, before + (int(found.max()) + 1), found)
    return np.unique(found, return_inverse=True)[1].reshape(-1).astype(np.int32)


def _toned(
    points: np.ndarray, colors: np.ndarray, rng: np.random.RandomState, switches: Degradation
) -> tuple[np.ndarray, bool]:
    """Return the colours uint8 [N, 3] as another camera in other light shows them, and whether they are grey."""
    rgb = colors.astype(np.float32)
    light = rgb @ LUMINANCE
    grey = bool(rng.rand() < switches.grey)
    saturation = 0.0 if grey else rng.uniform(*switches.saturation)
    # Moved by a share of the way: bright rooms stay brighter than dark ones.
    mean = float(light.mean()) + rng.uniform(0.5, 1) * (rng.uniform(*switches.luminance) - float(light.mean()))
    shade = mean + rng.uniform(*switches.contrast) * (light - light.mean())
    shade += rng.uniform(*switches.uneven) * smooth_noise(points, rng.uniform(*switches.uneven_spacing), 1, rng)[:, 0]
    rgb = shade[:, None] + saturation * (rgb - light[:, None])
    if not grey:
        rgb = rgb + rng.normal(0, switches.cast, 3).astype(np.float32)
    return np.clip(np.round(rgb), 0, 255).astype(np.uint8), grey
