"""ScanRefer's benchmark: boxes of answers, also about scans whose labels are hidden; numbers of superpoints."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from saymask.data.annotations import Annotation
from saymask.data.samples.sentences import load_split
from saymask.data.scenes import aligned_points, load_scene, save_scene, scene_path
from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.hub import registry
from saymask.metrics.protocols import get_protocol
from saymask.metrics.referring import ReferMetric
from saymask.metrics.scanrefer_submission import corners
from saymask.metrics.scoring import SentenceTruth
from saymask.scan import Scan
from tests.models.toy_model import make_prepared, register


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Prepared scans; those of the split `test` have neither labels nor objects."""
    register(monkeypatch)
    folder = make_prepared(tmp_path / "data", train=1, val=2)
    shutil.copy(folder / "annotations/scanrefer_val.json", folder / "annotations/scanrefer_test.json")
    entries = json.loads((folder / "annotations/scanrefer_test.json").read_text())
    for entry in entries:
        scan = load_scene(scene_path(folder, entry["scene_id"]))
        entry["scene_id"] = entry["scene_id"].replace("scene0", "scene9")
        hidden = replace(scan, labels={}, name=entry["scene_id"])
        save_scene(scene_path(folder, entry["scene_id"]), hidden, objects={})
        entry["ann_id"] = str(int(entry["ann_id"]) + 3)
    entries[0]["object_name"] = "yoga_mat"  # of no class of the benchmark
    (folder / "annotations/scanrefer_test.json").write_text(json.dumps(entries))
    return folder


@pytest.mark.parametrize("split", ["val", "test"])
def test_boxes_of_the_answers(data, tmp_path, split):
    asked = Request(data, split=split, submission=tmp_path / "boxes.json", export=tmp_path / "masks.json", quiet=True)
    found = evaluate(registry.build("toy.tiny"), asked)
    entries = json.loads((tmp_path / "boxes.json").read_text())
    listed = load_split(data, split)
    file = json.loads((data / f"annotations/scanrefer_{split}.json").read_text())
    assert len(entries) == len(listed) == len(file)
    given = {(e["scene_id"], e["object_id"], e["ann_id"]) for e in file}
    assert {(e["scene_id"], e["object_id"], e["ann_id"]) for e in entries} == given
    masks = {
        (p["scene_id"], str(p["object_ids"][0])): p
        for p in json.loads((tmp_path / "masks.json").read_text())["predictions"]
    }
    for entry in entries:
        points = aligned_points(load_scene(scene_path(data, entry["scene_id"])))
        said = masks[entry["scene_id"], entry["object_id"]]["masks"]
        runs = [int(v) for v in said[0].split()] if said else []
        inside = np.zeros(len(points), bool)
        for start, length in zip(runs[::2], runs[1::2]):
            inside[start - 1 : start - 1 + length] = True
        box = np.array(entry["bbox"])
        assert box.shape == (8, 3)
        assert len(np.unique(box, axis=0)) in (1, 8)
        if inside.any():
            np.testing.assert_allclose(box.min(0), points[inside].min(0), atol=1e-5)
            np.testing.assert_allclose(box.max(0), points[inside].max(0), atol=1e-5)
    by_name = {(e["scene_id"], e["object_id"]): e for e in entries}
    for annotation, entry in zip(listed, file, strict=True):
        one = by_name[entry["scene_id"], entry["object_id"]]
        assert one["unique_multiple"] == int(bool(annotation.multiple))
        assert one["others"] == int(entry["object_name"] in ("lamp", "yoga_mat"))
    if split == "test":  # nothing to compare with
        assert found["metrics"]["overall"]["n"] == 0
        assert found["left_out"] == 2


def test_without_a_file_hidden_scans_have_no_number(data):
    with pytest.raises(InputError, match="none of the test annotations names a scene and object"):
        evaluate(registry.build("toy.tiny"), Request(data, split="test", quiet=True))
    for changes, said in (
        ({"task": "semantic"}, "submission: expected"),
        ({"submission": "boxes.csv"}, "a .json file"),
    ):
        asked = {"submission": "boxes.json", **changes}
        with pytest.raises(InputError, match=said):
            evaluate(registry.build("toy.tiny"), Request(data, quiet=True, **asked))


def test_corners():
    found = corners(np.array([[0, 1, 2], [3, 4, 5]]))
    assert {tuple(row) for row in found.tolist()} == {(x, y, z) for x in (0, 3) for y in (1, 4) for z in (2, 5)}


def test_superpoints_count_once_each():
    superpoints = np.repeat([0, 1, 2, 3], [10, 1, 5, 4])
    labels = {"instance": np.where(superpoints <= 1, 7, -1).astype(np.int32)}
    scan = Scan(
        np.zeros((20, 3), np.float32), np.zeros((20, 3), np.uint8), superpoints=superpoints, labels=labels, name="s"
    )
    asked = Annotation("s", (7,), 0, "a chair", "a chair", object_name="chair", multiple=False)
    mask = np.isin(superpoints, [0, 2])
    mask[0] = False  # still more than half of superpoint 0
    for protocol in ("3dres", "scanrefer"):
        truth = SentenceTruth(scan, get_protocol(protocol))
        sp_iou = truth.superpoint_iou(mask, asked)
        assert sp_iou == pytest.approx(1 / 3)
        metric = ReferMetric(protocol)
        metric.update(mask, truth.rows(asked), asked, sp_iou=sp_iou)
        overall = metric.compute()["overall"]
        assert (overall["spmiou"], overall["spacc25"], overall["spacc50"]) == (pytest.approx(1 / 3), 1.0, 0.0)
        assert overall["miou"] == pytest.approx(9 / 16)
    assert SentenceTruth(scan, get_protocol("scanrefer-box")).superpoint_iou(mask, asked) is None
    assert SentenceTruth(replace(scan, superpoints=None), get_protocol("3dres")).superpoint_iou(mask, asked) is None
    # A sentence about nothing: all or nothing, as at the points.
    nothing = Annotation("s", (), 0, "a dog", "a dog", eval_type="zt_w_d")
    for answer, value in ((np.ones(60, bool), 0.0), (np.zeros(60, bool), 1.0)):
        metric = ReferMetric("3dgres")
        metric.update(answer, np.zeros(60, bool), nothing, sp_iou=0.0)
        assert metric.compute()["overall"]["spmiou"] == value
