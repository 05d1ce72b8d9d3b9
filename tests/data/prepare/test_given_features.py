"""The 2D features that BQNet's authors offer, with the superpoints they belong to."""

import numpy as np
import pytest
import torch

from saymask.cli import run
from saymask.data.image_store import read_image_info
from saymask.data.prepare.folder import prepare
from saymask.data.scenes import load_scene, read_manifest, scene_path
from saymask.errors import InputError
from tests.data.fake_scannet import make_fake_scannet

NAME, FIRST, SECOND = "clip-vit-l14-336", "scene0000_00", "scene0001_00"


@pytest.fixture
def raw(tmp_path):
    """A raw folder, and features of its first scan in the authors' layout."""
    make_fake_scannet(tmp_path / "raw", train=1, val=1)
    prepare(tmp_path / "raw", tmp_path / "data", quiet=True)
    points = load_scene(scene_path(tmp_path / "data", FIRST)).points.astype(np.float64)
    superpoints = (np.arange(len(points)) // 7).astype(np.int64)
    numbers = np.zeros(len(points)), np.full(len(points), -1)
    item = (points - points.mean(0), np.zeros((len(points), 3)), superpoints, *numbers)
    (tmp_path / "raw" / "scannetv2" / "train").mkdir(parents=True)
    torch.save(item, tmp_path / "raw" / "scannetv2" / "train" / f"{FIRST}_refer.pth")
    (tmp_path / "clip-feat").mkdir()
    features = torch.randn(int(superpoints.max()) + 1, 8, generator=torch.Generator().manual_seed(0))
    torch.save(features, tmp_path / "clip-feat" / f"{FIRST}.pth")
    return tmp_path


def go(raw, **options):
    return prepare(raw / "raw", raw / "data", image_features_from=raw / "clip-feat", quiet=True, **options)


def test_features_and_superpoints_belong_together(raw):
    report = go(raw)
    assert report.done == [FIRST]  # its superpoints are others now
    assert report.kept == [SECOND]
    assert report.images.done == [FIRST]
    assert report.images.without_frames == [SECOND]
    scan = load_scene(scene_path(raw / "data", FIRST), NAME, stretched=True)
    np.testing.assert_array_equal(scan.superpoints, np.arange(len(scan)) // 7)
    expected = torch.load(raw / "clip-feat" / f"{FIRST}.pth").numpy()
    np.testing.assert_allclose(scan.image_features, expected, atol=2e-3)
    assert read_manifest(raw / "data")["image_features"] == {f"{NAME}-stretched": 1}
    again = go(raw)
    assert (again.done, again.images.kept) == ([], [FIRST])
    info = read_image_info(raw / "data" / "image_features" / f"{NAME}-stretched" / f"{FIRST}.safetensors")
    assert (info.stretched, info.channels) == (True, 8)


def test_what_does_not_belong_together_is_said(raw):
    path = raw / "raw" / "scannetv2" / "train" / f"{FIRST}_refer.pth"
    item = torch.load(path, weights_only=False)
    torch.save(torch.zeros(3, 8), raw / "clip-feat" / f"{FIRST}.pth")
    assert "expected features [" in go(raw).images.failures[FIRST]
    for change, words in (
        ((item[0] + 1, *item[1:]), "expected the points of the mesh about their mean, they are 1.000 m apart"),
        (tuple(part[1:] for part in item), "points as in the mesh, got"),
        ((*item[:2], item[2] + 1, *item[3:]), "expected superpoints 0, 1, 2, … without gaps"),
        ((item[0],), "expected points, colours, superpoints, classes and instances"),
    ):
        torch.save(change, path)
        assert words in go(raw).failures[FIRST]
    path.unlink()
    with pytest.raises(InputError, match=rf"{FIRST}\.pth is there, but not {FIRST}_refer\.pth"):
        go(raw)
    (raw / "clip-feat" / f"{FIRST}.pth").unlink()
    with pytest.raises(InputError, match="none of a scan in"):
        run(["prepare", str(raw / "raw"), "--out", str(raw / "d2"), "--image-features-from", str(raw / "clip-feat")])
