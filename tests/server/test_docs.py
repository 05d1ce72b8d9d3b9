"""docs/service.md tells the truth: its code runs, its addresses and flags are there, its limits are the defaults."""

import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from saymask.server.limits import Limits
from tests.cli.test_cli import run
from tests.docs.written import blocks

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return found


@pytest.fixture
def folder(root, tmp_path, monkeypatch):
    """A folder in which `saymask demo` left its room."""
    (tmp_path / "out").symlink_to(root)
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_python_runs_as_written(served, capsys):
    assert "http://127.0.0.1:8000" in block("python")
    known: dict = {}
    exec(compile(block("python").replace("http://127.0.0.1:8000", served.url), "service.md", "exec"), known)
    count, score, points = capsys.readouterr().out.split()
    assert int(count) > 0
    assert 0 < float(score) < 1
    assert int(points) == known["hit"].masks[0].points
    assert known["picture"].startswith(b"\x89PNG")
    assert len(known["cup"]) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_python_of_the_reference_runs_as_written(served, capsys):
    (code,) = blocks("docs/reference/service.md", "python")
    known: dict = {}
    exec(compile(code.replace("http://127.0.0.1:8000", served.url), "reference/service.md", "exec"), known)
    assert "refer" in capsys.readouterr().out
    assert len(known["objects"]) > 5


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_javascript_runs_as_written(served, tmp_path, monkeypatch):
    (tmp_path / "ask.mjs").write_text(block("javascript"))
    monkeypatch.setenv("SERVER", served.url)
    done = subprocess.run(["node", "ask.mjs"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (remote,) = [scan for scan in served.client.scans() if scan.info.path is None and scan.info.name == "kitchen.ply"]
    masks = remote.refer("the fridge").masks
    remote.forget()
    assert masks
    lines = [line.rsplit(" ", 2) for line in done.stdout.splitlines()]
    assert [(name, float(score), int(bits)) for name, score, bits in lines] == [
        (mask.name, mask.score, mask.points) for mask in masks
    ]


def test_addresses_are_there(quick):
    paths = httpx.get(f"{quick.url}/openapi.json").json()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    named = re.findall(r"`((?:(?:GET|POST|DELETE) )?(?:/|…/)[^`\s?]*)[^`]*`(?=[,; |])", PAGE.split("### With")[0])
    assert len(named) >= 14
    full = set()
    for name in named:
        method, _, path = name.rpartition(" ")
        path = path.replace("…", "/scans/ID").replace("ID", "{id}")
        full |= {f"{method or 'POST'} {path}"}
    assert there <= full | {"POST /scans"}
    assert full - {"POST /openapi.json"} <= there


def test_flags_and_limits(capsys):
    code, text, _ = run(capsys, "serve", "--help")
    assert code == 0
    ours = re.sub(r"^curl .*$", "", PAGE, flags=re.M)
    for flag in set(re.findall(r"--[a-z][a-z-]+", ours)):
        assert flag in text, flag
    told = dict(re.findall(r"^\| `--([a-z-]+)` \| (\d+) \|", PAGE, re.M))
    told |= dict(zip(*(re.findall(r"`--([a-z]+)`, `--([a-z]+)` \| (\d+), (\d+)", PAGE)[0][i : i + 2] for i in (0, 2))))
    assert told == {field.name.replace("_", "-"): str(field.default) for field in fields(Limits)}
