"""`get`: published files in the official layouts from a server of the test to models that answer without a hub."""

import json
import zipfile
from dataclasses import replace

import pytest

import saymask.convert.uniseg3d as convert_uniseg3d
from saymask import cli
from saymask.convert.get import get
from saymask.errors import CheckpointError, InputError
from saymask.hub import catalogue
from saymask.hub.checkpoints import load_model
from saymask.hub.headers import find_checkpoint
from saymask.models.uniseg3d.presets import scannet
from saymask.text import encoder
from saymask.util import network
from tests.convert.test_lground import lightning
from tests.convert.test_lground import network as lground_network
from tests.convert.test_uniseg3d import SMALL, embeddings_file, original, saved, tower_of
from tests.models.uniseg3d.test_model import scan_of
from tests.text.open_clip import open_clip_state
from tests.util.server import served

OFFICIAL = {entry.name: entry for entry in catalogue.catalogue().values()}


@pytest.fixture(autouse=True)
def no_hub(tmp_path, monkeypatch):
    """An empty cache, no hub, short pauses, and a small UniSeg3D."""

    def absent(name, flag="--text-encoder"):
        raise InputError(f"no weights for {name}")

    monkeypatch.setattr(encoder, "find_weights", absent)
    monkeypatch.setattr("saymask.convert.get.find_weights", absent)
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(network, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(convert_uniseg3d, "scannet", lambda: replace(scannet(), model=SMALL))


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """Folder with small files in the official layouts."""
    folder = tmp_path_factory.mktemp("official")
    tower = tower_of(open_clip_state(vocab=49_408, width=64, layers=1, positions=77, projection=48))
    saved(folder / "model_best_2.pth", original()[1] | tower)
    embeddings_file(folder / "scannet_cls_embedding.pth")
    lightning(folder / "34C_CLIP_finetune.ckpt", lground_network())
    with zipfile.ZipFile(folder / "feature_data.zip", "w") as archive:
        archive.writestr("feature_data/dataset_frequencies.pkl", b"1")
    return folder


@pytest.fixture
def site(official):
    with served() as site:
        site.files = {f"/{path.name}": path.read_bytes() for path in official.iterdir() if path.is_file()}
        yield site


def test_every_verb_of_uniseg3d_after_one_call(site, capsys):
    with pytest.raises(CheckpointError, match=r"get it with `saymask get uniseg3d\.scannet`, or train it"):
        find_checkpoint("uniseg3d.scannet")
    site.cuts = [50_000]
    lines = []
    path = get("uniseg3d.scannet", site.address, say=lines.append, quiet=True)
    assert lines[0].startswith("terms: Published by the authors of UniSeg3D")
    assert ("/model_best_2.pth", "bytes=50000-") in site.seen
    model = load_model("uniseg3d.scannet", device="cpu")
    assert model.card["path"] == str(path)
    assert model.card["name"] == "uniseg3d.scannet"
    assert set(model.card["official_files"]) == {"model_best_2.pth", "scannet_cls_embedding.pth"}
    scene = model.encode(scan_of())
    assert len(scene.click(scene.scan.points[4])) == 1
    assert scene.refer("the grey chair") is not None
    assert scene.find(["chair"]) is not None
    assert len(scene.semantic())
    assert scene.instances().labels is not None
    assert scene.panoptic().labels is not None
    # Everything is here: nothing is asked for again.
    site.seen = []
    assert get("uniseg3d.scannet", say=lines.append) == path
    assert site.seen == []
    cli.run(["models"])
    assert "uniseg3d.scannet" in capsys.readouterr().out


def test_classes_of_34c_on_the_command_line(site, capsys):
    assert cli.run(["get", "lground.scannet200-34c", "--from", site.address]) == 0
    out = capsys.readouterr().out
    assert "terms: " in out
    assert "use it with --model lground.scannet200-34c (answers semantic)" in out
    assert load_model("lground.scannet200-34c", device="cpu").verbs == ("semantic",)
    assert cli.run(["get"]) == 0
    assert "lground.scannet200-34c" in capsys.readouterr().out


def test_data_is_kept_as_it_is_and_the_terms_are_said_once(site):
    lines = []
    folder = get("lground.feature-data", site.address, say=lines.append, quiet=True)
    assert (folder / "feature_data.zip").read_bytes() == site.files["/feature_data.zip"]
    (folder / "feature_data.zip").unlink()
    get("lground.feature-data", site.address, say=lines.append, quiet=True)
    assert len([line for line in lines if line.startswith("terms: ")]) == 1


def test_the_first_hash_holds(site):
    folder = get("lground.feature-data", site.address, say=lambda _: None, quiet=True)
    (folder / "feature_data.zip").write_bytes(b"other")
    with pytest.raises(InputError, match=r"feature_data\.zip: expected a file with sha256 .* delete it and get it"):
        get("lground.feature-data", site.address, say=lambda _: None, quiet=True)
    (folder / "feature_data.zip").unlink()
    site.files["/feature_data.zip"] = b"another version"
    with pytest.raises(InputError, match=r"it was thrown away; if the authors have replaced .*\.sha256"):
        get("lground.feature-data", site.address, say=lambda _: None, quiet=True)


def test_files_that_were_downloaded_by_hand(official, tmp_path):
    path = get("lground.scannet200-34c", official, say=lambda _: None)
    assert path == find_checkpoint("lground.scannet200-34c")
    with pytest.raises(InputError, match=r"--from: expected 34D_CLIP_finetune\.ckpt in"):
        get("lground.scannet200", official, say=lambda _: None)
    page = OFFICIAL["bqnet.res"].page
    with pytest.raises(InputError) as error:
        get("bqnet.res", say=lambda _: None)
    for part in ("share page", page, "best_res.pth", "saymask get bqnet.res", str(tmp_path / "cache")):
        assert part in str(error.value)


def test_without_a_network_the_way_by_hand_is_said(monkeypatch, tmp_path):
    def unreachable(url, seconds=None):
        raise network.UnreachableError("github.com cannot be reached (no answer within 4 s)")

    monkeypatch.setattr(network, "check_reachable", unreachable)
    with pytest.raises(InputError) as error:
        get("uniseg3d.scannet", say=lambda _: None, quiet=True)
    for part in (
        "github.com cannot be reached",
        "https://github.com/dk-liang/UniSeg3D/releases/download/v1.0/model_best_2.pth",
        "scannet_cls_embedding.pth",
        str(tmp_path / "cache" / "hub" / "downloads" / "uniseg3d"),
        "--from FOLDER",
    ):
        assert part in str(error.value)


def test_a_missing_file_and_an_unknown_name(site):
    with pytest.raises(InputError, match=r"the server answers 404 .*; by hand: download"):
        get("uniseg3d.infos", site.address, say=lambda _: None, quiet=True)
    with pytest.raises(InputError, match=r"nothing called 'uniseg3d.scanet' to get \(did you mean"):
        cli.run(["get", "uniseg3d.scanet"])


def test_a_member_that_is_not_in_the_archive(site):
    site.files["/34D_CLIP_pretrain.ckpt"] = b"x"
    with pytest.raises(InputError, match=r"feature_data\.zip: expected clip_feats_scannet_200\.pkl in it, not found"):
        get("lground.scannet200-text", site.address, say=lambda _: None, quiet=True)


def test_the_catalogue_says_where_everything_is():
    for entry in OFFICIAL.values():
        assert entry.terms
        assert entry.page or all(file.url.startswith("https://") for file in entry.files), entry.name
        names = {file.name for file in entry.files}
        parts = {value.partition(":")[0] for key, value in entry.convert.items() if key not in ("system", "preset")}
        assert parts <= names, entry.name
    assert len(json.loads(catalogue.CATALOGUE.read_text())["entries"]) == len(OFFICIAL)
