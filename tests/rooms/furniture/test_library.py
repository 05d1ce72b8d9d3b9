from pathlib import Path

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.rooms import make_room, scan_room
from saymask.rooms.furniture.design import build
from saymask.rooms.furniture.library import Library, read_library
from saymask.rooms.furniture.parts import _box_grid


def box_mesh(size: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a closed box as a model, its front red."""
    vertices, faces = _box_grid(48, 48, 24)
    colors = np.full((len(vertices), 3), 100, np.uint8)
    colors[vertices[:, 1] < -0.49] = (200, 0, 0)
    return (vertices + np.array([0, 0, 0.5])) * size, colors, faces


@pytest.fixture
def library() -> Library:
    kinds = np.array(["table", "chair", "bed"])
    sizes = np.array([(1.4, 0.8, 0.75), (0.5, 0.5, 0.9), (1.5, 2.0, 0.6)])
    return Library(kinds, tuple(box_mesh(tuple(size)) for size in sizes), sizes)


def test_a_model_takes_the_size_of_what_it_stands_for(library: Library) -> None:
    rng = np.random.RandomState(0)
    table = build("table", rng, version=1, design="rectangular")
    other = library.instead(table, rng)
    assert other is not table
    assert other.size == table.size
    assert (other.category, other.color, other.shape) == ("table", None, None)
    vertices, faces, local = other.parts[0].tessellate(0.02)
    np.testing.assert_allclose(np.ptp(vertices, axis=0), table.size, atol=1e-6)
    assert abs(vertices[:, 2].min()) < 1e-6
    assert len(local) == len(vertices) > faces.max()
    for low, high in zip(other.boxes[:, :3], other.boxes[:, 3:], strict=True):
        assert (low >= np.array([-table.size[0] / 2, -table.size[1] / 2, 0]) - 1e-6).all()
        assert (high <= np.array([table.size[0] / 2, table.size[1] / 2, table.size[2]]) + 1e-6).all()
    assert len(other.tops) == 1
    front = vertices[:, 1] < -table.size[1] / 2 + 1e-6
    paint = np.broadcast_to(np.asarray(other.parts[0].color), vertices.shape)
    assert paint[front, 0].mean() > paint[~front, 0].mean() + 20  # the front looks towards -y


def test_what_does_not_fit_stays(library: Library) -> None:
    rng = np.random.RandomState(0)
    for category, design in (("table", "round"), ("couch", "sofa")):
        model = build(category, rng, version=1, design=design)
        assert library.instead(model, rng) is model
    wide = build("table", rng, version=1, design="conference")
    assert library.instead(wide, rng) is wide


def test_a_layout_places_models(library: Library) -> None:
    rooms = [make_room("train", i, version=2, kind="meeting room", library=library) for i in range(4)]
    meshes = [[body for body in mesh.bodies if body.parts[0].kind == "mesh"] for mesh in rooms]
    most = max(range(4), key=lambda i: len(meshes[i]))
    assert meshes[most]
    assert {body.label for body in meshes[most]} <= {"table", "dining table", "chair", "bed"}
    seen = set(scan_room(rooms[most]).objects.tolist())
    assert sum(body.id in seen for body in meshes[most]) >= 0.8 * len(meshes[most])
    again = make_room("train", most, version=2, kind="meeting room", library=library)
    assert again.room == rooms[most].room


def test_files(library: Library, tmp_path: Path) -> None:
    vertices, colors, faces = zip(*library.meshes, strict=True)
    path = tmp_path / "library.npz"
    np.savez(
        path, kinds=library.kinds, vertices=np.concatenate(vertices), vertex_colors=np.concatenate(colors),
        faces=np.concatenate(faces), vertex_start=np.cumsum([0, *map(len, vertices)]),
        face_start=np.cumsum([0, *map(len, faces)]),
    )  # fmt: skip
    read = read_library(str(path))
    np.testing.assert_allclose(read.sizes, library.sizes)
    assert read.kinds.tolist() == library.kinds.tolist()
    np.savez(path, kinds=library.kinds)
    read_library.cache_clear()
    with pytest.raises(InputError, match="furniture library"):
        read_library(str(path))
