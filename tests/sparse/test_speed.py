"""The choice of bfloat16 at inference: AMX always, AVX512_BF16 only where a measured tile gains, a setting decides."""

import json

import pytest
import torch

from saymask.errors import InputError
from saymask.nn.unet.network import SparseUNet
from saymask.sparse import build_sites, cpu_has_bf16, inference_precision
from saymask.sparse.backends import select
from saymask.sparse.backends.cpu import amx, speed
from tests.sparse.helpers import some_sites


@pytest.fixture(autouse=True)
def anew(monkeypatch, tmp_path):
    """Nothing is known of this CPU, and nothing is set."""
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))
    monkeypatch.delenv("SAYMASK_PRECISION", raising=False)
    forget = speed.bf16_pays.cache_clear  # tests replace the function
    forget()
    yield
    forget()


@pytest.mark.parametrize(
    ("tiles", "vectors", "gain", "pays"),
    [
        (True, True, 0.5, True),  # AMX: nothing is measured
        (False, True, 1.3, True),
        (False, True, 1.1, False),
        (False, False, 9.0, False),
    ],
)
def test_the_rule(tiles, vectors, gain, pays, monkeypatch):
    monkeypatch.setattr(amx, "has_amx", lambda: tiles)
    monkeypatch.setattr(speed, "HAS_BF16", vectors)
    asked = []
    monkeypatch.setattr(speed, "tile_gain", lambda: asked.append(1) or gain)
    assert speed.bf16_pays() == pays
    assert bool(asked) == (vectors and not tiles)
    monkeypatch.setattr(select, "cpu_has_bf16", lambda: vectors)
    with inference_precision() as dtype:
        assert dtype == (torch.bfloat16 if pays else torch.float32)


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bfloat16 multiplication")
def test_a_tile_is_measured_once(monkeypatch, tmp_path):
    gain = speed.tile_gain()
    assert 0.05 < gain < 50
    (known,) = json.loads((tmp_path / "bf16_gain.json").read_text()).values()
    assert known == gain
    monkeypatch.setattr(speed, "_seconds", lambda **_: pytest.fail("measured again"))
    assert speed.tile_gain() == gain


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"other": 2.0}', '{"KEY": "fast"}', '{"KEY": -1}'])
def test_a_cache_that_says_nothing_is_measured_anew(text, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "_seconds", lambda *, bf16: 1.0 if bf16 else 1.5)
    speed.tile_gain()
    file = tmp_path / "bf16_gain.json"
    key = next(iter(json.loads(file.read_text())))
    file.write_text(text.replace("KEY", key))
    assert speed.tile_gain() == 1.5
    assert json.loads(file.read_text())[key] == 1.5


def test_a_folder_that_cannot_be_written_is_no_hindrance(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path / "file" / "folder"))
    monkeypatch.setattr(speed, "_seconds", lambda *, bf16: 1.0)
    assert speed.tile_gain() == 1.0


def test_settings(monkeypatch):
    monkeypatch.setattr(speed, "bf16_pays", lambda: True)
    monkeypatch.setattr(select, "cpu_has_bf16", lambda: True)
    assert select.inference_dtype() == torch.bfloat16
    assert select.training_precision("auto") == "bf16"
    monkeypatch.setenv("SAYMASK_PRECISION", "fp32")
    assert select.inference_dtype() == torch.float32
    assert select.training_precision("auto") == "ieee"
    with inference_precision("bf16") as dtype:
        assert dtype == torch.bfloat16
        with inference_precision("fp32") as inner:
            assert inner == torch.float32
    assert select.inference_dtype() == torch.float32
    monkeypatch.setenv("SAYMASK_PRECISION", "double")
    with pytest.raises(InputError, match="expected auto, fp32, bf16, got 'double'"):
        select.inference_dtype()
    monkeypatch.setattr(select, "cpu_has_bf16", lambda: False)
    with inference_precision("auto") as dtype:
        assert dtype == torch.float32
    with pytest.raises(InputError, match="expected a CPU with AVX512_BF16 or AMX"), inference_precision("bf16"):
        pass


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bfloat16 multiplication")
def test_inference_follows_and_training_does_not(monkeypatch):
    net = SparseUNet(6, (16, 32), 1).eval()
    pyramid = build_sites(some_sites(400, 9), 2)
    x = torch.randn(len(pyramid), 6)
    with torch.no_grad(), inference_precision("fp32"):
        exact = net(x, pyramid)
    with torch.no_grad(), inference_precision("bf16"):
        low = net(x, pyramid)
    assert low.dtype == torch.float32
    assert not torch.equal(low, exact)
    assert (low - exact).norm() < 0.01 * exact.norm()
    with inference_precision("bf16"):
        torch.testing.assert_close(net(x, pyramid).detach(), exact, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(speed, "bf16_pays", lambda: True)
    with torch.no_grad():
        assert torch.equal(net(x, pyramid), low)
