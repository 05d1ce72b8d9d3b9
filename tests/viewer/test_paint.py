"""Colours of what is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from saymask.render.palette import HIGHLIGHT
from saymask.viewer import paint
from saymask.viewer.display import Display
from saymask.viewer.session import Session
from tests.viewer.fakes import FakeScene, small_room


@pytest.fixture(scope="module")
def room():
    scan, owner = small_room()
    return scan, owner, Display.of(scan)


def test_the_scan_keeps_its_colours_until_something_is_marked(room):
    scan, _, display = room
    own = paint.base(scan, display.rows, display.shade, None, frozenset(), False)
    np.testing.assert_array_equal(own, scan.colors[display.rows])
    calm = paint.base(scan, display.rows, display.shade, None, frozenset(), True)
    assert np.ptp(calm.astype(int), axis=1).mean() < 0.7 * np.ptp(own.astype(int), axis=1).mean()


def test_a_scan_without_colours_is_drawn_by_its_shape(room):
    scan, _, display = room
    grey = paint.base(replace(scan, has_color=False), display.rows, display.shade, None, frozenset(), False)
    assert len(np.unique(grey[:, 0])) > 3


def test_isolated_classes_are_the_only_coloured_ones(room):
    scan, owner, display = room
    layer = FakeScene(scan, owner).semantic()
    everything = paint.base(scan, display.rows, display.shade, layer, frozenset(), False)
    bed = paint.base(scan, display.rows, display.shade, layer, frozenset({4}), False)
    on_bed = owner[display.rows] == 4
    np.testing.assert_array_equal(bed[on_bed], everything[on_bed])
    assert np.ptp(bed[~on_bed].astype(int), axis=1).max() < 12


def test_each_mark_has_a_colour_of_its_own_and_an_unsure_one_its_warning(room):
    scan, owner, _ = room
    session = Session(scan, FakeScene(scan, owner))
    first = session.say("the bed and the desk")
    session.say("a unicorn")
    session.toggle(first.key)
    sure, unsure = paint.mark_colors(session.shown)
    np.testing.assert_array_equal(sure, HIGHLIGHT[:2])
    np.testing.assert_array_equal(unsure, [paint.UNSURE])


def test_heat_rises_from_the_scan_to_red(room):
    scan, _, display = room
    cold = paint.heat(scan, display.rows, display.shade, np.zeros(len(scan), np.float32))
    hot = paint.heat(scan, display.rows, display.shade, np.ones(len(scan), np.float32)).astype(int)
    np.testing.assert_array_equal(cold, paint.base(scan, display.rows, display.shade, None, frozenset(), True))
    assert (hot[:, 0] > hot[:, 2] + 60).all()
