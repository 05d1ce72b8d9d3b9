import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saymask.errors import InputError
from saymask.geometry.voxelize import first_appearance, mean_by_index, unique_cells, voxelize

points = arrays(np.float32, st.tuples(st.integers(0, 40), st.just(3)), elements=st.floats(-3, 3, width=32))


@given(points, st.floats(0.01, 2))
@settings(max_examples=60, deadline=None)
def test_every_point_lies_in_its_cell(cloud, size):
    voxels = voxelize(cloud, size)
    low = voxels.origin + voxels.cells[voxels.index].astype(float) * size
    assert (cloud >= low - 1e-9).all()
    assert (cloud < low + size + 1e-9).all()
    assert len(np.unique(voxels.cells, axis=0)) == len(voxels)
    assert (np.lexsort(voxels.cells.T[::-1]) == np.arange(len(voxels))).all()
    assert voxels.counts.sum() == len(cloud)
    assert (voxels.index[voxels.first] == np.arange(len(voxels))).all()


@given(arrays(np.int64, st.tuples(st.integers(1, 60), st.just(3)), elements=st.integers(-4, 4)))
@settings(max_examples=60, deadline=None)
def test_unique_cells_is_numpys(cells):
    rows, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    got, index, earliest = unique_cells(cells)
    assert (got == rows).all()
    assert (index == inverse.reshape(-1)).all()
    assert (earliest == first).all()


@given(arrays(np.int64, st.tuples(st.integers(1, 60), st.just(4)), elements=st.integers(0, 2)))
@settings(max_examples=60, deadline=None)
def test_first_appearance_lists_every_point_in_order(coords):
    rows, index, table = first_appearance(coords)
    assert (rows[index] == coords).all()
    seen: dict[tuple, int] = {}
    for row in map(tuple, coords):
        seen.setdefault(row, len(seen))
    assert [seen[tuple(row)] for row in coords] == index.tolist()
    for voxel, line in enumerate(table):
        count = line[0]
        assert line[1 : 1 + count].tolist() == np.flatnonzero(index == voxel).tolist()
        assert (line[1 + count :] == 0).all()


def test_origin_moves_the_grid():
    cloud = np.array([[0.05, 0, 0], [0.15, 0, 0]], np.float32)
    assert len(voxelize(cloud, 0.2, origin=np.zeros(3))) == 1
    assert len(voxelize(cloud, 0.2, origin=np.array([0.1, 0, 0]))) == 2
    assert voxelize(cloud, 0.2, origin=np.array([0.1, 0, 0])).cells[0].tolist() == [-1, 0, 0]


def test_mean_by_index_with_an_empty_row():
    got = mean_by_index(np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([0, 0, 2]), 4)
    assert got.tolist() == [[2, 3], [0, 0], [5, 6], [0, 0]]
    assert got.dtype == np.float32


@pytest.mark.parametrize(
    ("cloud", "size", "says"),
    [
        (np.zeros((4, 2)), 0.1, r"expected \[N, 3\]"),
        (np.zeros((4, 3)), 0.0, "above 0"),
        (np.array([[0, 0, np.nan]]), 0.1, "NaN"),
        (np.array([[0, 0, 0], [1e9, 0, 0]]), 0.02, "outliers"),
    ],
)
def test_bad_input(cloud, size, says):
    with pytest.raises(InputError, match=says):
        voxelize(cloud, size)
