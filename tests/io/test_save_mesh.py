"""Mesh in, mesh out: masks as nodes and groups, everything else as it was."""

import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.spatial import KDTree

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.ply import write_ply
from saymask.io.save import PAINT
from saymask.masks import Masks
from saymask.scan import Scan
from tests.io.rooms import furnished_room

FACES = [(0, 1, 2), (0, 2, 3)]


def textured_room(folder, seed=0):
    """Write a room of quads, 4 × 3 × 2.5 m, with an image of coloured squares for floor, walls and box each."""
    rng = np.random.default_rng(seed)
    quads = {
        "oak floor": [((0, 0, 0), (4, 0, 0), (0, 3, 0))],
        "walls": [((0, 0, 0), (0, 3, 0), (0, 0, 2.5)), ((0, 3, 0), (4, 0, 0), (0, 0, 2.5))],
        "box": [((2, 1, 0.5), (1, 0, 0), (0, 1, 0)), ((2, 1, 0), (1, 0, 0), (0, 0, 0.5)),
                ((2, 1, 0), (0, 1, 0), (0, 0, 0.5)), ((3, 1, 0), (0, 1, 0), (0, 0, 0.5)),
                ((2, 2, 0), (1, 0, 0), (0, 0, 0.5))],
    }  # fmt: skip
    lines, library, n = ["mtllib room.mtl"], [], 0
    for i, (name, sides) in enumerate(quads.items()):
        squares = rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)
        Image.fromarray(squares.repeat(16, 0).repeat(16, 1)).save(folder / f"image {i}.png")
        library += [f"newmtl {name}", f"map_Kd image {i}.png"]
        lines.append(f"usemtl {name}")
        for corner, u, v in np.array(sides, float):
            for a, b in ((0, 0), (1, 0), (1, 1), (0, 1)):
                lines += ["v {:g} {:g} {:g}".format(*(corner + a * u + b * v)), f"vt {a} {b}"]
            for face in FACES:
                lines.append("f " + " ".join(f"{n + k + 1}/{n + k + 1}" for k in face))
            n += 4
    (folder / "room.mtl").write_text("\n".join(library) + "\n")
    (folder / "room.obj").write_text("\n".join(lines) + "\n")
    return folder / "room.obj"


def two_masks(scan):
    """The box, and a disc in the middle of the two triangles of the floor."""
    x, y, z = scan.points.T
    box = (x > 1.99) & (x < 3.01) & (y > 0.99) & (y < 2.01) & (z < 0.51) & (z > 0.005)
    disc = (np.hypot(x - 1, y - 1.5) < 0.5) & (z < 0.005)
    return Masks.from_points(scan, np.stack([box, disc]), names=("the box", "the box")), box, disc


@pytest.mark.parametrize("suffix", ["glb", "obj"])
@pytest.mark.parametrize("colored", [None, False])
def test_a_textured_room_keeps_its_images_around_the_masks(tmp_path, suffix, colored):
    scan = load_scan(textured_room(tmp_path), quiet=True, up="z")
    masks, box, disc = two_masks(scan)
    out = masks.save(tmp_path / "out" / f"hit.{suffix}", colored=colored)
    (tmp_path / "room.obj").unlink()
    for image in tmp_path.glob("*.png"):
        image.unlink()  # the result stands alone
    again = load_scan(out, quiet=True, up="z" if suffix == "obj" else None)
    distance, near = KDTree(again.points).query(scan.points)
    assert distance.max() < 0.04
    same = (again.colors[near] == scan.colors).all(1)
    rest = ~box & ~disc
    assert same[rest].mean() > 0.93  # the nearest sample may lie across the edge of a square
    for mask, color in ((box, PAINT[0]), (disc, PAINT[1])):
        painted = (np.abs(again.colors[near].astype(int) - color) <= 1).all(1)
        if colored is None:
            assert painted[mask].mean() > 0.9
            assert not painted[rest & (KDTree(scan.points[mask]).query(scan.points)[0] > 0.1)].any()
        else:
            assert same[mask].mean() > 0.9


def test_nodes_have_the_masks_names_and_areas(tmp_path):
    scan = load_scan(textured_room(tmp_path), quiet=True, up="z")
    masks, _, _ = two_masks(scan)
    scene = trimesh.load(masks.save(tmp_path / "hit.glb"))
    area = {name: mesh.area for name, mesh in scene.geometry.items()}
    assert area["the box"] == pytest.approx(3, rel=0.02)
    assert area["the box 2"] == pytest.approx(np.pi / 4, rel=0.04)
    assert sum(area.values()) == pytest.approx(12 + 10 + 7.5 + 3, rel=1e-5)
    np.testing.assert_allclose(scene.extents, (4, 2.5, 3), atol=1e-6)  # metres, y up
    groups = [line for line in masks.save(tmp_path / "hit.obj").read_text().splitlines() if line.startswith("g ")]
    assert {"g the box", "g the box 2", "g room"} <= set(groups)
    assert {p.name for p in tmp_path.glob("hit*")} == {
        "hit.glb",
        "hit.obj",
        "hit.mtl",
        *(f"hit_{i}.png" for i in range(3)),
    }


def test_a_glb_follows_its_standard(tmp_path):
    scan = load_scan(textured_room(tmp_path), quiet=True, up="z")
    masks = two_masks(scan)[0]
    data = masks.save(tmp_path / "hit.glb").read_bytes()
    magic, version, total, length = struct.unpack_from("<4sIII", data)
    assert (magic, version, total, length % 4) == (b"glTF", 2, len(data), 0)
    content = json.loads(data[20 : 20 + length])
    assert content["buffers"][0]["byteLength"] <= len(data) - 28 - length
    for view in content["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= content["buffers"][0]["byteLength"]
    names = [node["name"] for node in content["nodes"]]
    assert names == ["room", "the box", "the box 2"]
    assert content["nodes"][1]["extras"] == {"mask": 0, "score": 1.0}


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_a_scanned_mesh_keeps_every_face(tmp_path, suffix):
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=0.7)
    colors = np.random.default_rng(0).integers(0, 256, sphere.vertices.shape).astype(np.uint8)
    shift = [500_000.25, 4_500_000.5, 30.0]
    points = sphere.vertices + shift
    columns = dict(zip(("x", "y", "z", "red", "green", "blue"), [*points.T, *colors.T], strict=True))
    write_ply(tmp_path / "a.ply", columns, sphere.faces.astype(np.int32), [])
    scan = load_scan(tmp_path / "a.ply", quiet=True, up="z")
    top = scan.points[:, 2] > np.median(scan.points[:, 2])
    masks = Masks.from_points(scan, top, names=("top",))
    out = masks.save(tmp_path / f"hit.{suffix}", colored=False)
    again = load_scan(out, quiet=True, up="z" if suffix == "obj" else None)
    assert len(again.source.faces) == len(sphere.faces)
    if suffix == "obj":  # the file's own coordinates
        lines = [line.split()[1:4] for line in out.read_text().splitlines() if line.startswith("v ")]
        assert KDTree(points).query(np.array(lines, float))[0].max() < 1e-8
    near = KDTree(scan.points - scan.points.mean(0)).query(again.points - again.points.mean(0))[1]
    assert np.abs(again.colors.astype(int) - scan.colors[near]).max() <= 1
    parts = trimesh.load(out).geometry if suffix == "glb" else None
    assert parts is None or abs(len(parts["top"].faces) - len(sphere.faces) / 2) < 200


def test_scans_without_a_file_and_masks_without_points(tmp_path):
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=0.7)
    grey = np.full(sphere.vertices.shape, 128, np.uint8)
    scan = Scan(sphere.vertices.astype(np.float32), grey, faces=sphere.faces.astype(np.int32), has_color=False)
    masks = Masks.from_points(scan, np.zeros((1, len(scan)), bool), names=("nothing",))
    scene = trimesh.load(masks.save(tmp_path / "hit.glb"))
    assert [len(mesh.faces) for mesh in scene.geometry.values()] == [len(sphere.faces)]


def test_a_cloud_is_no_mesh(tmp_path):
    points, colors, _ = furnished_room(density=50)
    masks = Masks.from_points(Scan.from_arrays(points, colors), points[:, 2] < 0.5)
    with pytest.raises(InputError, match=r"hit\.glb: expected a scan with faces, got a cloud .* save it as \.ply"):
        masks.save(tmp_path / "hit.glb")
    assert not list(tmp_path.iterdir())
