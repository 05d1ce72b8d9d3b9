"""Names asked of models that play a part, and of the real systems at a tiny size."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.answers import Objects
from saymask.errors import InputError
from saymask.evaluation.tasks import find as evaluate_find
from saymask.evaluation.tasks.find import FIND_PROTOCOLS, TOP_PAIRS, find_labels, find_metric, measure_find
from saymask.hub import registry
from saymask.hub.verbs import presets_for
from saymask.labels.tables import scannet200
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.find import FindMetric
from saymask.metrics.open_vocabulary import OpenVocabularyMetric
from saymask.scan import Scan
from tests.models.lground import test_model as test_lground
from tests.models.uniseg3d import test_model as test_uniseg3d

NAMES = [c.name for c in scannet200()]
THINGS = get_benchmark("scannet200").things


@dataclass
class Namer:
    """Has K masks over superpoints and a relevance of each name for each of them; notes what it is asked."""

    masks: np.ndarray  # bool [K, S]
    fits: np.ndarray  # float32 [K, 200]
    index: np.ndarray
    has_proposals: bool = True
    held_out: tuple[str, ...] = ()
    system = "namer"

    def __post_init__(self):
        self.asked = []

    def find(self, encoded, names, *, threshold=None):
        assert torch.is_inference_mode_enabled()
        self.asked.append((list(names), threshold))
        fits = self.fits[:, [NAMES.index(n) for n in names]]
        mask, name = np.nonzero(~(fits < (0.5 if threshold is None else threshold)))
        order = np.argsort(-fits[mask, name], kind="stable")
        mask, name = mask[order], name[order]
        return Objects(self.masks[mask], fits[mask, name], name, self.index, tuple(names), tuple(range(len(names))))


def random_scan(seed, n=1200, superpoints=15):
    """A scan whose superpoints have a class and an object each, of which some are ragged."""
    rng = np.random.RandomState(seed)
    index = rng.randint(0, superpoints, n)
    classes = np.append(rng.choice(200, superpoints - 1), -1)[index]
    classes[rng.rand(n) < 0.1] = rng.choice(200)
    labels = {"semantic200": classes.astype(np.int16), "instance": (index // 2).astype(np.int32)}
    labels["semantic20"] = rng.choice([-1, 0, 3], n).astype(np.int16)
    points = rng.rand(n, 3).astype(np.float32)
    return Scan(points, np.zeros((n, 3), np.uint8), labels=labels, name=f"s{seed}"), index


def random_model(seed, index, masks=12, **config):
    rng = np.random.RandomState(seed)
    rows = int(index.max()) + 1
    # Coarse numbers, so that there are equal ones.
    fits = np.round(rng.rand(masks, 200), 2).astype(np.float32)
    return Namer(rng.rand(masks, rows) < 0.3, fits, index, **config)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_names_of_a_scan(seed):
    scan, index = random_scan(seed)
    model = random_model(seed, index, held_out=("chair", "lamp"))
    metric = FindMetric()
    assert measure_find(model, None, scan, metric) == 0
    there = sorted(set(scan.labels["semantic200"].tolist()) - {-1})
    assert [n for names, _ in model.asked for n in names] == [NAMES[i] for i in there]
    assert {t for _, t in model.asked} == {None}
    record = metric.records[scan.name]
    assert record.classes.tolist() == there
    assert record.held_out.tolist() == [NAMES[i] in ("chair", "lamp") for i in there]
    for row, name in enumerate(there):
        with torch.inference_mode():
            alone = replace(model).find(None, [NAMES[name]])
        answer, truth = alone.masks.any(0)[index], scan.labels["semantic200"] == name
        assert record.iou[row] == np.count_nonzero(answer & truth) / np.count_nonzero(answer | truth)


def test_a_model_that_knows_the_words_is_right_and_one_that_does_not_is_chance():
    scan, index = random_scan(5)
    scan.labels["semantic200"][:] = np.append(np.arange(14), -1)[index]
    own = np.eye(15, dtype=bool)
    knowing = np.zeros((15, 200), np.float32)
    knowing[np.arange(14), np.arange(14)] = 1
    deaf = np.zeros((15, 200), np.float32)
    deaf[:3] = 1
    results = []
    for fits in (knowing, deaf):
        metric = FindMetric()
        measure_find(Namer(own, fits, index), None, scan, metric)
        results.append(metric.compute()["overall"])
    assert results[0] == {"n": 14, "miou": 1.0, "acc25": 1.0, "acc50": 1.0, "answered": 1.0, "chance": 0.0}
    assert results[1]["ratio"] == pytest.approx(1.0)
    assert results[1]["miou"] > 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 7, 198]))
def test_published_average_precision_is_that_of_the_best_pairs(seed, at_once):
    scan, index = random_scan(seed, n=4500)
    model = random_model(seed, index)
    model.masks[:8] = np.eye(15, dtype=bool)[:8]
    for row in range(8):
        model.fits[row, np.bincount(scan.labels["semantic200"][index == row]).argmax()] = 0.95
    metric = find_metric("uniseg3d")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_find, "NAMES_AT_ONCE", at_once)
        assert measure_find(model, None, scan, metric) == 0
    assert {t for _, t in model.asked} == {0.0}
    assert [n for names, _ in model.asked for n in names] == [c.name for c in THINGS]
    pairs = [(-model.fits[k, NAMES.index(c.name)], c.id, k) for k in range(len(model.masks)) for c in THINGS]
    best = sorted(pairs)[:TOP_PAIRS]
    assert len(best) == 600 < len(pairs)
    expected = OpenVocabularyMetric("uniseg3d")
    masks, labels = np.stack([model.masks[k] for _, _, k in best]), np.array([i for _, i, _ in best])
    true = get_benchmark("scannet200").true_instances(scan.labels)
    expected.update(masks, labels, np.ones(600), true, scan.name, index=index)
    assert metric.compute() == expected.compute()
    assert metric.compute()["overall"]["ap25"] > 0


def test_named_objects_have_full_average_precision():
    scan, index = random_scan(0, n=4000, superpoints=8)
    kinds = np.array([0, 1, 3, 5, 9, 50, 120, 180])  # a wall and seven things
    scan = replace(scan, labels={"semantic200": kinds[index].astype(np.int16), "instance": index.astype(np.int32)})
    fits = np.zeros((8, 200), np.float32)
    fits[np.arange(8), kinds] = 0.9
    metric = find_metric("uniseg3d")
    model = Namer(np.eye(8, dtype=bool), fits, index, has_proposals=False)  # asked at its own threshold
    measure_find(model, None, scan, metric)
    assert {t for _, t in model.asked} == {None}
    result = metric.compute()
    assert (result["overall"]["n"], result["overall"]["ap"], result["overall"]["ap25"]) == (7, 1.0, 1.0)
    assert result["base"]["n"] + result["novel"]["n"] == 7


def test_what_is_no_number_is_left_out():
    scan, index = random_scan(2)
    for protocol in FIND_PROTOCOLS[::2]:
        model = random_model(2, index, masks=3)
        there = [n for n in set(scan.labels["semantic200"].tolist()) if n > 3]
        model.fits[1, there[0]] = np.nan
        model.fits[1, 1:] = np.where(np.isnan(model.fits[1, 1:]), np.nan, 0.0)
        metric, other = find_metric(protocol), find_metric(protocol)
        assert measure_find(model, None, scan, metric) == 1
        model.fits[1, there[0]] = -1.0
        assert measure_find(model, None, scan, other) == 0
        assert metric.compute() == other.compute()


def test_labels():
    assert [find_labels(p) for p in FIND_PROTOCOLS] == [("semantic200",), ("semantic20",), ("semantic200", "instance")]
    scan, index = random_scan(1)
    model = random_model(1, index)
    for protocol in FIND_PROTOCOLS:
        for missing in find_labels(protocol):
            labels = {k: v for k, v in scan.labels.items() if k != missing}
            with pytest.raises(InputError, match=f"labels '{missing}'"):
                measure_find(model, None, replace(scan, labels=labels), find_metric(protocol))
    assert model.asked == []
    scan.labels["semantic200"][:] = -1
    metric = FindMetric()
    assert measure_find(model, None, scan, metric) == 0
    assert (metric.state(), model.asked) == ({}, [])
    with pytest.raises(InputError, match="expected one of scannet200, scannet, uniseg3d, got 'less'"):
        find_metric("less")


def real(system, tmp_path, monkeypatch):
    """Return a tiny model with random weights and a scan with all labels, encoded without them."""
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))
    if system in ("uniseg3d", "vocabulary"):
        model = test_uniseg3d.tiny(vocabulary_weight=0.1 * (system == "vocabulary"), held_out=("chair",))
    else:
        model = test_lground.tiny("all" if system == "lground" else system)
        if model.lift is not None:  # random features may be unlike all words
            model.lift.bias.data = model.anchors[0] + model.anchors[9]
    scan = replace(test_uniseg3d.scan_of(), name="room")
    scan.labels["semantic200"] = test_lground.scan_of(0, len(scan)).labels["semantic200"]
    encoded = model.encode_batch(model.collate([model.prepare(replace(scan, labels={}))]))
    return model, scan, encoded


def test_systems_that_find_are_all_tested():
    assert {registry.preset(name).system for name in presets_for("find")} == {"uniseg3d", "lground"}


@pytest.mark.parametrize("system", ["uniseg3d", "vocabulary", "lground", "projected", "voxels"])
def test_names_asked_together_are_names_asked_alone(system, tmp_path, monkeypatch):
    model, _, encoded = real(system, tmp_path, monkeypatch)
    best = np.argsort(model.find(encoded, NAMES, threshold=1.0).best)
    names = [*(NAMES[i] for i in best[-4:]), "potted plant or vase", "exit sign"]
    for threshold in (None, 0.1):
        together = model.find(encoded, names, threshold=threshold)
        assert threshold is None or len(set(together.classes)) >= 3
        for number, name in enumerate(names):
            alone = model.find(encoded, [name], threshold=threshold)
            own = together.classes == number
            # Scores that are equal but for the last digit may change places.
            assert sorted(m.tobytes() for m in together.masks[own]) == sorted(m.tobytes() for m in alone.masks)
            np.testing.assert_allclose(together.scores[own], alone.scores, atol=1e-5)


@pytest.mark.parametrize("system", ["uniseg3d", "vocabulary", "lground"])
@pytest.mark.parametrize("protocol", FIND_PROTOCOLS)
def test_a_system_from_scan_to_numbers(system, protocol, tmp_path, monkeypatch):
    model, scan, encoded = real(system, tmp_path, monkeypatch)
    metric = find_metric(protocol)
    assert measure_find(model, encoded, scan, metric) == 0
    overall = metric.compute()["overall"]
    assert overall["n"] == {"scannet200": 5, "scannet": 5, "uniseg3d": 3}[protocol]
    if protocol != "uniseg3d":
        truth = scan.labels[metric.protocol.label]
        there = sorted(set(truth.tolist()) - {-1})
        held = [system != "lground" and metric.protocol.classes[name].name == "chair" for name in there]
        assert metric.records["room"].held_out.tolist() == held
        for row, name in enumerate(there):
            found = model.find(encoded, [metric.protocol.classes[name].name])
            answer = np.append(found.masks.any(0), False)[found.index]
            expected = np.count_nonzero(answer & (truth == name)) / np.count_nonzero(answer | (truth == name))
            assert metric.records["room"].iou[row] == pytest.approx(expected)
