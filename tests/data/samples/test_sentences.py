import numpy as np
import pytest
import torch

from saymask.data.prepare.folder import prepare
from saymask.data.samples.order import TrainingItems
from saymask.data.samples.sentences import ReferDataset, load_split
from saymask.data.scenes import load_scene, scene_path, target_mask
from saymask.errors import InputError
from tests.data.fake_scannet import make_fake_scannet


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("refer")
    make_fake_scannet(root / "raw", train=2, val=1)
    prepare(root / "raw", root / "data", quiet=True)
    return root / "data"


def item(scan, annotations, *, rng):
    return {
        "scene": scan.name,
        "sentence": annotations[0].sentence,
        "points": int(target_mask(scan, annotations[0].object_ids).sum()),
        "draw": -1.0 if rng is None else rng.random_sample(),
    }


def test_items(data):
    items = ReferDataset(data, "val", prepare=item)
    assert len(items) == len(items.annotations) == 12
    first = items[0]
    annotation = items.annotations[0]
    scan = load_scene(scene_path(data, annotation.scene_id))
    assert first["points"] == int((scan.labels["instance"] == annotation.object_ids[0]).sum()) > 0
    assert first["sentence"] == annotation.sentence
    assert first["draw"] == -1.0
    assert sum(a.multiple is True for a in items.annotations) == 4  # two objects share a class, two sentences each


def test_random_numbers_depend_on_seed_epoch_and_index_alone(data):
    a, b = (ReferDataset(data, "train", prepare=item, training=True) for _ in range(2))
    assert [a[i]["draw"] for i in (3, 1, 2)] == [b[i]["draw"] for i in (3, 1, 2)]
    first = [a[i]["draw"] for i in range(6)]
    assert len(set(first)) == 6
    a.set_epoch(1)
    second = [a[i]["draw"] for i in range(6)]
    assert not set(first) & set(second)
    a.set_epoch(0)
    assert [a[i]["draw"] for i in range(6)] == first
    assert ReferDataset(data, "train", prepare=item, training=True, seed=1)[0]["draw"] != first[0]


def test_both_sources_are_numbered_on(data):
    one, many, both = (load_split(data, "train", source=s) for s in ("scanrefer", "multi3drefer", "both"))
    assert len(both) == len(one) + len(many) > len(one) > 0
    assert len({a.key for a in both}) == len(both)
    assert [(a.scene_id, a.object_ids) for a in both] == [(a.scene_id, a.object_ids) for a in one + many]
    with pytest.raises(InputError, match="source: expected scanrefer, multi3drefer, nr3d, sr3d or both, got 'all'"):
        load_split(data, "train", source="all")


def test_chunks_hold_sentences_of_one_scan(data):
    items = ReferDataset(data, "train", source="both", prepare=lambda scan, annotations, rng: (scan.name, annotations))
    samples = TrainingItems(items, 4)
    seen = []
    for i in range(len(samples)):
        name, annotations = samples[1, i]
        assert {a.scene_id for a in annotations} == {name}
        assert 1 <= len(annotations) <= 4
        seen += [a.key for a in annotations]
    assert sorted(seen) == sorted(a.key for a in items.annotations)
    assert len(TrainingItems(items)) == len(items)


def test_a_scan_with_all_its_sentences_or_none_is_a_sample(data):
    items = ReferDataset(data, "train", source="both", prepare=lambda scan, annotations, rng: (scan.name, annotations))
    scans = sorted({a.scene_id for a in items.annotations})
    items.annotations = [a for a in items.annotations if a.scene_id != scans[0]]
    found = dict(TrainingItems(items, 0, scans)[1, i] for i in range(len(scans)))
    assert sorted(found) == scans
    assert found[scans[0]] == []
    assert sum(len(annotations) for annotations in found.values()) == len(items.annotations)
    assert len(TrainingItems(items, 0)) == len(scans) - 1


def test_workers_see_the_epoch_that_is_set(data):
    items = ReferDataset(data, "train", prepare=item, training=True, max_items=4)
    expected = []
    for epoch in range(2):
        items.set_epoch(epoch)
        expected.append([items[i]["draw"] for i in range(4)])
    loader = torch.utils.data.DataLoader(items, batch_size=None, num_workers=1, persistent_workers=True)
    for epoch in range(2):
        items.set_epoch(epoch)
        assert [float(row["draw"]) for row in loader] == expected[epoch]


def test_multi3drefer_and_subsets(data):
    items = ReferDataset(data, "val", source="multi3drefer", prepare=item)
    for annotation, row in zip(items.annotations, [items[i] for i in range(len(items))]):
        assert (row["points"] > 0) == bool(annotation.object_ids)
    some = ReferDataset(data, "train", prepare=item, max_items=5)
    assert len(some) == 5
    assert {a.scene_id for a in some.annotations} == {"scene0000_00", "scene0001_00"}


def test_cache_keeps_the_last_scans(data):
    items = ReferDataset(data, "train", prepare=item, cache_scenes=1)
    first = items.scan("scene0000_00")
    assert items.scan("scene0000_00") is first
    items.scan("scene0001_00")
    assert items.scan("scene0000_00") is not first
    np.testing.assert_array_equal(items.scan("scene0000_00").points, first.points)


def test_unknown_split_names_those_that_are_there(data, tmp_path):
    with pytest.raises(InputError, match="multi3drefer_train, multi3drefer_val, scanrefer_train"):
        load_split(data, "test")
    with pytest.raises(InputError, match="saymask prepare"):
        load_split(tmp_path, "val")
