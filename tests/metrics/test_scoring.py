"""Predictions of any number of objects: measured, exported, and scored again without the model."""

import gzip
import json
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.answers import Prediction
from saymask.data.annotations import EVAL_TYPES
from saymask.data.samples.sentences import load_split
from saymask.data.scenes import load_scene, read_scene_info, save_scene, scene_path
from saymask.errors import InputError
from saymask.evaluation.items import load_items
from saymask.evaluation.measure import Wanted, measure_tasks
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.evaluation.tables import print_table
from saymask.evaluation.tasks.refer import answer, point_logits
from saymask.evaluation.tasks.table import TASKS
from saymask.hub import registry
from saymask.metrics import PROTOCOLS, ReferMetric, get_protocol
from saymask.metrics.baselines import nothing
from tests.models.toy_model import make_prepared, register

KINDS = [("zt_w_d", []), ("zt_wo_d", []), ("st_w_d", [1]), ("st_wo_d", [2]), ("mt", [0, 3]), ("mt", [0, 1, 2])]


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Three scenes of four things; per scene a sentence of every kind."""
    folder = make_prepared(tmp_path_factory.mktemp("many"), train=1, val=3)
    scenes = sorted({a.scene_id for a in load_split(folder, "val")})
    entries = [
        {"scene_id": scene, "object_ids": ids, "object_name": "lamp", "ann_id": 100 + number,
         "description": f"sentence {number} {kind}", "eval_type": kind}
        for scene in scenes
        for number, (kind, ids) in enumerate(KINDS)
    ]  # fmt: skip
    (folder / "annotations/multi3drefer_val.json").write_text(json.dumps(entries))
    said = json.loads((folder / "annotations/scanrefer_val.json").read_text())
    said = [{**entry, "eval_type": "easy view_dependent"} for entry in said]
    (folder / "annotations/nr3d_val.json").write_text(json.dumps(said))
    for path in (folder / "scenes").glob("*.safetensors"):
        scan = load_scene(path)
        objects = scan.labels["instance"]
        classes = np.array([1, 2, 3, 4, -1])[objects + 1]  # the floor, three things, one of no class
        cells = np.unique((scan.points / 0.3).astype(int), axis=0, return_inverse=True)[1].reshape(-1)
        labels = {"instance": objects, "semantic20": classes.astype(np.int16)}
        info = read_scene_info(path)
        save_scene(path, replace(scan, labels=labels, superpoints=cells.astype(np.int32)), objects=info.objects)
    return folder


def guess(length: int, sentence: str, count: str) -> Prediction:
    """Return random masks over superpoints of a few points; some hold nothing, some logits are exactly 0."""
    rng = np.random.default_rng(zlib.crc32(sentence.encode()))
    support = length // 10
    index = rng.permutation(np.arange(length) % support)
    index[rng.random(length) < 0.05] = -1
    masks = int(rng.integers(0, 5)) if count == "any" else 1
    logits = rng.choice(np.float32([-2.0, -1.0, 0.0, 1.5]), (masks, support), p=[0.4, 0.45, 0.05, 0.1])
    return Prediction(torch.from_numpy(logits), torch.from_numpy(rng.random(masks)), index)


@pytest.fixture
def model():
    torch.manual_seed(1)
    made = registry.build("toy.tiny").eval()

    def refer(encoded, sentences, *, count="any"):
        return [guess(len(encoded[0]), sentence, count) for sentence in sentences]

    made.refer = refer
    return made


ONE_MASK = [p.name for p in PROTOCOLS.values() if not p.ties and not p.separate]  # what the folder form can hold


@pytest.mark.parametrize(
    ("protocol", "name"),
    [*((p, f) for p in sorted(PROTOCOLS) for f in ("p.json", "p.json.gz")), *((p, "folder") for p in ONE_MASK)],
)
def test_scored_from_the_file_as_from_the_model(data, model, tmp_path, protocol, name):
    made = evaluate(model, Request(data, protocol=protocol, export=tmp_path / name, quiet=True))
    scored = evaluate(tmp_path / name, Request(data, protocol=protocol, quiet=True))
    for key in ("metrics", "baselines", "annotations", "scenes", "source"):
        assert made[key] == scored[key]
    assert scored["missing"] == 0
    if name != "folder":
        assert scored["model"] == made["model"] == "toy.tiny"


def test_folder_form_of_3dgres(data, model, tmp_path, monkeypatch):
    """Without logits of exactly 0 it scores the same too."""
    plain = model.refer

    def refer(encoded, sentences, *, count):
        found = plain(encoded, sentences, count=count)
        return [Prediction(p.logits.where(p.logits != 0, -1), p.scores, p.index) for p in found]

    monkeypatch.setattr(model, "refer", refer)
    made = evaluate(model, Request(data, protocol="3dgres", export=tmp_path, quiet=True, baselines=False))
    scored = evaluate(tmp_path, Request(data, protocol="3dgres", quiet=True, baselines=False))
    assert made["metrics"] == scored["metrics"]
    assert made["metrics"]["overall"]["miou"] > 0


def test_by_hand(data, model):
    result = evaluate(model, Request(data, protocol="3dgres", quiet=True))
    ious = {kind: [] for kind in EVAL_TYPES}
    for annotation in load_split(data, "val", source="multi3drefer"):
        instance = load_scene(scene_path(data, annotation.scene_id)).labels["instance"]
        prediction = guess(len(instance), annotation.sentence, "any")
        best = prediction.logits.numpy().max(0, initial=-9)
        at = np.where(prediction.index < 0, -9, best[prediction.index])
        empty = (at > 0).sum() < 50
        target = np.isin(instance, annotation.object_ids)
        iou = ((at >= 0) & target).sum() / max(1, ((at >= 0) | target).sum())
        ious[annotation.eval_type].append(float(empty) if annotation.eval_type[0] == "z" else 0.0 if empty else iou)
    for kind in EVAL_TYPES:
        group = result["metrics"][kind]
        assert group["n"] == len(ious[kind])
        assert group["miou"] == pytest.approx(np.mean(ious[kind]))
        assert group["acc25"] == pytest.approx(np.mean(np.array(ious[kind]) > 0.25))
    assert (result["protocol"], result["source"]) == ("3dgres", "multi3drefer")
    assert result["baselines"]["nothing"]["zt_w_d"]["miou"] == 1.0
    assert result["baselines"]["nothing"]["overall"]["miou"] == pytest.approx(1 / 3)
    assert "random object" in result["baselines"]


def test_superpoints_of_uniseg3d_by_hand(data, model):
    """Superpoints of which more than half is the object's; sentences about the object of no class do not count."""
    result = evaluate(model, Request(data, protocol="uniseg3d", quiet=True))
    ious = []
    for annotation in load_split(data, "val"):
        scan = load_scene(scene_path(data, annotation.scene_id))
        if annotation.object_ids == (3,):
            continue
        instance, cells = scan.labels["instance"], scan.superpoints
        assert cells is not None
        voted = {c for c in np.unique(cells) if (instance[cells == c] == annotation.object_ids[0]).mean() > 0.5}
        target = np.isin(cells, list(voted))
        assert not np.array_equal(target, instance == annotation.object_ids[0])
        prediction = guess(len(instance), annotation.sentence, "one")
        mask = np.append(prediction.logits.numpy()[0] > 0, False)[prediction.index]
        ious.append((mask & target).sum() / ((mask | target).sum() + 1e-8))
    overall = result["metrics"]["overall"]
    assert (overall["n"], result["annotations"]) == (9, 12)
    assert overall["miou"] == pytest.approx(np.mean(ious), abs=1e-12)
    assert overall["acc25"] == np.mean(np.array(ious) > 0.25)
    assert set(result["metrics"]) == {"protocol", "overall"}
    assert result["baselines"] == {}


def test_a_scan_without_classes_cannot_be_counted_by_things(data, model, tmp_path):
    folder = Path(shutil.copytree(data, tmp_path / "copy"))
    for path in (folder / "scenes").glob("*.safetensors"):
        scan = load_scene(path)
        save_scene(
            path, replace(scan, labels={"instance": scan.labels["instance"]}), objects=read_scene_info(path).objects
        )
    with pytest.raises(InputError, match="'semantic20'"):
        evaluate(model, Request(folder, protocol="uniseg3d", quiet=True))


def test_the_protocol_says_how_many_objects(data, model, monkeypatch):
    asked = []
    plain = model.refer

    def refer(encoded, sentences, *, count):
        asked.append(count)
        return plain(encoded, sentences, count=count)

    monkeypatch.setattr(model, "refer", refer)
    for protocol in ("3dres", "3dgres", "multi3drefer-f1"):
        evaluate(model, Request(data, protocol=protocol, quiet=True, baselines=False))
    assert asked == ["one"] * 3 + ["any"] * 6


@given(st.integers(0, 10_000), st.sampled_from(sorted(PROTOCOLS)))
@settings(max_examples=60, deadline=None)
def test_separate_masks_unite_to_the_mask_of_the_sentence(seed, protocol):
    prediction = guess(390, str(seed), "any")
    logits, rule = point_logits(prediction), get_protocol(protocol)
    masks, scores = answer(prediction, logits, rule)
    single, best = answer(prediction, logits, rule, separate=False)
    np.testing.assert_array_equal(masks.any(0), single.any(0))
    assert masks.any(1).all()
    assert len(masks) == len(scores) <= max(1, len(prediction.logits))
    assert len(single) == len(best) == min(1, len(masks))


def test_separate_objects_are_exported(data, model, tmp_path):
    evaluate(model, Request(data, protocol="multi3drefer-f1", export=tmp_path / "p.json", quiet=True))
    content = json.loads((tmp_path / "p.json").read_text())
    assert {content[k] for k in ("protocol", "source", "split", "model")} == {
        "multi3drefer-f1", "multi3drefer", "val", "toy.tiny",
    }  # fmt: skip
    assert len(content["predictions"]) == 3 * len(KINDS)
    assert max(len(p["masks"]) for p in content["predictions"]) > 1
    assert all(len(p["masks"]) == len(p["scores"]) for p in content["predictions"])
    assert {p["eval_type"] for p in content["predictions"]} == set(EVAL_TYPES)


@pytest.fixture
def perfect(data, tmp_path):
    """What somebody else would write: true masks, the numbers of the annotation file, nothing that may be left out."""
    rows = []
    for annotation in load_split(data, "val", source="multi3drefer"):
        instance = load_scene(scene_path(data, annotation.scene_id)).labels["instance"]
        masks = [instance == i for i in annotation.object_ids]
        edges = [np.flatnonzero(np.diff(np.r_[0, mask, 0])) for mask in masks]
        texts = [" ".join(f"{a + 1} {b - a}" for a, b in e.reshape(-1, 2)) for e in edges]
        rows.append({"scene_id": annotation.scene_id, "ann_id": 100 + annotation.ann_id, "length": len(instance),
                     "masks": texts})  # fmt: skip
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"format": "saymask-predictions", "version": 1, "predictions": rows}))
    return path


def rewrite(path: Path, change) -> Path:
    content = json.loads(path.read_text())
    change(content["predictions"])
    path = path.with_name("changed.json.gz")
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


def test_predictions_of_others(data, perfect):
    for protocol in ("3dgres", "multi3drefer-f1"):
        result = evaluate(perfect, Request(data, protocol=protocol, quiet=True))
        assert result["model"] == "theirs.json"
        for kind in ("overall", *EVAL_TYPES):
            for key, value in result["metrics"][kind].items():
                assert key in ("n", "oiou") or value == pytest.approx(1, abs=1e-7)
    limited = evaluate(perfect, Request(data, protocol="3dgres", limit=4, quiet=True))
    assert limited["metrics"]["overall"]["n"] == 4


def test_missing_predictions(data, perfect, capsys):
    fewer = rewrite(perfect, lambda rows: rows.__delitem__(slice(0, 3)))
    with pytest.raises(InputError, match="each of the 18 annotations, 3 have none"):
        evaluate(fewer, Request(data, protocol="3dgres", quiet=True))
    result = evaluate(fewer, Request(data, protocol="3dgres", allow_missing=True, quiet=True))
    assert (result["missing"], result["annotations"]) == (3, 15)
    assert "3 annotations have no prediction" in capsys.readouterr().err
    # Left out, not counted as "no target", which would be right for some.
    assert result["metrics"]["overall"]["n"] == 15
    assert result["baselines"]["nothing"]["overall"]["n"] == 15
    print_table(result)
    assert "3 annotations without a prediction" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(InputError, match="18 have none"):
        evaluate(
            rewrite(perfect, lambda rows: rows.clear()),
            Request(data, protocol="3dgres", allow_missing=True, quiet=True),
        )


def test_predictions_that_do_not_fit(data, perfect, model, tmp_path):
    for change, message in (
        (lambda rows: rows[4].update(length=7), "points of the scan, got length 7"),
        (lambda rows: rows[4].update(masks=["1 9999"]), "within 1..390"),
        (lambda rows: rows[4].update(ann_id=77), "1 of 18 predictions fit no annotation"),
        (lambda rows: rows[4].update(scene_id="elsewhere"), "1 of 18 predictions fit no annotation"),
        (lambda rows: rows.append(dict(rows[0])), "more than once"),
    ):
        with pytest.raises(InputError, match=message):
            evaluate(rewrite(perfect, change), Request(data, protocol="3dgres", quiet=True))
    with pytest.raises(InputError, match="fit no annotation"):
        evaluate(perfect, Request(data, protocol="3dgres", source="scanrefer", quiet=True))
    with pytest.raises(InputError, match="holds predictions already"):
        evaluate(perfect, Request(data, protocol="3dgres", export=tmp_path / "again.json", quiet=True))
    with pytest.raises(InputError, match="eval_type"):
        evaluate(model, Request(data, protocol="3dgres", source="scanrefer", quiet=True))


def test_table_of_the_groups(data, model, capsys):
    result = evaluate(model, Request(data, protocol="3dgres", quiet=True))
    result["metrics"]["mt"] = ReferMetric("3dgres").compute()["mt"]
    print_table(result)
    lines = capsys.readouterr().out.splitlines()
    cells = [line.split() for line in lines[3:]]
    assert [row[0] for row in cells[:6]] == [result["model"], *EVAL_TYPES]
    assert cells[5][1:5] == ["0", "-", "-", "-"]
    assert "-" not in cells[0]
    print_table(evaluate(model, Request(data, protocol="multi3drefer-f1", quiet=True)))
    out = capsys.readouterr().out
    assert "F1@0.25" in out
    assert "mIoU" not in out


def test_measure_in_any_split_of_the_scenes(data, model):
    items = load_items(Request(data, protocol="3dgres"))
    for protocol in ("3dgres", "multi3drefer-f1"):
        wanted = Wanted(TASKS["refer"], protocol)
        whole = measure_tasks(model, items, items.names, [wanted])[wanted.key]
        parts = [measure_tasks(model, items, [scene], [wanted])[wanted.key] for scene in reversed(items.names)]
        merged = parts[0].merge(*(part.state() for part in parts[1:]))
        assert merged.compute() == whole.compute()


def test_nothing_is_wrong_where_one_object_is_wanted(data):
    assert nothing(data, load_split(data, "val"), "3dres")["overall"]["miou"] == 0
