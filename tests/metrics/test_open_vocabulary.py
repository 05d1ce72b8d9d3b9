import doctest
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.speed.plain_scores import make_scene
from saymask.errors import InputError
from saymask.labels.tables import scannet200
from saymask.metrics import open_vocabulary
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.instance import AP50, InstanceMetric
from saymask.metrics.open_vocabulary import (
    GROUPS,
    OpenVocabularyMetric,
    class_ids,
    evaluator_codes,
    group_members,
    scannet_codes,
)

FACTS = Path(__file__).parents[2] / "../shared/golden/uniseg3d/scannet200_instance_classes.json"
THINGS = get_benchmark("scannet200").things


def filled(scenes, metric):
    for number, s in enumerate(scenes):
        metric.update(s.masks, s.labels, s.scores, s.truth, f"scene{number}")
    return metric


def test_doctest():
    assert doctest.testmod(open_vocabulary).failed == 0


def test_sizes_of_the_groups():
    groups = group_members()
    assert {g: int(groups[g].sum()) for g in GROUPS} == {
        "overall": 198, "head": 64, "common": 65, "tail": 58, "base": 51, "novel": 147,
    }  # fmt: skip
    assert not (groups["head"] & groups["common"]).any()
    named = {c.name: row for row, c in enumerate(THINGS)}
    assert groups["base"][[named[n] for n in ("chair", "office chair", "couch", "bathtub")]].all()
    assert groups["novel"][[named[n] for n in ("pillow", "bicycle", "guitar")]].all()
    assert not any(groups[g][named["bicycle"]] for g in ("head", "common", "tail"))  # in training scenes only


@pytest.mark.skipif(not FACTS.exists(), reason="the golden cases are not there")
def test_classes_are_those_of_the_published_evaluation():
    facts, groups = json.loads(FACTS.read_text(encoding="utf-8")), group_members()
    assert [(c["id"], c["name"]) for c in facts] == [(c.id, c.name) for c in THINGS]
    for row, fact in enumerate(facts):
        assert groups["base"][row] == fact["base"] != groups["novel"][row]
        for group in ("head", "common", "tail"):
            assert groups[group][row] == (fact["group"] == group and fact["in_validation"])


@settings(max_examples=30, deadline=None)
@example([(-1, 0), (0, 0), (1, 5), (2, 0), (3, 0), (199, 900), (9, -1)])
@given(st.lists(st.tuples(st.integers(-100, 199), st.integers(-100, 900)), max_size=40))
def test_codes_of_the_evaluator(pairs):
    classes, instances = np.array(pairs, np.int16).reshape(-1, 2).T
    codes = evaluator_codes(classes, instances)
    ids = {number: c.id for number, c in enumerate(THINGS, start=2)}
    for (c, i), code, ours in zip(pairs, codes, scannet_codes(codes), strict=True):
        assert code == ((c - 1) * 1000 + i + 1 if c >= 2 and i >= 0 else 0)
        assert ours == (ids[c] * 1000 + i + 1 if code else 0)


def test_numbers_and_ids_give_the_same():
    scenes = [make_scene(4000, 9, 30, seed) for seed in range(2)]
    indices = {c.id: c.index for c in scannet200()}
    a, b = filled(scenes, OpenVocabularyMetric("scannet200")), OpenVocabularyMetric("scannet200")
    for number, s in enumerate(scenes):
        classes = np.array([indices.get(c, -1) for c in s.truth // 1000])
        truth = evaluator_codes(classes, np.where(s.truth > 0, s.truth % 1000 - 1, -1))
        labels = np.array([indices[c] for c in s.labels]) - 2
        np.testing.assert_array_equal(class_ids(labels), s.labels)
        b.update(s.masks, labels, s.scores, truth, f"scene{number}", numbers=True)
    assert a.compute() == b.compute()
    assert 0 < a.compute()["overall"]["ap"] < a.compute()["overall"]["recall"] < 1
    assert a.compute()["overall"]["ap"] == filled(scenes, InstanceMetric()).compute()["overall"]["ap"]


def test_the_published_protocol_forgets_the_scores():
    scene = make_scene(4000, 9, 30, 4)
    result = filled([scene], OpenVocabularyMetric()).compute()
    truth = (scene.masks, scene.labels)
    for scores in (np.ones(30), np.arange(30.0), -np.arange(30.0)):
        metric = OpenVocabularyMetric()
        metric.update(*truth, scores, scene.truth, "scene0")
        assert metric.compute() == result
    assert result["protocol"] == "uniseg3d"
    given_ = filled([scene], OpenVocabularyMetric("scannet200")).compute()
    assert given_["protocol"] == "scannet200"
    assert given_["overall"]["ap"] != result["overall"]["ap"]
    assert given_["overall"]["recall"] == result["overall"]["recall"]


def test_each_group_is_the_mean_of_its_classes():
    metric = filled([make_scene(6000, 30, 80, seed) for seed in range(2)], OpenVocabularyMetric())
    result = metric.compute()
    for group, rows in group_members().items():
        names = [c.name for c, inside in zip(THINGS, rows, strict=True) if inside and c.name in result["ap"]]
        assert result[group]["n"] == len(names)
        for key in ("ap", "ap50", "ap25", "recall"):
            mean = np.mean([result[key][n] for n in names]) if names else 0.0
            assert result[group][key] == pytest.approx(mean, abs=1e-12)
    assert result["base"]["n"] + result["novel"]["n"] == result["overall"]["n"] > 0


def test_where_f1_is_highest():
    truth = np.repeat([4001, 4002, 4003, 0], 150)
    wrong = np.arange(600) % 5 == 0  # on everything, a little
    masks = np.stack([truth == 4001, truth == 4002, wrong, truth == 4003])
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    metric = InstanceMetric("scannet200")
    metric.update(masks[:3], np.full(3, 4), scores[:3], truth, "s")
    best = metric.best_f1()
    assert best["precision50"] == {"table": 1.0}
    assert best["recall50"] == {"table": pytest.approx(2 / 3)}
    assert best["overall"] == {"precision50": 1.0, "recall50": pytest.approx(2 / 3)}
    # Below the wrong mask lies another right one: worth it.
    more = InstanceMetric("scannet200")
    more.update(masks, np.full(4, 4), scores, truth, "s")
    assert more.best_f1()["precision50"] == {"table": 0.75}
    assert more.best_f1()["recall50"] == {"table": 1.0}


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_best_f1_is_the_best_of_all_cuts(seed):
    """Masks of equal score give one point: precision and recall of those above a score, at 0.5 each for itself."""
    scene = make_scene(1500, 5, 25, seed)

    def point(chosen, scores):
        metric = InstanceMetric(min_region=10)
        metric.update(scene.masks[chosen], scene.labels[chosen], scores, scene.truth, "s")
        curves = metric.curves()
        p, r = curves.precision[:, AP50], curves.recall[:, AP50]
        return 2 * p * r / (p + r + 1e-4), curves.max_recall[:, AP50]

    best, most_recall = point(scene.scores >= 0, scene.scores)
    cuts = [point(scene.scores >= s, np.ones(np.count_nonzero(scene.scores >= s))) for s in np.unique(scene.scores)]
    np.testing.assert_allclose(best, np.max([f1 for f1, _ in cuts], axis=0), atol=1e-12)
    np.testing.assert_array_equal(most_recall, cuts[0][1])


def test_a_class_without_a_mask_is_found_nowhere():
    metric = InstanceMetric("scannet")
    metric.update(np.zeros((0, 200), bool), np.zeros(0, int), np.zeros(0), np.full(200, 5001), "s")
    assert metric.best_f1() == {
        "protocol": "scannet",
        "overall": {"precision50": 0.0, "recall50": 0.0},
        "precision50": {"chair": 0.0},
        "recall50": {"chair": 0.0},
    }
    assert InstanceMetric("scannet").best_f1()["overall"] == {"precision50": 0.0, "recall50": 0.0}


def test_bad_input():
    masks, truth = np.ones((1, 4), bool), np.full(4, 1001)
    for label in (-1, 198):
        with pytest.raises(InputError, match=r"0\.\.197"):
            OpenVocabularyMetric().update(masks, np.array([label]), np.ones(1), truth, "s", numbers=True)
    with pytest.raises(InputError, match=r"0\.\.197"):
        scannet_codes(np.array([199_000]))
    with pytest.raises(InputError, match="finite scores"):
        OpenVocabularyMetric().update(masks, np.array([2]), np.array([np.nan]), truth, "s")
    with pytest.raises(InputError, match="uniseg3d, scannet200"):
        OpenVocabularyMetric("scannet")
    with pytest.raises(InputError, match="below 999"):
        evaluator_codes(np.array([5]), np.array([999]))
    with pytest.raises(InputError, match="a class and an instance"):
        evaluator_codes(np.zeros(3, int), np.zeros(4, int))
