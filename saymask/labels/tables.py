"""Class lists of ScanNet (20 and 200 classes), the label table, and ScanRefer's 18 classes.

The numbers are data files in `classes/` (facts of the ScanNet and ScanRefer benchmarks).
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError

FOLDER = Path(__file__).parent
LABEL_TABLE = "scannetv2-labels.combined.tsv"
OTHERS = 17
"""ScanRefer's class for everything outside its 17 named classes."""


@dataclass(frozen=True)
class LabelClass:
    """A class of a benchmark."""

    index: int
    """Contiguous training label."""
    id: int
    """Value in ScanNet's files (nyu40id for the 20 classes, `id` of the label table for the 200)."""
    name: str
    color: tuple[int, int, int]
    nyu40id: int
    stuff: bool
    """Wall or floor: not evaluated as instances."""
    split: str = ""
    """head, common or tail (200 classes only)."""


@lru_cache(maxsize=1)
def scannet20() -> tuple[LabelClass, ...]:
    """Return ScanNet's 20 benchmark classes by index."""
    return _read_classes("scannet20.json")


@lru_cache(maxsize=1)
def scannet200() -> tuple[LabelClass, ...]:
    """Return ScanNet200's classes by index."""
    return _read_classes("scannet200.json")


def _read_data(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / "classes" / name).read_text(encoding="utf-8"))


def _read_classes(name: str) -> tuple[LabelClass, ...]:
    return tuple(
        LabelClass(
            index=c["index"],
            id=c["id"],
            name=c["name"],
            color=(c["color"][0], c["color"][1], c["color"][2]),
            nyu40id=c["nyu40id"],
            stuff=c["stuff"],
            split=c.get("split", ""),
        )
        for c in _read_data(name)["classes"]
    )


@dataclass(frozen=True)
class LabelRow:
    """Row of the label table: the classes of a raw category."""

    id: int
    """ScanNet id, the value of the 200-class benchmark."""
    nyu40id: int
    nyu40class: str


@dataclass(frozen=True)
class LabelTable:
    """Raw category → ids; the first row of a category counts (docs/systems/lground.md §2.1)."""

    rows: dict[str, LabelRow]
    source: str

    def semantic20(self, nyu40: np.ndarray) -> np.ndarray:
        """Return int16 indices 0..19 (-1 none) of nyu40 ids."""
        return _lookup({c.nyu40id: c.index for c in scannet20()}, nyu40)

    def semantic200(self, ids: np.ndarray) -> np.ndarray:
        """Return int16 indices 0..199 (-1 none) of ScanNet ids."""
        return _lookup({c.id: c.index for c in scannet200()}, ids)

    def point_labels(self, rows: Sequence[LabelRow | None], owner: np.ndarray) -> dict[str, np.ndarray]:
        """Return the class labels of a `Scan` by the row of each object, None = of no class.

        owner: int [N], the position in `rows` of each point's object, -1 = none.
        """
        # Row -1 of these tables (the last) is "no object".
        nyu40 = np.array([*(0 if row is None else row.nyu40id for row in rows), 0], np.uint8)[owner]
        ids = np.array([*(0 if row is None else row.id for row in rows), 0], np.int64)[owner]
        return {"semantic20": self.semantic20(nyu40), "semantic200": self.semantic200(ids), "nyu40": nyu40}


def _lookup(indices: dict[int, int], ids: np.ndarray) -> np.ndarray:
    table = np.full(max(max(indices), int(ids.max(initial=0))) + 1, -1, np.int16)
    table[list(indices)] = list(indices.values())
    return table[ids]


def read_label_table(path: Path) -> LabelTable:
    """Read ScanNet's `scannetv2-labels.combined.tsv`.

    Both spellings of the refrigerator class (ScanNet's `refridgerator`, ScanRefer's `refrigerator`) give
    `refrigerator`, so that the classes do not depend on which copy of the file is there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not; convert the file to UTF-8") from None
    reader = csv.DictReader(text.splitlines(), delimiter="\t")
    needed = {"id", "raw_category", "nyu40id", "nyu40class"}
    missing = needed - set(reader.fieldnames or ())
    if missing:
        raise InputError(
            f"{path}: expected a tab-separated table with the columns {', '.join(sorted(needed))}; "
            f"missing: {', '.join(sorted(missing))}"
        )
    rows: dict[str, LabelRow] = {}
    for number, row in enumerate(reader, start=2):
        try:
            entry = LabelRow(int(row["id"]), int(row["nyu40id"] or 0), _spelling(row["nyu40class"] or ""))
        except (TypeError, ValueError):
            raise InputError(f"{path}, line {number}: expected whole numbers in the columns id and nyu40id") from None
        rows.setdefault(row["raw_category"], entry)
    if not rows:
        raise InputError(f"{path}: expected one row per raw category, got none")
    return LabelTable(rows, str(path))


def _spelling(nyu40class: str) -> str:
    return "refrigerator" if nyu40class == "refridgerator" else nyu40class


@lru_cache(maxsize=1)
def packaged_label_table() -> LabelTable:
    """Return the table that can be made from the packaged class lists, for folders without the TSV.

    It knows the 200 classes of ScanNet200 and the raw categories of ScanRefer's 17 classes; rarer raw categories
    (about 330 of ScanNet's 607) are unknown to it.
    """
    nyu40 = {c.nyu40id: c.name for c in scannet20()}
    rows: dict[str, LabelRow] = {}
    for c in scannet200():
        rows[c.name] = LabelRow(c.id, c.nyu40id, nyu40.get(c.nyu40id, ""))
    for entry in _read_data("scanrefer18.json")["classes"]:
        for raw in entry["raw_categories"]:
            rows.setdefault(raw, LabelRow(0, entry["nyu40id"], entry["name"]))
    return LabelTable(rows, "packaged class lists")


@lru_cache(maxsize=1)
def _class18() -> dict[str, int]:
    return {raw: c["index"] for c in _read_data("scanrefer18.json")["classes"] for raw in c["raw_categories"]}


def raw_category(object_name: str) -> str:
    """Return the raw category of a ScanRefer object name (`office_chair` → `office chair`)."""
    return object_name.replace("_", " ")


def class18(object_name: str) -> int:
    """Return ScanRefer's class 0..17 of an object name; unknown names are 17 ("others") (docs/systems/less.md §B.7)."""
    return _class18().get(raw_category(object_name), OTHERS)


def packaged_split(name: str) -> tuple[str, ...]:
    """Return the scan ids of ScanNet v2's split `train`, `val` or `test`."""
    return tuple((FOLDER / "splits" / f"scannetv2_{name}.txt").read_text(encoding="utf-8").split())
