"""PLY meshes with textures, face colours, lists and more elements: read with their colours, saved with everything."""

import numpy as np
import pytest
from PIL import Image

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.mesh import sample_cloud
from saymask.io.ply import read_ply
from saymask.masks import Masks
from tests.io.rooms import furnished_room

RED, GREEN = (200, 30, 30), (30, 160, 60)
POINTS = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0.8], [0, 1, 0.2]])
UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])


def halves(path, a=RED, b=GREEN):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4], pixels[:, 4:] = a, b
    Image.fromarray(pixels).save(path)


def text(comment, vertex="", face="", rows=None, faces=("4 0 1 2 3",)):
    rows = rows or [""] * 4
    lines = ["ply", "format ascii 1.0", *comment, "element vertex 4"]
    lines += [f"property float {a}" for a in "xyz"] + ([vertex] if vertex else [])
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"] + ([face] if face else [])
    lines += ["end_header", *(f"{x} {y} {z} {more}" for (x, y, z), more in zip(POINTS, rows)), *faces]
    return "\n".join(lines) + "\n"


def check(cloud):
    cloud = sample_cloud(cloud, 1.0)
    assert cloud.sampled
    left, right = cloud.points[:, 0] < 0.98, cloud.points[:, 0] > 1.02
    assert (cloud.colors[left] == RED).all()
    assert (cloud.colors[right] == GREEN).all()
    return cloud


@pytest.mark.parametrize("names", ["s t", "u v", "texture_u texture_v", "S T"])
@pytest.mark.parametrize("comment", ["comment TextureFile my tex.png", "comment texturefile C:\\scan\\my tex.png"])
def test_texture_coordinates_of_vertices(tmp_path, names, comment):
    halves(tmp_path / "my tex.png")
    a, b = names.split()
    rows = [f"{u} {v}" for u, v in UV]
    (tmp_path / "a.ply").write_text(text([comment], f"property float {a}\nproperty float {b}", "", rows))
    check(read_ply(tmp_path / "a.ply"))


def test_texture_coordinates_of_corners_and_several_images(tmp_path):
    halves(tmp_path / "a.png", RED, RED)
    halves(tmp_path / "b.png", GREEN, GREEN)
    wedge = " ".join(str(v) for v in UV[:3].ravel())
    faces = [f"3 0 1 2 6 {wedge} 0", f"3 0 2 3 6 {wedge} 1"]
    face = "property list uchar float texcoord\nproperty int texnumber"
    comment = ["comment TextureFile a.png", "comment TextureFile b.png"]
    (tmp_path / "a.ply").write_text(text(comment, "", face, None, faces))
    cloud = sample_cloud(read_ply(tmp_path / "a.ply"), 1.0)
    np.testing.assert_array_equal(cloud.colors, np.where(cloud.columns["face"][:, None] == 0, RED, GREEN))


def test_colours_of_faces(tmp_path):
    face = "property uchar red\nproperty uchar green\nproperty uchar blue"
    faces = ["3 0 1 2 200 30 30", "3 0 2 3 30 160 60"]
    (tmp_path / "a.ply").write_text(text([], "", face, None, faces))
    cloud = sample_cloud(read_ply(tmp_path / "a.ply"), 1.0)
    np.testing.assert_array_equal(cloud.colors, np.where(cloud.columns["face"][:, None] == 0, RED, GREEN))


def test_a_missing_texture_is_said(tmp_path):
    rows = [f"{u} {v}" for u, v in UV]
    (tmp_path / "a.ply").write_text(
        text(["comment TextureFile gone.png"], "property float s\nproperty float t", "", rows)
    )
    scan = load_scan(tmp_path / "a.ply", quiet=True, up="z")
    assert not scan.has_color
    assert "gone.png" in " ".join(scan.messages)


def write_everything(path, order):
    """A room whose PLY has upper-case names, lists of vertices and faces, a bool, and elements before and after."""
    points, colors, _ = furnished_room(density=60)
    n = len(points)
    kind = "binary_little_endian" if order == "<" else "binary_big_endian"
    lines = [
        "ply", f"format {kind} 1.0", "comment a path C:\\x\\new", "comment Büro", "element camera 1",
        "property float focal", "property list uchar double pose", f"element vertex {n}",
        *(f"property float {a}" for a in "XYZ"), *(f"property uchar {c}" for c in ("Red", "Green", "Blue")),
        "property bool seen", "property list uchar int views", "element face 2",
        "property list uchar int vertex_indices", "property uchar flags", "property list uchar float texcoord",
        "element edge 2", "property int vertex1", "property int vertex2", "end_header",
    ]  # fmt: skip
    body = np.array([1.5], order + "f4").tobytes() + b"\x02" + np.array([7.25, -1.0], order + "f8").tobytes()
    for i in range(n):
        body += points[i].astype(order + "f4").tobytes() + colors[i].tobytes() + bytes([i % 2, i % 3])
        body += np.arange(i % 3, dtype=order + "i4").tobytes()
    for corners in ([0, 1, 2, 3], [3, 4, 5]):
        body += bytes([len(corners)]) + np.array(corners, order + "i4").tobytes() + b"\x05"
        body += bytes([2 * len(corners)]) + np.arange(2 * len(corners)).astype(order + "f4").tobytes()
    body += np.array([[0, 1], [2, 3]], order + "i4").tobytes()
    path.write_bytes("\n".join([*lines, ""]).encode() + body)
    return points, colors


@pytest.mark.parametrize("order", ["<", ">"])
def test_everything_in_a_file_is_saved_again(tmp_path, order):
    points, colors = write_everything(tmp_path / "a.ply", order)
    scan = load_scan(tmp_path / "a.ply", quiet=True, up="z")
    np.testing.assert_array_equal(scan.points, points)  # two faces do not make a mesh of a cloud
    np.testing.assert_array_equal(scan.colors, colors)
    assert scan.faces is None
    assert "taken as a cloud" in " ".join(scan.messages)
    masks = Masks.from_points(scan, points[:, 2] < 0.5, names=("grüner\\Stuhl 椅子",))
    masks.save(tmp_path / "b.ply")
    head = (tmp_path / "b.ply").read_bytes().split(b"end_header")[0].decode("ascii")
    assert "element camera 1" in head
    again = read_ply(tmp_path / "b.ply")
    first = read_ply(tmp_path / "a.ply")
    assert "a path C:\\x\\new" in again.extra["comments"]
    assert "saymask mask_0 score=1.000000 name=grüner\\Stuhl 椅子" in again.extra["comments"]
    for old, new in zip(first.extra["elements"], again.extra["elements"], strict=True):
        assert (old.element.name, old.element.n) == (new.element.name, new.element.n)
        for name, values in old.plain.items():
            np.testing.assert_array_equal(new.plain[name], values)
        for name, (count, values) in old.lists.items():
            np.testing.assert_array_equal(new.lists[name][0], count)
            np.testing.assert_array_equal(new.lists[name][1], values)
            assert new.lists[name][1].dtype == values.dtype
    (views,) = again.extra["vertex_lists"].values()
    np.testing.assert_array_equal(views[0], np.arange(len(points)) % 3)
    np.testing.assert_array_equal(again.columns["seen"], np.arange(len(points)) % 2)
    np.testing.assert_array_equal(again.columns["Red"], colors[:, 0])


def splats(path, n=4000, haze=400, stray=20):
    points = furnished_room(density=100)[0][:n].astype(np.float32)
    rng = np.random.default_rng(0)
    rgb = rng.random((n, 3))
    opacity = np.full(n, 3.0)
    points[:haze] = rng.normal(0, 6, (haze, 3))
    opacity[:haze] = -4
    points[haze : haze + stray] *= 40
    names = [*"xyz", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "rot_0"]
    table = np.zeros((n, len(names)), np.float32)
    table[:, :3], table[:, 6:9], table[:, 9] = points, (rgb - 0.5) / 0.28209479177387814, opacity
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {n}", *(f"property float {a}" for a in names)]
    path.write_bytes("\n".join([*head, "end_header", ""]).encode() + table.astype("<f4").tobytes())
    return points, rgb


def test_gaussian_splats_lose_their_haze_and_keep_their_rows(tmp_path):
    points, rgb = splats(tmp_path / "a.ply")
    scan = load_scan(tmp_path / "a.ply", quiet=True, up="z")
    index = scan.source.index
    assert (index[:400] < 0).all()
    kept = np.flatnonzero(index >= 0)
    assert len(kept) > 3500
    np.testing.assert_allclose(scan.points[index[kept]], points[kept], atol=1e-5)
    assert np.abs(scan.colors[index[kept]].astype(float) - rgb[kept] * 255).max() <= 1
    assert "400 nearly transparent" in " ".join(scan.messages)
    Masks.from_points(scan, scan.points[:, 2] < 1).save(tmp_path / "b.ply")
    np.testing.assert_array_equal(read_ply(tmp_path / "b.ply").columns["opacity"][:400], -4)


def test_compressed_splats_are_named(tmp_path):
    head = ["ply", "format binary_little_endian 1.0", "element chunk 1", "property float min_x", "element vertex 2"]
    head += [f"property uint packed_{a}" for a in ("position", "rotation", "scale", "color")]
    (tmp_path / "a.ply").write_bytes("\n".join([*head, "end_header", ""]).encode() + bytes(36))
    with pytest.raises(InputError, match="compressed Gaussian splats"):
        read_ply(tmp_path / "a.ply")
    (tmp_path / "a.splat").write_bytes(b"x")
    with pytest.raises(InputError, match="compressed Gaussian splat"):
        load_scan(tmp_path / "a.splat")


@pytest.mark.parametrize("kind", ["viscam", "magics"])
def test_colours_of_stl(tmp_path, kind):
    row = np.zeros(2, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    row["corners"] = POINTS[[[0, 1, 2], [0, 2, 3]]]
    red, green = (31, 0, 0), (0, 31, 0)
    if kind == "viscam":
        row["attribute"] = [0x8000 | r << 10 | g << 5 | b for r, g, b in (red, green)]
    else:
        row["attribute"] = [r | g << 5 | b << 10 for r, g, b in (red, green)]
    head = (b"COLOR=\x10\x20\x30\xff" if kind == "magics" else b"solid VisCAM").ljust(80, b"\0")
    (tmp_path / "a.stl").write_bytes(head + np.uint32(2).tobytes() + row.tobytes())
    scan = load_scan(tmp_path / "a.stl", quiet=True, up="z")
    face = scan.source.columns["face"]
    np.testing.assert_array_equal(
        scan.colors[scan.source.index], np.where(face[:, None] == 0, (255, 0, 0), (0, 255, 0))
    )


def test_one_grey_for_all_points_is_no_colour(tmp_path):
    points = furnished_room(density=60)[0]
    np.savez(tmp_path / "a.npz", points=points, colors=np.full((len(points), 3), 255, np.uint8))
    scan = load_scan(tmp_path / "a.npz", quiet=True, up="z")
    assert not scan.has_color
    assert "same grey (255)" in " ".join(scan.messages)


def test_structured_arrays(tmp_path):
    points, colors, owner = furnished_room(density=60)
    table = np.zeros(
        len(points), [(a, "f4") for a in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")] + [("id", "i4")]
    )
    for k in range(3):
        table["xyz"[k]], table[("red", "green", "blue")[k]] = points[:, k], colors[:, k]
    table["id"] = owner
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "b.npz", cloud=table)
    for name in ("a.npy", "b.npz"):
        scan = load_scan(tmp_path / name, quiet=True, up="z")
        np.testing.assert_array_equal(scan.points, points)
        np.testing.assert_array_equal(scan.colors, colors)
        np.testing.assert_array_equal(scan.source.columns["id"], owner)
