"""Single results of an evaluation, a row per sentence or click, as a file that other programs open."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from saymask.data.annotations import Annotation
from saymask.errors import InputError
from saymask.metrics.clicks import RANDOM
from saymask.metrics.interactive import InteractiveMetric
from saymask.metrics.records import Metric
from saymask.util.files import atomic_path, check_writable, parse_json, read_json

FORMATS = (".csv", ".jsonl", ".parquet")
Row = dict[str, Any]


def sentence_rows(
    metric: Metric[Any], annotations: Iterable[Annotation], scores: Mapping[tuple[str, int], float]
) -> list[Row]:
    """Return a row per sentence that was counted, by scene and number; `scores` are the model's, by annotation."""
    rows = []
    for annotation in sorted(annotations, key=lambda a: a.key):
        record = metric.records.get(annotation.key)
        if record is None:
            continue
        rows.append(
            {
                "scene": annotation.scene_id,
                "annotation": annotation.ann_id,
                "sentence": annotation.sentence,
                "class": annotation.object_name,
                "objects": " ".join(map(str, annotation.object_ids)),
                "score": scores.get(annotation.key),
                **{name: value for name, value in vars(record).items() if name != "compositional"},
            }
        )
    return rows


def click_rows(metric: InteractiveMetric) -> list[Row]:
    """Return a row per click, by scene and number; `kind` is `thing` or `other` where somebody says."""
    kinds = {1: "thing", 0: "other"}
    return [
        {
            "scene": scene,
            "click": number,
            "group": kinds.get(int(record.kinds[number]), ""),
            "distance": _distance(float(record.distances[number])),
            "score": float(record.scores[number]),
            "iou": float(record.iou[number]),
        }
        for scene, record in sorted(metric.records.items())
        for number in range(len(record.iou))
    ]


def _distance(value: float) -> str | None:
    """Return a click's distance as text, since one of them is no number; None where nobody says."""
    return None if value != value else "random" if value == RANDOM else str(value)


def class_means(metric: Metric[Any], annotations: Iterable[Annotation]) -> dict[str, dict[str, float]]:
    """Return class name → n and means of the sentences about objects of that class, in alphabetical order."""
    found: dict[str, list[Any]] = {}
    for annotation in annotations:
        if annotation.key in metric.records and annotation.object_name:
            found.setdefault(annotation.object_name, []).append(metric.records[annotation.key])
    return {name: metric.mean(found[name]) for name in sorted(found)}


def check_rows_file(path: str | Path) -> Path:
    """Return a path that rows can be written to; InputError for another suffix, or parquet without pyarrow."""
    path = check_writable(path)
    if path.suffix not in FORMATS:
        raise InputError(f"rows: expected a file that ends in {', '.join(FORMATS)}, got {path.name}")
    if path.suffix == ".parquet":
        _pyarrow()
    return path


def write_rows(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows atomically; the suffix says how."""
    path = check_rows_file(path)
    with atomic_path(path) as temporary:
        if path.suffix == ".jsonl":
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            temporary.write_text(text, encoding="utf-8")
        elif path.suffix == ".csv":
            with temporary.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]) if rows else ["scene"])
                writer.writeheader()
                writer.writerows(rows)
        else:
            arrow = _pyarrow()
            arrow.parquet.write_table(arrow.Table.from_pylist(list(rows)), temporary)


def read_rows(path: str | Path) -> list[Row]:
    """Return the rows of a file that `write_rows` wrote, or of a result of `saymask evaluate --json`."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; `saymask evaluate --json FILE` writes one")
    if path.suffix == ".parquet":
        rows = _pyarrow().parquet.read_table(path).to_pylist()
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)]
    elif path.suffix == ".jsonl":
        rows = [parse_json(line, path) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        content = read_json(path)
        rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) and "scene" in r for r in rows):
        raise InputError(
            f"{path}: expected rows of single sentences or clicks, got none: `saymask evaluate` writes them for the "
            "tasks refer and click (--json or --rows)"
        )
    return rows


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        advice = "pip install 'saymask[rows]', or choose .csv or .jsonl"
        raise InputError(f"rows: .parquet needs pyarrow: {advice}") from None
    return pyarrow
