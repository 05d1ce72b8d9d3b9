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


def town(size, tallest, seed=0):
    """Ground with houses of up to 30 m, and two towers, in metres."""
    rng = np.random.default_rng(seed)
    parts = [np.c_[rng.random((20_000, 2)) * size, rng.normal(0, 0.1, 20_000)]]
    for i in range(40):
        corner, width = rng.random(2) * size, rng.uniform(10, 30, 2)
        height = rng.uniform(5, 30) if i > 1 else tallest
        around = rng.random((800, 2))
        around[np.arange(800), rng.integers(0, 2, 800)] = rng.integers(0, 2, 800)
        parts.append(np.c_[corner + around * width, rng.random(800) * height])
        parts.append(np.c_[corner + rng.random((800, 2)) * width, np.full(800, height)])
    return np.concatenate(parts)


def hills(size, height, seed=0):
    rng = np.random.default_rng(seed)
    plan = rng.random((40_000, 2)) * size
    waves = [np.sin(plan @ rng.normal(size=2) * 6 * k / max(size) + k) for k in range(1, 5)]
    return np.c_[plan, height / 4 * sum(waves) + rng.normal(0, 0.3, 40_000)]


@pytest.mark.parametrize(
    "points",
    [town((280, 250), 180), town((900, 700), 240), hills((500, 400), 200), hills((3000, 2000), 500),
     hills((8000, 6000), 2500)],
    ids=["towers", "downtown", "hill", "valley", "mountain"],
)  # fmt: skip
def test_outdoor_scans_are_refused_or_stay_in_metres(points):
    if max(np.ptp(points, axis=0)) > 300:
        with pytest.raises(InputError, match="cut the scan"):
            metres_per_unit(PATH, points)
    else:
        assert metres_per_unit(PATH, points)[0] == 1


@pytest.mark.parametrize("unit", ["cm", "mm"])
@pytest.mark.parametrize("part", ["half", "corridor", "tilted"])
def test_parts_of_rooms_are_evidence_of_a_unit(unit, part):
    points = furnished_room(1, (6.0, 3.6, 2.6), density=300)[0].astype(float)
    if part == "tilted":
        c, s = np.cos(0.5), np.sin(0.5)
        points = points @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    else:
        points = points[points[:, 1] > 1.8] if part == "half" else points[points[:, 1] < 1.4]
    scale, said = metres_per_unit(PATH, points / UNITS[unit])
    assert scale == UNITS[unit]
    assert "pass unit=" in said


def test_a_depth_camera_counts_millimetres():
    points = furnished_room(1, (3.0, 2.0, 2.6), density=300)[0] + [-1, -1, 0.8]
    assert metres_per_unit(PATH, points * 1000, camera=True)[0] == 0.001
    assert metres_per_unit(PATH, points, camera=True) == (1.0, "")


def test_a_doubtful_height_is_said():
    scale, said = metres_per_unit(PATH, np.random.default_rng(0).random((5000, 3)) * [45, 45, 90])
    assert scale == 1
    assert "taken as metres; pass unit=" in said
