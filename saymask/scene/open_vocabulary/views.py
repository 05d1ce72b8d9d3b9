"""The frames of a scan as `scene.find(names, frames=...)` takes them."""

import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from saymask.errors import InputError
from saymask.io.frames import EVERY, Frames, find_frames, open_frames
from saymask.labels.tables import scannet200
from saymask.masks import Masks
from saymask.scan import Scan
from saymask.scene.open_vocabulary.encoder import PUBLISHED, PairEncoder, load_pair
from saymask.scene.open_vocabulary.features import PointFeatures, point_features
from saymask.scene.open_vocabulary.image_masks import MaskFolder
from saymask.scene.open_vocabulary.naming import different, name_masks

THRESHOLD = 0.5
"""A mask is what a word names when that is likelier than all the other names together."""


class Proposing(Protocol):
    """A scene that knows what may be an object."""

    scan: Scan

    def proposals(self) -> Masks:
        """Return whatever may be an object, each mask once; see `Scene.proposals`."""
        ...


class Views:
    """The posed RGB-D frames of a scan, with CLIP and optionally masks in the frames: words are found by what is seen.

    `frames` is a `.sens` file, a folder of exported frames, or one in which the scan's are found by its name; their
    poses are in metres, in the axes of the scan's file. `encoder` is a folder with CLIP, its name, or anything with
    `images` and `texts`. `masks` is a folder with masks in the frames (`scene.open_vocabulary.image_masks`); without
    it the frames show the masks of the scene. `every`: use frames numbered by its multiples. `done(frame, total)`
    is called after each frame, `say` with what is odd about the frames.

    Going through the frames takes long and is done once per scene, by the first prompt. Several threads may prompt.
    """

    def __init__(
        self,
        frames: str | Path | Frames,
        encoder: str | Path | PairEncoder = PUBLISHED,
        *,
        masks: str | Path | None = None,
        every: int = EVERY,
        device: str = "auto",
        done: Callable[[int, int], None] = lambda frame, total: None,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        if not isinstance(frames, Frames) and not Path(frames).exists():
            raise InputError(f"frames: expected a .sens file or a folder with frames, {frames} is not there")
        if every < 1:
            raise InputError(f"every: expected 1 or more, got {every}")
        self.masks = None if masks is None else MaskFolder(masks)
        self.encoder = load_pair(encoder, device) if isinstance(encoder, str | Path) else encoder
        self._frames, self._every, self._done, self._say = frames, every, done, say
        self._lock = threading.Lock()
        self._looked: weakref.WeakKeyDictionary[Proposing, tuple[Masks, PointFeatures]] = weakref.WeakKeyDictionary()

    def look(self, scene: Proposing) -> tuple[Masks, PointFeatures]:
        """Return what may be an object in the scene, and the features of its points; computed once per scene."""
        with self._lock:
            known = self._looked.get(scene)
            if known is None:
                proposals = scene.proposals()
                known = proposals, self._features(scene, proposals)
                self._looked[scene] = known
            return known

    def _features(self, scene: Proposing, proposals: Masks) -> PointFeatures:
        opened = self._frames
        if isinstance(opened, Frames):
            made = point_features(scene.scan, opened, self.masks or proposals, self.encoder, done=self._done)
            messages = opened.messages
        else:
            path = Path(opened)
            path = find_frames(scene.scan.name, path) or path
            with open_frames(path, every=self._every) as frames:
                made = point_features(scene.scan, frames, self.masks or proposals, self.encoder, done=self._done)
                messages = frames.messages
        for message in (*messages, *made.messages()):
            self._say(message)
        return made

    def find(self, scene: Proposing, names: Sequence[str], threshold: float | None = None) -> Masks:
        """Return the objects of a scene that words name, best first; see `Scene.find`.

        The score is the mean probability over an object's points that it is this and none of the other names, nor one
        of ScanNet200's classes, nor another word for it. threshold: None = 0.5.
        """
        return find_by_views(*self.look(scene), names, self.encoder, threshold)


def find_by_views(
    proposals: Masks,
    features: PointFeatures,
    names: Sequence[str],
    encoder: PairEncoder,
    threshold: float | None = None,
) -> Masks:
    """Return which of the proposals words name, by features of the points from frames; see `Views.find`."""
    rivals = different(names, [c.name for c in scannet200()], encoder)
    level = THRESHOLD if threshold is None else threshold
    return name_masks(proposals, features, names, encoder, rivals=rivals, threshold=level)


def unnamed(masks: Masks) -> Masks:
    """Return each mask once, without its class: of equal masks the first, which has the highest score."""
    _, first = np.unique(np.packbits(masks.support, axis=1), axis=0, return_index=True)
    first = np.sort(first)
    return Masks(masks.scan, masks.support[first], masks.index, masks.scores[first], ("object",) * len(first))
