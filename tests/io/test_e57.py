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


def without(data, *names):
    return {k: v for k, v in data.items() if not k.startswith(names)}


def test_set_ups_with_different_fields(tmp_path):
    points, rgb = bumpy(300), np.random.default_rng(0).integers(0, 256, (300, 3)).astype(np.uint8)
    data = {f"cartesian{c}": points[:, i].astype(np.float64) for i, c in enumerate("XYZ")}
    data |= {f"color{c}": rgb[:, i].astype(np.float64) for i, c in enumerate(("Red", "Green", "Blue"))}
    data["intensity"] = np.linspace(0, 1, 300)
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    file.write_scan_raw(data)
    file.write_scan_raw(without(data, "color"))
    file.write_scan_raw(without(data, "intensity"))
    file.close()
    cloud = read_e57(tmp_path / "a.e57")
    np.testing.assert_array_equal(cloud.colors[:300], rgb)
    assert (cloud.colors[300:600] == 128).all()
    np.testing.assert_array_equal(cloud.colors[600:], rgb)
    assert "1 of 3 set-ups have no colour" in " ".join(cloud.messages)
    np.testing.assert_allclose(cloud.columns["intensity"][:300], data["intensity"], atol=1e-6)
    assert len(cloud.columns["intensity"]) == 900


def test_fields_of_extensions_are_skipped(tmp_path, monkeypatch):
    rgb = np.random.default_rng(0).integers(0, 256, (200, 3)).astype(np.uint8)
    path = make(tmp_path / "a.e57", [(bumpy(200), rgb, [1, 0, 0, 0], [0, 0, 0])])
    known = {k: v for k, v in pye57.e57.SUPPORTED_POINT_FIELDS.items() if k != "intensity"}
    monkeypatch.setattr("pye57.e57.SUPPORTED_POINT_FIELDS", known)  # now `intensity` is as foreign as a normal
    cloud = read_e57(path)
    np.testing.assert_array_equal(cloud.colors, rgb)
    assert "intensity" not in cloud.columns
