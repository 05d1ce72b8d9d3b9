"""OBJ and MTL as exporters write them: each material keeps its own colour, and what is missing is said."""

import numpy as np
import pytest
from PIL import Image

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.mesh import read_mesh

COLORS = np.array([[140, 95, 50], [220, 215, 205], [200, 30, 30]], np.uint8)


def squares(material="usemtl m{i}", uv=True, negative=False, z=0.5):
    """Three squares of one metre side by side at different heights, each with its own material."""
    rows = []
    for i in range(3):
        rows += [f"v {i + a} {b} {z * i}" for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
        rows += ["vt 0.1 0.1", "vt 0.9 0.1", "vt 0.9 0.9", "vt 0.1 0.9"] if uv else []
        rows.append(material.format(i=i))
        first = [-4, -3, -2, -1] if negative else [4 * i + k for k in (1, 2, 3, 4)]
        rows.append("f " + " ".join(f"{k}/{k}" if uv else str(k) for k in first))
    return "\n".join(rows) + "\n"


def images(folder, names):
    for name, color in zip(names, COLORS):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        Image.new("RGB", (4, 4), tuple(int(v) for v in color)).save(folder / name)


def write(folder, mtl, obj, library="a.mtl"):
    if mtl is not None:
        (folder / "a.mtl").write_text(mtl)
    (folder / "a.obj").write_text((f"mtllib {library}\n" if library else "") + obj)
    return folder / "a.obj"


def check(cloud):
    which = np.clip(cloud.points[:, 0].astype(int), 0, 2)
    sure = np.abs(cloud.points[:, 0] - np.rint(cloud.points[:, 0])) > 1e-3
    np.testing.assert_array_equal(cloud.colors[sure], COLORS[which][sure])


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["t0.png", "t1.png", "t2.png"], "map_Kd {}"),
        (["my t0.png", "my t1.png", "my t2.png"], "map_Kd {}"),
        (["tex/t0.png", "tex/t1.png", "tex/t2.png"], "map_Kd tex\\{}"),
        (["t0.png", "t1.png", "t2.png"], "map_Kd C:\\Users\\me\\textures\\{}"),
        (["t0.png", "t1.png", "t2.png"], "map_Kd /home/me/{}"),
        (["T0.PNG", "T1.PNG", "T2.PNG"], "map_Kd {}"),
        (["t 0.png", "t 1.png", "t 2.png"], "map_Kd -s 2 2 1 -o 0.5 0 -clamp off -mm 0 1 {}"),
        (["t0.png", "t1.png", "t2.png"], "\tMAP_KD   {}  "),
        (["t0.png", "t1.png", "t2.png"], "Kd 0.1 0.1 0.1\nmap_Kd {}\nmap_Bump gone.png"),
    ],
)
@pytest.mark.parametrize("negative", [False, True])
def test_every_material_keeps_its_image(tmp_path, names, line, negative):
    images(tmp_path, names)
    shown = [n.split("/")[-1].lower() if n.isupper() else n.split("/")[-1] for n in names]
    mtl = "\n".join(f"newmtl m{i}\n" + line.format(n) for i, n in enumerate(shown))
    check(read_mesh(write(tmp_path, mtl, squares(negative=negative))))


def test_base_colours_without_images_are_used_and_said(tmp_path):
    mtl = "\n".join(f"newmtl m{i}\nKd " + " ".join(f"{v / 255:.4f}" for v in c) for i, c in enumerate(COLORS))
    cloud = read_mesh(write(tmp_path, mtl, squares(uv=False)))
    check(cloud)
    assert "base colour" in " ".join(cloud.messages)


@pytest.mark.parametrize(
    ("mtl", "said"),
    [
        (None, "a.mtl"),
        ("newmtl other\nKd 1 0 0\n", "no MTL file describes"),
        ("\n".join(f"newmtl m{i}\nKd 0.8 0.8 0.8\nmap_Kd t{i}.png" for i in range(3)), "t0.png"),
        ("\n".join(f"newmtl m{i}\nKd 0.8 0.8 0.8" for i in range(3)), "same grey"),
    ],
)
def test_what_is_missing_is_said_and_never_passes_for_colour(tmp_path, mtl, said):
    scan = load_scan(write(tmp_path, mtl, squares()), quiet=True, up="z")
    assert not scan.has_color
    assert (scan.colors == 128).all()
    assert said in " ".join(scan.messages)


def test_one_missing_image_leaves_the_others(tmp_path):
    images(tmp_path, ["t0.png", "t1.png"])
    mtl = "\n".join(f"newmtl m{i}\nmap_Kd t{i}.png" for i in range(3))
    cloud = read_mesh(write(tmp_path, mtl, squares()))
    said = " ".join(cloud.messages)
    assert "t2.png" in said
    assert "33% of the points have no colour" in said
    inner = cloud.points[:, 0] < 1.99
    assert (cloud.colors[inner] != 128).all(1).all()


def test_a_damaged_image_is_named(tmp_path):
    for i in range(3):
        (tmp_path / f"t{i}.png").write_bytes(b"\x89PNG nonsense")
    mtl = "\n".join(f"newmtl m{i}\nmap_Kd t{i}.png" for i in range(3))
    cloud = read_mesh(write(tmp_path, mtl, squares()))
    assert cloud.colors is None
    assert "t0.png cannot be read" in " ".join(cloud.messages)


def test_dense_textured_meshes_keep_the_vertices_of_the_file(tmp_path):
    n = 30
    x, y = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
    points = np.stack([x, y, 0.1 * np.sin(7 * x)], -1).reshape(-1, 3)
    i = np.arange(n * n).reshape(n, n)
    faces = np.stack([i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]], -1).reshape(-1, 4)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :, 0] = np.arange(64)[None] * 4
    picture[:, :, 1] = np.arange(64)[::-1, None] * 4
    Image.fromarray(picture).save(tmp_path / "t.png")
    rows = [f"v {a:.6f} {b:.6f} {c:.6f}" for a, b, c in points] + [f"vt {a:.6f} {b:.6f}" for a, b in points[:, :2]]
    rows += ["usemtl one", *("f " + " ".join(f"{k + 1}/{k + 1}" for k in f) for f in faces)]
    cloud = read_mesh(write(tmp_path, "newmtl one\nmap_Kd t.png", "\n".join(rows)))
    np.testing.assert_allclose(cloud.points, points, atol=1e-6)
    expected = np.minimum((points[:, :2] * 64).astype(int), 63) * 4
    assert np.abs(cloud.colors[:, :2].astype(int) - expected).max() <= 4
    assert len(cloud.faces) == 2 * len(faces)


def test_continued_lines_comments_and_mixed_corners(tmp_path):
    text = (
        "# a\nv 0 0 0 # first\nv 1 0 0\nv 1 1 0.5\nv 0 1 0.2\nvt 0 0\nvn 0 0 1\nf 1/1/1 2 \\\n 3//1\nf 1//1 3//1 4//1\n"
    )
    cloud = read_mesh(write(tmp_path, None, text, library=None))
    assert cloud.sampled
    assert len(np.unique(cloud.columns["face"])) == 2


@pytest.mark.parametrize("line", ["f 1 2 9", "f 1 2 -9", "f 1 2 x", "f 1/1 2/2 3/3", "f 0 1 2"])
def test_damaged_faces(tmp_path, line):
    path = write(tmp_path, None, f"v 0 0 0\nv 1 0 0\nv 0 1 0\n{line}\n", library=None)
    with pytest.raises(InputError, match=r"a\.obj"):
        read_mesh(path)


@pytest.mark.parametrize("line", ["v 1 2 3-", "v 1 2 3e", "v 1 - 2", "v 1 2"])
def test_damaged_vertices(tmp_path, line):
    path = write(tmp_path, None, f"v 0 0 0\nv 1 0 0\nv 0 1 0\n{line}\nf 1 2 3\n", library=None)
    with pytest.raises(InputError, match=r"a\.obj: expected v line 4"):
        read_mesh(path)
