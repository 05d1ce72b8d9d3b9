"""The prepared session on a GPU, on the CPU at tiny sizes: its parts leave their figures, and it can be resumed."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_session
from tests.emulated_cuda import emulated_cuda

ROOT = Path(__file__).parents[2]
PARTS = ("golden", "agreement", "unet", "steps", "verbs")


def session(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu_session", "--out", str(out), "--device", "cpu", "--tiny", *more]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_parts_leave_their_figures(tmp_path):
    done = session(tmp_path, "--minutes", "60", "--parts", *PARTS, "train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train: left out, no --data" in done.stdout
    figures = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in PARTS}
    for system, found in figures["golden"]["figures"].items():
        assert found["passed"] > 0, system
        assert found["failed"] == {}, system
        assert 0 < found["largest_share"] <= 1, found["largest_at"]
    for name, errors in figures["agreement"]["figures"].items():
        assert errors["fp32"] < 1e-3, name
        assert errors["bf16"] < 1, name
    rows = figures["unet"]["figures"]["rows"]
    assert {(r["widths"], r["precision"]) for r in rows if r["backend"] == "auto"} == {
        (w, p) for w in gpu_session.WIDTHS for p in ("fp32", "tf32", "fp16", "bf16")
    }
    for row in rows:  # no order of times: the machine may be busy
        assert min(row[name] for name in ("training_step_ms", "forward_ms", "maps_ms", "share_of_limit")) > 0
    assert set(figures["steps"]["figures"]) == set(gpu_session.PUBLISHED[:2])
    assert all(row["step_ms"] > 0 for row in figures["steps"]["figures"].values())
    assert figures["verbs"]["figures"]["refer_ms"] > 0
    assert figures["verbs"]["tiny"]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["golden", "agreement", "steps", "verbs"])
def test_a_part_on_a_device(part, monkeypatch):
    """No tensor is left behind on the CPU, and without kernels of its own a device computes what the CPU does."""
    monkeypatch.setattr("saymask.sparse.backends.select._has_triton", lambda: False)
    for name in ("reset_peak_memory_stats", "max_memory_allocated", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda: 0)
    with emulated_cuda():
        figures = gpu_session.PARTS[part](argparse.Namespace(device="cuda", tiny=True))
    if part == "golden":
        assert [found["failed"] for found in figures.values()] == [{}] * 4
        assert min(found["passed"] for found in figures.values()) > 10
    if part == "agreement":
        assert max(errors["fp32"] for errors in figures.values()) < 1e-4
    if part == "steps":
        assert all(row["fits_24_gb"] for row in figures.values())


def test_a_session_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    asked: list[str] = []

    def run(command, timeout):
        part = command[command.index("--only") + 1]
        asked.append(part)
        if part == "unet":
            raise subprocess.TimeoutExpired(command, timeout)
        if part != "steps":
            (tmp_path / f"{part}.json").write_text('{"figures": {}}')
        return subprocess.CompletedProcess(command, int(part == "steps"))

    monkeypatch.setattr(subprocess, "run", run)
    arguments = ["--out", str(tmp_path), "--device", "cpu", "--parts", "kernels", "unet", "steps", "verbs"]
    assert gpu_session.main(arguments) == 1
    assert asked == ["kernels", "unet", "steps", "verbs"]
    assert "did not end within" in json.loads((tmp_path / "unet.json").read_text())["error"]
    assert json.loads((tmp_path / "steps.json").read_text())["error"] == "ended with exit code 1"
    asked.clear()
    assert gpu_session.main(arguments) == 1
    assert asked == ["unet", "steps"]  # what is there is not done again, what failed is
    asked.clear()
    assert gpu_session.main([*arguments, "--minutes", "0.3"]) == 1
    assert not asked
    assert "not begun" in capsys.readouterr().out


def test_work_of_a_network():
    """One 3³ layer over one site without neighbours: a product for its own offset, each array once."""
    from saymask.nn.unet.network import SparseUNet
    from saymask.sparse import build_sites

    net = SparseUNet(6, (16,), 1).eval()
    pyramid = build_sites(torch.zeros(1, 4, dtype=torch.int32), 1)
    flops, moved = gpu_session.work(net, pyramid, 4)
    assert flops == 2 * (6 * 16 + 2 * 16 * 16)
    assert moved == 4 * (6 + 16 + 27 * 6 * 16 + 2 * (32 + 27 * 256)) + 3 * 4 * 27
