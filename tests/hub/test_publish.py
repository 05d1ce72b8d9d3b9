"""Checkpoints to the hub and back, with a stand-in for it; its address is read at import, hence the processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from saymask import cli
from saymask.errors import InputError
from saymask.hub import headers, registry
from saymask.hub.checkpoints import save_checkpoint
from saymask.hub.publish import page_of, publish
from tests.hub.stand_in import TOKEN, served
from tests.models import toy_model

FIND = "from saymask.hub.headers import find_checkpoint; print(find_checkpoint({!r}))"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    toy_model.register(monkeypatch)
    card = {"data": "boxes | balls", "headline": {"mIoU": 12.5, "protocol": "less"}, "metrics": {"n": 3}}
    return save_checkpoint(registry.build("toy.tiny"), tmp_path / "run" / "best.safetensors", card)


@pytest.fixture
def run(tmp_path):
    """Run Python with the hub at an address; the output, and the exit code where it is wanted."""

    def run(address, *arguments, token=TOKEN, code=0):
        settings = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": token, "NO_PROXY": "127.0.0.1"}
        # Its own storage protocol cannot be imitated; without it the hub takes files by Git LFS.
        environment = {**os.environ, **settings, "HF_HUB_DISABLE_XET": "1", "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == code, done.stderr
        return done.stdout.strip() if code == 0 else " ".join(done.stderr.split())

    return run


def test_a_checkpoint_goes_to_the_hub_and_comes_back(toy, run):
    send = ("-m", "saymask", "publish", str(toy.parent), "someone/chairs", "--licence", "apache-2.0", "--private")
    with served() as hub:
        assert run(hub.address, *send) == f"{hub.address}/someone/chairs"
        assert hub.private == {"someone/chairs": True}
        (commit,) = hub.commits["someone/chairs"]
        assert set(commit) == {"README.md", "model.safetensors"}
        assert commit["model.safetensors"] == toy.read_bytes()
        found = run(hub.address, "-c", FIND.format("hf://someone/chairs"))
        assert os.path.realpath(found).startswith(str(toy.parents[1] / "hf"))
        assert Path(found).read_bytes() == toy.read_bytes()
        first, _ = hub.files("someone/chairs")
        toy.with_name("last.safetensors").write_bytes(toy.read_bytes())
        toy.unlink()  # a run without a validation has no best checkpoint
        assert run(hub.address, *send) == f"{hub.address}/someone/chairs"
        assert len(hub.commits["someone/chairs"]) == 2
        assert run(hub.address, "-c", FIND.format(f"hf://someone/chairs@{first}"))
        hub.commits["someone/empty"] = [{"README.md": b"nothing"}]
        assert "the repository has none" in run(hub.address, "-c", FIND.format("hf://someone/empty"), code=1)
    # The hub is gone, the file is here.
    assert run(hub.address, "-c", FIND.format("hf://someone/chairs")) == found


@pytest.mark.slow
def test_the_default_loads_from_the_hub(run):
    weights = headers.embedded()[headers.DEFAULT]
    load = "import saymask; m = saymask.load_model('hf://o/n'); print(m.title, m.card['data'][:5])"
    with served() as hub:
        hub.commits["o/n"] = [{"model.safetensors": weights.read_bytes()}]
        assert run(hub.address, "-c", load) == f"{headers.DEFAULT} rooms"


def test_what_the_hub_refuses_is_said(toy, run):
    send = ("-m", "saymask", "publish", str(toy), "someone/chairs", "--licence", "apache-2.0")
    with served() as hub:
        said = run(hub.address, *send, token="wrong", code=2)
        assert "someone/chairs: the hub refuses (401: Invalid username or password" in said
        assert "hf auth login" in said
        hub.hangs_up = True
        assert "someone/chairs: sending it to the hub failed (" in run(hub.address, *send, code=2)
        assert hub.commits["someone/chairs"] == []
        refer = ("-m", "saymask", "refer", "a.ply", "chair", "--model", "hf://someone/else")
        (toy.parents[1] / "a.ply").write_bytes(b"ply\n")
        assert "hf://someone/else is not on this machine: connect" in run(hub.address, *refer, code=2)
    assert "cannot be reached" in run(hub.address, *send, code=2)


def test_the_page_says_what_the_card_says(toy):
    page = page_of(headers.card_of(toy), "someone/chairs", "apache-2.0")
    front, body = re.fullmatch(r"---\n(.*?)\n---\n\n(.*)", page, re.DOTALL).groups()
    assert "license: apache-2.0" in front
    assert "library_name: saymask" in front
    assert body.startswith("# chairs\n")
    for part in (
        'saymask.load_model("hf://someone/chairs")', "scene.refer(", "| trained on | boxes / balls |",
        "| mIoU | 12.5 |", '"n": 3',
    ):  # fmt: skip
        assert part in body
    assert "scene.click(" not in body  # the toy does not answer it
    assert str(toy.parent) not in page


def test_files_can_be_looked_at_before_they_are_sent(toy, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["publish", str(toy), "a/b", "--licence", "other", "--out", str(tmp_path / "there")])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "there")
    assert (tmp_path / "there" / "model.safetensors").read_bytes() == toy.read_bytes()
    assert "license: other" in (tmp_path / "there" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("repository", "licence", "says"),
    [
        ("chairs", "mit", "expected OWNER/NAME"),
        ("a/b/c", "mit", "expected OWNER/NAME"),
        ("a/b@main", "mit", "expected OWNER/NAME"),
        ("../b", "mit", "expected OWNER/NAME"),
        ("a/b", "Apache 2", "expected the hub's name of a licence"),
    ],
)
def test_names_are_checked_first(toy, tmp_path, repository, licence, says):
    with pytest.raises(InputError, match=says):
        publish(toy, repository, licence=licence, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_checkpoint(tmp_path):
    with pytest.raises(InputError, match=r"best\.safetensors or last\.safetensors, found neither"):
        publish(tmp_path, "a/b", licence="mit", out=tmp_path / "out")


@pytest.mark.parametrize("name", ["hf://", "hf://a", "hf:a/b", "hf://a/b/c", "hf://../b", "hf://a/b@"])
def test_wrong_names_on_the_hub(name):
    with pytest.raises(InputError, match="expected hf://OWNER/NAME"):
        headers.find_checkpoint(name)
