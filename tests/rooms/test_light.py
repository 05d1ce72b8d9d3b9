import numpy as np

from saymask.rooms.light import BRIGHTEST, DARKEST, light
from saymask.rooms.mesh import make_room


def floor_and_table(mesh) -> tuple[np.ndarray, np.ndarray]:
    """A floor, and a table top over a square metre in its middle."""
    width, depth = np.array(mesh.room.floor).max(axis=0)
    x, y = np.meshgrid(np.arange(0, width, 0.05), np.arange(0, depth, 0.05))
    floor = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    top = floor[(np.abs(floor[:, :2] - (width / 2, depth / 2)) < 0.5).all(axis=1)] + (0, 0, 0.7)
    return np.concatenate([floor, top]), np.abs(floor[:, :2] - (width / 2, depth / 2)).max(axis=1)


def test_a_table_casts_a_shadow_on_the_floor():
    mesh = make_room("val", 0)
    points, away = floor_and_table(mesh)
    normals = np.tile([0.0, 0.0, 1.0], (len(points), 1))
    found = light(mesh, points, normals, np.zeros(len(points), bool), np.random.RandomState(0))
    assert found.shape == (len(points), 3)
    assert (found >= DARKEST).all()
    assert (found <= BRIGHTEST).all()
    tone = found.mean(axis=1)
    floor = tone[: len(away)]
    assert floor[away < 0.4].mean() < 0.95 * floor[(away > 0.7) & (away < 1.2)].mean()
    assert tone[len(away) :].mean() > floor[away < 0.4].mean()
