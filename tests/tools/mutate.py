"""A mutation check: change one place of a file, run the tests that mirror it, count the changes that they notice.

`python -m tests.tools.mutate saymask/metrics saymask/geometry --count 40 --seed 0` draws 40 places, the same number in
every folder and always the same ones for a seed, changes one at a time in a copy of the repository, and prints
`killed` or `SURVIVED` with file, line and change, and the score at the end.

The tests of `saymask/a/b.py` are those of `tests/a/test_b.py` and `test_b_*.py`; where there is no such file, those in
`tests/a` that name the module, or all of them. Tests marked slow are left out. A change that no test can notice is
named in EQUIVALENT with the reason; it is printed, and not counted.
"""

import argparse
import ast
import contextlib
import io
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tools.equivalent import EQUIVALENT

ROOT = Path(__file__).resolve().parents[2]
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
OPPOSITES = {
    one: other
    for pair in (("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"), ("amin", "amax"))
    for one, other in (pair, pair[::-1])
}


@dataclass(frozen=True)
class Mutant:
    """One changed place: bytes `start:end` of `file` become `text`."""

    file: str
    line: int
    start: int
    end: int
    before: str
    after: str

    @property
    def change(self) -> str:
        """The change in words, on one line."""
        return f"{' '.join(self.before.split())} → {' '.join(self.after.split())}"

    @property
    def told(self) -> str:
        """The place and the change, as they are printed."""
        return f"{self.file}:{self.line}  {self.change}"

    @property
    def key(self) -> str:
        """The name under which EQUIVALENT knows the change: no line number, which would not last."""
        return f"{self.file}: {self.change}"

    @contextlib.contextmanager
    def made(self, root: Path) -> Iterator[None]:
        """Change the file below `root` while the block runs."""
        path = root / self.file
        source, times = path.read_bytes(), path.stat()
        path.write_bytes(source[: self.start] + self.after.encode() + source[self.end :])
        yield
        path.write_bytes(source)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # what was compiled of it is valid again


def mutants(file: str, source: str) -> list[Mutant]:
    """Return all changes of one source file, in the order of the places."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, after in _changes(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        before = source.encode()[start:end].decode()
        found.append(Mutant(file, node.lineno, start, end, before, after))
    return sorted(found, key=lambda m: (m.start, m.end, m.after))


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield (node, text that takes its place); annotations, messages, asserts and texts are left alone."""
    if isinstance(tree, ast.JoinedStr | ast.Assert | ast.Raise | ast.Import | ast.ImportFrom):
        return
    if isinstance(tree, ast.expr):
        for changed in _of_expression(tree):
            yield tree, f"({changed})"
    if isinstance(tree, ast.Return) and tree.value is not None and not _is_none(tree.value):
        yield tree, "return None"
    if isinstance(tree, ast.If | ast.While | ast.IfExp):
        yield tree.test, f"(not ({ast.unparse(tree.test)}))"
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _changes(child)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _of_expression(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Compare):
        for i, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                operators = [*node.ops[:i], other(), *node.ops[i + 1 :]]
                yield ast.unparse(ast.Compare(node.left, operators, node.comparators))
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _is_text(node):
        yield ast.unparse(ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))
    elif isinstance(node, ast.BoolOp):
        yield ast.unparse(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield ast.unparse(node.operand)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield repr(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield repr(node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield repr(node.value * 1.1 if node.value else 0.1)
    elif isinstance(node, ast.Name) and node.id in OPPOSITES:
        yield OPPOSITES[node.id]
    elif isinstance(node, ast.Attribute) and node.attr in OPPOSITES:
        yield ast.unparse(ast.Attribute(node.value, OPPOSITES[node.attr], node.ctx))


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str)) for s in sides
    )


def sample(folders: list[str], count: int, seed: int) -> list[Mutant]:
    """Return `count` changes, as many in every folder, the same ones for a seed."""
    chosen: list[Mutant] = []
    for folder in folders:
        path = ROOT / folder
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        every = [m for f in files for m in mutants(str(f.relative_to(ROOT)), f.read_text(encoding="utf-8"))]
        chosen += random.Random(f"{seed} {folder}").sample(every, min(count // len(folders), len(every)))
    random.Random(seed).shuffle(chosen)  # what was done when the time is over is a sample, too
    return chosen


def mirrored(file: str) -> list[str]:
    """Return the tests of a source file: its mirror, else what names it in the mirrored folder, else the folder."""
    path = Path("tests", *Path(file).parts[1:])
    own = path.with_name(f"test_{path.name}")
    if (ROOT / own).exists():
        more = sorted((ROOT / own).parent.glob(f"test_{path.stem}_*.py"))
        return [str(own), *(str(test.relative_to(ROOT)) for test in more)]
    folder = next(p for p in path.parents if (ROOT / p).is_dir())
    module = ".".join(Path(file).with_suffix("").parts)
    package, _, name = module.rpartition(".")
    named = re.compile(rf"{re.escape(module)}\b|from {re.escape(package)} import .*\b{name}\b")
    tests = sorted((ROOT / folder).glob("test_*.py"))
    return [str(t.relative_to(ROOT)) for t in tests if named.search(t.read_text(encoding="utf-8"))] or [str(folder)]


def _pytest(root: Path, arguments: list[str], log: Path) -> None:
    os.chdir(root)
    sys.path.insert(0, str(root))
    for name in [name for name in sys.modules if name.split(".")[0] in ("saymask", "tests")]:
        del sys.modules[name]
    import hypothesis
    import pytest

    kept = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # what fails once is killed: no search for the least
    hypothesis.settings.register_profile("mutate", phases=kept, database=None, deadline=None)
    hypothesis.settings.load_profile("mutate")
    quiet = [
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "--hypothesis-seed=0",
        "--timeout=0",
        "-m",
        "not slow",
        *arguments,
    ]
    with log.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(io.StringIO()):
        code = pytest.main(quiet)
    os._exit(int(code))


def run_tests(root: Path, arguments: list[str], log: Path, timeout: float) -> int | None:
    """Return pytest's exit code for tests below `root`, None when they took longer than `timeout` seconds."""
    process = multiprocessing.get_context("fork").Process(target=_pytest, args=(root, arguments, log))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return process.exitcode


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 when the score is at least `--least`."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.mutate", description=__doc__)
    parser.add_argument("folders", nargs="+", help="folders or files of the package, e.g. saymask/metrics")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=240, help="seconds for the tests of one change")
    parser.add_argument("--again", type=Path, help="a former output: only the changes that survived there")
    parser.add_argument("--unchecked", action="store_true", help="do not run the tests without any change first")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no other change after this time")
    parser.add_argument("--least", type=float, default=0, help="fail below this score in percent")
    options = parser.parse_args(arguments)
    import numba  # loaded once, so that every run begins with it
    import scipy.spatial
    import torch

    del numba, scipy, torch
    chosen = sample(options.folders, options.count, options.seed)
    if options.again is not None:
        former = options.again.read_text(encoding="utf-8").splitlines()
        chosen = [m for m in chosen if any(l.startswith("SURVIVED") and l.endswith(m.told) for l in former)]
    began, killed, counted, survivors = time.monotonic(), 0, 0, []
    with tempfile.TemporaryDirectory() as name:
        root, log = Path(name) / "copy", Path(name) / "log"
        ignored = shutil.ignore_patterns(".git", ".venv", "out", ".hypothesis", ".pytest_cache")
        shutil.copytree(ROOT, root, ignore=ignored)
        tests = {mutant.file: mirrored(mutant.file) for mutant in chosen}
        every = sorted(set().union(*tests.values()))
        if not options.unchecked and run_tests(root, [*every, "-x"], log, 10 * options.timeout) != 0:
            print(f"the tests fail without any change:\n{log.read_text()}")
            return 2
        for mutant in chosen:
            if time.monotonic() - began > 60 * options.minutes:
                break
            if mutant.key in EQUIVALENT:
                print(
                    f"equivalent  {mutant.file}:{mutant.line}  {mutant.change}  ({EQUIVALENT[mutant.key]})", flush=True
                )
                continue
            with mutant.made(root):
                code = run_tests(root, [*tests[mutant.file], "-x"], log, options.timeout)
            counted, killed = counted + 1, killed + (code != 0)
            how = {0: "SURVIVED", None: "killed (time)"}.get(code, "killed")
            survivors += [mutant] if code == 0 else []
            print(f"{how}  {mutant.told}", flush=True)
    score = 100 * killed / max(counted, 1)
    print(f"seed {options.seed}: {killed} of {counted} killed, {score:.1f} %, {time.monotonic() - began:.0f} s")
    for mutant in survivors:
        print(f"  {mutant.told}")
    return 0 if score >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
