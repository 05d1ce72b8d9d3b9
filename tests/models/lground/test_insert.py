"""LGround's tail-instance sampling: the bank, and where its objects are put."""

import json
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.scenes import save_scene, scene_path
from saymask.errors import InputError
from saymask.labels.tables import scannet200
from saymask.models.lground.batch import ViewConfig, collate, make_sample
from saymask.models.lground.insert import (
    Insertion,
    StoredObject,
    TailBank,
    build_bank,
    insert,
    object_boxes,
)
from saymask.models.lground.transform import (
    NONE,
    Augmentation,
    Cloud,
    Similarity,
    draws,
    official_draws,
    similarity,
    voxelise,
)
from saymask.scan import Scan
from saymask.sparse import build_sites

SEEDS = st.integers(0, 10_000)
SIZE = 0.05
TAIL = [c.index for c in scannet200() if c.split == "tail"]
WALL, CHAIR, FLOOR = 0, 1, 2
STUFF = np.array([c.stuff for c in scannet200()])
UPRIGHT = Augmentation(0, (1, 1), 0, 0, 0, 0, 0, 0, 0, 0, 0)


def bank_of(*classes, edge=0.3, step=0.04):
    """A cube of each class."""
    grid = np.stack(np.meshgrid(*[np.arange(0, edge, step)] * 3, indexing="ij"), -1).reshape(-1, 3)
    none = np.full(len(grid), NONE)
    clouds = {
        c: [Cloud(grid - grid.mean(0), np.full((len(grid), 3), c % 256), np.full(len(grid), c), none)] for c in classes
    }
    return TailBank(clouds, np.isin(np.arange(200), classes).astype(float))


def floor_and_block(seed=0):
    """A floor of 4 m, and in its middle a block of 1 m that is instance 1."""
    rng = np.random.RandomState(seed)
    floor = rng.rand(9000, 3) * [4, 4, 0.02]
    block = rng.rand(2000, 3) + np.array([1.5, 1.5, 0.03])
    instance = np.repeat([0, 1], [9000, 2000])
    return Cloud(
        np.concatenate([floor, block]),
        rng.randint(0, 256, (11000, 3)).astype(np.uint8),
        np.where(instance == 1, CHAIR, FLOOR),
        instance,
    )


def put(cloud, bank, seed=0, augment=UPRIGHT, boxes=None, **options):
    draw = official_draws(seed)
    space = similarity(SIZE, augment, draw.numpy)
    scene = voxelise(cloud, space.scale)
    boxes = object_boxes(cloud, STUFF) if boxes is None else boxes
    out = insert(scene, space, bank, boxes, voxel_size=SIZE, augment=augment, draw=draw, options=Insertion(**options))
    return scene, out


def test_boxes_are_those_of_things():
    cloud = floor_and_block()
    np.testing.assert_allclose(object_boxes(cloud, STUFF), [[[1.5, 1.5, 0.03], [2.5, 2.5, 1.03]]], atol=0.01)
    block = cloud.points[cloud.instances == 1]
    np.testing.assert_array_equal(object_boxes(cloud, STUFF)[0], [block.min(0), block.max(0)])
    assert len(object_boxes(cloud, np.zeros(200, bool))) == 2
    nothing = Cloud(cloud.points, cloud.colors, cloud.labels, np.full(len(cloud), NONE))
    assert object_boxes(nothing, STUFF).shape == (0, 2, 3)
    unlabelled = Cloud(cloud.points, cloud.colors, np.full(len(cloud), NONE), cloud.instances)
    assert len(object_boxes(unlabelled, STUFF)) == 2  # the last class is not taken for label -1


@settings(max_examples=8, deadline=None)
@given(SEEDS, st.integers(1, 6))
def test_objects_stand_free_on_the_surface(seed, count):
    cloud = floor_and_block()
    scene, out = put(cloud, bank_of(*TAIL[:3]), seed, count=count)
    added = out.instances > 1
    numbers = np.unique(out.instances[added])
    assert 1 <= len(numbers) <= count
    assert numbers.tolist() == list(range(2, 2 + len(numbers)))
    boxes = []
    for number in numbers:
        inside = out.instances == number
        assert len(set(out.labels[inside])) == 1
        assert out.labels[inside][0] in TAIL[:3]
        assert (out.colors[inside] == out.labels[inside][0] % 256).all()
        low, high = out.cells[inside].min(0), out.cells[inside].max(0)
        below = scene.cells[(np.abs(scene.cells[:, :2] - (low + high)[:2] // 2) <= 3).all(1)]
        assert low[2] - 1 in below[:, 2]  # on the floor or on the block
        boxes.append((low, high))
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:i]:
            assert ((high < other_low) | (other_high < low)).any()
    # Nothing of the scene is lost: where it meets an object, the scene's voxel stays.
    kept = out.cells[~added]
    assert {tuple(c) for c in kept} == {tuple(c) for c in scene.cells}
    assert len({tuple(c) for c in out.cells}) == len(out)
    np.testing.assert_array_equal(out.cells[out.index], scene.cells[scene.index])


def test_the_whole_is_turned():
    cloud, bank, augment = floor_and_block(), bank_of(TAIL[0]), Augmentation(scale=(1.3, 1.3))
    draw = official_draws(1)
    space = similarity(SIZE, augment, draw.numpy)
    scene, out = put(cloud, bank, 1, augment)
    np.testing.assert_allclose(space.scale[0, 0], 1.3 / SIZE)
    turned = np.floor(scene.cells @ space.turn[:3, :3].T)
    np.testing.assert_array_equal(out.cells[out.index], turned[scene.index])
    assert (out.instances > 1).any()


def test_no_room():
    cloud, bank = floor_and_block(), bank_of(TAIL[0])
    everywhere = np.array([[[-9, -9, -9], [9, 9, 9]]])
    scene, out = put(cloud, bank, boxes=everywhere)
    np.testing.assert_array_equal(out.cells, scene.cells)
    _, out = put(cloud, bank, boxes=everywhere, compat=True)
    assert (out.labels == TAIL[0]).any()  # published: still at the last place
    assert len(np.unique(out.instances)) == 2 + 5
    _, out = put(cloud, bank, tries=0, compat=True)
    assert len(out) == len(scene)


def test_published_objects_do_not_mind_each_other():
    cloud, bank = floor_and_block(), bank_of(TAIL[0], edge=1.2, step=0.1)
    counts = []
    for compat in (False, True):
        overlaps = 0
        for seed in range(3):
            _, out = put(cloud, bank, seed, count=6, compat=compat)
            numbers = np.unique(out.instances[out.instances > 1])
            spans = [(out.cells[out.instances == n].min(0), out.cells[out.instances == n].max(0)) for n in numbers]
            overlaps += sum(
                bool(((a[0] <= b[1]) & (b[0] <= a[1])).all()) for i, a in enumerate(spans) for b in spans[:i]
            )
        counts.append(overlaps)
    assert counts[0] == 0
    assert counts[1] > 0


def test_nothing_to_insert():
    cloud = floor_and_block()
    empty = TailBank({}, np.ones(200))
    assert len(empty) == 0
    assert "is off" in empty.describe()
    scene, out = put(cloud, empty)
    for name in ("cells", "labels", "colors", "instances", "index"):
        np.testing.assert_array_equal(getattr(out, name), getattr(scene, name))
    unwanted = TailBank(bank_of(TAIL[0]).objects, np.arange(200) == TAIL[1])
    assert len(unwanted) == 0
    none = voxelise(Cloud(np.zeros((0, 3)), *[np.zeros((0, 3))], *[np.zeros(0, np.int64)] * 2), np.eye(4))
    nothing = insert(
        none, Similarity(np.eye(4), np.eye(4)), bank_of(TAIL[0]), np.zeros((0, 2, 3)), voxel_size=SIZE,
        augment=UPRIGHT, draw=official_draws(0),
    )  # fmt: skip
    assert len(nothing) == 0


def test_classes_are_drawn_by_their_weights():
    weights = np.zeros(200)
    weights[TAIL[:3]] = [1, 3, 96]
    bank = TailBank(bank_of(*TAIL[:2]).objects, weights)  # the third class has no object
    assert "2 objects of 2 classes" in bank.describe()
    np.testing.assert_allclose(bank.weights[TAIL[:3]], [0.25, 0.75, 0])
    drawn = bank.draw_classes(2000, draws(np.random.RandomState(0)))
    assert set(drawn) == set(TAIL[:2])
    assert np.mean(np.array(drawn) == TAIL[1]) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("weights", [[[1.0]], [-1.0, 2], [np.nan]])
def test_weights_are_checked(weights):
    with pytest.raises(InputError, match="weight"):
        TailBank({}, np.array(weights))


# ---- objects of prepared scenes


@pytest.fixture
def prepared(tmp_path):
    """Two scenes: `a` with a tail object of 40 points, a small one of 3, a chair and a wall; `b` without labels."""
    rng = np.random.RandomState(0)
    instance = np.repeat([0, 1, 2, 3], [100, 40, 3, 60]).astype(np.int32)
    labels = np.array([WALL, TAIL[4], TAIL[5], CHAIR])[instance].astype(np.int16)
    labels[100:110] = -1  # some points of the object have no label
    alignment = np.array([[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    scan = Scan(
        points=(rng.rand(203, 3) + instance[:, None]).astype(np.float32),
        colors=rng.randint(0, 256, (203, 3)).astype(np.uint8),
        labels={"semantic200": labels, "instance": instance},
        alignment=alignment,
        name="a",
    )
    save_scene(scene_path(tmp_path, "a"), scan, objects={0: "wall", 1: "thing", 2: "small", 3: "chair"})
    bare = Scan(points=scan.points, colors=scan.colors, name="b")
    save_scene(scene_path(tmp_path, "b"), bare, objects={})
    (tmp_path / "manifest.json").write_text(json.dumps({"splits": {"train": ["a", "b"], "val": ["b"]}}))
    return tmp_path, scan


def test_bank_of_prepared_scenes(prepared):
    data, scan = prepared
    bank = build_bank(data)
    assert {c: len(found) for c, found in bank.objects.items()} == {TAIL[4]: 1}
    bank = pickle.loads(pickle.dumps(bank))  # as it travels to the workers of a loader
    cloud = bank.draw(TAIL[4], official_draws(0))
    inside = scan.points[100:140]
    turned = np.stack([-inside[:, 1], inside[:, 0], inside[:, 2]], axis=1)
    np.testing.assert_allclose(cloud.points, turned - turned.mean(0), atol=1e-5)
    np.testing.assert_array_equal(cloud.colors, scan.colors[100:140])
    assert (cloud.labels == TAIL[4]).all()
    raw = build_bank(data, aligned=False).draw(TAIL[4], official_draws(0))
    np.testing.assert_allclose(raw.points, inside - inside.mean(0), atol=1e-5)
    assert sorted(build_bank(data, fewest=1).objects) == sorted(TAIL[4:6])
    assert sorted(build_bank(data, ["a"], weights=np.ones(200)).objects) == sorted([WALL, CHAIR, TAIL[4]])


def test_limited_annotation_of_the_objects(prepared):
    data, _ = prepared
    cloud = build_bank(data, share=0.2).draw(TAIL[4], official_draws(0))
    assert len(cloud) == 40
    assert (cloud.labels == TAIL[4]).sum() == 8
    assert (cloud.labels == NONE).sum() == 32


def test_empty_banks_are_said(prepared):
    data, _ = prepared
    with pytest.warns(UserWarning, match="tail-instance sampling is off"):
        bank = build_bank(data, "val")
    assert len(bank) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_bank(data)


def test_bad_banks(prepared):
    data, _ = prepared
    with pytest.raises(InputError, match="expected a split of train, val, got 'test'"):
        build_bank(data, "test")
    with pytest.raises(InputError, match="no such prepared scene"):
        build_bank(data, ["c"])
    with pytest.raises(InputError, match="semantic200 or semantic20"):
        build_bank(data, labels="nyu40")
    with pytest.raises(InputError, match="expected 200 weights, got 20"):
        build_bank(data, weights=np.ones(20))


def test_training_samples_with_inserted_objects():
    cloud = floor_and_block()
    scan = Scan(
        points=cloud.points.astype(np.float32),
        colors=cloud.colors,
        labels={"semantic200": cloud.labels.astype(np.int16), "instance": cloud.instances.astype(np.int32)},
        name="block",
    )
    config = ViewConfig(voxel_size=SIZE, insertion=Insertion())
    bank = bank_of(*TAIL[:3])
    sample = make_sample(scan, config, np.random.RandomState(0), bank=bank)
    again = make_sample(scan, config, np.random.RandomState(0), bank=bank)
    np.testing.assert_array_equal(sample.voxels.cells, again.voxels.cells)
    assert set(sample.voxels.labels) & set(TAIL[:3])
    assert (sample.voxels.index >= 0).all()
    batch = collate([sample], config)
    build_sites(batch.coords)
    assert batch.instances is not None
    assert int(batch.instances.max()) > 1
    for other in (None, TailBank({}, np.ones(200))):
        plain = make_sample(scan, config, np.random.RandomState(0), bank=other)
        assert set(plain.voxels.labels) == {CHAIR, FLOOR}
    without = make_sample(scan, config, bank=bank)  # never in the test view
    assert set(without.voxels.labels) == {CHAIR, FLOOR}


def test_a_stored_object_without_alignment(prepared):
    data, scan = prepared
    bare = Scan(points=scan.points, colors=scan.colors, labels=scan.labels, name="c")
    save_scene(scene_path(data, "c"), bare, objects={})
    cloud = StoredObject(scene_path(data, "c"), 1, TAIL[4]).read()
    np.testing.assert_allclose(cloud.points, scan.points[100:140] - scan.points[100:140].mean(0), atol=1e-5)
