"""Pages of the site that lie elsewhere in the repository, and the reference, which is made from docstrings."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).resolve().parent.parent
SHIM = "https://unpkg.com/iframe-worker/shim"
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "THIRD_PARTY.md": "third_party.md",
}
"""File in the root of the repository -> page of the site."""
REFERENCE = {
    "Scans and masks": ("saymask.scan", "saymask.masks", "saymask.answers", "saymask.io.load", "saymask.io.save"),
    "Scenes and models": (
        "saymask.scene.scene", "saymask.scene.clicks", "saymask.hub.checkpoints", "saymask.hub.headers",
        "saymask.models.base", "saymask.models.contract", "saymask.errors",
    ),
    "Pictures": (
        "saymask.render.picture", "saymask.render.beside", "saymask.render.sheet", "saymask.render.turntable",
        "saymask.viewer.show",
    ),
    "Evaluation": (
        "saymask.evaluation.run", "saymask.evaluation.request", "saymask.evaluation.compare",
        "saymask.metrics.protocols", "saymask.metrics.predictions",
    ),
    "Data and training": (
        "saymask.data.annotations", "saymask.data.scenes", "saymask.data.prepare.folder", "saymask.training.run",
        "saymask.models.less.config", "saymask.models.bqnet.config", "saymask.models.lground.config",
        "saymask.models.uniseg3d.config",
    ),
    "Service": ("saymask.server.client",),
    "Geometry": ("saymask.geometry.superpoints", "saymask.geometry.normals", "saymask.geometry.tsdf"),
}  # fmt: skip
"""Page of the reference -> modules, those first that a program meets first."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in `docs/`."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=moved(text)))
    for title, modules in REFERENCE.items():
        body = "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)])
        files.append(File.generated(config, f"reference/{title.lower().replace(' ', '_')}.md", content=body + "\n"))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to files of the repository's root lead to their pages."""
    return re.sub(r"\]\((?:\.\./)+([A-Z_]+\.md)", lambda m: f"]({PAGES[m[1]]}" if m[1] in PAGES else m[0], markdown)


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
