"""Every scan file under ../shared/cases/scans comes out as its truth says; skipped where the folder is absent."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.masks import Masks

CASES = Path(__file__).parents[2] / "../shared/cases/scans"
NAMES = sorted(p.name for p in CASES.iterdir() if p.is_dir()) if CASES.exists() else []
MESHES = ("obj", "glb", "ply_texture")
pytestmark = pytest.mark.skipif(not NAMES, reason="the shared cases are not here")


def file_of(name):
    return next(p for p in (CASES / name).iterdir() if p.name.startswith("a.") and p.suffix != ".mtl")


def wrong_colors(scan, truth):
    """Share of the points whose colour is not that of a true point nearby, within what a texture's filter does."""
    near = KDTree(truth["metres"]).query(scan.points, k=4)[1]
    best = np.abs(scan.colors[:, None].astype(int) - truth["rgb"][near].astype(int)).max(-1).min(1)
    return float((best > 12).mean())


@pytest.mark.parametrize("name", NAMES)
def test_case(name, tmp_path):
    truth = np.load(CASES / name / "truth.npz")
    if name == "splat_compressed":
        with pytest.raises(InputError, match="compressed Gaussian"):
            load_scan(file_of(name), quiet=True)
        return
    if name == "glb_draco" and importlib.util.find_spec("DracoPy") is None:
        with pytest.raises(InputError, match="Draco"):
            load_scan(file_of(name), quiet=True)
        return
    scan = load_scan(file_of(name), quiet=True)
    assert scan.has_color == bool(len(truth["rgb"]))
    if name.startswith(MESHES):
        assert KDTree(scan.points).query(truth["metres"])[0].max() < 0.15
        low, high = truth["metres"].min(0), truth["metres"].max(0)
        assert (scan.points >= low - 0.01).all()
        assert (scan.points <= high + 0.01).all()
        if scan.has_color:
            assert wrong_colors(scan, truth) < 0.02
    else:
        index = scan.source.index
        there = np.isfinite(truth["metres"]).all(1)
        np.testing.assert_array_equal(index >= 0, there)
        index = index[there]
        np.testing.assert_allclose(scan.points[index], truth["metres"][there], atol=1e-4)
        known = np.ones(len(index), bool)
        if name == "e57_one_scan_without_colour":
            known = scan.colors[index].std(1) > 0
            assert 0.2 < known.mean() < 1
        assert np.abs(scan.colors[index][known].astype(int) - truth["rgb"][there][known]).max() <= 1
    masks = Masks.from_points(scan, scan.points[:, 2] < 0.5, names=("der grüne Stuhl – 椅子",))
    for suffix in ("ply", "laz", "npz", "json"):
        masks.save(tmp_path / f"out.{suffix}")
    (tmp_path / "out.ply").read_bytes().split(b"end_header")[0].decode("ascii")
    again = load_scan(tmp_path / "out.ply", quiet=True, up="z")
    assert len(again.source.index) == scan.n_original
