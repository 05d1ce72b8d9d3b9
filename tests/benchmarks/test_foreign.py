"""The development set's views and figures, on a world of two boxes that is written here."""

import json

import numpy as np
import pytest

from benchmarks.foreign import absent_names, auroc, main, mean, table
from benchmarks.foreign_worlds import SPACING, load_world, world_names
from saymask.errors import InputError


def square(corner, u, v) -> np.ndarray:
    corner, u, v = (np.asarray(x, float) for x in (corner, u, v))
    return np.stack([corner, corner + u, corner + v, corner + u + v])


@pytest.fixture
def worlds(tmp_path):
    """A floor of 4 m, a wall, a bed of one square and a blanket that lies on it; the bed's back is never visible."""
    parts = [
        (square((0, 0, 0), (4, 0, 0), (0, 4, 0)), 0),
        (square((0, 0, 0), (4, 0, 0), (0, 0, 2.5)), 1),
        (square((1, 2, 0.5), (2, 0, 0), (0, 1, 0)), 2),
        (square((1, 2, 0.55), (1, 0, 0), (0, 1, 0)), 3),
        (square((1, 2, 0.2), (2, 0, 0), (0, 1, 0)), 2),
    ]
    vertices = np.concatenate([p for p, _ in parts]).astype(np.float32)
    faces = np.concatenate([np.array([[0, 1, 2], [1, 3, 2]]) + 4 * k for k in range(len(parts))]).astype(np.int32)
    instance = np.repeat([i for _, i in parts], 4).astype(np.int16)
    np.savez(
        tmp_path / "flat.npz", vertices=vertices, faces=faces, instance=instance,
        colors=np.full((len(vertices), 3), 90, np.uint8), visible=np.arange(len(vertices)) < 16,
    )  # fmt: skip
    kinds = {0: ("floor", 2), 1: ("wall", 1), 2: ("bed", 4), 3: ("blanket", 40)}
    things = {str(i): {"label": label, "nyu40": nyu} for i, (label, nyu) in kinds.items()}
    (tmp_path / "flat.json").write_text(json.dumps({"instances": things}))
    sentences = [
        {"sentence": "the bed", "instances": [2], "may_be_included": [3]},
        {"sentence": "the piano", "instances": []},
        {"sentence": "bed and blanket", "instances": [2, 3]},
    ]
    (tmp_path / "flat.sentences.json").write_text(json.dumps({"sentences": sentences}))
    return tmp_path


def test_a_surface_is_sampled_by_area_and_where_it_is_visible(worlds):
    assert world_names(worlds) == ["flat"]
    world = load_world(worlds, "flat", "surface")
    counts = np.bincount(world.scan.labels["instance"])
    np.testing.assert_allclose(counts / counts[0], np.array([16, 10, 2, 1]) / 16, rtol=0.08)
    assert abs(counts[0] * SPACING**2 / 16 - 1) < 0.1
    assert world.scan.points[world.scan.labels["instance"] == 2, 2].min() > 0.4
    assert set(world.scan.labels["semantic20"].tolist()) == {-1, 0, 1, 3}
    assert [a.sentence for a in world.single] == ["the bed"]
    assert [a.eval_type for a in world.any_number] == ["st_wo_d", "zt_wo_d", "mt"]
    assert world.optional["the bed"] == (3,)
    assert world.objects == {0: "floor", 1: "wall", 2: "bed", 3: "blanket"}


def test_a_walk_sees_a_part_of_it_and_repeats_itself(worlds):
    surface, walk = load_world(worlds, "flat", "surface"), load_world(worlds, "flat", "handheld")
    again = load_world(worlds, "flat", "handheld")
    assert 0.1 * len(surface.scan) < len(walk.scan) < 0.95 * len(surface.scan)
    np.testing.assert_array_equal(walk.scan.points, again.scan.points)
    high = surface.scan.points[:, 2] > 2.3
    assert (walk.scan.points[:, 2] > 2.3).sum() < 0.5 * high.sum()
    left = {a.sentence for a in walk.any_number}
    assert "the piano" in left


def test_a_recording_shows_a_world_of_small_triangles(worlds):
    with np.load(worlds / "flat.npz") as file:
        data = dict(file)
    corners, owner = data["vertices"][data["faces"]], data["instance"][data["faces"][:, 0]]
    for _ in range(6):  # each triangle becomes four
        a, b, c = corners.transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        corners = np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
        owner = np.tile(owner, 4)
    data |= {
        "vertices": corners.reshape(-1, 3), "faces": np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3),
        "instance": np.repeat(owner, 3), "visible": np.ones(3 * len(corners), bool),
        "colors": np.full((3 * len(corners), 3), 90, np.uint8),
    }  # fmt: skip
    np.savez(worlds / "flat.npz", **data)
    scan = load_world(worlds, "flat", "rgbd").scan
    assert len(scan) > 10_000
    floor = scan.points[scan.labels["instance"] == 0]
    assert abs(np.median(floor[:, 2])) < 0.02
    assert floor[:, 2].std() > 0.002
    np.testing.assert_array_equal(scan.points, load_world(worlds, "flat", "rgbd").scan.points)


def test_absent_names_are_not_there():
    names = absent_names(["office chair", "wall", "trash can"])
    assert len(names) == 20
    assert not any({"chair", "wall", "trash", "can", "office"} & set(name.split()) for name in names)
    assert absent_names(["wall"]) == absent_names(["wall"])


def test_auroc_counts_pairs():
    assert auroc([0.9, 0.8], [0.1]) == 1
    assert auroc([0.1], [0.9, 0.8]) == 0
    assert auroc([0.5], [0.5]) == 0.5


def test_figures_that_a_world_lacks_are_left_out_of_the_mean():
    rows = [{"click": 10.0, "refer": 20.0}, {"click": 30.0}]
    assert mean(rows) == {"click": 20.0, "refer": 20.0}
    assert "| a | " in table("title", {"a": rows[0]})


def test_unknown_views_and_empty_folders_are_said(worlds, tmp_path):
    with pytest.raises(InputError, match="view: expected"):
        load_world(worlds, "flat", "satellite")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="found none"):
        world_names(empty)


@pytest.mark.slow
def test_a_result_has_its_sentences_and_its_origin(worlds, tmp_path, capsys):
    main(["--worlds", str(worlds), "--views", "surface", "--json", str(tmp_path / "a.json")])
    assert "| flat | " in capsys.readouterr().out
    (one,) = json.loads((tmp_path / "a.json").read_text())
    assert one["worlds"].keys() == {"flat", "mean"}
    assert [(row["scene"], row["sentence"]) for row in one["rows"]] == [("flat-surface", "the bed")]
    assert {"command", "weights_sha256", "data_sha256", "cores"} <= one["provenance"].keys()
