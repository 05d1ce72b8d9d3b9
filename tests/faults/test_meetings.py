"""Damaged files, clocks that go wrong, odd names, and machines without a home."""

import json
import os
import time

import pytest

from saymask.data.image_store import ImageInfo, feature_path, load_with_info, save_image_features
from saymask.data.scenes import load_scene
from saymask.errors import CheckpointError, InputError
from saymask.util.files import cache_folder, write_text
from tests.faults.jobs import JOBS, contents, equal

np = pytest.importorskip("numpy")


def differences(found, whole):
    return sorted(n for n in found.keys() | whole.keys() if not equal(found.get(n), whole.get(n)))


def flip(path, at=-3):
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(bytes(content))


def test_a_damaged_scene_is_named(undisturbed):
    source, _ = undisturbed("evaluate")
    scene = source / "data" / "scenes" / "scene0004_00.safetensors"
    load_scene(scene)
    flip(scene)
    with pytest.raises(InputError, match=r"scene0004_00\.safetensors is damaged.*prepare it again"):
        JOBS["evaluate"].work(source, source / "out")


def test_damaged_2d_features_are_named(tmp_path):
    info = ImageInfo("clip", "a", "f", "g", 6, 4, 6, 2, {"lost": 1}, False, True)
    path = feature_path(tmp_path, "clip", "s")
    save_image_features(path, np.ones((6, 4), np.float32), info)
    assert load_with_info(tmp_path, "s", "clip")[1] == info
    flip(path)
    with pytest.raises(InputError, match=r"s\.safetensors is damaged.*make it anew"):
        load_with_info(tmp_path, "s", "clip")


def test_a_damaged_state_of_a_training_is_named(undisturbed):
    source, _ = undisturbed("train")
    state = source.parent / "whole" / "state.pt"
    flip(state, state.stat().st_size // 2)
    with pytest.raises(CheckpointError, match=r"state\.pt .*delete it to start anew"):
        JOBS["train"].work(source, state.parent)


def test_damaged_answers_are_given_again(undisturbed, tmp_path):
    source, whole = undisturbed("folder")
    out = tmp_path / "whole"
    write_text(out / "scene0001_00.json", "{half")
    (out / "scene0002_00.ply").unlink()
    JOBS["folder"].work(source, out)
    assert differences(contents(out), whole) == []


@pytest.mark.parametrize("name", ["folder", "train"])
def test_clocks_may_go_backwards_and_files_be_of_the_future(name, undisturbed, tmp_path, monkeypatch):
    source, whole = undisturbed(name)
    for i, path in enumerate(sorted(p for p in source.rglob("*") if p.is_file())):
        os.utime(path, (i, 2e9 if i % 2 else 3600))
    now = iter(range(2_000_000_000, 0, -3600))
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: float(next(now)))
        JOBS[name].work(source, tmp_path / "again")
    assert differences(contents(tmp_path / "again"), whole) == []


@pytest.mark.parametrize("name", ["with space", "küche", "'quoted' $HOME", "x" * 200, "line\nbreak"])
def test_any_folder_will_do(name, undisturbed, tmp_path):
    source, whole = undisturbed("out")
    odd = tmp_path / name
    source.rename(odd)
    JOBS["out"].work(odd, odd / name)
    assert differences(contents(odd / name), whole) == []


def test_models_in_folders_that_are_no_text_are_refused(undisturbed, tmp_path):
    source, _ = undisturbed("out")
    odd = source.rename(tmp_path / "\udcff")
    with pytest.raises(CheckpointError, match="expected a path in UTF-8"):
        JOBS["out"].work(odd, tmp_path / "out")


def test_any_name_of_a_scan_will_do(undisturbed, tmp_path):
    source, _ = undisturbed("folder")
    for path, name in zip(sorted((source / "scans").iterdir()), ("x" * 240, "\udcff", "a\nb", "ü ' $x")):
        path.rename(path.with_name(f"{name}.ply"))
    JOBS["folder"].work(source, tmp_path / "out")
    reports = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")]
    assert len(reports) == 4
    assert all(len(list((tmp_path / "out").glob(f"*.{kind}"))) == 4 for kind in ("ply", "npz"))


def test_without_a_home_the_cache_ends_with_the_process(monkeypatch):
    pwd = pytest.importorskip("pwd")

    def nobody(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "SAYMASK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = cache_folder()
    assert folder == cache_folder()
    assert folder.stat().st_mode & 0o77 == 0
