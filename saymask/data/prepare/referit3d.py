"""Sentences of ReferIt3D: `nr3d.csv` (people's) and `sr3d.csv` (made from templates), a row per sentence.

A sentence is about one object of a ScanNet scan. It is hard where the scan has two or more further objects of the
target's class, and view-dependent where it says a word whose meaning needs a standpoint.

Source: Achlioptas et al., ReferIt3D: Neural Listeners for Fine-Grained 3D Object Identification in Real-World Scenes,
ECCV 2020, sections 3 to 5.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saymask.errors import InputError

FILES = {"nr3d": ("nr3d.csv",), "sr3d": ("sr3d.csv", "sr3d+.csv")}
"""Source → names of its file; the first that is there counts."""
NEEDED = {"scan_id", "target_id", "utterance", "instance_type", "stimulus_id"}
VIEW_WORDS = {"facing", "looking", "front", "behind", "back", "right", "left", "leftmost", "rightmost", "across"}
"""Words that make a sentence view-dependent."""
MOST_EASY = 2
"""Objects of the target's class, itself among them, in an easy context."""
_WORD = re.compile(r"[a-z]+")


def read_referit3d(path: Path) -> list[dict[str, Any]]:
    """Return the sentences of a file as ScanRefer has them, `eval_type` with their two groups.

    Left out, as published, are sentences that do not name the target's class (`mentions_target_class`). Raises
    InputError for a file without the columns, or a row that names no object.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = NEEDED - set(reader.fieldnames or ())
            if missing:
                raise InputError(
                    f"{path}: expected a table of ReferIt3D; missing columns: {', '.join(sorted(missing))}"
                )
            rows = list(reader)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not; convert the file to UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: expected a table separated by commas: {error}") from None
    entries, count = [], Counter()
    for number, row in enumerate(rows, start=2):
        if str(row.get("mentions_target_class", "true")).strip().lower() in ("false", "0"):
            continue
        scene, target = str(row["scan_id"]), str(row["target_id"])
        if not target.isdecimal():
            raise InputError(f"{path}, line {number}: expected a whole number as target_id, got {target!r:.40}")
        entries.append(
            {
                "scene_id": scene,
                "object_id": target,
                "object_name": str(row["instance_type"]).replace(" ", "_"),
                "ann_id": str(count[scene]),
                "description": str(row["utterance"]),
                "eval_type": f"{_hardness(row, path, number)} {view_dependence(str(row['utterance']))}",
            }
        )
        count[scene] += 1
    return entries


def _hardness(row: Mapping[str, Any], path: Path, number: int) -> str:
    """Return easy or hard by the stimulus, `<scan>-<class>-<objects of the class>-<target>-<distractor>-…`."""
    parts = str(row["stimulus_id"]).split("-")
    numbers = [part for part in parts[2:] if part.isdecimal()]
    if not numbers:
        raise InputError(f"{path}, line {number}: expected a stimulus_id with a count, got {row['stimulus_id']!r:.60}")
    return "hard" if int(numbers[0]) > MOST_EASY else "easy"


def view_dependence(sentence: str) -> str:
    """Return `view_dependent` for a sentence with one of `VIEW_WORDS`, else `view_independent`."""
    return "view_dependent" if VIEW_WORDS & set(_WORD.findall(sentence.lower())) else "view_independent"


def by_split(entries: Sequence[dict[str, Any]], splits: Mapping[str, Sequence[str]]) -> dict[str, list[dict[str, Any]]]:
    """Return the sentences of each split that has some: those about its scans."""
    scans = {split: set(names) for split, names in splits.items()}
    found = {split: [entry for entry in entries if entry["scene_id"] in names] for split, names in scans.items()}
    return {split: sentences for split, sentences in found.items() if sentences}
