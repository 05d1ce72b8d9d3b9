"""Text halves of OpenCLIP checkpoints: the same numbers as its transformer, from a folder, and what is refused."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from saymask.errors import InputError
from saymask.text import load_text_encoder
from saymask.text import weights as sources_module
from saymask.text.clip_text import clip_text_model, open_clip_name
from saymask.text.clip_text import open_clip_state as open_clip_state_of
from saymask.text.clip_tokenizer import VOCABULARY, clip_text_encoder, clip_tokenizer
from saymask.text.weights import SOURCES, find_weights
from tests.parity import GOLDEN
from tests.text.open_clip import open_clip_state, tiny_open_clip
from tests.text.tiny import SENTENCES


def transformer(state, ids, heads):
    """OpenCLIP's text transformer as docs/systems/uniseg3d.md §3.2 describes it; returns the sentence feature."""
    x = state["token_embedding.weight"][ids] + state["positional_embedding"][: ids.shape[1]]
    width, mask = x.shape[-1], torch.full((ids.shape[1],) * 2, float("-inf")).triu(1)

    def norm(x, name):
        return nn.functional.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)

    def linear(x, name):
        return nn.functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    for i in range(sum(key.endswith("ln_1.bias") for key in state)):
        block = f"transformer.resblocks.{i}"
        attention = nn.MultiheadAttention(width, heads, batch_first=True)
        attention.load_state_dict(
            {k.removeprefix(f"{block}.attn."): v for k, v in state.items() if k.startswith(f"{block}.attn.")}
        )
        y = norm(x, f"{block}.ln_1")
        x = x + attention(y, y, y, attn_mask=mask, need_weights=False)[0]
        hidden = nn.functional.gelu(linear(norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc"))
        x = x + linear(hidden, f"{block}.mlp.c_proj")
    end = norm(x, "ln_final")[torch.arange(len(ids)), ids.argmax(1)]
    return end @ state["text_projection"]


@pytest.fixture
def folder(tmp_path):
    tiny_open_clip(tmp_path)
    return tmp_path


@torch.no_grad()
def test_the_same_numbers_as_the_transformer():
    state = open_clip_state()
    model = clip_text_model({f"text.{key}": value for key, value in state.items()} | {"visual.proj": torch.zeros(2)})
    ids = torch.tensor([[17, 3, 5, 19, 0, 0, 0, 0, 0], [17, 2, 2, 4, 6, 8, 1, 9, 19]])
    torch.testing.assert_close(model(ids).text_embeds, transformer(state, ids, 2), atol=1e-5, rtol=1e-4)
    assert not model.training
    four = clip_text_model(state, heads=4)(ids).text_embeds
    torch.testing.assert_close(four, transformer(state, ids, 4), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(four, model(ids).text_embeds)
    for name in model.state_dict():
        assert open_clip_name(name) in state
    with pytest.raises(KeyError):
        open_clip_name("vision_model.head.weight")


@torch.no_grad()
def test_a_folder_of_open_clip_is_a_text_encoder(tmp_path):
    state = tiny_open_clip(tmp_path)
    encoder = load_text_encoder(str(tmp_path))
    assert (encoder.kind, encoder.dim, encoder.sentence_dim, encoder.max_tokens) == ("clip", 128, 48, 30)
    batch = encoder.tokenize([*SENTENCES[2:3], "chair"])
    ids = batch["input_ids"]
    assert (ids[:, 0] == len(state["token_embedding.weight"]) - 2).all()
    assert ids[1].tolist()[1:3] == [515, 517]  # "chair</w>" is one token, then the end
    features = encoder([*SENTENCES[2:3], "chair"])
    assert features.sentence.shape == (2, 48)
    for i, text in enumerate([*SENTENCES[2:3], "chair"]):
        one = encoder.tokenize([text])["input_ids"]
        torch.testing.assert_close(features.sentence[i], transformer(state, one, 4)[0], atol=1e-5, rtol=1e-4)
    # The pickle that people have from elsewhere gives the same encoder.
    (tmp_path / "open_clip_pytorch_model.safetensors").unlink()
    torch.save(
        {"state_dict": {f"module.{key}": v for key, v in state.items()}}, tmp_path / "open_clip_pytorch_model.bin"
    )
    assert load_text_encoder(str(tmp_path)).fingerprint == encoder.fingerprint


def test_folders_that_cannot_be_used(folder):
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    for change, message in (
        ({"text_cfg": config["model_cfg"]["text_cfg"] | {"hf_model_name": "roberta-base"}}, "roberta-base"),
        ({"text_cfg": config["model_cfg"]["text_cfg"] | {"heads": 5}}, "got 5"),
        ({"text_cfg": config["model_cfg"]["text_cfg"] | {"pool_type": "last"}}, "got last"),
        ({"quick_gelu": True}, "quick_gelu"),
        ({"text_cfg": None}, "text_cfg"),
    ):
        path.write_text(json.dumps({"model_cfg": config["model_cfg"] | change}))
        with pytest.raises(InputError, match=message):
            load_text_encoder(str(folder))
    path.write_text("{")
    with pytest.raises(InputError, match="text_cfg"):
        load_text_encoder(str(folder))
    path.write_text(json.dumps(config))
    (folder / "open_clip_pytorch_model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_text_encoder(str(folder))
    (folder / "open_clip_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"config.json and model.safetensors"):
        load_text_encoder(str(folder))


def test_weights_that_do_not_fit():
    state = open_clip_state()
    bad = dict(state, **{"transformer.resblocks.1.ln_1.gain": torch.zeros(1), "ln_final.weight": torch.zeros(7)})
    del bad["transformer.resblocks.0.attn.in_proj_bias"]
    with pytest.raises(InputError) as caught:
        clip_text_model(bad)
    for part in (
        "transformer.resblocks.1.ln_1.gain: unexpected",
        "transformer.resblocks.0.attn.in_proj_bias: missing",
        "ln_final.weight: expected [128], got [7]",
        "3 do not fit",
    ):
        assert part in str(caught.value)
    packed = "transformer.resblocks.0.attn.in_proj_weight"
    with pytest.raises(InputError, match=r"1 do not fit: .*expected \[384, 128\], got \[385, 128\]"):
        clip_text_model(state | {packed: torch.zeros(385, 128)})
    with pytest.raises(InputError, match="got no usable text_projection"):
        clip_text_model({key: value for key, value in state.items() if key != "text_projection"})
    with pytest.raises(InputError, match="got no usable transformer"):
        clip_text_model({key: value for key, value in state.items() if "resblocks" not in key})


def test_names_go_both_ways():
    state = open_clip_state()
    again = open_clip_state_of(clip_text_model(state))
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())


def test_the_tokenizer_gives_the_official_tokens():
    data = np.load(GOLDEN / "uniseg3d" / "text_encoder_A.npz")
    texts = json.loads((GOLDEN / "uniseg3d" / "text_encoder_A.json").read_text())["texts"]
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == VOCABULARY
    for text, row in zip(texts, data["tokens"], strict=True):
        ids = tokenizer(text)["input_ids"]
        assert ids == row[: len(ids)].tolist()
        assert not row[len(ids) :].any()
    with pytest.raises(InputError, match=r"expected CLIP's vocabulary of 49,408 tokens, got 20"):
        clip_text_encoder("x", clip_text_model(open_clip_state()))


def test_the_hub_is_asked_for_what_is_needed(monkeypatch, folder):
    import huggingface_hub

    asked = []

    def download(repository, allow_patterns, **_):
        asked.append((repository, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert find_weights("clip-convnext-large-d-320") == folder
    repository, patterns = asked[0]
    assert repository == SOURCES["clip-convnext-large-d-320"].repository
    assert "open_clip*.safetensors" in patterns
    assert "*.json" in patterns
    assert not any("bin" in pattern for pattern in patterns)
    assert sources_module.SOURCES["roberta-base"].patterns == sources_module.SOURCES["minilm"].patterns
    assert not any("open_clip" in pattern for pattern in SOURCES["minilm"].patterns)
