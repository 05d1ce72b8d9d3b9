"""A small furnished room and a scene that knows its things, so that the page can be tested without a model."""

import time

import numpy as np

from saymask.masks import Masks
from saymask.scan import Scan
from tests.io.rooms import furnished_room

THINGS = ("desk", "stool", "wardrobe", "bed")
"""Names of the things 1 to 4 of the room."""


def small_room(faces: bool = False) -> tuple[Scan, np.ndarray]:
    """Return a room and the thing of every point (0 = the room itself); with a few faces over it on request."""
    points, colors, owner = furnished_room(density=260)
    triangles = None
    if faces:
        x, y = np.meshgrid(np.linspace(0, 4, 21), np.linspace(0, 3, 16), indexing="ij")
        grid = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], 1).astype(np.float32)
        corner = (np.arange(20)[:, None] * 16 + np.arange(15)).ravel()
        triangles = np.concatenate([corner[:, None] + [0, 16, 1], corner[:, None] + [16, 17, 1]]).astype(np.int32)
        points, colors = grid, np.full((len(grid), 3), 120, np.uint8)
        owner = ((grid[:, 0] < 1.5) & (grid[:, 1] < 1)).astype(np.int32)
    return Scan(points, colors, faces=triangles, name="small room"), owner


class FakeScene:
    """Answers about the things of a room by their names; counts what it was asked."""

    def __init__(self, scan: Scan, owner: np.ndarray, delay: float = 0.0) -> None:
        self.scan, self.owner, self.delay = scan, owner, delay
        self.asked: list[str] = []

    def _masks(self, things, scores, names, labels=None, message=""):
        bits = np.array([self.owner == t for t in things]).reshape(len(things), len(self.scan))
        labels = None if labels is None else np.array(labels)
        return Masks.from_points(
            self.scan, bits, np.array(scores, np.float32), tuple(names), labels=labels, message=message
        )

    def refer(self, sentences):
        time.sleep(self.delay)
        self.asked.append(sentences)
        things = [i + 1 for i, name in enumerate(THINGS) if name in sentences]
        message = "" if things else f"no object fits: {sentences} (the likeliest candidate has 0.10)"
        return self._masks(
            things, [0.9 - 0.1 * i for i in range(len(things))], [sentences] * len(things), None, message
        )

    def find(self, names, *, threshold=None):
        self.asked.append(",".join(names))
        hits = [
            (t + 1, 0.95 if THINGS[t] == n else 0.2 - 0.03 * t, n, k + 1) for k, n in enumerate(names) for t in range(4)
        ]
        hits = sorted((h for h in hits if h[1] >= (0.5 if threshold is None else threshold)), key=lambda h: -h[1])
        return self._masks(*([h[i] for h in hits] for i in range(4)))

    def click(self, points, *, positive, objects):
        masks = []
        for number in sorted(set(objects)):
            bits = np.zeros(len(self.scan), bool)
            for good in (True, False):
                for place, is_positive, of in zip(points, positive, objects):
                    if of == number and is_positive == good:
                        nearest = np.argmin(((self.scan.points - np.asarray(place)) ** 2).sum(1))
                        bits = (
                            bits | (self.owner == self.owner[nearest])
                            if good
                            else bits & (self.owner != self.owner[nearest])
                        )
            masks.append(bits)
        return Masks.from_points(self.scan, np.array(masks), None, tuple(f"object {n}" for n in sorted(set(objects))))

    def semantic(self):
        return self._masks([0, 1, 2, 3, 4], [0.9] * 5, ["wall", *THINGS], [1, 7, 5, 3, 4])

    def panoptic(self):
        return self.semantic()

    def instances(self):
        return self._masks([1, 2, 3, 4], [0.9, 0.8, 0.7, 0.6], THINGS, [7, 5, 3, 4])
