"""UniSeg3D's lists `uniseg3d_infos_<split>.pkl`: the scans of a split, the sentences about them, and pseudo masks.

Besides numbers, text and containers the pickle may hold NumPy arrays and Torch tensors, both of plain numbers. No code
in it runs.

Source: docs/systems/uniseg3d.md §2.3.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.superpoint_truth import STUFF, THINGS
from saymask.errors import InputError
from saymask.labels.tables import scannet20

INFOS = "uniseg3d_infos_{}.pkl"
"""Name of the list of a split."""


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
    """Content (`layouts.uniseg3d.FOLDERS`) → name of the file in that folder."""
    texts: tuple[ObjectText, ...] = ()
    novel: np.ndarray | None = None  # bool [J, S] pseudo masks of objects that have no annotation


def read_infos(path: str | Path) -> tuple[Info, ...]:
    """Return the entries of an infos file in its order.

    Raises InputError for a file that is missing, damaged, names a class or function that is not allowed, or does not
    have the published layout.
    """
    from saymask.io.pickles import read_pickle  # with torch

    path = Path(path)
    content = read_pickle(path)
    entries = content.get("data_list") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"{path}: expected a dictionary with a list data_list, got {_kind(content)}")
    return tuple(_info(entry, f"{path}: entry {number}") for number, entry in enumerate(entries))


def scanrefer_entries(info: Info) -> list[dict[str, Any]]:
    """Return the sentences of a scene as ScanRefer's files have them; the name of an object is that of its class."""
    things = [c.name for c in scannet20()][STUFF:]
    return [
        {
            "scene_id": info.name,
            "object_id": str(text.object_id),
            "object_name": things[text.label].replace(" ", "_"),
            "ann_id": str(number),
            "description": sentence,
        }
        for text in info.texts
        for number, sentence in enumerate(text.sentences)
    ]


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
    if hasattr(value, "detach"):
        return value.detach().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{where}: expected an array: {error}") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where}: expected an array of numbers, got {_kind(value)}")
    return array


def _kind(value: Any) -> str:
    return f"the keys {', '.join(map(str, list(value)[:5]))}" if isinstance(value, dict) else type(value).__name__
