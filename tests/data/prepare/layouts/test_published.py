"""`saymask prepare` on folders as the published programs leave them."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from saymask.cli import run
from saymask.data.annotations import load_annotations
from saymask.data.prepare.folder import prepare
from saymask.data.prepare.raw import find_raw
from saymask.data.scenes import load_scene, read_manifest, read_scene_info, scene_path
from saymask.errors import InputError
from saymask.io.scannet import read_scan_folder
from saymask.models.uniseg3d.batch import make_sample
from saymask.models.uniseg3d.config import UniSeg3DConfig
from tests.data.fake_scannet import make_fake_scannet
from tests.data.prepare.layouts.published import (
    bqnet_folder,
    less_folder,
    less_preprocessed_folder,
    lground_folder,
    lground_instances_folder,
    uniseg3d_folder,
)

TRAIN, VAL = ["scene0000_00", "scene0001_00", "scene0002_00"], ["scene0003_00"]
FIRST = "scene0000_00"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same scans in ScanNet's own layout."""
    folder = tmp_path_factory.mktemp("plain")
    make_fake_scannet(folder, train=2, val=1)
    return read_scan_folder(folder / "scans" / FIRST)


def scene(out, name=FIRST):
    return load_scene(scene_path(out, name)), read_scene_info(scene_path(out, name))


@pytest.mark.parametrize("place", ["", "data", "data/scannet"])
def test_less(tmp_path, place):
    less_folder(tmp_path / "LESS")
    report = prepare(tmp_path / "LESS" / place, tmp_path / "out", quiet=True)
    assert read_manifest(tmp_path / "out")["splits"] == {"train": TRAIN, "val": VAL}
    assert report.annotations == {"scanrefer_train": 36, "scanrefer_val": 12}
    text = "\n".join(report.messages)
    assert "scannetv2-labels.combined.tsv: found" in text
    assert "multi3drefer_val.json: not found" in text


def test_bqnet_flat_after_its_split(tmp_path, plain, capsys):
    root = bqnet_folder(tmp_path / "data")
    report = prepare(root, tmp_path / "out")
    assert read_manifest(tmp_path / "out")["splits"] == {"train": TRAIN[:2], "val": TRAIN[2:]}
    assert report.annotations["scanrefer_train"] == 24
    assert report.annotations["multi3drefer_val"] > 0
    scan, info = scene(tmp_path / "out")
    np.testing.assert_array_equal(scan.points, plain.scan.points)
    np.testing.assert_array_equal(scan.alignment, plain.scan.alignment)
    np.testing.assert_array_equal(scan.labels["instance"], plain.scan.labels["instance"])
    np.testing.assert_array_equal(scan.labels["semantic20"], plain.scan.labels["semantic20"])
    assert info.objects == plain.objects
    table = capsys.readouterr().err
    assert "scans, layout scannet" in table
    assert "scanrefer/ScanRefer_val_new.json" in table


def test_labels_ply_stands_in_for_the_label_table(tmp_path):
    """A rare category has no class without the table; `labels.ply` knows the class of its points."""
    root = bqnet_folder(tmp_path / "data")
    path = root / f"scannetv2/train/{FIRST}.aggregation.json"
    content = json.loads(path.read_text())
    content["segGroups"][2]["label"] = "yoga mat holder"
    path.write_text(json.dumps(content))
    prepare(root, tmp_path / "with", quiet=True)
    rare = content["segGroups"][2]["objectId"]
    with_labels = scene(tmp_path / "with")[0].labels
    assert (with_labels["semantic20"][with_labels["instance"] == rare] >= 0).all()
    (root / f"scannetv2/train/{FIRST}_vh_clean_2.labels.ply").unlink()
    report = prepare(root, tmp_path / "without", quiet=True)
    without = scene(tmp_path / "without")[0].labels
    assert (without["semantic20"][without["instance"] == rare] == -1).all()
    assert "yoga mat holder" in "\n".join(report.messages)


def test_bqnet_without_meshes(tmp_path, plain):
    root = bqnet_folder(tmp_path / "data")
    for path in (root / "scannetv2").rglob("scene*"):
        if not path.name.endswith("_refer.pth"):
            path.unlink()
    prepare(root, tmp_path / "out", quiet=True)
    scan, info = scene(tmp_path / "out")
    np.testing.assert_allclose(scan.points, plain.scan.points - plain.scan.points.mean(0), atol=1e-5)
    np.testing.assert_array_equal(scan.colors, plain.scan.colors)
    for name in ("instance", "semantic20"):
        np.testing.assert_array_equal(scan.labels[name], plain.scan.labels[name])
    assert info.objects[0] == "floor"
    assert set(info.objects) == set(plain.objects)
    assert scan.faces is None
    assert info.superpoints == scan.superpoints.max() + 1


def test_lground(tmp_path, plain):
    report = prepare(lground_folder(tmp_path / "data"), tmp_path / "out", quiet=True)
    assert read_manifest(tmp_path / "out")["splits"] == {"train": TRAIN, "val": VAL}
    scan, info = scene(tmp_path / "out")
    for name in ("instance", "semantic20", "semantic200"):
        np.testing.assert_array_equal(scan.labels[name], plain.scan.labels[name])
    assert info.objects.keys() == plain.objects.keys()
    assert info.superpoints > 1
    assert (
        "feature_data/scannet200_category_weights.pkl: found: class weights: --model.class-weights" in report.messages
    )


def test_instances_of_lground(tmp_path, plain):
    prepare(lground_instances_folder(tmp_path / "data"), tmp_path / "out", quiet=True)
    assert read_manifest(tmp_path / "out")["splits"] == {"train": TRAIN, "val": VAL}
    scan, info = scene(tmp_path / "out")
    np.testing.assert_array_equal(scan.colors, plain.scan.colors)
    for name in ("instance", "semantic20", "semantic200"):
        np.testing.assert_array_equal(scan.labels[name], plain.scan.labels[name])
    assert info.objects.keys() == plain.objects.keys()
    torch.save({"features": torch.zeros(3, 2)}, tmp_path / "data" / f"{FIRST}.pth")  # 2D features are called so, too
    with pytest.raises(InputError, match="expected scans as"):
        find_raw(tmp_path / "data")


def test_less_after_its_preprocessing(tmp_path, plain):
    root = less_preprocessed_folder(tmp_path / "LESS")
    report = prepare(root, tmp_path / "out", quiet=True)
    assert read_manifest(tmp_path / "out")["splits"] == {"train": TRAIN, "val": VAL}
    assert report.annotations == {"scanrefer_train": 36, "scanrefer_val": 12}
    scan, info = scene(tmp_path / "out")
    aligned = np.c_[plain.scan.points, np.ones(len(scan))] @ plain.scan.alignment.T
    np.testing.assert_allclose(scan.points, aligned[:, :3], atol=1e-5)
    np.testing.assert_array_equal(scan.colors, plain.scan.colors)
    for name in ("instance", "semantic20", "nyu40"):
        np.testing.assert_array_equal(scan.labels[name], plain.scan.labels[name])
    assert set(info.objects) == set(plain.objects)
    folder = root / "scannet/scannet_data"
    (folder / f"{FIRST}_sem_label.npy").unlink()
    assert "one is missing" in prepare(root, tmp_path / "half", quiet=True).failures[FIRST]
    (folder / f"{FIRST}_ins_label.npy").unlink()
    prepare(root, tmp_path / "test", quiet=True)
    assert scene(tmp_path / "test")[0].labels == {}


def test_uniseg3d(tmp_path, plain):
    root = uniseg3d_folder(tmp_path / "data")
    report = prepare(root, tmp_path / "out", quiet=True)
    assert read_manifest(tmp_path / "out")["splits"] == {"train": TRAIN[:2], "val": TRAIN[2:]}
    scan, info = scene(tmp_path / "out")
    np.testing.assert_array_equal(scan.points, plain.scan.points)
    for name in ("instance", "semantic20", "nyu40"):
        np.testing.assert_array_equal(scan.labels[name], plain.scan.labels[name])
    raw = np.frombuffer((root / f"super_points/{FIRST}.bin").read_bytes(), np.int64)
    np.testing.assert_array_equal(scan.superpoints, raw)
    said = load_annotations(tmp_path / "out/annotations/scanrefer_train.json")
    assert {a.scene_id for a in said} == set(TRAIN[:2])
    assert all(info.objects[a.object_ids[0]] == a.object_name.replace("_", " ") for a in said if a.scene_id == FIRST)
    assert "3 masks" not in "".join(report.messages)
    assert "sam3d_pseudo_sp_masks: 6 masks, 2 scans" in report.messages


def test_pseudo_masks_that_overlap_are_learned_as_they_are(tmp_path):
    prepare(uniseg3d_folder(tmp_path / "data"), tmp_path / "out", quiet=True)
    scan, info = scene(tmp_path / "out")
    assert scan.novel_masks.shape == (3, info.superpoints)
    assert scan.novel_masks.sum(1).tolist() == [6, 6, 0]
    assert (scan.novel_masks[0] & scan.novel_masks[1]).sum() == 3
    sample = make_sample(scan, (), UniSeg3DConfig(), np.random.RandomState(0))
    masks = sample.truth.masks.numpy()
    assert (masks[-3:] == scan.novel_masks).all()
    assert scene(tmp_path / "out", TRAIN[2])[0].novel_masks is None  # val has none


def test_meshes_beside_uniseg3d_files_take_their_superpoints(tmp_path):
    make_fake_scannet(tmp_path / "data", train=2, val=1)
    uniseg3d_folder(tmp_path / "more")
    shutil.copytree(tmp_path / "more", tmp_path / "data", dirs_exist_ok=True)
    given = (np.arange(len(scene_points(tmp_path))) // 9).astype(np.int64)
    (tmp_path / f"data/super_points/{FIRST}.bin").write_bytes(given.tobytes())
    report = prepare(tmp_path / "data", tmp_path / "out", quiet=True)
    assert "pseudo masks over" in report.failures[FIRST]  # they belong to the other superpoints
    scan = scene(tmp_path / "out", TRAIN[1])[0]
    assert scan.faces is not None
    assert scan.novel_masks is not None
    assert report.annotations["scanrefer_train"] == 12  # ScanRefer's own file, not that of the infos


def scene_points(tmp_path):
    return np.frombuffer((tmp_path / f"data/points/{FIRST}.bin").read_bytes(), np.float32).reshape(-1, 6)


def test_other_infos_are_said_before_the_work(tmp_path):
    uniseg3d_folder(tmp_path)
    (tmp_path / "uniseg3d_infos_train.pkl").write_bytes(pickle.dumps([]))
    with pytest.raises(InputError, match=r"uniseg3d_infos_train\.pkl: expected a dictionary with a list data_list"):
        find_raw(tmp_path)


def test_damaged_arrays_are_reported(tmp_path):
    uniseg3d_folder(tmp_path / "data")
    for name, folder in zip(TRAIN, ("points", "super_points", "instance_mask"), strict=True):
        path = tmp_path / "data" / folder / f"{name}.bin"
        path.write_bytes(path.read_bytes()[:-8])
    failures = prepare(tmp_path / "data", tmp_path / "out", quiet=True).failures
    assert "finite rows of 6 float32" in failures[TRAIN[0]]
    assert all("ids from 0, one per point" in failures[name] for name in TRAIN[1:])


JOURNEYS = {
    "000": (less_folder, "less.rooms", "refer", "scanrefer"),
    "001": (bqnet_folder, "bqnet.rooms", "refer", "both"),
    "002": (lground_folder, "lground.rooms-ce", "semantic", "scans"),
    "004": (uniseg3d_folder, "uniseg3d.rooms", "all", "scanrefer", "--model.vocabulary-weight", "0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", JOURNEYS)
def test_prepare_train_evaluate(tmp_path, seed):
    make, preset, task, source, *more = JOURNEYS[seed]
    raw, data, out = make(tmp_path / "raw"), tmp_path / "data", tmp_path / "run"
    assert run(["prepare", str(raw), "--out", str(data), "--workers", "1", "--quiet"]) == 0
    train = ["--max-steps", "3", "--train.batch-size", "1", "--train.workers", "0", "--train.max-val", "1"]
    train += ["--train.source", source, *more]
    assert run(["train", preset, "--data", str(data), "--out", str(out), *train]) in (0, None)
    model = out / "last.safetensors"
    numbers = tmp_path / "numbers.json"
    options = ["--data", str(data), "--task", task, "--json", str(numbers), "--limit", "1", "--quiet"]
    assert run(["evaluate", str(model), *options]) in (0, None)
    assert json.loads(model.with_suffix(".json").read_text())["training"]["steps"] == 3
    result = json.loads(numbers.read_text())
    measured = result["results"]["panoptic"]["uniseg3d"] if task == "all" else result
    assert measured["metrics"]["overall"]["n"] > 0
