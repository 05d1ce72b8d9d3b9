"""Official BQNet checkpoints and SPFormer backbones: read without running their code, loaded strictly, usable."""

import json
import os
import re
from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open
from torch import nn

import saymask.convert.bqnet as convert_bqnet
from saymask import cli
from saymask.convert import convert
from saymask.convert.bqnet import _comparison
from saymask.errors import CheckpointError, InputError
from saymask.hub.checkpoints import load_model, load_part
from saymask.models.bqnet import BackbonePretraining, BQNet, res
from saymask.models.bqnet.official import BACKBONE, decoder_names
from saymask.sparse.importers import from_spconv2
from saymask.text import lazy, load_text_encoder
from tests.io.test_pickles import Evil
from tests.models.fakes import WordHash
from tests.parity import GOLDEN, fill_state, load
from tests.parity.bqnet_model import model_checks
from tests.text.tiny import tiny_roberta

SHAPES = {key: tuple(shape) for key, shape in json.loads((GOLDEN / "bqnet" / "keys.json").read_text()).items()}
"""Official key → shape."""
BACKBONE_SHAPES = {key: shape for key, shape in SHAPES.items() if re.match(BACKBONE, key)}


def zeros(shapes=SHAPES):
    """A state dict of zeros that takes no room, in memory or in a file."""
    return {
        key: torch.zeros((), dtype=torch.int64 if key.endswith("num_batches_tracked") else None).expand(shape)
        for key, shape in shapes.items()
    }


def saved(path, state, prefix="", **more):
    """Write a checkpoint as the official trainer does."""
    state = OrderedDict((prefix + key, value) for key, value in state.items())
    content = {
        "meta": {"epoch": 61, "best_miou": 0.532, "time": "2024-12-01"},
        "model": state,
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]},
        "scheduler": {"last_epoch": 61},
    }
    torch.save(content | more, path)
    return path


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    """There is no text encoder but one in a local folder."""
    load = convert_bqnet.load_text_encoder

    def from_folder(name, folder=None):
        if folder is None:
            raise InputError("no weights for the text encoder 'roberta-base'")
        return load(name, folder)

    monkeypatch.setattr(convert_bqnet, "load_text_encoder", from_folder)


@pytest.fixture
def stand_in(monkeypatch):
    """A model that is loaded gets a stand-in for its text encoder."""
    monkeypatch.setattr(lazy, "load_text_encoder", lambda name: WordHash(768))


def header(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def test_converted_model_gives_the_golden_outputs(tmp_path, stand_in):
    text = {"text_encoder.encoder.layer.0.attention.self.query.weight": torch.zeros(8, 8)}
    path = saved(tmp_path / "best_gres.pth", fill_state(SHAPES) | text, prefix="module.")
    lines = []
    out = convert("bqnet", path, tmp_path / "gres.safetensors", report=lines.append)
    assert lines[0].startswith("the file's name says bqnet.gres")
    used = len(BACKBONE_SHAPES) + len(decoder_names(BQNet(res().model, text_encoder=nn.Identity()).decoder))
    assert lines[1] == f"{used} tensors loaded, {len(SHAPES) + 1 - used} without effect here left out"
    for group in ("dec.lqg (", "dec.sem_cls_heads (", "dec.lia_layers.*.norm (12)", "criterion.loss_weight (1)"):
        assert group in lines[2]
    assert lines[3].startswith("1 tensors of the text encoder left out, not compared with roberta-base: not here")

    model = load_model(out, device="cpu")
    assert isinstance(model, BQNet)
    assert model.card["preset"] == "bqnet.gres"
    assert model.card["official"] == {"epoch": 61, "best_miou": 0.532}
    assert model.card["text_encoder"] == "roberta-base"
    config = model.config
    assert (config.image_features, config.stretched_images, config.repeated_masks) == ("clip-vit-l14-336", True, False)
    name = "model_b_one_scene_full_queries.npz"
    checks = list(model_checks(model, load(GOLDEN / "bqnet" / name)))
    assert len(checks) > 70
    assert [check.name for check in checks if not check.error()[1]] == []


@pytest.mark.parametrize(
    ("stem", "preset"),
    [("best_gres", "bqnet.gres"), ("BQNet-3DRES", "bqnet.res"), ("bqnet.multi3drefer", "bqnet.gres")],
)
def test_the_preset_follows_the_name(stem, preset, tmp_path):
    path, lines = saved(tmp_path / f"{stem}.pth", zeros({"dec.lang_proj.weight": (256, 768)})), []
    with pytest.raises(CheckpointError, match="do not fit"):
        convert("bqnet", path, tmp_path / "out.safetensors", report=lines.append)
    assert lines == [f"the file's name says {preset}; another preset can be given"]


def test_the_preset_is_asked_for(tmp_path):
    for name in ("best.pth", "restored.pth", "res_and_gres.pth"):
        path = saved(tmp_path / name, zeros())
        with pytest.raises(InputError, match=r"does not say what it was trained for.*bqnet\.res or bqnet\.gres"):
            convert("bqnet", path, tmp_path / "out.safetensors", report=lambda _: None)
    assert not (tmp_path / "out.safetensors").exists()
    out = convert("bqnet", path, tmp_path / "out.safetensors", preset="bqnet.res", report=lambda _: None)
    assert (header(out)["preset"], header(out)["system"]) == ("bqnet.res", "bqnet")


def test_strict_report_lists_every_key(tmp_path):
    state = zeros()
    del state["dec.lang_proj.weight"], state["unet.conv.2.weight"]
    state |= {
        "surprise.weight": torch.zeros(2),
        "unet.blocks.block9.conv_branch.0.weight": torch.zeros(32),
        "dec.offset.layers.2.weight": torch.zeros(2, 256),
        "output_layer.0.bias": torch.zeros(31),
        "unet.u.conv.2.weight": torch.zeros(128, 3, 2, 2, 96),
        "unet.blocks_tail.block0.i_branch.0.weight": torch.zeros(32, 64),
    }
    path = saved(tmp_path / "best_res.pth", state, prefix="module.")
    with pytest.raises(CheckpointError) as caught:
        convert("bqnet", path, tmp_path / "out.safetensors", report=lambda _: None)
    message = str(caught.value)
    for part in (
        "best_res.pth does not fit", "8 do not fit", "dec.lang_proj.weight: missing", "unet.conv.2.weight: missing",
        "surprise.weight: unexpected", "unet.blocks.block9.conv_branch.0.weight: unexpected",
        "dec.offset.layers.2.weight: expected [3, 256], got [2, 256]", "output_layer.0.bias: expected [32], got [31]",
        "unet.u.conv.2.weight: expected [96, 2, 2, 2, 64], got [128, 3, 2, 2, 96]",
        "unet.blocks_tail.block0.i_branch.0.weight: expected [32, 1, 1, 1, 64], got [32, 64]",
    ):  # fmt: skip
        assert part in message
    assert not (tmp_path / "out.safetensors").exists()


def test_checkpoints_of_others_are_refused(tmp_path):
    path = saved(tmp_path / "best_res.pth", {"layer1.weight": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=r"no checkpoint of BQNet.*got layer1\.weight"):
        convert("bqnet", path, tmp_path / "out.safetensors", report=lambda _: None)


# ---- the text encoder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    return tiny_roberta(tmp_path_factory.mktemp("encoder"))


def official_text(folder):
    """The text encoder's weights as official checkpoints have them, with what nothing here uses."""
    state = load_text_encoder(str(folder)).model.state_dict()
    state = {f"text_encoder.{key}": value.clone() for key, value in state.items()}
    extra = {"pooler.dense.weight": torch.ones(24, 24), "embeddings.position_ids": torch.arange(42)[None]}
    return state | {f"text_encoder.{key}": value for key, value in extra.items()}


@pytest.mark.parametrize("equal", [True, False])
def test_text_encoder_is_compared_with_the_one_here(equal, roberta, tmp_path):
    text = official_text(roberta)
    text["text_encoder.encoder.layer.1.output.dense.weight"] += 0 if equal else 1e-3
    path = saved(tmp_path / "best_res.pth", zeros() | text, prefix="module.")
    lines = []
    out = convert("bqnet", path, tmp_path / "res.safetensors", text_encoder=str(roberta), report=lines.append)
    if equal:
        assert f"the text encoder equals {roberta} here in all 37 tensors, so it is not stored" in lines
    else:
        said = next(line for line in lines if line.startswith("WARNING"))
        assert said.startswith(f"WARNING: the text encoder is not the {roberta} here: of 37 tensors 1 differ")
        assert "(such as encoder.layer.1.output.dense.weight)" in said
    encoder = json.loads(header(out)["text_encoders"])["text_encoder"]
    assert encoder == {"name": "roberta-base", "fingerprint": load_text_encoder(str(roberta)).fingerprint}
    with safe_open(out, "pt") as file:
        assert not [name for name in file.keys() if name.startswith("text_encoder")]  # noqa: SIM118 - not a dict


def test_what_counts_as_equal(roberta):
    encoder = load_text_encoder(str(roberta))
    text = {key.removeprefix("text_encoder."): value for key, value in official_text(roberta).items()}
    half = {key: value.half() if value.is_floating_point() else value for key, value in text.items()}
    key = "encoder.layer.1.output.dense.weight"
    assert "equals tiny here in all 37 tensors" in _comparison(half, encoder, "tiny")
    assert "1 differ and 0 are missing" in _comparison(text | {key: text[key][:3]}, encoder, "tiny")
    without = {name: value for name, value in text.items() if name != key}
    assert f"0 differ and 1 are missing (such as {key})" in _comparison(without, encoder, "tiny")
    assert _comparison({}, encoder, "tiny") == "the file holds no text encoder; the model will use tiny"


def test_a_text_encoder_that_is_asked_for_must_be_there(tmp_path):
    path = saved(tmp_path / "best_res.pth", zeros())
    with pytest.raises(InputError, match=r"expected a folder with config\.json"):
        convert("bqnet", path, tmp_path / "o.safetensors", text_encoder="nowhere", report=lambda _: None)
    assert not (tmp_path / "o.safetensors").exists()


# ---- backbones


def wrapped(state, wrapper):
    return dict(state) if wrapper == "bare" else {wrapper: state, "epoch": 3}


@pytest.fixture(scope="module")
def backbone():
    return fill_state(BACKBONE_SHAPES)


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "net", "bare"])
def test_backbone_becomes_a_start_for_training(wrapper, backbone, tmp_path):
    path = tmp_path / "sp_unet_backbone.pth"
    state = {f"module.{key}": value for key, value in backbone.items()} if wrapper == "net" else backbone
    torch.save(wrapped(state, wrapper), path)
    lines = []
    random_state = torch.get_rng_state()
    out = convert("bqnet", path, tmp_path / "backbone.safetensors", report=lines.append)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert len(lines) == 1
    assert f"is a backbone: {len(BACKBONE_SHAPES)} tensors loaded, the heads of its pre-training are fresh" in lines[0]
    assert f"--train.init {out}" in lines[0]
    with safe_open(out, "pt") as file:
        weight = file.get_tensor("backbone.unet.levels.1.down.weight")
    torch.testing.assert_close(weight, from_spconv2(backbone["unet.u.conv.2.weight"]))


def test_every_tensor_of_a_backbone_starts_the_model(backbone, tmp_path):
    torch.save(backbone, tmp_path / "sp_unet_backbone.pth")
    out = convert("bqnet", tmp_path / "sp_unet_backbone.pth", tmp_path / "b.safetensors", report=lambda _: None)
    model = BQNet(res().model, text_encoder=WordHash(768))
    with torch.no_grad():
        for value in model.backbone.state_dict().values():
            value.fill_(7)
    before = {name: value.clone() for name, value in model.decoder.state_dict().items()}
    assert load_part(model, out).startswith(f"{len(BACKBONE_SHAPES)} of ")
    expected = BQNet(res().model, text_encoder=WordHash(768)).backbone
    expected.unet.load_official(backbone)
    for name, value in expected.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value), name
    assert all(torch.equal(before[name], value) for name, value in model.decoder.state_dict().items())
    whole = load_model(out, device="cpu")
    assert isinstance(whole, BackbonePretraining)
    assert whole.config.model.widths == (32, 64, 96, 128, 160)


def test_backbone_of_the_first_spconv(backbone, tmp_path):
    def first(key, value):
        if value.ndim != 5:
            return value
        weight = from_spconv2(value)  # [K, in, out], the order of spconv 1 with its kernel axes as one
        return weight.reshape(*value.shape[1:4], *weight.shape[1:])

    torch.save({"net": {key: first(key, value) for key, value in backbone.items()}}, tmp_path / "old.pth")
    torch.save({"net": backbone}, tmp_path / "new.pth")
    files = [convert("bqnet", tmp_path / f"{n}.pth", tmp_path / f"{n}.safetensors", report=str) for n in ("old", "new")]
    with safe_open(files[0], "pt") as old, safe_open(files[1], "pt") as new:
        for name in new.keys():  # noqa: SIM118 - not a dict
            assert torch.equal(old.get_tensor(name), new.get_tensor(name)), name


def test_a_backbone_that_does_not_fit(tmp_path):
    state = zeros(BACKBONE_SHAPES)
    del state["unet.u.u.conv.0.bias"]
    state |= {"semantic_linear.weight": torch.zeros(20, 32), "input_conv.0.weight": torch.zeros(32, 3, 3, 3, 3)}
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(CheckpointError) as caught:
        convert("bqnet", tmp_path / "b.pth", tmp_path / "out.safetensors", report=lambda _: None)
    for part in (
        "3 do not fit", "unet.u.u.conv.0.bias: missing", "semantic_linear.weight: unexpected",
        "input_conv.0.weight: expected [32, 3, 3, 3, 6], got [32, 3, 3, 3, 3]",
    ):  # fmt: skip
        assert part in str(caught.value)


def test_choices_that_mean_nothing(tmp_path):
    torch.save(zeros(BACKBONE_SHAPES), tmp_path / "b.pth")
    saved(tmp_path / "best_res.pth", zeros())
    for system, name, choices, message in (
        ("bqnet", "b.pth", {"preset": "bqnet.res"}, "nothing but a backbone: leave out preset"),
        ("bqnet", "best_res.pth", {"projections": "rebuild"}, "projections is a choice for less"),
        ("less", "best_res.pth", {"projections": "rebuild", "preset": "bqnet.res"}, "preset is a choice for bqnet"),
        (
            "bqnet",
            "best_res.pth",
            {"preset": "cfnet.res"},
            r"expected one of bqnet\.res, bqnet\.gres, got 'cfnet\.res'",
        ),
    ):
        with pytest.raises(InputError, match=message):
            convert(system, tmp_path / name, tmp_path / "out.safetensors", report=lambda _: None, **choices)


# ---- hostile files and the command


class Call:
    """Calls a function with arguments when anybody unpickles it."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("place", ["meta", "optimizer", "entry", "tensor"])
def test_code_in_a_checkpoint_does_not_run(place, tmp_path):
    target = tmp_path / "owned"
    touch = Call(exec, f"open({str(target)!r}, 'w').close()")
    payload = [Evil(target), touch, Call(os.system, f"touch {target}"), {"nested": (touch,)}]
    state, more = zeros(BACKBONE_SHAPES), {"net": {}}
    if place == "tensor":
        state["output_layer.0.bias"] = payload
    elif place == "entry":
        state["extra"] = payload
    else:
        more = {place: {"epoch": payload}}
    path = saved(tmp_path / "sp_unet_backbone.pth", state, **more)
    lines = []
    if place == "tensor":
        with pytest.raises(CheckpointError, match=r"output_layer\.0\.bias: missing"):
            convert("bqnet", path, tmp_path / "out.safetensors", report=lines.append)
    else:
        convert("bqnet", path, tmp_path / "out.safetensors", report=lines.append)
        assert (tmp_path / "out.safetensors").is_file()
    assert not target.exists()
    assert lines[0].startswith("ignored 3 classes in sp_unet_backbone.pth: ")
    for name in (".open", ".exec", ".system"):
        assert name in lines[0]


def test_the_command(backbone, tmp_path, capsys):
    torch.save({"net": backbone}, tmp_path / "sp_unet_backbone.pth")
    out = tmp_path / "backbone.safetensors"
    with pytest.raises(SystemExit) as stop:
        cli.main(["convert", "bqnet", str(tmp_path / "sp_unet_backbone.pth"), "--out", str(out)])
    assert not stop.value.code
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    assert load_model(out, device="cpu").system == "bqnet-backbone"
    path = saved(tmp_path / "best.pth", zeros({"dec.lang_proj.weight": (256, 768)}))
    with pytest.raises(SystemExit) as stop:
        cli.main(["convert", "bqnet", str(path), "--out", str(out), "--preset", "bqnet.res"])
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert error.startswith("saymask: error:")
    assert "dec.lang_norm.weight: missing" in error
    assert len(error.splitlines()) == 1
