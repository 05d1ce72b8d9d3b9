import doctest
import multiprocessing
import os
import pickle
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.annotations import Annotation
from saymask.errors import InputError
from saymask.metrics import PROTOCOLS, ReferMetric, referring
from saymask.metrics.boxes import box_iou
from saymask.metrics.records import flatten


def annotation(number, *, multiple=None, compositional=False, scene="s"):
    return Annotation(scene, (number,), number, "a chair", "a chair", multiple=multiple, compositional=compositional)


def test_doctest():
    assert doctest.testmod(referring).failed == 0


@pytest.mark.parametrize(("protocol", "expected"), [("less", 0.0), ("3dres", 0.0), ("scanrefer", 1.0)])
def test_threshold_is_strict_or_not(protocol, expected):
    metric = ReferMetric(protocol)
    metric.add(annotation(0), 1, 4)
    assert metric.compute()["overall"]["acc25"] == expected
    metric.add(annotation(1), 1, 2)
    assert metric.compute()["overall"]["acc50"] == expected / 2
    assert metric.compute()["protocol"] == protocol


def test_masks_and_logits_give_the_same():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=1000), rng.random(1000) < 0.3
    a, b = ReferMetric("scanrefer"), ReferMetric("scanrefer")
    a.update(logits, truth, annotation(0))
    b.update(logits > 0, truth, annotation(0))
    assert a.compute() == b.compute()
    inter, union = ((logits > 0) & truth).sum(), ((logits > 0) | truth).sum()
    assert a.compute()["overall"]["miou"] == inter / union


def test_empty_masks():
    metric = ReferMetric("3dres")
    nothing, something = np.zeros(10, bool), np.ones(10, bool)
    metric.update(nothing, nothing, annotation(0))
    metric.update(something, nothing, annotation(1))
    metric.update(nothing, something, annotation(2))
    assert metric.compute()["overall"] == {"n": 3, "miou": 0.0, "oiou": 0.0, "acc25": 0.0, "acc50": 0.0}
    assert ReferMetric().compute()["overall"]["n"] == 0


def test_subsets():
    metric = ReferMetric("scanrefer")
    metric.add(annotation(0, multiple=False), 1, 1)
    metric.add(annotation(1, multiple=True, compositional=True), 1, 2)
    metric.add(annotation(2, multiple=True), 0, 2)
    metric.add(annotation(3), 0, 5)
    result = metric.compute()
    assert [result[s]["n"] for s in ("overall", "unique", "multiple", "compositional")] == [4, 1, 2, 1]
    assert result["unique"]["miou"] == 1
    assert result["multiple"]["oiou"] == 0.25
    assert result["overall"]["oiou"] == 0.2
    assert flatten(result)["multiple/miou"] == 0.25
    assert "compositional" not in ReferMetric().compute()


def test_a_missing_box_adds_the_other_one_to_the_union():
    corners = np.array([[0, 0, 0], [1, 2, 3], [5, 5, 5], [6, 6, 6.5]])
    first, last, none = corners[:, 0] < 2, corners[:, 0] > 2, np.zeros(4, bool)
    metric = ReferMetric("scanrefer-box")
    metric.update(first, first, annotation(0), points=corners)
    for number, (guess, truth) in enumerate([(none, last), (first, none), (none, none)], 1):
        metric.update(guess, truth, annotation(number), points=corners)
    assert [(r.inter, r.union, r.iou) for r in metric.records.values()] == [
        (6.0, 6.0, pytest.approx(1.0)), (0.0, 1.5, 0.0), (0.0, 6.0, 0.0), (0.0, 0.0, 0.0)]  # fmt: skip
    assert metric.compute()["overall"]["oiou"] == pytest.approx(6 / 13.5)


rows = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), st.sampled_from([None, True, False])), max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 4), st.randoms(use_true_random=False))
def test_any_number_of_processes_counts_each_annotation_once(outcomes, world, random):
    outcomes = [(min(i, u), u, m) for i, u, m in outcomes]
    whole = ReferMetric("less")
    parts = [ReferMetric("less") for _ in range(world)]
    for number, (inter, union, multiple) in enumerate(outcomes):
        whole.add(annotation(number, multiple=multiple), inter, union)
        # Every annotation goes to one process or, as a padded sampler does, to several.
        for part in random.sample(parts, random.randint(1, world)):
            part.add(annotation(number, multiple=multiple), inter, union)
    random.shuffle(parts)
    merged = ReferMetric("less").merge(*(pickle.loads(pickle.dumps(p.state())) for p in parts))
    assert merged.compute() == whole.compute()
    assert merged.compute()["overall"]["n"] == len(outcomes)


def test_boxes():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (4000, 3))
    truth, guess = points[:, 0] < 0.5, (points[:, 0] > 0.25) & (points[:, 0] < 0.75)
    metric = ReferMetric("scanrefer-box")
    metric.update(guess, truth, annotation(0), points=points)
    assert metric.compute()["overall"]["miou"] == pytest.approx(1 / 3, abs=0.01)
    metric.update(np.zeros(4000, bool), truth, annotation(1), points=points)
    assert metric.compute()["overall"]["miou"] == pytest.approx(1 / 6, abs=0.01)
    with pytest.raises(ValueError, match="points="):
        metric.update(guess, truth, annotation(2))
    assert box_iou(np.array([[0, 0, 0], [1, 1, 1]]), np.array([[2, 0, 0], [3, 1, 1]])) == (0.0, 2.0)


def test_bad_input():
    with pytest.raises(InputError, match="expected one of less, 3dres, scanrefer"):
        ReferMetric("scanref")
    with pytest.raises(ValueError, match="one prediction per point"):
        ReferMetric().update(np.zeros(3), np.zeros(4, bool), annotation(0))
    one, many = {"less", "3dres", "scanrefer", "scanrefer-box", "referit3d", "uniseg3d"}, {"3dgres", "multi3drefer-f1"}
    assert set(PROTOCOLS) == one | many


def test_reset():
    metric = ReferMetric()
    metric.add(annotation(0), 1, 1)
    metric.reset()
    assert metric.compute()["overall"]["n"] == 0


def _rank(rank, port, queue):
    import torch.distributed as dist

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    metric = ReferMetric("less")
    for number in range(rank, 9, 2):
        metric.add(annotation(number, multiple=number % 3 == 0), number, 2 * number + 1)
    metric.add(annotation(0, multiple=True), 0, 1)  # padding on both ranks
    queue.put(metric.sync().compute())
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_gloo_processes():
    whole = ReferMetric("less")
    for number in range(9):
        whole.add(annotation(number, multiple=number % 3 == 0), number, 2 * number + 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_rank, args=(rank, port, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=100) for _ in processes]
    for process in processes:
        process.join()
    assert results == [whole.compute()] * 2
