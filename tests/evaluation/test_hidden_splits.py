"""The test splits of ScanNet and ScanNet200: raw scans without labels to the files that their servers take."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from saymask.labels.tables import scannet20, scannet200
from saymask.metrics.benchmark import get_benchmark
from tests.data.fake_scannet import make_fake_scannet, make_scan

ROOT = Path(__file__).parents[2]
HIDDEN = "scene0707_00"


def saymask(*arguments: object) -> str:
    command = [sys.executable, "-m", "saymask", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """A folder as ScanNet is downloaded: of the scan in scans_test/ there is the mesh alone."""
    raw = tmp_path_factory.mktemp("scannet")
    make_fake_scannet(raw, train=1, val=0)
    scan = raw / "scans_test" / HIDDEN
    make_scan(scan, np.random.default_rng(7))
    for path in scan.iterdir():
        if not path.name.endswith("_vh_clean_2.ply"):
            path.unlink()
    (raw / "splits/test.txt").write_text(f"{HIDDEN}\n")
    return raw


@pytest.fixture(scope="module")
def data(raw, tmp_path_factory) -> Path:
    data = tmp_path_factory.mktemp("prepared") / "data"
    saymask("prepare", raw, "--out", data)
    return data


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "protocol", "classes"),
    [("uniseg3d.rooms", "scannet", scannet20()), ("lground.rooms", "scannet200", scannet200())],
)
def test_files_for_the_server(raw, data, tmp_path, model, protocol, classes):
    points = len(trimesh.load(raw / "scans_test" / HIDDEN / f"{HIDDEN}_vh_clean_2.ply", process=False).vertices)
    known = {c.id for c in classes}
    for task in ("semantic", "instances"):
        said = saymask(
            "evaluate", model, "--data", data, "--split", "test", "--task", task, "--protocol", protocol,
            "--export", tmp_path / task,
        )  # fmt: skip
        assert "no numbers" in said
        assert "answers are written" in said
    ids = [int(line) for line in (tmp_path / "semantic" / f"{HIDDEN}.txt").read_text().splitlines()]
    assert len(ids) == points
    assert set(ids) <= known | {0}
    assert len(set(ids)) > 1
    lines = (tmp_path / "instances" / f"{HIDDEN}.txt").read_text().splitlines()
    assert lines
    things = {c.id for c in get_benchmark(protocol).things}
    for line in lines:
        file, label, score = line.split(" ")
        mask = (tmp_path / "instances" / file).read_text().split()
        assert len(mask) == points
        assert set(mask) <= {"0", "1"}
        assert "1" in mask
        assert int(label) in things
        assert 0 < float(score) <= 1
