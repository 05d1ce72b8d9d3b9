import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.sens import SensFile
from tests.data.fake_frames import Recording, record, write_sens

HEADER = 4 + 8 + 8 + 4 * 64 + 8 + 16 + 4 + 8
FRAME = 64 + 32


@pytest.fixture
def recording():
    points = np.random.default_rng(0).uniform([0, 0, 0], [4, 3, 2.5], (3000, 3))
    return record(points, frames=5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scene0000_00.sens"


def test_everything_comes_back(recording, path):
    recording.color_extrinsics[0, 3] = 0.05
    write_sens(path, recording)
    with SensFile(path) as file:
        assert len(file) == 5
        assert file.messages == ()
        header = file.header
        assert (header.sensor, header.color_size, header.depth_size) == ("a sensor", (96, 72), (64, 48))
        for name in ("color_intrinsics", "color_extrinsics", "depth_intrinsics", "depth_extrinsics"):
            np.testing.assert_allclose(getattr(header, name), getattr(recording, name), rtol=1e-6)
        for i in (4, 0, 2, 0):  # in any order
            np.testing.assert_array_equal(file.depth(i), recording.depth[i].astype(np.float32) / np.float32(1000))
            np.testing.assert_allclose(file.pose(i), recording.pose[i], atol=1e-6)
            assert np.abs(file.color(i).astype(int) - recording.color[i]).mean() < 3


def test_raw_images_and_other_depth_units(recording, path):
    write_sens(path, recording, color_format=0, depth_format=0, shift=5000.0)
    with SensFile(path) as file:
        np.testing.assert_array_equal(file.color(1), recording.color[1])
        np.testing.assert_allclose(file.depth(1), recording.depth[1] / 5000, rtol=1e-6)


def test_cut_file_keeps_whole_frames(recording, path):
    write_sens(path, recording)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with SensFile(path) as file:
        assert len(file) == 4
        assert "4 of 5 frames are whole" in file.messages[0]
        np.testing.assert_array_equal(file.depth(3), recording.depth[3].astype(np.float32) / np.float32(1000))
    path.write_bytes(whole[: HEADER + FRAME + 10])
    with pytest.raises(InputError, match="got none of 5"):
        SensFile(path)
    for size in (0, 3, 11, 15, 100, HEADER - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="ends within its header"):
            SensFile(path)


def test_cut_at_every_place_never_gives_half_a_frame(path):
    depth = [np.arange(6, dtype=np.uint16).reshape(2, 3) + i for i in range(2)]
    color = [np.full((2, 2, 3), i, np.uint8) for i in range(2)]
    tiny = Recording(depth, color, [np.eye(4), np.eye(4)])
    write_sens(path, tiny, color_format=0, depth_format=0)
    whole = path.read_bytes()
    step = FRAME + 24
    edges = {HEADER + k * step + d for k in range(3) for d in (-1, 0, 1)}
    for size in sorted({*range(0, len(whole), 23), *edges} - {len(whole), len(whole) + 1}):
        path.write_bytes(whole[:size])
        frames = (size - HEADER) // step
        if frames < 1:
            with pytest.raises(InputError):
                SensFile(path)
            continue
        with SensFile(path) as file:
            assert len(file) == frames
            for i in range(frames):
                np.testing.assert_allclose(file.depth(i), depth[i] / 1000, rtol=1e-6)
                np.testing.assert_array_equal(file.color(i), color[i])


def test_sizes_that_cannot_be_are_not_believed(recording, path):
    """A frame that claims 2^60 bytes ends the file; nothing of that size is asked for."""
    write_sens(path, recording)
    data = bytearray(path.read_bytes())
    at = HEADER + 64 + 16
    color, depth = struct.unpack_from("<2Q", data, at)
    second = at + 16 + color + depth + 64 + 16
    struct.pack_into("<Q", data, second, 1 << 60)
    path.write_bytes(data)
    with SensFile(path) as file:
        assert len(file) == 1
    struct.pack_into("<Q", data, 4, 1 << 60)
    path.write_bytes(data)
    with pytest.raises(InputError, match="sensor name"):
        SensFile(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version 4, got version 3"),
        ({"color_format": 7}, "colour compression"),
        ({"depth_format": 2}, "depth compression"),
        ({"shift": 0.0}, "depth shift"),
        ({"frames": 0}, "at least one whole frame"),
    ],
)
def test_headers_that_cannot_be_used(recording, path, change, message):
    write_sens(path, recording, **change)
    with pytest.raises(InputError, match=message):
        SensFile(path)


def test_damaged_images(recording, path):
    write_sens(path, recording)
    data = bytearray(path.read_bytes())
    start = HEADER + FRAME
    color, depth = struct.unpack_from("<2Q", data, start - 16)
    data[start : start + color] = bytes(color)
    data[start + color : start + color + depth] = bytes(depth)
    path.write_bytes(data)
    with SensFile(path) as file:
        with pytest.raises(InputError, match="frame 0: colour: cannot be read as an image"):
            file.color(0)
        with pytest.raises(InputError, match="frame 0: depth cannot be unpacked"):
            file.depth(0)
        file.depth(1)


@pytest.mark.parametrize(("rows", "got"), [(20, "got 2,560"), (49, "got more"), (20_000, "got more")])
def test_depth_of_another_size(recording, path, rows, got):
    """Blobs that unpack to less or far more than the header says are refused without unpacking all of them."""
    write_sens(path, recording)
    data = path.read_bytes()
    color, depth = struct.unpack_from("<2Q", data, HEADER + FRAME - 16)
    blob = zlib.compress(bytes(rows * 64 * 2))
    head = bytearray(data[: HEADER + FRAME])
    struct.pack_into("<Q", head, HEADER + FRAME - 8, len(blob))
    rest = data[HEADER + FRAME :]
    path.write_bytes(bytes(head) + rest[:color] + blob + rest[color + depth :])
    with SensFile(path) as file:
        assert len(file) == 5
        with pytest.raises(InputError, match=got):
            file.depth(0)
        file.depth(4)


def test_raw_colour_of_another_size(recording, path):
    recording.color[1] = recording.color[1][:50]
    write_sens(path, recording, color_format=0)
    with SensFile(path) as file, pytest.raises(InputError, match="96 x 72"):
        file.color(1)


def test_missing_file(path):
    with pytest.raises(InputError, match="cannot be read"):
        SensFile(path)


def test_the_file_is_not_held_in_memory(path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 2**16, (48, 64)).astype(np.uint16) for _ in range(3)]
    images = [rng.integers(0, 256, (200, 300, 3)).astype(np.uint8) for _ in range(3)]
    many = Recording(noise * 20, images * 20, [np.eye(4)] * 60)
    write_sens(path, many, color_format=0)
    size = path.stat().st_size
    tracemalloc.start()
    with SensFile(path) as file:
        for i in range(len(file)):
            file.depth(i)
            file.color(i)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 8
