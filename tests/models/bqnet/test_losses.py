"""BQNet's losses: the same values and gradients as a plain loop, and nothing depends on order, padding or type."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.losses import losses, stage_terms
from saymask.models.bqnet.matching import absent_objects, mask_rows, match, targets
from saymask.models.bqnet.outputs import NO_INSTANCE, LayerOutputs, Outputs, Truth
from tests.models.bqnet.plain_losses import HEADS, NAMES, make, plain_terms, unit
from tests.parity import load
from tests.parity.bqnet_losses import truth_and_outputs

GOLDEN = Path(__file__).parents[2] / "golden/bqnet"


def leaves(outputs):
    """A copy of the predictions that asks for gradients, and the list of its tensors."""
    stages = tuple(
        LayerOutputs(*(getattr(s, h).detach().clone().requires_grad_() for h in HEADS)) for s in outputs.stages
    )
    scores = outputs.seed_scores.detach().clone().requires_grad_()
    copy = dataclasses.replace(outputs, stages=stages, seed_scores=scores)
    return copy, [getattr(s, h) for s in stages for h in HEADS] + [scores]


def gradients(terms, tensors):
    found = torch.autograd.grad(sum(terms), tensors, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(t) if g is None else g for g, t in zip(found, tensors)]


WEIGHTS = {"mask": 1, "dice": 1, "score": 0.5, "sample": 5, "indicator": 0.1, "semantic": 0.1, "triplet": 1}

sizes = st.fixed_dictionaries(
    {
        "sentences": st.integers(1, 4),
        "queries": st.integers(1, 6),
        "superpoints": st.integers(1, 14),
        "seeds": st.integers(6, 9),
        "stages": st.integers(1, 3),
        "objects": st.integers(0, 4),
        "tokens": st.integers(3, 8),
    }
)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), sizes, st.booleans())
def test_a_plain_loop_gives_the_same_values_and_gradients(seed, size, repeated):
    outputs, truth = make(seed, **size)
    config = BQNetConfig(repeated_masks=repeated)
    ours_out, ours_leaves = leaves(outputs)
    plain_out, plain_leaves = leaves(outputs)
    stages, plain = stage_terms(ours_out, truth, config), plain_terms(plain_out, truth, repeated=repeated)
    assert stages.keys() == set(NAMES)
    for name in NAMES:
        torch.testing.assert_close(stages[name], torch.stack(plain[name]), rtol=1e-5, atol=1e-6, msg=name)

    ours = losses(ours_out, truth, config)
    count = len(outputs.stages)
    for name, values in plain.items():  # the last stage counts in full, stage i counts (i + 1) / T
        total = sum((count - len(values) + i + 1) / count * v for i, v in enumerate(values)) * WEIGHTS[name]
        torch.testing.assert_close(ours[name], total, rtol=1e-5, atol=1e-6, msg=name)
        expected = gradients([total], plain_leaves)
        for got, want in zip(gradients([ours[name]], ours_leaves), expected):
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6, msg=name)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_sentences_does_not_matter(seed, random):
    outputs, truth = make(seed, sentences=5)
    order = list(range(5))
    random.shuffle(order)
    heads = tuple(LayerOutputs(*(getattr(s, h)[order] for h in HEADS)) for s in outputs.stages)
    moved_outputs = Outputs(
        heads, outputs.chosen[order], outputs.seed_scores[order], outputs.padding[order], outputs.positions[order]
    )
    moved_truth = dataclasses.replace(
        truth,
        objects=tuple(truth.objects[i] for i in order),
        **{name: getattr(truth, name)[order] for name in ("scene", "relevance", "maps", "text_mask")},
    )
    config = BQNetConfig()
    torch.testing.assert_close(losses(moved_outputs, moved_truth, config), losses(outputs, truth, config))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from([0, 1, NO_INSTANCE]))
def test_padding_superpoints_change_nothing(seed, extra, label):
    outputs, truth = make(seed)
    heads = tuple(dataclasses.replace(s, masks=F.pad(s.masks, (0, extra), value=7.0)) for s in outputs.stages)
    wide_outputs = dataclasses.replace(outputs, stages=heads, padding=F.pad(outputs.padding, (0, extra), value=True))
    wide_truth = dataclasses.replace(
        truth,
        instances=F.pad(truth.instances, (0, extra), value=label),
        positions=F.pad(truth.positions, (0, 0, 0, extra), value=9.0),
        relevance=F.pad(truth.relevance, (0, extra)),
    )
    config = BQNetConfig()
    wide_outputs, _ = leaves(wide_outputs)
    found = losses(wide_outputs, wide_truth, config)
    torch.testing.assert_close(found, losses(outputs, truth, config))
    sum(found.values()).backward()
    for stage in wide_outputs.stages:
        assert not stage.masks.grad.masked_select(wide_outputs.padding[:, None]).any()


def test_the_corrected_rule_trains_each_pair_on_its_own_mask():
    truth, outputs = truth_and_outputs(load(GOLDEN / "loss_a_mixed.npz"))
    official = stage_terms(outputs, truth, BQNetConfig(repeated_masks=True))["mask"][-1]
    corrected = stage_terms(outputs, truth, BQNetConfig())["mask"][-1]
    assert float(official.detach()) == pytest.approx(0.1363, abs=5e-5)
    assert float(corrected.detach()) == pytest.approx(0.1510, abs=5e-5)
    objects = targets(truth, outputs.padding)
    rows = truth.seeds.gather(1, outputs.chosen)
    scene = truth.scene[:, None]
    pairs = match(objects, truth.instances[scene, rows], truth.positions[scene, rows])
    assert pairs.counts[1].tolist() == [3, 3, 1]
    assert mask_rows(objects, pairs, repeated=True)[1].tolist() == [0, 0, 0]
    assert mask_rows(objects, pairs)[1].tolist() == [0, 1, 2]


def hand_made(objects, *, labels=(0, 0, 1, 1, NO_INSTANCE)):
    """One scan with superpoints on a line at x = 0..4, all of them seeds and queries."""
    n = len(labels)
    positions = torch.zeros(1, n, 3)
    positions[0, :, 0] = torch.arange(n)
    mask = torch.ones(1, 4, dtype=torch.bool)
    truth = Truth(
        scene=torch.zeros(1, dtype=torch.int64),
        instances=torch.tensor([labels]),
        positions=positions,
        seeds=torch.arange(n)[None],
        objects=(objects,),
        relevance=torch.zeros(1, n),
        maps=torch.zeros(1, 5, 4),
        text_mask=mask,
    )
    stage = LayerOutputs(
        torch.zeros(1, n, n), torch.zeros(1, n), torch.zeros(1, n, 2), unit(1, n, 4).float(), unit(1, 4, 4).float()
    )
    return Outputs((stage,), torch.arange(n)[None], torch.zeros(1, n), ~mask[:, :1].expand(1, n), positions), truth


def test_pairs_come_nearest_first_and_then_by_object():
    outputs, truth = hand_made((1, 0))
    objects = targets(truth, outputs.padding)
    assert objects.centers[0, :, 0].tolist() == [2.5, 0.5]
    pairs = match(objects, truth.instances, truth.positions)
    _, k, query = pairs.listed()
    assert list(zip(query.tolist(), k.tolist())) == [(2, 0), (0, 1), (3, 0), (1, 1)]  # of equally near ones the first


def test_two_objects_may_share_their_nearest_query():
    outputs, truth = hand_made((0, 1), labels=(0, 1, 2, 1, 0))  # both centres at x = 2, where neither of them is
    objects = targets(truth, outputs.padding)
    pairs = match(objects, truth.instances, truth.positions)
    _, k, query = pairs.listed()
    assert list(zip(query.tolist(), k.tolist())) == [(2, 0), (2, 1), (0, 0), (4, 0), (1, 1), (3, 1)]
    assert pairs.paired.all()


def test_a_query_nearest_to_one_object_is_not_listed_for_the_object_it_lies_on():
    outputs, truth = hand_made((0, 1), labels=(0, 1, 0, 1, 1))  # the centre of object 0 lies on object 1
    pairs = match(targets(truth, outputs.padding), truth.instances, truth.positions)
    _, k, query = pairs.listed()
    assert list(zip(query.tolist(), k.tolist())) == [(1, 0), (3, 1), (0, 0), (2, 0), (4, 1)]


def test_objects_without_superpoint_are_skipped_and_named():
    outputs, truth = hand_made((7, 0, 8, 1))
    assert absent_objects(truth, outputs.padding) == ((7, 8),)
    _, alone = hand_made((0, 1))
    assert absent_objects(alone, outputs.padding) == ((),)
    outputs.final.masks[:] = torch.arange(5.0) - 2  # the masks of both objects differ in their loss
    for config in (BQNetConfig(), BQNetConfig(repeated_masks=True)):
        torch.testing.assert_close(losses(outputs, truth, config), losses(outputs, alone, config))


@pytest.mark.parametrize("ids", [(-1,), (NO_INSTANCE,)])
def test_the_labels_of_no_instance_are_no_objects(ids):
    outputs, truth = hand_made(ids, labels=(-1, 0, NO_INSTANCE, 0, -1))
    assert not targets(truth, outputs.padding).present.any()
    assert absent_objects(truth, outputs.padding) == (ids,)


def test_a_batch_without_targets_is_finite_unless_asked():
    outputs, truth = make(1)
    truth = dataclasses.replace(truth, objects=((), (50,), ()))
    outputs, tensors = leaves(outputs)
    found = losses(outputs, truth, BQNetConfig())
    assert all(float(found[n].detach()) == 0 for n in ("mask", "dice", "score", "triplet"))
    assert all(0 < float(found[n].detach()) < math.inf for n in ("sample", "indicator", "semantic"))
    assert all(torch.isfinite(g).all() for g in gradients(found.values(), tensors))
    official = losses(outputs, truth, BQNetConfig(empty_is_nan=True))
    assert all(math.isnan(float(official[n].detach())) for n in ("mask", "dice", "score"))
    assert float(official["indicator"].detach()) == math.inf


@pytest.mark.parametrize(
    "size",
    [
        {"queries": 1},
        {"superpoints": 1},
        {"sentences": 1, "queries": 1, "superpoints": 1, "seeds": 1, "stages": 1, "tokens": 3},
    ],
)
def test_the_smallest_batches_are_finite(size):
    for seed in range(6):
        outputs, tensors = leaves(make(seed, **size)[0])
        found = losses(outputs, make(seed, **size)[1], BQNetConfig())
        assert all(torch.isfinite(v) for v in found.values())
        assert all(torch.isfinite(g).all() for g in gradients(found.values(), tensors))


def test_equal_queries_and_huge_logits_have_finite_gradients():
    outputs, truth = make(2)
    for stage in outputs.stages:
        stage.queries[:] = stage.queries[:, :1]  # distance 0 between all queries
        stage.masks.mul_(1e4)
        stage.indicators.mul_(1e4)
    for convert in (torch.Tensor.double, torch.Tensor.float):
        heads = tuple(LayerOutputs(*(convert(getattr(s, h)) for h in HEADS)) for s in outputs.stages)
        copy, tensors = leaves(dataclasses.replace(outputs, stages=heads, seed_scores=convert(outputs.seed_scores)))
        found = losses(copy, truth, BQNetConfig())
        assert all(torch.isfinite(v) for v in found.values())
        assert all(torch.isfinite(g).all() for g in gradients(found.values(), tensors))


def test_bfloat16_predictions_are_summed_in_float32():
    outputs, truth = make(3)
    truth = dataclasses.replace(truth, **{n: getattr(truth, n).float() for n in ("positions", "relevance", "maps")})
    half = tuple(LayerOutputs(*(getattr(s, h).bfloat16() for h in HEADS)) for s in outputs.stages)
    full = tuple(LayerOutputs(*(getattr(s, h).float() for h in HEADS)) for s in half)
    scores = outputs.seed_scores.bfloat16()
    expected = losses(dataclasses.replace(outputs, stages=full, seed_scores=scores.float()), truth, BQNetConfig())
    copy, tensors = leaves(dataclasses.replace(outputs, stages=half, seed_scores=scores))
    with torch.autocast("cpu", torch.bfloat16):
        found = losses(copy, truth, BQNetConfig())
    assert all(v.dtype == torch.float32 for v in found.values())
    torch.testing.assert_close({n: v.detach() for n, v in found.items()}, expected)
    assert all(g.dtype == torch.bfloat16 and torch.isfinite(g).all() for g in gradients(found.values(), tensors))


def _two_processes(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        outputs, truth = make(rank + 1)
        torch.save(stage_terms(outputs, truth, BQNetConfig()), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
def test_the_pairs_of_all_processes_are_counted(tmp_path):
    mp.spawn(_two_processes, (str(tmp_path),), nprocs=2)
    cases = [make(1), make(2)]
    counts = []
    for outputs, truth in cases:
        rows, scene = truth.seeds[truth.scene].gather(1, outputs.chosen), truth.scene[:, None]
        objects = targets(truth, outputs.padding)
        counts.append(int(match(objects, truth.instances[scene, rows], truth.positions[scene, rows]).counts.sum()))
    assert min(counts) > 0
    for rank, (outputs, truth) in enumerate(cases):
        alone, together = stage_terms(outputs, truth, BQNetConfig()), torch.load(tmp_path / f"{rank}.pt")
        for name in ("mask", "dice", "score", "indicator", "semantic"):
            torch.testing.assert_close(together[name], alone[name] * counts[rank] / sum(counts))
        for name in ("sample", "triplet"):
            torch.testing.assert_close(together[name], alone[name])
