"""`saymask prepare` on tiny made-up folders of ScanNet++, S3DIS, Replica and ARKitScenes."""

import json

import numpy as np
import pytest

from saymask.cli import run
from saymask.data.prepare.folder import prepare
from saymask.data.scenes import load_scene, read_manifest, read_scene_info, scene_path
from saymask.io.ply import read_ply
from saymask.io.scannet import SEGMENTS, read_scan_folder
from saymask.labels.tables import scannet20, scannet200
from tests.data.fake_scannet import make_scan, write_mesh

CLASS20 = {c.name: c.index for c in scannet20()}
CLASS200 = {c.name: c.index for c in scannet200()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A made-up scan; object 0 is the floor, 1 a wall, boxes follow."""
    folder = tmp_path_factory.mktemp("made") / "scene0000_00"
    make_scan(folder, np.random.default_rng(0))
    return folder, read_scan_folder(folder)


def prepared(root, out, name):
    report = prepare(root, out, quiet=True)
    assert not report.failures
    return load_scene(scene_path(out, name)), read_scene_info(scene_path(out, name)), report


def scannetpp_folder(root, made):
    folder, raw = made
    scans = root / "data/0a5c013435/scans"
    scans.mkdir(parents=True)
    write_mesh(scans / "mesh_aligned_0.05.ply", raw.scan.points, raw.scan.colors, raw.scan.faces)
    (scans / "segments.json").write_text((folder / f"{folder.name}{SEGMENTS}").read_text())
    content = json.loads((folder / f"{folder.name}.aggregation.json").read_text())
    content["segGroups"][2]["label"] = "ceiling lamp"
    (scans / "segments_anno.json").write_text(json.dumps(content))
    (root / "splits").mkdir()
    (root / "splits/nvs_sem_val.txt").write_text("0a5c013435\n")


def test_scannetpp(tmp_path, made):
    scannetpp_folder(tmp_path / "raw", made)
    scan, info, _ = prepared(tmp_path / "raw", tmp_path / "out", "0a5c013435")
    expected = made[1].scan.labels
    np.testing.assert_array_equal(scan.labels["instance"], expected["instance"])
    assert info.objects[3] == "ceiling lamp"
    lamp = scan.labels["instance"] == 3
    assert (scan.labels["semantic200"][lamp] == CLASS200["ceiling light"]).all()
    np.testing.assert_array_equal(scan.labels["semantic200"][~lamp], expected["semantic200"][~lamp])
    assert read_manifest(tmp_path / "out")["splits"] == {"val": ["0a5c013435"]}


def s3dis_folder(root, made):
    raw = made[1]
    names = {0: "floor", 1: "wall", 3: "bookcase", 4: "board", 5: "clutter"}
    for area in ("Area_1", "Area_5"):
        folder = root / area / "office_1/Annotations"
        folder.mkdir(parents=True)
        for i, name in names.items():
            rows = raw.scan.labels["instance"] == i
            lines = np.concatenate([raw.scan.points[rows], raw.scan.colors[rows]], 1)
            np.savetxt(folder / f"{name}_{i}.txt", lines, fmt="%.6f")
    return names, raw.scan


def test_s3dis(tmp_path, made):
    names, source = s3dis_folder(tmp_path / "raw", made)
    path = tmp_path / "raw/Area_5/office_1/Annotations/floor_0.txt"
    path.write_bytes(path.read_bytes().replace(b" ", b"\x10", 1))  # as in the published files
    scan, info, _ = prepared(tmp_path / "raw", tmp_path / "out", "Area_5_office_1")
    assert read_manifest(tmp_path / "out")["splits"] == {"train": ["Area_1_office_1"], "val": ["Area_5_office_1"]}
    assert len(scan) == np.isin(source.labels["instance"], list(names)).sum()
    ids = {name: i for i, name in info.objects.items()}
    assert set(ids) == set(names.values())
    kinds = {name: set(scan.labels["semantic20"][scan.labels["instance"] == i].tolist()) for name, i in ids.items()}
    assert kinds["bookcase"] == {CLASS20["bookshelf"]}
    assert kinds["clutter"] == {-1}
    board = scan.labels["instance"] == ids["board"]
    assert (scan.labels["semantic200"][board] == CLASS200["whiteboard"]).all()
    floor = source.labels["instance"] == 0
    found = scan.points[scan.labels["instance"] == ids["floor"]]
    np.testing.assert_allclose(found, source.points[floor], atol=1e-5)


def replica_folder(root, made):
    raw = made[1]
    folder = root / "room_0/habitat"
    folder.mkdir(parents=True)
    write_mesh(folder / "mesh_semantic.ply", raw.scan.points, raw.scan.colors, raw.scan.faces)
    instance = raw.scan.labels["instance"][raw.scan.faces[:, 0]]
    rewrite_with_objects(folder / "mesh_semantic.ply", np.where(instance < 0, 9999, instance))
    names = {**raw.objects, 3: "wall-cabinet", 4: "small-appliance"}
    objects = [{"id": i, "class_id": 1, "class_name": name} for i, name in names.items()]
    (folder / "info_semantic.json").write_text(json.dumps({"objects": objects, "classes": []}))


def rewrite_with_objects(path, objects):
    """Give the faces of a mesh an object_id, as Replica has it."""
    data = path.read_bytes()
    head, _, body = data.partition(b"end_header\n")
    vertices = len(read_ply(path).points) * 16
    faces = np.frombuffer(body[vertices:], [("n", "u1"), ("v", "<i4", 3)])
    more = np.zeros(len(faces), [("n", "u1"), ("v", "<i4", 3), ("object", "<i4")])
    more["n"], more["v"], more["object"] = 3, faces["v"], objects
    head += b"property int object_id\nend_header\n"
    path.write_bytes(head + body[:vertices] + more.tobytes())


def test_replica(tmp_path, made):
    replica_folder(tmp_path / "raw", made)
    scan, info, _ = prepared(tmp_path / "raw", tmp_path / "out", "room_0")
    assert read_manifest(tmp_path / "out")["splits"] == {"val": ["room_0"]}
    np.testing.assert_array_equal(scan.labels["instance"], made[1].scan.labels["instance"])
    assert info.objects[3] == "wall-cabinet"
    assert (scan.labels["semantic20"][scan.labels["instance"] == 3] == CLASS20["cabinet"]).all()
    assert (scan.labels["semantic20"][scan.labels["instance"] == 4] == -1).all()
    assert (scan.labels["semantic20"][scan.labels["instance"] == 0] == CLASS20["floor"]).all()


def arkitscenes_folder(root, made, folder="3dod/Training"):
    raw = made[1]
    scan = root / folder / "40753679"
    scan.mkdir(parents=True)
    write_mesh(scan / "40753679_3dod_mesh.ply", raw.scan.points, raw.scan.colors, raw.scan.faces)
    turn = np.array([[np.cos(0.4), -np.sin(0.4), 0], [np.sin(0.4), np.cos(0.4), 0], [0, 0, 1]])
    entries, inside = [], {}
    for label, i, grown in (("tv_monitor", 3, 0.02), ("sofa", 4, 0.02), ("table", 4, 0.5)):
        points = raw.scan.points[raw.scan.labels["instance"] == i].astype(np.float64) @ turn.T
        low, high = points.min(0) - grown, points.max(0) + grown
        box = {"centroid": ((low + high) / 2 @ turn).tolist(), "axesLengths": (high - low).tolist()}
        entries.append({"label": label, "segments": {"obbAligned": {**box, "normalizedAxes": turn.ravel().tolist()}}})
        rotated = raw.scan.points.astype(np.float64) @ turn.T
        inside[label] = ((rotated >= low) & (rotated <= high)).all(1)
    (scan / "40753679_3dod_annotation.json").write_text(json.dumps({"data": entries}))
    return inside


def test_arkitscenes(tmp_path, made):
    inside = arkitscenes_folder(tmp_path / "raw", made)
    scan, info, _ = prepared(tmp_path / "raw", tmp_path / "out", "40753679")
    assert read_manifest(tmp_path / "out")["splits"] == {"train": ["40753679"]}
    assert list(info.objects.values()) == ["tv_monitor", "sofa", "table"]
    np.testing.assert_array_equal(scan.labels["instance"] == 1, inside["sofa"] & ~inside["tv_monitor"])
    assert (scan.labels["instance"] == 2).sum() > 0  # the large box has what the small ones leave
    assert (scan.labels["semantic20"][scan.labels["instance"] == 1] == CLASS20["sofa"]).all()
    assert (scan.labels["semantic200"][scan.labels["instance"] == 0] == CLASS200["tv"]).all()


def test_names_of_the_user_count_first(tmp_path, made):
    s3dis_folder(tmp_path / "raw", made)
    names = tmp_path / "names.json"
    names.write_text('{"board": "window", "Clutter": "chair", "bookcase": null}')
    out = tmp_path / "out"
    assert run(["prepare", str(tmp_path / "raw"), "--out", str(out), "--class-names", str(names), "--quiet"]) == 0
    scan, info = (f(scene_path(out, "Area_5_office_1")) for f in (load_scene, read_scene_info))
    kind = {name: int(scan.labels["semantic20"][scan.labels["instance"] == i][0]) for i, name in info.objects.items()}
    assert kind == {
        "floor": CLASS20["floor"], "wall": CLASS20["wall"], "board": CLASS20["window"], "clutter": CLASS20["chair"],
        "bookcase": -1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "file", "content", "says"),
    [
        (scannetpp_folder, "data/0a5c013435/scans/segments.json", '{"segIndices": [1, 2]}', "one per vertex, got 2"),
        (s3dis_folder, "Area_1/office_1/Annotations/floor_0.txt", "1 2 3 4 5\n", "six numbers in each line"),
        (s3dis_folder, "Area_1/office_1/Annotations/floor_0.txt", "1 2 - 4 5 6\n", "expected numbers x y z r g b"),
        (replica_folder, "room_0/habitat/info_semantic.json", '{"objects": [{"id": 1}]}', "an id and a class_name"),
        (
            arkitscenes_folder, "3dod/Training/40753679/40753679_3dod_annotation.json", '{"data": [{"label": "x"}]}',
            "object 0: expected a label and obbAligned",
        ),
    ],
)  # fmt: skip
def test_broken_files_are_reported(tmp_path, made, make, file, content, says):
    make(tmp_path / "raw", made)
    (tmp_path / "raw" / file).write_text(content)
    assert says in "".join(prepare(tmp_path / "raw", tmp_path / "out", quiet=True).failures.values())


@pytest.mark.parametrize("content", ["[1]", '{"a": 3}', '{"board": "no such thing"}'])
def test_other_files_of_names_are_said(tmp_path, made, content, capsys):
    s3dis_folder(tmp_path / "raw", made)
    (tmp_path / "names.json").write_text(content)
    with pytest.raises(ValueError, match=r"names\.json: expected"):
        prepare(tmp_path / "raw", tmp_path / "out", class_names=tmp_path / "names.json", quiet=True)
