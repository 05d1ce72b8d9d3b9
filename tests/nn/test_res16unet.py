"""Res16UNet: all paths give the same, MinkowskiEngine's coordinates, official names and weights, offsets, bad input."""

import copy
import json
import pickle
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from torch.nn import functional as F

from saymask.errors import CheckpointError, InputError
from saymask.models.lground.losses.offsets import instance_centers, offset_losses, offset_targets
from saymask.models.lground.official import (
    load_official,
    network_of,
    official_name,
    official_names,
    official_state,
    plain_state,
)
from saymask.nn.res16unet.network import Res16UNet, res16unet
from saymask.nn.res16unet.plan import PLANES, Res16Plan, res16_plan, small_plan
from saymask.sparse import build_sites, cpu_has_bf16, use_backend
from saymask.sparse.importers import to_minkowski
from tests.parity import GOLDEN, fill_state, load
from tests.parity.lground_networks import keys
from tests.sparse.helpers import site_sets, some_sites

PLANS = {
    "small": small_plan((8, 12, 16, 16, 16, 12, 8, 20), stem=8),
    "two blocks": small_plan((8, 12, 16, 16, 16, 12, 8, 20), 2, stem=8),
    "relu": small_plan((8, 12, 16, 16, 16, 12, 8, 20), 2, stem=8, last_relu=True),
    "odd": small_plan((7, 9, 9, 5, 11, 3, 7, 1), stem=5),
    "uneven": Res16Plan((8, 8, 12, 24, 12, 8, 12, 34), (2, 1, 3, 1, 2, 1, 1, 3), False, 6, stem=6, stem_size=5),
}


@cache
def some_net(name):
    """A network of a plan whose BatchNorm statistics fit its weights, in eval mode; "relu" has the offset head."""
    torch.manual_seed(0)
    net = Res16UNet(PLANS[name], 9, offsets=name == "relu")
    pyramid = build_sites(some_sites(500, 20), 5)
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    momenta = [m.momentum for m in norms]
    for norm in norms:
        norm.momentum = 0.5
    with torch.no_grad():
        for _ in range(6):
            net(torch.randn(len(pyramid), net.plan.in_channels), pyramid)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    return net.eval()


def close(got, expected, error=1e-4):
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    scale = max(1.0, expected.abs().max().item()) if expected.numel() else 1.0
    torch.testing.assert_close(got, expected, rtol=0, atol=error * scale)


@settings(max_examples=8, deadline=None)
@given(site_sets())
def test_fused_equals_twin(coords):
    pyramid = build_sites(coords, 5)
    for net in map(some_net, PLANS):
        x = torch.randn(len(coords), net.plan.in_channels)
        with torch.no_grad():
            fused, short = net(x, pyramid), net(x, pyramid, features=False)
            with use_backend("torch"):
                twin = net(x, pyramid)
        close(fused.features, twin.features)
        close(fused.logits, twin.logits)
        assert short.features is None
        assert torch.equal(short.logits, fused.logits)
        if net.offset_out is not None:
            close(fused.offsets, twin.offsets)
            assert torch.equal(short.offsets, fused.offsets)


@pytest.mark.parametrize("name", PLANS)
def test_layers_equal_fused(name):
    """With gradients, and with hooks, the layers run one by one on the same kernels."""
    net, pyramid = some_net(name), build_sites(some_sites(), 5)
    x = torch.randn(len(pyramid), net.plan.in_channels)
    with torch.no_grad():
        fused = net(x, pyramid)
        seen = []
        hook = net.decoder[3].blocks[0].conv1.register_forward_hook(lambda *a: seen.append(a[2]))
        hooked = net(x, pyramid)
        hook.remove()
    assert len(seen) == 1
    close(hooked.features, fused.features)
    close(net(x, pyramid).logits, fused.logits)
    assert bool((fused.features >= 0).all()) == net.plan.last_relu


@pytest.mark.skipif(not cpu_has_bf16(), reason="no bfloat16 instructions")
@pytest.mark.parametrize("name", PLANS)
def test_bfloat16(name):
    net, pyramid = some_net(name), build_sites(some_sites(), 5)
    x = torch.randn(len(pyramid), net.plan.in_channels)
    with torch.no_grad():
        exact = net(x, pyramid)
        with torch.autocast("cpu", torch.bfloat16):
            low, alone = net(x, pyramid), net(x, pyramid, features=False)
    assert low.features.dtype == low.logits.dtype == alone.logits.dtype == torch.float32
    for got, expected in ((low.features, exact.features), (low.logits, exact.logits), (alone.logits, exact.logits)):
        assert (got - expected).norm() < 0.05 * expected.norm()
    same = torch.equal(low.features, exact.features)
    assert same == (name == "odd")  # odd widths stay in float32


def test_new_weights_reach_the_fused_path():
    net, pyramid = copy.deepcopy(some_net("two blocks")), build_sites(some_sites(), 5)
    x = torch.randn(len(pyramid), 3)
    with torch.no_grad():
        before = net(x, pyramid).features
        for change in (
            lambda: net.decoder[3].blocks[1].conv2.weight.mul_(1.5),
            lambda: net.decoder[3].blocks[0].shortcut.weight.mul_(1.5),
            lambda: net.decoder[3].blocks[0].shortcut_norm.weight.mul_(1.5),
            lambda: net.decoder[3].blocks[1].norm2.running_var.mul_(2),
            lambda: net.decoder[3].blocks[1].norm2.running_mean.add_(0.5),
            lambda: net.input_norm.bias.add_(0.5),
        ):
            change()
            fused = net(x, pyramid).features
            with use_backend("torch"):
                close(fused, net(x, pyramid).features)
            assert (fused - before).abs().max() > 1e-3
            before = fused
    again = pickle.loads(pickle.dumps(net))
    with torch.no_grad():
        assert torch.equal(again(x, pyramid).features, before)


def test_a_batch_equals_one_scene_at_a_time():
    net, coords = some_net("two blocks"), some_sites(400, 12)
    both, x = build_sites(coords, 5), torch.randn(len(coords), 3)
    with torch.no_grad():
        together = net(x[both.order], both).logits[both.inverse]
        for scene in (0, 1):
            rows = torch.nonzero(coords[:, 0] == scene).squeeze(1)
            one = build_sites(coords[rows], 5)
            alone = net(x[rows][one.order], one).logits[one.inverse]
            close(alone, together[rows], 1e-5)


def test_coarse_cells_depend_on_coordinates_modulo_16():
    net, coords = some_net("small"), some_sites(400, 12)
    x = torch.randn(len(coords), 3)

    def logits(shift):
        pyramid = build_sites(coords + torch.tensor([0, *shift], dtype=torch.int32), 5)
        with torch.no_grad():
            return net(x[pyramid.order], pyramid).logits[pyramid.inverse]

    expected = logits((0, 0, 0))
    close(logits((-160, 32, -1600)), expected, 1e-5)
    for shift in ((1, 0, 0), (0, 8, 0), (0, 0, -4)):
        assert (logits(shift) - expected).abs().max() > 1e-3


def test_training_gradients_and_statistics_equal_the_reference():
    torch.manual_seed(0)  # an activation so near zero that float32 sums disagree about its sign has another gradient
    pyramid = build_sites(some_sites(400, 20), 5)
    x, probe = torch.randn(len(pyramid), 3), torch.randn(len(pyramid), 9)
    found = {}
    for backend in ("cpu", "torch"):
        net = copy.deepcopy(some_net("relu")).train()
        with use_backend(backend):
            out = net(x, pyramid)
            ((out.logits * probe).sum() + out.offsets.square().sum()).backward()
        found[backend] = {n: p.grad for n, p in net.named_parameters()} | dict(net.named_buffers())
    for name, expected in found["torch"].items():
        assert expected is not None, name
        scale = expected.double().abs().max().item()
        torch.testing.assert_close(found["cpu"][name], expected, rtol=1e-3, atol=1e-3 * scale + 1e-4, msg=name)


def test_gradients_in_float64():
    """The layers' derivatives against finite differences (of the steepest weight of some kinds)."""
    plan = small_plan((2, 3, 2, 3, 2, 3, 2, 2), stem=2)
    torch.manual_seed(1)
    net = Res16UNet(plan, 2).double()  # in training mode: the norms keep the deepest weights' gradients large
    pyramid = build_sites(some_sites(300, 40), 5)
    x, probe = torch.randn(2, len(pyramid), 3, dtype=torch.float64)

    def loss():
        return (net(x, pyramid).logits * probe[:, :2]).sum()

    loss().backward()
    parameters = dict(net.named_parameters())
    for name in ("input_conv.weight", "encoder.2.conv.weight", "decoder.1.blocks.0.shortcut.weight", "classifier.bias"):
        flat, slope = parameters[name].data.view(-1), parameters[name].grad.view(-1)
        at = int(slope.abs().argmax())
        values = []
        for step in (-1e-6, 1e-6):
            kept = flat[at].item()
            flat[at] = kept + step
            values.append(loss().item())
            flat[at] = kept
        assert abs(slope[at]) > 1e-3
        assert (values[1] - values[0]) / 2e-6 == pytest.approx(slope[at].item(), rel=1e-3)


def test_a_few_steps_fit_a_target():
    torch.manual_seed(0)
    net = Res16UNet(PLANS["small"], 2).train()
    pyramid = build_sites(some_sites(300, 20), 5)
    x = torch.randn(len(pyramid), 3)
    target = (x[:, 0] > 0).long()
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(net(x, pyramid).logits, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_training_under_autocast():
    net, pyramid = copy.deepcopy(some_net("relu")).train(), build_sites(some_sites(300, 20), 5)
    x = torch.randn(len(pyramid), 3)
    with torch.autocast("cpu", torch.bfloat16):
        out = net(x, pyramid)
        loss = out.logits.float().square().mean() + out.offsets.float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_momenta_and_initial_weights():
    net = res16unet("34C")
    momenta = [m.momentum for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert sorted((momenta.count(m), m) for m in set(momenta)) == [(16, 0.02), (46, 0.1)]
    assert {m.eps for m in net.modules() if isinstance(m, torch.nn.BatchNorm1d)} == {1e-5}
    for weight, fan in (
        (net.encoder[2].conv.weight, 8 * 64),
        (net.decoder[1].conv.weight, 8 * 128),  # transposed: by the outputs
        (net.encoder[3].blocks[0].conv1.weight, 27 * 128),
        (net.classifier.weight, 96),
    ):
        bound = fan**-0.5
        assert 0.95 * bound < weight.abs().max() <= bound


@pytest.mark.parametrize(
    ("name", "instances", "count"),
    [
        ("34C", False, 37_864_104),
        ("34CR", False, 37_864_104),
        ("34CR_Proj", False, 37_913_352),
        ("34D", False, 79_429_800),
        ("34D", True, 79_695_019),
    ],
)
def test_sizes(name, instances, count):
    with torch.device("meta"):
        net = res16unet(name, instances=instances)
    assert sum(p.numel() for p in net.parameters()) == count
    assert net.plan.last_relu == (instances or name == "34C")


def test_names():
    for planes in PLANES:
        assert res16_plan(f"14{planes}").repeats == (1,) * 8
        assert res16_plan(f"18{planes}").features == PLANES[planes][-1]
    with torch.device("meta"):
        assert res16unet("34A", stem_size=5).input_conv.weight.shape == (125, 3, 32)
        assert official_state(res16unet("34A", stem_size=5))["conv0p1s1.kernel"].shape == (125, 3, 32)
        assert "final.kernel" not in official_state(res16unet("14C", classes=0))
    for wrong in ("34E", "50C", "34", "D", ""):
        with pytest.raises(InputError, match="34D"):
            res16_plan(wrong)


def test_representation_only():
    net, pyramid = copy.deepcopy(some_net("small")), build_sites(some_sites(), 5)
    x = torch.randn(len(pyramid), 3)
    with torch.no_grad():
        expected = net(x, pyramid).features
        net.classifier = None  # as pre-training builds it
        out = net(x, pyramid)
    assert torch.equal(out.features, expected)
    assert out.logits is None
    assert out.offsets is None
    with pytest.raises(InputError, match="features only"):
        net(x, pyramid, features=False)


@pytest.mark.parametrize("path", sorted((GOLDEN / "lground").glob("keys*.json")), ids=lambda p: p.stem)
def test_official_keys(path):
    checks = list(keys(load(path), path))
    assert len(checks) > 370
    assert [c.name for c in checks if not c.error()[1]] == []


def official_checkpoint(net, prefix="model."):
    """A synthetic official state dict in Lightning's layout, with the trainer's extra keys."""
    state = {
        f"{prefix}{k}": v for k, v in fill_state({k: tuple(v.shape) for k, v in official_state(net).items()}).items()
    }
    state["criterion.nll_loss.weight"] = torch.ones(200)
    state["embedding_criterion.confusion_hist"] = torch.zeros(200, 200)
    state["embedding_criterion.projection_model.attr_linears.7.bias"] = torch.zeros(512)
    return state


@pytest.mark.parametrize("prefix", ["model.", "", "module.", "module.model.", "encoder."])
def test_official_checkpoint(prefix):
    net = Res16UNet(PLANS["two blocks"], 7, offsets=True, projection=11)
    state = official_checkpoint(net, prefix)
    report = load_official(net, state)
    assert len(report.used) == len(net.state_dict()) == len(official_names(net))
    assert len(report.unused) == 3
    assert report.problems == []
    plain = plain_state(state)
    for key, value in official_state(net).items():
        assert torch.equal(value, plain[key]), key
    kernel = plain["conv2p2s2.kernel"]  # x runs fastest there, slowest here
    assert torch.equal(net.encoder[1].conv.weight[0b100], kernel[0b001])
    assert torch.equal(to_minkowski(net.input_conv.weight)[5], plain["conv0p1s1.kernel"][5])
    assert torch.equal(net.classifier.weight, plain["final.kernel"].T)
    assert torch.equal(net.offset_out.bias, plain["offsets.bias"][0])
    assert torch.equal(net.projection.weight, plain["projection_layer.weight"][..., 0])


def test_a_checkpoint_that_does_not_fit_loads_nothing():
    net = Res16UNet(PLANS["small"], 7)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    state = official_checkpoint(net)
    state["model.final.kernel"] = torch.zeros(20, 8)
    state["model.block3.0.conv1.kernel"] = torch.zeros(26, 12, 16)
    state["model.bn1.bn.weight"] = torch.zeros(8, 1)
    state["model.block9.0.conv1.kernel"] = torch.zeros(1)
    del state["model.bntr7.bn.bias"]
    with pytest.raises(CheckpointError) as error:
        load_official(net, state)
    for text in (
        "5 do not fit",
        "final.kernel: expected [20, 7], got [20, 8]",
        "block3.0.conv1.kernel: expected [27, 12, 16], got [26, 12, 16]",
        "bn1.bn.weight: expected [8], got [8, 1]",
        "block9.0.conv1.kernel: unexpected",
        "bntr7.bn.bias: missing",
    ):
        assert text in str(error.value)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    report = load_official(net, state, strict=False)
    assert len(report.problems) == 5
    assert len(report.used) == len(before) - 4
    after = net.state_dict()
    kept = {"classifier.weight", "encoder.2.blocks.0.conv1.weight", "encoder.0.norm.weight", "decoder.3.norm.bias"}
    constant = {k for k in before if k.endswith("num_batches_tracked")}
    assert {k for k in before if torch.equal(before[k], after[k])} == kept | constant


def test_pretrained_weights_go_into_a_network_with_a_classifier():
    source, target = Res16UNet(PLANS["small"], 0), Res16UNet(PLANS["small"], 7)
    state = official_checkpoint(source)
    with pytest.raises(CheckpointError, match=r"final\.kernel: missing; final\.bias: missing"):
        load_official(target, state)
    assert load_official(target, state, strict=False).missing == ("final.kernel", "final.bias")
    load_official(source, state)
    assert torch.equal(source.decoder[3].conv.weight, target.decoder[3].conv.weight)


def test_nothing_that_fits():
    net = Res16UNet(PLANS["small"], 7)
    for state in ({}, {"backbone.weight": torch.zeros(3)}):
        with pytest.raises(CheckpointError, match="missing"):
            load_official(net, state, strict=False)
        with pytest.raises(CheckpointError, match="tensors of a Res16UNet"):
            network_of(state)
    with pytest.raises(CheckpointError, match="twice"):
        plain_state({"model.final.bias": torch.zeros(1, 2), "final.bias": torch.zeros(1, 2)})
    for name in ("encoder.0.blocks.0.other", "nothing", "decoder.0.conv.bias"):
        with pytest.raises(KeyError):
            official_name(name)


@pytest.mark.parametrize("name", ["keys", "keys_34C", "keys_34CR_Proj", "keys_insseg_34C", "keys_insseg_34D"])
def test_network_of_a_checkpoint(name):
    shapes = json.loads((GOLDEN / "lground" / f"{name}.json").read_text())
    state = {f"model.{key}": torch.empty(shape, device="meta") for key, shape in shapes.items()}
    with torch.device("meta"):
        net = network_of(state)
        again = network_of({k: v for k, v in state.items() if ".final." not in k}, last_relu=False)
    assert {k: list(v.shape) for k, v in official_state(net).items()} == shapes
    expected = res16_plan("34D" if "D" in name or name == "keys" else "34C", instances="insseg" in name)
    if name == "keys_34CR_Proj":
        expected = replace(expected, last_relu=False)
    assert net.plan == expected
    assert again.classifier is None
    assert again.plan == replace(expected, last_relu=False)


@settings(max_examples=25, deadline=None)
@given(site_sets())
def test_offsets(coords):
    g = torch.Generator().manual_seed(len(coords))
    instances = torch.randint(-1, 4, (len(coords),), generator=g)
    centers = instance_centers(coords, instances)
    targets = offset_targets(coords, centers, 0.02)
    predicted = torch.randn(len(coords), 3, generator=g, requires_grad=True)
    norm, direction = offset_losses(predicted, targets, instances)
    far, cosines = [], []
    for i, (row, instance) in enumerate(zip(coords.tolist(), instances.tolist())):
        own = torch.tensor(row[1:], dtype=torch.float64)
        if instance >= 0:
            same = (coords[:, 0] == row[0]) & (instances == instance)
            middle = coords[same, 1:].double().mean(0)
            wanted, got = 0.02 * (middle - own), predicted[i].detach().double()
            far.append((wanted - got).abs().sum())
            cosines.append(wanted @ got / (wanted.norm() * got.norm()) if wanted.norm() > 1e-9 else torch.tensor(0.0))
            torch.testing.assert_close(centers[i].double(), middle, rtol=1e-6, atol=1e-2)
        else:
            assert torch.equal(centers[i].double(), own)
    (norm + direction).backward()
    if not far:
        assert norm == direction == 0
        assert not predicted.grad.any()
        return
    assert norm.item() == pytest.approx(float(sum(far)) / len(far), rel=1e-3, abs=2e-2)  # float32 far from the origin
    if coords[:, 1:].abs().max() < 100:
        assert direction.item() == pytest.approx(-float(sum(cosines)) / len(far), rel=1e-3, abs=1e-4)
    assert not predicted.grad[instances < 0].any()
    assert predicted.grad.isfinite().all()


def test_perfect_offsets():
    coords, instances = some_sites(), torch.zeros(len(some_sites()), dtype=torch.int64)
    targets = offset_targets(coords, instance_centers(coords, instances), 0.02)
    norm, direction = offset_losses(targets, targets, instances)
    assert norm == 0
    assert direction.item() == pytest.approx(-1, abs=1e-5)


def test_nan_features_stay_visible():
    net, pyramid = some_net("relu"), build_sites(some_sites(60, 3), 5)
    x = torch.randn(len(pyramid), 3)
    x[0] = torch.nan
    with torch.no_grad():
        assert net(x, pyramid).logits.isnan().any()


def test_bad_input():
    net, pyramid = some_net("small"), build_sites(some_sites(), 5)
    x = torch.randn(len(pyramid), 3)
    with pytest.raises(InputError, match="levels=5"):
        net(x, build_sites(some_sites(), 4))
    with pytest.raises(InputError, match=r"expected features \["):
        net(x[:, :2], pyramid)
    training, lonely = copy.deepcopy(net).train(), build_sites(torch.zeros(1, 4, dtype=torch.int32), 5)
    with pytest.raises(InputError, match="coarsest level"):
        training(torch.zeros(1, 3), lonely)
    with pytest.raises(InputError, match="projects no anchors"):
        net.project(torch.zeros(2, 512))
    with pytest.raises(InputError, match="anchors of width 11"):
        Res16UNet(PLANS["small"], 0, projection=11).project(torch.zeros(2, 512))
    with pytest.raises(InputError, match="eight positive"):
        Res16Plan(planes=(8,) * 7)
    with pytest.raises(InputError, match="odd kernel size"):
        Res16Plan(stem_size=2)
    with pytest.raises(InputError, match="at least 0"):
        Res16UNet(PLANS["small"], -1)
    with pytest.raises(InputError, match="voxel size"):
        offset_targets(some_sites(), torch.zeros(len(some_sites()), 3), 0)
    with pytest.raises(InputError, match=r"\[N, 3\]"):
        offset_losses(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3))
    with pytest.raises(InputError, match=r"instances \[3\]"):
        offset_losses(torch.zeros(3, 3), torch.zeros(3, 3), torch.zeros(2))
    with pytest.raises(InputError, match=r"coords \[N, 4\]"):
        instance_centers(torch.zeros(3, 3), torch.zeros(3))
