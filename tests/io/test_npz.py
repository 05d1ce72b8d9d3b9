import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.npz import read_npz
from tests.io.rooms import bumpy


@pytest.mark.parametrize("name", ["points", "xyz", "coord", "XYZ", "pos"])
def test_usual_names_and_every_other_array(tmp_path, name):
    points = bumpy(30)
    rgb = np.random.default_rng(0).integers(0, 256, (30, 3)).astype(np.uint8)
    words = np.array(["a", "b"])
    np.savez(
        tmp_path / "a.npz", **{name: points, "rgb": rgb, "mine": np.arange(30), "words": words, "t": np.float64(3)}
    )
    cloud = read_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.colors, rgb)
    assert list(cloud.columns) == [name, "rgb", "mine"]
    assert set(cloud.extra["arrays"]) == {"words", "t"}


def test_separate_axes_faces_and_normals(tmp_path):
    points = bumpy(30)
    faces = np.random.default_rng(0).integers(0, 30, (12, 3))
    x, y, z = points.T
    np.savez(tmp_path / "a.npz", x=x, y=y, z=z, normals=points, faces=faces)
    cloud = read_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.normals, points)
    np.testing.assert_array_equal(cloud.faces, faces)


def test_one_wide_array_is_xyzrgb(tmp_path):
    table = np.concatenate([bumpy(30), np.random.default_rng(0).integers(0, 256, (30, 3))], 1)
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "a.npz", scan=table)
    for name in ("a.npy", "a.npz"):
        cloud = read_npz(tmp_path / name)
        np.testing.assert_array_equal(cloud.points, table[:, :3])
        np.testing.assert_array_equal(cloud.colors, table[:, 3:])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"points": np.zeros((9, 2))}, r"numbers \[n, 3\]"),
        ({"other": np.zeros(9)}, "expected an array 'points'"),
        ({"points": np.zeros((9, 3)), "rgb": np.zeros((8, 3))}, "'rgb' has 8 rows for 9 points"),
        ({"points": np.zeros((9, 3)), "instance": np.zeros(10, int)}, "'instance' has 10 rows for 9 points"),
        ({"points": np.zeros((9, 3)), "faces": np.full((2, 3), 9)}, r"indices 0\.\.8"),
        ({"points": np.array([{}] * 9, object)}, "pickled objects"),
        ({"x": np.zeros(3), "y": np.zeros(3), "z": np.zeros(4)}, "one length"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=words):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_cut_off(tmp_path, share, suffix):
    path = tmp_path / f"a{suffix}"
    np.savez(path, points=bumpy(500)) if suffix == ".npz" else np.save(path, bumpy(500))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.np"):
        read_npz(path)
