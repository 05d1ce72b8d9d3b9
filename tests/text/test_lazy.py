"""A text encoder that waits for the first text, and is refused when it is not the one that was recorded."""

import copy
import pickle

import pytest
import torch

from saymask.errors import InputError
from saymask.text import FrozenText, LazyTextEncoder, lazy, load_text_encoder
from tests.text.tiny import tiny_roberta


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tiny_roberta(tmp_path_factory.mktemp("roberta")))


def test_nothing_is_loaded_before_a_text_comes(folder, monkeypatch):
    loaded = []
    load = lazy.load_text_encoder
    monkeypatch.setattr(lazy, "load_text_encoder", lambda name: loaded.append(name) or load(name))
    waiting = LazyTextEncoder(folder)
    frozen = FrozenText(waiting)
    assert not loaded
    expected = load_text_encoder(folder)(["lamp"]).sentence
    torch.testing.assert_close(frozen.on("cpu")(["lamp"]).sentence, expected)
    torch.testing.assert_close(waiting.eval()(["lamp"]).sentence, expected)
    assert loaded == [folder]
    assert not waiting.state_dict()
    assert not list(waiting.parameters())


def test_the_recorded_fingerprint_counts(folder):
    waiting = LazyTextEncoder(folder)
    waiting.expect(load_text_encoder(folder).fingerprint, "a.safetensors")
    assert waiting.fingerprint == waiting.loaded().fingerprint
    other = LazyTextEncoder(folder)
    other.expect("0" * 64, "a.safetensors")
    assert other.fingerprint == "0" * 64
    with pytest.raises(InputError, match=r"a\.safetensors was trained with .* give the same one with --text-encoder"):
        other.loaded()
    absent = LazyTextEncoder("nowhere")
    absent.expect("0" * 64, "a.safetensors")
    with pytest.raises(InputError, match=r"a\.safetensors: text encoder 'nowhere': expected a folder .*--text-encoder"):
        absent.loaded()


def test_copies_and_pickles_wait_as_well(folder):
    for same in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        assert len(same(LazyTextEncoder(folder)).eval()(["lamp", "the lamp"])) == 2
