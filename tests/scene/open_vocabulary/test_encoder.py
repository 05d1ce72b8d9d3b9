import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from saymask.errors import InputError
from saymask.scene.open_vocabulary.encoder import _middle, load_pair
from tests.text.tiny import tiny_clip, tiny_roberta


def test_features_are_those_of_the_whole_model(clip):
    from transformers import AutoTokenizer, CLIPModel

    pair, whole = load_pair(clip, "cpu"), CLIPModel.from_pretrained(clip).eval()
    rng = np.random.default_rng(0)
    crops = [
        rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in ((40, 60), (9, 5), (33, 32), (64, 20), (2, 2))
    ]
    words = ["lamp", "the grey chair", "shelf"]
    tokens = AutoTokenizer.from_pretrained(clip)(words, padding=True, return_tensors="pt")
    with torch.no_grad():
        both = whole(pixel_values=torch.stack([pair.image.preprocess(c) for c in crops]), **tokens)
    np.testing.assert_allclose(pair.images(crops), both.image_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(pair.texts(words), both.text_embeds.numpy(), atol=1e-5)
    assert pair.images([]).shape == (0, 16)
    assert not any(p.requires_grad for p in pair.parameters())


def test_words_are_encoded_once_and_alone(clip, monkeypatch):
    pair = load_pair(clip, "cpu")
    first = pair.texts(["lamp", "a much longer phrase of words", "lamp"])
    np.testing.assert_allclose(first[0], load_pair(clip, "cpu").texts(["lamp"])[0], atol=1e-6)
    np.testing.assert_array_equal(first[0], first[2])
    monkeypatch.setattr(pair.text, "forward", lambda texts: pytest.fail("known already"))
    np.testing.assert_array_equal(pair.texts(["lamp"])[0], first[0])


def test_a_strip_loses_its_ends_and_nothing_that_clip_sees(clip):
    pair = load_pair(clip, "cpu")
    strip = np.random.default_rng(1).integers(0, 256, (10, 4001, 3)).astype(np.uint8)
    assert _middle(strip).shape == (10, 40, 3)
    assert _middle(strip.transpose(1, 0, 2)).shape == (40, 10, 3)
    assert _middle(strip[:, :40]) is not strip
    for image in (strip[:, 1:], strip[:, 1:].transpose(1, 0, 2).copy()):
        torch.testing.assert_close(
            pair.image.preprocess(_middle(image)), pair.image.preprocess(image), atol=0.05, rtol=0
        )


def test_folders_that_are_no_clip(tmp_path, clip):
    with pytest.raises(InputError, match="knows images and words, got a roberta"):
        load_pair(tiny_roberta(tmp_path / "roberta"), "cpu")
    with pytest.raises(InputError, match="expected a clip"):
        load_pair(tiny_clip(tmp_path / "text"), "cpu")
    with pytest.raises(InputError, match="expected a folder with config"):
        load_pair(tmp_path / "nowhere", "cpu")
    with pytest.raises(InputError, match="cannot use device"):
        load_pair(clip, "abacus")
    shutil.copytree(clip, tmp_path / "half")
    weights = tmp_path / "half" / "model.safetensors"
    state = load_file(weights)
    save_file({**state, "visual_projection.weight": torch.zeros(3, 24)}, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"visual_projection.weight \[16, 24\], got \[3, 24\]"):
        load_pair(tmp_path / "half", "cpu")
    del state["visual_projection.weight"]
    save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match="both halves of CLIP"):
        load_pair(tmp_path / "half", "cpu")
