import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.e57 import read_e57
from tests.io.rooms import bumpy

pye57 = pytest.importorskip("pye57")


def make(path, scans):
    file = pye57.E57(str(path), mode="w")
    for points, rgb, rotation, translation in scans:
        data = {f"cartesian{c}": points[:, i].astype(np.float64) for i, c in enumerate("XYZ")}
        data |= {f"color{c}": rgb[:, i].astype(np.float64) for i, c in enumerate(("Red", "Green", "Blue"))}
        data["intensity"] = np.linspace(0, 1, len(points))
        file.write_scan_raw(data, rotation=np.asarray(rotation, float), translation=np.asarray(translation, float))
    file.close()
    return path


def test_several_scans_with_poses(tmp_path):
    a, b = bumpy(100), bumpy(50, 1)
    rgb = np.random.default_rng(0).integers(0, 256, (150, 3)).astype(np.uint8)
    half = np.sqrt(0.5)
    path = make(
        tmp_path / "a.e57",
        [(a, rgb[:100], [1, 0, 0, 0], [0, 0, 0]), (b, rgb[100:], [half, 0, 0, half], [1, 2, 3])],
    )
    cloud = read_e57(path)
    turned = np.stack([-b[:, 1], b[:, 0], b[:, 2]], 1) + np.array([1, 2, 3])
    np.testing.assert_allclose(cloud.points, np.concatenate([a, turned]), atol=1e-6)
    np.testing.assert_array_equal(cloud.colors, rgb)
    np.testing.assert_array_equal(cloud.columns["scan"], np.repeat([0, 1], [100, 50]))
    assert "intensity" in cloud.columns
    assert cloud.unit == "m"


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_cut_off(tmp_path, share):
    rgb = np.zeros((500, 3), np.uint8)
    path = make(tmp_path / "a.e57", [(bumpy(500), rgb, [1, 0, 0, 0], [0, 0, 0])])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.e57"):
        read_e57(path)
