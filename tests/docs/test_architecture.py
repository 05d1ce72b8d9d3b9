"""docs/architecture.md tells the truth: its answers are files that hold what is asked for, its picture is current."""

import re
from pathlib import Path

import pytest

from tests.docs.scripts import load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
SYSTEMS = ("bqnet", "less", "lground", "uniseg3d")
TEXT = PAGE.read_text(encoding="utf-8")
HOLDS = {
    "a click sampled in training?": "def training_clicks",
    "the 50-point rule?": "minimum=50",
    "the learning-rate schedule?": "SCHEDULES",
    "UniSeg3D's matcher?": "def match",
    "the mask threshold?": "threshold: float",
    "superpoints of a bare cloud?": "def cloud_superpoints",
    "CLIP text loaded?": "def load_text_encoder",
    "an augmentation of BQNet?": "augment",
    "the batch size of a preset?": "batch_size=",
    "units detected?": "def metres_per_unit",
    "up found?": "def find_up",
    "colours normalised?": "olor",
    "weights downloaded?": "download(",
    "the viewer?": "class Page",
    "which objects a sentence means?": "def referred_objects",
    "Acc@0.25?": "acc25",
    "the default model's name?": "DEFAULT =",
    "a new scan format added?": "READERS",
    "a user error defined?": "class InputError",
    "NMS?": "def matrix_nms",
}
"""Question -> what its file must hold."""


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def files(path: str) -> list[Path]:
    """Return the files that a path of the page stands for: one, or that of every system."""
    return [ROOT / path.replace("<system>", system) for system in (SYSTEMS if "<system>" in path else ("",))]


def test_the_questions_are_those_that_are_checked():
    assert [row[0] for row in rows("Where is …?")] == list(HOLDS)


@pytest.mark.parametrize("row", rows("Where is …?"), ids=lambda row: row[0])
def test_the_answer_is_a_file_that_holds_it(row):
    question, answer, _ = row
    for path in files(answer.strip("`")):
        assert path.is_file(), f"{question} {path}"
        assert HOLDS[question] in path.read_text(encoding="utf-8"), f"{question} {path} lacks {HOLDS[question]!r}"


def test_every_path_of_the_page_exists():
    named = set(re.findall(r"`((?:saymask|tests|docs|benchmarks|examples)/[\w/.<>]*)`", TEXT))
    assert len(named) > 15
    assert not [path for path in sorted(named) for file in files(path) if not file.exists()]


def test_the_tree_is_complete():
    listed = {name.rstrip("/") for row in rows("The tree") for name in re.findall(r"`([\w./]+)`", row[0])}
    there = {p.name for p in (ROOT / "saymask").iterdir() if p.is_dir() and p.name != "__pycache__"}
    there |= {p.name for p in (ROOT / "saymask").glob("[!_]*.py")}
    assert listed == there


def test_what_the_picture_names_exists(tmp_path):
    module = load("make_architecture")
    missing = [
        f"{step.title}: {path}"
        for step in module.STEPS
        for path in step.where.split()
        if not list((ROOT / "saymask").glob(path.rstrip("/")))
    ]
    assert not missing
    keys = {step.key for step in module.STEPS}
    assert {key for arrow in (*module.ARROWS, *module.LONG_ARROWS) for key in arrow} == keys
    pytest.importorskip("matplotlib")
    from PIL import Image

    with Image.open(module.draw(tmp_path / "a.png")) as new, Image.open(ROOT / "docs" / "architecture.png") as old:
        assert new.size == old.size
