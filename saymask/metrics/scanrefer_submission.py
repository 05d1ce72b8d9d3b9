"""The file that ScanRefer's benchmark takes: a box per sentence, with what the benchmark splits its numbers by.

A list of {scene_id, object_id, ann_id, bbox [8, 3] (corners, axis-aligned metres), unique_multiple (0 unique, 1
multiple), others (1 for objects of none of the benchmark's 17 named classes)}. Source: docs/systems/less.md §B.6.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation
from saymask.data.scenes import aligned_points
from saymask.labels.tables import class18
from saymask.metrics.boxes import box_of
from saymask.metrics.predictions import Predicted
from saymask.metrics.referring import unite
from saymask.scan import Scan
from saymask.util.files import write_text

OTHERS = 17
"""Number of the class "others"."""


def write_submission(
    path: Path,
    predicted: Sequence[Predicted],
    annotations: Mapping[tuple[str, int], tuple[Annotation, int | None]],
    scan_of: Callable[[str], Scan],
) -> Path:
    """Write the boxes of predictions; `annotations` gives each its sentence and the `ann_id` of the annotation file.

    scan_of: the prepared scan by its id; predictions of one scan come together. A sentence that is answered with no
    mask gets a box without a volume.
    """
    entries: list[dict[str, Any]] = []
    points, name = np.zeros((0, 3)), ""
    for each in predicted:
        if each.scene_id != name:
            points, name = aligned_points(scan_of(each.scene_id)), each.scene_id
        annotation, number = annotations[each.scene_id, each.ann_id]
        found = box_of(points, unite(each.rows()))
        box = np.zeros((2, 3)) if found is None else found
        entries.append(
            {
                "scene_id": each.scene_id,
                "object_id": str(annotation.object_ids[0]),
                "ann_id": str(each.ann_id if number is None else number),
                "bbox": corners(box).round(6).tolist(),
                "unique_multiple": int(bool(annotation.multiple)),
                "others": int(class18(annotation.object_name) == OTHERS),
            }
        )
    write_text(path, json.dumps(entries) + "\n")
    return path


def corners(box: np.ndarray) -> np.ndarray:
    """Return float64 [8, 3]: the corners of a box [2, 3] (smallest and largest corner)."""
    return np.array([[box[i, 0], box[j, 1], box[k, 2]] for i, j, k in product((0, 1), repeat=3)])
