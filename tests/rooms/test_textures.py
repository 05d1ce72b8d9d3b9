import numpy as np
import pytest

from saymask.rooms.textures import WALLS, WET, painted, wall_finish

TEXTURES = ["plain", "wood", "fabric", "carpet", "planks", "tile", "stone", "stripes", "text", *WALLS, *WET]
SIZE = np.array([3.0, 0.0, 2.5])


def wall(step: float = 0.03) -> np.ndarray:
    x, z = np.meshgrid(np.arange(-1.5, 1.5, step), np.arange(-1.25, 1.25, step))
    return np.stack([x.ravel(), np.zeros(x.size), z.ravel()], axis=1)


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_texture_varies_a_colour_and_keeps_it(texture):
    for seed in range(3):
        paint = painted(texture, (120, 80, 60), wall(), SIZE, np.random.RandomState(seed))
        assert paint.shape == (len(wall()), 3)
        assert np.isfinite(paint).all()
        tone = paint @ [0.299, 0.587, 0.114]
        assert 0.6 < np.median(tone) / 89.7 < 1.2
        assert 0.5 < tone.std() < 35
        np.testing.assert_allclose(paint[:, 0] / paint[:, 1], 1.5, rtol=1e-6)  # the same hue everywhere


def test_pictures_have_several_colours():
    paint = [painted("art", (120, 80, 60), wall(), SIZE, np.random.RandomState(seed)) for seed in range(4)]
    assert all(np.ptp(p.mean(axis=1)) > 20 for p in paint)


def test_a_texture_is_a_function_of_the_generator():
    a, b = (painted("planks", (120, 80, 60), wall(), SIZE, np.random.RandomState(5)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_finishes_of_walls_are_drawn_by_kind_of_room():
    rng = np.random.RandomState(0)
    assert {wall_finish(rng, "bathroom") for _ in range(40)} == set(WET)
    assert {wall_finish(rng, "office") for _ in range(200)} == set(WALLS)
