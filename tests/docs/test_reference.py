"""Every name of the reference has a docstring with shapes, types, units and errors, and an example that is executed."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

import pytest

import saymask
from tests.docs.written import ROOT, all_python

pytest.importorskip("httpx", reason="httpx is not installed (extra serve)")

SHAPE = re.compile(r"\[(?:(?:\d+|[A-Za-z])\w*(?:, ?[\w ]+)*)?\]|\(x, y, z\)")
"""[N], [M, N], [4, 4], [points, channels], or a place."""
TYPE = re.compile(r"\b(?:bool|u?int\d*|float\d*|number type|lists?)\b")
TRIPLE = re.compile(r"\[(?:\w+, )*3\]")
UNIT = re.compile(r"metre|file unit|rows? of|colou?r|normal|axes|over the|0\.\.|bytes|unit", re.I)
ARRAY = re.compile(r"ndarray|Tensor|Places")


@dataclass(frozen=True)
class Name:
    """A public name: a class, a function, or a public member of a class."""

    path: str
    thing: Any
    parent: Any = None

    @property
    def own(self) -> str:
        """Its last part, as programs write it."""
        return self.path.rpartition(".")[2]


def members(cls: type, path: str, chosen: str = "") -> Iterator[Name]:
    """Yield the public methods and properties that a class defines itself, or those of a list such as `a, b`."""
    for name, value in vars(cls).items():
        if name.startswith("_") or (chosen and name not in chosen.split(", ")):
            continue
        inner = next((getattr(value, key) for key in ("__func__", "fget", "func") if hasattr(value, key)), value)
        if inspect.isfunction(function := inspect.unwrap(inner)):
            yield Name(f"{path}.{name}", function, cls)


@cache
def public() -> tuple[Name, ...]:
    """Return all names of the reference: those of its pages, and the members of the classes among them."""
    entry = re.compile(r"^::: ([\w.]+)(?:\n    options:\n      members: \[(.*)\])?", re.MULTILINE)
    found = []
    for page in sorted((ROOT / "docs" / "reference").glob("*.md")):
        for path, chosen in entry.findall(page.read_text(encoding="utf-8")):
            module, _, name = path.rpartition(".")
            thing = getattr(importlib.import_module(module), name)
            found.append(Name(path, thing))
            if inspect.isclass(thing):
                found += members(thing, path, chosen)
    return tuple(found)


def said(name: Name) -> str:
    """Return the docstring; of a class with the comments and strings at its fields."""
    text = inspect.getdoc(name.thing) or ""
    if inspect.isclass(name.thing):
        text += "\n" + "\n".join(re.findall(r"(?:#|\"\"\").*", inspect.getsource(name.thing).partition("def ")[0]))
    return text


def lacks(name: Name) -> list[str]:
    """Return what the docstring of a name lacks."""
    text, found = said(name), []
    if not re.search(r"[.:](\s|$)", inspect.getdoc(name.thing) or ""):
        found.append("a sentence")
    arrays = has_arrays(name)
    if arrays and not SHAPE.search(text):
        found.append("a shape")
    if arrays and not TYPE.search(text):
        found.append("a type of numbers")
    if TRIPLE.search(text) and not UNIT.search(text):
        found.append("a unit")
    if raises(name) and not re.search(r"InputError|Error|refuse", text):
        found.append("its errors")
    return found


def has_arrays(name: Name) -> bool:
    """Return whether arrays or tensors go in or out."""
    if inspect.isclass(name.thing):
        own = fields(name.thing) if is_dataclass(name.thing) else ()
        return any(ARRAY.search(str(field.type)) for field in own)
    return any(ARRAY.search(str(kind)) for kind in inspect.get_annotations(name.thing).values())


def raises(name: Name) -> bool:
    """Return whether a function itself raises an error for its user."""
    if inspect.isclass(name.thing):
        return False
    tree = ast.parse(textwrap.dedent(inspect.getsource(name.thing)))
    return any(isinstance(node, ast.Raise) and "InputError" in ast.unparse(node) for node in ast.walk(tree))


@cache
def used() -> frozenset[str]:
    """Return all identifiers of the code that the documents show, which other tests execute."""
    names: set[str] = set()
    for code in all_python():
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add(node.name.rpartition(".")[2])
            elif isinstance(node, ast.FunctionDef):
                names.add(node.name)  # a method that a model of one's own defines
    return frozenset(names)


def test_the_reference_holds_what_saymask_exports():
    listed = {name.own for name in public() if name.parent is None}
    assert set(saymask.__all__) <= listed
    assert len(public()) > 100


def test_no_docstring_lacks_anything():
    missing = [f"{name.path}: {', '.join(lack)}" for name in public() if (lack := lacks(name))]
    assert not missing, "\n".join(missing)


def test_no_name_is_without_an_example():
    missing = [name.path for name in public() if name.own not in used()]
    assert not missing, "\n".join(missing)


def one(points):
    """Return a thing."""


one.__annotations__ = {"points": "np.ndarray"}


def two(points):
    """Return bool [N] for points float32 [N, 3] in metres. Raises InputError for others."""
    raise saymask.InputError


two.__annotations__ = {"points": "np.ndarray"}


def three():
    """Places [K, 3] as float."""
    raise saymask.InputError


def test_what_lacks_is_said():
    assert lacks(Name("a.one", one)) == ["a shape", "a type of numbers"]
    assert lacks(Name("a.two", two)) == []
    assert lacks(Name("a.three", three)) == ["a unit", "its errors"]
