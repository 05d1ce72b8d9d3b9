"""The table of who answers what is that of the code."""

import subprocess
import sys
from pathlib import Path

from saymask.answers import VERBS
from saymask.hub import registry
from saymask.hub.verbs import presets_for, verb_table, verbs_of
from tests.models import toy_clicks

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_every_preset_is_in_one_row_with_its_verbs():
    header, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in verb_table().splitlines()]
    assert header == ["models", *VERBS]
    seen = {}
    for names, *cells in rows:
        for name in names.split(", "):
            assert name not in seen
            seen[name] = tuple(verb for verb, cell in zip(VERBS, cells, strict=True) if cell == "✓")
    assert seen == {f"`{name}`": verbs_of(name) for name in registry.PRESETS}


def test_presets_for_a_verb(monkeypatch):
    assert "bqnet.rooms" in presets_for("refer")
    assert not any(name.startswith("bqnet.") for name in presets_for("find"))
    assert presets_for("semantic") == sorted(presets_for("semantic"))
    before = presets_for("click")
    toy_clicks.register(monkeypatch)
    assert presets_for("click") == sorted([*before, "toy.pointer"])


def test_the_page_has_this_table():
    text = PAGE.read_text(encoding="utf-8")
    assert verb_table() in text, (
        "docs/models.md is out of date: put what `python -m saymask.hub.verbs` prints in its place"
    )


def test_it_is_printed():
    command = [sys.executable, "-m", "saymask.hub.verbs"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == verb_table()
