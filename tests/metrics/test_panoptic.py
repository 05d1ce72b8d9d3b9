import doctest
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.metrics import panoptic
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.panoptic import PROTOCOLS, PanopticMetric
from saymask.metrics.records import flatten

COUNT = 20
CLASSES = st.sampled_from([0, 1, 2, 4, 19, -1])
POINTS = st.tuples(CLASSES, st.integers(-1, 3), CLASSES, st.integers(-1, 3))
SCENES = st.lists(st.lists(POINTS, max_size=40), max_size=4)


def as_maps(points):
    return np.array(points, np.int64).reshape(-1, 4).T


def filled(scenes, protocol="uniseg3d"):
    metric = PanopticMetric(protocol)
    for number, points in enumerate(scenes):
        metric.update(*as_maps(points), f"scene{number}", indices=True)
    return metric


def plain_qualities(scenes):
    """Return PQ, SQ and RQ of each class by sets of points, NaN without a segment."""
    tp, fp, fn, total = (np.zeros(COUNT) for _ in range(4))
    for points in scenes:
        segments = [{}, {}]
        for point, (found, instance, true, true_instance) in enumerate(points):
            if true < 0:
                continue
            for side, (c, i) in enumerate(((found, instance), (true, true_instance))):
                if c in (0, 1):
                    i = 0
                if c >= 0 and i >= 0:
                    segments[side].setdefault((c, i), set()).add(point)
        matched = set()
        for (c, _), ours in segments[0].items():
            best = None
            for key, theirs in segments[1].items():
                iou = len(ours & theirs) / len(ours | theirs)
                if key[0] == c and iou > 0.5:
                    best = key, iou
            if best is None:
                fp[c] += 1
            else:
                matched.add(best[0])
                tp[c], total[c] = tp[c] + 1, total[c] + best[1]
        for key in segments[1]:
            fn[key[0]] += key not in matched
    there = tp + fp + fn > 0
    with np.errstate(invalid="ignore"):
        sq = np.where(tp > 0, total / np.maximum(tp, 1), 0)
        rq = tp / (tp + fp / 2 + fn / 2)
    return [np.where(there, q, np.nan) for q in (sq * rq, sq, rq)]


def test_doctest():
    assert doctest.testmod(panoptic).failed == 0


@settings(max_examples=50, deadline=None)
@given(SCENES)
def test_equals_the_loop_over_sets(scenes):
    metric = filled(scenes)
    expected = plain_qualities(scenes)
    for got, wanted in zip(metric.qualities(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-14)
    overall = metric.compute()["overall"]
    known = expected[0][~np.isnan(expected[0])]
    assert overall["n"] == len(known)
    assert overall["pq"] == overall["pq_all"] == pytest.approx(known.sum() / COUNT, abs=1e-14)
    assert overall["pq_present"] == pytest.approx(known.mean() if len(known) else 0.0, abs=1e-14)


@settings(max_examples=20, deadline=None)
@given(SCENES, st.integers(1, 3), st.randoms(use_true_random=False))
def test_any_number_of_processes_counts_each_scene_once(scenes, world, random):
    whole = filled(scenes)
    parts = [PanopticMetric("uniseg3d") for _ in range(world)]
    for scene_id, record in whole.state().items():
        for part in random.sample(parts, random.randint(1, world)):
            part.records[scene_id] = record
    random.shuffle(parts)
    merged = PanopticMetric("uniseg3d").merge(*(pickle.loads(pickle.dumps(p.state())) for p in parts))
    assert merged.compute() == whole.compute()
    assert flatten(merged.compute())["overall/pq"] == whole.compute()["overall"]["pq"]


@settings(max_examples=20, deadline=None)
@given(SCENES, st.randoms(use_true_random=False))
def test_names_of_instances_and_order_of_points_do_not_matter(scenes, random):
    rename = dict(enumerate(random.sample([0, 5, 70000, 2**40, 2**62], 4)))
    changed = []
    for points in scenes:
        shuffled = [(c, rename.get(i, -100), t, rename.get(j, -100)) for c, i, t, j in points]
        random.shuffle(shuffled)
        changed.append(shuffled)
    assert filled(changed).compute() == filled(scenes).compute()


@settings(max_examples=20, deadline=None)
@given(SCENES)
def test_ids_and_indices_give_the_same(scenes):
    ids = np.append(get_benchmark("scannet").ids, 777)
    metric = PanopticMetric("scannet")
    for number, points in enumerate(scenes):
        found, instance, true, true_instance = as_maps(points)
        metric.update(ids[found], instance, ids[true], true_instance, f"scene{number}")
    assert metric.compute() == filled(scenes, "scannet").compute()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_predicted_rightly_scores_one(protocol):
    count = len(PanopticMetric(protocol).protocol.classes)
    classes, instances = np.repeat(np.arange(count), 6), np.tile(np.repeat([3, 8], 3), count)
    metric = PanopticMetric(protocol)
    metric.update(classes, instances, classes, instances, "s", indices=True)
    result = metric.compute()
    assert result["protocol"] == protocol
    groups = ["overall", "things", "stuff", *metric.protocol.groups]
    sizes = [count, count - 2, 2, *([66, 68, 66] if count == 200 else [])]
    assert [result[g]["n"] for g in groups] == sizes
    assert {result[g][k] for g in groups for k in ("pq", "sq", "rq", "pq_all", "pq_present")} == {1.0}
    assert result["overall"]["miou"] == result["overall"]["pq_dagger"] == 1.0
    assert len(result["pq"]) == count


def test_the_protocol_decides_about_classes_that_are_nowhere():
    scene = [(4, 0, 4, 0)] * 3
    for protocol, mean in (("uniseg3d", 1 / 20), ("scannet", 1.0)):
        result = filled([scene], protocol).compute()
        assert result["overall"]["pq"] == result["overall"]["sq"] == pytest.approx(mean)
        assert (result["overall"]["pq_all"], result["overall"]["pq_present"]) == (pytest.approx(1 / 20), 1.0)
        assert result["stuff"] == {"n": 0, "pq": 0.0, "sq": 0.0, "rq": 0.0, "pq_present": 0.0, "pq_all": 0.0}
        assert result["pq"] == {"chair": 1.0}


def test_half_is_no_match():
    half = filled([[(4, 0, 4, 0), (4, 0, 4, 0), (2, 0, 4, 0), (2, 0, 4, 0)]]).compute()
    assert half["pq"] == {"cabinet": 0.0, "chair": 0.0}
    more = filled([[(4, 0, 4, 0), (4, 0, 4, 0), (2, 0, 4, 0)]]).compute()
    assert more["sq"]["chair"] == pytest.approx(2 / 3)
    assert more["rq"] == {"cabinet": 0.0, "chair": 1.0}


def test_stuff_is_one_segment_whatever_its_instances_are():
    a = filled([[(0, i, 0, -1) for i in (-1, 0, 1, 2)]]).compute()
    assert a["pq"] == {"wall": 1.0}
    # ... of each scene: a wall that is missed in one of two scenes is one of two segments.
    b = filled([[(0, 0, 0, 0)], [(1, 0, 0, 0)]]).compute()
    assert b["rq"]["wall"] == pytest.approx(2 / 3)


def test_points_of_no_class_are_left_out_and_things_without_an_instance_are_not():
    known = [(4, 0, 4, 0)] * 4
    assert filled([known + [(4, 0, -1, 0)] * 9]).compute()["pq"] == {"chair": 1.0}
    assert filled([known + [(4, 0, 4, -1)] * 2]).compute()["pq"] == {"chair": pytest.approx(4 / 6)}
    assert filled([[(2, 0, 4, -1)]]).compute()["pq"] == {"cabinet": 0.0}  # no true segment of a chair


def test_dagger_takes_the_iou_of_stuff():
    result = filled([[(0, 0, 0, 0)] * 3 + [(0, 0, 1, 0)] * 2 + [(1, 0, 1, 0)]], "scannet").compute()
    assert result["pq"] == {"wall": pytest.approx(3 / 5), "floor": 0.0}
    assert result["overall"]["pq_dagger"] == result["overall"]["miou"] == pytest.approx((3 / 5 + 1 / 3) / 2)
    assert result["overall"]["pq"] == pytest.approx(3 / 10)


def test_nothing_counted():
    metric = PanopticMetric()
    metric.update(*as_maps([]), "empty", indices=True)
    assert metric.compute()["overall"]["pq"] == 0.0
    assert PanopticMetric("uniseg3d").compute()["overall"]["n"] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({0: np.zeros(3, int)}, "predicted classes as one whole number for each of 4 points"),
        ({1: np.zeros(4)}, "predicted instances .* float64"),
        ({3: np.zeros((4, 1), int)}, "true instances"),
        ({0: np.full(4, 20)}, "-1..19"),
        ({2: np.full(4, -5)}, "-1..19"),
    ],
)
def test_bad_input(wrong, message):
    maps = [wrong.get(i, np.zeros(4, int)) for i in range(4)]
    with pytest.raises(InputError, match=message):
        PanopticMetric("scannet").update(*maps, "s", indices=True)


def test_unknown_protocol():
    with pytest.raises(InputError, match="uniseg3d, scannet, scannet200"):
        PanopticMetric("coco")


def test_a_second_copy_of_a_scene_changes_nothing():
    metric = filled([[(4, 0, 4, 0)]])
    before = metric.compute()
    metric.update(*as_maps([(2, 0, 4, 0)]), "scene0", indices=True)
    assert metric.compute() == before
