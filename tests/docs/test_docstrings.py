"""Docstrings of the package: every module has one, and none begins with a question word."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "saymask"
QUESTION = re.compile(r"(?:What|Which|How|From|Where|Who|Whom|Whose|Why|When|Can|Could|Is|Are|Do|Does|Did)\b")
MODULES_ONLY = (
    "data",
    "io",
    "models",
)  # where docstrings of functions, classes and attributes are not yet held to this


def documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring: of the module, of classes and functions, of attributes and constants."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for number, statement in enumerate(body if isinstance(body, list) else ()):
            if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
                continue
            before = body[number - 1] if number else None
            if isinstance(statement.value.value, str) and isinstance(before, (ast.Assign, ast.AnnAssign, type(None))):
                yield statement.lineno, statement.value.value


def problems(name: str, source: str, *, modules_only: bool = False) -> list[str]:
    """Return what is wrong with the docstrings of a module."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else [f"{name}:1: the module has no docstring"]
    return found + [
        f"{name}:{line}: begin with what it is or does, not with {text.split()[0]!r}"
        for line, text in documented(tree)
        if QUESTION.match(text.strip()) and (line == 1 or not modules_only)
    ]


def test_docstrings_begin_with_what_the_thing_is_or_does():
    modules = sorted(ROOT.rglob("*.py"))
    assert len(modules) > 200
    found: list[str] = []
    for path in modules:
        folder = path.relative_to(ROOT).parts[0]
        name = str(path.relative_to(ROOT.parent))
        found += problems(name, path.read_text("utf-8"), modules_only=folder in MODULES_ONLY)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""Clicks on objects."""\n', []),
        ('"""Whether it fits."""\n', []),
        ('"""Isolated points."""\n', []),
        ("x = 1\n", [1]),
        ("", [1]),
        ('"""What a model says."""\n', [1]),
        ('"""\nWhich way is up."""\n', [1]),
        ('"""Good."""\nx = 1\n"""How far."""\n', [3]),
        ('"""Good."""\ndef f():\n    """Where it is."""\n', [3]),
        ('"""Good."""\nclass A:\n    """Can it fly?"""\n    x: int\n    """What x is."""\n', [3, 5]),
        ('"""Good."""\ndef f():\n    g()\n    "What is no docstring"\n', []),
    ],
)
def test_problems(source, lines):
    assert [int(problem.split(":")[1]) for problem in problems("a.py", source)] == lines
