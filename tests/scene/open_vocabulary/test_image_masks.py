import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from saymask.errors import InputError
from saymask.io.frames import open_frames
from saymask.io.rle import encode_rle
from saymask.masks import Masks
from saymask.scan import Scan
from saymask.scene.open_vocabulary.image_masks import (
    FEWEST,
    REACH,
    SMALLEST,
    ImageMask,
    MaskFolder,
    projected_masks,
)
from saymask.scene.open_vocabulary.visible import Visible, visible_points
from tests.scene.open_vocabulary.coloured_room import write_room

SIZE = (20, 16)  # width, height


@pytest.fixture
def masks():
    """Two masks bool [2, 16, 20]."""
    out = np.zeros((2, 16, 20), bool)
    out[0, 2:6, 3:9] = True
    out[0, 3, 4] = False
    out[1, 8:15, 10:18] = True
    return out


def runs(masks):
    parts = [encode_rle(m.ravel()) for m in masks]
    return {
        "counts": np.concatenate(parts),
        "lengths": np.array([len(p) for p in parts]),
        "size": np.array(masks.shape[1:]),
    }


def whole(mask, size=SIZE):
    out = np.zeros(size[::-1], bool)
    out[mask.top : mask.top + mask.bits.shape[0], mask.left : mask.left + mask.bits.shape[1]] = mask.bits
    return out


@pytest.mark.parametrize("form", ["png", "palette", "png16", "npz", "bytes", "runs"])
def test_every_form_says_the_same(tmp_path, masks, form):
    numbers = masks[0] * 3 + masks[1] * 250
    if form == "png":
        Image.fromarray(numbers.astype(np.uint8)).save(tmp_path / "000007.png")
    elif form == "palette":
        image = Image.fromarray(numbers.astype(np.uint8), mode="P")
        image.putpalette(list(range(256)) * 3)
        image.save(tmp_path / "frame-000007.png")
    elif form == "png16":
        Image.fromarray((numbers * 200).astype(np.uint16)).save(tmp_path / "7.png")
    else:
        content = runs(masks) if form == "runs" else {"masks": masks.astype(np.uint8) if form == "bytes" else masks}
        np.savez_compressed(tmp_path / "7.npz", **content)
    folder = MaskFolder(tmp_path)
    folder.check([0, 7])
    found = folder.masks(7, SIZE)
    np.testing.assert_array_equal([whole(m) for m in found], masks)
    assert (found[0].top, found[0].left, found[0].bits.shape) == (2, 3, (4, 6))
    assert folder.masks(8, SIZE) == []


def test_masks_of_another_size_are_scaled(tmp_path, masks):
    np.savez(tmp_path / "0.npz", masks=masks)
    found = MaskFolder(tmp_path).masks(0, (60, 48))
    np.testing.assert_array_equal([whole(m, (60, 48)) for m in found], np.kron(masks, np.ones((3, 3), bool)))


def test_a_detectors_box_is_kept_and_cuts_the_mask(tmp_path, masks):
    np.savez(tmp_path / "0.npz", masks=masks, boxes=np.array([[1.0, 1, 12, 9], [12, 10, 16, 30]]))
    first, second = MaskFolder(tmp_path).masks(0, SIZE)
    assert (first.top, first.left, first.bits.shape) == (1, 1, (8, 11))
    np.testing.assert_array_equal(whole(first), masks[0])
    assert (second.top, second.left, second.bits.shape) == (10, 12, (6, 4))


def test_what_says_nothing_is_left_out(tmp_path):
    masks = np.zeros((5, 16, 20), bool)
    masks[0] = True  # the whole image
    masks[1, 3, 2:9] = True  # one pixel high
    masks[2, 5, 5] = True
    masks[4, :, :16] = True  # 80 %
    np.savez(tmp_path / "0.npz", masks=masks)
    (kept,) = MaskFolder(tmp_path).masks(0, SIZE)
    assert kept.bits.size == 16 * 16


@given(st.integers(0, 2**31))
def test_cover_and_crop(seed):
    rng = np.random.default_rng(seed)
    top, left, height, width = rng.integers(0, 5), rng.integers(0, 6), rng.integers(2, 9), rng.integers(2, 9)
    mask = ImageMask(int(top), int(left), rng.random((height, width)) < 0.5)
    image = rng.integers(0, 256, (16, 20, 3)).astype(np.uint8)
    before = image.copy()
    pixels = np.stack(np.divmod(np.arange(16 * 20), 20), axis=1)
    np.testing.assert_array_equal(mask.covers(pixels).reshape(16, 20), whole(mask))
    expected = np.where(whole(mask)[..., None], image, image // 2)[top : top + height, left : left + width]
    np.testing.assert_array_equal(mask.crop(image), expected)
    np.testing.assert_array_equal(image, before)


def test_3d_masks_as_a_frame_shows_them(room, tmp_path):
    owners = write_room(tmp_path / "frames", frames=3)
    with open_frames(tmp_path / "frames", every=1) as frames:
        for number, owner in zip(frames.numbers, owners):
            visible = visible_points(room.scan.points.astype(float), frames.read(number), frames.calibration)
            found = list(projected_masks(room.masks, visible, frames.color_size))
            assert len(found) == 4
            for i, mask in enumerate(found):
                # The colour camera sees more of the floor than the depth camera, so only the box is compared.
                (height, width), truth = mask.bits.shape, owner == i
                truth = truth[mask.top : mask.top + height, mask.left : mask.left + width]
                assert (truth & mask.bits).sum() / (truth | mask.bits).sum() > 0.85
                assert i == 3 or truth.sum() > 0.9 * (owner == i).sum()
    few = Masks.from_points(room.scan, np.isin(np.arange(len(room.scan)), visible.rows[:9])[None])
    assert list(projected_masks(few, visible, SIZE)) == []


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("0.npz", {"bits": np.ones(3)}, "expected `masks`, or .* got bits"),
        ("0.npz", {"masks": np.ones((16, 20), bool)}, r"bool \[J, h, w\], got bool \[16, 20\]"),
        ("0.npz", {"masks": np.ones((1, 16, 20))}, "float64"),
        ("0.npz", {"masks": np.ones((2, 16, 20), bool), "boxes": np.ones((1, 4))}, r"boxes \[2, 4\], got \[1, 4\]"),
        ("0.npz", {"counts": np.array([3, 4]), "lengths": np.array([2]), "size": np.array([16, 20])}, "add up to 320"),
        ("0.npz", {"counts": np.array([320]), "lengths": np.array([2]), "size": np.array([16, 20])}, "2 run lengths"),
        ("0.npz", {"counts": np.array([1.5]), "lengths": np.array([1]), "size": np.array([16, 20])}, "whole numbers"),
        ("0.npz", {"masks": np.array([None])}, "plain arrays"),
        ("0.npz", b"no archive", "plain arrays"),
        ("0.png", b"no picture", "expected a PNG"),
        ("0.png", np.zeros((4, 4, 3), np.uint8), "got mode RGB"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, says):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        Image.fromarray(content).save(path)
    with pytest.raises(InputError, match=says):
        MaskFolder(tmp_path).masks(0, SIZE)


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="which is none"):
        MaskFolder(tmp_path / "nowhere")
    (tmp_path / "lamp.png").touch()
    with pytest.raises(InputError, match=r"such as 120\.png"):
        MaskFolder(tmp_path)
    (tmp_path / "3.png").touch()
    with pytest.raises(InputError, match=r"frames such as 0, 10, got 3\.png"):
        MaskFolder(tmp_path).check([0, 10])
    (tmp_path / "003.npz").touch()
    with pytest.raises(InputError, match="of one frame; keep one"):
        MaskFolder(tmp_path)


@pytest.mark.parametrize("value", [2, 255])
def test_bytes_that_are_neither_0_nor_1_are_refused(tmp_path, value):
    stack = np.zeros((2, 4, 5), np.uint8)
    stack[1, 2, 3] = value
    np.savez(tmp_path / "0.npz", masks=stack)
    with pytest.raises(InputError, match=r"expected masks bool \[J, h, w\], got uint8 \[2, 4, 5\]"):
        MaskFolder(tmp_path).masks(0, (4, 5))


def seen_rectangle(rows: int, columns: int) -> list[ImageMask]:
    """Return what a frame shows of one mask whose points are seen one per pixel of a rectangle at (10, 20)."""
    count = rows * columns
    pixels = np.stack(np.divmod(np.arange(count), columns), axis=1) + np.array([10, 20])
    scan = Scan(np.zeros((count, 3), np.float32), np.zeros((count, 3), np.uint8))
    visible = Visible(np.arange(count), pixels, np.full(count, 2.0), focal=500.0)
    return list(projected_masks(Masks.from_points(scan, np.ones((1, count), bool)), visible, (100, 80)))


def test_a_projected_mask_needs_points_and_two_sides():
    side = 2 * max(SMALLEST, FEWEST)
    for rows, columns in ((SMALLEST, side), (side, SMALLEST)):
        (mask,) = seen_rectangle(rows, columns)
        assert (mask.top, mask.left, mask.bits.shape) == (10, 20, (rows, columns))
        assert mask.bits.all()
    assert seen_rectangle(SMALLEST - 1, side) == []
    assert seen_rectangle(side, SMALLEST - 1) == []
    assert len(seen_rectangle(SMALLEST, -(-FEWEST // SMALLEST))) == 1
    assert seen_rectangle(SMALLEST, (FEWEST - 1) // SMALLEST) == []


def test_a_pixel_belongs_to_a_point_within_reach():
    pixels = np.array([[10, 10], [10, 40], [30, 10], [30, 40]])
    scan = Scan(np.zeros((4, 3), np.float32), np.zeros((4, 3), np.uint8))
    pixels, rows = np.tile(pixels, (5, 1)), np.tile(np.arange(4), 5)
    mask = Masks.from_points(scan, np.ones((1, 4), bool))
    for depth in (2.0, 5.0):
        visible = Visible(rows, pixels, np.full(20, depth), focal=500.0)
        (found,) = projected_masks(mask, visible, (60, 50))
        assert (found.top, found.left, found.bits.shape) == (10, 10, (21, 31))
        row, column = np.mgrid[:21, :31]
        away = np.min([np.hypot(row - r, column - c) for r in (0, 20) for c in (0, 30)], axis=0)
        np.testing.assert_array_equal(found.bits, away * depth <= REACH * 500.0)
