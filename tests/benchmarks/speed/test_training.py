"""Timing of training: a rate per second, and the parts of a step, with a model that learns colours."""

import pytest
import torch

pytest.importorskip("lightning", reason="needs the extra train")

from benchmarks.speed.cases import training
from tests.models.toy_model import Toy, make_prepared, register


def test_rate_and_parts(monkeypatch, tmp_path):
    register(monkeypatch)
    for owner, name in ((Toy, "losses"), (torch.Tensor, "backward"), (torch.nn.utils, "get_total_norm")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # what is clocked is put back after the test
    data = str(make_prepared(tmp_path / "data", train=3, val=1))
    assert training.rate("toy.tiny", data, 3, 1) > 0
    parts = training.parts("toy.tiny", data)
    assert set(parts) == {"forward", "backward", "norm of the gradients"}
    assert all(seconds > 0 for seconds in parts.values())
