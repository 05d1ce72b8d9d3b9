"""Official checkpoints of BQNet: what is loaded, what is left out, what is refused."""

import pytest
import torch

from saymask.errors import CheckpointError
from saymask.models.bqnet.decoder import Decoder
from saymask.models.bqnet.official import decoder_names, load_official, official_name
from saymask.nn.superpoints import SuperpointUNet
from tests.models.bqnet.test_decoder import SMALL


class Whole(torch.nn.Module):
    """A model with a backbone, as `load_official` finds it."""

    def __init__(self):
        super().__init__()
        self.backbone, self.decoder = SuperpointUNet((4, 6), 1), Decoder(SMALL)


def official_state(model):
    state = {key: torch.randn_like(model.decoder.state_dict()[n]) for n, key in decoder_names(model.decoder).items()}
    for ours, key in model.backbone.unet.official_keys().items():
        value = model.backbone.unet.state_dict()[ours]
        if ours.endswith("shortcut.weight"):
            value = value[:, None, None, None]
        elif value.ndim == 3:
            side = round(len(value) ** (1 / 3))
            value = value.permute(2, 0, 1).unflatten(1, (side, side, side))
        state[key] = value + 1
    return state


def test_official_weights_load_and_what_is_unused_is_said():
    model = Whole()
    state = official_state(model)
    extra = {"dec.lqg.0.norm.weight": torch.zeros(3), "text_encoder.pooler.dense.bias": torch.zeros(3)}
    report = load_official(model, {f"module.{key}": value for key, value in (state | extra).items()})
    assert set(report.used) == set(state)
    assert set(report.unused) == set(extra)
    for name, value in model.decoder.state_dict().items():
        assert torch.equal(value, state[official_name(name)])
    ours = model.backbone.unet.state_dict()["output_norm.weight"]
    assert torch.equal(ours, state["output_layer.0.weight"])
    bare = Decoder(SMALL)
    assert set(load_official(bare, state).unused) == set(model.backbone.unet.official_keys().values())
    assert torch.equal(bare.offset[4].bias, state["dec.offset.layers.2.bias"])


def test_official_weights_that_do_not_fit_change_nothing():
    model = Whole()
    state = official_state(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bad = dict(state, **{"dec.nonsense.weight": torch.zeros(1), "dec.x_mask.0.bias": torch.zeros(2)})
    del bad["dec.out_norm.bias"], bad["output_layer.0.bias"]
    with pytest.raises(CheckpointError) as caught:
        load_official(model, bad)
    for part in (
        "4 do not fit",
        "dec.nonsense.weight: unexpected",
        "dec.out_norm.bias: missing",
        "output_layer.0.bias: missing",
        r"dec.x_mask.0.bias: expected [16], got [2]",
    ):
        assert part in str(caught.value)
    with pytest.raises(CheckpointError, match=r"1 do not fit: output_layer\.0\.bias: expected \[4\], got \[7\]"):
        load_official(model, dict(state, **{"output_layer.0.bias": torch.zeros(7)}))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(KeyError):
        official_name("layers.0.unknown.weight")
    with pytest.raises(KeyError):
        official_name("unknown.weight")
