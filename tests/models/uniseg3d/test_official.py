"""Official checkpoints of UniSeg3D: what is loaded, what is left out, what is refused; the text tower inside."""

import pytest
import torch

from saymask.errors import CheckpointError, InputError
from saymask.models.importing import from_spconv, spconv_shape
from saymask.models.uniseg3d.decoder import Decoder
from saymask.models.uniseg3d.official import TOWER, decoder_names, load_official, official_name, text_tower
from saymask.nn.superpoints import SuperpointUNet
from saymask.text.clip_text import clip_text_model
from tests.models.uniseg3d.test_decoder import SMALL
from tests.text.open_clip import open_clip_state


class Whole(torch.nn.Module):
    """A model with a backbone, as `load_official` finds it."""

    def __init__(self):
        super().__init__()
        self.backbone, self.decoder = SuperpointUNet((4, 6), 1), Decoder(SMALL)


def official_state(model):
    state = {key: torch.randn_like(model.decoder.state_dict()[n]) for n, key in decoder_names(model.decoder).items()}
    unet = model.backbone.unet
    for ours, key in unet.official_keys().items():
        value = unet.state_dict()[ours]
        state[key] = torch.randn(spconv_shape(ours, value.shape)) if value.is_floating_point() else value + 1
    return state


def official_tower(width=128):
    """A text tower under its names in an official checkpoint, the mask included."""
    names = {"positional_embedding": "text_pe", "text_projection": "text_proj"}
    state = open_clip_state(width=width)
    tower = {TOWER + names.get(key, f"text_{key}"): value for key, value in state.items()}
    return state, tower | {f"{TOWER}text_attn_mask": torch.zeros(9, 9)}


def test_official_weights_load_and_what_is_unused_is_said():
    model = Whole()
    state = official_state(model)
    tower = official_tower()[1]
    report = load_official(model, {f"module.{key}": value for key, value in (state | tower).items()})
    assert set(report.used) == set(state)
    assert set(report.unused) == set(tower)
    for name, value in model.decoder.state_dict().items():
        assert torch.equal(value, state[official_name(name)])
    unet = model.backbone.unet
    for ours, key in unet.official_keys().items():
        assert torch.equal(unet.state_dict()[ours], from_spconv(ours, state[key]))
    bare = Decoder(SMALL)
    assert set(load_official(bare, state).unused) == set(unet.official_keys().values())
    assert torch.equal(bare.heads.semantic.embed[4].bias, state["decoder.cls_proj_sem.4.bias"])


def test_shortcuts_are_read_as_their_memory_says():
    model = Whole()
    state = official_state(model)
    load_official(model, state)
    name = next(n for n in model.backbone.unet.official_keys() if n.endswith("shortcut.weight"))
    given = state[model.backbone.unet.official_keys()[name]].double()  # two orders of summing up differ in float32
    out, into = given.shape[0], given.shape[-1]
    x = torch.randn(3, into, dtype=torch.float64)
    loaded = model.backbone.unet.state_dict()[name].double()
    assert torch.allclose(x @ loaded.T, x @ given.reshape(into, out))
    assert not torch.allclose(x @ loaded.T, x @ given.reshape(out, into).T)


def test_official_weights_that_do_not_fit_change_nothing():
    model = Whole()
    state = official_state(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bad = dict(state, **{"decoder.nonsense.weight": torch.zeros(1), "decoder.x_mask.0.bias": torch.zeros(2)})
    del bad["decoder.out_norm.bias"], bad["output_layer.0.bias"]
    with pytest.raises(CheckpointError) as caught:
        load_official(model, bad, title="this file")
    for part in (
        "this file",
        "4 do not fit",
        "decoder.nonsense.weight: unexpected",
        "decoder.out_norm.bias: missing",
        "output_layer.0.bias: missing",
        "decoder.x_mask.0.bias: expected [16], got [2]",
    ):
        assert part in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(KeyError):
        official_name("layers.0.unknown.weight")


def test_the_text_tower_of_a_checkpoint():
    state, tower = official_tower()
    found = text_tower({f"module.{key}": value for key, value in tower.items()} | {"type_embedding.weight": None})
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) for key, value in state.items())
    one, other = clip_text_model(found), clip_text_model(state)
    ids = torch.tensor([[3, 5, 19, 0, 0]])
    with torch.no_grad():
        assert torch.equal(one(ids).text_embeds, other(ids).text_embeds)
    with pytest.raises(CheckpointError, match="got none"):
        text_tower({"type_embedding.weight": torch.zeros(3, 32)})
    with pytest.raises(CheckpointError, match=r"lang\.text_encoder\.visual: unexpected"):
        text_tower(tower | {f"{TOWER}visual": torch.zeros(1)})
    del found["ln_final.bias"]
    with pytest.raises(InputError, match=r"ln_final\.bias: missing"):
        clip_text_model(found)
