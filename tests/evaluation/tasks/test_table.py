"""The table of tasks: what its rows promise, and panoptic answers counted by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from saymask.answers import VERBS, Objects
from saymask.errors import InputError, ProtocolError
from saymask.evaluation.tasks.panoptic import measure_panoptic
from saymask.evaluation.tasks.table import TASKS
from saymask.evaluation.tasks.task import PUBLISHED, has_labels
from saymask.metrics.panoptic import PanopticMetric
from saymask.scan import Scan

ROWS = list(TASKS.values())
NAMES, IDS = ("wall", "floor", "chair"), (1, 2, 5)


@pytest.mark.parametrize("task", ROWS, ids=lambda task: task.name)
def test_every_row_keeps_its_promises(task):
    assert task.name in VERBS
    assert PUBLISHED in task.protocols
    assert task.plain == tuple(p for p in task.protocols if p != PUBLISHED)
    assert set(task.choice) <= set(task.plain)
    for protocol in task.protocols:
        metrics = task.empty(protocol).compute()
        assert metrics["protocol"] == protocol
        figure = task.figure(metrics)
        assert {figure, task.empty(protocol).headline} <= set(metrics["overall"])
        assert figure in task.columns
        assert len(task.labels(protocol)) >= 1
    with pytest.raises(InputError, match=f"protocol: expected one of .*{PUBLISHED}, got 'best' for task {task.name}"):
        task.empty("best")


def scan(classes: list[int], objects: list[int]) -> Scan:
    """A point per class index and objectId; classes 0 wall, 1 floor, 4 chair."""
    labels = {"semantic20": np.array(classes, np.int16), "instance": np.array(objects, np.int32)}
    return Scan(np.zeros((len(classes), 3), np.float32), np.zeros((len(classes), 3), np.uint8), labels=labels, name="s")


def panoptic(masks: list[list[int]], classes: list[int], scores: list[float], index: list[int]) -> SimpleNamespace:
    bits = np.array(masks, bool).reshape(len(classes), -1 if masks else 3)
    numbers, at = np.array(classes, np.int64), np.array(index, np.int64)
    answer = Objects(bits, np.array(scores, np.float32), numbers, at, NAMES, IDS)
    return SimpleNamespace(panoptic=lambda encoded: answer)


def test_panoptic_answers_by_hand():
    truth = scan([0, 0, 1, 1, 4, 4, 4, 4], [3, 3, 9, 9, 0, 0, 1, 1])
    # Rows of the support: wall, floor, two chairs, of which the second is found with one point of the floor.
    model = panoptic([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], [0, 1, 2, 2], [1, 1, 0.9, 0.8],
                     [0, 0, 1, 3, 2, 2, 3, 3])  # fmt: skip
    metric = PanopticMetric("scannet")
    assert measure_panoptic(model, None, truth, metric) == 0
    found = metric.compute()
    assert found["pq"] == pytest.approx({"wall": 1, "floor": 0, "chair": (1 + 2 / 3) / 2})  # half is no match
    assert found["overall"]["n"] == 3
    assert found["overall"]["pq"] == pytest.approx((1 + 0 + 5 / 6) / 3)
    published = PanopticMetric("uniseg3d")
    measure_panoptic(model, None, truth, published)
    assert published.compute()["overall"]["pq"] == pytest.approx((1 + 0 + 5 / 6) / 20)


def test_overlaps_holes_and_scores_that_are_none():
    truth = scan([4, 4, 1, 1], [0, 0, 2, 2])
    metric = PanopticMetric("scannet")
    # The best mask has every point, the second is covered by it; the third has no score.
    model = panoptic([[1, 1], [1, 0], [0, 1]], [2, 1, 1], [0.9, 0.8, np.nan], [0, 0, -1, 1])
    assert measure_panoptic(model, None, truth, metric) == 1
    found = metric.compute()
    assert found["overall"]["n"] == 2
    assert found["pq"] == {"floor": 0.0, "chair": pytest.approx(2 / 3)}
    silent = PanopticMetric("scannet")
    assert measure_panoptic(panoptic([], [], [], [-1] * 4), None, truth, silent) == 0
    assert silent.compute()["pq"] == {"floor": 0.0, "chair": 0.0}


def test_answers_that_cannot_be_counted():
    truth = scan([4, 4], [0, 0])
    with pytest.raises(InputError, match="expected an answer for each of 2 points"):
        measure_panoptic(panoptic([[1]], [2], [1], [0]), None, truth, PanopticMetric())
    answer = Objects(np.ones((1, 1), bool), np.ones(1), np.zeros(1, int), np.zeros(2, int), ("stool",), (5,))
    with pytest.raises(ProtocolError, match=r"protocol scannet: .*5 'stool'"):
        measure_panoptic(SimpleNamespace(panoptic=lambda encoded: answer), None, truth, PanopticMetric())


def test_labels_that_are_there_and_say_something():
    assert has_labels(scan([4, -1], [-1, -1]), ("semantic20", "instance"))
    assert not has_labels(scan([-1, -1], [0, 0]), ("semantic20", "instance"))
    assert not has_labels(scan([4, 4], [0, 0]), ("semantic200",))
