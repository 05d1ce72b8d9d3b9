"""Intrinsics and extrinsics of an exported recording, from the text files that lie beside its frames."""

from pathlib import Path

import numpy as np

from saymask.errors import InputError

_INTRINSICS = {
    "depth": ("intrinsic_depth.txt", "intrinsics_depth.txt", "depth_intrinsic.txt", "depth_intrinsics.txt"),
    "color": ("intrinsic_color.txt", "intrinsics_color.txt", "color_intrinsic.txt", "color_intrinsics.txt"),
}
_EXTRINSICS = {"depth": "extrinsic_depth.txt", "color": "extrinsic_color.txt"}
_NATIVE = ((1296, 968), (640, 480), (320, 240))
"""Sizes of ScanNet's images, and of its halved depth, for which intrinsics are usually given."""
_MILLIMETRES = 1000.0


def read_calibration(folder: Path) -> tuple[float, dict[str, np.ndarray], list[Path]]:
    """Return depth units per metre, the matrices that were found, and their files."""
    places = [folder / "intrinsic", folder / "intrinsics", folder, folder.parent]
    wanted = {
        **_INTRINSICS,
        **{f"{kind}_extrinsics": (name,) for kind, name in _EXTRINSICS.items()},
    }
    found: dict[str, np.ndarray] = {}
    files = []
    for key, names in wanted.items():
        path = next((place / name for place in places for name in names if (place / name).is_file()), None)
        if path is not None:
            found[key] = _matrix(read_numbers(path), str(path))
            files.append(path)
    shift = _MILLIMETRES
    info = folder / "_info.txt"
    if info.is_file():
        shift = _read_info(info, found)
        files.append(info)
    if "depth" not in found:
        single = next((place / "intrinsics.txt" for place in places if (place / "intrinsics.txt").is_file()), None)
        if single is None:
            raise InputError(
                f"{folder}: expected the depth camera's intrinsics as intrinsic/intrinsic_depth.txt, found none"
            )
        found["depth"] = _matrix(read_numbers(single), str(single))
        files.append(single)
    for kind in ("depth", "color"):
        if kind in found:
            found[kind] = checked_intrinsics(found[kind], str(folder))
    return shift, found, files


def _read_info(path: Path, found: dict[str, np.ndarray]) -> float:
    """Read `_info.txt` ("m_depthShift = 1000" and the like); what other files gave is kept."""
    keys = {
        "m_calibrationDepthIntrinsic": "depth",
        "m_calibrationColorIntrinsic": "color",
        "m_calibrationDepthExtrinsic": "depth_extrinsics",
        "m_calibrationColorExtrinsic": "color_extrinsics",
    }
    shift = _MILLIMETRES
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key in keys:
            found.setdefault(keys[key], _matrix(parse_numbers(value), f"{path}: {key}"))
        elif key == "m_depthShift":
            values = parse_numbers(value)
            if len(values) != 1 or not values[0] > 0:
                raise InputError(f"{path}: expected a number above 0 after m_depthShift, got {value!r}")
            shift = float(values[0])
    return shift


def read_numbers(path: Path) -> np.ndarray:
    """Return the numbers in a text file, none where anything else is in it."""
    try:
        return parse_numbers(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return np.zeros(0)


def parse_numbers(text: str) -> np.ndarray:
    """Return the numbers of a text, none where anything else is in it."""
    try:
        return np.array([float(word) for word in text.replace(",", " ").split()])
    except ValueError:
        return np.zeros(0)


def _matrix(values: np.ndarray, what: str) -> np.ndarray:
    if len(values) not in (9, 16):
        raise InputError(f"{what}: expected a matrix of 4 x 4 or 3 x 3 numbers, got {len(values)} numbers")
    side = 3 if len(values) == 9 else 4
    matrix = np.eye(4)
    matrix[:side, :side] = values.reshape(side, side)
    return matrix


def checked_intrinsics(matrix: np.ndarray, what: str) -> np.ndarray:
    """Return a camera matrix; InputError beginning with `what` unless it is finite with focal lengths above 0."""
    if not np.isfinite(matrix).all() or not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise InputError(
            f"{what}: expected camera intrinsics with focal lengths above 0, got {matrix[:3, :3].tolist()}"
        )
    return matrix


def between(depth: np.ndarray, color: np.ndarray, what: str) -> np.ndarray:
    """Return float64 [4, 4] from the depth camera to the colour camera; extrinsics lead to a frame both share."""
    try:
        move = np.linalg.inv(color) @ depth
    except np.linalg.LinAlgError:
        move = np.full((4, 4), np.nan)
    if not np.isfinite(move).all():
        raise InputError(f"{what}: expected extrinsics that can be inverted, got {color.tolist()}")
    return move


def fit_intrinsics(matrix: np.ndarray, size: tuple[int, int], what: str, messages: list[str]) -> np.ndarray:
    """Return intrinsics for images of `size`, scaled where they are clearly those of a native size."""
    twice = 2 * matrix[0, 2], 2 * matrix[1, 2]  # the principal point lies near the middle

    def near(width: float, height: float, tolerance: float) -> bool:
        return abs(twice[0] / width - 1) < tolerance and abs(twice[1] / height - 1) < tolerance

    if near(*size, 0.25):
        return matrix
    native = next((candidate for candidate in _NATIVE if near(*candidate, 0.1)), None)
    if native is None:
        raise InputError(
            f"{what}: intrinsics with the middle at ({matrix[0, 2]:.0f}, {matrix[1, 2]:.0f}) do not belong to images "
            f"of {size_text(size)}; give the intrinsics of these images"
        )
    messages.append(f"{what} intrinsics are for {size_text(native)}, scaled to the images' {size_text(size)}")
    scaled = matrix.copy()
    for axis in range(2):
        scale = size[axis] / native[axis]
        scaled[axis, axis] *= scale
        # Pixel centres are whole numbers, so half a pixel lies before the first.
        scaled[axis, 2] = (scaled[axis, 2] + 0.5) * scale - 0.5
    return scaled


def size_text(size: tuple[int, int]) -> str:
    """Return "640 x 480"."""
    return f"{size[0]} x {size[1]}"
