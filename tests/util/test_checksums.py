"""Checksums: the same for the same content, another for any change."""

import numpy as np
import pytest
import torch

from saymask.util.checksums import checksum

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True, False]), "none": np.zeros((0, 3)), "c": np.array(5)}


def test_order_and_layout_do_not_count():
    again = {name: ARRAYS[name] for name in reversed(ARRAYS)} | {"a": np.asfortranarray(ARRAYS["a"])}
    assert checksum(again, "x") == checksum(ARRAYS, "x")
    assert len(checksum({})) == 8


@pytest.mark.parametrize(
    "change", [{"b": np.array([True, True])}, {"a": ARRAYS["a"].T}, {"c": np.array(6)}, {"d": np.array(1)}]
)
def test_every_change_counts(change):
    assert checksum({**ARRAYS, **change}) != checksum(ARRAYS)
    assert checksum(ARRAYS, "x") != checksum(ARRAYS, "y")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_of_every_type(dtype):
    values = torch.tensor([[0, 1, 1], [1, 0, 0]]).to(dtype)
    assert checksum({"a": values}) == checksum({"a": values.clone()}) != checksum({"a": values.T})
    assert len(checksum({"a": values[0, 0]})) == 8
