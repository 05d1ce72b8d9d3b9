import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.annotations import Annotation
from saymask.data.furniture_library import mesh, read_obj, sample, write_library
from saymask.data.samples.degrade import Degradation, degraded, says_shape
from saymask.data.samples.exchange import Library, exchanged, read_library
from saymask.errors import InputError
from saymask.labels.tables import scannet200
from saymask.scan import Scan

INDEX = {c.name: c.index for c in scannet200()}


def box(low, high, step: float = 0.04) -> np.ndarray:
    """Return points on the surface of a box."""
    axes = [np.arange(a, b + 1e-6, step) for a, b in zip(low, high, strict=True)]
    grid = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)
    at_edge = np.isclose(grid, low) | (grid > np.array(high) - step)
    return grid[at_edge.any(axis=1)]


def sofa(back: float) -> np.ndarray:
    """Return a seat with a back rest at y = `back` (-1 or 1): 2 m wide, 0.9 m deep, 0.9 m high, on the origin."""
    rest = 0.35 * back
    return np.concatenate([box((-1, -0.45, 0), (1, 0.45, 0.4)), box((-1, rest - 0.1, 0.4), (1, rest + 0.1, 0.9))])


def room(turn: float = 0.0) -> Scan:
    """Return a floor with a sofa and a lamp that no library has; the room is turned by `turn` against its axes."""
    floor = box((0, 0, 0), (4, 4, 0.0))
    parts = [(floor, "floor", 0), (np.add(sofa(-1), (2, 2, 0)), "couch", 1), (box((3, 3, 0), (3.2, 3.2, 1)), "fan", 2)]
    points = np.concatenate([p for p, _, _ in parts])
    c, s = np.cos(turn), np.sin(turn)
    alignment = np.eye(4)
    alignment[:2, :2] = [[c, -s], [s, c]]
    points[:, :2] = points[:, :2] @ alignment[:2, :2]  # raw = inverse of the alignment
    names = np.concatenate([np.full(len(p), INDEX[name]) for p, name, _ in parts]).astype(np.int16)
    ids = np.concatenate([np.full(len(p), i) for p, _, i in parts]).astype(np.int32)
    colors = np.full((len(points), 3), 100, np.uint8)
    colors[ids == 1] = (200, 40, 40)
    return Scan(points=points.astype(np.float32), colors=colors, superpoints=ids, alignment=alignment,
                labels={"instance": ids, "semantic200": names}, name="room")  # fmt: skip


def library() -> Library:
    points = (sofa(1) * [0.9, 1.1, 1]).astype(np.float32)
    colors = np.random.default_rng(0).integers(90, 160, (len(points), 3)).astype(np.uint8)
    return Library(np.array(["couch"]), np.array([0, len(points)]), points, colors, np.arange(len(points)) % 3)


@settings(max_examples=15, deadline=None)
@given(turn=st.floats(-3, 3))
def test_a_model_takes_the_box_the_back_and_the_colour_of_the_object(turn):
    scan = room(turn)
    view, done = exchanged(scan, library(), 1.0, np.random.RandomState(0))
    assert done == {1}
    old, new = (s.points[s.labels["instance"] == 1] @ np.block(
        [[s.alignment[:2, :2].T, np.zeros((2, 1))], [np.zeros((1, 2)), np.eye(1)]]) for s in (scan, view))  # fmt: skip
    np.testing.assert_allclose(new.min(0), old.min(0), atol=0.05)
    np.testing.assert_allclose(new.max(0), old.max(0), atol=0.05)
    high = new[:, 2] > 0.6
    assert new[high, 1].mean() < new[:, 1].mean() - 0.1  # the back stays where it was
    paint = view.colors[view.labels["instance"] == 1].mean(axis=0)
    np.testing.assert_allclose(paint, (200, 40, 40), atol=8)
    for i in (0, 2):
        np.testing.assert_array_equal(
            view.points[view.labels["instance"] == i], scan.points[scan.labels["instance"] == i]
        )
    own = view.labels["instance"] == 1
    assert not set(view.superpoints[own].tolist()) & set(view.superpoints[~own].tolist())
    assert (view.labels["semantic200"][own] == INDEX["couch"]).all()


def test_nothing_happens_without_a_share_or_a_model_that_fits():
    scan = room()
    assert exchanged(scan, library(), 0.0, np.random.RandomState(0)) == (scan, set())
    small = library()
    small = Library(small.kinds, small.start, small.points * np.float32([0.2, 1, 1]), small.colors, small.segments)
    assert exchanged(scan, small, 1.0, np.random.RandomState(0))[1] == set()


def test_sentences_about_the_shape_of_what_was_exchanged_go(tmp_path):
    one = library()
    np.savez(tmp_path / "l.npz", kinds=one.kinds, start=one.start, points=one.points, colors=one.colors,
             segments=one.segments)  # fmt: skip
    switches = Degradation(share=1, library=str(tmp_path / "l.npz"), exchange=1, exchange_objects=1, crop=0, cut=0,
                           holes=0, bumps=0, tone=0)  # fmt: skip
    asked = [Annotation("room", (i,), n, t, t) for n, (i, t) in enumerate(
        [(1, "the L-shaped sofa"), (1, "the red sofa"), (2, "the round fan")])]  # fmt: skip
    _, kept = degraded(room(), asked, np.random.RandomState(0), switches)
    assert [a.ann_id for a in kept] == [1, 2]
    assert says_shape("the ROUND table")
    assert not says_shape("a surrounded table")


def test_a_file_that_is_no_library_is_said(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, points=np.zeros(3))
    with pytest.raises(InputError, match="furniture library"):
        read_library(str(path))
    with pytest.raises(InputError, match="found none"):
        write_library(iter(()), {"bed"}, path)


def test_models_are_read_with_their_textures_and_sampled_evenly():
    from PIL import Image

    picture = io.BytesIO()
    Image.fromarray(np.repeat(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8), 8, axis=0).repeat(2, 1)).save(
        picture, "PNG"
    )
    obj = "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nusemtl wood\n"
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        archive.writestr("m/a.obj", obj + "f 1/1 2/2 3/3 4/4\nusemtl plain\nf -4 -3 -2\n")
        archive.writestr("m/a.mtl", "newmtl wood\nmap_Kd t.png\nnewmtl plain\nKd 0 1 0\n")
        archive.writestr("m/t.png", picture.getvalue())
        surface = read_obj(archive, "m/a.obj")
    assert surface.corners.shape == (3, 3, 3)
    assert surface.texture.tolist() == [0, 0, -1]
    points, normals, colors = sample(surface, (2.0, 0.1, 1.0), np.random.RandomState(0))
    np.testing.assert_allclose(np.ptp(points, axis=0), (2, 0, 1), atol=0.05)
    assert abs(len(points) / (2 / 0.02**2) - 1) < 0.1
    red, blue = colors[:, 0] > 200, colors[:, 2] > 200
    assert points[red, 2].mean() > points[blue, 2].mean() + 0.3  # the picture's first row is the top
    np.testing.assert_allclose(np.abs(normals[:, 1]), 1)
    vertices, paint, faces = mesh(surface, (2.0, 0.1, 1.0))
    np.testing.assert_allclose(np.ptp(vertices, axis=0), (2, 0, 1), atol=0.06)
    a, b, c = (vertices[faces[:, k]].astype(float) for k in range(3))
    assert max(np.linalg.norm(b - a, axis=1).max(), np.linalg.norm(c - b, axis=1).max()) < 0.09
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert 1.7 < area < 3.3  # the square, and the plain triangle before it
    assert paint[vertices[:, 2] > 0.8, 0].mean() > paint[vertices[:, 2] < 0.2, 0].mean()
