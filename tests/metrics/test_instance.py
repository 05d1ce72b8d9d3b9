import doctest
import multiprocessing
import os
import pickle
import socket

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.speed.plain_scores import Scene, make_scene, plain_ap
from saymask.data.superpoint_truth import superpoint_truth
from saymask.errors import InputError
from saymask.metrics import instance
from saymask.metrics.benchmark import benchmarks, get_benchmark
from saymask.metrics.instance import THRESHOLDS, InstanceMetric

THINGS = {name: [c.id for c in b.things] for name, b in benchmarks().items()}
CLASSES = [4, 5, 39, 1, 999]
"""Three classes of both benchmarks, wall, and none."""


def random_scene(seed, points, masks):
    """True instances of all sizes (void and invalid ones too), and masks that hit, miss, overlap and tie."""
    rng = np.random.default_rng(seed)
    runs = rng.integers(1, 12, points)
    truth = np.repeat(rng.choice(CLASSES, points) * 1000 + rng.integers(0, 3, points), runs)[:points]
    truth[rng.random(points) < 0.1] = 0
    known = np.unique(truth)
    bits, labels = np.zeros((masks, points), bool), rng.choice(CLASSES, masks)
    for m in range(masks):
        target = rng.choice(known)
        # Sometimes all instances of the class: at 0.25 such a mask may find several.
        found = truth == target if rng.random() < 0.7 else truth // 1000 == target // 1000
        bits[m] = found & (rng.random(points) < rng.choice([0.3, 0.6, 1.0]))
        bits[m] |= rng.random(points) < rng.choice([0.0, 0.05, 0.3])
        if rng.random() < 0.7:
            labels[m] = target // 1000
    return Scene(truth, bits, labels, rng.integers(0, 4, masks) / 4)


SCENES = st.lists(
    st.builds(random_scene, st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(0, 12)), max_size=4
)


def filled(scenes, protocol="scannet200", **more):
    metric = InstanceMetric(protocol, **more)
    for number, s in enumerate(scenes):
        metric.update(s.masks, s.labels, s.scores, s.truth, f"scene{number}")
    return metric


def test_doctest():
    assert doctest.testmod(instance).failed == 0


@settings(max_examples=80, deadline=None)
@given(SCENES, st.sampled_from([1, 3, 10]), st.sampled_from(sorted(THINGS)))
def test_equals_the_official_loop_to_the_last_bit(scenes, min_region, protocol):
    expected = plain_ap(scenes, THINGS[protocol], min_region)
    metric = filled(scenes, protocol, min_region=min_region)
    np.testing.assert_array_equal(metric.average_precision(), expected)
    means = metric.compute()["overall"]
    if np.isnan(expected).all():
        assert means == {"n": 0, "ap": 0.0, "ap50": 0.0, "ap25": 0.0}
    else:
        assert means["ap"] == np.nanmean(np.ascontiguousarray(expected[:, :9].T))
        assert means["ap50"] == np.nanmean(expected[:, 0])
        assert means["ap25"] == np.nanmean(expected[:, 9])


def test_a_furnished_scene_equals_the_official_loop():
    scenes = [make_scene(6000, 12, 40, seed) for seed in range(3)]
    ap = filled(scenes).average_precision()
    np.testing.assert_array_equal(ap, plain_ap(scenes, THINGS["scannet200"]))
    assert 0.1 < np.nanmean(ap) < 0.9


@settings(max_examples=30, deadline=None)
@given(SCENES, st.integers(1, 4), st.randoms())
def test_any_number_of_processes_counts_each_scene_once(scenes, world, random):
    whole = filled(scenes, min_region=3)
    parts = [InstanceMetric(min_region=3) for _ in range(world)]
    for scene_id, record in whole.state().items():
        for part in random.sample(parts, random.randint(1, world)):
            part.records[scene_id] = record
    random.shuffle(parts)
    merged = InstanceMetric(min_region=3).merge(*(pickle.loads(pickle.dumps(p.state())) for p in parts))
    assert merged.compute() == whole.compute()


def test_thresholds_are_strict():
    truth = np.repeat([4001, 0], [200, 100])
    half = np.arange(300) < 100
    assert THRESHOLDS[[0, -1]].tolist() == [0.5, 0.25]
    assert len(THRESHOLDS) == 10
    metric = InstanceMetric()
    metric.update(half[None], np.array([4]), np.ones(1), truth, "s")  # IoU is exactly 0.5
    assert metric.compute()["ap50"] == {"table": 0.0}
    assert metric.compute()["ap25"] == {"table": 1.0}


def test_of_two_masks_on_one_instance_the_better_is_right():
    truth = np.repeat([4001, 4002], 200)
    masks = np.stack([truth == 4001, truth == 4001, truth == 4002])
    ap = {}
    for scores in ([0.9, 0.1, 0.5], [0.1, 0.9, 0.5], [0.5, 0.5, 0.9], [0.9, 0.8, 0.5]):
        metric = InstanceMetric()
        metric.update(masks, np.full(3, 4), np.array(scores), truth, "s")
        ap[tuple(scores)] = metric.compute()["overall"]["ap"]
    assert ap[0.9, 0.1, 0.5] == ap[0.1, 0.9, 0.5] == 1.0
    assert ap[0.9, 0.8, 0.5] < 1


def test_a_doubled_mask_may_still_find_another_instance():
    truth = np.repeat([4001, 4002], 200)
    masks, labels = np.stack([truth == 4001, truth > 0]), np.array([4, 4])
    metric = InstanceMetric()
    metric.update(masks, labels, np.array([0.9, 0.5]), truth, "s")
    # At 0.25 the second mask is a false positive of the first instance and then finds the second one.
    assert metric.compute()["ap25"]["table"] == pytest.approx(2 / 3 * 0.25 + 1 * 0.5 + 1 * 0.25)
    expected = plain_ap([Scene(truth, masks, labels, np.array([0.9, 0.5]))], THINGS["scannet200"])
    np.testing.assert_array_equal(metric.average_precision(), expected)


def test_what_lies_on_void_or_on_small_instances_is_no_error():
    truth = np.repeat([4001, 0, 4002, 5001], [200, 150, 60, 150])
    good = truth == 4001
    # With a false positive above: precision 1/2 at recall 1, of which the integral counts half.
    for other, expected in ((truth == 0, 1.0), ((truth == 0) | (truth == 4002), 1.0), (truth == 5001, 0.25)):
        metric = InstanceMetric()
        metric.update(np.stack([good, other]), np.array([4, 4]), np.array([0.5, 0.9]), truth, "s")
        assert metric.compute()["ap50"]["table"] == expected


def test_small_masks_and_other_classes_are_dropped():
    truth = np.repeat([4001, 5001], 200)
    masks = np.stack([truth == 4001, np.arange(400) >= 301, truth == 5001, truth == 5001])
    metric = InstanceMetric()
    metric.update(masks, np.array([4, 4, 1, 77777]), np.array([0.1, 1, 1, 1]), truth, "s")
    assert metric.compute()["ap"] == {"table": 1.0, "door": 0.0}
    assert metric.compute()["overall"] == {"n": 2, "ap": 0.5, "ap50": 0.5, "ap25": 0.5}


def test_scores_are_any_numbers():
    scene = make_scene(3000, 6, 20, 3)
    logits = Scene(scene.truth, scene.masks, scene.labels, 40 * scene.scores - 30)
    assert filled([scene], min_region=10).compute() == filled([logits], min_region=10).compute()


def test_groups_and_empty_metric():
    result = InstanceMetric().compute()
    assert {g for g in result if isinstance(result[g], dict)} >= {"overall", "head", "common", "tail"}
    assert result["overall"] == {"n": 0, "ap": 0.0, "ap50": 0.0, "ap25": 0.0}
    assert result["ap"] == {}
    benchmark = get_benchmark("scannet200")
    assert [len(b.things) for b in benchmarks().values()] == [18, 198, 18]
    splits = [c.split for c in benchmark.things]
    assert [splits.count(g) for g in benchmark.groups] == [64, 68, 66]
    truth = np.repeat(np.array(THINGS["scannet200"]) * 1000 + 1, 2)
    metric = InstanceMetric(min_region=2)
    metric.update(np.zeros((0, len(truth)), bool), np.zeros(0, int), np.zeros(0), truth, "nothing predicted")
    assert [metric.compute()[g]["n"] for g in ("overall", *benchmark.groups)] == [198, 64, 68, 66]
    assert set(metric.compute()["ap50"].values()) == {0.0}
    assert not set(InstanceMetric("scannet").compute()) & set(benchmark.groups)


def test_a_class_that_is_predicted_but_nowhere_there_is_undefined():
    truth = np.repeat([4001, 5001], 200)
    metric = InstanceMetric()
    metric.update(np.stack([truth == 4001]), np.array([39]), np.ones(1), truth, "s")
    assert set(metric.compute()["ap"]) == {"table", "door"}


@given(hnp.arrays(np.int8, 60, elements=st.integers(-1, 5)), hnp.arrays(np.int8, 60, elements=st.integers(-1, 6)))
def test_whole_objects_as_uniseg3d_takes_them(classes, objects):
    """The instances are those that the model is trained with, the class is that of the first point on a thing."""
    labels = {"semantic20": classes.astype(np.int16), "instance": objects.astype(np.int32)}
    codes = get_benchmark("uniseg3d").true_instances(labels)
    truth = superpoint_truth(classes.astype(np.int64), objects.astype(np.int64), np.arange(60), 60)
    inside = truth.instance >= 0
    assert np.array_equal(codes > 0, inside)
    things = get_benchmark("uniseg3d").things
    for row in np.unique(truth.instance[inside]):
        code = np.unique(codes[truth.instance == row])
        assert len(code) == 1
        assert code[0] // 1000 == things[truth.labels[row]].id
    assert len(np.unique(codes[inside])) == len(truth.objects)


def test_truth_of_a_prepared_scene():
    benchmark = get_benchmark("scannet200")
    labels = {
        "semantic200": np.array([1, 1, -1, 0, 1], np.int16),
        "instance": np.array([0, 7, 3, 2, -1], np.int32),
    }
    assert benchmark.true_instances(labels).tolist() == [2001, 2008, 0, 1003, 0]
    assert benchmark.true_classes(labels).tolist() == [2, 2, 0, 1, 2]
    labels["instance"] = labels["instance"] * 1000
    assert benchmark.true_instances(labels).tolist() == [2001, 2004, 0, 1002, 0]
    many = {"semantic200": np.ones(1000, np.int16), "instance": np.arange(1000)}
    with pytest.raises(InputError, match="999 objects"):
        benchmark.true_instances(many)
    with pytest.raises(InputError, match="'instance'"):
        benchmark.true_instances({"semantic200": labels["semantic200"]})
    with pytest.raises(InputError, match="'semantic20'"):
        get_benchmark("scannet").true_instances(labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": np.zeros((2, 5), bool)}, "bits over 4 points, got 5"),
        ({"masks": np.zeros((2, 4), np.uint8)}, "bool"),
        ({"masks": np.zeros(4, bool)}, "bool"),
        ({"labels": np.zeros(3, int)}, "2 labels"),
        ({"labels": np.zeros(2)}, "whole numbers"),
        ({"scores": np.zeros((2, 1))}, "2 scores"),
        ({"scores": np.array([0.5, np.nan])}, "finite scores, got nan"),
        ({"truth": np.zeros(4)}, "one whole number per point"),
        ({"truth": np.zeros((4, 1), int)}, "one whole number per point"),
        ({"index": np.zeros(3, int)}, "index int \\[4\\]"),
        ({"index": np.array([0, 1, 2, 4])}, "-1..3"),
    ],
)
def test_bad_input(change, message):
    given_ = {
        "masks": np.zeros((2, 4), bool),
        "labels": np.zeros(2, int),
        "scores": np.zeros(2),
        "truth": np.zeros(4, int),
    } | change
    with pytest.raises(InputError, match=message):
        InstanceMetric().update(scene_id="s", **given_)


def _rank(rank, port, queue):
    import torch.distributed as dist

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    metric = InstanceMetric(min_region=3)
    for number in range(rank, 5, 2):
        s = random_scene(number, 80, 9)
        metric.update(s.masks, s.labels, s.scores, s.truth, f"scene{number}")
    queue.put(metric.sync().compute())
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_gloo_processes():
    whole = filled([random_scene(number, 80, 9) for number in range(5)], min_region=3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_rank, args=(rank, port, queue)) for rank in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=200) for _ in processes]
    for process in processes:
        process.join()
    assert results == [whole.compute()] * 2
