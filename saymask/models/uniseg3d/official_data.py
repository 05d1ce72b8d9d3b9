"""The official data of UniSeg3D: `uniseg3d_infos_*.pkl` and the `.bin` files beside it (§2.2, 2.3).

The pickle is read through an allow-list of its own: besides numbers, text and containers it may hold NumPy arrays and
Torch tensors, both of plain numbers. No code in it runs.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._utils import _rebuild_tensor_v2

from saymask.data.annotations import Annotation
from saymask.data.labels import packaged_label_table
from saymask.errors import InputError
from saymask.models.uniseg3d.config import THINGS
from saymask.scan import Scan

FOLDERS = {"points": "points", "instance": "instance_mask", "semantic": "semantic_mask", "superpoints": "super_points"}
"""What a `.bin` file holds → its folder."""
_KINDS = "biufc"
"""Kinds of numbers that arrays may hold."""


@dataclass(frozen=True, eq=False)
class ObjectText:
    """The sentences about one object."""

    object_id: int
    """ScanNet objectId."""
    label: int
    """Thing class 0..17."""
    sentences: tuple[str, ...]
    tokens: np.ndarray  # int64 [sentences, 77] CLIP token ids, 0 behind the end token
    points: np.ndarray | None = None  # int64 [n] the object's points; None where the file has none (training split)


@dataclass(frozen=True, eq=False)
class Info:
    """An entry of an infos file: the names of a scene's files, and its prompts."""

    name: str
    files: dict[str, str]
    """Key of FOLDERS → name of the file in that folder."""
    texts: tuple[ObjectText, ...] = ()
    novel: np.ndarray | None = None  # bool [J, S] pseudo masks of objects that have no annotation


@dataclass(frozen=True, eq=False)
class OfficialScene:
    """A scene of the official data in this project's terms."""

    scan: Scan
    """With superpoints and the labels `nyu40`, `semantic20` and `instance` (objectId)."""
    annotations: tuple[Annotation, ...]
    """One per sentence, in the file's order; that of the published validation."""
    info: Info

    @property
    def tokens(self) -> np.ndarray:
        """int64 [T, 77]: the published token ids of the annotations."""
        return np.concatenate([np.zeros((0, 77), np.int64), *(t.tokens for t in self.info.texts)])


def read_infos(path: str | Path) -> tuple[Info, ...]:
    """Return the entries of an infos file in its order.

    Raises InputError for a file that is missing, damaged, names a class or function that is not allowed, or does not
    have the published layout.
    """
    path = Path(path)
    content = _read(path)
    entries = content.get("data_list") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{path}: expected a dictionary with a list data_list, got {_kind(content)}")
    return tuple(_info(entry, f"{path}: entry {number}") for number, entry in enumerate(entries))


def load_official_scene(info: Info, folder: str | Path) -> OfficialScene:
    """Return the scene of an entry; `folder` holds `points`, `instance_mask`, `semantic_mask` and `super_points`.

    Raises InputError for files that are missing or do not fit each other, and for prompts that do not fit the scene.
    """
    paths = {what: Path(folder) / sub / info.files[what] for what, sub in FOLDERS.items()}
    points = _numbers(paths["points"], np.float32)
    if len(points) % 6 or not np.isfinite(points).all():
        raise InputError(
            f"{paths['points']}: expected finite rows of 6 float32, got {len(points)} numbers; copy it again"
        )
    points = points.reshape(-1, 6)
    nyu40, owner, superpoints = (_labels(paths[what], len(points)) for what in ("semantic", "instance", "superpoints"))
    size = int(superpoints.max(initial=-1)) + 1
    if info.novel is not None and info.novel.shape[1] != size:
        raise InputError(
            f"{info.name}: expected pseudo masks over {size} superpoints, got {info.novel.shape[1]}; "
            "the infos file and super_points are not of one version"
        )
    for text in info.texts:
        if text.points is not None and len(text.points) and text.points.max() >= len(points):
            raise InputError(f"{info.name}: object {text.object_id}: expected points below {len(points)}, got more")
    scan = Scan(
        points=points[:, :3].copy(),
        colors=points[:, 3:].round().clip(0, 255).astype(np.uint8),
        superpoints=superpoints.astype(np.int32),
        labels={
            "nyu40": nyu40.astype(np.int16),
            "semantic20": packaged_label_table().semantic20(nyu40),
            "instance": (owner - 1).astype(np.int32),
        },
        name=info.name,
    )
    sentences = [(t.object_id, s) for t in info.texts for s in t.sentences]
    annotations = tuple(Annotation(info.name, (i,), n, s, s) for n, (i, s) in enumerate(sentences))
    return OfficialScene(scan, annotations, info)


def _numbers(path: Path, dtype: type) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected the official data's folders beside the infos file")
    width = np.dtype(dtype).itemsize
    if path.stat().st_size % width:
        raise InputError(f"{path}: expected numbers of {width} bytes, got {path.stat().st_size} bytes; copy it again")
    return np.fromfile(path, dtype)


def _labels(path: Path, n: int) -> np.ndarray:
    values = _numbers(path, np.int64)
    if len(values) != n or values.min(initial=0) < 0 or values.max(initial=0) > np.iinfo(np.int32).max:
        raise InputError(f"{path}: expected {n} ids from 0, one per point, got {len(values)} numbers; copy it again")
    return values


def _info(entry: Any, where: str) -> Info:
    try:
        files = {
            "points": entry["lidar_points"]["lidar_path"],
            "instance": entry["pts_instance_mask_path"],
            "semantic": entry["pts_semantic_mask_path"],
            "superpoints": entry["super_pts_path"],
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{where}: expected lidar_points and the paths of three masks, {error} is missing") from None
    for what, name in files.items():
        if not isinstance(name, str) or not name or "\\" in name or Path(name).name != name:
            raise InputError(f"{where}: {what}: expected a file name without folders, got {name!r:.80}")
    texts, novel = entry.get("text_info") or {}, entry.get("sam3d_pseudo_sp_masks")
    if not isinstance(texts, dict):
        raise InputError(f"{where}: text_info: expected a dictionary, got {_kind(texts)}")
    if novel is not None:
        novel = _array(novel, f"{where}: sam3d_pseudo_sp_masks")
        if novel.dtype != np.bool_ or novel.ndim != 2:
            raise InputError(
                f"{where}: sam3d_pseudo_sp_masks: expected bool [J, S], got {novel.dtype} {list(novel.shape)}"
            )
    name = Path(files["points"]).stem
    return Info(name, files, tuple(_object_text(k, v, f"{where}: text_info") for k, v in texts.items()), novel)


def _object_text(key: Any, value: Any, where: str) -> ObjectText:
    where = f"{where}[{key!r}]"
    try:
        sentences, label = tuple(value["text"]), int(value["label_id"])
        tokens = [_whole(row, f"{where}: text_token") for row in value["text_token"]]
        object_id = int(key)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: expected text, text_token and label_id of an object id: {error!r}") from None
    if not all(isinstance(s, str) for s in sentences) or any(t.shape != (77,) for t in tokens):
        raise InputError(f"{where}: expected sentences as text and 77 token ids for each, got something else")
    if len(tokens) != len(sentences) or not sentences:
        raise InputError(f"{where}: expected as many token rows as sentences, got {len(tokens)} and {len(sentences)}")
    if not (0 <= label < THINGS and object_id >= 0):
        raise InputError(f"{where}: expected an object id from 0 and label_id 0..{THINGS - 1}, got {key!r} and {label}")
    points = None
    if value.get("pts_id") is not None:
        points = _whole(value["pts_id"], f"{where}: pts_id").reshape(-1)
        if points.min(initial=0) < 0:
            raise InputError(f"{where}: pts_id: expected point numbers from 0, got {points.min()}")
    return ObjectText(object_id, label, sentences, np.stack(tokens), points)


def _whole(value: Any, where: str) -> np.ndarray:
    """Return int64 numbers of an array, tensor or list; InputError where they are no whole numbers."""
    array = _array(value, where)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"{where}: expected whole numbers, got {array.dtype}")
    return array.astype(np.int64)


def _array(value: Any, where: str) -> np.ndarray:
    if isinstance(value, _Array) and value.values is not None:
        return value.values
    if isinstance(value, Tensor):
        return value.detach().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{where}: expected an array: {error}") from None
    if array.dtype.kind not in _KINDS:
        raise InputError(f"{where}: expected an array of numbers, got {_kind(value)}")
    return array


def _kind(value: Any) -> str:
    return f"the keys {', '.join(map(str, list(value)[:5]))}" if isinstance(value, dict) else type(value).__name__


# ---- the pickle


class _Dtype:
    """Stands for `numpy.dtype`: only a number's kind and width are taken from a file."""

    def __init__(self, code: Any, align: Any = False, copy: Any = True) -> None:
        dtype = np.dtype(code) if isinstance(code, str) else None
        if dtype is None or dtype.kind not in _KINDS:
            raise InputError(f"expected arrays of numbers, got the type {code!r:.40}")
        self.dtype: np.dtype[Any] = dtype

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for an array while a file is read, so that NumPy never sees a state that somebody made up."""

    def __init__(self, *ignored: Any) -> None:
        self.values: np.ndarray | None = None

    def __iter__(self) -> Iterator[Any]:
        """The rows; TypeError for an array without any, as NumPy's."""
        return iter(np.asarray(self.values))

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.values = _from_bytes(data, dtype, shape, "F" if fortran else "C").values


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any = "C") -> _Array:
    """Stands for NumPy's makers of arrays."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray):
        raise InputError("expected arrays of numbers, got one of objects")
    array = _Array()
    array.values = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")
    return array


def _scalar(dtype: Any, data: Any = b"") -> Any:
    values = _from_bytes(data, dtype, (1,)).values
    return None if values is None else values[0]


def _storage(data: bytes) -> Any:
    """Stands for torch.storage._load_from_bytes, which would load the inner file without an allow-list."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _encode(text: str, encoding: str) -> bytes:
    """Stands for _codecs.encode, by which old pickles write bytes."""
    if encoding != "latin1":
        raise InputError(f"expected bytes written as latin1, got {encoding!r}")
    return text.encode("latin1")


_MULTIARRAY: dict[str, Callable[..., Any]] = {"_reconstruct": _Array, "scalar": _scalar}
_KNOWN: dict[str, dict[str, Any]] = {
    "numpy": {"dtype": _Dtype, "ndarray": _Array},
    "numpy.core.multiarray": _MULTIARRAY,
    "numpy._core.multiarray": _MULTIARRAY,
    "numpy.core.numeric": {"_frombuffer": _from_bytes},
    "numpy._core.numeric": {"_frombuffer": _from_bytes},
    "torch._utils": {"_rebuild_tensor_v2": _rebuild_tensor_v2},
    "torch.storage": {"_load_from_bytes": _storage},
    "collections": {"OrderedDict": OrderedDict},
    "_codecs": {"encode": _encode},
}
"""Everything that a file may name."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if name in _KNOWN.get(module, {}):
            return _KNOWN[module][name]
        raise InputError(f"expected arrays, numbers and containers, got {module}.{name}, which could run any code")


def _read(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path")
    try:
        with path.open("rb") as file:
            return _Unpickler(file).load()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # a damaged pickle can raise nearly anything while it is read
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: expected the infos pickle of UniSeg3D ({reason}); download it again") from error
