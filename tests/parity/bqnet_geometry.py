"""BQNet: mesh superpoints against ScanNet's compiled Segmentator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from saymask.geometry.superpoints import mesh_superpoints
from tests.parity import Check, case
from tests.parity.less_geometry import by_appearance


@case("bqnet", "superpoints")
def superpoints(golden: dict[str, Any], path: Path) -> Iterator[Check]:
    found = mesh_superpoints(golden["vertices"], golden["faces"])
    for name in ("raw_root_index", "superpoint"):
        yield Check(f"{name} (as a partition)", by_appearance(found), by_appearance(golden[name]))
    yield Check("ids are 0..S-1", np.unique(found), np.arange(golden["superpoint"].max() + 1))
