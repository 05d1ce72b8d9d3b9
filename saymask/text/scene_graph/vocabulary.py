"""The noun lists that decide whether a phrase names an object, a place or nothing (docs/systems/bqnet.md §2.4)."""

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saymask.errors import InputError


@dataclass(frozen=True)
class Vocabulary:
    """Three lists of lower-case lemmas; hashable, so that parses can be cached per vocabulary."""

    objects: frozenset[str]
    """Names of object classes, looked up whole ("coffee table")."""
    object_nouns: frozenset[str]
    """More object nouns, looked up whole or by the last word."""
    scene_nouns: frozenset[str]
    """Nouns for places ("kitchen"), looked up whole or by the last word."""

    def is_object(self, lemma: str) -> bool:
        """Say whether `lemma`, one word or more, names an object."""
        return lemma in self.objects or _in(lemma, self.object_nouns)

    def is_scene(self, lemma: str) -> bool:
        """Say whether `lemma` names a place."""
        return _in(lemma, self.scene_nouns)

    @property
    def fingerprint(self) -> str:
        """Return the sha256 over the three lists."""
        lists = [sorted(self.objects), sorted(self.object_nouns), sorted(self.scene_nouns)]
        return hashlib.sha256(json.dumps(lists).encode()).hexdigest()


def _in(lemma: str, names: frozenset[str]) -> bool:
    return lemma in names or lemma.rpartition(" ")[2] in names


def load_vocabulary(path: str | Path, labels: str | Path | None = None) -> Vocabulary:
    """Read noun lists from a JSON file.

    Two layouts are known. Ours: an object with the lists `objects`, `object_nouns`, `scene_nouns`. The official lists
    (docs/systems/bqnet.md §2.4): `rio_names`, `object_names_extra`, `scene_nouns`, `scannet_raw_category_excluded`;
    their objects are completed by the column `raw_category` of the ScanNet label table `labels`
    (scannetv2-labels.combined.tsv), and when the file gives `union_count` and `union_sha256`, the union must have them.

    Raises InputError for a file that is neither, and for a label table that does not give the promised union.
    """
    path = Path(path)
    content = _read(path)
    if "objects" in content:
        names = {key: _names(content, key, path) for key in ("objects", "object_nouns", "scene_nouns")}
        return Vocabulary(**names)
    rio, extra, scene, excluded = (
        _names(content, key, path)
        for key in ("rio_names", "object_names_extra", "scene_nouns", "scannet_raw_category_excluded")
    )
    if labels is None:
        raise InputError(
            f"{path}: expected ScanNet's label table beside these noun lists, got none; "
            "pass labels=scannetv2-labels.combined.tsv"
        )
    objects = (raw_categories(labels) - excluded) | rio
    count, digest = content.get("union_count"), content.get("union_sha256")
    if (count is not None and count != len(objects)) or (digest is not None and digest != union_sha256(objects)):
        raise InputError(
            f"{labels}: expected the raw categories that make {count} names together with {path.name}, "
            f"got {len(objects)}; use the ScanNet v2 table of 607 rows"
        )
    return Vocabulary(objects, extra, scene)


def union_sha256(names: Iterable[str]) -> str:
    """Return the sha256 of the sorted names joined by newlines, the sum that the official lists are published with."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def raw_categories(path: str | Path) -> frozenset[str]:
    """Return the column `raw_category` of a ScanNet label table (tab-separated, with a header)."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if "raw_category" not in (reader.fieldnames or ()):
                raise InputError(f"{path}: expected a tab-separated table with a column raw_category")
            return frozenset(row["raw_category"] for row in reader if row["raw_category"])
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: expected JSON, line {error.lineno}: {error.msg}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected an object of noun lists, got {type(content).__name__}")
    return content


def _names(content: dict[str, Any], key: str, path: Path) -> frozenset[str]:
    value: Sequence[Any] | None = content.get(key)
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise InputError(
            f"{path}: expected lists of names objects, object_nouns, scene_nouns; {key!r} is {type(value).__name__}"
        )
    return frozenset(value)
