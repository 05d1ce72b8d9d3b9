"""The scale of relevance that `find` uses."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saymask.text.relevance import LEAST_RISE, relevance


@given(st.floats(-1, 1), st.floats(0, 1), st.integers(0, 1000))
def test_relevance_is_of_0_to_1_and_grows_with_the_cosine(cosine, step, seed):
    rng = np.random.RandomState(seed)
    vocabulary = torch.from_numpy(rng.uniform(-1, 1, (20, 1))).float()
    values = relevance(torch.tensor([[cosine], [min(1.0, cosine + step)]]), vocabulary)
    assert 0 <= values[0, 0] <= values[1, 0] <= 1


def test_relevance_is_1_at_the_closest_name_and_0_at_the_mean():
    vocabulary = torch.tensor([[0.1], [0.3], [0.8]])
    values = relevance(torch.tensor([[0.8], [0.4], [0.6]]), vocabulary)[:, 0]
    np.testing.assert_allclose(values, [1, 0, 0.5], atol=1e-6)
    # Nothing in the vocabulary is like the word: its best row is not called a hit.
    flat = torch.full((3, 1), 0.2)
    assert relevance(torch.tensor([[0.2 + LEAST_RISE / 4]]), flat)[0, 0] == pytest.approx(0.25, abs=1e-5)
