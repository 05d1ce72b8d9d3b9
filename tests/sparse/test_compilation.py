"""Kernels are compiled once: a second process finds all of them in the cache."""

import os
import subprocess
import sys

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
