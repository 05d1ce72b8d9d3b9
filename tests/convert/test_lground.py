"""Official LGround checkpoints: network and stage are recognised, anchors join them, what does not fit is said."""

import argparse
import json
import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import saymask.convert.lground as convert_lground
from saymask.convert import convert
from saymask.errors import CheckpointError, InputError
from saymask.hub.checkpoints import load_model, load_part
from saymask.hub.registry import preset
from saymask.models.lground import LGround
from saymask.models.lground.anchors import make_anchors, save_anchors, scannet200_names
from saymask.models.lground.official import load_official, official_state, plan_name
from saymask.nn.res16unet.network import Res16UNet
from saymask.nn.res16unet.plan import PLANES, res16_plan, small_plan
from saymask.sparse import build_sites
from saymask.text import load_text_encoder
from tests.io.test_pickles import Evil
from tests.nn.test_res16unet import some_sites
from tests.parity import GOLDEN, fill_state, load
from tests.text.tiny import tiny_clip

NARROW = (8, 12, 16, 16, 16, 12, 8, 20)
PLAN = small_plan(NARROW, stem=8, last_relu=True)
WIDE = small_plan((*NARROW[:7], 512), stem=8)
EXTRA = {
    "criterion.nll_loss.weight": torch.ones(200),
    "embedding_criterion.confusion_hist": torch.zeros(200, 200),
    "embedding_criterion.projection_model.attr_linears.7.weight": torch.zeros(512, 512),
}
"""Tensors of the trainer's losses."""


def network(plan=PLAN, classes=200, **heads):
    """A network with golden weights of its official tensors."""
    net = Res16UNet(plan, classes, **heads)
    load_official(net, fill_state({key: tuple(value.shape) for key, value in official_state(net).items()}))
    return net.eval()


def lightning(path, net, extra=EXTRA, **changes):
    """Write a checkpoint as the official trainer does; `changes` replace tensors, None removes one."""
    state = official_state(net) | changes
    content = {
        "epoch": 58,
        "global_step": 8850,
        "pytorch-lightning_version": "1.5.10",
        "state_dict": OrderedDict(
            **{f"model.{key}": value for key, value in state.items() if value is not None}, **extra
        ),
        "hyper_parameters": {"config": argparse.Namespace(lr=0.05)},
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.05}]}],
    }
    torch.save(content, path)
    return path


def converted(path, **choices):
    lines = []
    out = convert("lground", path, path.with_suffix(".safetensors"), report=lines.append, **choices)
    return out, lines


def same_outputs(model, net):
    pyramid = build_sites(some_sites(300, 20), 5)
    feats = torch.randn(len(pyramid), 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        got, expected = model.network(feats, pyramid), net(feats, pyramid)
    assert torch.equal(got.features, expected.features)
    for name in ("logits", "offsets"):
        ours, theirs = getattr(got, name), getattr(expected, name)
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)


# ---- stages


def test_a_classifier(tmp_path):
    net = network()
    out, lines = converted(lightning(tmp_path / "34D_CLIP_finetune.ckpt", net))
    used = len(net.state_dict())
    assert lines == [
        "ignored 1 classes in 34D_CLIP_finetune.ckpt: argparse.Namespace",
        f"Res16UNet with a classifier of 200 classes: {used} tensors loaded as lground.scannet200-ce",
        "left out: criterion (1), embedding_criterion (2)",
    ]
    model = load_model(out, device="cpu")
    assert isinstance(model, LGround)
    assert model.verbs == ("semantic",)
    same_outputs(model, net)
    card = {"name": "lground.34D_CLIP_finetune", "preset": "lground.scannet200-ce", "system": "lground"}
    assert card.items() <= model.card.items()
    assert model.card["official"] == {"epoch": 58, "global_step": 8850}
    base = preset("lground.scannet200-ce").model
    assert model.config == replace(base, network=PLAN)


def test_the_preset_can_be_named(tmp_path):
    path = lightning(tmp_path / "x.ckpt", network())
    out, lines = converted(path, preset="lground.scannet200-finetune")
    assert lines[1].endswith("tensors loaded as lground.scannet200-finetune")
    model = load_model(out, device="cpu")
    assert model.config.trainable == "classifier"
    for wrong in ("lground.pretrain", "lground.scannet200-instances", "lground.rooms-ce", "bqnet.res"):
        with pytest.raises(
            InputError, match=rf"x\.ckpt holds a Res16UNet.*expected lground\.scannet200-ce or.*{wrong}"
        ):
            converted(path, preset=wrong)


def test_twenty_classes_and_offsets(tmp_path):
    net = network(classes=20, offsets=True)
    out, lines = converted(lightning(tmp_path / "x.ckpt", net, extra={}))
    assert lines[1:] == [
        f"Res16UNet with a classifier of 20 classes, offsets: {len(net.state_dict())} tensors loaded as "
        "lground.scannet200-instances"
    ]
    model = load_model(out, device="cpu")
    assert model.verbs == ("semantic", "instances")
    assert model.config.view.labels == "semantic20"
    assert len(model.classes) == 20
    same_outputs(model, net)


def test_a_bare_state_dict(tmp_path):
    net = network(classes=20)
    for name, content in (("bare", official_state(net)), ("wrapped", {"state_dict": official_state(net)})):
        torch.save(content, tmp_path / f"{name}.pth")
        out, lines = converted(tmp_path / f"{name}.pth")
        assert len(lines) == 2
        assert lines[1].startswith("kernels are read in the order of MinkowskiEngine 0.5")
        same_outputs(load_model(out, device="cpu"), net)


def test_a_projection_beside_a_classifier_is_left_out(tmp_path):
    net = network(classes=200, projection=512)
    out, lines = converted(lightning(tmp_path / "x.ckpt", net, extra={}))
    assert "a projection of 512-wide anchors" in lines[1]
    assert lines[2] == "left out: projection_layer (2)"
    model = load_model(out, device="cpu")
    assert model.network.projection is None
    assert not model.config.network.last_relu
    same_outputs(model, network(replace(PLAN, last_relu=False)))


# ---- pre-training and its anchors


@pytest.fixture(scope="module")
def features():
    return torch.randn(200, 512, generator=torch.Generator().manual_seed(1))


def test_pretraining_without_anchors(tmp_path):
    net = network(WIDE, 0)
    out, lines = converted(lightning(tmp_path / "34D_CLIP_pretrain.ckpt", net))
    assert lines[1].startswith("Res16UNet with no classifier: ")
    assert lines[1].endswith("tensors loaded as lground.pretrain")
    assert lines[3].startswith("the text anchors are not in the file")
    assert f"--train.init {out}" in lines[3]
    assert len(lines) == 4
    model = load_model(out, device="cpu")
    assert model.anchors.isnan().all()
    assert (model.config.text, model.config.text_width, model.config.encoder) == ("features", 512, "clip-vit-b32")
    assert model.card["anchors"] == "none yet"
    same_outputs(model, net)
    target = LGround(replace(preset("lground.scannet200-ce").model, network=WIDE))
    own = len(net.state_dict())
    assert load_part(target, out) == f"{own} of {own + 2} tensors start from {out}"


def test_pretraining_with_the_official_anchors(tmp_path, features):
    (tmp_path / "clip_feats_scannet_200.pkl").write_bytes(pickle.dumps(features))
    path = lightning(tmp_path / "x.ckpt", network(WIDE, 0), extra={})
    out, lines = converted(path, anchors=tmp_path / "clip_feats_scannet_200.pkl")
    assert len(lines) == 2
    model = load_model(out, device="cpu")
    assert torch.equal(model.anchors, features)
    assert not model.encoder_print.any()
    assert model.config.encoder == "clip-vit-b32"
    assert model.card["anchors"] == "clip_feats_scannet_200.pkl"
    (tmp_path / "narrow.pkl").write_bytes(pickle.dumps(features[:, :96]))
    with pytest.raises(InputError, match=r"narrow\.pkl: .*expected \[200, 512\], got \[200, 96\]"):
        converted(path, anchors=tmp_path / "narrow.pkl")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Two text encoders with the same words and other weights, and their features of the class names."""
    first, second = (tiny_clip(tmp_path_factory.mktemp(name)) for name in ("first", "second"))
    encoder = load_text_encoder(str(second))
    with torch.no_grad():
        encoder.model.text_projection.weight.add_(0.1)
    encoder.model.save_pretrained(second)
    return first, second


def test_pretraining_with_a_text_encoder(tmp_path, encoders):
    net = network(projection=16, classes=0)
    path = lightning(tmp_path / "x.ckpt", net, extra={})
    out, lines = converted(path, text_encoder=str(encoders[0]))
    assert lines[1].startswith("Res16UNet with no classifier, a projection of 16-wide anchors")
    assert load_model(out, device="cpu").config.encoder == "clip-vit-b32"
    model = load_model(out, device="cpu", text_encoder=encoders[0])
    assert model.config.text == "anchors"
    expected = make_anchors(scannet200_names(), str(encoders[0]))
    assert torch.equal(model.anchors, expected.features)
    assert model.encoder_print.any()
    assert model.text_encoder().fingerprint == expected.fingerprint
    same_outputs(model, network(replace(PLAN, last_relu=False), projection=16, classes=0))
    own = save_anchors(tmp_path / "anchors.safetensors", expected)
    again = load_model(converted(path, anchors=own)[0], device="cpu")
    assert torch.equal(again.anchors, model.anchors)
    assert again.config == replace(model.config, encoder=encoders[0].name)
    with pytest.raises(InputError, match="give the encoder that made them"):
        converted(path, anchors=own, text_encoder=str(encoders[1]))
    with pytest.raises(InputError, match=r"expected \[200, 512\], got \[200, 16\]"):
        converted(lightning(tmp_path / "y.ckpt", network(WIDE, 0)), text_encoder=str(encoders[0]))


def test_a_start_for_training_only(tmp_path):
    out, lines = converted(lightning(tmp_path / "csc.ckpt", network(classes=0), extra={}))
    assert lines[2].startswith("features of 20 channels without a projection cannot be compared with text")
    assert load_model(out, device="cpu").config.text_width == 20


# ---- variants


@pytest.mark.parametrize(
    ("keys", "name", "classes", "offsets", "projection"),
    [
        ("keys", "34D", 200, False, 0),
        ("keys_34C", "34C", 200, False, 0),
        ("keys_34CR_Proj", "34CR", 200, False, 512),
        ("keys_insseg_34C", "34C", 200, True, 0),
        ("keys_insseg_34D", "34D", 200, True, 0),
    ],
)
def test_published_variants(keys, name, classes, offsets, projection):
    shapes = json.loads((GOLDEN / "lground" / f"{keys}.json").read_text())
    state = {f"model.{key}": torch.empty(shape, device="meta") for key, shape in shapes.items()}
    found = convert_lground._found(state, Path("x.ckpt"))
    assert (found.classes, found.offsets, found.projection) == (classes, offsets, projection)
    assert found.plan == res16_plan(name, instances=offsets)
    assert f"Res16UNet{name} with a classifier of 200 classes" in str(found)
    assert found.ambiguous == (keys == "keys_34C")
    named = convert_lground._found(state, Path("34CR_finetune.ckpt"))
    assert named.plan == (res16_plan("34CR") if found.ambiguous else found.plan)
    for at, words in ((found, "taken as 34C"), (named, "the file's name says 34CR")):
        config = convert_lground._config(at, "lground.scannet200-ce")
        remarks = list(convert_lground._remarks(at, config, None, lightning=True, out=Path("o")))
        assert (words in " ".join(remarks)) == found.ambiguous


def test_names_of_plans():
    for planes in PLANES:
        for depth in ("14", "18", "34"):
            assert plan_name(res16_plan(f"{depth}{planes}")) == f"{depth}{planes}"
    assert plan_name(res16_plan("34D", instances=True)) == "34D"
    assert plan_name(PLAN) == ""


@pytest.mark.slow
def test_a_converted_34CR_gives_the_golden_outputs(tmp_path):
    shapes = json.loads((GOLDEN / "lground" / "keys_34CR_Proj.json").read_text())
    state = fill_state({key: tuple(shape) for key, shape in shapes.items() if not key.startswith("final.")})
    data = load(GOLDEN / "lground" / "res16unet34cr_proj_a.npz")
    (tmp_path / "anchors.pkl").write_bytes(pickle.dumps(torch.from_numpy(data["anchors"])))
    torch.save({"state_dict": {f"model.{key}": value for key, value in state.items()}}, tmp_path / "x.ckpt")
    del state
    model = load_model(converted(tmp_path / "x.ckpt", anchors=tmp_path / "anchors.pkl")[0], device="cpu")
    pyramid = build_sites(torch.from_numpy(data["coords"]), 5)
    with torch.no_grad():
        found = model.network(torch.from_numpy(data["feats"])[pyramid.order], pyramid).features[pyramid.inverse]
        anchors = model.text_side(model.anchors)
    torch.testing.assert_close(found, torch.from_numpy(data["features"]), atol=1e-4, rtol=0)
    torch.testing.assert_close(anchors, torch.from_numpy(data["projected_anchors"]), atol=1e-4, rtol=0)


# ---- what does not fit


def test_strict_report_lists_every_key(tmp_path):
    changes = {
        "bntr7.bn.bias": None,
        "block3.0.conv1.kernel": torch.zeros(26, 12, 16),
        "bn1.bn.weight": torch.zeros(8, 1),
        "surprise.weight": torch.zeros(1),
    }
    path = lightning(tmp_path / "x.ckpt", network(), **changes)
    with pytest.raises(CheckpointError) as caught:
        converted(path)
    for part in (
        "x.ckpt does not fit", "4 do not fit", "bntr7.bn.bias: missing", "surprise.weight: unexpected",
        "block3.0.conv1.kernel: expected [27, 12, 16], got [26, 12, 16]", "bn1.bn.weight: expected [8], got [8, 1]",
    ):  # fmt: skip
        assert part in str(caught.value)
    assert not path.with_suffix(".safetensors").exists()


def test_kernels_of_an_older_engine(tmp_path):
    net = network()
    old = {k: v[None] for k, v in official_state(net).items() if k.endswith("kernel") and v.ndim == 2}
    with pytest.raises(CheckpointError, match=r"block2\.0\.downsample\.0\.kernel has the shape \[1, 8, 12\].*0\.4"):
        converted(lightning(tmp_path / "x.ckpt", net, **old))


def test_heads_that_are_no_stage(tmp_path):
    for net, message in (
        (network(classes=21), "200 or 20 classes.*got 21"),
        (network(classes=0, offsets=True), "a classifier beside the offset head"),
        (network(replace(PLAN, in_channels=6)), "3 input channels.*got 6"),
    ):
        with pytest.raises(CheckpointError, match=message):
            converted(lightning(tmp_path / "x.ckpt", net))
    torch.save({"layer1.weight": torch.zeros(2)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="tensors of a Res16UNet"):
        converted(tmp_path / "x.pth")


def test_choices_that_mean_nothing(tmp_path, features):
    path = lightning(tmp_path / "x.ckpt", network())
    for choices in ({"anchors": tmp_path / "a.pkl"}, {"text_encoder": "clip-vit-b32"}):
        with pytest.raises(InputError, match=r"has a classifier.*leave out --anchors and --text-encoder"):
            converted(path, **choices)
    for system, choices, message in (
        ("lground", {"projections": "rebuild"}, "projections is a choice for less; leave it out for lground"),
        ("bqnet", {"anchors": "a.pkl"}, "anchors is a choice for lground; leave it out for bqnet"),
        ("less", {"projections": "rebuild", "preset": "x"}, "preset is a choice for bqnet and lground"),
    ):
        with pytest.raises(InputError, match=message):
            convert(system, path, tmp_path / "out.safetensors", **choices)


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    target = tmp_path / "owned"
    net = network(classes=20)
    torch.save({"state_dict": official_state(net), "hyper_parameters": Evil(target)}, tmp_path / "x.ckpt")
    out, lines = converted(tmp_path / "x.ckpt")
    assert lines[0].startswith("ignored 1 classes in x.ckpt: ")
    assert not target.exists()
    with safe_open(out, "pt") as file:
        assert file.metadata()["system"] == "lground"
