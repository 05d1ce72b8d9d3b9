"""Compilation: a second process finds all kernels in the cache, and they use only features that numba may use."""

import os
import subprocess
import sys

import llvmlite.binding
import pytest

PROGRAM = """
import torch
from saymask.sparse import build_sites, strided_conv, subm_conv

coords = torch.unique(torch.randint(0, 9, (300, 4), dtype=torch.int32) * torch.tensor([0, 1, 1, 1]), dim=0).int()
fine = build_sites(coords, 2).levels[0]
for low in (False, True):
    with torch.autocast("cpu", enabled=low):
        x, w = torch.randn(len(fine), 8, requires_grad=True), torch.randn(27, 8, 8, requires_grad=True)
        subm_conv(x, w, fine).sum().backward()
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DEBUG_CACHE": "1"}
    saved = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        saved.append(done.stdout.count("data saved to"))
    assert saved[0] > 5
    assert saved[1] == 0


MASKED = """
import torch
from saymask.sparse import build_sites, inference_precision, subm_conv, use_backend
from saymask.sparse.backends.cpu import tiles

coords = torch.unique(torch.randint(0, 9, (300, 4), dtype=torch.int32) * torch.tensor([0, 1, 1, 1]), dim=0).int()
fine = build_sites(coords, 1).levels[0]
x, w = torch.randn(len(fine), 8), torch.randn(27, 8, 8)
with torch.no_grad():
    ours = subm_conv(x, w, fine)
    with use_backend("torch"):
        torch.testing.assert_close(ours, subm_conv(x, w, fine), rtol=1e-4, atol=1e-4)
with inference_precision() as dtype:
    print(tiles.VECTOR_BYTES, tiles.HAS_BF16, dtype)
"""


@pytest.mark.slow
def test_kernels_use_no_feature_that_numba_was_told_to_leave_out(tmp_path):
    features = {**llvmlite.binding.get_host_cpu_features()}
    if not features.get("avx2"):
        pytest.skip("needs a CPU with AVX2")
    lost = ("avx512", "avx10", "amx", "evex")
    words = ",".join(f"{'-' if n.startswith(lost) else '+'}{n}" for n, there in features.items() if there)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_FEATURES": words}
    done = subprocess.run([sys.executable, "-c", MASKED], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["32", "False", "torch.float32"]
