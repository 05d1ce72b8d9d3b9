import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.labels.tables import scannet20, scannet200
from saymask.rooms import colors
from saymask.rooms.furniture.design import DESIGNS, build, categories
from saymask.rooms.furniture.parts import Part, rotation
from tests.rooms.color_words import word_of

ALL = [(category, option.name) for category in categories() for option in DESIGNS[category]]


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def test_categories_are_those_of_scannet200() -> None:
    names = {c.name: c.nyu40id for c in scannet200()}
    assert len(categories()) >= 70
    assert set(categories()) <= set(names)
    covered = {names[category] for category in categories()} | {1, 2}  # walls and floors come with the shell
    assert {c.nyu40id for c in scannet20()} <= covered


def test_frequent_categories_have_several_designs() -> None:
    for category in ("chair", "office chair", "couch", "table", "desk", "bed", "cabinet", "bookshelf", "lamp", "door"):
        assert len(DESIGNS[category]) >= 2, category


@pytest.mark.parametrize(("category", "name"), ALL)
def test_every_design(category: str, name: str) -> None:
    rng = np.random.RandomState(sum(map(ord, category + name)))
    for _ in range(2):
        model = build(category, rng, design=name)
        assert model.category == category
        assert model.design == name
        assert all(0.01 < s < 4.2 for s in model.size), model.size
        low, high = model.boxes[:, :3].min(axis=0), model.boxes[:, 3:].max(axis=0)
        np.testing.assert_allclose(high - low, model.size, atol=1e-9)
        np.testing.assert_allclose([low[0] + high[0], low[1] + high[1], low[2]], 0, atol=1e-9)
        assert model.color is None or model.color in colors.PALETTE
        for surface in model.tops:
            assert -model.size[0] / 2 - 1e-6 <= surface.x0 < surface.x1 <= model.size[0] / 2 + 1e-6
            assert 0 < surface.z <= model.size[2] + 0.012
        for part, box in zip(model.parts, model.boxes, strict=True):
            vertices, faces, local = part.tessellate(0.03)
            assert len(vertices) == len(local) == len(np.unique(faces))
            assert len(np.unique(vertices.round(7), axis=0)) == len(vertices)
            assert (vertices >= box[:3] - 1e-6).all()
            assert (vertices <= box[3:] + 1e-6).all()
            if not part.two_sided:
                assert volume(vertices, faces) > 0  # faces look outwards


def test_color_and_measures_can_be_asked_for() -> None:
    rng = np.random.RandomState(0)
    for word in colors.WORDS:
        chair = build("chair", rng, design="shell", color=word)
        assert chair.color == word
        assert word_of(np.array(chair.parts[-1].color)) == word
    assert build("table", rng, design="rectangular", wish={"w": 1.234}).size[0] == pytest.approx(1.234)


def test_unknown_names() -> None:
    rng = np.random.RandomState(0)
    with pytest.raises(KeyError):
        build("spaceship", rng)
    with pytest.raises(KeyError, match="no design"):
        build("chair", rng, design="throne")


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(0.02, 0.8)] * 3),
    st.floats(0.0, 0.3),
    st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    st.sampled_from(["box", "cushion"]),
)
def test_boxes_of_any_size(size, rounding, turn, kind) -> None:
    part = Part(kind, size, np.array([1.0, -2.0, 0.5]), rotation(*turn), (9, 9, 9), "plain", rounding)
    vertices, faces, local = part.tessellate(0.05)
    low, high = part.bounds()
    assert (vertices >= low - 1e-9).all()
    assert (vertices <= high + 1e-9).all()
    assert 0 < volume(local, faces) <= np.prod(size) * (1 + 1e-9)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()  # closed


@pytest.mark.parametrize("word", colors.WORDS)
def test_shades_keep_their_name(word: str) -> None:
    rng = np.random.RandomState(1)
    names = [word_of(np.array(colors.shade_of(rng, word)) * light) for light in (0.85, 1.0) for _ in range(20)]
    assert names.count(word) >= 36


@pytest.mark.parametrize(
    "texture", ["wood", "fabric", "stone", "tile", "planks", "stripes", "pattern", "keys", "art", "text", "leaves"]
)
def test_textures(texture: str) -> None:
    local = np.random.RandomState(0).uniform(-0.5, 0.5, (500, 3)) * [2.0, 1.0, 0.1]
    size = np.array([2.0, 1.0, 0.1])
    a = colors.texture_colors(texture, (100, 120, 140), local, size, np.random.RandomState(4))
    b = colors.texture_colors(texture, (100, 120, 140), local, size, np.random.RandomState(4))
    assert a.shape == (500, 3)
    assert np.isfinite(a).all()
    np.testing.assert_array_equal(a, b)
    assert len(np.unique(a, axis=0)) > 1
