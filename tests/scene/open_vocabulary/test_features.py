import shutil

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.frames import FrameSkipped, open_frames
from saymask.masks import Masks
from saymask.scene.open_vocabulary.features import point_features
from saymask.scene.open_vocabulary.image_masks import MaskFolder, projected_masks
from saymask.scene.open_vocabulary.visible import visible_points
from tests.data.fake_frames import matrix_text
from tests.scene.open_vocabulary.coloured_room import ColourEncoder, make_room


class Numbers:
    """Feature k of the k-th image that is seen: what comes together can be read off."""

    def __init__(self):
        self.count = 0

    def images(self, crops):
        out = np.zeros((len(crops), 200), np.float32)
        out[np.arange(len(crops)), self.count + np.arange(len(crops))] = 5.0  # lengths do not count
        self.count += len(crops)
        return out

    def texts(self, texts):
        return np.eye(200, dtype=np.float32)[: len(texts)]


def features(room, folder, masks, encoder, **options):
    with open_frames(folder, every=1) as frames:
        return point_features(room.scan, frames, masks, encoder, **options)


@pytest.mark.parametrize("source", ["projected", "folder"])
def test_the_sum_of_all_regions_that_cover_a_point(room, recorded, source):
    """Against a loop over frames, masks and points."""
    masks = room.masks if source == "projected" else MaskFolder(recorded / "masks")
    told = []
    got = features(room, recorded / "frames", masks, Numbers(), done=lambda i, n: told.append((i, n)))
    assert told == [(i, 8) for i in range(1, 9)]
    expected = np.zeros((len(room.scan), 200), np.float32)
    k = 0
    with open_frames(recorded / "frames", every=1) as frames:
        for number in frames.numbers:
            visible = visible_points(room.scan.points.astype(float), frames.read(number), frames.calibration)
            size = frames.color_size
            found = masks.masks(number, size) if source == "folder" else projected_masks(masks, visible, size)
            for mask in found:
                for row, inside in zip(visible.rows, mask.covers(visible.pixels)):
                    expected[row, k] += inside
                k += 1
    assert len(got.regions) == k > 25
    np.testing.assert_array_equal(got.seen, expected.any(axis=1))
    unit = expected / np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(got.of(slice(None)), unit, atol=1e-6)
    some = np.array([5, 3, 14000])
    texts = np.random.default_rng(0).normal(size=(7, 200)).astype(np.float32)
    np.testing.assert_allclose(got.cosines(texts, some), unit[some] @ texts.T, atol=1e-5)
    assert got.seen.mean() > 0.95
    assert got.frames == 8
    assert got.messages() == [f"{k} image regions of 8 frames cover 99 % of the points"]


def test_the_background_of_a_crop_is_dimmed(room, recorded):
    encoder = ColourEncoder()
    features(room, recorded / "frames", room.masks, encoder)
    assert len(encoder.crops) == 32
    levels = np.unique(np.concatenate([c.reshape(-1, 3) for c in encoder.crops]).max(axis=1))
    assert levels.min() < 70  # half of the floor's grey
    assert levels.max() > 210


def test_frames_that_cannot_be_used_are_counted(room, recorded, tmp_path):
    folder = tmp_path / "frames"
    shutil.copytree(recorded / "frames", folder)
    (folder / "pose" / "0.txt").write_text(matrix_text(np.full((4, 4), -np.inf)))
    (folder / "pose" / "1.txt").write_text(matrix_text(np.zeros((4, 4))))
    (folder / "depth" / "2.png").unlink()
    got = features(room, folder, room.masks, ColourEncoder())
    assert got.frames == 5
    assert got.skipped == {"with an infinite pose": 1, "with a damaged pose": 1, "without depth": 1}
    assert got.messages()[0].startswith("3 of 8 frames left out: 1 with a damaged pose, 1 with an infinite pose")
    for i in range(3, 8):
        (folder / "depth" / f"{i}.png").write_bytes(b"")
    with pytest.raises(InputError, match="none of 8 frames can be used"):
        features(room, folder, room.masks, ColourEncoder())


def test_frames_of_another_place_say_so(room, recorded):
    scan = make_room().scan
    away = Masks.from_points(scan, np.ones((1, len(scan)), bool))
    scan.points[:] += 100
    with open_frames(recorded / "frames", every=1) as frames:
        got = point_features(scan, frames, away, ColourEncoder())
    assert not got.seen.any()
    assert got.of(slice(0, 3)).any() == False  # noqa: E712
    assert "do scan and frames belong together?" in got.messages()[-1]


def test_masks_that_do_not_belong_to_scan_or_frames(room, recorded, tmp_path):
    other = make_room(spacing=0.1)
    with pytest.raises(InputError, match="those of this scan of 14,"):
        features(room, recorded / "frames", other.masks, ColourEncoder())
    folder = tmp_path / "masks"
    folder.mkdir()
    shutil.copy(recorded / "masks" / "0.png", folder / "999.png")
    with pytest.raises(InputError, match=r"got 999\.png"):
        features(room, recorded / "frames", MaskFolder(folder), ColourEncoder())


def test_reading_errors_are_not_swallowed(room, recorded):
    class Broken(ColourEncoder):
        def images(self, crops):
            raise FrameSkipped("by an encoder that must not say so")

    with pytest.raises(FrameSkipped):
        features(room, recorded / "frames", room.masks, Broken())
