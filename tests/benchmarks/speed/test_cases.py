"""Cases: what they count and what they refuse, on small inputs."""

import numpy as np
import pytest
import torch

from benchmarks.speed.cases import command, reading, scaling, scoring, unet
from benchmarks.speed.inputs import new_sentences, surfaces
from benchmarks.speed.room_sites import room_sites
from saymask.nn.unet.network import SparseUNet
from saymask.scan import Scan
from saymask.sparse import build_sites


def test_work_of_a_full_block_of_sites():
    """In a block of 2x2x2 sites all eight are neighbours, and one site lies below them."""
    block = torch.tensor([[0, x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=torch.int32)
    pairs = 8 * 8
    first = pairs * (6 * 8 + 2 * 8 * 8)  # input, and a block of two convolutions
    down_and_up = 8 * (8 * 16 + 16 * 8)
    coarse = 1 * 2 * 16 * 16
    tail = pairs * (16 * 8 + 8 * 8) + 8 * 16 * 8
    total = first + down_and_up + coarse + tail
    assert unet.work(SparseUNet(6, (8, 16), 1), build_sites(block, 2)) == pytest.approx(2 * total / 1e9)


def test_masks_take_features_away(monkeypatch):
    from saymask.sparse.backends.cpu import tiles

    there = {"sse2": True, "avx2": True, "avx512f": True, "avx512bf16": True, "amx-bf16": False, "xop": False}
    monkeypatch.setattr(tiles, "cpu_features", lambda: there)
    assert unet.masked() == {
        "without bfloat16": "+avx2,+avx512f,+sse2,-avx512bf16", "AVX2": "+avx2,+sse2,-avx512bf16,-avx512f"
    }  # fmt: skip
    monkeypatch.setattr(tiles, "cpu_features", lambda: {**there, "amx-bf16": True})
    assert list(unet.masked()) == ["without AMX", "without bfloat16", "AVX2"]
    monkeypatch.setattr(tiles, "cpu_features", lambda: {"neon": True})
    assert unet.masked() == {}


def test_the_rule_must_not_choose_the_slower_one():
    assert unet._rule("x", "bf16", {"fp32": 2.0, "bf16": 1.0, "auto": 1.01}).met
    assert unet._rule("x", "fp32", {"fp32": 2.0, "bf16": 1.0, "auto": 2.0}).met is False
    assert unet._rule("x", "fp32", {"fp32": 2.0, "auto": 2.0}).value == 1


def test_outputs_that_differ_are_not_timed(monkeypatch):
    pytest.importorskip("spconv", reason="needs the extra bench")
    net = SparseUNet(6, unet.WIDTHS, 1).eval()
    coords = torch.from_numpy(room_sites(3_000, voxel=0.15))
    feats = torch.randn(len(coords), 6)
    assert set(unet._rival(net, coords, feats)) == {"spconv", "spconv maps"}
    real = unet.forward
    monkeypatch.setattr(unet, "forward", lambda *a: 1.1 * real(*a))
    with pytest.raises(RuntimeError, match="differs from spconv's"):
        unet._rival(net, coords, feats)


def test_exponents():
    points = [150_000, 500_000, 1_500_000]
    assert scaling.exponent(points, [p**1.5 for p in points]) == pytest.approx(1.5)
    stages = lambda p: {title: [9.0, p / 1e6, 10.0 if title == "click" else 0.0] for title in scaling.STAGES}  # noqa: E731
    found = [{"points": p, "stages": stages(p), "superpoints": 10, "windows": 1} for p in (50_000, *points)]
    figures = scaling.figures_of(found)
    known = {figure.what: figure for figure in figures}
    assert known["exponent: first sentence"].value == pytest.approx(1.0)
    assert known["exponent: click, memory"].value == pytest.approx(0.0, abs=1e-9)
    assert "exponent: find, memory" not in known
    assert known["1,500,000 points: first sentence"].met is False
    table = scaling.shown(figures).splitlines()
    assert len(table) == 2 + 4 + 1
    assert table[2].startswith("| 50,000 points (10 superpoints, 1 windows) | 9.00 s, CPU 0.05 s, 0 MB |")
    assert table[-1].startswith("| exponent | 1.00 |")


def test_a_square_of_rooms_has_the_points_that_are_asked_for():
    rng = np.random.default_rng(0)
    rooms = [
        Scan(
            points=rng.random((n, 3), np.float32) * 4, colors=np.zeros((n, 3), np.uint8),
            superpoints=np.arange(n, dtype=np.int32) // 10, labels={"instance": np.zeros(n, np.int32)},
        )
        for n in (200, 300)
    ]  # fmt: skip
    scan = scaling.square(rooms, 1_130)
    assert len(scan) == 1_130
    assert scan.superpoints is not None
    assert len(np.unique(scan.superpoints)) > 100
    assert scan.points[:, :2].max() > 8  # beside each other, not upon each other


def test_surfaces_are_as_dense_whatever_their_number():
    small, large = (surfaces(n)[0] for n in (150_000, 600_000))
    assert (len(small), len(large)) == (150_000, 600_000)
    assert np.ptp(large[:, 0]) == pytest.approx(2 * np.ptp(small[:, 0]), rel=0.05)
    assert np.ptp(large[:, 2]) == pytest.approx(np.ptp(small[:, 2]), rel=0.05)


def test_sentences_are_new():
    assert len({*new_sentences(300), *new_sentences(300)}) == 600


def test_scores_of_both_sides_are_compared(tmp_path, monkeypatch):
    pairs = scoring.sides(3_000, 6, 10, tmp_path)
    for ours, plain in pairs.values():
        np.testing.assert_array_equal(ours(), plain())
    from benchmarks.speed.effort import Effort

    monkeypatch.setattr(scoring, "plain_iou", lambda *_: np.zeros(200))
    with pytest.raises(RuntimeError, match="classes from memory: the numbers differ"):
        scoring.measure(Effort(tmp_path, quick=True))


def test_a_command_is_timed_in_an_empty_environment(tmp_path):
    said = command.run(tmp_path, "--version")
    assert 0 < said.first <= said.end
    assert said.cpu > 0
    assert said.stages == {}
    command.run(tmp_path, "refer", "nowhere.ply", "the chair", fails=True)
    with pytest.raises(RuntimeError, match=r"nowhere\.ply"):
        command.run(tmp_path, "refer", "nowhere.ply", "the chair")


def test_stages_of_a_command():
    runs = [command.Run(0.1, 5.0, 4.0, {"load": 1.0, "encode": 2.0}), command.Run(0.2, 6.0, 3.0, {})]
    end, first = command._figures("x", runs, aim=3.0)
    assert (end.value, end.cpu, end.met, first.value) == (5.0, 3.0, False, 0.1)
    assert end.parts == {"start and imports": 2.0, "load": 1.0, "encode": 2.0}


@pytest.mark.parametrize("kind", ["ply", "pcd", "npz", "stl"])
def test_every_way_to_read_a_file_is_timed(kind, tmp_path):
    path, small = (reading.write(tmp_path, kind, n) for n in (20_000, 500))
    found = reading.read(kind, str(path), str(small), 2)
    assert {"reader", "load_scan"} <= set(found) == set(reading.ways(kind))
    for took in found.values():
        assert took["wall"] > 0
        assert took["MB"] >= 0
