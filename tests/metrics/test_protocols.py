import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from saymask.data.annotations import EVAL_TYPES, Annotation
from saymask.errors import InputError
from saymask.metrics import PROTOCOLS, BoxF1Metric, ReferMetric, get_protocol, metric_for, select_points
from saymask.metrics import boxes as boxes_module
from saymask.metrics.referring import unite

logit_rows = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 4), st.just(80)), elements=st.sampled_from([-np.inf, -1, -0.0, 0.0, 1e-7, 2])
)


def said(kind, number=0, ids=(), **more):
    return Annotation("s", ids, number, "the chairs", "the chairs", eval_type=kind, **more)


def one(kind, prediction, target):
    metric = ReferMetric("3dgres")
    metric.update(prediction, target, said(kind))
    return metric.compute()["overall"]


def points(count, total=200):
    return np.arange(total) < count


def test_doctest():
    assert doctest.testmod(boxes_module).failed == 0


def test_sentences_and_numbers_of_objects():
    assert {p.name: (p.source, p.count) for p in PROTOCOLS.values()} == {
        "less": ("scanrefer", "one"),
        "3dres": ("scanrefer", "one"),
        "scanrefer": ("scanrefer", "one"),
        "scanrefer-box": ("scanrefer", "one"),
        "3dgres": ("multi3drefer", "any"),
        "referit3d": ("nr3d", "one"),
        "multi3drefer-f1": ("multi3drefer", "any"),
        "uniseg3d": ("scanrefer", "one"),
    }
    assert get_protocol("uniseg3d").groups == ()
    assert get_protocol("3dgres").groups == EVAL_TYPES
    assert isinstance(metric_for("multi3drefer-f1"), BoxF1Metric)
    assert isinstance(metric_for("3dgres"), ReferMetric)
    with pytest.raises(ValueError, match="metric_for"):
        ReferMetric("multi3drefer-f1")
    with pytest.raises(ValueError, match="metric_for"):
        BoxF1Metric("3dgres")


@pytest.mark.parametrize("kind", EVAL_TYPES)
def test_zero_target_rule(kind):
    """docs/systems/bqnet.md §6.4: no target is right for zt and wrong for the others; a target is wrong for zt."""
    target = points(0) if kind.startswith("zt") else points(120)
    full = {"acc25": 1.0, "acc50": 1.0}
    right, wrong = (points(0), points(120)) if kind.startswith("zt") else (points(120), points(0))
    result = one(kind, right, target)
    assert {k: result[k] for k in full} == full
    assert result["miou"] == pytest.approx(1.0, abs=1e-7)
    assert one(kind, wrong, target)["miou"] == 0
    assert one(kind, np.zeros((0, 200), bool), target)["miou"] == (1.0 if kind.startswith("zt") else 0.0)


@pytest.mark.parametrize(("count", "found"), [(49, False), (50, True)])
def test_fewer_than_fifty_points_are_no_target(count, found):
    logits = np.where(points(count), 1.0, -1.0)
    for prediction in (logits, points(count), logits[None]):
        assert one("zt_w_d", prediction, points(0))["miou"] == (0.0 if found else 1.0)
        assert (one("st_w_d", prediction, points(60))["miou"] > 0) == found
    assert select_points(logits, "3dgres").any() == found
    assert select_points(logits, "3dres").sum() == count


def test_points_of_one_half_belong_to_the_mask_but_do_not_make_a_target():
    logits = np.where(points(50), 1.0, np.where(points(80), 0.0, -1.0))
    assert select_points(logits, "3dgres").sum() == 80
    logits[0] = 0.0
    assert not select_points(logits, "3dgres").any()
    assert one("st_wo_d", logits, points(80))["miou"] == 0


def test_objects_are_united():
    parts = np.stack([points(100), ~points(140)])
    target = np.stack([points(100), ~points(160)])
    result = one("mt", parts, target)
    assert result["miou"] == pytest.approx(140 / 160)
    assert one("mt", np.where(parts, 2.0, -3.0), target) == result
    assert one("mt", parts.any(0), target.any(0)) == result


@given(logit_rows)
@settings(max_examples=100, deadline=None)
def test_a_mask_that_was_selected_is_selected_as_it_is(rows):
    for name in PROTOCOLS:
        mask = select_points(unite(rows), name)
        np.testing.assert_array_equal(select_points(mask, name), mask)
        if not rows.size or (unite(rows) == -np.inf).all():
            assert not mask.any()  # where nothing is predicted, nothing is selected, by no rule


outcomes = st.lists(
    st.tuples(st.sampled_from(EVAL_TYPES), st.integers(0, 120), st.integers(1, 120), st.booleans()), max_size=12
)


@given(outcomes, st.integers(1, 4), st.sampled_from(["3dgres", "multi3drefer-f1"]), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_groups_partition_overall_on_any_number_of_processes(rows, world, protocol, random):
    cloud = np.random.default_rng(0).uniform(0, 1, (200, 3))
    whole, parts = metric_for(protocol), [metric_for(protocol) for _ in range(world)]
    for number, (kind, guess, true, compositional) in enumerate(rows):
        annotation = said(kind, number, compositional=compositional)
        for metric in [whole, *random.sample(parts, random.randint(1, world))]:
            metric.update(points(guess), points(0 if kind[0] == "z" else true), annotation, points=cloud)
    random.shuffle(parts)
    merged = metric_for(protocol).merge(*(p.state() for p in parts))
    result = merged.compute()
    assert result == whole.compute()
    assert result["protocol"] == protocol
    groups = [result[kind] for kind in EVAL_TYPES]
    assert sum(g["n"] for g in groups) == result["overall"]["n"] == len(rows)
    for key in ("acc25", "acc50", "miou", "f1_25", "f1_50"):
        if rows and key in groups[0]:
            mean = sum(g["n"] * g[key] for g in groups) / len(rows)
            assert result["overall"][key] == pytest.approx(mean)
            assert 0 <= mean <= 1
    for group in groups:
        assert group["n"] or not any(group.values())


def test_only_sentences_with_a_group():
    for metric in (ReferMetric("3dgres"), BoxF1Metric()):
        with pytest.raises(InputError, match="eval_type"):
            metric.update(points(0), points(0), said(""), points=np.zeros((200, 3)))
    ReferMetric("3dres").update(points(0), points(10), said("mt"))  # its groups are unique and multiple


def test_other_lengths():
    for metric in (ReferMetric("3dgres"), BoxF1Metric()):
        with pytest.raises(InputError, match="one prediction per point"):
            metric.update(np.zeros((3, 100)), points(10), said("mt"), points=np.zeros((200, 3)))
    with pytest.raises(InputError, match="expected 200 points, got 100"):
        BoxF1Metric().update(points(3), points(10), said("mt"), points=np.zeros((100, 3)))


def test_fallback_belongs_to_less_only():
    logits = -np.arange(1, 6001, dtype=np.float32)
    logits[:99] = 1
    assert select_points(logits, "less").sum() == 5000
    assert select_points(logits, "less")[:5000].all()
    for protocol in ("3dres", "scanrefer", "scanrefer-box"):
        assert select_points(logits, protocol).sum() == 99
    logits[99] = 1
    assert select_points(logits, "less").sum() == 100
    assert select_points(logits[:40], "less").sum() == 40
    assert select_points(np.zeros(0), "less").shape == (0,)


def test_probability_of_one_half():
    zero = np.zeros(200)
    assert select_points(zero, "3dres").all()
    assert not select_points(zero, "scanrefer").any()


@pytest.mark.parametrize(("protocol", "fewest"), [("3dgres", 50), ("3dres", 0), ("scanrefer", 0), ("less", 0)])
def test_fewest_points_of_a_mask(protocol, fewest):
    for count in (0, 1, 49, 50, 51):
        assert select_points(points(count), protocol).sum() == (count if count >= fewest else 0)
        if protocol != "less":
            assert select_points(np.where(points(count), 1.0, -1.0), protocol).sum() == (
                count if count >= fewest else 0
            )
    with pytest.raises(InputError, match="protocol: expected one of less"):
        select_points(points(3), "best")
