"""Named colours, and the textures that vary a colour over a surface without changing its name."""

from collections.abc import Mapping

import numpy as np

RGB = tuple[int, int, int]

# Several shades per word, far enough from the shades of other words to survive shading and sensor noise.
PALETTE: dict[str, tuple[RGB, ...]] = {
    "white": ((238, 238, 236), (245, 244, 240), (230, 232, 233)),
    "grey": ((118, 120, 122), (132, 133, 136), (104, 106, 110), (142, 144, 144)),
    "black": ((30, 30, 32), (40, 40, 44), (24, 25, 28)),
    "brown": ((112, 70, 38), (128, 82, 46), (92, 56, 32), (138, 88, 52)),
    "beige": ((218, 196, 156), (208, 184, 144), (224, 206, 170)),
    "red": ((176, 34, 36), (192, 44, 42), (158, 26, 34)),
    "orange": ((232, 126, 32), (238, 138, 42), (224, 114, 24)),
    "yellow": ((234, 204, 52), (240, 212, 70), (226, 194, 40)),
    "green": ((52, 124, 60), (66, 140, 72), (40, 106, 52), (92, 150, 76)),
    "blue": ((42, 78, 158), (52, 92, 172), (34, 64, 138), (66, 118, 190)),
    "purple": ((110, 60, 142), (124, 72, 156), (96, 50, 128)),
    "pink": ((230, 140, 168), (236, 154, 178), (222, 126, 156)),
}
WORDS = tuple(PALETTE)

# How often each colour is met per material (relative weights).
WOOD = {"brown": 5, "beige": 2.5, "white": 2, "black": 1.5, "grey": 0.7}
PAINTED = {"white": 4, "grey": 2, "beige": 1.5, "black": 1.5, "brown": 2, "blue": 0.7, "green": 0.5, "red": 0.4}
FABRIC = {"grey": 3, "blue": 2, "black": 1.5, "beige": 1.5, "brown": 1.5, "red": 1.3, "green": 1.2, "white": 1,
          "purple": 0.5, "orange": 0.6, "yellow": 0.6, "pink": 0.4}  # fmt: skip
BRIGHT = {word: 1.0 for word in WORDS if word not in ("black", "brown", "grey")} | {"grey": 0.6, "black": 0.5}
METAL = {"grey": 3, "black": 2, "white": 1.5}
DEVICE = {"black": 4, "grey": 1.5, "white": 1.5}
PLASTIC = {"grey": 2, "black": 2, "white": 2, "blue": 1.5, "red": 0.8, "green": 0.8, "yellow": 0.4}
LEATHER = {"black": 3, "brown": 3, "white": 0.7, "beige": 1, "red": 0.5}
CERAMIC = {"white": 5, "beige": 0.6}


def choose(rng: np.random.RandomState, weights: Mapping[str, float]) -> str:
    """Draw a colour word with probability proportional to its weight."""
    words = list(weights)
    share = np.cumsum([weights[w] for w in words])
    return words[int(np.searchsorted(share, rng.random_sample() * share[-1], side="right"))]


def shade_of(rng: np.random.RandomState, word: str) -> RGB:
    """Draw one shade of a colour word, with a small jitter of brightness and of each channel."""
    base = np.array(PALETTE[word][rng.randint(len(PALETTE[word]))], dtype=np.float64)
    base = base * rng.uniform(0.95, 1.04) + rng.uniform(-4, 4, 3)
    r, g, b = np.clip(np.round(base), 0, 255).astype(int)
    return int(r), int(g), int(b)


def darker(color: RGB, factor: float) -> RGB:
    """Scale a colour (factor < 1 darkens, > 1 brightens)."""
    r, g, b = (min(255, max(0, round(c * factor))) for c in color)
    return r, g, b


def texture_colors(
    texture: str,
    color: RGB | np.ndarray,  # of all, or [n, 3]
    local: np.ndarray,  # float64 [n, 3] metres, the part's own frame
    size: np.ndarray,  # float64 [3] extents of the part
    rng: np.random.RandomState,
) -> np.ndarray:
    """Return the unlit colour of every vertex of a part, float64 [n, 3] in 0..255."""
    out = np.empty((len(local), 3))
    out[:] = color
    if texture == "wood":
        along = int(np.argmax(size))
        across = local[:, (along + 1) % 3] + local[:, (along + 2) % 3]
        phase, pitch = rng.uniform(0, 7), rng.uniform(55, 90)
        grain = np.sin(across * pitch + 1.3 * np.sin(local[:, along] * 5 + phase) + phase)
        out *= (1 + 0.07 * grain)[:, None]
    elif texture == "fabric":
        out *= 1 + 0.06 * rng.standard_normal((len(local), 1))
    elif texture == "stone":
        speck = rng.random_sample(len(local)) < 0.25
        out[speck] *= 0.82
    elif texture == "tile":
        pitch = 0.3 if max(size) > 1.5 else 0.15
        a, b = np.argsort(-size)[:2]
        line = (np.mod(local[:, a], pitch) < 0.025) | (np.mod(local[:, b], pitch) < 0.025)
        out[line] *= 0.8
    elif texture == "planks":
        a, b = (0, 1) if size[0] >= size[1] else (1, 0)
        row = np.floor(local[:, b] / 0.18).astype(int)
        board = np.floor((local[:, a] + 0.37 * row) / 1.1).astype(int)
        out *= (0.92 + 0.16 * np.mod((row * 7919 + board * 104729) * 0.6180339887, 1.0))[:, None]
    elif texture == "stripes":
        axis = 0 if size[0] >= size[1] else 1
        out[np.mod(np.floor(local[:, axis] / 0.07), 2) == 0] *= 0.75
    elif texture == "pattern":  # a rug's border and centre
        a, b = np.argsort(-size)[:2]
        edge = np.maximum(np.abs(local[:, a]) / (size[a] / 2), np.abs(local[:, b]) / (size[b] / 2))
        out[(edge > 0.74) & (edge < 0.86)] *= 0.65
    elif texture == "keys":
        a, b = np.argsort(-size)[:2]
        out[(np.mod(local[:, a], 0.05) < 0.022) ^ (np.mod(local[:, b], 0.05) < 0.022)] *= 1.35
    elif texture == "art":
        a, b = np.argsort(-size)[:2]
        u, v = local[:, a] / size[a], local[:, b] / size[b]
        for _ in range(rng.randint(4, 8)):
            words = ("white", "red", "orange", "yellow", "green", "blue", "brown", "black", "beige", "purple")
            ink = shade_of(rng, words[rng.randint(len(words))])
            cu, cv, ru, rv = (
                rng.uniform(-0.5, 0.5),
                rng.uniform(-0.5, 0.5),
                rng.uniform(0.1, 0.3),
                rng.uniform(0.1, 0.3),
            )
            if rng.random_sample() < 0.5:
                spot = (np.abs(u - cu) < ru) & (np.abs(v - cv) < rv)
            else:
                spot = ((u - cu) / ru) ** 2 + ((v - cv) / rv) ** 2 < 1
            out[spot] = ink
    elif texture == "text":
        a, b = np.argsort(-size)[:2]
        rows = np.mod(local[:, b], 0.09) < 0.03
        out[rows & (rng.random_sample(len(local)) < 0.6)] *= 0.7
    elif texture == "leaves":
        out *= rng.uniform(0.75, 1.2, (len(local), 1))
    return out
