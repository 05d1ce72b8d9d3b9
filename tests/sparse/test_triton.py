"""The Triton backend: its kernels on CUDA, or in Triton's interpreter in a process of their own; its choice."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from saymask.errors import InputError
from saymask.sparse.backends import select

INSTALLED = importlib.util.find_spec("triton") is not None
if torch.cuda.is_available() and INSTALLED:
    from tests.sparse.triton_kernels import *  # noqa: F403


@pytest.mark.skipif(not INSTALLED or torch.cuda.is_available(), reason="needs triton, and no CUDA device")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kernels_in_the_interpreter():
    file = Path(__file__).with_name("triton_kernels.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(file)],
        env={**os.environ, "TRITON_INTERPRET": "1"}, cwd=file.parents[2], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.skipif(not INSTALLED or sys.platform != "linux", reason="needs triton")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kernels_compile_for_a_gpu_that_is_not_there():
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.sparse.triton_compile", "90"],
        env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len(lines) == 2 + 4 * 3 + 3
    for line in lines:
        size, chip = int(line.split(": ")[1].split()[0]), int(line.split(", ")[1].split()[0])
        assert size > 1000
        assert chip <= 100_000  # of 228 KB, and of 164 KB on the generation before


def test_the_choice(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(select, "_has_triton", lambda: True)
    assert [select._fastest(device) for device in ("cpu", "cuda", "mps")] == ["cpu", "triton", "torch"]
    with pytest.raises(InputError, match="needs tensors on CUDA, got cpu"):
        select.backend_name(torch.zeros(1), "triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert select.backend_name(torch.zeros(1), "triton") == "triton"
    assert select.backend_name(torch.zeros(1)) == "cpu"
    monkeypatch.setattr(select, "_has_triton", lambda: False)
    assert select._fastest("cuda") == "torch"
    with pytest.raises(InputError, match="not installed"):
        select.backend_name(torch.zeros(1), "triton")


def test_another_type_on_cuda_follows_autocast_alone(monkeypatch):
    monkeypatch.setenv("SAYMASK_PRECISION", "bf16")
    assert select.inference_dtype("cuda") == torch.float32
    with torch.autocast("cuda", torch.float16, enabled=torch.cuda.is_available()):
        wanted = torch.float16 if torch.cuda.is_available() else torch.float32
        assert select.inference_dtype("cuda") == wanted
