"""UniSeg3D's losses: values and gradients of a plain loop, fair to the batch, and nothing breaks on odd scenes."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.losses import class_term, contrast, iou, losses, rank
from saymask.models.uniseg3d.matching import mask_costs, match, match_stage
from saymask.models.uniseg3d.outputs import LayerOutputs, Outputs
from tests.models.uniseg3d.plain_losses import NAMES, bce, dice, make, plain_losses, plain_pairs
from tests.parity import load
from tests.parity.uniseg3d_losses import criterion

GOLDEN = Path(__file__).parents[2] / "golden/uniseg3d"
HEADS = ("classes", "masks", "embeddings", "iou")
KINDS = ("objects", "clicks", "texts")
CORRECTED, COMPAT = UniSeg3DConfig(), UniSeg3DConfig(compat=True)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("criterion*.npz")), ids=lambda p: p.stem)
def test_golden(path):
    checks = list(criterion(load(path), path))
    assert checks
    assert [c.name for c in checks if not c.error()[1]] == []


def changed(outputs, function):
    """The predictions of one scene with `function` applied to every tensor."""

    def stage(s):
        return LayerOutputs(*(None if getattr(s, h) is None else function(getattr(s, h)) for h in HEADS))

    kinds = {kind: tuple(stage(s) for s in getattr(outputs, kind)) for kind in KINDS}
    return Outputs(**kinds, semantic=function(outputs.semantic))


def leaves(outputs):
    """A copy of the predictions that asks for gradients, and the list of its tensors."""
    tensors = []

    def leaf(value):
        tensors.append(value.detach().clone().requires_grad_())
        return tensors[-1]

    return [changed(o, leaf) for o in outputs], tensors


def number(value=2.5):
    return torch.tensor(value, dtype=torch.float64)


def gradients(term, tensors):
    found = torch.autograd.grad(term, tensors, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, tensors)]


scene_sizes = st.fixed_dictionaries(
    {
        "superpoints": st.integers(8, 24),
        "queries": st.integers(0, 16),
        "instances": st.integers(0, 4),
        "novel": st.integers(0, 3),
        "clicks": st.integers(0, 4),
        "texts": st.integers(0, 4),
    }
)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.lists(scene_sizes, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_a_plain_loop_gives_the_same_values_and_gradients(seed, sizes, compat, exponential):
    outputs, truth = make(seed, [{**s, "stages": 2} for s in sizes])
    config = UniSeg3DConfig(compat=compat, exponential_scale=exponential)
    ours_out, ours_leaves = leaves(outputs)
    plain_out, plain_leaves = leaves(outputs)
    ours_scale, plain_scale = number().requires_grad_(), number().requires_grad_()
    ours = losses(ours_out, truth, config, ours_scale)
    plain = plain_losses(plain_out, truth, plain_scale.exp() if exponential else plain_scale, compat=compat)
    assert tuple(ours) == NAMES
    for name in NAMES:
        wanted = plain[name] if isinstance(plain[name], torch.Tensor) else plain_scale * plain[name]
        torch.testing.assert_close(ours[name], wanted, rtol=1e-6, atol=1e-7, msg=name)
        expected = gradients(wanted, [*plain_leaves, plain_scale])
        for got, want in zip(gradients(ours[name], [*ours_leaves, ours_scale]), expected):
            torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-8, msg=name)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), scene_sizes)
def test_pairs_are_those_of_a_plain_loop(seed, size):
    (outputs,), (truth,) = make(seed, [size])
    for stage in outputs.objects:
        for got, want in zip(match_stage(stage, truth, CORRECTED), plain_pairs(stage, truth)):
            assert list(zip(got.queries.tolist(), got.objects.tolist())) == want


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(4)))
def test_the_order_of_scenes_does_not_matter(seed, order):
    outputs, truth = make(seed, [{}, {"texts": 0}, {"novel": 0, "clicks": 1}, {"instances": 0}])
    for config in (CORRECTED, COMPAT):
        expected = losses(outputs, truth, config, number())
        found = losses([outputs[i] for i in order], [truth[i] for i in order], config, number())
        torch.testing.assert_close(found, expected)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_queries_and_prompts_does_not_matter(seed):
    (outputs,), (truth,) = make(seed, [{}])
    rows = torch.randperm(len(truth.queries))
    clicks, texts = torch.randperm(len(truth.click_objects)), torch.randperm(len(truth.text_objects))

    def moved(stages, order):
        return tuple(
            LayerOutputs(*(None if getattr(s, h) is None else getattr(s, h)[order] for h in HEADS)) for s in stages
        )

    shuffled = Outputs(
        moved(outputs.objects, rows), moved(outputs.clicks, clicks), moved(outputs.texts, texts), outputs.semantic[rows]
    )
    where = dataclasses.replace(
        truth,
        queries=truth.queries[rows],
        click_objects=truth.click_objects[clicks],
        **{name: getattr(truth, name)[texts] for name in ("text_objects", "text_masks", "text_labels")},
    )
    for config in (CORRECTED, COMPAT):
        expected = losses([outputs], [truth], config, number())
        torch.testing.assert_close(losses([shuffled], [where], config, number()), expected)


def test_only_the_published_scalings_depend_on_the_size_of_the_batch():
    outputs, truth = make(1, [{"clicks": 3}])
    alone = losses(outputs, truth, CORRECTED, number())
    torch.testing.assert_close(losses(outputs * 3, truth * 3, CORRECTED, number()), alone)
    few, many = (losses(outputs * n, truth * n, COMPAT, number()) for n in (1, 3))
    for name in NAMES:
        if name in ("instance", "click", "text"):
            assert float(many[name]) < float(few[name])
        else:
            torch.testing.assert_close(many[name], few[name])


def test_published_and_corrected_dice_agree_in_early_stages_of_four_scenes():
    outputs, truth = make(2, [{}] * 4)
    published = losses(outputs, truth, COMPAT, number())
    corrected = losses(outputs, truth, CORRECTED, number())
    final = [dataclasses.replace(o, **{k: getattr(o, k)[-1:] for k in KINDS}) for o in outputs]
    no_dice = dataclasses.replace(CORRECTED, dice_weight=0.0)
    # dice alone at the last stage, with pairs that the dice term helps to choose
    last = losses(final, truth, CORRECTED, number())["click"] - losses(final, truth, no_dice, number())["click"]
    torch.testing.assert_close(published["click"], corrected["click"] + 3 * last)


def test_weights_multiply_their_terms():
    outputs, truth = make(3, [{"texts": 6}, {"instances": 0}])
    before = losses(outputs, truth, CORRECTED, number())
    assert all(float(v) > 0 for v in before.values())
    for name in ("novel", "iou", "semantic", "contrast", "rank"):
        config = dataclasses.replace(CORRECTED, **{f"{name}_weight": 2 * getattr(CORRECTED, f"{name}_weight")})
        after = losses(outputs, truth, config, number())
        assert {n for n in NAMES if float(after[n]) != float(before[n])} == {name}
        torch.testing.assert_close(after[name], 2 * before[name])
    prompts = losses(outputs, truth, dataclasses.replace(CORRECTED, prompt_weight=0.3), number())
    distilled = losses(outputs, truth, dataclasses.replace(CORRECTED, distill_weight=0.3), number())
    for name in ("click", "text"):
        torch.testing.assert_close(prompts[name], 3 * before[name])
    for name in ("distill_clicks", "distill_text"):
        torch.testing.assert_close(distilled[name], 3 * before[name])


def test_the_costs_of_all_pairs_are_those_of_each():
    logits, targets = 2 * torch.randn(5, 7, dtype=torch.float64), torch.rand(4, 7) < 0.5
    costs = mask_costs(logits, targets, dataclasses.replace(CORRECTED, mask_weight=0.7, dice_weight=1.3))
    one = [[0.7 * bce(x, y.double()) + 1.3 * dice(x, y.double()) for y in targets] for x in logits]
    torch.testing.assert_close(costs, torch.tensor(one, dtype=torch.float64))


def table(rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_the_best_query_must_be_inside_and_strictly_better():
    costs = table([[1, 5, 2, 3], [0, 4, 2, 3], [-9, 6, 7, 3]])
    inside = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0], [0, 1, 1, 0]], dtype=torch.bool)
    found = match(costs, inside)  # object 2: its best two tie; object 3: nothing inside
    assert list(zip(found.queries.tolist(), found.objects.tolist())) == [(1, 0), (1, 1)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (4, 0), (1, 2)])
def test_few_queries_and_objects_are_matched(shape):
    found = match(torch.zeros(shape), torch.ones(shape, dtype=torch.bool))
    assert len(found) == (2 if shape == (1, 2) else 0)
    assert found.queries.dtype == found.objects.dtype == torch.int64


def test_queries_of_instances_are_not_left_to_novel_objects():
    (outputs,), (truth,) = make(4, [{"instances": 1, "novel": 1, "queries": 20}])
    mask = torch.zeros(1, 20, dtype=torch.bool)
    mask[0, truth.queries[[3, 7]]] = True
    truth = dataclasses.replace(truth, masks=mask.expand(2, 20).clone())
    for stage in outputs.objects:
        base, novel = match_stage(stage, truth, CORRECTED)
        assert base.objects.tolist() == [0]
        assert novel.objects.tolist() == [1]
        assert sorted([*base.queries.tolist(), *novel.queries.tolist()]) == [3, 7]


ODD = {
    "no instance": {"instances": 0},
    "nothing at all": {"instances": 0, "novel": 0},
    "one query": {"queries": 1},
    "no query": {"queries": 0},
    "one superpoint": {"superpoints": 1, "queries": 1},
    "no superpoint": {"superpoints": 0, "queries": 0},
    "no prompt": {"clicks": 0, "texts": 0},
    "sentences without clicks": {"clicks": 0},
}


@pytest.mark.parametrize("config", [CORRECTED, COMPAT], ids=["corrected", "compat"])
@pytest.mark.parametrize("size", ODD.values(), ids=ODD)
def test_odd_scenes_are_finite(size, config):
    for sizes in ([size], [{}, size]):
        outputs, tensors = leaves(make(5, sizes)[0])
        scale = number().requires_grad_()
        found = losses(outputs, make(5, sizes)[1], config, scale)
        assert all(torch.isfinite(v) for v in found.values())
        assert all(torch.isfinite(g).all() for g in gradients(sum(found.values()), [*tensors, scale]))
        # every term keeps its gradient, zeros at least, so that no process of a distributed run waits for another one
        assert all(value.requires_grad for value in found.values())
        assert torch.autograd.grad(found["contrast"], scale)[0] is not None


def test_terms_that_apply_to_no_scene_are_zero():
    outputs, truth = make(6, [{"instances": 0, "novel": 0}] * 2)
    found = losses(outputs, truth, CORRECTED, number())
    assert {n for n in NAMES if float(found[n]) == 0} == set(NAMES) - {"instance", "semantic"}


def test_an_object_without_query_inside_is_not_trained():
    (outputs,), (truth,) = make(7, [{"instances": 2, "novel": 0, "clicks": 2}])
    masks = truth.masks.clone()
    masks[1, truth.queries] = False
    truth = dataclasses.replace(truth, masks=masks)
    base, _ = match_stage(outputs.objects[-1], truth, CORRECTED)
    assert base.objects.tolist() == [0]
    # the published rule then drops the scene's clicks, ours teaches the other instance
    assert float(losses([outputs], [truth], COMPAT, number())["distill_clicks"]) == 0
    taught = losses([outputs], [truth], CORRECTED, number())["distill_clicks"]
    assert float(taught) > 0
    torch.testing.assert_close(taught, plain_losses([outputs], [truth], number())["distill_clicks"])


def test_everything_novel_has_no_class_loss():
    logits = torch.randn(3, 19, requires_grad=True)
    value = class_term(logits, torch.full((3,), -1), 0.1)
    assert float(value.detach()) == 0
    assert not torch.autograd.grad(value, logits)[0].any()


def test_unlabelled_superpoints_teach_no_semantics():
    outputs, truth = make(8, [{}, {}])
    blank = dataclasses.replace(truth[1], semantic=torch.full_like(truth[1].semantic, 20))
    found = losses(outputs, [truth[0], blank], CORRECTED, number())["semantic"]
    torch.testing.assert_close(found, losses(outputs[:1], truth[:1], CORRECTED, number())["semantic"])


def test_the_contrast_of_equal_embeddings_is_the_logarithm_of_their_number():
    same = torch.ones(5, 4) / 2
    assert float(contrast(same, same, torch.tensor(3.0))) == pytest.approx(math.log(5))
    assert float(rank(same, same)) == 0
    apart = torch.eye(3)
    assert float(contrast(apart, apart, torch.tensor(50.0))) == pytest.approx(0, abs=1e-6)
    assert float(rank(apart, apart.roll(1, 0))) == pytest.approx(3)  # the partner: 0, one other per column: 1


def test_the_exponential_scale_is_bounded():
    outputs, truth = make(9, [{"texts": 4}])
    config = dataclasses.replace(CORRECTED, exponential_scale=True)
    bounded = losses(outputs, truth, config, number(9.0))["contrast"]
    torch.testing.assert_close(bounded, losses(outputs, truth, CORRECTED, number(100.0))["contrast"])


def test_names_of_paired_objects_and_superpoints():
    (outputs,), (truth,) = make(3, ({},))
    size = truth.masks.shape[1]
    generator = torch.Generator().manual_seed(4)

    def unit(rows):
        return torch.nn.functional.normalize(torch.randn(rows, 6, generator=generator, dtype=torch.float64), dim=1)

    vocabulary = unit(7)
    shown, facing = unit(len(truth.queries)).requires_grad_(), unit(len(truth.queries)).requires_grad_()
    last = dataclasses.replace(outputs.objects[-1], directions=shown)
    outputs = dataclasses.replace(outputs, objects=(*outputs.objects[:-1], last), directions=facing)
    names, of_superpoints = torch.arange(len(truth.masks)) - 1, torch.arange(size) % 8 - 1
    named = dataclasses.replace(truth, names=names, superpoint_names=of_superpoints)
    config = dataclasses.replace(CORRECTED, vocabulary_weight=0.5)
    terms = losses([outputs], [named], config, number(), vocabulary)
    base, novel = match_stage(last, named, config)
    pairs = [*zip(base.queries.tolist(), base.objects.tolist()), *zip(novel.queries.tolist(), novel.objects.tolist())]
    rows = [(shown[q], int(names[o])) for q, o in pairs if names[o] >= 0]
    seen = [(facing[i], int(of_superpoints[q])) for i, q in enumerate(truth.queries.tolist())]
    expected = sum(
        -(direction @ vocabulary.T / 0.07).log_softmax(0)[name] / len(part)
        for part in (rows, [s for s in seen if s[1] >= 0])
        for direction, name in part
        if name >= 0
    )
    assert rows
    torch.testing.assert_close(terms["vocabulary"], 0.5 * expected)
    torch.testing.assert_close(
        torch.autograd.grad(terms["vocabulary"], (shown, facing)), torch.autograd.grad(0.5 * expected, (shown, facing))
    )
    assert "vocabulary" not in losses([outputs], [truth], config, number())
    with pytest.raises(InputError, match="names"):
        losses([outputs], [truth], config, number(), vocabulary)


def test_the_iou_of_a_mask_with_itself_is_one():
    mask = torch.tensor([[True, False, True], [False, False, False]])
    assert iou(mask.float(), mask).tolist() == pytest.approx([1, 0], abs=1e-5)
    assert iou(torch.full((1, 3), 0.5), torch.tensor([[True, True, False]])).tolist() == pytest.approx([2 / 3])


def test_a_missing_iou_is_named():
    outputs, truth = make(10, [{}])
    stages = tuple(dataclasses.replace(s, iou=None) for s in outputs[0].objects)
    with pytest.raises(InputError, match=r"predicted IoU.*LayerOutputs.iou"):
        losses([dataclasses.replace(outputs[0], objects=stages)], truth, CORRECTED, number())


def test_half_precision_is_summed_in_float32():
    outputs, truth = make(11)
    half = [changed(o, torch.Tensor.bfloat16) for o in outputs]
    full = [changed(o, torch.Tensor.float) for o in half]
    expected = losses(full, truth, CORRECTED, torch.tensor(2.5))
    half, tensors = leaves(half)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(half, truth, CORRECTED, torch.tensor(2.5))
    assert all(v.dtype == torch.float32 for v in found.values())
    torch.testing.assert_close({n: v.detach() for n, v in found.items()}, expected)
    assert all(torch.isfinite(g).all() for g in gradients(sum(found.values()), tensors))


def test_huge_logits_have_finite_gradients():
    outputs, truth = make(12)
    outputs, tensors = leaves([changed(o, lambda x: x.float() * 1e4) for o in outputs])
    found = losses(outputs, truth, CORRECTED, torch.tensor(2.5))
    assert all(torch.isfinite(v) for v in found.values())
    assert all(torch.isfinite(g).all() for g in gradients(sum(found.values()), tensors))


def test_training_on_one_scene_reaches_its_objects():
    outputs, truth = make(13, [{"instances": 3, "novel": 1, "queries": 20, "stages": 2}])
    outputs, tensors = leaves([changed(outputs[0], torch.Tensor.float)])
    optimizer = torch.optim.Adam(tensors, lr=0.3)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        total = torch.stack(list(losses(outputs, truth, CORRECTED, torch.tensor(2.5)).values())).sum()
        total.backward()
        optimizer.step()
        values.append(float(total.detach()))
    assert values[-1] < 0.1 * values[0]
    base, _ = match_stage(outputs[0].objects[-1], truth[0], CORRECTED)
    assert base.objects.sort().values.tolist() == [0, 1, 2]
    found = iou(outputs[0].objects[-1].masks[base.queries].sigmoid(), truth[0].masks[base.objects])
    assert float(found.min()) > 0.9
