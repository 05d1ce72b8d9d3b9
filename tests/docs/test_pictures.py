"""Pictures of the pages: small, shown somewhere, and those that `make docs` makes."""

import re
import sys

import numpy as np
import pytest
from PIL import Image

from tests.docs.scripts import load
from tests.docs.written import PAGES, ROOT

FOLDER = ROOT / "docs" / "pictures"
KEPT = {"office"}
"""Of a model that does not come along: not made again."""


def test_they_are_small_and_shown():
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    shown = set(re.findall(r"\]\(pictures/(\w+)\.jpg\)", text))
    files = {path.stem: path.stat().st_size for path in FOLDER.iterdir()}
    assert shown == set(files)
    assert max(files.values()) <= 150_000


@pytest.mark.slow
def test_they_are_those_that_are_made(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    made = dict(load("make_pictures").pictures())
    assert set(made) == {path.stem for path in FOLDER.iterdir()} - KEPT
    for name, image in made.items():
        with Image.open(FOLDER / f"{name}.jpg") as there:
            assert there.size == image.size, name
            difference = np.abs(np.asarray(there, float) - np.asarray(image.convert("RGB"), float)).mean()
        assert difference < 8, f"{name}: run `make docs`"
