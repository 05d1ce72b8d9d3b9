import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.io import scannet
from saymask.io.scannet import Group, drop_doubled, label_points, read_scan_folder, read_scannet_scan
from saymask.labels.tables import packaged_label_table
from tests.data.fake_scannet import make_fake_scannet, write_mesh


@pytest.fixture
def folder(tmp_path):
    make_fake_scannet(tmp_path, train=1, val=0)
    return tmp_path / "scans" / "scene0000_00"


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def segs(folder):
    return folder / f"{folder.name}_vh_clean_2.0.010000.segs.json"


def aggregation(folder):
    return folder / f"{folder.name}.aggregation.json"


def test_reads_a_scan(folder):
    raw = read_scan_folder(folder)
    scan = raw.scan
    n = len(scan)
    assert scan.name == "scene0000_00"
    assert scan.points.dtype == np.float32
    assert scan.colors.dtype == np.uint8
    assert {k: (v.dtype, len(v)) for k, v in scan.labels.items()} == {
        "semantic20": (np.int16, n),
        "semantic200": (np.int16, n),
        "nyu40": (np.uint8, n),
        "instance": (np.int32, n),
    }
    assert set(raw.objects) == {0, 1, 3, 4, 5, 6, 7, 8}
    assert set(np.unique(scan.labels["instance"])) == {-1, *raw.objects}
    assert raw.objects[0] == "floor"
    floor = scan.labels["instance"] == 0
    assert (scan.labels["semantic20"][floor] == 1).all()
    assert (scan.labels["nyu40"][scan.labels["instance"] == -1] == 0).all()
    np.testing.assert_array_equal(scan.source.index, np.arange(n))
    # The alignment is kept beside the points: applied, the floor is level at zero.
    assert scan.alignment.shape == (4, 4)
    aligned = np.c_[scan.points, np.ones(n)] @ scan.alignment.T
    assert np.abs(aligned[floor, 2]).max() < 0.01


def test_load_scan_takes_the_folder(folder):
    from saymask.io.load import load_scan

    scan = load_scan(folder, quiet=True)
    assert len(scan) == len(read_scannet_scan(folder))
    ids = np.unique(json.loads(segs(folder).read_text())["segIndices"])
    assert scan.superpoints.max() + 1 == len(ids)


def test_object_id_wins_over_id(folder):
    """The ids of sentences are objectId; LESS stores objectId + 1."""

    def change(content):
        for group in content["segGroups"]:
            group["id"] += 100

    edit(aggregation(folder), change)
    raw = read_scan_folder(folder)
    assert set(raw.objects) == {0, 1, 3, 4, 5, 6, 7, 8}
    segments = scannet.read_segments(segs(folder))
    less = scannet.less_instance_ids(segments, scannet.read_groups(aggregation(folder)))
    np.testing.assert_array_equal(less.astype(np.int64) - 1, raw.scan.labels["instance"])


def test_doubled_groups_keep_the_first_copy(folder):
    """scene0217_00 lists its groups twice; read naively, the first copy's objects would be empty."""
    plain = read_scan_folder(folder)

    def double(content):
        first = content["segGroups"]
        content["segGroups"] = first + [{**g, "id": g["id"] + 50, "objectId": g["objectId"] + 50} for g in first]

    edit(aggregation(folder), double)
    raw = read_scan_folder(folder)
    np.testing.assert_array_equal(raw.scan.labels["instance"], plain.scan.labels["instance"])
    assert raw.objects == plain.objects
    assert raw.aliases == {i + 50: i for i in plain.objects}


def test_groups_that_only_look_alike_stay():
    a, b = Group(0, "chair", (1, 2)), Group(1, "chair", (1, 3))
    assert drop_doubled([a, b]) == ([a, b], {})
    assert drop_doubled([a, b, a]) == ([a, b, a], {})
    assert drop_doubled([]) == ([], {})
    assert drop_doubled([a, a]) == ([a], {})  # the same id twice needs no second name


groups_strategy = st.lists(
    st.tuples(st.sampled_from(["chair", "table", "lamp post from mars"]), st.lists(st.integers(0, 9), max_size=5)),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), groups_strategy)
def test_labels_against_a_plain_loop(segments, described):
    groups = [Group(10 * i, label, tuple(ids)) for i, (label, ids) in enumerate(described)]
    table = packaged_label_table()
    labels, unknown = label_points(np.array(segments), groups, table)
    for i, segment in enumerate(segments):
        owner = None
        for group in groups:
            if segment in group.segments:
                owner = group
        assert labels["instance"][i] == (-1 if owner is None else owner.object_id)
        row = None if owner is None else table.rows.get(owner.label)
        assert labels["nyu40"][i] == (0 if row is None else row.nyu40id)
        assert labels["semantic200"][i] == {None: -1, "chair": 1, "table": 3}[row and owner.label]
    assert unknown == (("lamp post from mars",) if any(g.label.endswith("mars") for g in groups) else ())


def test_refrigerator_is_a_class_whatever_its_spelling(folder):
    def rename(content):
        content["segGroups"][2]["label"] = "refrigerator"

    edit(aggregation(folder), rename)
    scan = read_scan_folder(folder).scan
    assert (scan.labels["semantic20"][scan.labels["instance"] == 3] == 14).all()


def test_unknown_label_is_reported_not_fatal(folder):
    def rename(content):
        content["segGroups"][2]["label"] = "gizmo"

    edit(aggregation(folder), rename)
    raw = read_scan_folder(folder)
    assert raw.unknown_labels == ("gizmo",)
    inside = raw.scan.labels["instance"] == 3
    assert inside.any()
    assert (raw.scan.labels["semantic20"][inside] == -1).all()
    assert any("gizmo" in m for m in read_scannet_scan(folder).messages)
    groups = scannet.read_groups(aggregation(folder))
    with pytest.raises(InputError, match="gizmo"):  # the published code stops here
        scannet.less_semantic_ids(scannet.read_segments(segs(folder)), groups, packaged_label_table())


def test_mesh_alone_is_enough(folder):
    for path in folder.iterdir():
        if not path.name.endswith("_vh_clean_2.ply"):
            path.unlink()
    scan = read_scan_folder(folder).scan
    assert scan.labels == {}
    assert scan.alignment is None
    assert scan.superpoints is None


def test_labels_ply_without_aggregation(folder):
    from saymask.io.ply import read_ply, write_ply

    cloud = read_ply(folder / f"{folder.name}_vh_clean_2.ply")
    labels = np.where(np.arange(len(cloud.points)) % 2, 5, 77).astype(np.uint16)
    write_ply(folder / f"{folder.name}_vh_clean_2.labels.ply", {**cloud.columns, "label": labels}, cloud.faces)
    aggregation(folder).unlink()
    scan = read_scan_folder(folder).scan
    assert set(scan.labels) == {"nyu40", "semantic20"}
    np.testing.assert_array_equal(scan.labels["semantic20"], np.where(np.arange(len(scan)) % 2, 4, -1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: edit(segs(f), lambda c: c["segIndices"].pop()), "scene0000_00.*one segment per point"),
        (lambda f: segs(f).write_text('{"segIndices": ["a"]}'), "segIndices"),
        (lambda f: segs(f).write_text("[1, 2]"), "segIndices"),
        (lambda f: segs(f).write_text('{"segIndices": [1, 2'), "JSON"),
        (lambda f: segs(f).write_bytes(b"\xff\xff"), "UTF-8"),
        (lambda f: aggregation(f).write_text("{}"), "segGroups"),
        (lambda f: aggregation(f).write_text('{"segGroups": [{"id": 1}]}'), "group 0"),
        (lambda f: (f / f"{f.name}.txt").write_text("axisAlignment = 1 2 3\n"), "16 numbers"),
        (lambda f: (f / f"{f.name}.txt").write_text("axisAlignment = " + "x " * 16), "16 numbers"),
        (lambda f: (f / f"{f.name}_vh_clean_2.ply").write_bytes(b""), "scene0000_00"),
        (
            lambda f: (f / f"{f.name}_vh_clean_2.ply").write_bytes(
                (f / f"{f.name}_vh_clean_2.ply").read_bytes()[:9000]
            ),
            "scene0000_00",
        ),
    ],
)
def test_damaged_files(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        read_scan_folder(folder)


def test_bad_points(folder):
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 3, (200, 3))
    faces = np.array([[0, 1, 2]])
    for path in (segs(folder), aggregation(folder)):
        path.unlink()
    mesh = folder / f"{folder.name}_vh_clean_2.ply"
    for bad, message in (
        (np.where(np.arange(200)[:, None] == 5, np.nan, points), "finite"),
        (points[:50], "at least 100"),
        (points * 1000, "millimetres"),
        (points[:0], "scene0000_00"),
    ):
        write_mesh(mesh, bad, np.zeros_like(bad), faces if len(bad) else faces[:0])
        with pytest.raises(InputError, match=message):
            read_scannet_scan(folder)


def test_not_a_scan_folder(tmp_path):
    with pytest.raises(InputError, match="scan folder"):
        read_scan_folder(tmp_path)
    with pytest.raises(InputError, match="scan folder"):
        read_scan_folder(tmp_path / "nothing")
