"""Pages of the site that are made: those of the repository's root, and the tutorials."""

import ast
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).resolve().parent.parent
SHIM = "https://unpkg.com/iframe-worker/shim"
PAGES = {
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "THIRD_PARTY.md": "third_party.md",
}
"""File in the root of the repository -> page of the site."""
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.suffix in (".py", ".ipynb"))
"""Programs that are shown as tutorials."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in `docs/`."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=moved(text)))
    for example in EXAMPLES:
        files.append(File.generated(config, f"tutorials/{example.stem}.md", content=tutorial(example)))
    return files


def tutorial(path: Path) -> str:
    """Return the page of an example: the docstring of a script as text above its code, the cells of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        parts = ["".join(c["source"]) if c["cell_type"] == "markdown" else fenced("".join(c["source"])) for c in cells]
        return "\n\n".join([*parts, f"The notebook is `examples/{path.name}`."]) + "\n"
    said = ast.get_docstring(ast.parse(text)) or ""
    first, _, rest = said.partition("\n\n")
    code = text.split('"""', 2)[2].strip()
    name = path.stem[3:].replace("_", " ").capitalize()
    return f"# {name}\n\n{first}\n\n{rest}\n\n{fenced(code)}\n\nThe script is `examples/{path.name}`.\n"


def fenced(code: str) -> str:
    """Return Python as a block of Markdown."""
    return f"```python\n{code}\n```"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files of the repository's root and to examples lead to their pages."""
    up = "../" * page.file.src_uri.count("/")
    markdown = re.sub(
        r"\]\((?:\.\./)+([A-Z_]+\.md)", lambda m: f"]({up}{PAGES[m[1]]}" if m[1] in PAGES else m[0], markdown
    )
    return re.sub(r"\]\((?:\.\./)*examples/(\w+)\.(?:py|ipynb)\)", rf"]({up}tutorials/\1.md)", markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Let search from disk use a script of our own: the theme's would come from another host."""
    return output.replace(SHIM, get_relative_url("disk_search.js", page.url))


def on_post_template(output: str, template_name: str, **_: Any) -> str:
    """Do the same on the page for wrong addresses."""
    return output.replace(SHIM, get_relative_url("disk_search.js", template_name))


def moved(text: str) -> str:
    """Return a page of the root whose links hold from `docs/`."""
    text = re.sub(r"(\]\(|src=\")docs/", r"\1", text)
    return re.sub(r"\]\(([A-Z_]+\.md)", lambda m: f"]({PAGES.get(m[1], m[1])}", text)
