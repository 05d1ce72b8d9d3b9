"""The metric of names, against a loop over pairs of scan and name."""

import doctest
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.labels.tables import scannet20, scannet200
from saymask.metrics import find
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.find import FindMetric, names_in
from saymask.metrics.records import flatten

NAMES = [c.name for c in scannet200()]
BASE = {c.name for c in scannet20()}
SEEDS = st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True)
HELD_OUT = ("Lamp", NAMES[7])


def scene(seed, points=40):
    """Return masks over rows, their names, the truth and the index of a scene; some names are not in it."""
    rng = np.random.RandomState(seed)
    kinds = np.append(rng.choice(200, rng.randint(1, 6), replace=False), [-1])
    truth = rng.choice(kinds, points)
    index = rng.randint(-1, 9, points)
    count = rng.randint(0, 8)
    return rng.rand(count, 9) < 0.4, rng.choice([*kinds[:-1], 3, 150], count), truth, index


def filled(seeds, held_out=()):
    metric = FindMetric()
    for seed in seeds:
        masks, names, truth, index = scene(seed)
        metric.update(masks, names, truth, f"scene{seed}", index=index, held_out=held_out)
    return metric


def overlap(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def plain(seeds):
    """Return (name, IoU, IoU with each other name, answered) of each pair, by the words of the definition."""
    pairs = []
    for seed in sorted(seeds, key=lambda s: f"scene{s}"):
        masks, names, truth, index = scene(seed)
        bits = np.array([[s >= 0 and row[s] for s in index] for row in masks]).reshape(len(masks), len(truth))
        there = sorted(set(truth.tolist()) - {-1})
        for name in there:
            answer = bits[names == name].any(0)
            others = [overlap(answer, truth == other) for other in there if other != name]
            pairs.append((NAMES[name], overlap(answer, truth == name), others, bool((names == name).any())))
    return pairs


def summary(pairs):
    iou = [p[1] for p in pairs]
    others = [o for p in pairs for o in p[2]]
    out = {"n": len(pairs), "miou": float(np.mean(iou)) if iou else 0.0}
    out |= {f"acc{round(100 * t)}": float(np.mean(np.array(iou) > t)) if iou else 0.0 for t in (0.25, 0.5)}
    out["chance"] = float(np.mean(others)) if others else 0.0
    return out | ({"ratio": out["miou"] / out["chance"]} if out["chance"] else {})


def test_doctest():
    assert doctest.testmod(find).failed == 0


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_equals_the_loop_over_pairs(seeds):
    pairs, result = plain(seeds), filled(seeds, HELD_OUT).compute()
    groups = {
        "overall": pairs,
        "base": [p for p in pairs if p[0] in BASE],
        "other": [p for p in pairs if p[0] not in BASE],
        "held-out": [p for p in pairs if p[0] in ("lamp", NAMES[7])],
    }
    if not groups["held-out"]:
        assert "held-out" not in result
        del groups["held-out"]
    for group, own in groups.items():
        got = dict(result[group])
        answered = got.pop("answered")
        assert got == pytest.approx(summary(own), abs=1e-12)
        # A mask may cover nothing.
        assert answered <= (np.mean([p[3] for p in own]) if own else 0)
    assert result["base"]["n"] + result["other"]["n"] == result["overall"]["n"]
    named = {name: np.mean([p[1] for p in pairs if p[0] == name]) for name in {p[0] for p in pairs}}
    assert result["iou"] == pytest.approx(named, abs=1e-12)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert flatten(result)["overall/miou"] == result["overall"]["miou"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_an_answer_that_does_not_depend_on_the_word_is_chance(seed):
    masks, _, truth, index = scene(seed)
    there = names_in(truth)
    same = np.repeat(masks[:1] if len(masks) else np.ones((1, 9), bool), len(there), axis=0)
    metric = FindMetric()
    metric.update(same, there, truth, "s", index=index)
    result = metric.compute()["overall"]
    if result["chance"] and len(there) > 1:
        assert result["ratio"] == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.randoms(use_true_random=False))
def test_any_order_of_processes_gives_the_same(seeds, random):
    whole = filled(seeds, HELD_OUT)
    parts = [pickle.loads(pickle.dumps(filled([seed], HELD_OUT).state())) for seed in seeds]
    random.shuffle(parts)
    assert FindMetric().merge(*parts, *parts).compute() == whole.compute()


def test_right_answers_have_no_chance():
    truth = np.repeat([0, 5, 9], 4)
    metric = FindMetric()
    metric.update(truth == np.array([[0], [5], [9]]), np.array([0, 5, 9]), truth, "s")
    overall = metric.compute()["overall"]
    assert overall == {"n": 3, "miou": 1.0, "acc25": 1.0, "acc50": 1.0, "answered": 1.0, "chance": 0.0}
    empty = FindMetric()
    empty.update(np.zeros((0, 12), bool), np.zeros(0, int), truth, "s")
    overall = empty.compute()["overall"]
    assert overall == {"n": 3, "miou": 0.0, "acc25": 0.0, "acc50": 0.0, "answered": 0.0, "chance": 0.0}
    assert FindMetric().compute()["overall"]["n"] == 0


def test_several_masks_of_a_name_are_one():
    truth = np.repeat([4, 8], [6, 2])
    parts = np.array([[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0, 0]], bool)
    metric = FindMetric()
    metric.update(parts, np.array([4, 4]), truth, "s")
    assert metric.compute()["iou"] == {NAMES[4]: 1.0, NAMES[8]: 0.0}


def test_names_of_the_other_benchmark():
    metric = FindMetric("scannet")
    metric.update(np.ones((1, 3), bool), np.array([19]), np.full(3, 19), "s")
    assert metric.compute()["iou"] == {"otherfurniture": 1.0}
    assert get_benchmark("scannet").label == "semantic20"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"masks": np.ones((2, 4), bool)}, r"bits bool \[1, N\] for as many names, got bool \[2, 4\]"),
        ({"masks": np.ones((1, 3), bool)}, "s: masks: expected bits over 4 points, got 3"),
        ({"masks": np.ones((1, 4))}, "got float64"),
        ({"names": np.array([200])}, r"class indices -1\.\.199"),
        ({"names": np.array([1.0])}, "names as whole numbers"),
        ({"truth": np.array([0, 1, 2, 200])}, r"class indices -1\.\.199"),
        ({"truth": np.zeros(4)}, "classes as whole numbers"),
        ({"index": np.full(4, 4)}, "index must lie in"),
    ],
)
def test_bad_input(wrong, message):
    fine = {"masks": np.ones((1, 4), bool), "names": np.array([1]), "truth": np.array([0, 1, 1, -1])}
    metric = FindMetric()
    with pytest.raises(InputError, match=message):
        metric.update(**(fine | wrong), scene_id="s")
    assert metric.state() == {}
