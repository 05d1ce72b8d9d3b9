"""The dataset of scans, and which scans training may use."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.prepare.folder import prepare
from saymask.data.samples.order import TrainingItems, drop_missing, keep_scenes
from saymask.data.samples.scans import (
    ScanDataset,
    annotated_scenes,
    check_share,
    chosen_scenes,
    evenly_spaced,
    item_generator,
    read_scene_list,
    split_scenes,
)
from saymask.data.samples.sentences import ReferDataset
from saymask.errors import InputError
from tests.data.fake_scannet import make_fake_scannet

NAMES = [f"scene{i:04d}_00" for i in range(4)]
SEEDS = st.integers(0, 2**31)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("scans")
    make_fake_scannet(root / "raw", train=4, val=1)
    prepare(root / "raw", root / "data", quiet=True)
    return root / "data"


def item(scan, annotations, *, rng):
    assert len(annotations) == 0
    return {"scene": scan.name, "points": len(scan), "draw": -1.0 if rng is None else rng.random_sample()}


def test_every_scan_of_the_split_once_and_sorted(data):
    items = ScanDataset(data, "train", prepare=item)
    assert items.names == NAMES
    assert [items[i]["scene"] for i in range(len(items))] == NAMES
    assert items[0] == {"scene": NAMES[0], "points": len(items.scan(NAMES[0])), "draw": -1.0}
    assert ScanDataset(data, "val", prepare=item).names == ["scene0004_00"]


def test_random_numbers_depend_on_seed_epoch_and_index_alone(data):
    a, b = (ScanDataset(data, "train", prepare=item, training=True) for _ in range(2))
    assert [a[i]["draw"] for i in (3, 1)] == [b[i]["draw"] for i in (3, 1)]
    a.set_epoch(1)
    assert a[0]["draw"] != b[0]["draw"]
    assert a[0]["draw"] == item_generator(42, 1, 0).random_sample()
    assert ScanDataset(data, "train", prepare=item, training=True, seed=1)[0]["draw"] != b[0]["draw"]


def test_workers_see_the_epoch_that_is_set(data):
    items = ScanDataset(data, "train", prepare=item, training=True)
    loader = torch.utils.data.DataLoader(items, batch_size=None, num_workers=1, persistent_workers=True)
    for epoch in range(2):
        items.set_epoch(epoch)
        assert [float(row["draw"]) for row in loader] == [items[i]["draw"] for i in range(4)]


def test_training_samples_are_the_scans_without_sentences(data):
    items = ScanDataset(data, "train", prepare=item, training=True)
    samples = TrainingItems(items, 3)
    assert len(samples) == 4
    assert samples.scenes == tuple(NAMES)
    assert samples[2, 1] == {**items[1], "draw": item_generator(42, 2, 1).random_sample()}


def test_subsets(data, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("train/scene0003_00.ply\nscene0001_00\n")
    half = ScanDataset(data, "train", prepare=item, scenes="0.5").names
    assert len(half) == 2
    assert half == list(annotated_scenes(NAMES, 0.5))
    assert set(ScanDataset(data, "train", prepare=item, scenes="0.25").names) < set(half)
    assert ScanDataset(data, "train", prepare=item, scenes="1").names == NAMES
    assert ScanDataset(data, "train", prepare=item, scenes=str(listed)).names == [NAMES[1], NAMES[3]]
    assert ScanDataset(data, "train", prepare=item, max_items=2).names == [NAMES[0], NAMES[3]]
    assert ScanDataset(data, "train", prepare=item, scenes=str(listed), max_items=1).names == [NAMES[1]]


@pytest.mark.parametrize(
    ("scenes", "message"),
    [("few", "a share such as 0.05, or a text file .* got 'few'"), ("0", "share above 0 and up to 1"),
     ("5", "up to 1 .*got 5"), ("-0.1", "share above 0"), ("nan", "share above 0"), (".", "expected nothing")],
)  # fmt: skip
def test_wrong_subsets(data, scenes, message):
    with pytest.raises(InputError, match=message):
        ScanDataset(data, "train", prepare=item, scenes=scenes)


def test_unknown_split_names_those_that_are_there(data, tmp_path):
    with pytest.raises(InputError, match=r"split 'test'; its manifest\.json has train, val"):
        split_scenes(data, "test")
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1}))
    with pytest.raises(InputError, match="has no split"):
        split_scenes(tmp_path, "train")
    with pytest.raises(InputError, match="saymask prepare"):
        split_scenes(tmp_path / "nowhere", "train")


def test_missing_scans_are_left_out_and_said(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / f"data/scenes/{NAMES[2]}.safetensors").unlink()
    said = []
    items = ScanDataset(tmp_path / "data", "train", prepare=item)
    assert drop_missing(items, said.append) == 1
    assert items.names == [NAMES[0], NAMES[1], NAMES[3]]
    assert said == [f"1 train scans left out, they are not prepared: {NAMES[2]}"]
    assert drop_missing(items, said.append) == 0
    assert len(said) == 1
    items.names = [NAMES[2]]
    with pytest.raises(InputError, match="none of the train scans is there"):
        drop_missing(items, said.append)


def test_sentences_of_chosen_scans(data):
    items = ReferDataset(data, "train", prepare=item)
    wanted = [a.key for a in items.annotations if a.scene_id in NAMES[:2]]
    keep_scenes(items, NAMES[:2])
    assert [a.key for a in items.annotations] == wanted != []
    assert TrainingItems(items, 3).scenes == tuple(NAMES[:2])
    with pytest.raises(InputError, match=r"none of the .* train annotations is about the chosen scans"):
        keep_scenes(items, [NAMES[3]])


def test_cache_keeps_the_last_scans(data):
    items = ScanDataset(data, "train", prepare=item, cache_scenes=2)
    first = items.scan(NAMES[0])
    items.scan(NAMES[1])
    assert items.scan(NAMES[0]) is first
    items.scan(NAMES[2])
    assert items.scan(NAMES[0]) is first  # used after the other one, which made room
    items.scan(NAMES[1])
    items.scan(NAMES[2])
    assert items.scan(NAMES[0]) is not first


@given(st.integers(0, 50), st.integers(0, 60))
def test_spread_keeps_order_and_ends(length, count):
    chosen = evenly_spaced(range(length), count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == (min(count, length) if count else length)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, length - 1)
        gaps = np.diff(chosen)
        assert gaps.max() - gaps.min() <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.floats(0.01, 0.5), SEEDS)
def test_scenes_are_nested(count, share, seed):
    names = [f"scene{i:04}" for i in np.random.RandomState(seed).permutation(count)]
    few, more = annotated_scenes(names, share, seed=seed), annotated_scenes(names, 2 * share, seed=seed)
    assert len(few) == max(1, round(share * count))
    assert set(few) <= set(more)
    assert list(few) == [n for n in names if n in set(few)]
    assert annotated_scenes(names[::-1], share, seed=seed) == few[::-1]


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_shares_are_checked(share):
    with pytest.raises(InputError, match="share above 0"):
        annotated_scenes(["a"], share)
    with pytest.raises(InputError, match="points: expected a share above 0"):
        check_share(share, "points")


def test_no_scenes():
    with pytest.raises(InputError, match="at least one"):
        annotated_scenes([], 0.5)


def test_scene_lists(tmp_path):
    file = tmp_path / "scenes.txt"
    file.write_text("train/scene0001_00.ply\nscene0000_00\nscene0001_00\n")
    known = ["scene0000_00", "scene0001_00"]
    assert read_scene_list(file, known) == ("scene0001_00", "scene0000_00")
    with pytest.raises(InputError, match="got scene0001_00"):
        read_scene_list(file, known[:1])
    file.write_text("")
    with pytest.raises(InputError, match="got none"):
        read_scene_list(file, known)
    with pytest.raises(InputError, match="text file"):
        read_scene_list(tmp_path / "missing.txt", known)


def test_a_list_with_scans_of_another_split(data, tmp_path):
    file = tmp_path / "scenes.txt"
    file.write_text("scene0004_00\n")
    with pytest.raises(InputError, match="expected scenes of the training split, one a line; got scene0004_00"):
        chosen_scenes(data, "train", str(file))
