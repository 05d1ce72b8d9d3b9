import numpy as np
import pytest
import trimesh

from saymask.errors import InputError
from saymask.io.mesh import read_mesh
from saymask.io.mesh_sampling import face_areas, is_sparse, sample_surface
from tests.io.rooms import bumpy


def grid_mesh(n=40, size=0.5):
    """A dense wavy sheet."""
    x, y = np.meshgrid(np.linspace(0, size, n), np.linspace(0, size, n), indexing="ij")
    points = np.stack([x, y, 0.1 * np.sin(8 * x) * np.cos(6 * y)], -1).reshape(-1, 3)
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel(), i[:-1, 1:].ravel()
    return points, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


@pytest.mark.parametrize("suffix", ["obj", "glb", "stl", "off"])
def test_dense_meshes_keep_their_vertices(tmp_path, suffix):
    points, faces = grid_mesh()
    colors = np.random.default_rng(0).integers(0, 256, (len(points), 4)).astype(np.uint8)
    colors[:, 3] = 255
    trimesh.Trimesh(points, faces, vertex_colors=colors, process=False).export(tmp_path / f"a.{suffix}")
    cloud = read_mesh(tmp_path / f"a.{suffix}")
    assert not cloud.sampled
    assert cloud.faces is not None
    area = face_areas(points, faces)[0].sum()
    assert face_areas(cloud.points, cloud.faces)[0].sum() == pytest.approx(area, rel=1e-5)
    if suffix in ("obj", "glb"):
        np.testing.assert_allclose(cloud.points, points, atol=1e-6)
        assert np.abs(cloud.colors.astype(int) - colors[:, :3]).max() <= 1
    assert cloud.up == ("y" if suffix == "glb" else None)


def test_obj_vertices_keep_the_order_of_the_file_when_the_loader_splits_them(tmp_path):
    points, faces = grid_mesh(20, 0.3)
    order = np.random.default_rng(0).permutation(len(points))
    rank = np.argsort(order)
    rows = [f"v {x:.7f} {y:.7f} {z:.7f}" for x, y, z in points[order]]
    rows += [f"vt {i / 7:.3f} 0.5" for i in range(7)]
    for k, f in enumerate(rank[faces]):
        rows.append("f " + " ".join(f"{v + 1}/{(k + j) % 7 + 1}" for j, v in enumerate(f)))
    (tmp_path / "a.obj").write_text("\n".join(rows) + "\n")
    cloud = read_mesh(tmp_path / "a.obj")
    np.testing.assert_allclose(cloud.points, points[order], atol=1e-6)
    assert face_areas(cloud.points, cloud.faces)[0].sum() == pytest.approx(face_areas(points, faces)[0].sum(), rel=1e-4)


def test_large_triangles_are_sampled_with_the_colours_of_their_parts(tmp_path):
    scene = trimesh.Scene()
    for color, at in (([255, 0, 0, 255], 0.0), ([0, 0, 255, 255], 5.0)):
        part = trimesh.creation.box((2, 1, 1), transform=trimesh.transformations.translation_matrix([at, 0, 0]))
        part.visual = trimesh.visual.ColorVisuals(part, vertex_colors=np.tile(color, (len(part.vertices), 1)))
        scene.add_geometry(part)
    scene.export(tmp_path / "a.glb")
    cloud = read_mesh(tmp_path / "a.glb")
    assert cloud.sampled
    assert "sampled" in cloud.messages[0]
    assert len(cloud.points) == pytest.approx(20 / 0.02**2, rel=0.01)
    assert set(cloud.columns) == {"x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "part", "face"}
    red = cloud.points[:, 0] < 2.5
    np.testing.assert_array_equal(cloud.colors[red], np.tile([255, 0, 0], (red.sum(), 1)))
    np.testing.assert_array_equal(cloud.colors[~red], np.tile([0, 0, 255], ((~red).sum(), 1)))


def test_textures_are_looked_up_for_every_sample(tmp_path):
    from PIL import Image

    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, :4], picture[:, 4:] = [255, 0, 0], [0, 255, 0]
    points = np.array([[0, 0, 0], [2, 0, 0], [2, 0, 1], [0, 0, 1.0]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture))
    mesh = trimesh.Trimesh(
        points, [[0, 1, 2], [0, 2, 3]], visual=trimesh.visual.TextureVisuals(uv=uv, material=material), process=False
    )
    mesh.export(tmp_path / "a.glb")
    cloud = read_mesh(tmp_path / "a.glb")
    left = cloud.points[:, 0] < 0.99
    right = cloud.points[:, 0] > 1.01
    assert (cloud.colors[left] == [255, 0, 0]).all()
    assert (cloud.colors[right] == [0, 255, 0]).all()


def test_samples_are_even_and_lie_on_their_triangle():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [3, 0, 1], [3, 2, 1], [3, 0, 3.0]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    samples = sample_surface(points, faces, 0.05)
    assert is_sparse(points, faces, 0.05)
    np.testing.assert_allclose(samples.weights.sum(1), 1)
    assert samples.weights.min() >= 0
    np.testing.assert_allclose(np.bincount(samples.face), [200, 800], atol=1)
    quarters = np.floor(samples.points[samples.face == 1][:, 1:] - [0, 1]).astype(int)
    assert (np.unique(quarters, axis=0, return_counts=True)[1] > 150).sum() == 3
    np.testing.assert_array_equal(samples.points, sample_surface(points, faces, 0.05).points)


@pytest.mark.parametrize("suffix", ["glb", "stl"])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.95])
def test_cut_off(tmp_path, suffix, share):
    trimesh.Trimesh(*grid_mesh(), process=False).export(tmp_path / f"a.{suffix}")
    data = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(data[: max(1, int(len(data) * share))])
    with pytest.raises(InputError, match=rf"a\.{suffix}"):
        read_mesh(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.obj", "hello\n"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n"),
        ("a.glb", "glTF"),
        ("a.glb", "PLY nonsense"),
        ("a.gltf", "{"),
        ("a.gltf", "{}"),
        ("a.stl", "solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n"),
        ("a.off", "OFF\n3 1 0\n0 0 0\n"),
    ],
)
def test_what_is_no_mesh(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        read_mesh(tmp_path / name)


@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_points_without_triangles_are_a_cloud(tmp_path, suffix):
    colors = np.random.default_rng(0).integers(0, 256, (200, 4)).astype(np.uint8)
    cloud = trimesh.PointCloud(bumpy(200), colors=colors)
    if suffix == "glb":
        cloud.export(tmp_path / "a.glb")
    else:
        rows = [f"v {x} {y} {z} {r} {g} {b}" for (x, y, z), (r, g, b, _) in zip(bumpy(200), colors)]
        (tmp_path / "a.obj").write_text("\n".join(rows))
    read = read_mesh(tmp_path / f"a.{suffix}")
    assert read.faces is None
    np.testing.assert_allclose(read.points, bumpy(200), atol=1e-6)
    np.testing.assert_array_equal(read.colors, colors[:, :3])
