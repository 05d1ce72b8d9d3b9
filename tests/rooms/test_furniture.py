import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.labels.tables import scannet20, scannet200
from saymask.rooms import colors
from saymask.rooms.furniture.design import Design, Kit, build, categories, designs
from saymask.rooms.furniture.parts import Part, rotation
from tests.rooms.color_words import word_of

ALL = [option for category in categories(2) for option in designs(category, 2)]


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def test_categories_are_those_of_scannet200() -> None:
    names = {c.name: c.nyu40id for c in scannet200()}
    assert len(categories(1)) >= 70
    assert len(categories(2)) >= 190
    assert set(categories(1)) < set(categories(2)) < set(names)
    for version in (1, 2):
        covered = {names[category] for category in categories(version)} | {1, 2}  # walls and floors: the shell
        assert {c.nyu40id for c in scannet20()} <= covered


def test_frequent_categories_have_several_designs() -> None:
    for category in (
        "chair",
        "office chair",
        "couch",
        "table",
        "desk",
        "bed",
        "cabinet",
        "bookshelf",
        "lamp",
        "door",
        "tv",
    ):
        first, second = (len(designs(category, version)) for version in (1, 2))
        assert first >= 2, category
        assert second >= 2 * first, category


def test_a_version_has_the_designs_of_earlier_ones_in_their_order() -> None:
    for category in categories(1):
        assert [d for d in designs(category, 2) if d.since == 1] == designs(category, 1)


def test_a_design_stands_in_the_places_of_the_one_it_is_like() -> None:
    rng = np.random.RandomState(0)
    assert {build("tv", rng, version=1, design="on_wall").design for _ in range(9)} == {"on_wall"}
    assert len({build("couch", rng, version=2, design="sofa").design for _ in range(40)}) >= 4
    for category, version in (("door", 1), ("door", 2)):
        for option in designs(category, version):
            assert option.like is None or option.like in {d.name for d in designs(category, 1)}


@pytest.mark.parametrize("option", ALL, ids=lambda option: f"{option.category}-{option.name}")
def test_every_design(option: Design) -> None:
    rng = np.random.RandomState(sum(map(ord, option.category + option.name)))
    for _ in range(2):
        kit = Kit(rng)
        option.make(kit)
        model = kit.finish(option.category, option)
        assert all(0.005 < s < 4.2 for s in model.size), model.size
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
        chair = build("chair", rng, version=1, design="shell", color=word)
        assert chair.color == word
        assert word_of(np.array(chair.parts[-1].color)) == word
    assert build("table", rng, version=1, design="rectangular", wish={"w": 1.234}).size[0] == pytest.approx(1.234)


def test_unknown_names() -> None:
    rng = np.random.RandomState(0)
    with pytest.raises(KeyError):
        build("spaceship", rng, version=1)
    with pytest.raises(KeyError, match="no design"):
        build("chair", rng, version=1, design="throne")


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(0.02, 0.8)] * 3),
    st.floats(0.0, 0.3),
    st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    st.sampled_from(["box", "cushion", "soft"]),
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
