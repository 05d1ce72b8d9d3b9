"""Imports have no circles, those for types and those inside functions included; the declared facades are lazy."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
DIRECTION = next(contract for contract in CONTRACTS if contract["id"] == "direction")
FACADES = [tuple(line.split(" -> ")) for line in DIRECTION["ignore_imports"]]
"""Importer and imported (`saymask.**` = anything) of the imports against the stream, as import-linter knows them."""


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    line: int
    lazy: bool
    """Inside a function or under `if TYPE_CHECKING:`; nothing is loaded when the importer is."""


def sources(root: Path) -> dict[str, tuple[Path, str]]:
    """Return module name -> its file and its package."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[-1] == "__init__":
            found[".".join(parts[:-1])] = path, ".".join(parts[:-1])
        else:
            found[".".join(parts)] = path, ".".join(parts[:-1])
    return found


def imports(root: Path) -> list[Import]:
    """Return every import of one module of the package `root` by another."""
    modules = sources(root)
    found = []
    for name, (path, package) in modules.items():
        for node, lazy in _walk(ast.parse(path.read_text(encoding="utf-8")), False):
            for target in _targets(node, package, modules):
                if target in modules and target != name:
                    found.append(Import(name, target, node.lineno, lazy))
    return found


def _walk(node: ast.AST, lazy: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, lazy
    if isinstance(node, ast.If) and ast.unparse(node.test).removeprefix("typing.") == "TYPE_CHECKING":
        for child in node.body:
            yield from _walk(child, True)
        for child in node.orelse:
            yield from _walk(child, lazy)
        return
    inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, inside)


def _targets(node: ast.Import | ast.ImportFrom, package: str, modules: Mapping[str, object]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    return [f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names]


def is_facade(found: Import) -> bool:
    return any(
        found.importer == importer and (found.imported == imported or imported == "saymask.**")
        for importer, imported in FACADES
    )


def circles(found: list[Import]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others."""
    graph: dict[str, set[str]] = {}
    for one in found:
        graph.setdefault(one.importer, set()).add(one.imported)
        graph.setdefault(one.imported, set())
    while True:  # take away what imports nothing that is left; what stays is in a circle, or leads into one
        leaves = {name for name, targets in graph.items() if not targets}
        if not leaves:
            break
        graph = {name: targets - leaves for name, targets in graph.items() if name not in leaves}
    groups: list[set[str]] = []
    for name in graph:
        reached, todo = set(), [name]
        while todo:
            for target in graph[todo.pop()] - reached:
                reached.add(target)
                todo.append(target)
        if name in reached:
            for group in groups:
                if name in group:
                    break
            else:
                groups.append({n for n in reached if _reaches(graph, n, name)})
    return [sorted(group) for group in groups]


def _reaches(graph: Mapping[str, set[str]], start: str, end: str) -> bool:
    reached, todo = set(), [start]
    while todo:
        for target in graph[todo.pop()] - reached:
            reached.add(target)
            todo.append(target)
    return end in reached


def test_no_circles():
    assert circles([i for i in imports(ROOT / "saymask") if not is_facade(i)]) == []


def test_the_facades_are_lazy_and_still_there():
    found = [i for i in imports(ROOT / "saymask") if is_facade(i)]
    eager = [i for i in found if not i.lazy and i.imported != "saymask.errors"]
    assert not eager, "\n".join(f"{i.importer}:{i.line} imports {i.imported} when it is loaded" for i in eager)
    there = {(i.importer, i.imported) for i in found}
    assert not [f for f in FACADES if f not in there and f[1] != "saymask.**"], "facades that nothing uses any more"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a": "from p import b", "b": ""}, []),
        ({"a": "from p import b", "b": "from p.a import x"}, [["p.a", "p.b"]]),
        ({"a": "import p.b", "b": "def f():\n    from . import c", "c": "import p.a"}, [["p.a", "p.b", "p.c"]]),
        (
            {"a": "from .b import x", "b": "if TYPE_CHECKING:\n    from p.a import X", "c": "import p.a"},
            [["p.a", "p.b"]],
        ),
        (
            {"a": "import p.b", "b": "import p.a", "c": "import p.d", "d": "import p.c"},
            [["p.a", "p.b"], ["p.c", "p.d"]],
        ),
        ({"a": "import p.b", "b": "import p.a\nimport p.c", "c": "import p.d", "d": ""}, [["p.a", "p.b"]]),
    ],
)
def test_circles_are_found(tmp_path, files, expected):
    (tmp_path / "p").mkdir()
    for name, text in {"__init__": "", **files}.items():
        (tmp_path / "p" / f"{name}.py").write_text(text)
    assert circles(imports(tmp_path / "p")) == expected


def test_what_is_lazy(tmp_path):
    (tmp_path / "p").mkdir()
    for name in ("__init__", "b", "c", "d", "e", "f"):
        (tmp_path / "p" / f"{name}.py").write_text("")
    (tmp_path / "p" / "a.py").write_text(
        "import typing\nfrom p import b\nif typing.TYPE_CHECKING:\n    from p import c\nelse:\n    from p import d\n"
        "def f():\n    from p import e\nclass K:\n    from p import f\n"
    )
    assert {i.imported: i.lazy for i in imports(tmp_path / "p")} == {
        "p.b": False, "p.c": True, "p.d": False, "p.e": True, "p.f": False,
    }  # fmt: skip


def test_every_folder_has_its_layer():
    """The layers say where each folder lies, so that a new one is placed before it is used."""
    layers = set(re.findall(r"\w+", " ".join(DIRECTION["layers"])))
    there = {p.name for p in (ROOT / "saymask").iterdir() if (p / "__init__.py").is_file()}
    there |= {p.stem for p in (ROOT / "saymask").glob("*.py") if p.stem != "__init__"}
    assert there == layers
