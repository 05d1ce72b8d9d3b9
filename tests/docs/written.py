"""Code that the documents show: blocks of the pages, the examples, and the notebook."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")))
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
NOTEBOOK = ROOT / "examples" / "tour.ipynb"


def blocks(page: str, language: str) -> list[str]:
    """Return the code of a page in one language; shell has none named."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for kind, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S) if kind == language]


def cells() -> list[str]:
    """Return the code of the notebook, cell by cell."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def all_python() -> list[str]:
    """Return all Python that the documents show."""
    shown = [code for page in PAGES for code in blocks(page, "python")]
    return [*shown, *(path.read_text(encoding="utf-8") for path in EXAMPLES), *cells()]
