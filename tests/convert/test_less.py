"""Official LESS checkpoints: loaded strictly, with the word projections they lack, written as saymask's own."""

from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import saymask.models.less.model as less_model
from saymask.convert import convert
from saymask.errors import CheckpointError, InputError
from saymask.models.less import Less, LessConfig, compat
from saymask.models.less.official import (
    PROJECTION_PREFIX,
    load_official,
    official_names,
    projections_in,
    rebuild_projections,
)
from tests.models.fakes import WordHash
from tests.parity import fill_state
from tests.parity.less_model import GivenText, golden_projections, official_shapes


@pytest.fixture(scope="module")
def state():
    return fill_state(official_shapes())


@pytest.fixture
def checkpoint(state, tmp_path):
    content = {
        "epoch": 40,
        "model_state_dict": OrderedDict(state),
        "optimizer_state_dict": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]},
    }
    path = tmp_path / "checkpoint_best.pth"
    torch.save(content, path)
    return path


@pytest.fixture
def without_roberta(monkeypatch):
    monkeypatch.setattr(less_model, "load_text_encoder", lambda name: GivenText())


def test_convert_writes_a_loadable_checkpoint(checkpoint, tmp_path, state, without_roberta):
    lines = []
    out = convert("less", checkpoint, tmp_path / "less.safetensors", projections="rebuild", report=lines.append)
    assert any(line.startswith("365 tensors loaded") for line in lines)
    assert any("seed 42" in line for line in lines)
    with safe_open(out, "pt") as file:
        assert file.metadata()["system"] == "less"
        weight = file.get_tensor("sentence_projection.3.weight")
        torch.testing.assert_close(weight, state["sentense_output_layer.3.weight"])
        first = file.get_tensor("word_projections.0.0.weight")
    torch.testing.assert_close(first, rebuild_projections()[PROJECTION_PREFIX.format(width=32) + ".0.weight"])


def test_projections_from_a_file(checkpoint, tmp_path, without_roberta):
    given = golden_projections()
    save_file({key: value.contiguous() for key, value in given.items()}, tmp_path / "words.safetensors")
    torch.save({f"module.{key}": value for key, value in given.items()}, tmp_path / "words.pth")
    for name in ("words.safetensors", "words.pth"):
        out = convert(
            "less", checkpoint, tmp_path / "less.safetensors", projections=tmp_path / name, report=lambda _: None
        )
        with safe_open(out, "pt") as file:
            got = file.get_tensor("word_projections.4.3.weight")
        torch.testing.assert_close(got, given[PROJECTION_PREFIX.format(width=160) + ".3.weight"])


def test_the_choice_of_projections_is_asked_for(checkpoint, tmp_path):
    with pytest.raises(InputError, match="projections='rebuild'"):
        convert("less", checkpoint, tmp_path / "less.safetensors")


def test_rebuilt_projections_are_the_trainers():
    state = torch.get_rng_state()
    tensors = rebuild_projections()
    assert torch.equal(torch.get_rng_state(), state)
    first = tensors["word_fuse_layer.word_fuse_layer_32.0.weight"][0, :3]
    last = tensors["word_fuse_layer.word_fuse_layer_160.3.weight"][0, :3]
    torch.testing.assert_close(first, torch.tensor([-0.00669658, -0.01311694, -0.01814528]), atol=1e-8, rtol=0)
    torch.testing.assert_close(last, torch.tensor([-0.03452587, 0.00651826, -0.01743558]), atol=1e-8, rtol=0)
    assert set(tensors) == set(golden_projections())


def test_strict_report_lists_every_key(state):
    broken = dict(state)
    del broken["query_decoder.query.weight"], broken["unet.conv.2.weight"]
    broken["surprise.weight"] = torch.zeros(2)
    broken["output_layer.0.bias"] = torch.zeros(31)
    broken["unet.u.conv.2.weight"] = torch.zeros(96, 3, 3, 3, 64)
    model = Less(compat(LessConfig()), text_encoder=GivenText())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_official(model, broken, projections=golden_projections())
    for part in (
        "query_decoder.query.weight: missing", "unet.conv.2.weight: missing", "surprise.weight: unexpected",
        "output_layer.0.bias: expected a tensor for [32], got [31]", "unet.u.conv.2.weight: expected",
    ):  # fmt: skip
        assert part in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_official_names_are_one_to_one():
    model = Less(compat(LessConfig()), text_encoder=WordHash(768))
    names = official_names_without_text(model)
    assert len(set(names.values())) == len(names)
    with pytest.raises(KeyError):
        official_names(model)  # a text encoder that is no transformers model has no official names


def official_names_without_text(model):
    model.text_encoder = GivenText()
    names = official_names(model)
    model.text_encoder = WordHash(768)
    return names


def test_text_encoder_has_its_official_names():
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        hidden_size=8, num_hidden_layers=12, num_attention_heads=2, intermediate_size=8, vocab_size=9
    )
    encoder = torch.nn.Module()
    encoder.model = RobertaModel(config)
    names = official_names(Less(compat(LessConfig()), text_encoder=encoder))
    text = {theirs for theirs in names.values() if theirs.startswith("language_encoder.")}
    assert len(text) == 199
    assert {
        "language_encoder.encoder.layer.11.attention.self.query.weight",
        "language_encoder.pooler.dense.bias",
    } < text


def test_dead_tensors_are_left_out(state):
    model = Less(compat(LessConfig()), text_encoder=GivenText())
    report = load_official(model, state, projections=golden_projections())
    assert len(report.unused) == 10
    assert not report.problems
    assert len(report.used) == 345 + 20


def test_wrong_content_and_wrong_system(tmp_path):
    torch.save(torch.ones(3), tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="expected a dictionary of tensors, got Tensor"):
        convert("less", tmp_path / "tensor.pth", tmp_path / "out.safetensors", projections="rebuild")
    with pytest.raises(InputError, match="cannot convert 'pointnet'"):
        convert("pointnet", tmp_path / "tensor.pth", tmp_path / "out.safetensors", projections="rebuild")
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        convert("less", tmp_path / "tensor.pth", tmp_path / "out.pth", projections="rebuild")


def test_too_few_projections():
    with pytest.raises(CheckpointError, match="expected 20 tensors of word projections, got 0"):
        projections_in({"a": torch.ones(1)})
