import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.ply import read_ply, write_ply
from saymask.io.rle import decode_rle, encode_rle
from saymask.masks import Masks, check_format
from saymask.render.palette import HIGHLIGHT
from saymask.scan import Scan
from tests.io.rooms import furnished_room


def small_scan(n=50):
    rng = np.random.default_rng(0)
    return Scan(rng.random((n, 3), np.float32), rng.integers(0, 256, (n, 3)).astype(np.uint8), name="small")


def two_masks(scan, seed=0):
    rng = np.random.default_rng(seed)
    support = rng.random((2, 9)) < 0.4
    index = rng.integers(-1, 9, len(scan))
    return Masks(scan, support, index, np.array([0.4, 0.9], np.float32), ("a chair", "a table"), np.array([3, 5]))


def test_support_bits_spread_to_points():
    scan = small_scan()
    masks = two_masks(scan)
    expected = np.array([[i >= 0 and bits[i] for i in masks.index] for bits in masks.support])
    np.testing.assert_array_equal(masks.dense, expected)
    for i in range(2):
        np.testing.assert_array_equal(masks.points(i), expected[i])
        np.testing.assert_array_equal(masks.original(i), expected[i])
        assert masks.count(i) == expected[i].sum()
        low, high = masks.box(i)
        np.testing.assert_array_equal(low, scan.points[expected[i]].min(0))
        np.testing.assert_array_equal(high, scan.points[expected[i]].max(0))
    np.testing.assert_array_equal(masks.union(), expected.any(0))
    assert len(masks) == 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(0, 7), st.integers(0, 10**6))
def test_best_and_disjoint_follow_the_points(m, s, seed):
    rng = np.random.default_rng(seed)
    scan, index = small_scan(), rng.integers(-1, s, 50)
    scores = rng.integers(0, 3, m).astype(np.float32) / 2  # with ties
    masks = Masks(scan, rng.random((m, s)) < 0.25, index, scores, ("x",) * m)
    best = np.full(50, -1)
    for i in np.argsort(scores, kind="stable"):
        best[masks.points(i)] = i
    np.testing.assert_array_equal(masks.best, best)
    assert masks.best.dtype == np.int32
    assert masks.disjoint == bool((masks.dense.sum(0) <= 1).all())


def test_rows_without_points_do_not_overlap():
    scan = small_scan()
    masks = Masks(scan, np.array([[1, 0, 1], [0, 1, 1]], bool), np.arange(50) % 2, np.ones(2), ("a", "b"))
    assert masks.disjoint


def test_no_masks_and_no_support_are_fine():
    scan = small_scan()
    for s in (0, 4):
        index = np.full(50, -1) if s == 0 else np.zeros(50, int)
        masks = Masks(scan, np.zeros((0, s), bool), index, np.zeros(0, np.float32), (), message="no object fits")
        assert len(masks) == 0
        assert masks.dense.shape == (0, 50)
        assert not masks.union().any()
        assert masks.to_json()["masks"] == []
    empty = Masks.from_points(scan, np.zeros(50, bool))
    assert empty.count(0) == 0
    assert np.array(empty.box(0)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"support": np.zeros((2, 9))}, "bool"),
        ({"index": np.zeros(49, int)}, "index has 49 rows for 50 points"),
        ({"index": np.full(50, 9)}, r"-1\.\.8"),
        ({"scores": np.zeros(3)}, "3 scores for 2 masks"),
        ({"names": ("a",)}, "1 names for 2 masks"),
        ({"labels": np.zeros(1, int)}, "1 labels for 2 masks"),
    ],
)
def test_parts_that_do_not_fit(change, words):
    scan = small_scan()
    good = {"support": np.zeros((2, 9), bool), "index": np.zeros(50, int), "scores": np.zeros(2), "names": ("a", "b")}
    with pytest.raises(InputError, match=words):
        Masks(scan, **(good | change))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=80))
def test_run_lengths_round_trip(bits):
    mask = np.array(bits, bool)
    counts = encode_rle(mask)
    np.testing.assert_array_equal(decode_rle(counts, len(mask)), mask)
    assert all(c > 0 for c in counts[1:])
    with pytest.raises(InputError, match="add up"):
        decode_rle([*counts, 1], len(mask))


def loaded_room(folder, suffix="ply", extra=True):
    """A room with NaN points, duplicates, faces and columns of many types, loaded from a file."""
    points, colors, _ = furnished_room(3, density=60)
    rng = np.random.default_rng(0)
    points[rng.choice(100, 20, replace=False)] = np.nan
    points, colors = np.concatenate([points, points[:50]]), np.concatenate([colors, colors[:50]])
    n = len(points)
    columns = {"x": points[:, 0], "y": points[:, 1], "z": points[:, 2]}
    columns |= {"quality": rng.random(n), "red": colors[:, 0], "green": colors[:, 1], "blue": colors[:, 2]}
    columns |= {"id": rng.integers(0, 2**31 - 1, n).astype(np.int32), "flag": rng.integers(0, 256, n).astype(np.uint8)}
    path = folder / f"room.{suffix}"
    if suffix == "ply":
        near = KDTree(np.nan_to_num(points)).query(points[100:140], k=3)[1]  # small triangles, or they would be sampled
        write_ply(path, columns, near, ["made by hand"])
    else:
        np.savez(path, xyz=points, rgb=colors, id=columns["id"], word=np.array(["kept"]))
    scan = load_scan(path, quiet=True, up="z")
    masks = Masks.from_points(
        scan, rng.random((3, len(scan))) < [[0.3], [0.1], [0.2]], scores=[0.2, 0.9, 0.5], names=("a b", "ü", "c")
    )
    return scan, masks, columns


@pytest.mark.parametrize("source", ["ply", "npz"])
@pytest.mark.parametrize("target", [".ply", ".npz", ".las", ".laz"])
def test_saved_files_hold_the_input_and_the_masks(tmp_path, source, target):
    if target in (".las", ".laz"):
        pytest.importorskip("laspy")
    scan, masks, columns = loaded_room(tmp_path, source)
    assert masks.save(tmp_path / f"out{target}") == tmp_path / f"out{target}"
    again = load_scan(tmp_path / f"out{target}", quiet=True, up="z")
    assert again.n_original == scan.n_original
    finite = np.isfinite(columns["x"])
    old, new = scan.source.index[finite], again.source.index[finite]
    tolerance = 1e-4 if target in (".las", ".laz") else 0
    np.testing.assert_allclose(again.points[new], scan.points[old], atol=tolerance)
    np.testing.assert_array_equal(again.colors[new], scan.colors[old])
    saved = again.source.columns
    expected = np.full(scan.n_original, -1)
    for i in (0, 2, 1):  # by rising score
        np.testing.assert_array_equal(saved[f"mask_{i}"], masks.original(i))
        expected[masks.original(i)] = i
    np.testing.assert_array_equal(saved["mask_id"], expected)
    np.testing.assert_array_equal(saved["id"], columns["id"])
    if source == target[1:] == "ply":
        assert list(saved) == [*columns, "mask_0", "mask_1", "mask_2", "mask_id"]
        for name, values in columns.items():
            np.testing.assert_array_equal(saved[name], values)
            assert saved[name].dtype == values.dtype
        np.testing.assert_array_equal(again.source.faces, scan.source.faces)
        assert again.source.extra["comments"][0] == "made by hand"
        assert again.source.extra["comments"][2] == "saymask mask_1 score=0.900000 name=ü"
    if target == ".npz":
        with np.load(tmp_path / "out.npz") as archive:
            np.testing.assert_allclose(archive["mask_scores"], masks.scores)
            assert archive["mask_names"].tolist() == ["a b", "ü", "c"]
            assert source != "npz" or archive["word"].tolist() == ["kept"]


@pytest.mark.parametrize("suffix", [".ply", ".npz"])
def test_saving_twice_replaces_the_old_mask_columns(tmp_path, suffix):
    _, masks, _ = loaded_room(tmp_path)
    masks.save(tmp_path / f"out{suffix}")
    again = load_scan(tmp_path / f"out{suffix}", quiet=True, up="z")
    one = Masks.from_points(again, np.arange(len(again)) < 7)
    one.save(tmp_path / f"out{suffix}")
    last = load_scan(tmp_path / f"out{suffix}", quiet=True, up="z")
    assert [c for c in last.source.columns if c.startswith("mask")] == ["mask_0", "mask_id"]
    np.testing.assert_array_equal(last.source.columns["mask_0"], one.original(0))


def semantic_masks(scan):
    """A result with labels whose masks do not overlap, and what the label of every point of the file is."""
    kind = np.random.default_rng(5).integers(-1, 3, len(scan))
    bits, labels = kind == np.array([[0], [1], [2]]), np.array([7, 1163, 39])
    masks = Masks.from_points(scan, bits, scores=[0.9, 0.8, 0.3], names=("sofa", "object", "x y"), labels=labels)
    wanted = np.append(labels, 0)[kind]
    return masks, wanted if scan.source is None else np.append(wanted, 0)[scan.source.index]


TARGETS = [".ply", ".npz", ".las", ".laz"]


def columns_of(path):
    scan = load_scan(path, quiet=True, up="z")
    assert scan.source is not None
    return scan, scan.source.columns


@pytest.mark.parametrize("target", TARGETS)
def test_disjoint_masks_with_labels_need_two_columns(tmp_path, target):
    if target in (".las", ".laz"):
        pytest.importorskip("laspy")
    scan, _, columns = loaded_room(tmp_path)
    masks, label = semantic_masks(scan)
    masks.save(tmp_path / f"out{target}")
    again, saved = columns_of(tmp_path / f"out{target}")
    assert [c for c in saved if c not in scan.source.columns and ("mask" in c or "label" in c)] == ["mask_id", "label"]
    np.testing.assert_array_equal(saved["label"], label)
    assert saved["label"].dtype == np.int32
    np.testing.assert_array_equal(np.append([7, 1163, 39], 0)[saved["mask_id"]], label)
    np.testing.assert_array_equal(saved["id"], columns["id"])
    if target == ".ply":
        assert "saymask mask_1 score=0.800000 label=1163 name=object" in again.source.extra["comments"]
    if target == ".npz":
        with np.load(tmp_path / "out.npz") as archive:
            assert archive["mask_labels"].tolist() == [7, 1163, 39]
            assert archive["mask_names"].tolist() == ["sofa", "object", "x y"]
            np.testing.assert_allclose(archive["mask_scores"], masks.scores)


@pytest.mark.parametrize("target", TARGETS)
def test_overlapping_masks_with_labels_keep_their_columns(tmp_path, target):
    if target in (".las", ".laz"):
        pytest.importorskip("laspy")
    masks = loaded_room(tmp_path)[1]
    masks = replace(masks, labels=np.array([5, 2, 5]))
    masks.save(tmp_path / f"out{target}")
    _, saved = columns_of(tmp_path / f"out{target}")
    assert [c for c in saved if c.startswith("mask_")] == ["mask_0", "mask_1", "mask_2", "mask_id"]
    for i in range(3):
        np.testing.assert_array_equal(saved[f"mask_{i}"], masks.original(i))
    np.testing.assert_array_equal(saved["label"], np.array([5, 2, 5, 0])[saved["mask_id"]])


@pytest.mark.parametrize("target", TARGETS)
def test_results_follow_each_other_in_one_file(tmp_path, target):
    """With labels, without, overlapping, disjoint: every result replaces the one before and nothing else."""
    if target in (".las", ".laz"):
        pytest.importorskip("laspy")
    scan, _, columns = loaded_room(tmp_path)
    path = tmp_path / f"out{target}"
    semantic_masks(scan)[0].save(path)
    again, old = columns_of(path)
    Masks.from_points(again, np.arange(len(again)) < 7).save(path)
    again, saved = columns_of(path)
    assert set(saved) == set(old) - {"label"} | {"mask_0"}
    assert path.suffix != ".npz" or "mask_labels" not in again.source.extra["arrays"]
    masks, label = semantic_masks(again)
    masks.save(path)
    again, saved = columns_of(path)
    assert set(saved) == set(old)
    np.testing.assert_array_equal(saved["label"], label)
    both = Masks.from_points(again, np.ones((2, len(again)), bool), labels=np.array([4, 6]))
    both.save(path)
    both.save(path)  # the scan in memory is as it was
    _, saved = columns_of(path)
    assert set(saved) == set(old) | {"mask_0", "mask_1"}
    np.testing.assert_array_equal(saved["id"], columns["id"])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["label", "Label"])
def test_a_label_column_of_the_users_own_is_kept(tmp_path, target, name):
    if target in (".las", ".laz"):
        pytest.importorskip("laspy")
    scan, _, columns = loaded_room(tmp_path)
    theirs = np.random.default_rng(3).integers(0, 9, scan.n_original).astype(np.int32)
    write_ply(tmp_path / "theirs.ply", {**columns, name: theirs, "instance": theirs + 1}, None, [])
    path = tmp_path / f"out{target}"
    scan, _ = columns_of(tmp_path / "theirs.ply")
    for make in (semantic_masks, lambda s: (Masks.from_points(s, np.arange(len(s)) < 9), None), semantic_masks):
        masks, label = make(scan)
        masks.save(path)
        scan, saved = columns_of(path)
        np.testing.assert_array_equal(saved[name], theirs)
        np.testing.assert_array_equal(saved["instance"], theirs + 1)
        assert ("mask_label" in saved) == (label is not None)
        if label is not None:
            np.testing.assert_array_equal(saved["mask_label"], label)


def test_a_label_column_that_the_result_equals_is_kept(tmp_path):
    """The worst case: what the user had is exactly what the model says."""
    scan, _, columns = loaded_room(tmp_path)
    masks, label = semantic_masks(scan)
    write_ply(tmp_path / "a.ply", {**columns, "label": label.astype(np.int32)}, None, [])
    for _ in range(2):
        scan, _ = columns_of(tmp_path / "a.ply")
        replace(masks, scan=scan).save(tmp_path / "a.ply")
        _, saved = columns_of(tmp_path / "a.ply")
        np.testing.assert_array_equal(saved["label"], label)
        np.testing.assert_array_equal(saved["mask_label"], label)


def test_results_without_masks_but_with_labels(tmp_path):
    scan, _, _ = loaded_room(tmp_path)
    for _ in range(2):
        none = np.zeros((0, 1), bool), np.zeros(len(scan), int), np.zeros(0, np.float32), (), np.zeros(0, np.int64)
        nothing = Masks(scan, *none)
        nothing.save(tmp_path / "a.ply", colored=True)
        scan, saved = columns_of(tmp_path / "a.ply")
        assert (saved["mask_id"] == -1).all()
        assert (saved["label"] == 0).all()
        assert "mask_label" not in saved
    nothing.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        assert archive["mask_labels"].shape == (0,)


def test_labels_are_in_the_report(tmp_path):
    scan, _, _ = loaded_room(tmp_path)
    masks, _ = semantic_masks(scan)
    entries = masks.to_json()["masks"]
    assert [(e["name"], e["label"]) for e in entries] == [("sofa", 7), ("object", 1163), ("x y", 39)]
    masks.save(tmp_path / "a.json")
    saved = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["masks"]
    assert [e["label"] for e in saved] == [7, 1163, 39]
    np.testing.assert_array_equal(decode_rle(saved[1]["counts"], scan.n_original), masks.original(1))


def test_json_holds_run_lengths_over_the_original_points(tmp_path):
    scan, masks, _ = loaded_room(tmp_path)
    masks.save(tmp_path / "out.json")
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert report["format"] == "saymask-rle-1"
    assert report["points"] == scan.n_original
    assert report["file"] == "room.ply"
    for i, entry in enumerate(report["masks"]):
        np.testing.assert_array_equal(decode_rle(entry["counts"], scan.n_original), masks.original(i))
        assert entry["points"] == masks.original(i).sum()
        assert entry["name"] == masks.names[i]


def test_colours_are_kept_unless_they_are_to_be_painted(tmp_path):
    _, masks, columns = loaded_room(tmp_path)
    masks.save(tmp_path / "plain.ply")
    masks.save(tmp_path / "painted.ply", colored=True)
    plain, painted = read_ply(tmp_path / "plain.ply"), read_ply(tmp_path / "painted.ply")
    np.testing.assert_array_equal(plain.columns["red"], columns["red"])
    marked = plain.columns["mask_id"] >= 0
    assert (painted.colors[marked] != plain.colors[marked]).any(1).all()
    same = ~marked & np.isfinite(columns["x"])
    np.testing.assert_array_equal(painted.colors[same], plain.colors[same])


@pytest.mark.parametrize("target", [".ply", ".las"])
def test_labelled_masks_are_painted_in_their_class_colours(tmp_path, target):
    if target == ".las":
        pytest.importorskip("laspy")
    scan, _, columns = loaded_room(tmp_path)
    bits = np.arange(len(scan)) % 5 == np.array([[0], [1], [2], [3]])
    names, labels = ("wall", "chair", "chair", "a thing"), np.array([1, 2, 2, 9000])
    masks = Masks.from_points(scan, bits, scores=[0.9, 0.8, 0.7, 0.6], names=names, labels=labels)
    masks.save(tmp_path / f"a{target}", colored=True)
    again, saved = columns_of(tmp_path / f"a{target}")
    colors = [np.unique(again.colors[again.source.index][saved["mask_id"] == i], axis=0) for i in range(4)]
    assert all(len(c) == 1 for c in colors)
    assert colors[0][0].tolist() == [174, 199, 232]  # ScanNet's
    assert colors[1][0].tolist() == [188, 189, 34]
    assert (colors[1] != colors[2]).any()
    assert colors[3][0].tolist() == HIGHLIGHT[0].astype(int).tolist()
    kept = (saved["mask_id"] < 0) & np.isfinite(columns["x"])
    np.testing.assert_array_equal(again.colors[again.source.index][kept][:, 0], columns["red"][kept])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 4), st.sampled_from([".ply", ".npz", ".json"]))
def test_any_masks_of_a_scan_without_a_file_round_trip(tmp_path_factory, seed, m, suffix):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(100, 300))
    scan = Scan((rng.random((n, 3)) * 3).astype(np.float32), rng.integers(0, 256, (n, 3)).astype(np.uint8))
    dense = rng.random((m, n)) < 0.5
    masks = Masks(scan, dense, np.arange(n), rng.random(m).astype(np.float32), ("x",) * m)
    path = tmp_path_factory.mktemp("masks") / f"a{suffix}"
    masks.save(path)
    if suffix == ".json":
        entries = json.loads(path.read_text())["masks"]
        saved = [decode_rle(e["counts"], n) for e in entries]
    else:
        columns = load_scan(path, quiet=True, up="z").source.columns
        saved = [columns[f"mask_{i}"].astype(bool) for i in range(m)]
    assert len(saved) == m
    for got, wanted in zip(saved, dense):
        np.testing.assert_array_equal(got, wanted)


def test_paths_that_cannot_be_written(tmp_path):
    masks = two_masks(small_scan())
    with pytest.raises(InputError, match=r"expected a suffix of \.ply"):
        masks.save(tmp_path / "a.docx")
    with pytest.raises(InputError, match="got none"):
        check_format(tmp_path / "a")
    (tmp_path / "b.ply").mkdir()
    with pytest.raises(InputError, match="folder"):
        masks.save(tmp_path / "b.ply")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a folder"):
        masks.save(tmp_path / "file" / "a.ply")


def test_a_failing_save_leaves_the_old_file(tmp_path, monkeypatch):
    masks = two_masks(small_scan())
    masks.save(tmp_path / "a.ply")
    before = (tmp_path / "a.ply").read_bytes()

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("saymask.io.ply.write_ply", full)
    with pytest.raises(InputError, match=r"No space left.*unchanged"):
        masks.save(tmp_path / "a.ply")
    assert (tmp_path / "a.ply").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.ply"]


def test_importing_scans_and_masks_is_light():
    heavy = ("torch", "numba", "scipy", "trimesh", "PIL")
    code = f"import sys, saymask.scan, saymask.masks; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
