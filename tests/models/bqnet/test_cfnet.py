"""CFNet's modules: nothing where they are off or neutral, and what each of them is for."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from saymask.models.bqnet import decoder as decoder_module
from saymask.models.bqnet.cfnet_modules import (
    FeatureRefinement,
    Focus,
    SpatialConstraint,
    foreground_belief,
    nearest_queries,
    neighbours,
)
from saymask.models.bqnet.decoder import Decoder
from saymask.models.bqnet.official import decoder_names, load_official
from tests.models.bqnet.test_decoder import SMALL, assert_same, flat, inputs
from tests.parity import GOLDEN, load
from tests.parity import bqnet_decoder as parity

SWITCHES = {"feature_refinement": True, "spatial_constraint": True, "query_focusing": True}
CFNET = replace(SMALL, **SWITCHES)


def neutral(model):
    """Make CFNet's modules do nothing: λ is 0 at the start, as is the refinement; σ = inf; every query sees all."""
    for focus in model.focus:
        if focus.constraint is not None:
            torch.nn.init.constant_(focus.constraint.log_scale, math.inf)
        if focus.neighbours is not None:
            focus.neighbours = 10_000
    return model


def pair(config=SMALL, **switches):
    """Return BQNet and CFNet with the same weights."""
    torch.manual_seed(0)
    plain = Decoder(config).double()
    ours = Decoder(replace(config, **(switches or SWITCHES))).double()
    missing, unexpected = ours.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("focus.") for name in missing)
    return plain, ours


def test_switched_off_it_is_bqnet_to_the_bit():
    torch.manual_seed(0)
    plain = Decoder(SMALL)
    torch.manual_seed(0)
    off = Decoder(replace(SMALL, **dict.fromkeys(SWITCHES, False)))
    assert plain.state_dict().keys() == off.state_dict().keys()
    assert off.focus is None
    given = inputs([13], [4, 5], [0, 0])
    given = type(given)(*(x.float() if x is not None and x.is_floating_point() else x for x in vars(given).values()))
    for name, value in flat(given.into(off)).items():
        assert torch.equal(value, flat(given.into(plain))[name]), name


@pytest.mark.parametrize("switch", [*SWITCHES, "all"])
def test_neutral_modules_give_bqnet(switch):
    plain, ours = pair(**(SWITCHES if switch == "all" else {switch: True}))
    for sizes, scene in (([15], [0, 0, 0]), ([15, 11], [0, 1, 1])):
        given = inputs(sizes, [4, 5, 3], scene)
        assert_same(given.into(neutral(ours)), given.into(plain))


def test_neutral_modules_give_the_golden_trace(monkeypatch):
    path = GOLDEN / "bqnet" / "decoder_trace_a.npz"
    assert path.exists()
    made = []

    def cfnet(**settings):
        made.append(neutral(original(**settings, **SWITCHES)))
        return made[-1]

    original = parity.filled_decoder
    monkeypatch.setattr(parity, "filled_decoder", cfnet)
    checks = list(parity.decoder_trace(load(path), Path(path)))
    assert made[0].focus is not None
    assert len(checks) > 100
    assert not [check.name for check in checks if not check.error()[1]]


def test_a_fresh_refinement_and_wide_view_change_bqnet_little_and_stay_finite():
    plain, ours = pair(feature_refinement=True)
    given = inputs([15], [4, 5], [0, 0])
    assert_same(given.into(ours), given.into(plain))  # zero to begin with
    outputs = given.into(pair()[1])
    assert all(x.isfinite().all() for x in flat(outputs).values())


def test_every_parameter_of_the_modules_learns():
    torch.manual_seed(0)
    ours = Decoder(CFNET).double()
    for focus in ours.focus:
        if focus.refinement is not None:
            torch.nn.init.normal_(focus.refinement.out.weight)
    given = inputs([15, 11], [4, 5, 3], [0, 1, 1])
    sum(x.sin().sum() for name, x in flat(given.into(ours)).items() if name != "chosen").backward()
    names = [name for name, _ in ours.named_parameters() if name.startswith("focus.")]
    assert len(names) == 3 + 2 * 8
    idle = [n for n, p in ours.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle
    assert all(p.grad.isfinite().all() for p in ours.parameters())


def test_a_refinement_that_begins_at_zero_begins_to_learn():
    _, ours = pair(feature_refinement=True)
    inputs([15], [4, 5], [0, 0]).into(ours).final.masks.square().sum().backward()
    for focus in list(ours.focus)[1:]:
        assert focus.refinement.out.weight.grad.abs().sum() > 0
        assert focus.refinement.preference.grad != 0
    assert ours.focus[0].refinement is None


def test_belief_is_the_best_query_of_a_superpoint():
    torch.manual_seed(0)
    masks, indicators = torch.randn(2, 3, 5, requires_grad=True), torch.randn(2, 3, 2, requires_grad=True)
    belief = foreground_belief(masks, indicators)
    assert not belief.requires_grad
    for u in range(2):
        for s in range(5):
            each = [masks[u, q, s].sigmoid() * indicators[u, q].softmax(0)[1] for q in range(3)]
            torch.testing.assert_close(belief[u, s], torch.stack(each).max().detach())
    assert belief.min() >= 0
    assert belief.max() <= 1


def test_refinement_is_the_formula():
    torch.manual_seed(0)
    part = FeatureRefinement(6).double()
    torch.nn.init.normal_(part.out.weight)
    torch.nn.init.constant_(part.preference, 0.7)
    scan, queries = torch.randn(2, 5, 6).double(), torch.randn(2, 3, 6).double()
    looks, belief = torch.rand(2, 4, 3, 5).double(), torch.rand(2, 5).double()
    looks[:, :, :, 4] = 0  # nobody looks at it: no message
    refined, bias = part(scan, queries, looks, belief)
    a = looks.mean(1)
    message = torch.einsum("uqs,uqd->usd", a, queries) / a.sum(1).clamp_min(1e-12)[..., None]
    faint = (1e-3 + belief).log()
    gate = (torch.stack([belief, faint], -1) @ part.gate.weight.T + part.gate.bias).sigmoid()
    first = torch.cat([part.own.weight, part.message.weight], 1)
    hidden = torch.nn.functional.gelu(torch.cat([scan, message], -1) @ first.T + part.own.bias)
    torch.testing.assert_close(refined, scan + gate * part.out(hidden))
    torch.testing.assert_close(bias, 0.7 * faint[:, None])


@pytest.mark.parametrize("scans", [1, 2])
def test_spatial_constraint_is_a_gaussian_for_each_head(scans):
    torch.manual_seed(0)
    part = SpatialConstraint(3, 1, 4).double()
    assert part.log_scale.exp().tolist() == pytest.approx([3.0 * 0.2 ** (1 / 3)] * 3)
    with torch.no_grad():
        part.log_scale.copy_(torch.tensor([0.1, -0.5, 1.0]))
    queries = (torch.randn(2, 4, 3).double() + 20).requires_grad_()
    superpoints = torch.randn(scans, 5, 3).double() + 20
    bias = part(queries, superpoints)
    squared = (queries[:, :, None] - superpoints[:, None]).square().sum(-1)
    expected = -squared[:, None] / (2 * part.log_scale.exp().square())[:, None, None]
    torch.testing.assert_close(bias, expected)
    grads = [torch.autograd.grad(x.sin().sum(), [queries, part.log_scale], retain_graph=True) for x in (bias, expected)]
    for got, wanted in zip(*grads):
        torch.testing.assert_close(got, wanted)


def test_spatial_constraint_keeps_its_digits_far_from_the_origin_and_under_autocast():
    torch.manual_seed(0)
    part = SpatialConstraint(2, 5, 6)
    superpoints = torch.rand(1, 50, 3) * 8 + torch.tensor([120.0, -60.0, 3.0])
    queries = superpoints[:, :7]
    with torch.autocast("cpu", torch.bfloat16):
        bias = part(queries, superpoints)
    assert bias.dtype == torch.float32
    squared = (queries[:, :, None].double() - superpoints[:, None].double()).square().sum(-1)
    torch.testing.assert_close(bias[:, 0].double(), -squared / 0.72, atol=2e-3, rtol=1e-4)
    torch.nn.init.constant_(part.log_scale, math.inf)
    assert (part(queries, superpoints) == 0).all()


def test_schedules():
    assert [neighbours(i, 6) for i in range(6)] == [32, 28, 24, 20, 16, 12]
    assert [neighbours(i, 4) for i in range(4)] == [24, 20, 16, 12]
    scales = [SpatialConstraint(1, i, 6).log_scale.exp().item() for i in range(6)]
    assert scales == sorted(scales, reverse=True)
    assert (scales[0], scales[-1]) == (pytest.approx(3.0), pytest.approx(0.6))
    assert SpatialConstraint(1, 0, 1).log_scale.exp().item() == pytest.approx(3.0)


def test_nearest_queries():
    torch.manual_seed(0)
    positions = torch.randn(2, 9, 3)
    distance = torch.cdist(positions, positions)
    for count in (1, 4, 9, 50):
        near = nearest_queries(positions, count)
        assert (near.sum(-1) == min(count, 9)).all()
        assert near.diagonal(dim1=1, dim2=2).all()
        farthest_in = distance.masked_fill(~near, -1).amax(-1)
        nearest_out = distance.masked_fill(near, 99).amin(-1)
        assert (farthest_in < nearest_out).all()
    same = nearest_queries(torch.zeros(1, 6, 3), 2)  # copies of one seed
    assert same.diagonal(dim1=1, dim2=2).all()
    assert (same.sum(-1) == 2).all()


def test_queries_outside_the_nearest_get_no_weight(monkeypatch):
    config = replace(SMALL, query_focusing=True, queries=30, seeds=40, layers=4)
    torch.manual_seed(0)
    model = Decoder(config).double()
    given = inputs([60], [4, 5], [0, 0], config)
    seen, where = [], []
    original = decoder_module.distance_weights

    def noted(positions, decay):
        where.append(positions)
        return original(positions, decay)

    monkeypatch.setattr(decoder_module, "distance_weights", noted)
    for layer in model.layers:
        for part in (layer.query_self, layer.query_space):
            plain = part.attn._plain

            def spied(*args, plain=plain):
                result = plain(*args)
                seen.append(result[1])
                return result

            monkeypatch.setattr(part.attn, "_plain", spied)
    given.into(model)
    assert len(seen) == 8
    for i in range(4):
        near = nearest_queries(where[i], neighbours(i, 4))
        assert not near.all()
        for weights in seen[2 * i : 2 * i + 2]:
            assert (weights.masked_select(~near[:, None]) == 0).all()
            assert (weights.masked_select(near[:, None]) > 0).all()
    assert Focus(config, 0).query_bias(torch.randn(1, 24, 3)) is None  # all of them


def test_a_narrow_view_looks_at_what_is_near():
    torch.manual_seed(0)
    _, ours = pair(spatial_constraint=True)
    for focus in ours.focus:
        torch.nn.init.constant_(focus.constraint.log_scale, math.log(0.05))
    given = inputs([15], [4, 5], [0, 0])
    looks, where = [], []
    for layer in ours.layers:
        layer.query_scan.register_forward_pre_hook(
            lambda m, args: looks.append(m.attn.with_weights(args[0], args[1], args[2])[1])
        )
    ours.offset.register_forward_hook(lambda m, i, out: where.append(out))
    outputs = given.into(ours)
    positions = outputs.positions - sum(where[1:], where[0])
    for i, weights in enumerate(looks):
        visible = weights > 0
        distance = torch.cdist(positions, given.positions.expand(2, -1, -1))[:, None].expand_as(weights)
        nearest = distance.masked_fill(~visible, 99).argmin(-1)
        assert (weights.gather(-1, nearest[..., None]) > 0.5).double().mean() > 0.9
        positions = positions + where[i]


def test_sentences_do_not_see_each_other():
    torch.manual_seed(0)
    model = Decoder(replace(CFNET, queries=7, layers=2)).double()
    for focus in model.focus:
        focus.neighbours = 3
        if focus.refinement is not None:
            torch.nn.init.normal_(focus.refinement.out.weight, std=0.3)
            torch.nn.init.constant_(focus.refinement.preference, 0.5)
    given = inputs([16, 12], [4, 5, 3], [0, 1, 1])
    whole = given.into(model)
    for u in range(3):
        one = given.sentence(u).into(model)
        s = one.final.masks.shape[-1]
        torch.testing.assert_close(one.final.masks, whole.final.masks[u : u + 1, :, :s])
        torch.testing.assert_close(one.positions, whole.positions[u : u + 1])


def test_bfloat16_autocast_is_finite_and_close():
    torch.manual_seed(0)
    model = Decoder(replace(CFNET, seeds=4, queries=8, width=32))
    given = inputs([30], [4, 5], [0, 0], replace(CFNET, seeds=4))
    given = type(given)(*(x.float() if x is not None and x.is_floating_point() else x for x in vars(given).values()))
    exact = given.into(model)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = given.into(model)
    assert torch.cosine_similarity(narrow.final.masks.flatten(), exact.final.masks.flatten(), dim=0) > 0.98
    narrow.final.masks.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_official_weights_leave_the_modules_as_they_were():
    torch.manual_seed(0)
    model = Decoder(CFNET)
    before = {name: value.clone() for name, value in model.state_dict().items() if name.startswith("focus.")}
    names, own = decoder_names(model), model.state_dict()
    assert not set(before) & set(names)
    state = {key: torch.randn_like(own[name]) for name, key in names.items()}
    report = load_official(model, state)
    assert not report.unused
    after = model.state_dict()
    assert before
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.equal(after["shared_norm.weight"], state["dec.norm_qqa.weight"])
