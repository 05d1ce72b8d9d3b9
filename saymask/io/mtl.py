"""MTL, the materials of an OBJ: base colours and images, with options, spaces and backslashes in names.

Source: Wavefront, "Advanced Visualizer Manual", appendix B (MTL).
"""

import re
from pathlib import Path

import numpy as np

from saymask.io.beside import find_beside
from saymask.io.surface import Material
from saymask.io.textures import CLAMP, REPEAT, Texture

OPTIONS = {
    "-blendu": 1, "-blendv": 1, "-boost": 1, "-bm": 1, "-cc": 1, "-clamp": 1, "-colorspace": 1, "-imfchan": 1,
    "-mm": 2, "-o": 3, "-s": 3, "-t": 3, "-texres": 1, "-type": 1,
}  # fmt: skip
"""Options of a map and how many values follow; the vectors may be shorter."""
MAPS = {"map_kd": 0, "map_basecolor": 1, "map_ka": 2}
"""What holds the colour image, best first."""


def read_mtl(path: Path) -> dict[str, Material]:
    """Return the materials of an MTL file by name; unknown lines are passed over."""
    text = path.read_bytes()
    try:
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = text.decode("latin-1").splitlines()
    materials: dict[str, Material] = {}
    name, color, maps = None, None, {}

    def close() -> None:
        if name is not None:
            materials[name] = _material(path.parent, name, color, maps)

    for line in lines:
        key, _, rest = line.strip().replace("\t", " ").partition(" ")
        key, rest = key.lower(), rest.strip()
        if key == "newmtl":
            close()
            name, color, maps = rest, None, {}
        elif key == "kd":
            color = _color(rest)
        elif key in MAPS and rest:
            maps[MAPS[key]] = rest
    close()
    return materials


def _color(text: str) -> np.ndarray | None:
    try:
        values = [float(word) for word in text.split()[:3]]
    except ValueError:  # `Kd spectral file.rfl`
        return None
    if not values or not np.isfinite(values).all():
        return None
    return np.clip((values * 3)[:3] if len(values) == 1 else (values + values[-1:])[:3], 0.0, 1.0).astype(np.float64)


def _material(folder: Path, name: str, color: np.ndarray | None, maps: dict[int, str]) -> Material:
    if not maps:
        return Material(name, color)
    text = maps[min(maps)]
    image = find_beside(folder, text)  # the whole rest of the line may be a name with spaces and dashes
    file, options = (text, {}) if image is not None else _options(text)
    image = image or find_beside(folder, file)
    scale, offset = (_pair(options.get(key), default) for key, default in (("-s", 1.0), ("-o", 0.0)))
    wrap = CLAMP if options.get("-clamp") == ["on"] else REPEAT
    if image is None:
        return Material(name, color, missing=re.split(r"[\\/]", file.strip('"'))[-1])
    return Material(name, color, Texture(str(image), image), scale=scale, offset=offset, wrap=(wrap, wrap))


def _options(text: str) -> tuple[str, dict[str, list[str]]]:
    """Split `-s 2 2 1 -clamp on my file.png` into the file's name and the options."""
    options: dict[str, list[str]] = {}
    rest = text
    while (match := re.match(r"(-\w+)\s+", rest)) and match.group(1).lower() in OPTIONS:
        option = match.group(1).lower()
        rest = rest[match.end() :]
        values: list[str] = []
        while len(values) < OPTIONS[option] and (word := re.match(r"(\S+)\s+", rest)):
            if OPTIONS[option] == 3 and not re.fullmatch(r"[-+.\deE]+", word.group(1)):
                break
            values.append(word.group(1))
            rest = rest[word.end() :]
        options[option] = values
    return rest.strip(), options


def _pair(values: list[str] | None, default: float) -> tuple[float, float]:
    try:
        numbers = [float(v) for v in values or []]
    except ValueError:
        numbers = []
    return (*numbers, default, default)[0], (*numbers[:2], default, default)[1]
