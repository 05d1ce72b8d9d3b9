"""Units: found from evidence, given by the user, or refused with advice."""

from pathlib import Path

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.ply import write_ply
from saymask.io.stl import ROW
from saymask.io.units import UNITS, metres_per_unit, stated_unit
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


@pytest.mark.parametrize(
    ("suffix", "head"),
    [("obj", "# File units = inches"), ("ply", "comment Units: INCH"), ("stl", "binary UNITS= in")],
)
def test_the_unit_in_a_files_comments(tmp_path, suffix, head):
    corners = np.array([[0, 0, 0], [200, 0, 0], [200, 150, 0], [0, 150, 0], [0, 0, 100], [200, 0, 100]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 1, 5], [0, 5, 4]], np.int32)
    path = tmp_path / f"a.{suffix}"
    if suffix == "obj":
        lines = [head, *("v {} {} {}".format(*c) for c in corners), *("f {} {} {}".format(*f) for f in faces + 1)]
        path.write_text("\n".join(lines))
    elif suffix == "ply":
        write_ply(path, dict(zip("xyz", corners.T, strict=True)), faces, [head.removeprefix("comment ")])
    else:
        rows = np.zeros(len(faces), ROW)
        rows["corners"] = corners[faces]
        path.write_bytes(head.ljust(80).encode() + np.uint32(len(faces)).tobytes() + rows.tobytes())
    scan = load_scan(path, quiet=True, up="z")
    np.testing.assert_allclose(np.ptp(scan.points, axis=0), [5.08, 3.81, 2.54], atol=0.05)
    assert "in, converted to metres (the file says so)" in " ".join(scan.messages)
    assert np.ptp(load_scan(path, quiet=True, up="z", unit="cm").points[:, 0]) == pytest.approx(2, abs=0.05)


def test_comments_that_cannot_be_right_or_mean_something_else():
    points = furnished_room(density=60)[0]
    assert stated_unit("File units = millimeters", points) is None  # a room of 4 mm
    assert stated_unit("File units = meters", points) == "m"
    assert stated_unit("a kitchen unit in white; units", points) is None


@pytest.mark.parametrize("kind", ["wkt", "keys", "metre"])
def test_las_in_feet(tmp_path, kind):
    laspy = pytest.importorskip("laspy")
    points = furnished_room(density=60)[0].astype(float) / 0.3048 + [1000.0, 2000.0, 10.0]
    header = laspy.LasHeader(point_format=3, version="1.4")
    header.scales = [1e-4] * 3
    if kind == "keys":
        keys = laspy.vlrs.known.GeoKeyDirectoryVlr()
        keys.parse_record_data(np.array([1, 1, 0, 1, 3076, 0, 1, 9003], "<u2").tobytes())
        header.vlrs.append(keys)
    else:
        unit = 'UNIT["US survey foot",0.304800609601219]' if kind == "wkt" else 'UNIT["metre",1]'
        text = f'PROJCS["x",GEOGCS["y",UNIT["degree",0.0174532925199433]],PROJECTION["z"],{unit}]'
        header.vlrs.append(laspy.vlrs.known.WktCoordinateSystemVlr(text))
    las = laspy.LasData(header)
    las.x, las.y, las.z = points.T
    las.write(tmp_path / "a.las")
    scan = load_scan(tmp_path / "a.las", quiet=True)
    expected = np.ptp(points, axis=0) * (1 if kind == "metre" else 0.3048)
    np.testing.assert_allclose(np.ptp(scan.points, axis=0), expected, atol=1e-3)
