"""The code of README and guide: what needs the example room alone is run as written, flags of all are looked up."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import saymask
from saymask.cli.demo import make_example
from saymask.scan import Scan
from tests.cli.test_cli import run

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/guide.md")
ASKS = ("refer", "find", "click", "segment")
ELSEWHERE = ("Views(",)
"""Marks of Python that needs what cannot come along: frames of a scan with the weights of CLIP."""


def blocks(page: str, language: str) -> list[str]:
    """Return the code of a page in one language; shell has none named."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for kind, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S) if kind == language]


def commands(page: str) -> list[list[str]]:
    """Return the words of every `saymask` command of a page."""
    found = []
    for block in blocks(page, ""):
        for line in re.split(r"\n|&&|   +(?=saymask )", block):
            if line.strip().startswith("saymask "):
                words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)
                found.append(words[1:])
    return found


def runs_as_written(words: list[str]) -> bool:
    return words[0] in ASKS and words[1] in ("out", "out/kitchen.ply") and not {"--frames", "--model"} & set(words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder in which `make demo` left its room."""
    folder = tmp_path_factory.mktemp("reader")
    make_example(folder / "out")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_run_as_written(capsys, folder, monkeypatch, page):
    monkeypatch.chdir(folder)
    ran = [words for words in commands(page) if runs_as_written(words)]
    assert len(ran) >= 5
    for words in ran:
        code, out, err = run(capsys, *words)
        assert code == 0, (words, err)
        assert re.search(r"^ *(mask|label)\b", out, re.M), words  # something was found
        assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore:.*trained on synthetic rooms")
def test_python_runs_as_written(folder, monkeypatch, page):
    monkeypatch.chdir(folder)
    scan = saymask.load_scan("out/kitchen.ply", quiet=True)
    # What a reader brings: a model, arrays of points, a mesh.
    known = {
        "saymask": saymask,
        "model": saymask.load_model(),
        "points": scan.points,
        "colors": scan.colors,
        "mesh": scan.to_trimesh(),
    }
    monkeypatch.setattr(Scan, "to_open3d", lambda self: None)  # an extra that need not be installed
    written = [code for code in blocks(page, "python") if not any(mark in code for mark in ELSEWHERE)]
    assert written
    for code in written:
        exec(compile(code, page, "exec"), known)
    assert known["masks"].scan is not None
    assert np.isfinite(known["scan"].points).all()


@pytest.mark.parametrize("page", PAGES)
def test_flags_are_there(capsys, page):
    written = commands(page)
    assert len(written) > 10
    helps: dict[str, str] = {}
    for words in written:
        command = " ".join(words[:2]) if words[0] == "train" else words[0]
        if command not in helps:
            code, helps[command], _ = run(capsys, *command.split(), "--help")
            assert code == 0, command
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in helps[command], words
