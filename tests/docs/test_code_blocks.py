"""The code of all pages: what made rooms are enough for is run as written, flags of all are looked up."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import saymask
from saymask.cli.demo import make_example
from saymask.scan import Scan
from tests.cli.test_cli import run
from tests.docs.written import PAGES, blocks

ASKS = ("refer", "find", "click", "segment")
WITH_SERVER = ("docs/service.md", "docs/reference/service.md")
"""Pages whose Python needs a server; `tests/server/test_docs.py` runs it."""
ELSEWHERE = ("Views(", *(() if find_spec("open3d") else ("import open3d",)))
"""Marks of Python that needs what cannot come along: frames of a scan with the weights of CLIP, a package of 400 MB."""
PYTHON = [page for page in PAGES if blocks(page, "python") and page not in WITH_SERVER]


def commands(page: str) -> list[list[str]]:
    """Return the words of every `saymask` command of a page."""
    found = []
    for block in blocks(page, ""):
        for line in re.split(r"\n|&&|   +(?=saymask )", block.replace("\\\n", " ")):
            if line.strip().startswith("saymask "):
                words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
                found.append(words[1:])
    return found


def runs_as_written(words: list[str]) -> bool:
    return words[0] in ASKS and words[1] in ("out", "out/kitchen.ply") and not {"--frames", "--model"} & set(words)


COMMANDS = [page for page in PAGES if commands(page)]
RUN = [page for page in PAGES if any(map(runs_as_written, commands(page)))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder in which `make demo` left its room."""
    folder = tmp_path_factory.mktemp("reader")
    make_example(folder / "out")
    return folder


def test_pages_that_are_run():
    assert {"README.md", "docs/refer.md", "docs/find.md", "docs/click.md", "docs/segment.md", "docs/command.md"} <= set(
        RUN
    )
    assert len(PYTHON) > 12


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_commands_run_as_written(capsys, folder, monkeypatch, page):
    monkeypatch.chdir(folder)
    for words in filter(runs_as_written, commands(page)):
        code, out, err = run(capsys, *words)
        assert code == 0, (words, err)
        assert re.search(r"^ *(mask|label)\b", out, re.M), words  # something was found
        assert "Traceback" not in err


def brought(page: str) -> dict:
    """Return what a reader of a page brings: a model, arrays, a mesh, or what the page before it made."""
    scan = saymask.load_scan("out/kitchen.ply", quiet=True)
    model = saymask.load_model()
    known = {"saymask": saymask, "np": np, "scan": scan, "model": model, "points": scan.points, "colors": scan.colors}
    if page == "docs/robot.md":
        depth = np.full((120, 160), 2.0)  # a wall in front of the camera, and the floor before it
        depth[80:] = np.linspace(2.0, 1.0, 40)[:, None]
        pose = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])
        color = np.full((120, 160, 3), 200, np.uint8)
        return known | {"depth": depth, "color": color, "pose": pose, "fx": 100, "fy": 100, "cx": 80, "cy": 60}
    if page == "docs/reference/evaluation.md":
        made = blocks("docs/reference/data_and_training.md", "python")[0]
        exec(compile(made, page, "exec"), known)
    return known | {"mesh": scan.to_trimesh()}


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON)
@pytest.mark.filterwarnings("ignore:.*trained on synthetic rooms")
def test_python_runs_as_written(folder, monkeypatch, page):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Scan, "to_open3d", lambda self: None)  # an extra that need not be installed
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    monkeypatch.setattr("saymask.viewer.show.COMES", 0.1)  # nobody looks at the page
    known = brought(page)
    written = [code for code in blocks(page, "python") if not any(mark in code for mark in ELSEWHERE)]
    assert written
    for code in written:
        exec(compile(code, page, "exec"), known)
    assert np.isfinite(known["scan"].points).all()


@pytest.mark.parametrize("page", COMMANDS)
def test_flags_are_there(capsys, page):
    helps: dict[str, str] = {}
    for words in commands(page):
        command = " ".join(words[:2]) if words[0] == "train" else words[0]
        if command not in helps:
            code, helps[command], _ = run(capsys, *command.split(), "--help")
            assert code == 0, command
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in helps[command], words
