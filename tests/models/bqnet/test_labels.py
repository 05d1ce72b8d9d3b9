"""BQNet's truth over superpoints, against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.models.bqnet.labels import (
    gt_pmask,
    gt_spmask,
    histogram,
    instance_names,
    named_in,
    sp_ins_label,
    sp_ref_mask,
    without_reserved,
)
from saymask.models.bqnet.outputs import NO_INSTANCE


@st.composite
def labelled(draw):
    n = draw(st.integers(1, 60))
    rows = draw(st.integers(1, 6))
    index = draw(st.lists(st.integers(0, rows - 1), min_size=n, max_size=n))
    used = sorted(set(index))
    instance = draw(st.lists(st.integers(-1, 4), min_size=n, max_size=n))
    objects = draw(st.lists(st.integers(0, 6), max_size=3))
    named = draw(st.sets(st.integers(0, 4)))
    return np.array([used.index(i) for i in index]), np.array(instance, np.int32), objects, named


@settings(max_examples=40, deadline=None)
@given(labelled())
def test_truth_over_superpoints_against_loops(case):
    index, instance, objects, named = case
    counts = histogram(instance, index)
    label, mask = sp_ins_label(counts), gt_spmask(counts, objects)
    relevance = sp_ref_mask(counts, objects, named)
    points = np.where(np.isin(instance, objects), 1.0, np.where(np.isin(instance, sorted(named)), 0.5, 0.0))
    np.testing.assert_array_equal(gt_pmask(instance, objects), [i in objects for i in instance])
    assert label.dtype == np.int64
    assert mask.dtype == bool
    assert relevance.dtype == np.float32
    for row in range(index.max() + 1):
        ids = instance[index == row].tolist()
        winners = [i for i in set(ids) if ids.count(i) > len(ids) / 2]
        assert label[row] == (winners[0] if winners else NO_INSTANCE)
        assert mask[row] == (np.mean([i in objects for i in ids]) > 0.5)
        assert relevance[row] == pytest.approx(points[index == row].mean(), abs=1e-6)


def test_half_of_a_superpoint_is_not_enough():
    counts = histogram(np.array([2, 2, 3, 3, -1, -1, -1, 4]), np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert sp_ins_label(counts).tolist() == [NO_INSTANCE, -1]
    assert gt_spmask(counts, [2]).tolist() == [False, False]
    assert gt_spmask(counts, [2, 3]).tolist() == [True, False]


def test_names_come_from_the_first_point():
    #                       un-annotated, chair,  table,  wall, refrigerator, shower curtain, other furniture, no class
    instance = np.array([-1, 3, 3, 3, 5, 0, 7, 8, 9, 10], np.int32)
    semantic = np.array([4, 4, 6, 6, 6, 0, 14, 15, 19, -1], np.int16)
    expected = {3: "chair", 5: "table", 8: "shower curtain"}
    assert instance_names(instance, {"semantic20": semantic}) == expected
    nyu40 = np.array([5, 5, 7, 7, 7, 1, 24, 28, 39, 0], np.uint8)
    assert instance_names(instance, {"nyu40": nyu40}) == expected
    assert instance_names(instance, {}) == {}
    assert named_in("the chair by the shower curtain . not mentioned", expected) == {3}
    assert named_in("all tables , chairs", expected) == set()


def test_an_instance_whose_id_means_none_gets_another():
    instance = np.array([NO_INSTANCE, 3, NO_INSTANCE + 1, -1])
    changed, ids = without_reserved(instance)
    assert changed.tolist() == [NO_INSTANCE + 2, 3, NO_INSTANCE + 1, -1]
    assert ids == {NO_INSTANCE: NO_INSTANCE + 2}
    same, ids = without_reserved(instance[1:])
    assert same.tolist() == instance[1:].tolist()
    assert ids == {}
