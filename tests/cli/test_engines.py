"""Many scans by several processes and by a Ray cluster: the results of one process, whatever happens on the way."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from saymask.cli import batch
from saymask.hub import checkpoints, registry
from saymask.models.base import Preset
from saymask.util.engines.engine import Lost
from saymask.util.locks import only_process
from tests.cli.test_cli import refused, run
from tests.data.fake_scannet import make_fake_scannet
from tests.faults.jobs import JOBS, contents, equal
from tests.models import toy_model

SENTENCE = "the red chair"
MODEL = "fragile.safetensors"
MARKS = Path("marks")
"""Folder with a file per scan that was begun; workers are in the folder of the command."""
ENGINES = [["--workers", "2"], ["--engine", "ray"]]


class Fragile(toy_model.Toy):
    """A model whose process is killed at the first try of scene0001_00, where there is a folder for marks."""

    system = "fragile"

    def prepare(self, scan, annotations=(), *, rng=None):
        if MARKS.is_dir():
            again = (MARKS / scan.name).exists()
            (MARKS / scan.name).touch()
            if scan.name == "scene0001_00" and not again:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().prepare(scan, annotations, rng=rng)


def fragile() -> Preset:
    return Preset("fragile.tiny", "fragile", toy_model.ToyConfig())


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    toy_model.register(monkeypatch)
    monkeypatch.setitem(registry.SYSTEMS, "fragile", f"{__name__}:Fragile")
    monkeypatch.setitem(registry.PRESETS, "fragile.tiny", f"{__name__}:fragile")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The current folder, with four scans in scans/, a fifth that is cut off, and a model."""
    monkeypatch.chdir(tmp_path)
    JOBS["folder"].make(tmp_path)
    whole = (tmp_path / "scans" / "scene0000_00.ply").read_bytes()
    (tmp_path / "scans" / "cut.ply").write_bytes(whole[:600])
    checkpoints.save_checkpoint(registry.build("fragile.tiny"), tmp_path / MODEL)
    return tmp_path


@pytest.fixture(params=ENGINES, ids=" ".join)
def engine(request):
    if "ray" in request.param:
        request.getfixturevalue("cluster")
    return request.param


def ask(capsys, out, *more):
    return run(
        capsys, "refer", "scans", SENTENCE, "--model", MODEL, "--unit", "m", "--up", "z", "--format", "ply",
        "--out", out, *more,
    )  # fmt: skip


@pytest.mark.slow
def test_the_results_are_those_of_one_process_whatever_is_killed(capsys, source, engine):
    assert ask(capsys, "one", "--json")[0] == 1
    MARKS.mkdir()
    code, printed, err = ask(capsys, "several", "--json", *engine)
    assert code == 1, err
    expected, found = contents(Path("one")), contents(Path("several"))
    assert found.keys() == expected.keys()
    assert len(list(MARKS.iterdir())) == 4
    assert [name for name in found if not equal(found[name], expected[name])] == []
    report = json.loads(printed)
    assert [row["scan"] for row in report["scans"]] == [f"scans/scene000{i}_00.ply" for i in range(4)]
    (cut,) = report["failed"]
    assert cut["error"].startswith("cut.ply: ")
    assert "4 of 5 scans answered" in err


def test_a_lost_scan_is_recorded(capsys, source, monkeypatch):
    def all_lost(_, items, *arguments, **options):
        yield from ((item, Lost()) for item in items)

    monkeypatch.setattr(batch, "each", all_lost)
    code, printed, err = ask(capsys, "out", "--json")
    assert code == 1
    assert [row["error"] for row in json.loads(printed)["failed"]] == [str(Lost())] * 5
    assert f"failed: scans/scene0002_00.ply: {Lost()}" in err


@pytest.mark.slow
def test_an_interrupted_run_goes_on(capsys, source, engine, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch, "_print", stop)
        assert ask(capsys, "out", *engine)[0] == 130
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("scene*.json")}
    assert before
    code, printed, _ = ask(capsys, "out", *engine)
    assert code == 1
    assert printed.count("(answered before)") == len(before)
    assert len(list(Path("out").glob("*.json"))) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_ray_prepares_what_one_process_prepares(capsys, tmp_path, cluster):
    make_fake_scannet(tmp_path / "raw", train=3, val=1)
    (tmp_path / "raw" / "scans" / "scene0002_00" / "scene0002_00_vh_clean_2.ply").write_bytes(b"ply\n")
    for name, more in (("one", ("--workers", "1")), ("ray", ("--engine", "ray"))):
        assert run(capsys, "prepare", tmp_path / "raw", "--out", tmp_path / name, "--quiet", *more)[0] == 2
    one, several = contents(tmp_path / "one"), contents(tmp_path / "ray")
    assert one.keys() == several.keys()
    assert [name for name in one if not equal(one[name], several[name])] == []
    assert len(list((tmp_path / "ray" / "scenes").iterdir())) == 3


def test_two_commands_do_not_write_to_one_folder(capsys, source):
    with only_process(source / "out" / ".lock", busy="busy"):
        assert ask(capsys, "out")[0] == 2
    assert ask(capsys, "out")[0] == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--workers", "0"], "workers: expected 1 or more, got 0"),
        (["--address", "head:6379"], "expected only with the engine ray"),
        (["--engine", "ray", "--address", "head"], "expected HOST:PORT"),
    ],
    ids=" ".join,
)
def test_engines_are_checked_before_work(capsys, source, more, says):
    if "ray" in more:
        pytest.importorskip("ray")
    scan = ("--model", MODEL, *more)
    assert says in refused(capsys, "refer", "scans", SENTENCE, *scan)
    assert "only with several" in refused(capsys, "refer", "scans/cut.ply", SENTENCE, *scan)


def test_a_head_that_does_not_answer_is_said(capsys, source, monkeypatch):
    pytest.importorskip("ray")
    from saymask.util.engines import cluster as clusters

    monkeypatch.setattr(clusters.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(clusters, "JOINED", 0.5)
    question = ("refer", "scans", SENTENCE, "--model", MODEL, "--engine", "ray", "--address")
    with socket.socket() as other:  # something else listens
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"expected a cluster at {address}, got: no answer" in refused(capsys, *question, address)
    assert f"expected a Ray cluster at {address}, got no answer" in refused(capsys, *question, address)
