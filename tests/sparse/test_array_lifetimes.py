"""Arrays whose addresses compiled kernels use are not freed before: numba frees an array after its last use."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import saymask

MADE = {"empty", "zeros", "ones", "full"}


def kernels() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield place and tree of every compiled function that takes an address."""
    root = Path(saymask.__file__).parent
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "njit" not in text or ".ctypes" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(d) for d in node.decorator_list):
                yield f"{path.relative_to(root)}:{node.name}", node


def freed_early(function: ast.FunctionDef) -> list[str]:
    """Return the arrays made in a function whose address is taken and which it last names before its last loop."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    made = {
        node.targets[0].id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).removeprefix("np.") in MADE
    }
    addressed = {
        name.id
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == "ctypes"
        for name in ast.walk(node.value)
        if isinstance(name, ast.Name)
    }
    last_loop = max((node.lineno for node in function.body if isinstance(node, ast.For)), default=0)
    return [a for a in sorted(made & addressed) if max(n.lineno for n in names if n.id == a) < last_loop]


def test_there_are_kernels() -> None:
    assert {"forward_amx", "weight_gradient_amx", "forward"} <= {place.split(":")[1] for place, _ in kernels()}


@pytest.mark.parametrize(("place", "function"), list(kernels()), ids=lambda x: x if isinstance(x, str) else "")
def test_arrays_live_as_long_as_their_addresses(place: str, function: ast.FunctionDef) -> None:
    assert freed_early(function) == [], place


def test_an_array_that_is_freed_early_is_found() -> None:
    (function,) = ast.parse(
        "@njit\ndef f(n):\n    a = np.empty(n)\n    b = np.empty(n)\n    at, other = a.ctypes.data, b.ctypes.data\n"
        "    for i in range(n):\n        g(at, other)\n    b[0] = 0\n"
    ).body
    assert isinstance(function, ast.FunctionDef)
    assert freed_early(function) == ["a"]
