import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.speed.plain_scores import make_scene
from saymask.data.scenes import save_scene, scene_path
from saymask.errors import InputError
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.instance import InstanceMetric
from saymask.metrics.overlap import count_overlaps, read_true_instances
from saymask.metrics.semantic import SemanticMetric
from saymask.metrics.submission import (
    ListedMask,
    add_instance_file,
    count_listed,
    read_ids,
    read_list,
    score_submission,
    write_instances,
    write_semantic,
)
from saymask.scan import Scan


@pytest.fixture
def data(tmp_path):
    """A prepared folder with two scenes of ScanNet200 labels; returns (folder, {scene: predictions})."""
    folder, scenes = tmp_path / "data", {}
    benchmark = get_benchmark("scannet200")
    for seed, name in enumerate(("scene0001_00", "scene0002_00")):
        scene = make_scene(6000 + seed, 12, 40, seed)
        instance = np.where(scene.truth > 0, scene.truth % 1000 - 1, -1)
        scan = Scan(
            points=np.random.default_rng(seed).random((len(instance), 3), np.float32),
            colors=np.zeros((len(instance), 3), np.uint8),
            labels={
                "semantic200": benchmark.indices(scene.truth // 1000).astype(np.int16),
                "instance": instance.astype(np.int32),
            },
            name=name,
        )
        save_scene(scene_path(folder, name), scan, objects={})
        scenes[name] = scene
    (folder / "manifest.json").write_text(json.dumps({"splits": {"val": list(scenes), "train": []}}))
    return folder, scenes


def test_instances_from_a_folder_score_as_from_memory(data, tmp_path):
    folder, scenes = data
    metric = InstanceMetric()
    for name, s in scenes.items():
        write_instances(tmp_path / "out", name, s.masks, s.labels, s.scores)
        metric.update(s.masks, s.labels, s.scores, s.truth, name)
    result = score_submission(tmp_path / "out", folder, task="instances")
    assert result == metric.compute()
    assert 0.05 < result["overall"]["ap50"] < 1
    one = score_submission(tmp_path / "out", folder, task="instances", scenes=["scene0002_00"])
    assert one["overall"] != result["overall"]


def test_semantics_from_a_folder_score_as_from_memory(data, tmp_path):
    folder, scenes = data
    metric, rng = SemanticMetric(), np.random.default_rng(0)
    for name, s in scenes.items():
        true = s.truth // 1000
        predicted = np.where(rng.random(len(true)) < 0.8, true, rng.choice([2, 4, 77777, 0], len(true)))
        write_semantic(tmp_path / "out", name, predicted)
        metric.update(predicted, true, name)
    result = score_submission(tmp_path / "out", folder, task="semantic")
    assert result == metric.compute()
    assert 0.3 < result["overall"]["miou_present"] < 1


def test_written_files_are_those_of_the_benchmark(tmp_path):
    masks = np.array([[True, False, True], [False, False, True]])
    path = write_instances(tmp_path, "s", masks, np.array([4, 1191]), np.array([0.123456789, -3.5]))
    assert path.read_text() == "predicted_masks/s_000.txt 4 0.123456789\npredicted_masks/s_001.txt 1191 -3.5\n"
    assert (tmp_path / "predicted_masks/s_000.txt").read_text() == "1\n0\n1\n"
    path = write_instances(tmp_path, "s", masks, np.array([4, 5]), np.array([0.123456789, 1.0]), decimals=4)
    assert path.read_text().splitlines()[0] == "predicted_masks/s_000.txt 4 0.1235"
    assert write_semantic(tmp_path / "semantic", "s", np.array([2, 0, 1191], np.int16)).read_text() == "2\n0\n1191\n"


def test_superpoint_masks_are_spread(tmp_path):
    bits, index = np.array([[True, False]]), np.array([1, 0, -1, 0])
    write_instances(tmp_path, "s", bits, np.array([4]), np.ones(1), index=index)
    assert read_ids(tmp_path / "predicted_masks/s_000.txt").tolist() == [0, 1, 0, 1]


def test_a_shorter_list_removes_what_it_does_not_name(tmp_path):
    masks = np.ones((3, 4), bool)
    write_instances(tmp_path, "s", masks, np.full(3, 4), np.ones(3))
    (tmp_path / "predicted_masks/s_long_000.txt").write_text("1\n")  # of another scene
    write_instances(tmp_path, "s", masks[:1], np.full(1, 4), np.ones(1))
    assert sorted(p.name for p in (tmp_path / "predicted_masks").iterdir()) == ["s_000.txt", "s_long_000.txt"]
    assert write_instances(tmp_path, "s", masks[:0], np.zeros(0, int), np.zeros(0)).read_text() == ""
    assert read_list(tmp_path / "s.txt") == []


def test_a_failed_run_leaves_no_list(tmp_path, monkeypatch):
    masks = np.ones((2, 4), bool)
    write_instances(tmp_path, "s", masks, np.full(2, 4), np.ones(2))

    def full(text):
        raise OSError("no space left on device")

    monkeypatch.setattr("saymask.metrics.submission._mask_text", full)
    with pytest.raises(OSError, match="no space"):
        write_instances(tmp_path, "s", masks, np.full(2, 4), np.ones(2))
    assert not (tmp_path / "s.txt").exists()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(10**17), 10**17), max_size=30),
    st.sampled_from(["\n", "\r\n", " \n", "\t\n"]),
    st.sampled_from(["", " ", "+"]),
    st.booleans(),
)
def test_numbers_are_read_as_numpy_reads_them(tmp_path_factory, values, end, before, last):
    path = tmp_path_factory.getbasetemp() / "ids.txt"
    text = end.join(f"{before if before != '+' or v >= 0 else ''}{v}" for v in values)
    path.write_bytes((text + (end if last and values else "")).encode())
    assert read_ids(path).tolist() == values


@pytest.mark.parametrize("line", ["", "1.5", "chair", "1 2", "-", "1" * 19, "0x1"])
def test_lines_that_are_no_number_are_named(tmp_path, line):
    path = tmp_path / "ids.txt"
    path.write_text(f"4\n5\n{line}\n6\n")
    with pytest.raises(InputError, match="line 3: expected one whole number"):
        read_ids(path)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from(["\n", "\r\n"]), st.sampled_from([1, 7, 12, 255]))
def test_mask_files_of_any_form_are_counted(tmp_path_factory, seed, points, end, inside):
    folder = tmp_path_factory.getbasetemp()
    rng = np.random.default_rng(seed)
    truth = read_true_instances(rng.choice([4001, 5001, 0], points), np.array([4, 5]))
    masks = rng.random((3, points)) < np.array([[0.1], [0.5], [0.95]])
    listed = []
    for number, mask in enumerate(masks):
        path = folder / f"mask_{number}.txt"
        text = end.join(str(inside) if bit else "0" for bit in mask)
        path.write_bytes((text + (end if points and rng.random() < 0.7 else "")).encode())
        listed.append(ListedMask(path, 4, 1.0))
    np.testing.assert_array_equal(count_listed(listed, truth), count_overlaps(masks, truth))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("predicted_masks/s_000.txt 4", "expected 'mask file, class id, score'"),
        ("predicted_masks/s_000.txt chair 0.5", "expected 'mask file, class id, score'"),
        ("predicted_masks/s_000.txt 4.5 0.5", "expected 'mask file, class id, score'"),
        ("predicted_masks/s_000.txt 4 nan", "expected 'mask file, class id, score'"),
        ("predicted_masks/s_000.txt inf 0.5", "expected 'mask file, class id, score'"),
        ("", "expected 'mask file, class id, score'"),
        ("../s_000.txt 4 0.5", "inside the folder"),
        ("predicted_masks/../../s_000.txt 4 0.5", "inside the folder"),
        ("/s_000.txt 4 0.5", "inside the folder"),
        ("predicted_masks/./one.txt 4 0.5", "listed twice"),
    ],
)
def test_bad_lists(tmp_path, line, message):
    path = tmp_path / "s.txt"
    path.write_text(f"predicted_masks/one.txt 4 0.5\n{line}\n")
    with pytest.raises(InputError, match=f"line 2: .*{message}"):
        read_list(path)


def test_bad_masks(tmp_path):
    truth = np.full(4, 4001)
    write_instances(tmp_path, "s", np.ones((1, 3), bool), np.array([4]), np.ones(1))
    with pytest.raises(InputError, match="each of 4 points, got 3"):
        add_instance_file(InstanceMetric(), tmp_path / "s.txt", truth, "s")
    (tmp_path / "predicted_masks/s_000.txt").write_text("1\nx\n0\n1\n")
    with pytest.raises(InputError, match="line 2"):
        add_instance_file(InstanceMetric(), tmp_path / "s.txt", truth, "s")
    (tmp_path / "predicted_masks/s_000.txt").unlink()
    with pytest.raises(InputError, match="cannot read"):
        add_instance_file(InstanceMetric(), tmp_path / "s.txt", truth, "s")


def test_bad_folders(data, tmp_path):
    folder, _ = data
    out = tmp_path / "out"
    write_semantic(out, "scene0001_00", np.zeros(6000, int))
    with pytest.raises(InputError, match="2 scenes, 1 are missing: scene0002_00"):
        score_submission(out, folder, task="semantic")
    with pytest.raises(InputError, match="split of val, train"):
        score_submission(out, folder, task="semantic", split="test")
    write_semantic(out, "scene0002_00", np.zeros(5999, int))
    with pytest.raises(InputError, match="6,001 points, got 5,999"):
        score_submission(out, folder, task="semantic")
    with pytest.raises(InputError, match="semantic or instance"):
        score_submission(out, folder, task="panoptic")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'semantic20'"):
        score_submission(out, folder, task="semantic", protocol="scannet")


def test_bad_arrays(tmp_path):
    with pytest.raises(InputError, match="int \\[N\\]"):
        write_semantic(tmp_path, "s", np.zeros(3))
    masks = np.ones((2, 3), bool)
    with pytest.raises(InputError, match="M labels"):
        write_instances(tmp_path, "s", masks, np.zeros(1, int), np.zeros(2))
    with pytest.raises(InputError, match="finite scores"):
        write_instances(tmp_path, "s", masks, np.zeros(2, int), np.array([1, np.inf]))
    assert not any(tmp_path.iterdir())
