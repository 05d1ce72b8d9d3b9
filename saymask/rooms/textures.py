"""Looks of the surfaces of rooms of version 2: floors, walls, wood, fabrics and pictures, by place on the surface.

Patterns vary the brightness of a part's colour, so that its name stays true; what is finer than the points of a scan is
left out.
"""

from collections.abc import Callable

import numpy as np

from saymask.geometry.smooth_noise import smooth_noise
from saymask.rooms.colors import RGB, shade_of, texture_colors

WALLS = {"paint": 0.68, "roller": 0.1, "wallpaper": 0.08, "motif": 0.05, "brick": 0.05, "panels": 0.04}
"""Finishes of walls and their shares."""
WET = {"paint": 0.45, "wall tiles": 0.55}
"""The same in bathrooms and kitchens."""
PAPER = ("white", "red", "orange", "yellow", "green", "blue", "brown", "black", "beige", "purple")


def wall_finish(rng: np.random.RandomState, kind: str) -> str:
    """Draw the finish of a room's walls."""
    shares = WET if kind in ("bathroom", "kitchen") else WALLS
    return list(shares)[int(np.searchsorted(np.cumsum(list(shares.values()))[:-1], rng.random_sample(), side="right"))]


def painted(
    texture: str,
    color: RGB | np.ndarray,
    local: np.ndarray,  # float64 [n, 3] metres, the part's own frame
    size: np.ndarray,  # float64 [3] extents of the part
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return the unlit colour of every vertex of a part, float64 [n, 3] in 0..255.

    `texture` is one of a part's, a finish of `WALLS` or `WET`, or "carpet".
    """
    if texture == "art" and rng.random_sample() < 0.6:
        return _photograph(local, size, rng)
    look = _LOOKS.get(texture)
    if look is None:
        return texture_colors(texture, color, local, size, rng) * (1 + 0.04 * _noise(local, 0.12, rng))[:, None]
    out = np.empty((len(local), 3))
    out[:] = color
    return out * look(local, size, rng)[:, None]


def _noise(local: np.ndarray, spacing: float, rng: np.random.RandomState) -> np.ndarray:
    return smooth_noise(local, spacing, 1, rng)[:, 0].astype(np.float64)


def _plane(local: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates along the two longest sides."""
    a, b = np.argsort(-size, kind="stable")[:2]
    return local[:, a], local[:, b]


def _scatter(*cells: np.ndarray) -> np.ndarray:
    """Return a number 0..1 for each cell, the same for equal ones."""
    mixed = sum(cell.astype(np.int64) * prime for cell, prime in zip(cells, (7919, 104729)))
    return np.mod(np.asarray(mixed) * 0.6180339887, 1.0)


def _plain(local, size, rng):
    return 1 + 0.05 * _noise(local, 0.25, rng) + 0.03 * _noise(local, 0.07, rng)


def _wood(local, size, rng):
    along = int(np.argmax(size))
    stretched = local * np.where(np.arange(3) == along, 0.15, 1.0)
    bend = _noise(stretched, 0.12, rng)
    across = local[:, (along + 1) % 3] + local[:, (along + 2) % 3]
    grain = np.sin(across * rng.uniform(40, 75) + rng.uniform(1, 4) * bend)
    return 1 + rng.uniform(0.04, 0.12) * grain + rng.uniform(0.03, 0.1) * _noise(stretched, 0.05, rng)


def _fabric(local, size, rng):
    weave = 1 + rng.uniform(0.04, 0.1) * _noise(local, 0.06, rng) + 0.05 * _noise(local, 0.2, rng)
    kind, strength = rng.random_sample(), rng.uniform(0.15, 0.4)
    x, y = _plane(local, size)
    period = rng.uniform(0.1, 0.3)
    if kind < 0.5:
        return weave
    if kind < 0.65:
        return weave * np.where(np.mod(x, period) < period * rng.uniform(0.3, 0.5), 1 - strength, 1)
    if kind < 0.82:
        lines = (np.mod(x, period) < 0.4 * period).astype(float) + (np.mod(y, period) < 0.4 * period)
        return weave * (1 - strength / 2 * lines)
    return weave * np.where(_noise(local, period / 2, rng) > rng.uniform(0.4, 0.9), 1 - strength, 1)  # blossoms


def _carpet(local, size, rng):
    out = 1 + rng.uniform(0.03, 0.08) * _noise(local, 0.05, rng) + 0.03 * _noise(local, 0.5, rng)
    x, y = _plane(local, size)
    kind = rng.random_sample()
    if kind < 0.3:  # carpet tiles
        out *= 0.92 + 0.16 * _scatter(np.floor(x / 0.5), np.floor(y / 0.5))
    elif kind < 0.45:
        out *= np.where(_noise(local, 0.12, rng) > 0.6, rng.uniform(0.7, 0.85), 1)
    return out * np.where(_noise(local, 0.35, rng) > 2.0, 0.8, 1)  # stains


def _planks(local, size, rng):
    a, b = np.argsort(-size, kind="stable")[:2]
    x, y = (local[:, b], local[:, a]) if rng.random_sample() < 0.3 else (local[:, a], local[:, b])
    wide, long = rng.uniform(0.08, 0.22), rng.uniform(0.7, 2.0)
    row = np.floor(y / wide)
    board = np.floor(x / long + _scatter(row))
    tone = 1 + rng.uniform(0.1, 0.35) * (_scatter(row, board) - 0.5)
    stretched = local * np.where(np.arange(3) == (a if x is local[:, a] else b), 0.2, 1.0)
    tone += rng.uniform(0.03, 0.1) * _noise(stretched, 0.05, rng)
    seam = (np.mod(y, wide) < 0.012) | (np.mod(x / long + _scatter(row), 1) * long < 0.012)
    return tone * np.where(seam, rng.uniform(0.55, 0.85), 1) * (1 + 0.04 * _noise(local, 0.6, rng))


def _tile(local, size, rng):
    x, y = _plane(local, size)
    pitch = rng.uniform(0.25, 0.6) if max(size) > 1.5 else rng.uniform(0.1, 0.2)
    high = pitch * (1.0 if rng.random_sample() < 0.7 else 0.5)
    column, row = np.floor(x / pitch), np.floor(y / high)
    tone = 1 + rng.uniform(0.02, 0.15) * (_scatter(column, row) - 0.5) + 0.04 * _noise(local, 0.1, rng)
    if rng.random_sample() < 0.15:
        tone *= np.where(np.mod(column + row, 2) == 0, 1, rng.uniform(0.5, 0.75))
    grout = (np.mod(x, pitch) < 0.025) | (np.mod(y, high) < 0.025)
    return tone * np.where(grout, rng.uniform(0.6, 0.9), 1)


def _stone(local, size, rng):
    veins = np.abs(_noise(local, 0.15, rng)) < 0.12
    return (1 + 0.1 * _noise(local, 0.05, rng) + 0.08 * _noise(local, 0.3, rng)) * np.where(veins, 0.8, 1)


def _paint(local, size, rng):
    out = 1 + 0.04 * _noise(local, 0.5, rng) + 0.015 * _noise(local, 0.08, rng)
    height = local[:, 2] - local[:, 2].min()
    scuffs = (_noise(local, 0.12, rng) > 1.6) & (height < 1.1)
    return out * np.where(scuffs, rng.uniform(0.7, 0.92), 1)


def _roller(local, size, rng):
    """Paint in two tones: darker up to the height of a chair's back."""
    height = local[:, 2] - local[:, 2].min()
    return _paint(local, size, rng) * np.where(height < rng.uniform(0.9, 1.3), rng.uniform(0.6, 0.85), 1)


def _wallpaper(local, size, rng):
    period = rng.uniform(0.12, 0.4)
    stripe = np.mod(local[:, 0], period) < period * rng.uniform(0.3, 0.5)
    return _paint(local, size, rng) * np.where(stripe, rng.uniform(0.8, 0.94), 1)


def _motif(local, size, rng):
    period = rng.uniform(0.2, 0.45)
    x = np.mod(local[:, 0] + period / 2 * np.mod(np.floor(local[:, 2] / period), 2), period) / period - 0.5
    z = np.mod(local[:, 2], period) / period - 0.5
    angle, radius = np.arctan2(z, x), np.hypot(x, z)
    petals = 0.22 + 0.12 * np.cos(rng.randint(3, 7) * angle)
    return _paint(local, size, rng) * np.where(radius < petals, rng.uniform(0.7, 0.9), 1)


def _brick(local, size, rng):
    row = np.floor(local[:, 2] / 0.083)
    shifted = local[:, 0] + 0.125 * np.mod(row, 2)
    tone = 0.75 + 0.3 * (_scatter(np.floor(shifted / 0.25), row) - 0.5) + 0.06 * _noise(local, 0.05, rng)
    mortar = (np.mod(local[:, 2], 0.083) < 0.015) | (np.mod(shifted, 0.25) < 0.015)
    return np.where(mortar, 1.0, tone)


def _panels(local, size, rng):
    wide = rng.uniform(0.1, 0.3)
    tone = 0.85 + 0.2 * (_scatter(np.floor(local[:, 0] / wide)) - 0.5)
    stretched = local * (1.0, 1.0, 0.15)
    return (tone + 0.08 * _noise(stretched, 0.05, rng)) * np.where(np.mod(local[:, 0], wide) < 0.02, 0.7, 1)


def _photograph(local, size, rng) -> np.ndarray:
    """A landscape, or a picture of blurred spots: smooth fields of a few inks."""
    x, y = _plane(local, size)
    inks = np.array([shade_of(rng, PAPER[rng.randint(len(PAPER))]) for _ in range(3)], float)
    spot = 1 / (1 + np.exp(-3 * _noise(local, max(0.05, 0.25 * float(np.sort(size)[1])), rng)))
    upper = local[:, 2] if size[2] >= 0.05 else y
    ground = upper < (rng.uniform(-0.2, 0.2) * np.ptp(upper) + 0.05 * _noise(local, 0.1, rng))
    base = np.where(ground[:, None], inks[0], inks[1])
    return base + (inks[2] - base) * (0.7 * spot)[:, None] * (np.abs(x) < 0.45 * np.ptp(x))[:, None]


_LOOKS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.RandomState], np.ndarray]] = {
    "plain": _plain, "wood": _wood, "fabric": _fabric, "carpet": _carpet, "planks": _planks, "tile": _tile,
    "stone": _stone, "paint": _paint, "roller": _roller, "wallpaper": _wallpaper, "motif": _motif, "brick": _brick,
    "panels": _panels, "wall tiles": _tile,
}  # fmt: skip
