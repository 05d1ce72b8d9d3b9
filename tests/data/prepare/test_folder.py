import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from saymask.data.prepare import scans as prepare_scans
from saymask.data.prepare.folder import prepare
from saymask.data.scenes import (
    aligned_points,
    load_scene,
    read_manifest,
    read_scene_info,
    save_scene,
    scene_path,
    target_mask,
)
from saymask.errors import InputError
from saymask.io.scannet import read_scan_folder
from saymask.scan import Scan
from saymask.util.locks import only_process
from tests.data.fake_scannet import make_fake_scannet

ROOT = Path(__file__).parents[3]


@pytest.fixture
def raw(tmp_path):
    make_fake_scannet(tmp_path / "raw", train=2, val=1)
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "data"


def times(out):
    return {p.name: p.stat().st_mtime_ns for p in (out / "scenes").iterdir()}


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_everything_is_there(raw, out):
    report = prepare(raw, out, quiet=True)
    assert report.done == ["scene0000_00", "scene0001_00", "scene0002_00"]
    assert not report.failures
    manifest = read_manifest(out)
    assert manifest["splits"] == {"train": ["scene0000_00", "scene0001_00"], "val": ["scene0002_00"]}
    assert report.annotations == manifest["annotations"]
    assert manifest["annotations"]["scanrefer_train"] == 24
    path = scene_path(out, "scene0000_00")
    scan, expected = load_scene(path), read_scan_folder(raw / "scans" / "scene0000_00")
    np.testing.assert_array_equal(scan.points, expected.scan.points)
    np.testing.assert_array_equal(scan.colors, expected.scan.colors)
    np.testing.assert_array_equal(scan.faces, expected.scan.faces)
    np.testing.assert_array_equal(scan.alignment, expected.scan.alignment)
    assert set(scan.labels) == {"semantic20", "semantic200", "nyu40", "instance"}
    for name, values in scan.labels.items():
        np.testing.assert_array_equal(values, expected.scan.labels[name])
    np.testing.assert_allclose(np.linalg.norm(scan.normals, axis=1), 1, atol=1e-4)
    assert scan.superpoints.dtype == np.int32
    info = read_scene_info(path)
    assert info.objects == expected.objects
    assert info.points == len(scan)
    assert info.superpoints == scan.superpoints.max() + 1 == len(np.unique(scan.superpoints))
    assert info.sizes == {i: int((scan.labels["instance"] == i).sum()) for i in info.objects}
    assert abs(aligned_points(scan)[scan.labels["instance"] == 0, 2]).max() < 0.01


def test_second_run_keeps_what_is_up_to_date(raw, out):
    prepare(raw, out, quiet=True)
    before = times(out)
    report = prepare(raw, out, quiet=True)
    assert (len(report.done), len(report.kept)) == (0, 3)
    assert times(out) == before
    # A changed source file, another option, or a damaged result is done again; the others are kept.
    meta = raw / "scans" / "scene0001_00" / "scene0001_00.txt"
    meta.write_text(meta.read_text() + "note = 1\n")
    scene_path(out, "scene0002_00").write_bytes(b"half a file")
    report = prepare(raw, out, quiet=True)
    assert report.kept == ["scene0000_00"]
    assert report.done == ["scene0001_00", "scene0002_00"]
    assert prepare(raw, out, superpoints="segs", quiet=True).kept == []


def test_two_processes_write_the_same(raw, out, tmp_path):
    prepare(raw, out, quiet=True)
    prepare(raw, tmp_path / "two", workers=2, quiet=True)
    for path in sorted(out.rglob("*.safetensors")) + sorted(out.rglob("*.json")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(out)).read_bytes(), path


def test_superpoints_from_segs(raw, out):
    prepare(raw, out, superpoints="segs", quiet=True)
    segments = read_scan_folder(raw / "scans" / "scene0000_00").scan.superpoints
    np.testing.assert_array_equal(load_scene(scene_path(out, "scene0000_00")).superpoints, segments)


def test_broken_scans_are_reported_and_the_rest_goes_on(raw, out, capsys):
    folder = raw / "scans" / "scene0000_00"
    edit(folder / "scene0000_00_vh_clean_2.0.010000.segs.json", lambda c: c["segIndices"].pop())
    mesh = raw / "scans" / "scene0002_00" / "scene0002_00_vh_clean_2.ply"
    mesh.write_bytes(mesh.read_bytes()[:5000])
    report = prepare(raw, out, quiet=True)
    assert report.done == ["scene0001_00"]
    assert set(report.failures) == {"scene0000_00", "scene0002_00"}
    assert "one segment per point" in report.failures["scene0000_00"]
    assert report.dropped["scanrefer_train"] == {"unknown scene": 12}
    assert report.annotations["scanrefer_val"] == 0
    assert not (out / "annotations" / "scanrefer_val.json").exists()
    assert set(read_manifest(out)["failures"]) == set(report.failures)
    said = capsys.readouterr().err
    assert said.count("failed:") == 2
    assert "scene0002_00" in said


def test_annotations_of_unknown_things_are_counted_and_left_out(raw, out):
    path = raw / "ScanRefer_filtered_val.json"

    def change(content):
        content[0]["scene_id"] = "scene0999_00"
        content[1]["object_id"] = "77"
        content[2]["object_id"] = "2"  # a wall that no group holds

    edit(path, change)
    edit(raw / "multi3drefer_val.json", lambda c: c[0]["object_ids"].append(77))
    report = prepare(raw, out, quiet=True)
    assert report.dropped["scanrefer_val"] == {"unknown scene": 1, "unknown object": 2}
    assert report.dropped["multi3drefer_val"] == {"unknown object": 1}
    assert report.annotations["scanrefer_val"] == 9
    text = " ".join(report.messages)
    assert "scene0999_00" in text
    assert "scene0002_00 object 77" in text
    kept = json.loads((out / "annotations" / "scanrefer_val.json").read_text())
    assert kept == json.loads(path.read_text())[3:]


def test_doubled_groups(raw, out):
    """Sentences about either copy of a doubled group mean the same points (scene0217_00)."""
    name = "scene0002_00"
    aggregation = raw / "scans" / name / f"{name}.aggregation.json"

    def double(content):
        first = content["segGroups"]
        content["segGroups"] = first + [{**g, "objectId": g["objectId"] + 50} for g in first]

    edit(aggregation, double)
    edit(raw / "ScanRefer_filtered_val.json", lambda c: c[1].update(object_id="53"))
    report = prepare(raw, out, quiet=True)
    assert not report.dropped
    kept = json.loads((out / "annotations" / "scanrefer_val.json").read_text())
    assert [e["object_id"] for e in kept[:2]] == ["3", "3"]
    assert target_mask(load_scene(scene_path(out, name)), (3,)).any()


def test_says_what_is_missing_and_what_is_not_needed(raw, out):
    (raw / "scannetv2-labels.combined.tsv").unlink()
    (raw / "multi3drefer_val.json").unlink()
    (raw / "splits" / "val.txt").write_text("scene0002_00\nscene0500_00\n")
    (raw / "scans" / "scene0000_00" / "scene0000_00.sens").write_bytes(b"x" * 10)
    (raw / "scans" / "scene0001_00" / "scene0001_00.txt").unlink()
    (raw / "scans" / "empty").mkdir()
    text = "\n".join(prepare(raw, out, quiet=True).messages)
    for part in (
        "labels.combined.tsv: not found",
        "multi3drefer_val.json: not found",
        "split val: 1 of 2 scans not found: scene0500_00",
        "<id>.sens: 1 files",
        "<id>.txt: not found for scene0001_00: no axis alignment",
        "empty: no mesh",
    ):
        assert part in text
    assert load_scene(scene_path(out, "scene0001_00")).alignment is None


def test_other_layouts(raw, out):
    (raw / "ScanRefer").mkdir()
    for split in ("train", "val"):
        (raw / f"ScanRefer_filtered_{split}.json").rename(raw / "ScanRefer" / f"ScanRefer_filtered_{split}.json")
        (raw / "splits" / f"{split}.txt").rename(raw / f"scannetv2_{split}.txt")
    for folder in sorted((raw / "scans").iterdir()):
        folder.rename(raw / folder.name)
    (raw / "scans").rmdir()
    report = prepare(raw, out, quiet=True)
    assert len(report.done) == 3
    assert report.annotations["scanrefer_val"] == 12
    assert set(read_manifest(out)["splits"]) == {"train", "val"}


def test_packaged_splits(raw, out):
    for path in (raw / "splits").iterdir():
        path.unlink()
    prepare(raw, out, quiet=True)
    splits = read_manifest(out)["splits"]
    assert list(splits) == ["train"]
    assert sorted(splits["train"]) == ["scene0000_00", "scene0001_00", "scene0002_00"]


def test_rooms_files_are_copied(raw, out):
    (raw / "rooms").mkdir()
    (raw / "rooms" / "scene0000_00.json").write_text('{"id": "scene0000_00"}')
    (raw / "programs_val.json").write_text('{"scanrefer": [], "multi3drefer": []}')
    prepare(raw, out, quiet=True)
    assert json.loads((out / "rooms" / "scene0000_00.json").read_text()) == {"id": "scene0000_00"}
    assert json.loads((out / "annotations" / "programs_val.json").read_text())["scanrefer"] == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: (raw / "ScanRefer_filtered_val.json").write_bytes(b"\xff\xfe[]"), "UTF-8"),
        (lambda raw: (raw / "multi3drefer_val.json").write_text("[{"), "JSON"),
        (lambda raw: (raw / "scannetv2-labels.combined.tsv").write_text("a\tb\n"), "columns"),
        (lambda raw: (raw / "splits" / "val.txt").write_bytes(b"\xff"), "UTF-8"),
    ],
)
def test_broken_lists_are_said_before_the_work(raw, out, damage, message):
    damage(raw)
    with pytest.raises(InputError, match=message):
        prepare(raw, out, quiet=True)
    assert not (out / "scenes").exists()


def test_bad_arguments(raw, out, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        prepare(tmp_path / "nothing", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found none"):
        prepare(tmp_path / "empty", out)
    with pytest.raises(InputError, match="workers"):
        prepare(raw, out, workers=0)
    with pytest.raises(InputError, match="superpoints"):
        prepare(raw, out, superpoints="voxels")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        prepare(raw, tmp_path / "file" / "data")


def test_one_run_at_a_time(raw, out):
    with only_process(out / ".lock"), pytest.raises(InputError, match="another"):
        prepare(raw, out, quiet=True)
    assert prepare(raw, out, quiet=True).done


def test_full_disk_stops_and_keeps_what_is_done(raw, out, monkeypatch):
    prepare(raw, out, quiet=True)
    before = {p.name: p.read_bytes() for p in (out / "scenes").iterdir()}
    for folder in (raw / "scans").iterdir():
        os.utime(folder / f"{folder.name}.txt", (1, 1))
    calls = []

    def full(path, *args, **kwargs):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return save_scene(path, *args, **kwargs)

    monkeypatch.setattr(prepare_scans, "save_scene", full)
    with pytest.raises(InputError, match="disk is full after 1"):
        prepare(raw, out, quiet=True)
    assert len(calls) == 2
    assert {p.name: p.read_bytes() for p in (out / "scenes").iterdir()}.keys() == before.keys()
    for name in before:
        load_scene(out / "scenes" / name)
    monkeypatch.undo()
    report = prepare(raw, out, quiet=True)
    assert (len(report.done), len(report.kept)) == (2, 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_and_run_again(tmp_path, out, workers):
    raw = tmp_path / "many"
    make_fake_scannet(raw, train=30, val=2)
    prepare_old = tmp_path / "old"
    make_fake_scannet(prepare_old, train=1, val=0)
    prepare(prepare_old, out, quiet=True)  # an older result that has to survive: scene0000_00 is the same scan
    code = (
        "from saymask.data.prepare.folder import prepare\n"
        "if __name__ == '__main__':\n"
        f"    prepare({str(raw)!r}, {str(out)!r}, workers={workers}, quiet=True)\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(script)], env=environment, start_new_session=True)
    deadline = time.monotonic() + 200  # a busy machine
    while len(list((out / "scenes").glob("[!.]*"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {p.name: p.stat().st_mtime_ns for p in (out / "scenes").glob("[!.]*")}
    assert 4 <= len(done) < 32
    for name in done:
        load_scene(out / "scenes" / name)  # whole, or not there
    manifest = read_manifest(out)  # still the old one
    assert list(manifest["scenes"]) == ["scene0000_00"]
    report = prepare(raw, out, quiet=True)
    assert len(report.done) + len(report.kept) == 32
    assert len(report.kept) >= len(done) - 1
    after = times(out)
    assert all(after[f"{name}.safetensors"] == done[f"{name}.safetensors"] for name in report.kept)
    assert len(after) == 32  # no half-written file is left
    assert len(read_manifest(out)["scenes"]) == 32


def test_scene_files(tmp_path):
    points = np.random.default_rng(0).uniform(0, 1, (200, 3)).astype(np.float32)
    scan = Scan(points=points, colors=np.full((200, 3), 128, np.uint8), has_color=False, name="s")
    save_scene(tmp_path / "s.safetensors", scan, objects={})
    loaded = load_scene(tmp_path / "s.safetensors")
    assert (loaded.has_color, loaded.faces, loaded.alignment, loaded.labels) == (False, None, None, {})
    assert aligned_points(loaded) is loaded.points
    with pytest.raises(InputError, match="instance labels"):
        target_mask(loaded, (1,))
    with pytest.raises(InputError, match="no such prepared scene"):
        load_scene(tmp_path / "t.safetensors")
    from safetensors.numpy import save_file

    save_file({"a": points}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="another safetensors file"):
        load_scene(tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "s.safetensors").read_bytes()[:500])
    with pytest.raises(InputError, match="delete it"):
        load_scene(tmp_path / "cut.safetensors")
    with pytest.raises(InputError, match="prepare"):
        read_manifest(tmp_path)
