from dataclasses import replace

import numpy as np
import pytest

from saymask.data.samples.degrade import Degradation, degraded
from saymask.data.samples.panels import with_panels
from tests.data.samples.test_sheets import NAMES20, axes, room

EVERY_SEED = pytest.mark.parametrize("seed", range(8))


@EVERY_SEED
def test_panels_are_on_walls_and_stay_wall(seed):
    scan = room()
    before = scan.colors.copy()
    painted = with_panels(scan, axes(scan), 3, np.random.RandomState(seed))
    np.testing.assert_array_equal(scan.colors, before)
    assert painted.colors.dtype == scan.colors.dtype
    assert painted.points is scan.points
    assert painted.labels is scan.labels
    changed = (painted.colors != scan.colors).any(axis=1)
    assert changed.any()
    assert (scan.labels["semantic20"][changed] == NAMES20.index("wall")).all()
    assert changed.sum() < 0.9 * (scan.labels["semantic20"] == NAMES20.index("wall")).sum()
    again = with_panels(scan, axes(scan), 3, np.random.RandomState(seed))
    np.testing.assert_array_equal(again.colors, painted.colors)


@EVERY_SEED
def test_a_panel_is_flat_upright_and_a_superpoint_of_its_own(seed):
    scan = room()
    painted = with_panels(scan, axes(scan), 1, np.random.RandomState(seed))
    assert painted.superpoints is not None
    assert scan.superpoints is not None
    assert painted.superpoints.dtype == scan.superpoints.dtype
    new = painted.superpoints > scan.superpoints.max()
    assert (painted.superpoints[~new] == scan.superpoints[~new]).all()
    flat = scan.points[new, :2] @ axes(scan).T
    assert np.ptp(flat, axis=0).min() < 0.4  # not around a corner
    assert np.ptp(flat, axis=0).max() <= 4.01
    for old in np.unique(scan.superpoints[new]):
        assert len(np.unique(painted.superpoints[new & (scan.superpoints == old)])) == 1


def test_no_wall_no_panel():
    scan = room()
    bare = replace(scan, labels={**scan.labels, "semantic20": np.full(len(scan), NAMES20.index("table"))})
    for without in (bare, replace(scan, labels={})):
        assert with_panels(without, axes(scan), 3, np.random.RandomState(0)) is without


def test_points_without_superpoints_are_painted():
    scan = replace(room(), superpoints=None)
    painted = with_panels(scan, axes(scan), 2, np.random.RandomState(0))
    assert painted.superpoints is None
    assert (painted.colors != scan.colors).any()


def test_the_view_has_panels():
    off = dict.fromkeys(("crop", "cut", "holes", "bumps", "tone"), 0.0)
    scan = room()
    for panels in (0.0, 1.0):
        view, _ = degraded(scan, [], np.random.RandomState(0), Degradation(share=1.0, panels=panels, **off))
        assert (view.colors != scan.colors).any() == bool(panels)
