"""The table of the published programs' features names tests that exist, and commands and presets that exist."""

import re
from pathlib import Path

import pytest

from saymask.hub.registry import PRESETS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "systems" / "README.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the documents are not part of a source distribution")


def rows() -> list[str]:
    table = PAGE.read_text(encoding="utf-8").partition("## What the published programs do")[2]
    return [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| its README")]


def test_every_row_names_a_test_that_exists():
    assert len(rows()) > 50
    for row in rows():
        last = row.rstrip("| ").rpartition("| ")[2].strip()
        if last == "–":
            continue
        found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", last)
        assert found, row
        assert f"def {found[2]}(" in (ROOT / found[1]).read_text(encoding="utf-8"), row


def test_presets_that_are_trained_exist():
    named = re.findall(r"saymask train ([\w.-]+)", "\n".join(rows()))
    assert named
    assert set(named) <= set(PRESETS)
