"""LGround: instances from shifted voxels and class scores."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.labels.tables import scannet200
from saymask.models.lground.cluster import Clustering, propose
from tests.parity import Check, case

SETTINGS = {
    "val": Clustering(),
    "mp50": Clustering(min_points=50),  # the older test script
    "median": Clustering(radius=0.8, propose_points=50, score="median"),
}
"""Tag → parameters, which the files do not hold."""


@case("lground", "insseg_clustering")
def clustering(data: dict[str, Any], path: Path) -> Iterator[Check]:
    logits = data["scores"].astype(np.float32)
    for tag in sorted(m[1] for name in data if (m := re.fullmatch(r"(\w+)_label_id", name))):
        for compat in (False, True):
            found = propose(data["vertices"], logits, replace(SETTINGS[tag], compat=compat))
            note = " (compat)" if compat else ""
            yield Check(f"{tag}_label_id{note}", found.ids(scannet200()), data[f"{tag}_label_id"])
            yield Check(f"{tag}_conf{note}", found.scores, data[f"{tag}_conf"], 1e-5, 1e-5)
            yield Check(f"{tag}_npoints{note}", found.sizes, data[f"{tag}_npoints"])
            masks = np.packbits(found.masks, axis=1)
            yield Check(f"{tag}_mask{note}", masks, data[f"{tag}_mask"])
