"""Generated scans beside real ones, in numbers."""

import numpy as np
import pytest

from benchmarks.scan_statistics import median, real_scans, rooms, scan_statistics, table
from saymask.scan import Scan

IN_RANGE = 0.6
"""Share of the statistics that must lie within the range of real scans; 0.9 is the aim."""


def test_statistics_of_a_floor_with_a_box_on_it():
    rng = np.random.RandomState(0)
    floor = np.stack([*rng.uniform(0, 4, (2, 40_000)), 0.002 * rng.standard_normal(40_000)], axis=1)
    top = np.stack([*rng.uniform(1, 2, (2, 4000)), np.full(4000, 0.5)], axis=1)
    points = np.concatenate([floor[~((floor[:, :2] > 1) & (floor[:, :2] < 2)).all(axis=1)], top]).astype(np.float32)
    box = points[:, 2] > 0.25
    found = scan_statistics(
        Scan(
            points=points, colors=np.full((len(points), 3), 100, np.uint8),
            labels={"nyu40": np.where(box, 7, 2).astype(np.uint8), "instance": box.astype(np.int32)},
        )
    )  # fmt: skip
    assert found["plan_share_without_floor_point"] == pytest.approx(1 / 16, abs=0.01)
    assert found["roughness_30cm_rms_mm/floor/p50"] == pytest.approx(2, abs=0.2)
    assert found["things_per_m2_plan"] == pytest.approx(1 / 16, rel=0.05)
    assert found["colour/luminance/p50"] == pytest.approx(100)
    assert found["height_above_floor_m/p99"] == pytest.approx(0.5, abs=0.01)
    assert found["superpoints/purity_instances"] == pytest.approx(1, abs=0.01)
    text, share = table(found, real_scans())
    assert "| colour/luminance/p50 | 114 | 78.1 | 119 | 100 | 0.88 | yes |" in text
    assert 0 < share < 0.5


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sensor", ["handheld", "rgbd"])
def test_rooms_lie_within_the_range_of_real_scans(sensor, capsys):
    text, share = table(median(rooms(sensor, 8)), real_scans())
    with capsys.disabled():
        print(f"\n{sensor}: {100 * share:.0f} %\n{text}")
    assert share >= IN_RANGE
