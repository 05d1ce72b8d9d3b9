import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from saymask.text import TextEncoder, encoder, load_text_encoder
from saymask.text.bert import is_plain_bert
from saymask.text.weights import find_weights
from tests.text.tiny import SENTENCES


def by_transformers(folder) -> TextEncoder:
    kind, model, tokenizer = encoder._from_transformers(folder)
    return TextEncoder("reference", kind, model.eval(), tokenizer).eval()


@pytest.mark.parametrize("name", ["tiny", pytest.param("minilm", marks=pytest.mark.slow)])
def test_features_and_fingerprint_are_those_of_transformers(folders, name):
    folder = folders["bert"] if name == "tiny" else find_weights("minilm")
    ours, theirs = load_text_encoder(str(folder)), by_transformers(folder)
    assert type(ours.model).__module__ == "saymask.text.bert"
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.dim, ours.sentence_dim, ours.max_tokens) == (theirs.dim, theirs.sentence_dim, theirs.max_tokens)
    for texts in (SENTENCES, SENTENCES[:1], ["Ünïcode 椅子 [SEP] chair"]):
        a, b = ours(texts), theirs(texts)
        assert torch.allclose(a.tokens, b.tokens, rtol=0, atol=3e-6)
        assert torch.allclose(a.sentence, b.sentence, rtol=0, atol=3e-6)
        assert (a.offsets == b.offsets).all()
        assert (a.mask == b.mask).all()


def test_weights_under_the_names_of_whole_tasks_and_old_norms(folders, tmp_path):
    folder = shutil.copytree(folders["bert"], tmp_path / "old")
    old = {
        "bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in load_file(folder / "model.safetensors").items()
    }
    save_file(old | {"cls.predictions.bias": torch.zeros(3)}, folder / "model.safetensors")
    assert load_text_encoder(str(folder)).fingerprint == load_text_encoder(str(folders["bert"])).fingerprint


def test_unusual_models_are_left_to_transformers(folders, tmp_path):
    assert is_plain_bert(folders["bert"])
    assert not is_plain_bert(folders["roberta"])
    folder = shutil.copytree(folders["bert"], tmp_path / "relu")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    assert not is_plain_bert(folder)
    assert type(load_text_encoder(str(folder)).model).__module__.startswith("transformers")
