from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

import saymask.io.build as loading
from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.ply import write_ply
from saymask.scan import Scan
from tests.io.rooms import furnished_room

REAL = Path(__file__).parents[1] / "../shared/data/real"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the shared real scans are not here")


def save_room(path, points, colors=None, **more):
    columns = {"x": points[:, 0], "y": points[:, 1], "z": points[:, 2]}
    if colors is not None:
        columns |= {"red": colors[:, 0], "green": colors[:, 1], "blue": colors[:, 2]}
    write_ply(path, columns | more)
    return path


@pytest.fixture(scope="module")
def room():
    return furnished_room(density=200)


def test_a_room_in_metres_comes_through_untouched(tmp_path, room, capsys):
    points, colors, owner = room
    scan = load_scan(save_room(tmp_path / "room.ply", points, colors, instance=owner, mine=points[:, 0] * 2))
    np.testing.assert_array_equal(scan.points, points)
    np.testing.assert_array_equal(scan.colors, colors)
    np.testing.assert_array_equal(scan.labels["instance"], owner)
    assert scan.has_color
    assert scan.name == "room"
    assert scan.messages == ()
    assert capsys.readouterr().err == ""
    assert scan.source is not None
    assert list(scan.source.columns)[-1] == "mine"
    np.testing.assert_array_equal(scan.source.transform, np.eye(4))
    np.testing.assert_array_equal(scan.source.index, np.arange(len(points)))


def test_what_was_done_is_said_on_standard_error_unless_quiet(tmp_path, room, capsys):
    path = save_room(tmp_path / "room.ply", room[0] * 1000)
    scan = load_scan(path)
    err = capsys.readouterr().err
    assert "millimetres" in err
    assert "no colours" in err
    assert not scan.has_color
    assert (scan.colors == 128).all()
    np.testing.assert_allclose(scan.points, room[0], atol=1e-5)
    assert load_scan(path, quiet=True).messages == scan.messages
    assert capsys.readouterr().err == ""


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 300), st.integers(0, 300))
def test_every_original_point_finds_its_place(tmp_path_factory, seed, broken, repeated):
    points = furnished_room(seed % 7, density=60)[0]
    rng = np.random.default_rng(seed)
    points[rng.choice(len(points), broken, replace=False)] = [[np.nan, 0, 0], [0, np.inf, 0]][seed % 2]
    points = np.concatenate([points, points[rng.choice(len(points), repeated)]])
    points = points[rng.permutation(len(points))]
    path = save_room(tmp_path_factory.mktemp("scan") / "room.ply", points)
    scan = load_scan(path, quiet=True, up="z")
    index = scan.source.index
    finite = np.isfinite(points).all(1)
    assert len(index) == len(points) == scan.n_original
    np.testing.assert_array_equal(index >= 0, finite)
    np.testing.assert_array_equal(scan.points[index[finite]], points[finite])
    assert len(np.unique(scan.points, axis=0)) == len(scan)
    said = " ".join(scan.messages)
    assert (f"{(~finite).sum():,} of" in said) == bool((~finite).any())
    assert ("merged" in said) == (finite.sum() > len(scan))


def test_faces_and_normals_follow_dropped_and_merged_points(tmp_path):
    n = 30
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
    sheet = np.stack([x, y, 0.2 * np.sin(5 * x)], -1).reshape(-1, 3).astype(np.float32)
    i = np.arange(n * n).reshape(n, n)
    faces = np.concatenate([np.stack([i[:-1, :-1], i[1:, :-1], i[1:, 1:]], -1).reshape(-1, 3)])
    corners = sheet[faces].reshape(-1, 3)  # a soup of triangles, as STL has it
    corners[4] = np.nan
    soup = np.arange(len(corners)).reshape(-1, 3)
    write_ply(tmp_path / "a.ply", {a: corners[:, k] for k, a in enumerate("xyz")}, soup)
    scan = load_scan(tmp_path / "a.ply", quiet=True, up="z")
    assert len(scan) < n * n + 1
    np.testing.assert_array_equal(scan.points[scan.faces], corners[soup[np.isfinite(corners[soup]).all((1, 2))]])


def test_survey_coordinates_keep_their_millimetres(tmp_path, room):
    points = room[0].astype(np.float64) + np.array([431_000.0, 5_420_000.0, 300.0])
    write_ply(tmp_path / "a.ply", {a: points[:, k] for k, a in enumerate("xyz")})
    scan = load_scan(tmp_path / "a.ply", quiet=True)
    assert "far from the origin" in " ".join(scan.messages)
    transform = scan.source.transform
    np.testing.assert_allclose(
        points @ transform[:3, :3].T + transform[:3, 3], scan.points[scan.source.index], atol=1e-4
    )
    assert np.abs(scan.points).max() < 20


@pytest.mark.parametrize("up", ["x", "y", "-z"])
def test_the_transform_leads_from_the_file_to_the_scan(tmp_path, room, up):
    scan = load_scan(save_room(tmp_path / "a.ply", room[0] * 100), quiet=True, up=up, unit="cm")
    transform = scan.source.transform
    np.testing.assert_allclose(
        room[0].astype(float) * 100 @ transform[:3, :3].T + transform[:3, 3], scan.points[scan.source.index], atol=1e-5
    )
    assert np.linalg.det(transform[:3, :3]) > 0


def test_large_clouds_are_thinned_and_every_point_finds_a_near_one(tmp_path, room, monkeypatch):
    monkeypatch.setattr(loading, "MAX_POINTS", 2000)
    scan = load_scan(save_room(tmp_path / "a.ply", room[0], room[1]), quiet=True)
    assert 500 < len(scan) <= 2000
    assert "thinned" in " ".join(scan.messages)
    index = scan.source.index
    assert (np.diff(np.unique(index)) == 1).all()
    size = float(next(m for m in scan.messages if "thinned" in m).split("one per ")[1].split(" ")[0]) / 100
    assert np.abs(scan.points[index] - room[0]).max() <= size * 1.001
    np.testing.assert_array_equal(scan.colors, room[1][[np.flatnonzero(index == i)[0] for i in range(len(scan))]])


def test_stray_points_far_away_are_dropped(tmp_path, room):
    points = room[0].copy()
    points[[3, 77]] = [[5000, 0, 0], [0, -1e30, 0]]
    scan = load_scan(save_room(tmp_path / "a.ply", points), quiet=True)
    assert (np.flatnonzero(scan.source.index < 0) == [3, 77]).all()
    assert "2 points lie more than" in " ".join(scan.messages)


def test_a_furnished_model_of_few_triangles_is_sampled(tmp_path):
    room_box = trimesh.creation.box((5, 4, 2.5))
    room_box.export(tmp_path / "a.ply")
    scan = load_scan(tmp_path / "a.ply", quiet=True, up="z")
    assert len(scan) == pytest.approx(85 / 0.02**2, rel=0.02)
    assert "sampled" in " ".join(scan.messages)
    assert scan.normals is not None
    assert scan.n_original == len(scan.source.columns["face"])


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((99, 3)), "at least 100 points, got 99"),
        (np.full((500, 3), np.nan), r"finite coordinates, got 0 of 500"),
        (np.ones((500, 3)), "within 0 cm"),
        (np.random.default_rng(0).random((500, 3)) * [4, 3, 0], "flat"),
        (np.random.default_rng(0).random((500, 2)) @ np.array([[3, 1, 2], [0, 4, 1.0]]), "flat"),
        (np.random.default_rng(0).random((500, 3)) * 1e-3, "within"),
        (np.random.default_rng(0).random((5000, 3)) * [3000, 2500, 80], r"span [\d,]+ units"),
        (np.random.default_rng(0).random((5000, 3)) * 1e6, "unit='mm'"),
        (np.repeat(np.random.default_rng(0).random((50, 3)), 10, 0), "100 different points, got 50"),
    ],
)
def test_clouds_that_are_no_scan(tmp_path, points, words):
    with pytest.raises(InputError, match=words) as error:
        load_scan(save_room(tmp_path / "a.ply", points.astype(np.float32)), quiet=True)
    assert "\n" not in str(error.value)


def test_paths_that_are_no_scan(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_scan(tmp_path / "none.ply")
    (tmp_path / "empty.ply").touch()
    with pytest.raises(InputError, match="empty"):
        load_scan(tmp_path / "empty.ply")
    with pytest.raises(InputError, match="got a folder"):
        load_scan(tmp_path)
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(InputError, match=r"suffixes \.ply, \.pcd.*got \.docx"):
        load_scan(tmp_path / "a.docx")
    for options in ({"unit": "parsec"}, {"up": "left"}):
        with pytest.raises(InputError, match="expected one of"):
            load_scan(tmp_path / "empty.ply", **options)


def test_columns_of_a_scan_must_be_of_one_length():
    with pytest.raises(InputError, match="colors has 4 rows for 5 points"):
        Scan(np.zeros((5, 3), np.float32), np.zeros((4, 3), np.uint8))
    with pytest.raises(InputError, match="instance has 6 rows"):
        Scan(np.zeros((5, 3), np.float32), np.zeros((5, 3), np.uint8), labels={"instance": np.zeros(6, np.int32)})


@needs_real
def test_a_real_camera_view_stands_upright():
    scan = load_scan(REAL / "kinect_office.pcd", quiet=True)
    assert (len(scan), scan.n_original) == (259_847, 307_200)
    assert (scan.source.index < 0).sum() == 307_200 - 259_847
    assert "tilted" in " ".join(scan.messages)
    floor = scan.points[scan.points[:, 2] < np.quantile(scan.points[:, 2], 0.6)].astype(float)
    normal = np.linalg.svd(floor[::20] - floor[::20].mean(0), full_matrices=False)[2][2]
    assert np.rad2deg(np.arccos(abs(normal[2]))) < 1.5
    assert (scan.points[:, 2] < np.median(floor[:, 2]) - 0.05).mean() < 0.01


@needs_real
def test_a_real_house_is_left_as_it_is():
    scan = load_scan(REAL / "small_house.npz", quiet=True)
    assert len(scan) == 739_650
    assert scan.messages == ()
    np.testing.assert_array_equal(scan.source.transform, np.eye(4))
