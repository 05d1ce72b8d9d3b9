"""Figures: aims and ratios, with seconds of which fewer are better and rates of which more are."""

import pytest

from benchmarks.speed.figure import Figure


def test_seconds():
    figure = Figure("x", 2.0, aim=3.0, limit=0.5, peer=4.0)
    assert (figure.met, figure.of_limit, figure.of_peer) == (True, 4.0, 0.5)
    assert Figure("x", 3.0, aim=3.0).met
    assert Figure("x", 3.1, aim=3.0).met is False


@pytest.mark.parametrize("unit", ["/s", "×", "%"])
def test_rates(unit):
    figure = Figure("x", 2.0, unit, aim=3.0, limit=8.0, peer=1.0)
    assert (figure.met, figure.of_limit, figure.of_peer) == (False, 4.0, 0.5)
    assert Figure("x", 3.0, unit, aim=3.0).met


def test_nothing_to_compare_with():
    figure = Figure("x", 2.0)
    assert (figure.met, figure.of_limit, figure.of_peer) == (None, None, None)
    assert Figure("x", 0.0, peer=1.0).of_peer is None


def test_json_and_back():
    figure = Figure("x", 1.23456, "", aim=0.0, parts={"a": 0.123456}, note="n")
    known = figure.as_json()
    assert known == {"what": "x", "value": 1.235, "unit": "", "aim": 0.0, "parts": {"a": 0.1235}, "note": "n"}
    assert Figure(**known).as_json() == known
