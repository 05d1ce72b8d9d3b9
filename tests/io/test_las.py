import struct
import time

import numpy as np
import pytest

from saymask import Masks, load_scan
from saymask.errors import InputError
from saymask.io.las import read_las, write_las
from tests.io.rooms import bumpy

laspy = pytest.importorskip("laspy")


def make(path, points, rgb=None, extra=False):
    header = laspy.LasHeader(version="1.2", point_format=2 if rgb is not None else 0)
    header.scales, header.offsets = np.full(3, 1e-3), np.floor(points.min(0))
    if extra:
        header.add_extra_dim(laspy.ExtraBytesParams(name="height", type=np.float32))
    data = laspy.LasData(header)
    data.x, data.y, data.z = points.T
    data.intensity = np.arange(len(points)) % 60000
    data.classification = np.arange(len(points)) % 7
    if rgb is not None:
        data.red, data.green, data.blue = rgb.T
    if extra:
        data.height = points[:, 2]
    data.write(str(path))
    return path


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize("deep", [1, 257])
def test_points_colours_and_dimensions(tmp_path, suffix, deep):
    points = bumpy(200).astype(float) + np.array([400000, 5000000, 100])
    rgb = np.random.default_rng(0).integers(0, 256, (200, 3))
    cloud = read_las(make(tmp_path / f"a{suffix}", points, (rgb * deep).astype(np.uint16), extra=True))
    np.testing.assert_allclose(cloud.points, points, atol=6e-4)
    np.testing.assert_array_equal(cloud.colors, rgb)
    np.testing.assert_array_equal(cloud.columns["intensity"], np.arange(200))
    np.testing.assert_allclose(cloud.columns["height"], points[:, 2], rtol=1e-6)


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize("again", [".las", ".laz"])
def test_written_again_with_every_dimension(tmp_path, suffix, again):
    points = bumpy(200).astype(float) + np.array([400000, 5000000, 100])
    rgb = np.random.default_rng(0).integers(0, 65536, (200, 3)).astype(np.uint16)
    one = read_las(make(tmp_path / f"a{suffix}", points, rgb, extra=True))
    more = {**one.columns, "mask_0": np.arange(200, dtype=np.uint8), "mask_id": np.full(200, -1, np.int32)}
    for _ in range(2):  # writing does not change the header that was read
        write_las(tmp_path / f"b{again}", more, one.points, one.extra["header"])
        two = read_las(tmp_path / f"b{again}")
        assert set(two.columns) == set(more)
        for name, values in more.items():
            np.testing.assert_array_equal(two.columns[name], values, err_msg=name)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_upper_case_axes_of_another_format(tmp_path, kind):
    points = np.round(bumpy(200) * 100).astype(kind)
    np.savez(tmp_path / "a.npz", X=points[:, 0], y=points[:, 1], Z=points[:, 2])
    scan = load_scan(tmp_path / "a.npz", quiet=True, unit="cm")
    saved = Masks.from_points(scan, np.ones((1, 200), bool), names=("all",)).save(tmp_path / "out.laz")
    np.testing.assert_allclose(read_las(saved).points, points, atol=1e-3)


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.9])
def test_cut_off(tmp_path, suffix, share):
    path = make(tmp_path / f"a{suffix}", np.random.default_rng(0).random((5000, 3)))
    data = path.read_bytes()
    path.write_bytes(data[: max(2, int(len(data) * share))])
    with pytest.raises(InputError, match=r"a\.la"):
        read_las(path)


def test_another_kind_of_file(tmp_path):
    (tmp_path / "a.las").write_text("x y z\n1 2 3\n")
    with pytest.raises(InputError, match="LASF"):
        read_las(tmp_path / "a.las")


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_garbage_headers_are_refused_at_once(tmp_path, suffix):
    points = bumpy(500)
    write_las(tmp_path / f"a{suffix}", {a: points[:, i] for i, a in enumerate("xyz")}, points.astype(float))
    good = (tmp_path / f"a{suffix}").read_bytes()
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    for k in range(150):
        data = bytearray(good)
        for _ in range(rng.integers(1, 12)):
            data[int(rng.integers(4, 375 if k % 2 else len(data)))] = int(rng.integers(256))
        if k < 10:
            struct.pack_into("<Q", data, 247, 10 ** (6 + k))
        (tmp_path / f"b{suffix}").write_bytes(data)
        try:
            read_las(tmp_path / f"b{suffix}")
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
    assert time.perf_counter() - start < 60
