"""Arrays, tensors and trimesh objects become scans with the care that files get, and come out again."""

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.ply import read_ply
from saymask.masks import Masks
from saymask.scan import Scan
from tests.io.rooms import furnished_room

POINTS, COLORS, OWNER = furnished_room(density=60)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["f2", "f4", "f8", "list", "torch", "grad"]),
    st.sampled_from(["bytes", "unit", "signed", "float", "wide", "none", "rgba", "list"]),
    st.sampled_from(["m", "mm"]),
)
def test_any_numbers_make_the_same_scan(kind, range_, unit):
    factor = 1000 if unit == "mm" else 1
    points = POINTS * factor
    tolerance = 1e-4
    if kind == "f2":
        points, tolerance = (POINTS * 1).astype("f2"), 4e-3
    given_points = {
        "list": lambda: points.tolist(),
        "torch": lambda: torch.tensor(points),
        "grad": lambda: torch.tensor(points, requires_grad=True),
    }.get(kind, lambda: points.astype(kind))()
    colors = {
        "bytes": COLORS, "unit": COLORS / 255, "signed": COLORS / 127.5 - 1, "float": COLORS.astype("f4"),
        "wide": COLORS.astype("u2") * np.uint16(257), "none": None, "list": COLORS.tolist(),
        "rgba": np.concatenate([COLORS, np.full((len(COLORS), 1), 255, np.uint8)], 1),
    }[range_]  # fmt: skip
    scan = Scan.from_arrays(given_points, colors, up="z")
    index = scan.source.index
    np.testing.assert_allclose(scan.points[index], POINTS, atol=tolerance)
    assert scan.has_color == (range_ != "none")
    if range_ != "none" and kind != "f2":
        assert np.abs(scan.colors[index].astype(int) - COLORS).max() <= 1
    assert ("millimetres" in " ".join(scan.messages)) == (unit == "mm" and kind != "f2")


def test_arrays_to_masks_to_arrays(tmp_path):
    points = POINTS.astype(np.float64)
    points[7] = np.nan
    scan = Scan.from_arrays(points, COLORS / 255, name="kitchen", instance=OWNER, quality=points[:, 0])
    assert scan.name == "kitchen"
    np.testing.assert_array_equal(scan.labels["instance"], OWNER[np.isfinite(points).all(1)])
    masks = Masks.from_points(scan, scan.points[:, 2] < 0.5)
    bits = masks.original(0)
    assert bits.shape == (len(points),)
    assert not bits[7]
    np.testing.assert_array_equal(np.delete(bits, 7), np.delete(POINTS[:, 2] < 0.5, 7))
    masks.save(tmp_path / "a.ply")
    columns = read_ply(tmp_path / "a.ply").columns
    np.testing.assert_array_equal(columns["mask_0"], bits)
    assert {"x", "y", "z", "red", "instance", "quality"} <= set(columns)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((POINTS[:50],), "at least 100 points, got 50"),
        ((POINTS[:, :2],), r"\[n, 3\]"),
        ((POINTS, COLORS[:5]), "5 rows"),
        (("hello",), "array of numbers"),
        ((POINTS.astype(object),), "array of numbers, got object"),
        (([[1, 2, 3], [1, 2]],), "array of numbers"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(arguments, words):
    with pytest.raises(InputError, match=words) as error:
        Scan.from_arrays(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("thing", [3, None, {"a": 1}, object(), b"bytes", {1, 2}])
def test_load_scan_refuses_what_is_no_scan(thing):
    with pytest.raises(InputError, match="expected a path, an array"):
        load_scan(thing)


def test_load_scan_takes_arrays_and_scans():
    scan = load_scan(np.concatenate([POINTS, COLORS], 1), quiet=True)
    np.testing.assert_array_equal(scan.colors, COLORS)
    assert load_scan(scan, quiet=True) is scan
    again = load_scan({"xyz": POINTS, "rgb": COLORS}, quiet=True)
    np.testing.assert_array_equal(again.points, scan.points)


def test_trimesh_in_and_out():
    cloud = Scan.from_trimesh(trimesh.PointCloud(POINTS, colors=COLORS), up="z")
    np.testing.assert_array_equal(cloud.colors, COLORS)
    out = cloud.to_trimesh()
    np.testing.assert_allclose(out.vertices, cloud.points)
    np.testing.assert_array_equal(np.asarray(out.colors)[:, :3], cloud.colors)
    scene = trimesh.Scene()
    for color, x in (([200, 30, 30, 255], 0.0), ([30, 60, 200, 255], 3.0)):
        box = trimesh.creation.box((2, 2, 1), transform=trimesh.transformations.translation_matrix([x, 0, 0]))
        box.visual = trimesh.visual.ColorVisuals(box, vertex_colors=np.tile(color, (8, 1)))
        scene.add_geometry(box)
    scan = load_scan(scene, up="z", quiet=True)
    assert len(scan) > 10_000
    left = scan.points[:, 0] < 1.5
    assert (scan.colors[left] == [200, 30, 30]).all()
    assert (scan.colors[~left] == [30, 60, 200]).all()


def test_a_fine_mesh_goes_through_trimesh_and_back():
    mesh = trimesh.creation.icosphere(subdivisions=5, radius=0.4)
    colors = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 4)).astype(np.uint8)
    mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=colors)
    scan = Scan.from_trimesh(mesh, up="z")
    back = scan.to_trimesh()
    np.testing.assert_array_equal(back.faces, mesh.faces)
    np.testing.assert_array_equal(np.asarray(back.visual.vertex_colors)[:, :3], colors[:, :3])


def test_the_bare_constructor_checks_what_it_is_given():
    grey = np.full((len(POINTS), 3), 128, np.uint8)
    for points, colors, words in (
        (POINTS.astype(int), grey, "floats in metres"),
        (POINTS, grey / 255, "uint8"),
        (np.where(POINTS > 3, np.nan, POINTS), grey, "finite"),
    ):
        with pytest.raises(InputError, match=words) as error:
            Scan(points, colors)
        assert "from_arrays" in str(error.value)
    with pytest.raises(InputError, match="faces"):
        Scan(POINTS, grey, faces=np.array([[0, 1, len(POINTS)]], np.int32))


def test_a_scan_is_described_in_one_short_line():
    text = repr(Scan.from_arrays(POINTS, COLORS, name="kitchen"))
    assert text.startswith("Scan(kitchen: ")
    assert len(text) < 120
