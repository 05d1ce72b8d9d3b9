import pickle

import numpy as np
import pytest
import torch

from saymask.cli import run
from saymask.data.prepare.folder import prepare
from saymask.data.prepare.pseudo_masks import find_pseudo_masks, read_pseudo_masks
from saymask.data.scenes import NOVEL, load_scene, read_scene_info, scene_path
from saymask.errors import InputError
from saymask.models.uniseg3d.batch import make_sample
from saymask.models.uniseg3d.config import UniSeg3DConfig
from tests.data.fake_scannet import make_fake_scannet

LABELS = np.array([-1, 7, 7, -1, 3, 3, 3, -100])
NUMBERS = [-1, 1, 1, -1, 0, 0, 0, -1]
MASKS = np.array([[3], [7]]) == LABELS


def written(folder, content, suffix):
    path = folder / f"s{suffix}"
    if suffix == ".npy":
        np.save(path, content)
    elif suffix == ".npz":
        np.savez_compressed(path, **content)
    elif suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (LABELS, ".npy"),
        (LABELS[:, None], ".npy"),
        (LABELS[None].astype(np.int16), ".npy"),
        (MASKS, ".npy"),
        (MASKS.astype(np.uint8), ".npy"),
        ({"masks": MASKS, "scores": np.ones(2)}, ".npz"),
        ({"anything": LABELS}, ".npz"),
        (LABELS, ".pth"),
        (torch.from_numpy(LABELS), ".pt"),
        ({"ins": MASKS.astype(np.uint8), "conf": np.ones(2, np.float32)}, ".pth"),
        ({"labels": torch.from_numpy(LABELS)}, ".pkl"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_form_says_the_same(tmp_path, content, suffix):
    got = read_pseudo_masks(written(tmp_path, content, suffix), len(LABELS))
    assert got.dtype == np.int32
    assert got.tolist() == NUMBERS


def test_a_point_belongs_to_the_smallest_mask(tmp_path):
    masks = np.zeros((3, 10), bool)
    masks[0, :8], masks[1, 2:5], masks[2, 4:9] = True, True, True
    got = read_pseudo_masks(written(tmp_path, masks, ".npy"), 10)
    assert got.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2, -1]


def test_one_mask_and_no_mask(tmp_path):
    one = np.array([[0, 1, 1, 0, 0, 0, 0, 0]])
    assert read_pseudo_masks(written(tmp_path, one, ".npy"), 8).tolist() == [-1, 0, 0, -1, -1, -1, -1, -1]
    assert (read_pseudo_masks(written(tmp_path, np.zeros((0, 8), bool), ".npy"), 8) == -1).all()


@pytest.mark.parametrize(
    ("content", "suffix", "says"),
    [
        (LABELS[:5], ".npy", r"whole numbers \[8\].* got int64 \[5\].*another scan"),
        (MASKS.T, ".npy", "turn the array round"),
        (MASKS[:, :4], ".npz", r"bool \[J, 8\]"),
        (LABELS.astype(np.float32), ".npy", "float32; save it again as int32"),
        (np.stack([LABELS, LABELS]), ".npy", r"got int64 \[2, 8\]"),
        ({"a": LABELS, "b": LABELS}, ".npz", "one named novel, labels.*got a, b"),
        ({}, ".pth", "got none"),
        (np.array([None] * 8), ".npy", "plain numbers"),
        (np.array([None] * 8), ".pth", "expected arrays of numbers"),
        (int, ".pkl", "whole numbers"),
        (pytest.fail, ".pkl", "could run any code"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, content, suffix, says):
    if suffix == ".npz" and not isinstance(content, dict):
        content = {"masks": content}
    path = written(tmp_path, content, suffix)
    with pytest.raises(InputError, match=says):
        read_pseudo_masks(path, 8)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError):
        read_pseudo_masks(path, 8)


def test_files_are_found_by_the_scans_name(tmp_path):
    scans = ["scene0000_00", "scene0001_00"]
    with pytest.raises(InputError, match="which is none"):
        find_pseudo_masks(tmp_path / "nowhere", scans)
    with pytest.raises(InputError, match=r"such as scene0000_00\.npy; got an empty folder"):
        find_pseudo_masks(tmp_path, scans)
    (tmp_path / "scene0007_00.npy").touch()
    with pytest.raises(InputError, match=r"got scene0007_00\.npy"):
        find_pseudo_masks(tmp_path, scans)
    for name in ("scene0001_00.pth", "scene0001_00.npz"):
        (tmp_path / name).touch()
    assert find_pseudo_masks(tmp_path, scans) == {"scene0001_00": tmp_path / "scene0001_00.npz"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("origin") / "raw"
    make_fake_scannet(folder, train=2, val=1)
    return folder


def test_prepared_scenes_get_the_label(raw, tmp_path, capsys):
    out, folder = tmp_path / "data", tmp_path / "sam3d"
    folder.mkdir()
    prepare(raw, out, quiet=True)
    first, second, third = (f"scene{i:04d}_00" for i in range(3))
    plain = load_scene(scene_path(out, first))
    assert NOVEL not in plain.labels
    labels = np.where(plain.points[:, 2] > 0.5, 40, -1)
    torch.save(labels, folder / f"{first}.pth")
    np.save(folder / f"{second}.npy", labels[:-1])
    line = ["prepare", raw, "--out", out, "--pseudo-masks", folder, "--quiet", "--workers", "1"]
    assert run([str(word) for word in line]) == 2
    assert f"failed: {folder / second}.npy: expected whole numbers [" in capsys.readouterr().err
    scan = load_scene(scene_path(out, first))
    np.testing.assert_array_equal(scan.labels[NOVEL], np.where(labels == 40, 0, -1))
    np.testing.assert_array_equal(scan.superpoints, plain.superpoints)
    np.testing.assert_array_equal(scan.labels["instance"], plain.labels["instance"])
    assert NOVEL not in load_scene(scene_path(out, third)).labels

    (folder / f"{second}.npy").unlink()
    report = prepare(raw, out, pseudo_masks=folder, quiet=True)
    assert report.ok
    assert report.kept == [first, second, third]  # the second as it was, without masks
    assert f"pseudo masks of 1 of 3 scans; none for {second}, {third}" in report.messages
    fingerprint = read_scene_info(scene_path(out, first)).fingerprint
    torch.save(labels[::-1].copy(), folder / f"{first}.pth")
    assert prepare(raw, out, pseudo_masks=folder, quiet=True).done == [first]
    assert read_scene_info(scene_path(out, first)).fingerprint != fingerprint
    assert prepare(raw, out, quiet=True).done == [first]  # without the folder there are none again
    assert NOVEL not in load_scene(scene_path(out, first)).labels


def test_uniseg3d_trains_on_them(raw, tmp_path):
    out, folder = tmp_path / "data", tmp_path / "sam3d"
    folder.mkdir()
    prepare(raw, out, quiet=True)
    name = "scene0000_00"
    scan = load_scene(scene_path(out, name))
    # A wall that nobody annotated has no class: what it shows is new. An annotated object is not.
    new = scan.labels["semantic20"] < 0
    known = scan.labels["instance"] == scan.labels["instance"].max()
    assert new.sum() > 100 < known.sum()
    np.save(folder / f"{name}.npy", np.stack([new, known]))
    prepare(raw, out, pseudo_masks=folder, quiet=True)
    with_masks, without = (
        make_sample(s, (), UniSeg3DConfig(), np.random.RandomState(0)).truth
        for s in (load_scene(scene_path(out, name)), scan)
    )
    assert with_masks is not None
    assert without is not None
    assert len(with_masks.masks) == len(without.masks) + 1
    shown = with_masks.masks[-1].numpy()[scan.superpoints]
    assert (shown & new).sum() > 0.9 * new.sum()
    assert (shown & ~new).sum() < 0.1 * new.sum()


def test_a_folder_that_is_not_there_is_said_before_the_work(raw, tmp_path):
    with pytest.raises(InputError, match="which is none"):
        prepare(raw, tmp_path / "data", pseudo_masks=tmp_path / "nowhere", quiet=True)
    assert not (tmp_path / "data" / "scenes").exists()
