import json
from dataclasses import replace

import numpy as np
import pytest

from saymask.data.annotations import load_annotations
from saymask.data.prepare.folder import prepare
from saymask.data.samples.sentences import annotation_path, load_split
from saymask.data.scenes import load_scene, read_scene_info, scene_path, target_mask
from saymask.errors import InputError
from saymask.metrics.baselines import all_baselines, class_oracle, nothing, program_oracle, random_object
from saymask.metrics.referring import ReferMetric
from saymask.rooms.files import room_to_json
from saymask.rooms.room import Room, Thing
from tests.data.fake_scannet import make_fake_scannet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("baselines")
    make_fake_scannet(root / "raw", train=1, val=2)
    prepare(root / "raw", root / "data", quiet=True)
    return root / "data"


def brute_force(data, annotations, candidates, protocol):
    """The mean over every candidate's real mask, one metric per number of the candidate."""
    rows = []
    for a in annotations:
        scan = load_scene(scene_path(data, a.scene_id))
        info = read_scene_info(scene_path(data, a.scene_id))
        results = []
        for i in candidates(info, a):
            metric = ReferMetric(protocol)
            metric.update(target_mask(scan, (i,)), target_mask(scan, a.object_ids), a)
            results.append(metric.compute()["overall"])
        rows.append({k: np.mean([r[k] for r in results]) for k in ("miou", "acc25", "acc50")})
    return {k: np.mean([r[k] for r in rows]) for k in ("miou", "acc25", "acc50")}


@pytest.mark.parametrize("source", ["scanrefer", "multi3drefer"])
@pytest.mark.parametrize("protocol", ["less", "scanrefer"])
def test_expectations_against_real_masks(data, source, protocol):
    annotations = [a for a in load_split(data, "val", source=source) if a.object_ids]
    expected = brute_force(data, annotations, lambda info, a: list(info.sizes), protocol)
    got = random_object(data, annotations, protocol)["overall"]
    assert {k: got[k] for k in expected} == pytest.approx(expected)

    def same_class(info, a):
        return [i for i, name in info.objects.items() if name == a.object_name.replace("_", " ")]

    expected = brute_force(data, annotations, same_class, protocol)
    got = class_oracle(data, annotations, protocol)["overall"]
    assert {k: got[k] for k in expected} == pytest.approx(expected)


def test_unique_objects_are_found_by_their_class(data):
    result = class_oracle(data, load_split(data, "val"), "scanrefer")
    assert result["unique"]["miou"] == 1.0
    assert result["multiple"]["miou"] == 0.5
    assert result["protocol"] == "scanrefer"


def test_object_name_that_no_object_has_falls_back_to_the_target(data):
    annotations = [replace(a, object_name="gizmo") for a in load_split(data, "val")]
    renamed = class_oracle(data, annotations, "less")
    assert renamed["overall"] == class_oracle(data, load_split(data, "val"), "less")["overall"]


def test_boxes_are_refused(data):
    with pytest.raises(InputError, match="masks"):
        random_object(data, load_split(data, "val"), "scanrefer-box")


def test_sets_of_objects(data):
    """Where a sentence may mean any number of objects: everything of the class, against real masks."""
    annotations = load_split(data, "val", source="multi3drefer")
    # One sentence more, about one of the two objects of a class.
    pair = next(a for a in annotations if a.eval_type == "mt")
    annotations.append(replace(pair, object_ids=pair.object_ids[:1], eval_type="st_w_d", ann_id=99))
    metric = ReferMetric("3dgres")
    for a in annotations:
        scan, info = (read(scene_path(data, a.scene_id)) for read in (load_scene, read_scene_info))
        same = tuple(i for i, name in info.objects.items() if name == a.object_name.replace("_", " "))
        metric.update(target_mask(scan, same), target_mask(scan, a.object_ids), a)
    expected, got = metric.compute(), class_oracle(data, annotations, "3dgres")
    assert got == expected
    assert [got[k]["acc50"] for k in ("mt", "st_wo_d", "zt_wo_d")] == [1, 1, 1]
    assert 0.3 < got["st_w_d"]["miou"] < 0.7
    said = nothing(data, annotations)
    assert [said[k]["miou"] for k in ("mt", "st_wo_d", "zt_wo_d")] == [0, 0, 1]
    assert set(all_baselines(data, annotations, "3dgres")) == {"nothing", "random object", "class oracle"}
    assert "nothing" not in all_baselines(data, load_split(data, "val"), "3dres")
    distractor = replace(pair, object_ids=(), eval_type="zt_w_d")  # the class is there, what is said of it is not true
    assert class_oracle(data, [distractor], "3dgres")["zt_w_d"]["miou"] == 0


def test_objects_of_few_points_are_no_target(data, monkeypatch):
    annotation = next(a for a in load_split(data, "val", source="multi3drefer") if a.eval_type == "st_wo_d")
    info = read_scene_info(scene_path(data, annotation.scene_id))
    for size, expected in ((49, 0), (50, 1)):
        small = replace(info, sizes={**info.sizes, annotation.object_ids[0]: size})
        monkeypatch.setattr("saymask.metrics.baselines.read_scene_info", lambda path, small=small: small)
        assert class_oracle(data, [annotation], "3dgres")["overall"]["acc50"] == expected


def thing(number, category, x):
    return Thing(
        id=number,
        category=category,
        design="box",
        color=None,
        material=None,
        shape=None,
        center=(x, 1.0, 0.4),
        size=(0.5, 0.5, 0.8),
        yaw=0.0,
        on=None,
        mount="floor",
        wall=None,
        fronted=False,
    )


def test_program_oracle(data):
    """Programs are run on the room, not read off the annotation: one that is wrong costs what it costs."""
    annotations = load_split(data, "val")
    assert "program oracle" not in all_baselines(data, annotations)
    scene = annotations[0].scene_id
    info = read_scene_info(scene_path(data, scene))
    names = [info.objects[i] for i in sorted(info.objects) if i >= 3]
    floor = ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (0.0, 4.0))
    things = tuple(thing(i, name, 1.0 + 1.3 * k) for k, (i, name) in enumerate(zip(range(3, 9), names)))
    (data / "rooms").mkdir(exist_ok=True)
    room = Room(scene, "office", floor, 2.5, things)
    (data / "rooms" / f"{scene}.json").write_text(json.dumps(room_to_json(room)))
    unique = [a for a in annotations if a.scene_id == scene and a.multiple is False]
    records = [
        {
            "scene_id": scene,
            "object_id": str(a.object_ids[0]),
            "ann_id": str(a.ann_id % 2),
            "program": {"op": "class", "name": info.objects[a.object_ids[0]]},
            "compositional": False,
        }
        for a in unique
    ]
    path = data / "annotations" / "programs_val.json"
    path.write_text(json.dumps({"scanrefer": records, "multi3drefer": []}))
    loaded = [a for a in load_annotations(annotation_path(data, "scanrefer", "val"), programs=path) if a.program]
    path.unlink()
    assert len(loaded) == len(unique) >= 4
    result = all_baselines(data, loaded, "less")["program oracle"]["overall"]
    assert result == {"n": len(loaded), "miou": 1.0, "oiou": 1.0, "acc25": 1.0, "acc50": 1.0}
    other = info.objects[loaded[-1].object_ids[0]]
    wrong = [replace(loaded[0], program={"op": "class", "name": other}), *loaded[1:]]
    assert program_oracle(data, wrong, "less")["overall"]["miou"] == pytest.approx(1 - 1 / len(loaded))
    several = replace(loaded[0], program={"op": "class", "name": info.objects[loaded[0].object_ids[0]]}, eval_type="mt")
    absent = replace(several, object_ids=(), eval_type="zt_w_d", ann_id=98)
    unclear_zero = replace(absent, program={"op": "count", "n": 7, "of": several.program}, ann_id=97)
    general = program_oracle(data, [several, absent, unclear_zero], "3dgres")
    assert [general["mt"]["acc50"], general["zt_w_d"]["miou"]] == [1, 0.5]
    unclear = {"op": "count", "n": 7, "of": {"op": "class", "name": other}}
    lost = [replace(loaded[0], program=unclear), *loaded[1:]]
    assert program_oracle(data, lost, "less")["overall"]["miou"] == pytest.approx(1 - 1 / len(loaded))
    with pytest.raises(InputError, match="no program"):
        program_oracle(data, annotations, "less")
