import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from saymask.cli import run
from saymask.data.image_store import (
    check_image_features,
    feature_path,
    load_with_info,
    read_image_info,
    save_image_features,
)
from saymask.data.prepare import image_features as module
from saymask.data.prepare.folder import prepare
from saymask.data.prepare.image_features import ImageOptions, make_image_features, pool_frames
from saymask.data.scenes import load_scene, read_manifest, scene_path
from saymask.errors import InputError
from saymask.geometry.projection import ImagePooling, make_view
from saymask.io.frames import open_frames
from saymask.nn.clip_image import load_image_encoder
from saymask.scan import Scan
from saymask.util.temporaries import PREFIX
from tests.data.fake_frames import matrix_text, record, write_folder, write_sens
from tests.data.fake_scannet import make_fake_scannet
from tests.nn.test_clip_image import tiny_tower

NAME = "clip-vit-l14-336"
SENS, FOLDER, NONE = (f"scene{i:04d}_00" for i in range(3))


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A raw folder with one recording as .sens, one exported, one scan without, and a tiny image model."""
    root = tmp_path_factory.mktemp("origin")
    make_fake_scannet(root / "raw", train=2, val=1)
    prepare(root / "raw", root / "data", quiet=True)
    for i, name in enumerate((SENS, FOLDER)):
        recording = record(load_scene(scene_path(root / "data", name)).points, frames=31, seed=i)
        if name == SENS:
            write_sens(root / "raw" / "scans" / name / f"{name}.sens", recording)
        else:
            write_folder(root / "raw" / "scans" / name, recording)
    tiny_tower(root / "tower")
    return root


@pytest.fixture
def raw(origin, tmp_path):
    shutil.copytree(origin / "raw", tmp_path / "raw")  # keeps the times of files
    shutil.copytree(origin / "data", tmp_path / "data")
    return tmp_path / "raw"


@pytest.fixture
def out(raw):
    return raw.parent / "data"


@pytest.fixture
def go(raw, out, origin):
    def go(**options):
        return prepare(raw, out, image_features=NAME, image_weights=origin / "tower", quiet=True, **options)

    return go


def features_of(out, name=NAME):
    return {p.stem: p.read_bytes() for p in sorted((out / "image_features" / name).iterdir())}


def test_features_are_made_and_loaded(go, out, origin, raw):
    report = go()
    assert report.ok
    assert report.images.done == [SENS, FOLDER]
    assert report.images.without_frames == [NONE]
    assert any("1 of 3 scenes have no frames" in m for m in report.messages)
    assert not any("not needed" in m for m in report.messages)
    assert read_manifest(out)["image_features"] == {NAME: 2}
    encoder = load_image_encoder(str(origin / "tower"))
    for name, path in ((SENS, raw / "scans" / SENS / f"{SENS}.sens"), (FOLDER, raw / "scans" / FOLDER)):
        scan = load_scene(scene_path(out, name), image_features=NAME)
        assert scan.image_features.dtype == np.float32
        assert scan.image_features.shape == (scan.superpoints.max() + 1, 24)
        info = read_image_info(feature_path(out, NAME, name))
        assert (info.frames, info.skipped, info.stretched, info.final_norm) == (4, {}, False, True)
        assert 0.3 * info.superpoints < info.seen <= info.superpoints
        assert (np.abs(scan.image_features).sum(axis=1) > 0).sum() == info.seen
        # The same by hand, one frame after the other.
        pooling = ImagePooling(scan.points, scan.superpoints, grid=(4, 4))
        with open_frames(path) as frames:
            read = [frames.read(number) for number in (0, 10, 20, 30)]
            crop = encoder.crop(96, 72)
            views = [make_view(f.depth, f.pose, frames.calibration, crop, (4, 4)) for f in read]
        for view in views:
            pooling.add_counts(pooling.count(view))
        pooling.finish_counts()
        for view, frame in zip(views, read):
            pooling.add(pooling.weights(view), encoder([frame.color])[0])
        np.testing.assert_allclose(scan.image_features, pooling.result(24), atol=5e-3, rtol=1e-3)
        np.testing.assert_array_equal(load_with_info(out, name, NAME)[0], scan.image_features)
    with safe_open(feature_path(out, NAME, SENS), "numpy") as file:
        assert file.get_tensor("features").dtype == np.float16
    assert load_scene(scene_path(out, SENS)).image_features is None


def test_finished_scenes_are_kept(go, out, raw):
    go()
    before = {p: p.stat().st_mtime_ns for p in (out / "image_features").rglob("*.safetensors")}
    report = go()
    assert (report.images.done, report.images.kept) == ([], [SENS, FOLDER])
    assert {p: p.stat().st_mtime_ns for p in before} == before
    # A changed frame, a damaged result, other options: made again.
    (raw / "scans" / FOLDER / "pose" / "10.txt").write_text(matrix_text(np.eye(4)))
    assert go().images.done == [FOLDER]
    feature_path(out, NAME, SENS).write_bytes(b"half a file")
    assert go().images.done == [SENS]
    for options in ({"final_norm": False}, {"every": 5}):
        previous = features_of(out)
        assert go(**options).images.done == [SENS, FOLDER]
        assert all(previous[name] != content for name, content in features_of(out).items())
    assert read_image_info(feature_path(out, NAME, SENS)).frames == 7


def test_the_image_model_is_needed_only_for_work(go, out, raw, monkeypatch):
    go()
    monkeypatch.setattr(module, "load_encoder", lambda options: pytest.fail("nothing to do"))
    assert go().images.kept == [SENS, FOLDER]


def test_threads_change_nothing(go, out):
    go()
    one = features_of(out)
    shutil.rmtree(out / "image_features")
    go(workers=3)
    assert features_of(out) == one


def test_an_interrupted_run_goes_on(go, out, monkeypatch):
    real = module.save_image_features

    def interrupted(path, *args):
        if path.stem == FOLDER:
            raise KeyboardInterrupt
        real(path, *args)

    monkeypatch.setattr(module, "save_image_features", interrupted)
    with pytest.raises(KeyboardInterrupt):
        go()
    monkeypatch.undo()
    (out / "image_features" / NAME / f"{PREFIX}1234.safetensors").write_bytes(b"half")
    report = go()
    assert (report.images.kept, report.images.done) == ([SENS], [FOLDER])
    assert sorted(features_of(out)) == [SENS, FOLDER]


def test_scene_prepared_otherwise_afterwards(go, raw, out):
    go()
    prepare(raw, out, superpoints="segs", quiet=True)
    with pytest.raises(InputError, match="make them again with `saymask prepare RAW --out DATA --image-features clip"):
        load_scene(scene_path(out, SENS), image_features=NAME)
    assert go(superpoints="segs").images.done == [SENS, FOLDER]
    assert load_scene(scene_path(out, SENS), image_features=NAME).image_features is not None


def test_features_of_both_projections_are_side_by_side(go, out):
    go()
    with pytest.raises(InputError, match=r"made --stretched \(there are some made without it\); make them .*stretched"):
        load_scene(scene_path(out, SENS), image_features=NAME, stretched=True)
    assert go(stretched=True).images.done == [SENS, FOLDER]
    plain, stretched = (
        load_scene(scene_path(out, SENS), image_features=NAME, stretched=kind).image_features for kind in (False, True)
    )
    assert not np.array_equal(plain, stretched)
    assert go().images.kept == [SENS, FOLDER]
    # A folder from before there were two of them.
    shutil.rmtree(out / "image_features" / NAME)
    (out / "image_features" / f"{NAME}-stretched").rename(out / "image_features" / NAME)
    again = load_scene(scene_path(out, SENS), image_features=NAME, stretched=True).image_features
    np.testing.assert_array_equal(again, stretched)
    with pytest.raises(InputError, match=r"expected 2D features 'clip-vit-l14-336' of 3 scenes, 3 have none, such as"):
        check_image_features(out, [SENS, FOLDER, NONE], NAME, stretched=False)


def test_missing_features_name_the_command(out):
    with pytest.raises(InputError, match=f"`saymask prepare RAW --out DATA --image-features {NAME}`"):
        load_scene(scene_path(out, SENS), image_features=NAME)
    with pytest.raises(InputError, match="no 2D features 'other'"):
        load_with_info(out, SENS, "other")


def test_cut_sens_uses_its_whole_frames(go, raw, out):
    path = raw / "scans" / SENS / f"{SENS}.sens"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = go()
    assert SENS in report.images.done
    assert any(f"{SENS}: the file is cut short" in m for m in report.messages)
    assert read_image_info(feature_path(out, NAME, SENS)).frames == 2


def test_broken_recordings_are_reported_and_the_rest_goes_on(go, raw, out):
    path = raw / "scans" / SENS / f"{SENS}.sens"
    path.write_bytes(path.read_bytes()[:100])
    report = go()
    assert report.images.done == [FOLDER]
    assert "ends within its header" in report.images.failures[SENS]
    assert not report.ok
    assert any("failed: 2D features" in m and SENS in m for m in report.messages)
    assert not report.failures  # the scene itself is there
    assert load_scene(scene_path(out, SENS)).image_features is None


def test_left_out_frames_are_counted(go, raw, out):
    folder = raw / "scans" / FOLDER
    (folder / "pose" / "0.txt").write_text(matrix_text(np.full((4, 4), -np.inf)))
    (folder / "pose" / "10.txt").unlink()
    (folder / "depth" / "20.png").unlink()
    report = go()
    info = read_image_info(feature_path(out, NAME, FOLDER))
    assert info.frames == 1
    assert info.skipped == {"with an infinite pose": 1, "without a pose": 1, "without depth": 1}
    assert any("3 of 4 frames left out: 1 with an infinite pose, 1 without a pose" in m for m in report.messages)


def test_no_usable_frame(go, raw, out):
    folder = raw / "scans" / FOLDER
    for path in (folder / "pose").iterdir():
        path.unlink()
    report = go()
    assert "none of 4 frames can be used: 4 without a pose" in report.images.failures[FOLDER]
    assert not feature_path(out, NAME, FOLDER).exists()


@pytest.mark.parametrize("pose", [np.full((4, 4), -np.inf), np.diag([1.0, 1, 1, 1]) + 1000 * np.eye(4, k=3)])
def test_a_scan_that_no_frame_sees(go, raw, out, pose):
    """Tracking was lost throughout, or the camera was elsewhere: features are 0, and it is said."""
    for path in (raw / "scans" / FOLDER / "pose").iterdir():
        path.write_text(matrix_text(pose))
    report = go()
    assert report.ok
    assert any(f"{FOLDER}: no frame sees any point" in m for m in report.messages)
    assert not load_scene(scene_path(out, FOLDER), image_features=NAME).image_features.any()


def test_frames_in_other_places(go, raw, out, tmp_path):
    (tmp_path / "recordings").mkdir()
    (raw / "scans" / SENS / f"{SENS}.sens").rename(tmp_path / "recordings" / f"{SENS}.sens")
    for kind in ("color", "depth", "pose", "intrinsic"):
        shutil.move(raw / "scans" / FOLDER / kind, tmp_path / "recordings" / FOLDER / kind)
    with pytest.raises(InputError, match="no frames of any scan"):
        go()
    assert go(frames=tmp_path / "recordings").images.done == [SENS, FOLDER]
    shutil.rmtree(out / "image_features")
    (tmp_path / "recordings").rename(raw / "frames")
    assert go().images.done == [SENS, FOLDER]


def test_mistakes_are_said_before_the_work(raw, tmp_path, origin):
    new = tmp_path / "new"
    for options, message in (
        ({"image_features": NAME, "frames": tmp_path / "nowhere"}, "not there"),
        ({"image_features": "a/b"}, "name and the folder"),
        ({"image_features": "resnet"}, "expected one of clip"),
        ({"image_features": NAME, "image_weights": origin / "raw"}, "config.json"),
        ({"image_features": NAME, "every": 0}, "every"),
        ({"frames": raw}, "name them"),
    ):
        with pytest.raises(InputError, match=message):
            prepare(raw, new, quiet=True, **options)
        assert not (new / "scenes").exists()


def test_unknown_device(go):
    with pytest.raises(InputError, match="device 'tpu9'"):
        go(device="tpu9")


def test_full_disk(go, out, monkeypatch):
    def full(path, *args):
        if path.stem == FOLDER:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return save_image_features(path, *args)

    monkeypatch.setattr(module, "save_image_features", full)
    with pytest.raises(InputError, match="disk is full after 2D features of 1 scenes"):
        go()
    monkeypatch.undo()
    assert go().images.kept == [SENS]


def test_a_frame_that_changes_in_between(origin, raw, out):
    encoder = load_image_encoder(str(origin / "tower"))
    scan = load_scene(scene_path(out, FOLDER))
    with open_frames(raw / "scans" / FOLDER) as frames:

        def removed(done, total):
            if done == 4:  # the first round is over
                (raw / "scans" / FOLDER / "color" / "0.jpg").unlink(missing_ok=True)

        with pytest.raises(InputError, match="frame 0 changed while it was in use"):
            pool_frames(scan.points, scan.superpoints, frames, encoder, frame_done=removed)


def test_steps_are_counted_to_the_end(origin, raw, out):
    encoder = load_image_encoder(str(origin / "tower"))
    scan = load_scene(scene_path(out, FOLDER))
    steps = []
    with open_frames(raw / "scans" / FOLDER) as frames:
        pool_frames(
            scan.points, scan.superpoints, frames, encoder, frame_done=lambda done, total: steps.append((done, total))
        )
    assert steps == sorted(steps)
    assert steps[-1] == (8, 8)


def test_features_store_large_values(tmp_path, out, go):
    go()
    info = read_image_info(feature_path(out, NAME, SENS))
    path = tmp_path / "x.safetensors"
    large = np.full((info.superpoints, 24), 1e6, np.float32)
    save_image_features(path, large, info)
    with safe_open(path, "numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("features"), large)


def test_files_that_are_no_features(go, out):
    path = feature_path(out, NAME, SENS)
    path.parent.mkdir(parents=True)
    shutil.copy(scene_path(out, SENS), path)
    with pytest.raises(InputError, match="features"):
        load_with_info(out, SENS, NAME)
    from safetensors.numpy import save_file

    save_file({"features": np.zeros((2, 3), np.float16)}, path)
    with pytest.raises(InputError, match="written by `saymask prepare`"):
        load_with_info(out, SENS, NAME)
    go()
    info = json.loads(safe_open(path, "numpy").metadata()["saymask_image_features"])
    del info["checksum"]
    for change, message in (
        ({"version": 99}, "version 1, got 99"),
        ({"superpoints": 3}, r"expected features \[3, 24\]"),
    ):
        save_file(
            {"features": np.zeros((2, 24), np.float16)},
            path,
            metadata={"saymask_image_features": json.dumps({**info, **change})},
        )
        with pytest.raises(InputError, match=message):
            load_with_info(out, SENS, NAME)


def test_unprepared_scene(origin, tmp_path):
    encoder = load_image_encoder(str(origin / "tower"))
    report = make_image_features(
        tmp_path, {"scene0000_00": origin / "raw" / "scans" / FOLDER}, ImageOptions(), encoder=encoder, quiet=True
    )
    assert "prepare" in report.failures["scene0000_00"]


def test_scan_checks_its_features():
    points = np.zeros((3, 3), np.float32)
    with pytest.raises(InputError, match="image_features"):
        Scan(points, np.zeros((3, 3), np.uint8), image_features=np.zeros(4, np.float32))


def test_command_line(raw, tmp_path, origin, capsys):
    out: Path = tmp_path / "fresh"
    arguments = ["prepare", str(raw), "--out", str(out), "--workers", "1", "--image-features", "mine", "--stretched"]
    arguments += ["--image-weights", str(origin / "tower"), "--frames", str(raw / "scans"), "--every", "15"]
    assert run(arguments) == 0
    said = capsys.readouterr().err
    assert "image features, scenes" in said
    assert "2D features mine: 2 scenes written" in said
    info = read_image_info(feature_path(out, "mine", SENS, stretched=True))
    assert (info.stretched, info.frames) == (True, 3)
    (raw / "scans" / SENS / f"{SENS}.sens").write_bytes(b"")
    assert run([*arguments, "--quiet"]) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_equals_cpu(origin, raw, out):
    scan = load_scene(scene_path(out, FOLDER))
    found = []
    for device in ("cpu", "cuda"):
        encoder = load_image_encoder(str(origin / "tower")).to(device)
        with open_frames(raw / "scans" / FOLDER) as frames:
            found.append(pool_frames(scan.points, scan.superpoints, frames, encoder).features)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3, rtol=1e-3)
