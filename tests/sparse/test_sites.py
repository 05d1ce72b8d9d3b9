"""Sites and pyramids: order, levels, parents, batches, both backends, bad input."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from saymask.errors import InputError
from saymask.sparse import build_sites, concatenate, use_backend
from saymask.sparse.keys import pack_keys, unpack_keys
from tests.sparse.helpers import site_sets, some_sites


@settings(max_examples=40, deadline=None)
@given(site_sets())
def test_backends_build_the_same_pyramid(coords):
    fast = build_sites(coords, 4).build_maps()
    with use_backend("torch"):
        reference = build_sites(coords, 4).build_maps()
    assert torch.equal(coords[fast.order], fast.levels[0].coords)
    assert torch.equal(fast.levels[0].coords[fast.inverse], coords)
    for a, b in zip(fast.levels, reference.levels):
        assert torch.equal(a.keys, b.keys)
        pairs = [(a.kernel_map(), b.kernel_map())]
        if a.parent is not None:
            assert torch.equal(a.parent, b.parent)
            assert torch.equal(a.tap, b.tap)
            pairs.append((a.down, b.down))
        for x, y in pairs:
            assert x.starts == y.starts
            assert torch.equal(x.in_rows, y.in_rows)
            assert torch.equal(x.out_rows, y.out_rows)


@settings(max_examples=30, deadline=None)
@given(site_sets())
def test_levels_are_floored_halves(coords):
    pyramid = build_sites(coords, 3)
    for fine, coarse in zip(pyramid.levels, pyramid.levels[1:]):
        cells = fine.coords.clone()
        cells[:, 1:] = torch.div(cells[:, 1:], 2, rounding_mode="floor")
        assert torch.equal(coarse.coords, torch.unique(cells, dim=0))
        assert torch.equal(coarse.coords[fine.parent.long()], cells)
        odd = (fine.coords[:, 1:] % 2).long()
        assert torch.equal(fine.tap.long(), odd @ torch.tensor([4, 2, 1]))


@settings(max_examples=30, deadline=None)
@given(site_sets(40))
def test_neighbour_table_by_definition(coords):
    level = build_sites(coords, 1).levels[0]
    rows = {tuple(c): i for i, c in enumerate(level.coords.tolist())}
    offsets = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
    expected = [
        [rows.get((b, x + dx, y + dy, z + dz), -1) for dx, dy, dz in offsets] for b, x, y, z in level.coords.tolist()
    ]
    assert level.neighbours.tolist() == expected


def test_odd_extent_rule_drops_the_last_plane():
    coords = torch.tensor([[0, x, 0, 0] for x in range(5)], dtype=torch.int32)
    every = build_sites(coords, 2)
    assert len(every.levels[1]) == 3
    for backend in ("cpu", "torch"):
        with use_backend(backend):
            level, coarse = build_sites(coords, 2, spatial_shape=(5, 1, 1)).levels
            assert level.spatial_shape == (5, 1, 1)
            assert len(coarse) == 0  # extents of 1 have no coarse cell at all
            level, coarse = build_sites(coords, 2, spatial_shape=(5, 2, 2)).levels
        assert level.parent.tolist() == [0, 0, 1, 1, -1]
        assert coarse.spatial_shape == (2, 1, 1)
        assert level.down.starts[-1] == 4


@settings(max_examples=20, deadline=None)
@given(site_sets(40), site_sets(40))
def test_concatenate_equals_building_at_once(first, second):
    both = concatenate([build_sites(first, 3), build_sites(second, 3)])
    shifted = second.clone()
    shifted[:, 0] += int(first[:, 0].max()) + 1 if len(first) else 0
    at_once = build_sites(torch.cat([first, shifted]), 3)
    assert torch.equal(both.order, at_once.order)
    for a, b in zip(both.levels, at_once.levels):
        assert torch.equal(a.keys, b.keys)
        if b.parent is not None:
            assert torch.equal(a.parent, b.parent)
            assert torch.equal(a.down.in_rows, b.down.in_rows)


def test_repeat_numbers_the_copies():
    pyramid = build_sites(some_sites(50), 2)
    twice = pyramid.repeat(2)
    assert twice.batch.unique().tolist() == [0, 1, 2, 3]
    assert len(twice) == 2 * len(pyramid)


def test_keys_round_trip_and_order():
    coords = some_sites()
    keys = pack_keys(coords)
    assert torch.equal(unpack_keys(keys), coords)
    assert torch.equal(torch.argsort(keys), torch.arange(len(keys)))  # np.unique sorted the rows


def test_pyramid_can_be_copied():
    pyramid = build_sites(some_sites(50), 2).build_maps()
    assert torch.equal(copy.deepcopy(pyramid).levels[0].keys, pyramid.levels[0].keys)


def test_coarsest_level_has_no_way_down():
    with pytest.raises(InputError, match="more levels"):
        _ = build_sites(some_sites(), 2).levels[1].down


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize(
    ("coords", "message"),
    [
        (torch.zeros(3, 3, dtype=torch.int32), r"\[V, 4\]"),
        (torch.zeros(3, 4), r"integer"),
        (torch.zeros(2, 4, dtype=torch.int32), "not unique"),
        (torch.tensor([[0, 70000, 0, 0]]), "within"),
        (torch.tensor([[-1, 0, 0, 0]]), "batch"),
        (torch.tensor([[5000, 0, 0, 0]]), "batch"),
    ],
)
def test_bad_coordinates(coords, message, backend):
    with use_backend(backend), pytest.raises(InputError, match=message):
        build_sites(coords, 2)


def test_bad_shape_and_levels():
    coords = torch.tensor([[0, 1, 2, 3]])
    with pytest.raises(InputError, match="spatial_shape"):
        build_sites(coords, 2, spatial_shape=(2, 2, 2))
    with pytest.raises(InputError, match="level"):
        build_sites(coords, 0)
    with pytest.raises(InputError, match="same number of levels"):
        concatenate([])


def test_unsorted_duplicates_are_found():
    coords = torch.tensor([[0, 5, 5, 5], [0, 1, 1, 1], [0, 5, 5, 5]], dtype=torch.int32)
    with pytest.raises(InputError, match="not unique"):
        build_sites(coords)


def test_sorted_input_keeps_its_order():
    coords = some_sites()
    assert np.array_equal(build_sites(coords).order.numpy(), np.arange(len(coords)))
