"""From predictions over a support to Masks over points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.answers import Classes, Objects, Prediction
from saymask.errors import InputError
from saymask.scan import Scan
from saymask.scene.to_masks import (
    class_masks,
    click_masks,
    combine_clicks,
    found_masks,
    nothing_fits,
    object_masks,
    to_masks,
)


def scan_of(n: int) -> Scan:
    return Scan(np.random.default_rng(0).random((n, 3), np.float32), np.zeros((n, 3), np.uint8))


def test_empty_masks_are_dropped_and_said():
    prediction = Prediction(torch.full((2, 4), -1.0), torch.tensor([0.9, 0.1]), np.array([0, 1, 2, 3, 3]))
    masks = to_masks(prediction, scan_of(5), "a unicorn")
    assert len(masks) == 0
    assert masks.message == "no object fits: a unicorn"
    assert masks.dense.shape == (0, 5)


def test_an_answer_says_when_it_is_unsure():
    logits, index = torch.ones(2, 3), np.array([0, 1, 2])
    for scores, calibrated, message in (
        ([0.2, 0.31], True, "unsure: a chair (right in about 31 of 100 such answers)"),
        ([0.2, 0.6], True, ""),
        ([0.2, 0.31], False, ""),  # the scores are no probabilities
    ):
        prediction = Prediction(logits, torch.tensor(scores), index, calibrated=calibrated)
        assert to_masks(prediction, scan_of(3), "a chair").message == message
    noted = Prediction(logits, torch.tensor([0.2, 0.31]), index, calibrated=True, note="in two windows")
    assert to_masks(noted, scan_of(3), "a chair").message.endswith("such answers); in two windows")


def test_a_mask_only_over_rows_without_points_is_empty():
    logits = torch.tensor([[-1.0, 5.0], [5.0, -1.0]])
    masks = to_masks(Prediction(logits, torch.tensor([0.9, 0.5]), np.array([0, 0, -1])), scan_of(3), "x")
    assert len(masks) == 1
    np.testing.assert_array_equal(masks.points(0), [True, True, False])
    assert masks.message == ""


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(1, 9), st.integers(0, 2**31 - 1))
def test_masks_are_sorted_and_equal_to_the_logits(m, s, seed):
    rng = np.random.default_rng(seed)
    logits, scores = rng.normal(size=(m, s)).astype(np.float32), rng.random(m).astype(np.float32)
    index = rng.integers(-1, s, 12)
    masks = to_masks(
        Prediction(torch.from_numpy(logits), torch.from_numpy(scores), index), scan_of(12), "x", threshold=0.3
    )
    dense = (logits[:, index] > 0) & (index >= 0)
    wanted = sorted((i for i in range(m) if dense[i].any() and scores[i] >= np.float32(0.3)), key=lambda i: -scores[i])
    assert list(masks.scores) == [scores[i] for i in wanted]
    np.testing.assert_array_equal(masks.dense, dense[wanted] if wanted else np.zeros((0, 12), bool))


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 30), st.integers(0, 2**31 - 1))
def test_every_class_of_a_point_is_a_mask_with_its_mean_probability(c, s, n, seed):
    rng = np.random.default_rng(seed)
    classes, index = rng.integers(-1, c, s), rng.integers(-1, s, n)
    probabilities = rng.random(s).astype(np.float32)
    names, ids = tuple(f"class {i}" for i in range(c)), tuple(int(i) for i in rng.permutation(300)[:c] + 1)
    masks = class_masks(Classes(classes, probabilities, index, names, ids), scan_of(n))
    of_point = np.array([classes[i] if i >= 0 else -1 for i in index], int)
    sure = np.array([probabilities[i] if i >= 0 else 0 for i in index])
    present = sorted(set(of_point[of_point >= 0]))
    assert sorted(masks.names) == [names[k] for k in present]
    assert masks.disjoint
    assert masks.labels is not None
    assert masks.labels.dtype == np.int64
    assert (np.diff(masks.scores) <= 0).all()
    for i, name in enumerate(masks.names):
        own = of_point == names.index(name)
        np.testing.assert_array_equal(masks.points(i), own)
        assert masks.labels[i] == ids[names.index(name)]
        assert masks.scores[i] == pytest.approx(sure[own].mean(), abs=1e-6)
    assert masks.message == ("" if present else "no point of the scan has a class")


def test_a_row_counts_as_often_as_it_has_points():
    answer = Classes(
        np.array([0, 0, 1]), np.array([0.9, 0.1, 0.4], np.float32), np.array([0, 0, 0, 1, -1]), ("a", "b"), (7, 9)
    )
    masks = class_masks(answer, scan_of(5))
    assert masks.names == ("a",)  # no point is of class b
    assert masks.scores[0] == pytest.approx((3 * 0.9 + 0.1) / 4)


def objects(best: tuple[float, ...] = (0.9, 0.3, 0.7)) -> Objects:
    bits = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0]], bool)
    scores, classes = np.array([0.5, 0.9, 0.8, 0.5], np.float32), np.array([0, 0, 2, 0])
    return Objects(bits, scores, classes, np.array([0, 1, 2, -1, 2]), ("sofa", "lamp", "plant"), (11, 22, 33), best)


def test_objects_without_points_are_dropped():
    masks = object_masks(objects(), scan_of(5))
    assert masks.names == ("sofa",) * 3
    assert masks.labels is not None
    assert masks.labels.tolist() == [11, 11, 11]
    np.testing.assert_allclose(masks.scores, [0.9, 0.5, 0.5])
    np.testing.assert_array_equal(masks.dense, np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]], bool))
    nothing = Objects(np.zeros((0, 4), bool), np.zeros(0, np.float32), np.zeros(0, int), np.zeros(5, int), ("a",), (1,))
    assert object_masks(nothing, scan_of(5)).message == "no object was found"


def test_words_without_an_object_are_listed():
    masks = found_masks(objects(), scan_of(5), 0.5)
    assert len(masks) == 3
    # the plant's mask has no point of the scan
    assert masks.message == (
        "nothing fits: plant (best relevance 0.70, asked 0.50, on too few points), "
        "lamp (best relevance 0.30, asked 0.50)"
    )
    assert found_masks(objects(()), scan_of(5), 0.5).message == "nothing fits: lamp, plant"
    assert found_masks(objects(), scan_of(5), None).message == (
        "nothing fits: plant (best relevance 0.70), lamp (best relevance 0.30)"
    )


def test_what_fell_short_does_not_read_as_if_it_had_not():
    assert nothing_fits(["lamp"], [0.4999], 0.5) == "nothing fits: lamp (best relevance 0.49, asked 0.50)"
    assert nothing_fits(["lamp"], [0.31], 0.5) == "nothing fits: lamp (best relevance 0.31, asked 0.50)"
    assert nothing_fits([], [], 0.5) == ""
    assert nothing_fits([str(i) for i in range(12)], [], 0.5).endswith(", 9 and 2 more")


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 2**31 - 1))
def test_clicks_combine_as_the_rule_says(k, s, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(k, s)).astype(np.float32).round(1)  # rounded: zeros and equal values occur
    scores = rng.random(k).astype(np.float32)
    index, points = rng.integers(0, s, 12), rng.integers(0, 12, k)
    positive, objects = rng.random(k) < 0.6, rng.integers(0, 3, k)
    positive |= ~np.isin(objects, objects[positive])  # every object has a positive click
    prediction = Prediction(torch.from_numpy(logits), torch.from_numpy(scores), index)
    own = index[points]
    numbers = sorted(set(objects.tolist()))
    clash = any(
        own[i] == own[j] and objects[i] == objects[j] and positive[i] != positive[j] for i in range(k) for j in range(k)
    )
    if clash:
        with pytest.raises(InputError, match="a positive and a negative one"):
            combine_clicks(prediction, points, positive, objects)
        return
    masks = click_masks(combine_clicks(prediction, points, positive, objects), scan_of(12), numbers)
    assert masks.names == tuple(f"object {n}" for n in numbers)
    for mask, score, number in zip(masks.support, masks.scores, numbers, strict=True):
        yes, no = (objects == number) & positive, (objects == number) & ~positive
        assert score == scores[yes].max()
        for r in range(s):
            best, worst = logits[yes, r].max(), max(logits[no, r], default=-np.inf)
            expected = best > 0 and worst <= best
            if r in own[yes]:
                expected = True
            elif r in own[no]:
                expected = False
            assert mask[r] == expected
    np.testing.assert_array_equal(prediction.logits.numpy(), logits)  # nothing was changed


def test_a_single_click_keeps_its_logits():
    logits = torch.tensor([[-2.0, 3.0, 0.0, -1.0]])
    combined = combine_clicks(
        Prediction(logits, torch.tensor([0.4]), np.arange(4)), np.array([1]), np.ones(1, bool), np.zeros(1, np.int64)
    )
    np.testing.assert_array_equal(combined.logits.numpy(), logits.numpy())
    doubtful = combine_clicks(
        Prediction(logits, torch.tensor([0.4]), np.arange(4)), np.array([2]), np.ones(1, bool), np.zeros(1, np.int64)
    )
    assert click_masks(doubtful, scan_of(4), [0]).support.tolist() == [[False, True, True, False]]


def test_a_click_without_a_row_is_refused():
    prediction = Prediction(torch.zeros(2, 3), torch.zeros(2), np.array([0, -1, 2]))
    with pytest.raises(InputError, match="click 2 of 2"):
        combine_clicks(prediction, np.array([0, 1]), np.ones(2, bool), np.zeros(2, np.int64))


def test_answers_that_are_no_numbers_are_refused():
    scan, index, nan = scan_of(5), np.array([0, 1, 2, 3, 3]), float("nan")
    logits, scores = torch.ones(1, 4), torch.tensor([0.5])
    bad = [
        Prediction(logits * nan, scores, index),
        Prediction(logits, scores * nan, index),
        Prediction(logits[:0], scores[:0], index, nan),
    ]
    for prediction in bad:
        with pytest.raises(InputError, match="expected finite answers, got NaN"):
            to_masks(prediction, scan, "x")
    for prediction in bad[:2]:
        with pytest.raises(InputError, match="expected finite answers, got NaN"):
            click_masks(prediction, scan, [0])
    # Forbidden rows have the logit -inf, which is a number.
    masks = to_masks(Prediction(torch.tensor([[1.0, -torch.inf, 1, 1]]), scores, index, 0.5), scan, "x")
    np.testing.assert_array_equal(masks.points(0), [True, False, True, True, True])
    classes = Classes(np.zeros(4, np.int64), np.full(4, nan, np.float32), index, ("a",), (1,))
    with pytest.raises(InputError, match="expected finite answers, got NaN"):
        class_masks(classes, scan)
    found = Objects(np.ones((1, 4), bool), np.full(1, nan, np.float32), np.zeros(1, int), index, ("a",), (1,))
    with pytest.raises(InputError, match="expected finite answers, got NaN"):
        object_masks(found, scan)
    nothing = Objects(np.zeros((0, 4), bool), np.zeros(0, np.float32), np.zeros(0, int), index, ("a",), (1,), (nan,))
    with pytest.raises(InputError, match="expected finite answers, got NaN"):
        found_masks(nothing, scan, 0.5)
