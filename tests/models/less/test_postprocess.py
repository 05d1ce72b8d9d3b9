"""From probabilities to the rows of a mask."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from saymask.models.less import Less, LessConfig
from saymask.models.less.postprocess import select_rows, support_graph
from saymask.models.less.presets import rooms
from saymask.sparse import build_sites
from tests.models.fakes import WordHash, shrunk, small_scan

PLAIN = LessConfig()
SMALL = shrunk(rooms())
# Rows 0-1 touch, rows 2-3 touch, row 4 is alone.
GRAPH = csr_array(np.kron(np.diag([1.0, 1.0, 0.0]), np.ones((2, 2)))[:5, :5] + np.eye(5))


def mask(logits, config, graph=None, counts=None):
    logits = torch.as_tensor(logits, dtype=torch.float32)
    counts = torch.ones(len(logits)) if counts is None else torch.as_tensor(counts, dtype=torch.float32)
    return (select_rows(logits, counts, graph, config) > 0).tolist()


@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=30))
def test_published_rule_is_the_sign(logits):
    assert mask(logits, PLAIN) == [value > 0 for value in logits]


def test_threshold_moves_the_bar():
    assert mask([0.5, 2.0], replace(PLAIN, threshold=0.8)) == [False, True]


def test_relative_threshold_lowers_the_bar_but_never_raises_it():
    config = replace(PLAIN, relative_threshold=0.5)
    assert mask([-2.0, -2.2, -6.0], config) == [True, True, False]
    assert mask([9.0, 0.1, -0.5], config) == [True, True, False]


def test_one_object_keeps_the_part_with_the_most_probability():
    assert mask([3.0, 3.0, 1.0, 1.0, 1.0], PLAIN, GRAPH) == [True, True, False, False, False]
    assert mask([3.0, 3.0, 1.0, 1.0, 1.0], PLAIN, GRAPH, counts=[1, 1, 1, 9, 1]) == [False, False, True, True, False]


def test_parts_are_joined_only_through_rows_of_the_mask():
    chain = csr_array(np.eye(3) + np.eye(3, k=1) + np.eye(3, k=-1))
    assert mask([2.0, -1.0, 1.0], PLAIN, chain) == [True, False, False]


@pytest.mark.parametrize("graph", [None, GRAPH])
def test_nothing_above_the_bar(graph):
    assert not any(mask([-1.0] * 5, PLAIN, graph))


@pytest.mark.parametrize("support", ["sites", "superpoints"])
def test_graph_joins_what_is_near(support):
    """Two blobs that are far apart are two parts of the graph; neighbours in a blob touch, whatever the support."""
    model = Less(replace(SMALL, support=support), text_encoder=WordHash(SMALL.text_width))
    scan = small_scan(0, 1500)
    points = scan.points.copy()
    points[750:] += 50.0
    sample = model.prepare(replace(scan, points=points, superpoints=np.arange(1500, dtype=np.int32) // 5, faces=None))
    batch = model.collate([sample])
    graph = support_graph(batch, build_sites(batch.coords, levels=2))
    assert graph.shape == (len(batch.rows), len(batch.rows))
    _, part = connected_components(graph, directed=False)
    sides = [set(part[np.unique(sample.index[half])]) for half in (slice(0, 750), slice(750, None))]
    assert not sides[0] & sides[1]


def test_refer_of_one_object_is_connected():
    torch.manual_seed(0)
    config = replace(SMALL, one_object=True, relative_threshold=0.9)
    model = Less(config, text_encoder=WordHash(SMALL.text_width)).eval()
    encoded = model.encode_batch(
        model.collate([model.prepare(small_scan(0, 1500)), model.prepare(small_scan(1, 1200))])
    )
    for scan, prediction in enumerate(model.refer(encoded, ["the red chair", "a lamp"])):
        start = sum(encoded.batch.support_sizes[:scan])
        at = start + torch.nonzero(prediction.logits[0] > 0).flatten().numpy()
        assert len(at)
        assert connected_components(encoded.graph[at][:, at], directed=False)[0] == 1
