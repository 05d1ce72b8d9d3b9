"""2D features of prepared scenes on disk: DATA/image_features/<name>/<scene>.safetensors.

Those of the official projection lie in <name>-stretched, so that both kinds of a scene can be there.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.util.checksums import checksum
from saymask.util.files import atomic_path, file_name, parse_object

VERSION = 1
"""Number of the file format and of the way features are made; others are made anew."""
_HEADER = "saymask_image_features"
_LARGEST_HALF = 65_504.0


@dataclass(frozen=True)
class ImageInfo:
    """Record of how the 2D features of a scene were made."""

    name: str
    """Name under which the features are kept, such as `clip-vit-l14-336`."""
    scene: str
    scene_fingerprint: str
    """Fingerprint of the prepared scene; another one means other superpoints."""
    fingerprint: str
    """Fingerprint of everything that the features depend on; features with another one are made anew."""
    superpoints: int
    channels: int
    seen: int
    """Superpoints that any frame saw; the others are 0."""
    frames: int
    """Frames that were used."""
    skipped: dict[str, int]
    """Reason → number of frames that were left out for it."""
    stretched: bool
    """Whether the official projection was used (docs/systems/bqnet.md §7.1, row 7)."""
    final_norm: bool
    """Whether patches went through the image tower's last norm."""
    version: int = VERSION


def feature_path(data: str | Path, name: str, scene_id: str, *, stretched: bool = False) -> Path:
    """Return the file of a scene's 2D features in a prepared folder."""
    folder = f"{name}-stretched" if stretched else name
    return Path(data) / "image_features" / folder / f"{file_name(scene_id, 'scene')}.safetensors"


def save_image_features(path: str | Path, features: np.ndarray, info: ImageInfo) -> None:
    """Write features float [S, C] atomically, as float16 where their range allows it."""
    from safetensors.numpy import save_file

    half = float(np.abs(features).max(initial=0.0)) < _LARGEST_HALF
    values = np.ascontiguousarray(features, dtype=np.float16 if half else np.float32)
    text = json.dumps(asdict(info), ensure_ascii=False)
    header = {**asdict(info), "checksum": checksum({"features": values}, text)}
    with atomic_path(path) as temporary:
        save_file({"features": values}, temporary, metadata={_HEADER: json.dumps(header, ensure_ascii=False)})


def read_image_info(path: str | Path) -> ImageInfo:
    """Return how a file of 2D features was made; InputError for a file that is damaged or of another version."""
    return _open(Path(path))[0]


def check_image_features(data: str | Path, scenes: Iterable[str], name: str, *, stretched: bool) -> None:
    """Raise InputError, which counts them, for scenes without the 2D features that a model takes; none is read."""
    names = list(scenes)
    absent = [scene for scene in names if _find(data, name, scene, stretched=stretched) is None]
    if absent:
        raise InputError(
            f"{data}: expected 2D features {name!r} of {len(names):,} scenes, {len(absent):,} have none, such as "
            f"{absent[0]}; make them with {prepare_command(name, stretched=stretched)}"
        )


def _find(data: str | Path, name: str, scene_id: str, *, stretched: bool) -> Path | None:
    """Return the file with a scene's features of one kind; files of before there were two folders say their kind."""
    path, plain = (feature_path(data, name, scene_id, stretched=kind) for kind in (stretched, False))
    if path != plain and path.is_file():
        return path
    return plain if plain.is_file() and read_image_info(plain).stretched == stretched else None


def load_with_info(
    data: str | Path, scene_id: str, name: str, *, stretched: bool = False
) -> tuple[np.ndarray, ImageInfo]:
    """Return the 2D features of a scene, float32 [S, C], and how they were made; InputError where there are none."""
    path = _find(data, name, scene_id, stretched=stretched)
    if path is None:
        other = feature_path(data, name, scene_id, stretched=not stretched).is_file()
        wanted, there = ("--stretched", "without it") if stretched else ("without --stretched", "with it")
        raise InputError(
            f"scene {scene_id}: there are no 2D features {name!r} in {data} made {wanted}"
            + (f" (there are some made {there})" if other else "")
            + f"; make them with {prepare_command(name, stretched=stretched)}"
        )
    info, features = _open(path, tensors=True)
    assert features is not None
    return features.astype(np.float32), info


def prepare_command(name: str, *, stretched: bool = False) -> str:
    """Return the command that makes features `name`, for messages."""
    return f"`saymask prepare RAW --out DATA --image-features {name}{' --stretched' if stretched else ''}`"


def _open(path: Path, *, tensors: bool = False) -> tuple[ImageInfo, np.ndarray | None]:
    from safetensors import SafetensorError, safe_open

    again = "delete it and make it anew"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            features = file.get_tensor("features") if tensors else None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: expected a safetensors file with features: {error}; {again}") from None
    try:
        content = parse_object(metadata[_HEADER], path, version=int)
        if content.get("version") != VERSION:
            raise InputError(
                f"{path}: expected 2D features of version {VERSION}, got {content.get('version')}; {again}"
            )
        known = content.pop("checksum", None)  # features that were made before there was one have none
        info = ImageInfo(**content)
    except (KeyError, TypeError):
        raise InputError(
            f"{path}: expected 2D features written by `saymask prepare`, got another file; {again}"
        ) from None
    text = json.dumps(content, ensure_ascii=False)
    if features is not None and known and known != checksum({"features": features}, text):
        raise InputError(f"{path} is damaged: its content does not have the checksum in its header; {again}")
    if features is not None and features.shape != (info.superpoints, info.channels):
        raise InputError(
            f"{path}: expected features [{info.superpoints}, {info.channels}], got {list(features.shape)}; {again}"
        )
    return info, features
