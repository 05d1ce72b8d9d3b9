"""Predicted masks as files, to be scored without the model that made them.

Two forms:

- One file, `.json` or `.json.gz`: {"format": "saymask-predictions", "version": 1, "protocol", "source", "split",
  "model", "predictions": [{"scene_id", "ann_id", "object_ids", "eval_type", "length", "masks", "scores"}]}. `masks` are
  the run lengths of the separate objects as the protocol takes them, none when it says "no target"; scored again with
  the same protocol they give the same numbers to the last bit. `object_ids`, `eval_type`, `scores` and the header apart
  from `format` and `version` may be left out.
- A folder in the layout of BQNet's test script (docs/systems/bqnet.md §6.1):
  `{pred_pmasks|gt_pmasks}/{scene}_{object_ids}_{ann}.json` with {"length", "counts"}, one mask per sentence: the union
  of the objects, p > 0.5.

Run lengths are the text "start length start length …" over the points of the scan, the first point being 1. `ann_id` is
the number of the annotation within its scene in the order of the annotation file, or the `ann_id` of that file.
"""

import gzip
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation
from saymask.errors import InputError
from saymask.io.rle import encode_rle
from saymask.util.files import atomic_path, check_writable, file_name, parse_json, read_json
from saymask.util.temporaries import temporary_folder

FORMAT = "saymask-predictions"
VERSION = 1
LARGEST = 200_000_000
"""Bytes of an unpacked file: ten times what all sentences of a benchmark need."""
MOST_POINTS = 100_000_000
"""Points of a scan that masks can be about."""
FOLDERS = ("pred_pmasks", "gt_pmasks")
_NAME = re.compile(r"(?P<scene>.+)_(?P<ids>\[[\d, -]*\]|\d+)_(?P<ann>\d+)")


@dataclass(frozen=True)
class Predicted:
    """Prediction for one annotation of a scan of `length` points."""

    scene_id: str
    ann_id: int
    length: int
    masks: tuple[str, ...]
    """Run lengths, one per object; none = no target."""
    scores: tuple[float, ...] = ()
    object_ids: tuple[int, ...] | None = None
    """The objects that the sentence means, where the file says so; they identify the annotation."""
    eval_type: str = ""
    union: str = ""
    """Run lengths of the mask that the folder form holds (not kept in the one-file form)."""
    truth: str = ""
    """Run lengths of the true mask (not kept in the one-file form)."""

    def rows(self) -> np.ndarray:
        """Return the masks, bool [M, N]; InputError for run lengths that do not fit `length`."""
        masks = [decode_mask(text, self.length, f"{self.scene_id}/{self.ann_id}") for text in self.masks]
        return np.stack(masks) if masks else np.zeros((0, self.length), bool)


@dataclass(frozen=True)
class Predictions:
    """A file or folder of predictions."""

    path: Path
    entries: tuple[Predicted, ...]
    header: Mapping[str, Any] = field(default_factory=dict)


def encode_mask(mask: np.ndarray) -> str:
    """Return the run lengths of a mask bool [N] as "start length start length …", starts counted from 1."""
    runs = encode_rle(mask)
    ends = np.cumsum(runs)
    return " ".join(f"{end - run + 1} {run}" for end, run in zip(ends[1::2].tolist(), runs[1::2]))


def decode_mask(text: str, length: int, what: str = "mask") -> np.ndarray:
    """Return the mask bool [length] of run lengths; InputError unless runs ascend, are apart, and end in `length`."""
    if not 0 <= length <= MOST_POINTS:
        raise InputError(f"{what}: expected the scan's number of points as length, got {length:,}")
    words = text.split()
    if len(words) % 2 or not all(word.isdecimal() and len(word) < 19 for word in words):
        raise InputError(f"{what}: expected run lengths as pairs `start length`, got {text[:60]!r}")
    pairs = np.array([int(word) for word in words], np.int64).reshape(-1, 2)
    starts, ends = pairs[:, 0] - 1, pairs.sum(1) - 1
    if len(pairs) and (starts[0] < 0 or ends[-1] > length or (pairs[:, 1] < 1).any() or (starts[1:] < ends[:-1]).any()):
        raise InputError(
            f"{what}: expected ascending runs of at least one point within 1..{length:,}, got {text[:60]!r}"
        )
    edges = np.zeros(length + 1, np.int8)
    np.add.at(edges, starts, 1)
    np.add.at(edges, ends, -1)
    return np.cumsum(edges[:-1], dtype=np.int8) > 0


def predicted(
    annotation: Annotation,
    masks: np.ndarray,  # bool [M, N]
    scores: Sequence[float],
    union: np.ndarray,  # bool [N]
    target: np.ndarray,  # bool [N]
) -> Predicted:
    """Return the entry of an annotation: `masks` as the protocol takes them, `union` for the folder form."""
    return Predicted(
        scene_id=annotation.scene_id,
        ann_id=annotation.ann_id,
        length=len(target),
        masks=tuple(encode_mask(mask) for mask in masks),
        scores=tuple(round(float(score), 6) for score in scores),
        object_ids=annotation.object_ids,
        eval_type=annotation.eval_type,
        union=encode_mask(union),
        truth=encode_mask(target),
    )


def is_file_form(path: str | Path) -> bool:
    """Return whether a name is that of the one-file form."""
    return str(path).lower().endswith((".json", ".json.gz"))


def check_export(path: str | Path) -> None:
    """Raise InputError when predictions could not be written to `path`, before the work."""
    path = Path(path)
    if is_file_form(path):
        check_writable(path)
        return
    if path.suffix in {".gz", ".zip", ".npz", ".pkl", ".pth", ".txt", ".csv"}:
        raise InputError(f"cannot export to {path}: expected a name that ends in .json or .json.gz, or a folder")
    full = [name for name in FOLDERS if (path / name).exists()]
    if full:
        raise InputError(f"cannot export to {path}: it already has {' and '.join(full)}; choose another folder")
    check_writable(path / FOLDERS[0])


def save_predictions(path: str | Path, entries: Iterable[Predicted], header: Mapping[str, Any]) -> Path:
    """Write predictions in the form that the name asks for (`.json`, `.json.gz`, else a folder); return the path.

    Entries are sorted, and the same entries give the same bytes. A file or folder appears only when it is complete.
    """
    path = Path(path)
    check_export(path)
    entries = sorted(entries, key=lambda e: (e.scene_id, e.ann_id))
    if not is_file_form(path):
        _save_folder(path, entries)
        return path
    rows = [
        {
            "scene_id": e.scene_id,
            "ann_id": e.ann_id,
            "object_ids": list(e.object_ids or ()),
            "eval_type": e.eval_type,
            "length": e.length,
            "masks": list(e.masks),
            "scores": list(e.scores),
        }
        for e in entries
    ]
    with atomic_path(path) as temporary:
        text = json.dumps({"format": FORMAT, "version": VERSION, **header, "predictions": rows}, ensure_ascii=False)
        content = (text + "\n").encode()
        # No time and no name in the header: the same predictions give the same file.
        temporary.write_bytes(gzip.compress(content, mtime=0) if path.suffix.lower() == ".gz" else content)
    return path


def _save_folder(path: Path, entries: Sequence[Predicted]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    with temporary_folder(path) as work:
        for name, part in zip(FOLDERS, ("union", "truth")):
            (work / name).mkdir()
            for e in entries:
                scene = file_name(e.scene_id, "scene")
                file = work / name / f"{scene}_{list(e.object_ids or ())}_{e.ann_id}.json"
                file.write_text(json.dumps({"length": e.length, "counts": getattr(e, part)}), encoding="utf-8")
        for name in FOLDERS:
            os.replace(work / name, path / name)


def is_predictions(path: str | Path) -> bool:
    """Return whether a path looks like predictions: `.json`, `.json.gz`, or a folder with JSON and no checkpoint."""
    path = Path(path)
    if is_file_form(path):
        return True
    there = path.is_dir() and (any(path.glob("*.json")) or (path / FOLDERS[0]).is_dir())
    return there and not any(path.glob("*.safetensors"))


def read_predictions(path: str | Path) -> Predictions:
    """Return the predictions of a file or folder; InputError for what is not one, or names an annotation twice."""
    path = Path(path)
    found = _read_folder(path) if path.is_dir() else _read_file(path)
    twice = [key for key, n in Counter((e.scene_id, e.ann_id, e.object_ids) for e in found.entries).items() if n > 1]
    if twice:
        names = ", ".join(f"{scene}/{ann}" for scene, ann, _ in twice[:3])
        raise InputError(
            f"{path}: {len(twice)} annotations are there more than once ({names}); keep one prediction each"
        )
    return found


def _read_file(path: Path) -> Predictions:
    content = _content(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(
        content.get("predictions"), list
    ):  # fmt: skip
        raise InputError(
            f'{path}: expected predictions ("format": "{FORMAT}"); write them with `saymask evaluate --export`'
        )
    if content.get("version") != VERSION:
        raise InputError(f"{path}: expected version {VERSION} of the format, got {content.get('version')!r}")
    entries = tuple(_entry(path, number, row) for number, row in enumerate(content["predictions"]))
    return Predictions(path, entries, {k: v for k, v in content.items() if k != "predictions"})


def _content(path: Path) -> Any:
    if path.suffix.lower() != ".gz":
        return read_json(path)
    try:
        with gzip.open(path) as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (gzip.BadGzipFile, EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path}: expected gzipped JSON: {error}; is the file complete?") from None
    if len(content) > LARGEST:
        raise InputError(f"{path}: expected at most {LARGEST:,} bytes of predictions, got more; split the file")
    return parse_json(content, path)


def _modest(value: str | float) -> bool:
    """Whether a number is one that a score or an id can be."""
    return isinstance(value, str) or abs(value) < 2**63


def _entry(path: Path, number: int, row: Any) -> Predicted:
    wanted = {"scene_id": str, "ann_id": int, "length": int, "masks": list}
    if not isinstance(row, dict) or not all(type(row.get(key)) is kind for key, kind in wanted.items()):
        raise InputError(
            f"{path}: prediction {number}: expected scene_id (text), ann_id and length (whole numbers) and masks "
            f"(a list of texts), got {str(row)[:80]}"
        )
    masks, scores, ids = row["masks"], row.get("scores", []), row.get("object_ids")
    named = [] if ids is None else ids
    for key, values, kind in (("masks", masks, str), ("scores", scores, (int, float)), ("object_ids", named, int)):
        if not isinstance(values, list) or not all(isinstance(v, kind) and _modest(v) for v in values):
            raise InputError(f"{path}: prediction {number}: {key} is not what was expected: {str(values)[:60]}")
    return Predicted(
        scene_id=row["scene_id"],
        ann_id=row["ann_id"],
        length=row["length"],
        masks=tuple(masks),
        scores=tuple(float(score) for score in scores),
        object_ids=None if ids is None else tuple(ids),
        eval_type=str(row.get("eval_type", "")),
    )


def _read_folder(path: Path) -> Predictions:
    folder = path / FOLDERS[0] if (path / FOLDERS[0]).is_dir() else path
    files = sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))
    entries = []
    for file in files:
        match = _NAME.fullmatch(file.stem)
        if match is None:
            raise InputError(f"{file}: expected a name like scene0011_00_[3, 5]_12.json (scene, objects, annotation)")
        content = read_json(file)
        length = content.get("length") if isinstance(content, dict) else None
        if type(length) is not int or not isinstance(content.get("counts"), str):
            raise InputError(
                f'{file}: expected {{"length": points, "counts": "start length …"}}, got {str(content)[:60]}'
            )
        ids = tuple(int(word) for word in re.findall(r"-?\d+", match["ids"]))
        masks = (content["counts"],) if content["counts"].strip() else ()
        entries.append(Predicted(match["scene"], int(match["ann"]), length, masks, object_ids=ids))
    if not entries:
        raise InputError(f"{folder}: expected predictions named {{scene}}_{{object_ids}}_{{ann}}.json, found none")
    return Predictions(path, tuple(entries))


def by_annotation(
    predictions: Predictions, annotations: Sequence[Annotation], numbers: Sequence[int | None]
) -> dict[tuple[str, int], Predicted]:
    """Return annotation key → prediction, for those annotations that have one.

    `numbers` are the `ann_id` of the annotation file, one per annotation (None where it has none that is a number).
    Whether a file counts within the scene or by those is found out by which fits more of its entries, objects compared
    as well where the file names them. Raises InputError for entries that fit no annotation, and for two that fit the
    same.
    """
    own = {(a.scene_id, a.ann_id): [a] for a in annotations}
    listed: dict[tuple[str, int], list[Annotation]] = {}
    for annotation, number in zip(annotations, numbers, strict=True):
        if number is not None:
            listed.setdefault((annotation.scene_id, number), []).append(annotation)
    readings = [{_place(e): _fitting(e, table) for e in predictions.entries} for table in (own, listed)]
    found = max(readings, key=lambda reading: sum(a is not None for a in reading.values()))
    result: dict[tuple[str, int], Predicted] = {}
    strange = []
    for entry in predictions.entries:
        annotation = found[_place(entry)]
        if annotation is None:
            strange.append(f"{entry.scene_id}/{entry.ann_id}")
        elif annotation.key in result:
            raise InputError(f"{predictions.path}: two predictions for annotation {annotation.scene_id}/{entry.ann_id}")
        else:
            result[annotation.key] = entry
    if strange:
        raise InputError(
            f"{predictions.path}: {len(strange)} of {len(predictions.entries)} predictions fit no annotation "
            f"({', '.join(strange[:3])}); were they made for other data, another split or another source?"
        )
    return result


def _place(entry: Predicted) -> tuple[str, int, tuple[int, ...] | None]:
    return entry.scene_id, entry.ann_id, entry.object_ids


def _fitting(entry: Predicted, table: Mapping[tuple[str, int], list[Annotation]]) -> Annotation | None:
    """Return the one annotation that an entry names, None when there is none or it is not clear."""
    fits = [
        a
        for a in table.get((entry.scene_id, entry.ann_id), [])
        if entry.object_ids is None or sorted(entry.object_ids) == sorted(a.object_ids)
    ]
    return fits[0] if len(fits) == 1 else None
