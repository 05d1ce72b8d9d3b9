"""A picture that turns."""

import numpy as np
import pytest
from PIL import Image

from saymask.errors import InputError
from saymask.masks import Masks
from saymask.render.turntable import turntable
from saymask.scan import Scan
from tests.io.rooms import furnished_room
from tests.render.test_picture import marked


def test_it_shows_the_mask_from_every_side(tmp_path):
    points, colors, owner = furnished_room(0, (4.0, 3.0, 2.6), density=400)
    scan = Scan(points, colors, name="room")
    told = []
    turntable(
        scan, Masks.from_points(scan, owner == 1, names=("bed",)), tmp_path / "new" / "hit.gif", size=(320, 240),
        frames=4, seconds=2.0, done=lambda frame, frames: told.append((frame, frames)),
    )  # fmt: skip
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with Image.open(tmp_path / "new" / "hit.gif") as picture:
        assert (picture.n_frames, picture.size, picture.info["loop"]) == (4, (320, 240), 0)
        seen = []
        for frame in range(4):
            picture.seek(frame)
            assert picture.info["duration"] == 500
            seen.append(picture.convert("RGB"))
    for i, image in enumerate(seen):
        assert marked(image).mean() > 0.002
        assert (np.asarray(image) != np.asarray(seen[i - 1])).any(-1).mean() > 0.1
        pixels = np.asarray(image)[40:-2]  # nothing is cut off at the sides
        assert (np.abs(pixels[:, (0, -1)].astype(int) - 250) < 12).all()


def test_other_names_are_refused(tmp_path):
    points, colors, _ = furnished_room(0, (4.0, 3.0, 2.6), density=100)
    with pytest.raises(InputError, match=r"\.gif"):
        turntable(Scan(points, colors), None, tmp_path / "hit.png")
