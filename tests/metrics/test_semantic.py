import doctest
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.speed.plain_scores import plain_iou
from saymask.errors import InputError
from saymask.labels.tables import scannet20, scannet200
from saymask.metrics import semantic
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.records import flatten
from saymask.metrics.semantic import SemanticMetric, class_iou

IDS = {name: [c.id for c in classes] for name, classes in (("scannet", scannet20()), ("scannet200", scannet200()))}
FEW = st.sampled_from([1, 2, 3, 39, 1191, 0, -1, 13, 5000])
"""Ids of both benchmarks, of one of them, and of none."""
SCENES = st.lists(st.lists(st.tuples(FEW, FEW), max_size=40), min_size=1, max_size=4)


def filled(protocol, scenes):
    metric = SemanticMetric(protocol)
    for number, pairs in enumerate(scenes):
        table = np.array(pairs, np.int32).reshape(-1, 2)
        metric.update(table[:, 0], table[:, 1], f"scene{number}")
    return metric


def test_doctest():
    assert doctest.testmod(semantic).failed == 0


@settings(max_examples=60, deadline=None)
@given(SCENES, st.sampled_from(sorted(IDS)))
def test_equals_the_loop_over_points(scenes, protocol):
    pairs = [pair for scene in scenes for pair in scene]
    predicted, true = np.array([p for p, _ in pairs], int), np.array([t for _, t in pairs], int)
    expected = plain_iou(predicted, true, IDS[protocol])
    metric = filled(protocol, scenes)
    np.testing.assert_array_equal(metric.iou(), expected)
    result = metric.compute()
    known = expected[~np.isnan(expected)]
    assert result["overall"]["n"] == len(known)
    assert result["overall"]["miou_present"] == pytest.approx(known.mean() if len(known) else 0, abs=1e-15)
    assert result["overall"]["miou_all"] == pytest.approx(known.sum() / len(expected), abs=1e-15)
    valid = np.isin(true, IDS[protocol])
    assert result["overall"]["points"] == valid.sum()
    assert result["overall"]["acc"] == (np.mean((true == predicted)[valid]) if valid.any() else 0)


@settings(max_examples=40, deadline=None)
@given(SCENES, st.integers(1, 4), st.randoms())
def test_any_number_of_processes_counts_each_scene_once(scenes, world, random):
    whole = filled("scannet200", scenes)
    parts = [SemanticMetric() for _ in range(world)]
    for scene_id, record in whole.state().items():
        for part in random.sample(parts, random.randint(1, world)):
            part.records[scene_id] = record
    random.shuffle(parts)
    merged = SemanticMetric().merge(*(pickle.loads(pickle.dumps(p.state())) for p in parts))
    assert merged.compute() == whole.compute()
    assert flatten(merged.compute()).items() >= {"overall/n": whole.compute()["overall"]["n"]}.items()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 199), st.integers(-1, 199)), max_size=60))
def test_indices_and_ids_give_the_same(pairs):
    benchmark = get_benchmark("scannet200")
    predicted, true = np.array(pairs, np.int16).reshape(-1, 2).T
    a, b = SemanticMetric(), SemanticMetric()
    a.update(predicted, true, "s", indices=True)
    b.update(benchmark.of_indices(predicted), benchmark.of_indices(true), "s")
    assert a.compute() == b.compute()
    np.testing.assert_array_equal(benchmark.indices(benchmark.of_indices(true)), true)


def test_a_prediction_outside_the_classes_is_a_miss_and_no_false_positive():
    metric = SemanticMetric("scannet200")
    metric.update(np.array([2, 0, 12, 2]), np.array([2, 2, 2, 0]), "s")  # 0 and 12 are no classes
    assert metric.compute()["iou"] == {"chair": 1 / 3}
    assert metric.confusion()[1, -1] == 2


def test_groups_hold_their_members():
    metric = SemanticMetric("scannet200")
    ids = np.array(IDS["scannet200"])
    metric.update(ids, ids, "s")
    result = metric.compute()
    assert [result[g]["n"] for g in ("overall", "head", "common", "tail")] == [200, 66, 68, 66]
    assert all(result[g][m] == 1 for g in ("overall", "head") for m in ("miou_present", "miou_all"))
    assert set(filled("scannet", [[(1, 1)]]).compute()) == {
        "protocol", "overall", "iou", "precision", "recall",
    }  # fmt: skip


def test_only_one_group_is_there():
    tail = next(c for c in scannet200() if c.split == "tail")
    result = filled("scannet200", [[(tail.id, tail.id)]]).compute()
    one, none = {"precision": 1.0, "recall": 1.0}, {"precision": 0.0, "recall": 0.0}
    assert result["tail"] == {"n": 1, "miou_present": 1.0, "miou_all": 1 / 66, **one}
    assert result["head"] == {"n": 0, "miou_present": 0.0, "miou_all": 0.0, **none}


def test_precision_and_recall_of_classes():
    result = filled("scannet", [[(3, 3), (3, 3), (3, 4), (4, 4), (5, 4), (5, 0)]]).compute()  # (predicted, true)
    names = {c.id: c.name for c in get_benchmark("scannet").classes}
    assert result["precision"] == {names[3]: 2 / 3, names[4]: 1.0, names[5]: 0.0}
    assert result["recall"] == {names[3]: 1.0, names[4]: 1 / 3}
    assert result["overall"]["precision"] == pytest.approx(5 / 9)
    assert result["overall"]["recall"] == pytest.approx(2 / 3)


def test_nothing_counted():
    metric = SemanticMetric("scannet200")
    zero = dict.fromkeys(("miou_present", "miou_all", "precision", "recall", "acc"), 0.0)
    assert metric.compute()["overall"] == {"n": 0, "points": 0, **zero}
    metric.update(np.zeros(3, int), np.zeros(3, int), "all ignored")
    assert metric.compute()["overall"]["points"] == 0
    metric.reset()
    assert metric.state() == {}


def test_class_iou_of_an_empty_matrix_is_undefined():
    assert np.isnan(class_iou(np.zeros((3, 4), np.int64))).all()


@pytest.mark.parametrize(
    ("predicted", "true", "more", "message"),
    [
        (np.zeros(3, int), np.zeros(4, int), {}, "each of 4 points"),
        (np.zeros(4), np.zeros(4, int), {}, "predicted classes as whole numbers"),
        (np.zeros(4, int), np.zeros(4), {}, "true classes as whole numbers"),
        (np.full(4, 200), np.zeros(4, int), {"indices": True}, "-1..199"),
        (np.zeros(4, int), np.full(4, -2), {"indices": True}, "-1..199"),
    ],
)
def test_bad_input(predicted, true, more, message):
    with pytest.raises(InputError, match=message):
        SemanticMetric().update(predicted, true, "s", **more)


def test_unknown_protocol():
    with pytest.raises(InputError, match="scannet, scannet200"):
        SemanticMetric("scannet300")
