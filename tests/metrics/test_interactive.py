import doctest
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.metrics import interactive
from saymask.metrics.interactive import CLICK_PROTOCOLS, THRESHOLDS, InteractiveMetric, all_point_ap
from saymask.metrics.records import flatten

POINTS = 24
DISTANCE = st.sampled_from([float("nan"), 0.0, 0.1, 0.3, 1.0])
CLICK = st.tuples(st.integers(0, POINTS), st.integers(0, 4), DISTANCE, st.booleans())
SCENES = st.lists(st.lists(CLICK, max_size=8), max_size=4)


def columns(clicks):
    """Return IoU, scores and distances of clicks, and whether they are on things."""
    table = np.array(clicks, np.float64).reshape(-1, 4)
    return table[:, 0] / POINTS, table[:, 1] / 4, table[:, 2], table[:, 3] > 0


def filled(scenes):
    metric = InteractiveMetric()
    for number, clicks in enumerate(scenes):
        iou, scores, distances, things = columns(clicks)
        metric.update(iou, scores, f"scene{number}", distances=distances, things=things)
    return metric


def plain_ap(iou, scores, threshold):
    """Return the area under the envelope of precision, as the voc2010 rule does it."""
    order = sorted(range(len(iou)), key=lambda i: -scores[i])
    tp, recall, precision = 0, [0.0], [0.0]
    for rank, i in enumerate(order, start=1):
        tp += iou[i] > threshold
        recall.append(tp / len(iou))
        precision.append(tp / rank)
    recall.append(1.0)
    precision.append(0.0)
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))


def test_doctest():
    assert doctest.testmod(interactive).failed == 0


@settings(max_examples=50, deadline=None)
@given(SCENES)
def test_equals_the_loop_over_clicks(scenes):
    clicks = [click for scene in scenes for click in scene]
    iou = [points / POINTS for points, *_ in clicks]
    scores = [s for _, s, *_ in clicks]
    result = filled(scenes).compute()
    assert result["protocol"] == "uniseg3d"
    assert result["overall"]["n"] == len(clicks)
    if clicks:
        areas = [plain_ap(iou, scores, t) for t in (*np.arange(0.5, 1.0, 0.05), 0.25)]
        assert result["overall"]["ap"] == pytest.approx(np.mean(areas[:-1]), abs=1e-12)
        assert result["overall"]["ap50"] == pytest.approx(areas[0], abs=1e-12)
        assert result["overall"]["ap25"] == pytest.approx(areas[-1], abs=1e-12)
        assert result["overall"]["miou"] == pytest.approx(np.mean(iou), abs=1e-12)
        assert result["overall"]["acc25"] == np.mean(np.array(iou) > 0.25)
        assert result["overall"]["acc50"] == np.mean(np.array(iou) > 0.5)
        steps = [result["overall"][k] for k in ("ap", "ap50", "ap25")]
        assert (np.diff([*steps, result["overall"]["acc25"]]) > -1e-12).all()
    else:
        assert result["overall"] == dict.fromkeys(("n", "miou", "acc25", "acc50", "ap", "ap50", "ap25"), 0)


@settings(max_examples=25, deadline=None)
@given(SCENES)
def test_each_group_is_a_metric_of_its_own(scenes):
    result = filled(scenes).compute()
    clicks = [c for scene in scenes for c in scene]
    groups = {f"distance_{d}": [c[2] == d for c in clicks] for d in (0.0, 0.1, 0.3, 1.0)}
    groups = {name: chosen for name, chosen in groups.items() if any(chosen)}
    if clicks:
        groups |= {"things": [c[3] for c in clicks], "others": [not c[3] for c in clicks]}
    assert {k for k in result if k not in ("protocol", "overall")} == set(groups)
    for name, chosen in groups.items():
        own = [c for c, kept in zip(clicks, chosen) if kept]
        assert result[name] == filled([own]).compute()["overall"]
        assert flatten(result)[f"{name}/n"] == len(own)


def test_groups_that_nobody_spoke_of_are_not_there():
    metric = InteractiveMetric("scannet")
    metric.update(np.ones(2), np.ones(2), "s")
    assert set(metric.compute()) == {"protocol", "overall"}
    assert InteractiveMetric("scannet", distances=(0.2, 1)).distances == (0.2, 1.0)
    with pytest.raises(InputError, match=r"0 to 1, got 1\.5"):
        InteractiveMetric("scannet", distances=(0.5, 1.5))


@settings(max_examples=20, deadline=None)
@given(SCENES, st.integers(1, 3), st.randoms(use_true_random=False))
def test_any_number_of_processes_counts_each_scene_once(scenes, world, random):
    whole = filled(scenes)
    parts = [InteractiveMetric() for _ in range(world)]
    for scene_id, record in whole.state().items():
        for part in random.sample(parts, random.randint(1, world)):
            part.records[scene_id] = record
    random.shuffle(parts)
    merged = InteractiveMetric().merge(*(pickle.loads(pickle.dumps(p.state())) for p in parts))
    assert merged.compute() == whole.compute()


def test_thresholds():
    assert THRESHOLDS[0] == 0.5  # strict: exactly one half is no hit
    assert THRESHOLDS[-1] == pytest.approx(0.95)
    assert len(THRESHOLDS) == 10
    clicks = InteractiveMetric("scannet")
    clicks.update(np.array([0.5, 0.25]), np.array([0.3, 0.7]), "s")
    assert clicks.compute()["overall"] == {
        "n": 2, "miou": 0.375, "acc25": 0.5, "acc50": 0.0, "ap": 0.0, "ap50": 0.0, "ap25": 0.25,
    }  # fmt: skip


def test_a_sure_mistake_costs_more_than_an_unsure_one():
    right = np.array([[True], [False]])
    assert all_point_ap(right) == [0.5]
    assert all_point_ap(right[::-1]) == [0.25]
    np.testing.assert_array_equal(all_point_ap(np.zeros((0, 3), bool)), np.zeros(3))


def test_protocols_say_what_they_want():
    assert [(r.voted, r.oracle) for r in CLICK_PROTOCOLS.values()] == [(False, False), (True, True)]
    with pytest.raises(InputError, match="scannet, uniseg3d, got 'scannet200'"):
        InteractiveMetric("scannet200")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scores": np.zeros(3)}, "2 scores"),
        ({"scores": np.array([0.0, np.inf])}, "finite scores, got inf"),
        ({"distances": [0.1]}, "2 distances"),
        ({"things": [True]}, "2 things"),
        ({"distances": [0.1, 1.5]}, "shares 0..1 of an object, got 1.5"),
    ],
)
def test_bad_input(wrong, message):
    given_ = {"iou": np.zeros(2), "scores": np.zeros(2)} | wrong
    metric = InteractiveMetric()
    with pytest.raises(InputError, match=message):
        metric.update(scene_id="s", **given_)
    assert metric.state() == {}
