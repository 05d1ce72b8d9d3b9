"""Categories of other collections of scans by the names of ScanNet's label table.

The names are a data file, `saymask/labels/classes/other_datasets.json`; a file of the user's can add to it.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.labels.tables import FOLDER, LabelRow, LabelTable
from saymask.util.files import read_json

NO_CLASS = LabelRow(0, 0, "")


@lru_cache(maxsize=1)
def packaged_names() -> dict[str, dict[str, str | None]]:
    """Return dataset → its category → ScanNet's, None for those that have no class there."""
    return json.loads((FOLDER / "classes" / "other_datasets.json").read_text(encoding="utf-8"))["names"]


def category_row(name: str, dataset: str, table: LabelTable) -> LabelRow | None:
    """Return the classes of a category of a dataset, None for one that neither the names nor the table know."""
    plain = plain_name(name)
    if (own := table.rows.get(_key(dataset, plain))) is not None:
        return own
    target = packaged_names()[dataset].get(plain, plain)
    return NO_CLASS if target is None else table.rows.get(target)


def plain_name(name: str) -> str:
    """Return a category in lower case, with single blanks for `_` and `-`."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _key(dataset: str, name: str) -> str:
    return f"{dataset}:{name}"


def with_names(table: LabelTable, path: str | Path) -> LabelTable:
    """Return the label table with a user's names: a JSON object {category: ScanNet's category, or null for no class}.

    They hold for every collection but ScanNet itself, before the packaged ones. InputError for another file, or a name
    that the table does not know.
    """
    content = read_json(Path(path))
    if not isinstance(content, Mapping) or not all(isinstance(v, str | None) for v in content.values()):
        raise InputError(f'{path}: expected an object of names such as {{"bookcase": "bookshelf", "beam": null}}')
    unknown = [target for target in content.values() if target is not None and target not in table.rows]
    if unknown:
        raise InputError(f"{path}: expected categories of {table.source}, got {', '.join(unknown[:5])}")
    rows = dict(table.rows)
    for name, target in content.items():
        for dataset in packaged_names():
            rows[_key(dataset, plain_name(name))] = NO_CLASS if target is None else table.rows[target]
    return LabelTable(rows, table.source)


def labels_of_objects(
    names: Sequence[str],  # category of each object
    owner: np.ndarray,  # int [N] row of `names`, -1 none
    dataset: str,
    table: LabelTable,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the labels of a Scan, whose objectIds are the rows of `names`, and the categories without a class."""
    rows = [category_row(name, dataset, table) for name in names]
    labels = {**table.point_labels(rows, owner), "instance": owner.astype(np.int32)}
    return labels, tuple(sorted({name for name, row in zip(names, rows, strict=True) if row is None}))
