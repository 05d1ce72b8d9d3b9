"""Sentences about scans: ScanRefer, Multi3DRefer and ReferIt3D files, and ScanRefer's unique/multiple subsets.

Formats: docs/systems/less.md §B.6 and docs/systems/bqnet.md §2.1; subsets: docs/systems/less.md §B.7.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.labels.tables import class18
from saymask.util.files import read_json

SOURCES = ("scanrefer", "multi3drefer", "nr3d", "sr3d")
"""Kinds of files of sentences; `nr3d` and `sr3d` are ReferIt3D's natural and synthetic ones."""
BOTH = SOURCES[:2]
"""The kinds that a training on `both` means."""

EVAL_TYPES = ("zt_w_d", "zt_wo_d", "st_w_d", "st_wo_d", "mt")
"""Multi3DRefer's groups: zero, one or several targets, with or without distractors of the same class."""

REFERIT3D_GROUPS = ("easy", "hard", "view_dependent", "view_independent")
"""ReferIt3D's groups, of which a sentence has two.

Easy: at most one more object of the target's class; view-dependent: words such as left or facing.
Source: Achlioptas et al., ReferIt3D, ECCV 2020, section 5.
"""

TYPOS = (("50cm", "50 cm"), ("3+ tiers", "3 tiers"))
"""Words of Multi3DRefer whose published correction makes them one token per written word.

Source: docs/systems/bqnet.md §2.1.
"""
_BACKSLASH = re.compile(r"\\(?:[^\W\d_](?![^\W\d_]))?")


class Sentence(str):
    """A sentence of a benchmark as a model is asked it: text that knows where it comes from, but not what it means.

    A plain text in its place is what a user typed.
    """

    written: str
    """As people wrote it; the text itself is what the benchmark gives to models."""
    source: str
    """The kind of file that it comes from, one of `SOURCES`; "" = a user typed it."""

    def __new__(cls, text: str, *, written: str, source: str) -> "Sentence":
        """Return `text` with where it comes from."""
        made = super().__new__(cls, text)
        made.written, made.source = written, source
        return made

    @classmethod
    def of(cls, text: str) -> "Sentence":
        """Return a sentence of a benchmark as it is, any other text as what a user typed."""
        return text if isinstance(text, Sentence) else cls(text, written=text, source="")

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (str(self), self.written, self.source)


def _remade(text: str, written: str, source: str) -> Sentence:
    return Sentence(text, written=written, source=source)


@dataclass(frozen=True)
class Annotation:
    """A sentence and the objects of one scan that it means."""

    scene_id: str
    object_ids: tuple[int, ...]
    """ScanNet objectIds; empty when the sentence means nothing in the scan."""
    ann_id: int
    """Unique within the scene (numbered again in the order of the file)."""
    sentence: str
    """Text for the model; ScanRefer's tokens joined by spaces."""
    description: str
    """The sentence as written."""
    object_name: str = ""
    """Raw ScanNet category, spaces as `_`."""
    eval_type: str = ""
    """Multi3DRefer's group: zt_w_d, zt_wo_d, st_w_d, st_wo_d or mt; or ReferIt3D's two with a blank between."""
    multiple: bool | None = None
    """False when the object is the only described one of its class in the scene; None = not defined (Multi3DRefer)."""
    compositional: bool = False
    """Held-out phrasing or attribute-class pair (Rooms)."""
    program: Any = None
    """The program that the sentence was made from (Rooms)."""

    @property
    def key(self) -> tuple[str, int]:
        """Key of the annotation, unique within one file."""
        return self.scene_id, self.ann_id

    @property
    def source(self) -> str:
        """The kind of file that it comes from; "" for ReferIt3D, whose sentences are asked as what a user typed."""
        return "scanrefer" if not self.eval_type else "multi3drefer" if self.eval_type in EVAL_TYPES else ""

    @property
    def asked(self) -> Sentence:
        """The sentence as a model is asked it, in training and evaluation alike."""
        return Sentence(self.sentence, written=self.description or self.sentence, source=self.source)


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Return the raw objects of an annotation file: a JSON list of objects that each name a `scene_id`."""
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a JSON list of annotations, got {type(content).__name__}")
    for number, entry in enumerate(content):
        if not isinstance(entry, dict) or not isinstance(entry.get("scene_id"), str):
            raise InputError(f"{path}: annotation {number}: expected an object with a text scene_id, got {entry!r:.80}")
    return content


def entry_object_ids(entry: dict[str, Any], path: Path, number: int) -> tuple[int, ...]:
    """Return the object ids of a ScanRefer (`object_id`) or Multi3DRefer (`object_ids`) entry."""
    value: Any = entry["object_ids"] if "object_ids" in entry else [entry.get("object_id")]
    if isinstance(value, list) and all(_is_whole(i) for i in value):
        return tuple(int(i) for i in value)
    raise InputError(
        f"{path}: annotation {number}: expected object_id (or a list object_ids) of whole numbers, got {value!r:.50}"
    )


def _is_whole(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value.isdecimal())


def load_annotations(
    path: str | Path, *, source: str = "scanrefer", programs: str | Path | None = None
) -> list[Annotation]:
    """Return the annotations of a ScanRefer or Multi3DRefer file in its order.

    `programs` is the file of Rooms that holds the program of every annotation. ScanRefer annotations get `multiple` by
    ScanRefer's rule over this list (docs/systems/less.md §B.7). Sentences of Multi3DRefer get the published corrections
    of its typing errors (`corrected`), `description` stays as written. Raises InputError for an `eval_type` that is not
    one of `EVAL_TYPES`, or that says "no target" where there are objects.
    """
    return parse_entries(read_entries(Path(path)), Path(path), source=source, programs=programs)


def parse_entries(
    entries: Sequence[dict[str, Any]], path: Path, *, source: str = "scanrefer", programs: str | Path | None = None
) -> list[Annotation]:
    """Return the annotations of the raw objects that `path` holds; see `load_annotations`."""
    if source not in SOURCES:
        raise InputError(f"annotation source: expected one of {', '.join(SOURCES)}, got {source!r}")
    found = read_programs(Path(programs), source) if programs is not None else {}
    counter: Counter[str] = Counter()
    annotations = []
    for number, entry in enumerate(entries):
        scene, ids = entry["scene_id"], entry_object_ids(entry, path, number)
        if source != "multi3drefer" and len(ids) != 1:
            raise InputError(
                f"{path}: annotation {number}: expected one object_id, got {len(ids)} objects; is this Multi3DRefer?"
            )
        extra = found.get((scene, ids, str(entry.get("ann_id"))), {})
        annotations.append(
            Annotation(
                scene_id=scene,
                object_ids=ids,
                ann_id=counter[scene],
                sentence=_sentence(entry, source, path, number),
                description=_text(entry.get("description", ""), path, number),
                object_name=str(entry.get("object_name", "")),
                eval_type=_group(entry, ids, source, path, number),
                compositional=bool(extra.get("compositional", entry.get("compositional", False))),
                program=extra.get("program", entry.get("program")),
            )
        )
        counter[scene] += 1
    return mark_multiple(annotations) if source == "scanrefer" else annotations


def _sentence(entry: dict[str, Any], source: str, path: Path, number: int) -> str:
    tokens = entry.get("token")
    if source == "scanrefer" and tokens is not None:
        if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
            raise InputError(f"{path}: annotation {number}: expected token to be a list of words, got {tokens!r:.60}")
        return " ".join(tokens)
    text = _text(entry.get("description"), path, number)
    return corrected(text) if source == "multi3drefer" else text


def corrected(text: str) -> str:
    """Return a sentence of Multi3DRefer without the typing errors that its users have published.

    In train, `50cm` becomes `50 cm` and `3+ tiers` becomes `3 tiers`. In val, a backslash with one stray letter after
    it is dropped. How that sentence is stored is not published, so every form of it is caught: the character that
    JSON makes of backslash and letter (a control character, such as tab or line feed) becomes a space; so does a
    backslash that is in the text itself, together with a letter that stands alone after it (`chair\\n. it` →
    `chair . it`, but `left\\right` → `left right`). Other sentences are returned as they are, to the character.

    Source: docs/systems/bqnet.md §2.1.
    """
    for wrong, right in TYPOS:
        text = text.replace(wrong, right)
    if "\\" not in text and text.isprintable():
        return text
    clean = "".join(c if ord(c) >= 32 and ord(c) != 127 else " " for c in _BACKSLASH.sub(" ", text))
    return text if clean == text else " ".join(clean.split())


def _group(entry: dict[str, Any], ids: tuple[int, ...], source: str, path: Path, number: int) -> str:
    if source == "scanrefer":
        return ""
    if source == "multi3drefer":
        return _eval_type(entry, ids, path, number)
    groups = str(entry.get("eval_type")).split()
    if len(groups) != 2 or groups[0] not in REFERIT3D_GROUPS[:2] or groups[1] not in REFERIT3D_GROUPS[2:]:
        raise InputError(
            f"{path}: annotation {number}: expected eval_type such as 'easy view_dependent', got "
            f"{entry.get('eval_type')!r:.50}; prepare the folder again"
        )
    return " ".join(groups)


def _eval_type(entry: dict[str, Any], ids: tuple[int, ...], path: Path, number: int) -> str:
    kind = entry.get("eval_type")
    if not isinstance(kind, str) or kind not in EVAL_TYPES:
        raise InputError(
            f"{path}: annotation {number}: expected eval_type to be one of {', '.join(EVAL_TYPES)}, got {kind!r:.50}; "
            "is this a Multi3DRefer file?"
        )
    if kind.startswith("zt") and ids:
        raise InputError(
            f"{path}: annotation {number}: expected no object_ids for eval_type {kind} (zero targets), "
            f"got {len(ids)}; correct one of the two"
        )
    return kind


def _text(value: Any, path: Path, number: int) -> str:
    if not isinstance(value, str):
        raise InputError(f"{path}: annotation {number}: expected a text description, got {value!r:.60}")
    return value


def unique_multiple(described: Iterable[tuple[str, int, str]]) -> list[bool]:
    """Return for each (scene, object id, object name) whether it is "multiple" (docs/systems/less.md §B.7).

    The classes of a scene are counted over its described objects; an object's class comes from the first
    annotation met for it.
    """
    described = list(described)
    first: dict[tuple[str, int], int] = {}
    for scene, object_id, name in described:
        first.setdefault((scene, object_id), class18(name))
    count = Counter((scene, kind) for (scene, _), kind in first.items())
    return [count[scene, class18(name)] != 1 for scene, _, name in described]


def mark_multiple(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Return single-target annotations with `multiple` set by ScanRefer's rule over exactly this list.

    Source: docs/systems/less.md §B.7.
    """
    flags = unique_multiple((a.scene_id, a.object_ids[0], a.object_name) for a in annotations)
    return [replace(a, multiple=flag) for a, flag in zip(annotations, flags)]


def read_programs(path: Path, source: str) -> dict[tuple[str, tuple[int, ...], str], dict[str, Any]]:
    """Return the records of a Rooms file `programs_<split>.json` by (scene_id, object ids, ann_id).

    The file is {"scanrefer": records, "multi3drefer": records}; a record has the ids of its annotation, `program`,
    and `compositional`.
    """
    content = read_json(path)
    records = content.get(source) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(
        isinstance(r, dict) and isinstance(r.get("scene_id"), str) for r in records
    ):
        raise InputError(f"{path}: expected an object with a list of records {source!r}; make it with `saymask rooms`")
    return {
        (record["scene_id"], entry_object_ids(record, path, number), str(record.get("ann_id"))): record
        for number, record in enumerate(records)
    }
