"""Units: found from evidence, given by the user, or refused with advice."""

from pathlib import Path

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.units import UNITS, metres_per_unit
from tests.io.rooms import furnished_room

PATH = Path("room.xyz")


@pytest.mark.parametrize(("unit", "factor"), [("m", 1), ("cm", 100), ("mm", 1000)])
@pytest.mark.parametrize("size", [(3.0, 2.2, 2.4), (8.0, 5.0, 3.0), (14.0, 9.0, 2.6)])
def test_units_are_found_from_the_extent(unit, factor, size):
    points = furnished_room(size=size, density=60)[0] * factor
    scale, said = metres_per_unit(PATH, points)
    assert scale == UNITS[unit]
    assert (said == "") == (unit == "m")


def test_a_given_unit_wins():
    points = furnished_room(density=100)[0]
    assert metres_per_unit(PATH, points / 0.3048, "ft")[0] == 0.3048
    assert metres_per_unit(PATH, points, "cm")[0] == 0.01
    with pytest.raises(InputError, match="expected one of m, cm, mm, in, ft"):
        metres_per_unit(PATH, points, "miles")


@pytest.mark.parametrize("size", [(2000, 1500, 60), (400_000, 400_000, 400_000), (5000, 5000, 0.1), (900, 900, 20)])
def test_kilometres_are_refused_with_advice(size):
    points = np.random.default_rng(0).random((5000, 3)) * size
    with pytest.raises(InputError, match=r"span [\d,]+ units.*unit='mm'"):
        metres_per_unit(PATH, points)
    with pytest.raises(InputError, match="at most 300 m"):
        metres_per_unit(PATH, points, "m")


@pytest.mark.parametrize("size", [(800, 500, 120), (1200, 900, 90), (3000, 2500, 400), (500, 400, 100)])
def test_towns_and_hills_in_metres_are_never_scaled_down(size):
    rng = np.random.default_rng(0)
    points = rng.random((60_000, 3)) * size
    with pytest.raises(InputError, match="pass unit="):
        metres_per_unit(PATH, points)
