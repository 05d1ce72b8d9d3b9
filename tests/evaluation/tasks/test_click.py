"""Clicks on the true objects of scans, against a loop over the clicks and points."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.answers import Prediction
from saymask.errors import InputError
from saymask.evaluation.tasks.click import CLICK_LABELS, clicks_on, measure_clicks, targets
from saymask.metrics.clicks import agile_clicks, relative_clicks
from saymask.metrics.interactive import InteractiveMetric
from saymask.models.base import Model
from saymask.scan import Scan
from tests.models.uniseg3d.test_model import scan_of, tiny

SEEDS = st.integers(0, 2**32 - 1)


@dataclass
class Scribe:
    """Answers each point with a mask, a score and class probabilities that only this point decides; notes the calls."""

    index: np.ndarray
    logits: np.ndarray  # float [N, S]: the answer to a click on each point
    scores: np.ndarray  # float [N]
    classes: np.ndarray | None = None  # float [N, 18]
    system = "scribe"

    def __post_init__(self):
        self.asked = []

    def click_classes(self, encoded, points):
        return Model.click_classes(self, encoded, points) if self.classes is None else self.classes[points]

    def click(self, encoded, points):
        assert torch.is_inference_mode_enabled()
        assert points.dtype == np.int64
        assert len(points) == len(set(points.tolist())) > 0
        self.asked.append(points.tolist())
        answer = torch.from_numpy(self.logits[points]), torch.from_numpy(self.scores[points])
        return Prediction(*answer, self.index)


def random_scan(seed, objects=5, n=60):
    """Points whose labels have nothing to do with each other: everything that labels can be."""
    rng = np.random.RandomState(seed)
    labels = {
        "instance": rng.choice([-1, 3, 4, 9, 12, 30], n, p=[0.3, *[0.7 / 5] * 5]) if objects else np.full(n, -1),
        "semantic20": rng.choice([-1, 0, 1, 2, 7, 19], n).astype(np.int16),
    }
    return Scan(
        points=rng.rand(n, 3).astype(np.float32), colors=np.zeros((n, 3), np.uint8), labels=labels, name=f"s{seed}",
        superpoints=rng.randint(0, 12, n).astype(np.int32) * 2,
    )  # fmt: skip


def random_model(scan, seed, rows=12, classes=True):
    rng = np.random.RandomState(seed)
    n = len(scan)
    probabilities = rng.dirichlet(np.ones(19), n)[:, :18].astype(np.float32) if classes else None
    return Scribe(
        rng.randint(-1, rows, n), rng.randn(n, rows).astype(np.float32), rng.rand(n).astype(np.float32), probabilities
    )


def plain_objects(scan, voted):
    """Return (points that may be clicked, points compared with, class or None) of each object, from the description.

    Source: docs/systems/uniseg3d.md §2.6.
    """
    semantic, instance = scan.labels["semantic20"], scan.labels["instance"]
    out = []
    for number in sorted(set(instance[instance >= 0].tolist())):
        own = instance == number
        if not voted:
            kinds = semantic[own]
            thing = np.count_nonzero(kinds >= 2) * 2 > len(kinds)
            out.append((own, own, thing))
            continue
        own &= semantic >= 2
        if not own.any():
            continue
        mask = np.zeros(len(scan), bool)
        for superpoint in set(scan.superpoints.tolist()):
            inside = scan.superpoints == superpoint
            mask |= inside & (own[inside].mean() > 0.5)
        out.append((own, mask, int(semantic[np.flatnonzero(own)[0]]) - 2))
    return out


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from(["scannet", "uniseg3d"]), st.sampled_from([(), (0.3,), (0.0, 0.5, 1.0)]))
def test_equals_the_loop_over_clicks(seed, protocol, distances):
    scan = random_scan(seed)
    model = random_model(scan, seed)
    metric = InteractiveMetric(protocol, distances=distances)
    assert measure_clicks(model, None, scan, metric) == 0
    objects = plain_objects(scan, protocol == "uniseg3d")
    dense = np.full(len(scan), -1, np.int64)
    for number, (own, _, _) in enumerate(objects):
        dense[own] = number
    clicks = [(r, *pair) for r in distances for pair in zip(*relative_clicks(scan.points, dense, r))]
    clicks = clicks or [(np.nan, *pair) for pair in zip(*agile_clicks(scan.points, dense))]
    record = metric.records[scan.name]
    assert len(record.iou) == len(clicks)
    assert len(model.asked) == (1 if clicks else 0)
    for row, (distance, point, number) in enumerate(clicks):
        _, truth, kind = objects[number]
        mask = np.array([s >= 0 and model.logits[point, s] > 0 for s in model.index])
        union = np.count_nonzero(mask | truth)
        expected = np.count_nonzero(mask & truth) / (union + (1e-8 if protocol == "uniseg3d" else 0)) if union else 0.0
        assert record.iou[row] == expected
        score = model.classes[point, kind] if protocol == "uniseg3d" else model.scores[point]
        assert record.scores[row] == np.float64(score)
        assert record.distances[row] == distance or (np.isnan(distance) and np.isnan(record.distances[row]))
        assert record.kinds[row] == (-1 if protocol == "uniseg3d" else int(kind))


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_things_are_objects_of_thing_classes(seed):
    scan = random_scan(seed)
    plain, voted = targets(scan, voted=False), targets(scan, voted=True)
    assert ((plain.points >= 0) == (scan.labels["instance"] >= 0)).all()
    assert plain.compared is plain.points
    assert (voted.classes >= 0).all()  # only things are there
    assert (scan.labels["semantic20"][voted.points >= 0] >= 2).all()
    for number, kind in enumerate(plain.classes):
        kinds = scan.labels["semantic20"][plain.points == number]
        assert (kind >= 0) == (2 * np.count_nonzero(kinds >= 2) > len(kinds))
        if kind >= 0:
            assert np.count_nonzero(kinds == kind + 2) == np.bincount(kinds[kinds >= 2]).max()


def test_a_perfect_answer_has_full_marks():
    scan = scan_of()
    for protocol, voted in (("scannet", False), ("uniseg3d", True)):
        found = targets(scan, voted=voted)
        own = found.points
        logits = np.where(found.compared[None] == own[:, None], 1.0, -1.0).astype(np.float32)
        model = Scribe(np.arange(len(scan)), logits, np.full(len(scan), 0.5, np.float32), np.ones((len(scan), 18)))
        metric = InteractiveMetric(protocol)
        assert measure_clicks(model, None, scan, metric) == 0
        overall = metric.compute()["overall"]
        assert overall["n"] == 4
        assert [overall[k] for k in ("miou", "acc25", "acc50", "ap", "ap50", "ap25")] == pytest.approx([1.0] * 6)


def test_a_scan_without_objects_counts_no_click():
    scan = random_scan(0, objects=0)
    model = random_model(scan, 0)
    for protocol in ("scannet", "uniseg3d"):
        metric = InteractiveMetric(protocol)
        assert measure_clicks(model, None, scan, metric) == 0
        assert metric.compute()["overall"]["n"] == 0
        assert list(metric.records) == [scan.name]
    assert model.asked == []


def test_distances_are_groups():
    scan, seed, distances = random_scan(3), 3, (0.1, 0.6, 1.0)
    together = InteractiveMetric("scannet", distances=distances)
    measure_clicks(random_model(scan, seed), None, scan, together)
    result = together.compute()
    assert [k for k in result if k.startswith("distance")] == ["distance_0.1", "distance_0.6", "distance_1.0"]
    for distance in distances:
        alone = InteractiveMetric("scannet", distances=(distance,))
        measure_clicks(random_model(scan, seed), None, scan, alone)
        assert result[f"distance_{distance}"] == alone.compute()["overall"]
    assert result["overall"]["n"] == sum(result[f"distance_{d}"]["n"] for d in distances)
    assert (
        clicks_on(scan.points, targets(scan, voted=False), ())[2].tolist() == [pytest.approx(np.nan, nan_ok=True)] * 5
    )


def test_things_and_others_are_all():
    scan = random_scan(8)
    metric = InteractiveMetric("scannet")
    measure_clicks(random_model(scan, 8), None, scan, metric)
    result = metric.compute()
    things, others = result["things"], result["others"]
    assert things["n"] > 0 < others["n"]
    assert things["n"] + others["n"] == result["overall"]["n"] == 5
    total = things["miou"] * things["n"] + others["miou"] * others["n"]
    assert total / 5 == pytest.approx(result["overall"]["miou"])
    published = InteractiveMetric("uniseg3d")
    measure_clicks(random_model(scan, 8), None, scan, published)
    assert set(published.compute()) == {"protocol", "overall"}  # all of them are things


def test_what_is_no_number_is_counted_as_nothing():
    scan = random_scan(1)
    points = np.sort(agile_clicks(scan.points, targets(scan, voted=False).points)[0])
    for protocol in ("scannet", "uniseg3d"):
        model = random_model(scan, 1)
        model.logits[points[0], 3] = np.nan
        model.scores[points[1]] = model.classes[points[1]] = np.inf
        metric = InteractiveMetric(protocol)
        wrong = measure_clicks(model, None, scan, metric)
        record = metric.records[scan.name]
        lost = record.scores == -1
        assert wrong == np.count_nonzero(lost)
        assert record.iou[lost].tolist() == [0.0] * wrong
        assert wrong == 2 or protocol == "uniseg3d"
        assert np.isfinite(metric.compute()["overall"]["ap"])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=4, unique=True), st.randoms(use_true_random=False))
def test_any_order_of_processes_gives_the_same(seeds, random):
    whole, parts = InteractiveMetric("scannet", distances=(0.2, 0.9)), []
    for seed in seeds:
        scan = random_scan(seed)
        part = InteractiveMetric("scannet", distances=(0.2, 0.9))
        for metric in (whole, part):
            measure_clicks(random_model(scan, seed), None, scan, metric)
        parts.append(pickle.loads(pickle.dumps(part.state())))
    random.shuffle(parts)
    assert InteractiveMetric("scannet").merge(*parts, *parts).compute() == whole.compute()


def test_bad_input():
    scan = random_scan(0)
    model = random_model(scan, 0, classes=False)
    with pytest.raises(InputError, match=r"click_classes.*got scribe; use protocol scannet"):
        measure_clicks(model, None, scan, InteractiveMetric("uniseg3d"))
    assert model.asked == []
    for missing in CLICK_LABELS:
        labels = {k: v for k, v in scan.labels.items() if k != missing}
        with pytest.raises(InputError, match="s0: expected labels semantic20"):
            measure_clicks(model, None, replace(scan, labels=labels), InteractiveMetric("scannet"))
    model.index = model.index[:-1]
    with pytest.raises(InputError, match=r"s0: masks: expected an index int \[60\]"):
        measure_clicks(model, None, scan, InteractiveMetric("scannet"))


def test_nyu40_says_which_objects_are_things():
    scan = scan_of()
    nyu40 = np.array([0, 1, 2, *range(3, 13), 14, 16, 24, 28, 33, 34, 36, 39])[scan.labels["semantic20"] + 1]
    labels = {"instance": scan.labels["instance"], "nyu40": nyu40.astype(np.uint8)}
    for voted in (False, True):
        a, b = targets(scan, voted=voted), targets(replace(scan, labels=labels), voted=voted)
        for name in ("points", "compared", "classes"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_model_from_scan_to_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))
    model, scan = tiny(), scan_of()
    encoded = model.encode_batch(model.collate([model.prepare(replace(scan, labels={}))]))
    for protocol in ("scannet", "uniseg3d"):
        metric = InteractiveMetric(protocol)
        assert measure_clicks(model, encoded, scan, metric) == 0
        found = targets(scan, voted=protocol == "uniseg3d")
        places, owners, _ = clicks_on(scan.points, found, ())
        record = metric.records[scan.name]
        for row, (point, owner) in enumerate(zip(places, owners)):
            alone = model.click(encoded, np.array([point]))
            mask, truth = (alone.logits[0] > 0).numpy()[alone.index], found.compared == owner
            assert record.iou[row] == pytest.approx(np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth))
            sure = model.click_classes(encoded, np.array([point]))[0, found.classes[owner]]
            score = sure if protocol == "uniseg3d" else float(alone.scores[0])
            assert record.scores[row] == pytest.approx(score, abs=1e-5)
