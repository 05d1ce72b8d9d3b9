"""Mistakes in names and paths are said before anything heavy is loaded: modules are counted, not seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import saymask
from saymask.io.ply import write_ply
from tests.io.rooms import bumpy

HEAVY = ("torch", "numba", "lightning", "transformers", "scipy", "trimesh", "PIL", "pandas")
MISTAKES = {
    "refer nope.ply chair": "no such file",
    "refer a.foo chair": "no such file",
    "refer empty.ply chair": "the file is empty",
    "refer odd.foo chair": "expected a scan with one of the suffixes",
    "refer folder chair": "got no scan there",
    "refer a.ply chair --model less.room": "did you mean 'less.rooms'",
    "refer a.ply chair --model less.scanrefer": "no weights for 'less.scanrefer'",
    "refer a.ply chair --model nope.safetensors": "there is no checkpoint file",
    "refer a.ply chair --model lground.rooms": "lground.rooms answers find",
    "refer a.ply chair --device gpu": "cannot use device 'gpu'",
    "refer a.ply chair --adapt 2": "--adapt",
    "refer a.ply chair --out hit.txt": "expected a suffix of",
    "refer a.ply chair --out folder": "expected a file name, got a folder",
    "refer a.ply chair --out a.ply/hit.ply": "is a file, not a folder",
    "refer a.ply chair --picture hit.jpg": "ending in .png",
    "find a.ply chair chair": "expected every name once",
    "find a.ply chair --threshold 2": "from 0 to 1",
    "find a.ply chair --frames nowhere": "nowhere is not there",
    "find nope.ply chair --frames folder": "no such file",
    "find a.ply chair --every 0 --frames folder": "--every",
    "click a.ply 1,2": "expected three numbers",
    "click a.ply 1,2,3 --not": "expected a place",
    "click a.ply nan,1,2": "finite",
    "segment a.ply --classes scannet2000": "did you mean 'scannet200'",
    "segment a.ply --task instances --classes scannet20": "expected only with --task semantic",
    "rooms out --split foo=3": "--split expects",
    "rooms out --workers 0": "--workers",
    "rooms a.ply": "is a file, not a folder",
    "prepare nope --out out": "there is no such folder",
    "prepare folder --out out --device gpu": "cannot use device",
    "prepare folder --out out --frames nowhere": "nowhere is not there",
    "anchors x.foo": "ends in .safetensors",
    "anchors x.safetensors --encoder minilmm": "did you mean 'minilm'",
    "anchors x.safetensors --templates wall": "one {} for the name",
    "train uniseg3d.room --data data --out out": "did you mean 'uniseg3d.rooms'",
    "train uniseg3d.rooms --out out": "got no --data",
    "train uniseg3d.rooms --data nope --out out": "manifest.json",
    "train uniseg3d.rooms --data data --out a.ply": "is a file, not a folder",
    "evaluate default --data nope": "manifest.json",
    "evaluate nope.rooms --data data": "there is no checkpoint 'nope.rooms'",
    "evaluate nope.json --data data": "no such file of predictions",
    "evaluate default --data data --split tests": "expected a split of val",
    "evaluate default --data data --protocol scanref": "did you mean 'scanrefer'",
    "evaluate default --data data --device gpu": "cannot use device",
    "evaluate default --data data --json folder": "got a folder",
    "convert less nope.pth --out o.safetensors --projections rebuild": "there is no checkpoint file nope.pth",
    "convert less nope.pth --out o.foo --projections rebuild": "ends in .safetensors",
    "convert less nope.pth --out o.safetensors": "projections",
    "reffer a.ply chair": "did you mean 'refer'",
}
RUN = """
import json, sys
from saymask.cli import run
from saymask.errors import InputError
heavy, out = set(json.loads(sys.argv[1])), {}
for line in json.loads(sys.argv[2]):
    try:
        run(line.split())
        said = "nothing"
    except InputError as error:
        said = str(error)
    except SystemExit as stop:
        said = f"exit {stop.code}"
    out[line] = said, sorted(heavy & set(sys.modules))
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each command line says, and which heavy modules are loaded after it, all in one process."""
    folder = tmp_path_factory.mktemp("mistakes")
    write_ply(folder / "a.ply", dict(zip("xyz", bumpy().T)))
    for name in ("empty.ply", "odd.foo"):
        (folder / name).write_bytes(b"" if name == "empty.ply" else b"x")
    (folder / "folder").mkdir()
    (folder / "data").mkdir()
    (folder / "data" / "manifest.json").write_text('{"splits": {"val": ["s"]}}')
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(HEAVY), json.dumps(list(MISTAKES))],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(saymask.__file__).parents[1])}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_said_before_heavy_imports(said, line):
    message, heavy = said[line]
    assert MISTAKES[line] in message
    assert heavy == []


def test_protocols_are_those_of_the_tasks():
    from saymask.cli.checks import OTHER_PROTOCOLS
    from saymask.evaluation.tasks.table import TASKS
    from saymask.metrics.protocols import PROTOCOLS

    known = {protocol for task in TASKS.values() for protocol in task.protocols}
    assert known | {"plain"} == {*PROTOCOLS, *OTHER_PROTOCOLS}
