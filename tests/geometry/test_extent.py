"""Corners and finite rows of point arrays: what numpy's own reductions say, in the same types."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from saymask.geometry.extent import finite_rows, highest, lowest

TABLES = st.sampled_from([np.float32, np.float64, np.int64, np.uint8]).flatmap(
    lambda kind: arrays(kind, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6))
)


@given(TABLES)
def test_as_numpy_reduces(points):
    for ours, theirs in ((lowest(points), points.min(axis=0)), (highest(points), points.max(axis=0))):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(finite_rows(points), np.isfinite(points).all(axis=1))


def test_no_points_have_no_corners_and_no_rows():
    with pytest.raises(ValueError, match="zero-size"):
        lowest(np.zeros((0, 3)))
    assert finite_rows(np.zeros((0, 3))).shape == (0,)
